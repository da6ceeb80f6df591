//! The preview of a run: reads every step, writes nothing and stores nothing.
//!
//! ```text
//! outlines ─▶ steps with known parameters ─read, in parallel─▶ what exists ─▶ outlines … until nothing new is learned ─▶ judged
//! ```
//! A read gives outputs, and outputs give the parameters of further steps. What cannot be known before a step is done stays
//! unknown, with the name of that step.

mod judging;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use twinspan_plans::{Ensure, Inputs, NodeId, Plan};

use crate::Digest;
use crate::decide::limits;
use crate::decision::{Decision, Difference};
use crate::event::{Event, Recorded, RunStarted};
use crate::failure::{FailureClass, StepError};
use crate::hand_over::{Task, Variable};
use crate::identity::Identity;
use crate::ids::{RunId, Seq, StepKey};
use crate::job::{Fact, Job, Reads, Seen};
use crate::observation::{Observed, Phase};
use crate::perform::Performer;
use crate::permission::Permission;
use crate::planned_steps::{KnownReading, KnownReadings, StepOutline, outlines};
use crate::rollout::Rollout;
use crate::signal::Actor;
use crate::state::{IllegalTransition, RunState, fold};
use crate::wait::Wait;

/// Number of parallel reads: the remote limits requests.
const AT_A_TIME: usize = 8;

/// How often a read is tried that fails for a transient reason.
const TRIES: u32 = 3;

/// The longest pause before such a retry.
const STAY_AWAY: Duration = Duration::from_secs(20);

/// The planned changes of a run.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Every step, in an order in which they can be performed.
    pub steps: Vec<Previewed>,
    /// The variables whose stand-ins occur in texts.
    pub variables: Vec<Variable>,
}

/// The planned change of one step.
#[derive(Clone, Debug)]
pub struct Previewed {
    /// The step; a `for_each` whose elements are not known yet is one entry.
    pub key: StepKey,
    /// Its node in the plan.
    pub node: NodeId,
    /// Its identities; the first acts.
    pub identities: Vec<Identity>,
    /// The plan's other identities that could read it.
    pub others: Vec<Identity>,
    /// Its parameters, if known.
    pub params: Option<Value>,
    /// The current values, if the resource exists.
    pub outputs: Option<Value>,
    /// What would happen.
    pub planned: PlannedChange,
    /// Its needs that are not met yet.
    pub after: Vec<StepKey>,
    /// What a person would do for it by hand, if it does anything.
    pub task: Option<Task>,
    /// Permissions that it needs.
    pub permissions: Vec<Permission>,
    /// Number of requests that were sent to read it.
    pub reads: usize,
}

/// The prospect of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedChange {
    /// Its condition is false.
    ConditionFalse,
    /// It is as wanted.
    Unchanged,
    /// It is absent and would be created, possibly after an approval.
    WouldCreate {
        /// The approval before its write.
        gate: Option<Wait>,
    },
    /// It exists, and the plan would delete it, possibly after an approval.
    WouldDelete {
        /// The approval before its delete.
        gate: Option<Wait>,
    },
    /// It exists and is not as wanted; the run needs a decision before it changes anything, unless an earlier run of the key
    /// created it.
    WouldChange {
        /// The differences.
        differences: Vec<Difference>,
        /// The decision.
        decision: Decision,
    },
    /// The run would wait.
    Waits(Wait),
    /// A person would have to decide first.
    NeedsDecision(Decision),
    /// Unknown before its needs are met, or unknowable.
    Unknown {
        /// Why.
        why: String,
    },
    /// The run would fail here.
    Fails(StepError),
}

impl PlannedChange {
    /// Whether dependents may begin.
    pub fn is_met(&self) -> bool {
        matches!(self, PlannedChange::Unchanged | PlannedChange::ConditionFalse)
    }
}

/// The result of reading one step.
#[derive(Clone, Debug)]
pub(crate) struct StepReading {
    pub(crate) result: Result<Seen, StepError>,
    reads: usize,
}

/// Reads every step of `plan` as `run` would, without creating a run: only reads are sent. `rollout` contains the earlier
/// runs of its key.
pub async fn preview(
    plan: Arc<Plan>,
    inputs: Inputs,
    run: RunId,
    rollout: Rollout,
    performer: Arc<Performer>,
) -> Result<Preview, StepError> {
    let state = never_run(plan, inputs, run, rollout, &performer).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the plan cannot be previewed: {error}"))
    })?;
    let (seen, variables, looks) = read_ahead(&state, &performer, false).await?;
    Ok(Preview { steps: judging::judge(&state, seen, &looks), variables })
}

/// Steps that are not done, variables, and read results.
type Ahead = (Vec<StepOutline>, Vec<Variable>, BTreeMap<StepKey, StepReading>);

/// Reads every step of `state` that is not done and whose parameters are known, until nothing new is learned. `cancelled`:
/// includes cancelled steps.
pub(crate) async fn read_ahead(
    state: &RunState,
    performer: &Arc<Performer>,
    cancelled: bool,
) -> Result<Ahead, StepError> {
    let mut known_readings = KnownReadings::new();
    let mut looks: BTreeMap<StepKey, StepReading> = BTreeMap::new();
    // On a virtual clock one after the other, so that the same seed gives the same result.
    let at_a_time = if performer.clock().is_virtual() { 1 } else { AT_A_TIME };
    // Reads are shared between steps.
    let since = performer.clock().steady();
    loop {
        let (seen, variables) =
            outlines(state, performer.registry(), &**performer.clock(), &known_readings, cancelled);
        let due: Vec<(StepKey, Value, Job)> = seen
            .iter()
            .filter_map(|outline| due(state, outline, &known_readings, (performer, since)))
            .collect();
        if due.is_empty() {
            return Ok((seen, variables, looks));
        }
        let removes =
            |(key, _, job): &(StepKey, Value, Job)| (job.ensure == Ensure::Absent).then(|| key.clone());
        let removing: BTreeSet<StepKey> = due.iter().filter_map(removes).collect();
        let permits = Arc::new(Semaphore::new(at_a_time));
        let mut under_way = JoinSet::new();
        for (key, params, job) in due {
            let (performer, permits) = (Arc::clone(performer), Arc::clone(&permits));
            under_way.spawn(async move {
                // The semaphore is never closed, so this always succeeds.
                let _permit = permits.acquire().await;
                (key, params, look(&performer, job).await)
            });
        }
        while let Some(ended) = under_way.join_next().await {
            let (key, params, look) = ended.map_err(|error| {
                StepError::new(FailureClass::Bug, format!("reading a step failed: {error}"))
            })?;
            // A resource that is to be absent has no outputs.
            let outputs = outputs(&look).filter(|_| !removing.contains(&key)).cloned();
            known_readings.insert(key.clone(), KnownReading { params, outputs });
            looks.insert(key, look);
        }
    }
}

/// A state of the plan at the start of a run.
fn never_run(
    plan: Arc<Plan>,
    inputs: Inputs,
    run: RunId,
    rollout: Rollout,
    performer: &Performer,
) -> Result<RunState, IllegalTransition> {
    let started = RunStarted {
        run,
        name: plan.name.clone(),
        plan: Digest::of(plan.name.as_bytes()),
        inputs,
        starter: Actor(String::new()),
        paused: false,
        seed: 0,
        rollout,
    };
    let mut state = RunState::new(plan);
    let event = Event::RunStarted(Box::new(started));
    fold(&mut state, &Recorded { seq: Seq(1), at: performer.clock().now(), event })?;
    Ok(state)
}

/// The read of a step, unless it was read with these parameters already.
fn due(
    state: &RunState,
    outline: &StepOutline,
    known_readings: &KnownReadings,
    (performer, since): (&Performer, Timestamp),
) -> Option<(StepKey, Value, Job)> {
    let params = outline.params.clone().filter(|_| outline.applies)?;
    if known_readings.get(&outline.key).is_some_and(|known_reading| known_reading.params == params) {
        return None;
    }
    let step = state.plan().node(outline.node).step()?;
    let job = Job {
        run: state.run()?,
        step: outline.key.clone(),
        kind: step.uses.clone(),
        phase: Phase::Probe,
        ensure: step.ensure,
        attempt: 1,
        params: Arc::new(params.clone()),
        identities: outline.identities.clone(),
        others: outline.others.clone(),
        auxiliary: outline.auxiliary.clone(),
        since: performer.clock().now(),
        waited: Duration::ZERO,
        asked: state.seq(),
        earlier: state.earlier_runs(),
        overwrites: false,
        decided: None,
        created: Vec::new(),
        approval: None,
        receipt: None,
        needed_receipts: Vec::new(),
        stated: BTreeMap::new(),
        found: None,
        owner: None,
        timeout: step.timeout.unwrap_or(limits::TIMEOUT),
        written: None,
        reads: Reads::After(since),
        guards: state.guards(),
    };
    Some((outline.key.clone(), params, job))
}

/// Reads a step, and retries after transient failures.
async fn look(performer: &Performer, mut job: Job) -> StepReading {
    let mut reads = 0;
    loop {
        let Fact { result, exchanges, .. } = performer.perform(job.clone()).await;
        reads += exchanges.iter().filter(|exchange| exchange.sent_by.is_none()).count();
        let passing = match &result {
            Err(error) if job.attempt < TRIES => passes(error),
            _ => None,
        };
        let Some(stay_away) = passing else { return StepReading { result, reads } };
        let clock = performer.clock();
        clock.sleep(stay_away).await;
        job.attempt += 1;
    }
}

/// How long to wait before a retry, if one may succeed.
fn passes(error: &StepError) -> Option<Duration> {
    let passing = matches!(
        error.class,
        FailureClass::Throttled | FailureClass::Transient | FailureClass::ConflictRetryable
    );
    passing.then(|| error.retry_after.unwrap_or(Duration::from_secs(1)).min(STAY_AWAY))
}

/// The current values.
fn outputs(look: &StepReading) -> Option<&serde_json::Map<String, Value>> {
    match &look.result {
        Ok(Seen::Checked { observed, .. }) => match observed {
            Observed::Present { output, .. }
            | Observed::Differs { output, .. }
            | Observed::Broken { output, .. } => output.as_object(),
            Observed::Absent | Observed::Converging { .. } | Observed::Conflict(_) => None,
        },
        _ => None,
    }
}
