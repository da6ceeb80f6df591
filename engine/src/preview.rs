//! What a run would find and do, told before there is one: every step is looked at, nothing is written, nothing is kept.
//!
//! ```text
//! sights ─▶ those whose parameters are known ─look, side by side─▶ what is there ─▶ sights … until nothing new is learnt ─▶ judged
//! ```
//! A look tells outputs, outputs tell the parameters of further steps. What nobody can know before a step is done stays
//! unknown, with that step's name.

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
use crate::event::{Event, Recorded, RunStarted};
use crate::failure::{FailureClass, StepError};
use crate::foresight::{Glance, Glances, Sight, sights};
use crate::hand_over::{Task, Variable};
use crate::ids::{RunId, Seq, StepKey};
use crate::perform::{Fact, Job, Performer, Reads, Seen};
use crate::right::Right;
use crate::rollout::Rollout;
use crate::signal::Actor;
use crate::state::{IllegalTransition, RunState, fold};
use crate::step::{Decision, Difference, Identity, Observed, Phase};
use crate::wait::Wait;

/// So many steps are looked at at a time: the other side counts requests.
const AT_A_TIME: usize = 8;

/// A look that failed for a reason that passes is repeated so often.
const TRIES: u32 = 3;

/// The longest that a look which is repeated stays away before.
const STAY_AWAY: Duration = Duration::from_secs(20);

/// What a run would find and do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Every step, in an order in which they can be done.
    pub steps: Vec<Previewed>,
    /// Values that a stand-in stands for in texts.
    pub variables: Vec<Variable>,
}

/// One step, as a run would find it now.
#[derive(Clone, Debug)]
pub struct Previewed {
    /// The step; a `for_each` whose elements are not known yet counts as one.
    pub key: StepKey,
    /// Its place in the plan.
    pub node: NodeId,
    /// Who does it; the first acts.
    pub identities: Vec<Identity>,
    /// The plan's other identities that it could be looked at as.
    pub others: Vec<Identity>,
    /// With what it acts, where that is known.
    pub params: Option<Value>,
    /// What is there, where something is.
    pub outputs: Option<Value>,
    /// What would happen.
    pub standing: Prospect,
    /// What it needs that is not so yet.
    pub after: Vec<StepKey>,
    /// What doing it comes to, where it does anything.
    pub task: Option<Task>,
    /// What whoever acts has to be allowed to do.
    pub rights: Vec<Right>,
    /// Requests that looking took.
    pub reads: usize,
}

/// What would happen to a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Prospect {
    /// Its condition is false.
    ConditionFalse,
    /// It is as wanted.
    Unchanged,
    /// It is not there and would be made; perhaps only after somebody has let it.
    WouldCreate {
        /// The gate before its write.
        gate: Option<Wait>,
    },
    /// It is there, and the plan wants it gone; perhaps only after somebody has let it.
    WouldRemove {
        /// The gate before its removal.
        gate: Option<Wait>,
    },
    /// It is there and not as wanted; the run asks before it changes anything.
    WouldChange {
        /// In what it is not.
        differences: Vec<Difference>,
        /// What is asked.
        decision: Decision,
    },
    /// It would be waited for.
    Waits(Wait),
    /// A person would have to settle something first.
    NeedsDecision(Decision),
    /// It cannot be told before what it needs is done, or at all.
    Unknown {
        /// Why.
        why: String,
    },
    /// The run would fail here.
    Fails(StepError),
}

impl Prospect {
    /// Whether what needs the step may begin.
    pub fn is_met(&self) -> bool {
        matches!(self, Prospect::Unchanged | Prospect::ConditionFalse)
    }
}

/// What a look at one step came to.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) result: Result<Seen, StepError>,
    reads: usize,
}

/// Looks at every step of `plan`, as `run` would, without any run: nothing is sent but reads. `rollout` knows the earlier
/// runs of its key.
pub async fn preview(
    plan: Arc<Plan>,
    inputs: Inputs,
    run: RunId,
    rollout: Rollout,
    performer: Arc<Performer>,
) -> Result<Preview, StepError> {
    let state = never_run(plan, inputs, run, rollout, &performer).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the plan cannot be looked at: {error}"))
    })?;
    let (seen, variables, looks) = read_ahead(&state, &performer, false).await?;
    Ok(Preview { steps: judging::judge(&state, seen, &looks), variables })
}

/// Steps that are not done, values that something stands in for, and what was read.
type Ahead = (Vec<Sight>, Vec<Variable>, BTreeMap<StepKey, Look>);

/// Reads every step of `state` that is not done and whose parameters are known, until nothing new is learnt. `cancelled`:
/// steps that were cancelled, too.
pub(crate) async fn read_ahead(
    state: &RunState,
    performer: &Arc<Performer>,
    cancelled: bool,
) -> Result<Ahead, StepError> {
    let mut glances = Glances::new();
    let mut looks: BTreeMap<StepKey, Look> = BTreeMap::new();
    // On a virtual clock one after the other, so that the same seed gives the same.
    let at_a_time = if performer.clock().is_virtual() { 1 } else { AT_A_TIME };
    // What one step reads serves all.
    let since = performer.clock().steady();
    loop {
        let (seen, variables) =
            sights(state, performer.registry(), &**performer.clock(), &glances, cancelled);
        let due: Vec<(StepKey, Value, Job)> =
            seen.iter().filter_map(|sight| due(state, sight, &glances, (performer, since))).collect();
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
                // It is never closed, so there is always a permit.
                let _permit = permits.acquire().await;
                (key, params, look(&performer, job).await)
            });
        }
        while let Some(ended) = under_way.join_next().await {
            let (key, params, look) = ended.map_err(|error| {
                StepError::new(FailureClass::Bug, format!("a look at a step broke off: {error}"))
            })?;
            // What is to be removed puts out nothing.
            let outputs = outputs(&look).filter(|_| !removing.contains(&key)).cloned();
            glances.insert(key.clone(), Glance { params, outputs });
            looks.insert(key, look);
        }
    }
}

/// The plan as a run of it begins.
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

/// How to look at a step that can be looked at, and was not with these parameters.
fn due(
    state: &RunState,
    sight: &Sight,
    glances: &Glances,
    (performer, since): (&Performer, Timestamp),
) -> Option<(StepKey, Value, Job)> {
    let params = sight.params.clone().filter(|_| sight.applies)?;
    if glances.get(&sight.key).is_some_and(|glance| glance.params == params) {
        return None;
    }
    let step = state.plan().node(sight.node).step()?;
    let job = Job {
        run: state.run()?,
        step: sight.key.clone(),
        kind: step.uses.clone(),
        phase: Phase::Probe,
        ensure: step.ensure,
        attempt: 1,
        params: Arc::new(params.clone()),
        identities: sight.identities.clone(),
        others: sight.others.clone(),
        auxiliary: sight.auxiliary.clone(),
        since: performer.clock().now(),
        waited: Duration::ZERO,
        asked: state.seq(),
        earlier: state.earlier_runs(),
        overwrites: false,
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
    Some((sight.key.clone(), params, job))
}

/// Looks, and again where the reason to fail passes by itself.
async fn look(performer: &Performer, mut job: Job) -> Look {
    let mut reads = 0;
    loop {
        let Fact { result, exchanges, .. } = performer.perform(job.clone()).await;
        reads += exchanges.iter().filter(|exchange| exchange.sent_by.is_none()).count();
        let passing = match &result {
            Err(error) if job.attempt < TRIES => passes(error),
            _ => None,
        };
        let Some(stay_away) = passing else { return Look { result, reads } };
        let clock = performer.clock();
        clock.sleep(stay_away).await;
        job.attempt += 1;
    }
}

/// How long to stay away, where another look may see more.
fn passes(error: &StepError) -> Option<Duration> {
    let passing = matches!(
        error.class,
        FailureClass::Throttled | FailureClass::Transient | FailureClass::ConflictRetryable
    );
    passing.then(|| error.retry_after.unwrap_or(Duration::from_secs(1)).min(STAY_AWAY))
}

/// What is there.
fn outputs(look: &Look) -> Option<&serde_json::Map<String, Value>> {
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
