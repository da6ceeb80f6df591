//! Reports what a plan lacks before it can run, in each tenant: who signs in as which principal, which permissions each
//! identity has and until when, and which network manager already manages a scope. All requests are reads and run
//! concurrently. What cannot be read is reported as unknown, never as fine.

mod ending;
mod giving;
mod places;
mod scope_conflicts;
mod sign_ins;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;
use twinspan_engine::{
    AttemptLog, Clock, Ensure, FailureClass, Identity, Permission, Phase, PlannedChange, Preview, RunId,
    StepCx, StepError, StepKey,
};
use twinspan_plans::Plan;

use crate::azure::Azure;

pub use ending::{Ending, Ends};
pub use giving::{Activation, Giving};
pub use places::{Allowance, TargetScope};
pub use scope_conflicts::{ConflictingManager, ScopeConflicts};
pub use sign_ins::{Entrance, SignIn};

/// A step of the plan, with what is known of it before a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The step.
    pub step: StepKey,
    /// Id of its kind.
    pub kind: String,
    /// Identities that carry out the step; the first one acts.
    pub identities: Vec<Identity>,
    /// The other identities of the plan.
    pub others: Vec<Identity>,
    /// Its parameters, where they are known.
    pub params: Option<Value>,
    /// The permissions that the step needs.
    pub permissions: Vec<Permission>,
    /// Whether the step still has something to do.
    pub open: bool,
}

impl Asked {
    /// Lists the steps of a preview, without those whose condition is false.
    pub fn all(plan: &Plan, preview: &Preview) -> Vec<Asked> {
        let asked = preview.steps.iter().filter_map(|step| {
            let kind = plan.node(step.node).step()?.uses.clone();
            Some(Asked {
                step: step.key.clone(),
                kind,
                identities: step.identities.clone(),
                others: step.others.clone(),
                params: step.params.clone(),
                permissions: step.permissions.clone(),
                open: !step.planned.is_met(),
            })
            .filter(|_| step.planned != PlannedChange::ConditionFalse)
        });
        asked.collect()
    }
}

/// The result of a readiness check.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The sign-in of each identity in each of its tenants.
    pub sign_ins: Vec<SignIn>,
    /// Each scope where an identity needs permissions for a step that is not done.
    pub places: Vec<TargetScope>,
    /// Each scope that the plan connects, and the network managers that already manage it.
    pub scope_conflicts: Vec<ScopeConflicts>,
    /// Number of requests sent, without those for tokens.
    pub reads: usize,
}

/// Checks the tenants of `steps`.
pub async fn look(
    azure: &Arc<Azure>,
    clock: &Arc<dyn Clock>,
    run: RunId,
    steps: &[Asked],
) -> Result<Readiness, StepError> {
    let asker = Asker { azure: Arc::clone(azure), clock: Arc::clone(clock), run };
    let (sign_ins, mut reads) = sign_ins::look(&asker, steps).await?;
    let (places, of_places) = places::look(&asker, steps, &sign_ins).await?;
    let (scope_conflicts, of_rivals) = scope_conflicts::look(&asker, steps, &sign_ins).await?;
    reads += of_places + of_rivals;
    Ok(Readiness { sign_ins, places, scope_conflicts, reads })
}

/// The clients and the run id that a check uses.
#[derive(Clone)]
struct Asker {
    azure: Arc<Azure>,
    clock: Arc<dyn Clock>,
    run: RunId,
}

/// The values that a [`StepCx`] borrows for one check.
struct Attempt<'a> {
    asker: &'a Asker,
    step: StepKey,
    identities: &'a [Identity],
    stated: BTreeMap<String, Value>,
    log: AttemptLog,
    now: Timestamp,
}

impl<'a> Attempt<'a> {
    fn new(asker: &'a Asker, identity: &'a Identity) -> Self {
        Attempt {
            asker,
            step: StepKey::from("preview"),
            identities: std::slice::from_ref(identity),
            stated: BTreeMap::new(),
            log: AttemptLog::new(Phase::Probe),
            now: asker.clock.now(),
        }
    }

    fn cx(&self) -> StepCx<'_> {
        StepCx {
            run: self.asker.run,
            owner: self.asker.run,
            step: &self.step,
            phase: Phase::Probe,
            ensure: Ensure::Present,
            attempt: 1,
            timeout: Duration::from_secs(300),
            identities: self.identities,
            others: &[],
            auxiliary: None,
            since: self.now,
            waited: std::time::Duration::ZERO,
            earlier: None,
            overwrites: false,
            created: &[],
            written: None,
            reads_from: Timestamp::MAX,
            approval: None,
            receipt: None,
            needed_receipts: &[],
            stated: &self.stated,
            unknown: &[],
            clock: &*self.asker.clock,
            log: &self.log,
        }
    }

    /// Number of requests that the check sent.
    fn reads(self) -> usize {
        self.log.into_exchanges().len()
    }
}

/// Runs `ask` for each of `things` concurrently; returns the results in the order of `things`.
async fn side_by_side<T, A, F>(
    things: impl IntoIterator<Item = T>,
    ask: impl Fn(T) -> F,
) -> Result<Vec<A>, StepError>
where
    A: Send + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut count = 0;
    for (at, thing) in things.into_iter().enumerate() {
        let answer = ask(thing);
        under_way.spawn(async move { (at, answer.await) });
        count = at + 1;
    }
    let mut answers: Vec<Option<A>> = Vec::new();
    answers.resize_with(count, || None);
    while let Some(ended) = under_way.join_next().await {
        let broke_off =
            |error| StepError::new(FailureClass::Bug, format!("the check of a tenant ended early: {error}"));
        let (at, answer) = ended.map_err(broke_off)?;
        if let Some(place) = answers.get_mut(at) {
            *place = Some(answer);
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

/// The tenant that an identity acts in; empty if none is known.
fn tenant_of(identity: &Identity) -> &str {
    identity.attributes.get("tenant").map(String::as_str).unwrap_or_default()
}
