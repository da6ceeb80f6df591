//! The measured work: runs are accepted and driven to their end, and each has to succeed.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::task::JoinSet;
use twinspan_engine::{
    Actor, Backend, CutPoints, DriveOptions, NewRollout, NewRun, Opening, Performer, Registry, RunId,
    RunStatus, Runs, SqliteBackend, StopToken, SystemClock,
};
use twinspan_plans::{Inputs, Plan};

use crate::Failure;
use crate::arguments::{Arguments, Workload};
use crate::effects::Effects;
use crate::record_step::{WORKFLOW, plan, registry};

/// How the journal is opened: with the machine's clock, the requested durability, and marked so that `twinspan run`
/// refuses it. The setting is read back when the connection is made; a journal that does not take it is refused.
pub(crate) fn opening(arguments: &Arguments, registry: Arc<Registry>) -> Opening {
    Opening::rehearsal(registry, Arc::new(SystemClock)).durability(arguments.durability)
}

/// Performs the workload; `say` reports progress to the benchmark.
pub(crate) async fn perform(
    arguments: &Arguments,
    effects: Arc<Effects>,
    say: &dyn Fn(&str) -> Result<(), Failure>,
) -> Result<Arc<SqliteBackend>, Failure> {
    perform_until(arguments, effects, None, say).await
}

/// As [`perform`]; the journal may be cut off before the end.
pub(crate) async fn perform_until(
    arguments: &Arguments,
    effects: Arc<Effects>,
    cut: Option<Arc<dyn CutPoints>>,
    say: &dyn Fn(&str) -> Result<(), Failure>,
) -> Result<Arc<SqliteBackend>, Failure> {
    let registry = registry(effects);
    let runs = match arguments.workload {
        Workload::Fresh { workflows, steps } => new_runs(arguments, &registry, workflows, steps)?,
        Workload::Resume | Workload::Idle { .. } | Workload::Audit => Vec::new(),
    };
    let mut opening = opening(arguments, Arc::clone(&registry));
    if let Some(cut) = cut {
        opening = opening.cut_points(cut);
    }
    let backend = Arc::new(SqliteBackend::open(&arguments.folder.join("journal.db"), opening)?);
    say("open")?;
    submit(&backend, runs).await?;
    say("submitted")?;
    let performer = Arc::new(Performer::new(registry, Arc::new(SystemClock)));
    let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
    let (_stopper, stop) = StopToken::new();
    let parked = backend.drive(Runs::All, performer, options, stop).await?;
    for (run, status) in parked.runs {
        if !matches!(status, RunStatus::Done { skipped: 0 }) {
            return Err(format!("run {run} did not succeed: {status:?}").into());
        }
    }
    say("done")?;
    Ok(backend)
}

/// Accepts all runs durably, at the same time.
pub(crate) async fn submit(backend: &Arc<SqliteBackend>, runs: Vec<NewRun>) -> Result<(), Failure> {
    let mut starting = JoinSet::new();
    for run in runs {
        let backend = Arc::clone(backend);
        starting.spawn(async move { backend.start(run).await });
    }
    while let Some(started) = starting.join_next().await {
        started??;
    }
    Ok(())
}

fn new_runs(
    arguments: &Arguments,
    registry: &Registry,
    workflows: u32,
    steps: u32,
) -> Result<Vec<NewRun>, Failure> {
    let (plan, text) = plan(registry, steps)?;
    Ok(runs_of(&plan, &text, arguments.first..arguments.first.saturating_add(workflows)))
}

/// New runs of a plan that takes a workflow's number as input.
pub(crate) fn runs_of(plan: &Arc<Plan>, text: &Arc<str>, numbers: Range<u32>) -> Vec<NewRun> {
    let run = |number: u32| {
        let run = RunId::new();
        NewRun {
            run,
            plan: Arc::clone(plan),
            text: Arc::clone(text),
            inputs: Inputs(IndexMap::from([(WORKFLOW.to_owned(), number.into())])),
            starter: Actor("benchmark".to_owned()),
            paused: false,
            seed: run.0.as_u64_pair().1,
            rollout: NewRollout::default(),
        }
    };
    numbers.map(run).collect()
}
