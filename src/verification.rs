//! Looks at everything of a run that is in place, and has it recorded.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use twinspan_engine::{
    Backend, Clock, Finding, Performer, RunId, Settled, Signal, SignalId, SignalRow, SqliteBackend,
    SystemClock, look,
};

use crate::app::App;
use crate::error::CommandError;
use crate::{failures, rollouts};

/// How long a live driver may take to record what was found.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a look found.
pub(crate) struct Verification {
    pub(crate) began: Timestamp,
    pub(crate) findings: Vec<Finding>,
    /// Why it was not recorded.
    pub(crate) remark: Option<String>,
}

/// Reads; whoever drives the run takes the record in, and where nobody does, this process does.
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
    let findings = look(&state, performer).await;
    if findings.is_empty() {
        // Nothing is in place: there is nothing to record.
        return Ok(Verification { began, findings, remark: None });
    }
    let signal = Signal::Verified { began, after: state.seq(), findings: findings.clone() };
    let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason, signal };
    let settled = backend.signal_and_settle(row, PATIENCE).await.map_err(failures::backend)?;
    let remark = (settled == Settled::NotYet)
        .then(|| "not yet: the driver of the run has it in its inbox, and takes it when it can".to_owned());
    Ok(Verification { began, findings, remark })
}
