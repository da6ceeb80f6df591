//! Performing: begun here, landed here. What is begun twice or landed twice counts once.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::AbortHandle;

use super::{Driver, News};
use crate::backend::BackendError;
use crate::decide::interpret;
use crate::failure::{FailureClass, StepError};
use crate::ids::StepKey;
use crate::journal::Transcript;
use crate::perform::{Fact, Job, Performer, Seen};
use crate::step::Phase;

/// What is performed: an outcome counts once for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FlightKey {
    pub(super) step: StepKey,
    pub(super) phase: Phase,
    pub(super) attempt: u32,
}

/// A phase that is being performed.
#[derive(Debug)]
pub(super) struct Flight(Option<AbortHandle>);

impl Flight {
    pub(super) fn abort(&self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

/// A phase that was performed.
pub(super) struct Landed {
    slot: usize,
    key: FlightKey,
    fact: Fact,
}

type Performing = Pin<Box<dyn Future<Output = Fact> + Send>>;

impl FlightKey {
    pub(super) fn of(job: &Job) -> Self {
        FlightKey { step: job.step.clone(), phase: job.phase, attempt: job.attempt }
    }
}

impl Driver {
    /// Begins what is ready. On a virtual clock one after the other, in a fixed order, when nothing else is going on.
    pub(super) async fn perform_ready(&mut self) {
        let Some(performer) = self.performer.clone() else { return };
        if !self.clock.is_virtual() {
            for (slot, job) in std::mem::take(&mut self.ready) {
                self.begin_flight(&performer, slot, *job).await;
            }
            return;
        }
        if self.commits > 0 || !self.posting.is_empty() || !self.touched.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_by(|(slot, job), (other_slot, other)| {
            (slot, FlightKey::of(job)).cmp(&(other_slot, FlightKey::of(other)))
        });
        let mut landed = Vec::new();
        for (slot, job) in ready {
            if self.stop.asked() > 1 {
                return;
            }
            let Some(key) = self.take_off(slot, &job, Flight(None)) else { continue };
            let fact = performing(&performer, *job).await;
            landed.push(Landed { slot, key, fact });
        }
        landed.sort_by(|one, other| {
            (one.fact.ended, one.slot, &one.key).cmp(&(other.fact.ended, other.slot, &other.key))
        });
        for landed in landed {
            // The receiver is this driver's own.
            drop(self.sender.send(News::Landed(landed)));
        }
    }

    fn take_off(&mut self, slot: usize, job: &Job, flight: Flight) -> Option<FlightKey> {
        let run = self.live.get_mut(slot)?.as_mut()?;
        let key = FlightKey::of(job);
        run.queued = run.queued.saturating_sub(1);
        run.flights.insert(key.clone(), flight);
        self.flights += 1;
        Some(key)
    }

    /// What can be answered without waiting lands at once; the rest becomes a task.
    async fn begin_flight(&mut self, performer: &Arc<Performer>, slot: usize, job: Job) {
        let timeout = job.timeout;
        let late = late_fact(&job, self.clock.now());
        let Some(key) = self.take_off(slot, &job, Flight(None)) else { return };
        let mut performing = performing(performer, job);
        let first = std::future::poll_fn(|cx| Poll::Ready(performing.as_mut().poll(cx))).await;
        let sender = self.sender.clone();
        match first {
            // The receiver is this driver's own.
            Poll::Ready(fact) => drop(sender.send(News::Landed(Landed { slot, key, fact }))),
            Poll::Pending => {
                let landing = key.clone();
                let clock = Arc::clone(&self.clock);
                let task = tokio::spawn(async move {
                    let fact = match tokio::time::timeout(timeout, performing).await {
                        Ok(fact) => fact,
                        Err(_) => Fact { ended: clock.now(), ..late },
                    };
                    drop(sender.send(News::Landed(Landed { slot, key: landing, fact })));
                });
                if let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) {
                    run.flights.insert(key, Flight(Some(task.abort_handle())));
                }
            }
        }
    }

    /// What was seen becomes events.
    pub(super) fn land(&mut self, landed: Landed) -> Result<(), BackendError> {
        let Landed { slot, key, fact } = landed;
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if run.flights.remove(&key).is_none() {
            return Ok(());
        }
        self.flights = self.flights.saturating_sub(1);
        self.touched.insert(slot);
        // Who stops begins nothing: a look before a write has no use any more, one after it has.
        if self.stopping && matches!(key.phase, Phase::Probe | Phase::UndoProbe) {
            return Ok(());
        }
        if !fact.exchanges.is_empty() {
            run.keep(Transcript {
                step: key.step,
                phase: key.phase,
                attempt: key.attempt,
                exchanges: fact.exchanges.clone(),
            });
        }
        if let Ok(Seen::Checked { claims, .. }) = &fact.result
            && !claims.is_empty()
        {
            let mut foreign = std::collections::HashMap::new();
            for claim in claims {
                if let Some(other) = self.place.journal.claimed_by_other(run.row, claim)? {
                    foreign.insert(claim.clone(), other);
                }
            }
            run.state.set_foreign_claims(foreign);
        }
        let clock = self.clock.now();
        for event in interpret(&run.state, &fact, run.now(clock)) {
            run.record(event, clock)?;
        }
        Ok(())
    }
}

/// Performs a job; a panic of a step is a failure of that step.
fn performing(performer: &Arc<Performer>, job: Job) -> Performing {
    let performer = Arc::clone(performer);
    let began = performer.clock().now();
    let broken = broken_fact(&job, began);
    let mut inner = Box::pin(async move { performer.perform(job).await });
    Box::pin(std::future::poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))).unwrap_or_else(|_| Poll::Ready(broken.clone()))
    }))
}

/// What is known of a phase that was ended from outside.
fn ended_from_outside(job: &Job, began: jiff::Timestamp, class: FailureClass, message: String) -> Fact {
    let error = StepError::new(class, message);
    let error = if job.phase.writes() { error.unknown() } else { error };
    Fact {
        step: job.step.clone(),
        phase: job.phase,
        attempt: job.attempt,
        began,
        ended: began,
        result: Err(error),
        exchanges: Vec::new(),
        rules: crate::perform::KindRules::default(),
    }
}

fn late_fact(job: &Job, began: jiff::Timestamp) -> Fact {
    let message = format!("step {}: no answer within {} s", job.step, job.timeout.as_secs());
    ended_from_outside(job, began, FailureClass::Transient, message)
}

fn broken_fact(job: &Job, began: jiff::Timestamp) -> Fact {
    let message = format!("step {}: kind {} has a mistake in this program (it panicked)", job.step, job.kind);
    ended_from_outside(job, began, FailureClass::Bug, message)
}
