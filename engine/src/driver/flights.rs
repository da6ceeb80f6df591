//! Phases in progress: starts them and takes in their facts. A duplicate start or result counts once.

use std::collections::HashMap;
use std::future::Future as _;
use std::sync::Arc;
use std::task::Poll;

use tokio::task::AbortHandle;

use super::{Driver, News};
use crate::decide::interpret;
use crate::error::BackendError;
use crate::ids::StepKey;
use crate::job::{Fact, Job, Seen};
use crate::journal::Transcript;
use crate::observation::Phase;
use crate::perform::Performer;

/// Identifies a phase in progress: its result counts once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FlightKey {
    pub(super) step: StepKey,
    pub(super) phase: Phase,
    pub(super) attempt: u32,
}

/// A phase in progress, or about to begin.
#[derive(Debug)]
pub(super) enum Flight {
    /// Queued, not begun: nothing was sent.
    Queued,
    /// Performed by the driver itself.
    Here,
    /// Performed by a task.
    Task(AbortHandle),
}

impl Flight {
    pub(super) fn has_begun(&self) -> bool {
        !matches!(self, Flight::Queued)
    }

    pub(super) fn is_aborting(&self) -> bool {
        matches!(self, Flight::Task(handle) if !handle.is_finished())
    }

    pub(super) fn abort(&self) {
        if let Flight::Task(handle) = self {
            handle.abort();
        }
    }
}

/// The phases in progress of one run. They are so few that a scan is faster than a table.
#[derive(Debug, Default)]
pub(super) struct Flights(Vec<(FlightKey, Flight)>);

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this phase of this job is queued or in progress.
    pub(super) fn has(&self, job: &Job) -> bool {
        self.0.iter().any(|(key, _)| key.is_of(job))
    }

    pub(super) fn insert(&mut self, key: FlightKey, flight: Flight) {
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, there)) => *there = flight,
            None => self.0.push((key, flight)),
        }
    }

    /// Removes one; false when it is not present.
    fn remove(&mut self, key: &FlightKey) -> bool {
        match self.0.iter().position(|(other, _)| other == key) {
            Some(at) => {
                self.0.swap_remove(at);
                true
            }
            None => false,
        }
    }

    /// Begins a queued phase.
    fn begin(&mut self, job: &Job) -> Option<FlightKey> {
        let (key, flight) = self.0.iter_mut().find(|(key, flight)| key.is_of(job) && !flight.has_begun())?;
        *flight = Flight::Here;
        Some(key.clone())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(FlightKey, Flight)> {
        self.0.iter()
    }

    /// Drops phases that have not begun.
    pub(super) fn clear_queue(&mut self) {
        self.0.retain(|(_, flight)| flight.has_begun());
    }
}

/// The result of a performed phase.
pub(super) struct Landed {
    slot: usize,
    key: FlightKey,
    fact: Fact,
}

impl FlightKey {
    pub(super) fn of(job: &Job) -> Self {
        FlightKey { step: job.step.clone(), phase: job.phase, attempt: job.attempt }
    }

    fn is_of(&self, job: &Job) -> bool {
        self.phase == job.phase && self.attempt == job.attempt && self.step == job.step
    }
}

impl Driver {
    /// On a virtual clock: performs the queued phases one after the other, in a fixed order, when nothing else is in
    /// progress.
    pub(super) async fn perform_in_order(&mut self) {
        if !self.clock.is_virtual()
            || self.commits > 0
            || !self.posting.is_empty()
            || !self.touched.is_empty()
        {
            return;
        }
        let Some(performer) = self.performer.clone() else { return };
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_by(|(slot, job), (other_slot, other)| {
            (slot, FlightKey::of(job)).cmp(&(other_slot, FlightKey::of(other)))
        });
        let mut landed = Vec::new();
        for (slot, job) in ready {
            if self.stop.asked() > 1 {
                return;
            }
            let Some(key) = self.take_off(slot, &job) else { continue };
            let fact = performer.perform(job).await;
            landed.push(Landed { slot, key, fact });
        }
        landed.sort_by(|one, other| {
            (one.fact.ended, one.slot, &one.key).cmp(&(other.fact.ended, other.slot, &other.key))
        });
        for landed in landed {
            // The receiver is this driver's own.
            drop(self.sender.send(News::Landed(Box::new(landed))));
        }
    }

    /// On a real clock: starts the queued phases. A result that needs no waiting is taken in at once.
    pub(super) async fn perform_now(&mut self) -> Result<(), BackendError> {
        let Some(performer) = self.performer.clone() else { return Ok(()) };
        let mut ready = std::mem::take(&mut self.ready);
        for (slot, job) in ready.drain(..) {
            self.begin_flight(&performer, slot, job).await?;
        }
        // A result causes a turn, and only a turn queues a phase: the list is still empty, and is reused.
        self.ready = ready;
        Ok(())
    }

    /// Marks a queued phase as begun, unless its run is gone or the phase was dropped.
    fn take_off(&mut self, slot: usize, job: &Job) -> Option<FlightKey> {
        let run = self.live.get_mut(slot)?.as_mut()?;
        let key = run.flights.begin(job)?;
        if job.phase.writes() {
            // From here on the request may be sent, so its intent can no longer be withdrawn.
            run.sent(&job.step);
        }
        self.flights += 1;
        Some(key)
    }

    /// Polls once: a result that needs no waiting is taken in at once; otherwise a task continues.
    async fn begin_flight(
        &mut self,
        performer: &Arc<Performer>,
        slot: usize,
        job: Job,
    ) -> Result<(), BackendError> {
        let Some(key) = self.take_off(slot, &job) else { return Ok(()) };
        let performer = Arc::clone(performer);
        let gate = if job.phase.writes() { self.gate(slot) } else { None };
        let mut performing = Box::pin(async move { performer.perform_behind(job, gate).await });
        let first = std::future::poll_fn(|cx| Poll::Ready(performing.as_mut().poll(cx))).await;
        if let Poll::Ready(fact) = first {
            return self.land(Landed { slot, key, fact });
        }
        let (sender, landing) = (self.sender.clone(), key.clone());
        let task = tokio::spawn(async move {
            let fact = performing.await;
            // The receiver is this driver's own.
            drop(sender.send(News::Landed(Box::new(Landed { slot, key: landing, fact }))));
        });
        if let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) {
            run.flights.insert(key, Flight::Task(task.abort_handle()));
        }
        Ok(())
    }

    /// Interprets a result and records its events.
    pub(super) fn land(&mut self, landed: Landed) -> Result<(), BackendError> {
        let Landed { slot, key, mut fact } = landed;
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if !run.flights.remove(&key) {
            return Ok(());
        }
        self.flights = self.flights.saturating_sub(1);
        self.touched.insert(slot);
        // A stopping driver begins nothing: a probe has no use any more, a verify still has.
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
            // Other runs may have claimed the same meanwhile. The journal checks again when the intent is committed.
            let mut foreign = HashMap::new();
            for claim in claims {
                if let Some(other) = self.place.journal.claimed_by_other(run.row, claim)? {
                    foreign.insert(claim.clone(), other);
                }
            }
            run.state.set_foreign_claims(foreign);
        }
        let clock = self.clock.read();
        // From the process's boot-time clock to that of the run, which starts at the take-over.
        (fact.began, fact.ended) = (run.now(fact.began), run.now(fact.ended));
        for event in interpret(&run.state, &fact, run.now(clock)) {
            run.record(event, clock)?;
        }
        Ok(())
    }
}
