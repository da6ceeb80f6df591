//! Verifies what a run proved: repeats its checks with the same parameters and identities. No write can be sent, because
//! every attempt is of a reading phase.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Finding;
use crate::decide::job_of;
use crate::drift::Proven;
use crate::failure::{FailureClass, StepError};
use crate::job::{Fact, Job, Reads};
use crate::observation::Phase;
use crate::observation::ReadProof;
use crate::perform::Performer;
use crate::registry::Registry;
use crate::schedule::Schedule;
use crate::state::RunState;
use crate::state::item::ItemId;

/// Number of reads before a step counts as unreadable.
const LOOKS: u32 = 4;
/// The interval between them; a rate limit states its own, up to the longest.
const AGAIN: Schedule = Schedule::new(Duration::from_secs(1), Duration::from_secs(30));

/// Reads every proven step, needs first; independent steps in parallel. Returns findings in the order of the plan.
pub async fn look(state: &RunState, performer: &Arc<Performer>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    // Steps share their reads, but use none from before this verification.
    let reads = Reads::After(performer.clock().steady());
    for mut looks in looks(state) {
        looks.iter_mut().for_each(|(_, job)| job.reads = reads);
        // Each fact is dropped when it is judged: memory would otherwise grow with the square of the number of steps.
        let judge = |id, fact: Fact| found.extend(finding(state, id, &fact, performer.registry()));
        perform(looks, performer, state.performs(), judge).await;
    }
    let order: HashMap<_, _> = state.steps().map(|step| step.key().clone()).zip(0_usize..).collect();
    found.sort_by_key(|finding| order.get(&finding.step).copied());
    found
}

/// The reads of all proven steps, in levels without dependencies inside.
pub(crate) fn looks(state: &RunState) -> Vec<Vec<(ItemId, Job)>> {
    let look = |id: ItemId| {
        let attempts = state.item(id).step()?.attempts;
        Some((id, job_of(state, id, Phase::Verify, attempts.max(1))?))
    };
    state.verifiable().into_iter().map(|level| level.into_iter().filter_map(look).collect()).collect()
}

/// Performs reads in parallel; on a virtual clock one after the other, so that the same seed gives the same result.
async fn perform(
    looks: Vec<(ItemId, Job)>,
    performer: &Arc<Performer>,
    at_once: usize,
    mut judge: impl FnMut(ItemId, Fact),
) {
    if performer.clock().is_virtual() {
        for (id, job) in looks {
            judge(id, patiently(performer, &job).await);
        }
        return;
    }
    let mut waiting = looks.into_iter();
    let mut flying: JoinSet<(ItemId, Fact)> = JoinSet::new();
    loop {
        while flying.len() < at_once
            && let Some((id, job)) = waiting.next()
        {
            let performer = Arc::clone(performer);
            flying.spawn(async move { (id, patiently(&performer, &job).await) });
        }
        match flying.join_next().await {
            Some(Ok((id, fact))) => judge(id, fact),
            // The performer catches panics of kinds, and these tasks are never aborted.
            Some(Err(error)) => tracing::error!(%error, "a read did not return"),
            None => return,
        }
    }
}

/// Retries while the remote is throttling or fails transiently.
async fn patiently(performer: &Performer, job: &Job) -> Fact {
    let mut count = 1;
    loop {
        let fact = performer.perform(job.clone()).await;
        let again = match &fact.result {
            Err(error) if count < LOOKS => pause_after(error, count),
            _ => None,
        };
        let Some(pause) = again else { return fact };
        let clock = performer.clock();
        clock.sleep(pause).await;
        count += 1;
    }
}

fn pause_after(error: &StepError, count: u32) -> Option<Duration> {
    match error.class {
        FailureClass::Transient | FailureClass::ConflictRetryable => Some(AGAIN.delay(count)),
        FailureClass::Throttled => {
            Some(error.retry_after.unwrap_or_else(|| AGAIN.delay(count)).min(AGAIN.cap))
        }
        _ => None,
    }
}

/// The finding of a read.
pub(crate) fn finding(state: &RunState, id: ItemId, fact: &Fact, kinds: &Registry) -> Option<Finding> {
    let item = state.item(id);
    let step = state.plan().node(item.node).step()?;
    let proven = Proven {
        run: state.run()?,
        proof: item.step()?.proof.as_deref()?,
        ensure: step.ensure,
        moving: kinds.kind(&step.uses).map_or(&[], |kind| kind.meta.volatile_outputs),
        updated_since: item.step()?.updated_since.is_some(),
    };
    let read = fact.exchanges.iter().rev().find_map(|exchange| {
        Some(ReadProof {
            verb: exchange.verb.clone(),
            target: exchange.target.clone(),
            status: exchange.status?,
        })
    });
    Some(Finding { step: item.key.clone(), drift: proven.judge(&fact.result), read })
}
