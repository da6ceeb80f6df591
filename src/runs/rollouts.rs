//! Rollouts at the command line: the run key, labels, and the runs of one key.

use twinspan_engine::{
    Backend, Filter, Labels, RunId, RunKey, RunState, RunSummary, Signal, SignalId, SignalRow, SqliteBackend,
    StepKey,
};
use twinspan_plans::{Inputs, Plan};

use crate::cli::error::CommandError;
use crate::cli::failures;
use crate::host::app::App;

/// The given run key, or the key of the plan with these inputs.
pub(crate) fn key(given: Option<&str>, plan: &Plan, inputs: &Inputs) -> Result<RunKey, CommandError> {
    match given {
        Some(text) => given_key(text),
        None => Ok(RunKey::of(plan, inputs)),
    }
}

/// A run key from the command line.
pub(crate) fn given_key(text: &str) -> Result<RunKey, CommandError> {
    RunKey::given(text).map_err(|what| CommandError::usage(what).hint("for example --key prod/west-europe"))
}

/// Labels from the command line.
pub(crate) fn labels(given: &[String]) -> Result<Labels, CommandError> {
    let mut labels = Labels::default();
    for text in given {
        labels
            .add(text)
            .map_err(|what| CommandError::usage(what).hint("for example --label ticket=CHG0042"))?;
    }
    Ok(labels)
}

/// Every run of a key, newest first.
pub(crate) async fn runs(backend: &SqliteBackend, key: &RunKey) -> Result<Vec<RunSummary>, CommandError> {
    let filter = Filter { key: Some(key.clone()), ..Filter::default() };
    backend.list(filter).await.map_err(failures::backend)
}

/// The states of every run of a key, newest first.
pub(crate) async fn states(backend: &SqliteBackend, key: &RunKey) -> Result<Vec<RunState>, CommandError> {
    let mut states = Vec::new();
    for summary in runs(backend, key).await? {
        states.push(backend.load(summary.run).await.map_err(failures::backend)?);
    }
    Ok(states)
}

/// Tells a run, before it is verified or undone, which of its resources later runs of its key updated, so that these
/// differences
/// from its plan are neither drift nor a reason for a decision. `states`: every run of the key, newest first. Returns
/// whether
/// a signal was sent.
pub(crate) async fn tell_updates(
    app: &App,
    backend: &SqliteBackend,
    run: RunId,
    states: &[RunState],
) -> Result<bool, CommandError> {
    let Some(at) = states.iter().position(|state| state.run() == Some(run)) else { return Ok(false) };
    let mut told = false;
    let (later, own) = (&states[..at], &states[at]);
    for state in later {
        let Some(by) = state.run() else { continue };
        let known = |step: &StepKey| own.find(step).and_then(|item| item.updated_since()).is_some();
        let steps: Vec<StepKey> = state.updated_of(run).into_iter().filter(|step| !known(step)).collect();
        if steps.is_empty() {
            continue;
        }
        let signal = Signal::UpdatedSince { steps, by };
        let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason: None, signal };
        backend.signal(row).await.map_err(failures::backend)?;
        told = true;
    }
    Ok(told)
}
