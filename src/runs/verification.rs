//! The drift check of a run's finished steps, and its record in the journal.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use twinspan_engine::{
    Backend, Clock, Finding, Performer, RunId, RunState, Signal, SignalId, SignalOutcome, SignalRow,
    SqliteBackend, SystemClock, look, lost_tail,
};

use crate::cli::error::CommandError;
use crate::cli::failures;
use crate::host::app::App;
use crate::runs::rollouts;

/// Maximum time until the driver of the run records the result.
const PATIENCE: Duration = Duration::from_secs(60);

/// The result of a drift check.
pub(crate) struct Verification {
    pub(crate) began: Timestamp,
    pub(crate) findings: Vec<Finding>,
    /// Why the result was not recorded.
    pub(crate) remark: Option<String>,
}

/// Runs the check and records the result: through the process that drives the run, else by this process.
pub(crate) async fn of(
    app: &App,
    backend: &SqliteBackend,
    performer: &Arc<Performer>,
    run: RunId,
    reason: Option<String>,
) -> Result<Verification, CommandError> {
    let mut state = backend.load(run).await.map_err(failures::backend)?;
    if !state.key().is_empty() {
        let states = rollouts::states(backend, state.key()).await?;
        if rollouts::tell_updates(app, backend, run, &states).await? {
            backend.settle(run).await.map_err(failures::backend)?;
            state = backend.load(run).await.map_err(failures::backend)?;
        }
    }
    let began = SystemClock.now();
    let mut findings = look(&state, performer).await;
    let lost = lost_steps(backend, performer, run, &state).await?;
    if !lost.is_empty() {
        findings.extend(lost);
        let remark = "not recorded: this journal is older than Azure, and nothing is added to it".to_owned();
        return Ok(Verification { began, findings, remark: Some(remark) });
    }
    if findings.is_empty() {
        // No finished step to check, so nothing to record.
        return Ok(Verification { began, findings, remark: None });
    }
    let signal = Signal::Verified { began, after: state.seq(), findings: findings.clone() };
    let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason, signal };
    let settled = backend.signal_and_wait(row, PATIENCE).await.map_err(failures::backend)?;
    let remark = (settled == SignalOutcome::NotYet)
        .then(|| "not yet: it is in the inbox of the run's driver, which takes it in later".to_owned());
    Ok(Verification { began, findings, remark })
}

/// Steps that prove that the journal lost its tail. A process that drives the run may have begun a step since `state` was
/// loaded: its intent is durable before the request, so a state that was loaded after the read has it.
async fn lost_steps(
    backend: &SqliteBackend,
    performer: &Arc<Performer>,
    run: RunId,
    state: &RunState,
) -> Result<Vec<Finding>, CommandError> {
    let mut lost = lost_tail(state, performer).await;
    if lost.is_empty() {
        return Ok(lost);
    }
    let now = backend.load(run).await.map_err(failures::backend)?;
    if now.seq() != state.seq() {
        let again = lost_tail(&now, performer).await;
        lost.retain(|finding| again.contains(finding));
    }
    Ok(lost)
}
