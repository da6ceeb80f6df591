//! A run that this driver holds.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::flights::Flights;
use crate::clock::Now;
use crate::driver::summary::summary_of;
use crate::error::BackendError;
use crate::error::unencodable;
use crate::event::{Event, Recorded, StepEvent};
use crate::ids::ClaimKey;
use crate::ids::{RunId, Seq, SignalId, StepKey};
use crate::journal::{Append, Lease, Row, Transcript, pack_commit, whole_microseconds};
use crate::observation::Phase;
use crate::state::{RunState, fold};

/// A run that this driver holds. Its state is ahead of the journal by the events in `buffer` and in the pending commit.
pub(super) struct LiveRun {
    pub(super) id: RunId,
    pub(super) row: Row,
    pub(super) lease: Lease,
    pub(super) state: RunState,
    /// The last event's number.
    last: Seq,
    /// The boot-time clock when the run was taken; the times of its state count from here.
    taken_at: Duration,
    /// Events that are not handed to the writer yet.
    buffer: Vec<Recorded>,
    transcripts: Vec<Transcript>,
    claims: Vec<ClaimKey>,
    taken: Vec<SignalId>,
    /// Signals that the pending commit removes from the inbox.
    taking: Vec<SignalId>,
    /// Every event up to here is durable.
    durable: Seq,
    /// The pending commit contains the events up to here.
    committing: Option<Seq>,
    /// Intents of this driver whose request was not sent yet.
    unsent: BTreeMap<StepKey, Unsent>,
    pub(super) flights: Flights,
    /// The running search before an undo.
    pub(super) searching: Option<AbortHandle>,
    /// The buffer contains something that must not wait.
    pub(super) urgent: bool,
    /// Whether the run is in the driver's list of runs with waiting events.
    pub(super) lingering: bool,
    /// The pending commit releases the run.
    pub(super) releasing: bool,
    pub(super) wake: Option<Duration>,
}

/// An intent whose request was not sent yet.
#[derive(Clone, Copy, Debug)]
struct Unsent {
    seq: Seq,
    attempt: u32,
    phase: Phase,
}

impl LiveRun {
    /// `taken_at` is the boot-time clock now. Everything in `state` counts as if it happened now.
    pub(super) fn new(id: RunId, row: Row, lease: Lease, state: RunState, taken_at: Duration) -> Self {
        let last = state.seq();
        LiveRun {
            id,
            row,
            lease,
            state,
            last,
            taken_at,
            buffer: Vec::new(),
            transcripts: Vec::new(),
            claims: Vec::new(),
            taken: Vec::new(),
            taking: Vec::new(),
            durable: last,
            committing: None,
            unsent: BTreeMap::new(),
            flights: Flights::default(),
            searching: None,
            urgent: false,
            lingering: false,
            releasing: false,
            wake: None,
        }
    }

    /// Restarts from the journal after a refused commit; everything in progress was aborted. A write with a durable intent
    /// and no recorded outcome may have been sent, unless this driver knows that it was not.
    pub(super) fn begin_again(&mut self, state: RunState, clock: Now) -> Result<(), BackendError> {
        let unsent = std::mem::take(&mut self.unsent);
        *self = LiveRun::new(self.id, self.row, self.lease, state, clock.boot);
        let intents: Vec<(StepKey, Phase, u32)> = self
            .state
            .intents()
            .map(|(step, direction, attempt)| (step.clone(), direction.write(), attempt))
            .collect();
        for (step, phase, attempt) in intents {
            if let Some(known) = unsent.get(&step).filter(|known| known.attempt == attempt) {
                self.unsent.insert(step, *known);
                continue;
            }
            let now = self.now(clock).utc;
            let event = StepEvent::Uncertain { attempt, phase, error: None, ended: now, next_check: now };
            self.record(Event::Step { step, event }, clock)?;
        }
        Ok(())
    }

    /// The run's time: the wall clock, and the boot-time clock since the run was taken.
    pub(super) fn now(&self, clock: Now) -> Now {
        Now { utc: whole_microseconds(clock.utc), boot: clock.boot.saturating_sub(self.taken_at) }
    }

    /// Converts a time of this run to the boot-time clock.
    pub(super) fn of_clock(&self, boot: Duration) -> Duration {
        self.taken_at.saturating_add(boot)
    }

    /// Applies an event and buffers it for a later commit.
    pub(super) fn record(&mut self, event: Event, clock: Now) -> Result<(), BackendError> {
        let (seq, now) = (Seq(self.last.0 + 1), self.now(clock));
        let recorded = Recorded { seq, at: now.utc, event };
        self.state.advance(now.boot);
        fold(&mut self.state, &recorded)
            .map_err(|error| BackendError::Damaged(format!("run {}: {error}", self.id)))?;
        self.last = seq;
        if let Event::Step { step, event } = &recorded.event {
            match event {
                StepEvent::Intended { attempt, phase, claims, .. } => {
                    self.unsent.insert(step.clone(), Unsent { seq, attempt: *attempt, phase: *phase });
                    self.claims.extend(claims.iter().cloned());
                }
                StepEvent::NotSent { .. } => drop(self.unsent.remove(step)),
                _ => {}
            }
        }
        self.urgent |= !can_wait(&recorded.event);
        self.buffer.push(recorded);
        Ok(())
    }

    /// Keeps the requests of an attempt for the next commit. Of a repeated read without an event, only the last requests are
    /// kept.
    pub(super) fn keep(&mut self, transcript: Transcript) {
        if self.buffer.is_empty() {
            self.transcripts.retain(|kept| kept.step != transcript.step || kept.phase != transcript.phase);
        }
        self.transcripts.push(transcript);
    }

    /// Whether this driver took the signal in, although the inbox may still contain it.
    pub(super) fn has_taken(&self, id: SignalId) -> bool {
        self.taken.contains(&id) || self.taking.contains(&id)
    }

    pub(super) fn take(&mut self, id: SignalId) {
        self.taken.push(id);
        self.urgent = true;
    }

    /// Whether the intent to write for `step` is durable.
    pub(super) fn is_durable(&self, step: &StepKey) -> bool {
        self.unsent.get(step).is_none_or(|unsent| unsent.seq <= self.durable)
    }

    pub(super) fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// Whether something is to be committed.
    pub(super) fn has_news(&self) -> bool {
        !self.buffer.is_empty() || self.urgent
    }

    /// Whether nothing of this run is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.searching.is_none()
    }

    /// Packs the buffer into a commit.
    pub(super) fn pack(&mut self, clock: Now, release: bool) -> Result<Append, BackendError> {
        let events = std::mem::take(&mut self.buffer);
        let packed = pack_commit(&events, &self.transcripts).map_err(unencodable)?;
        if packed.is_some() {
            self.transcripts.clear();
        }
        self.committing = Some(self.last);
        self.taking = std::mem::take(&mut self.taken);
        self.urgent = false;
        self.releasing = release;
        Ok(Append {
            row: self.row,
            run: self.id,
            lease: self.lease,
            packed,
            events: u64::try_from(events.len()).unwrap_or(u64::MAX),
            summary: summary_of(
                &self.state.status(self.now(clock).utc),
                self.state.drift(),
                self.state.is_undone_now(),
            ),
            claims: std::mem::take(&mut self.claims),
            taken: self.taking.clone(),
            release,
        })
    }

    /// The pending commit is durable.
    pub(super) fn committed(&mut self) {
        if let Some(seq) = self.committing.take() {
            self.durable = seq;
        }
        self.taking.clear();
    }

    /// Steps whose write is in flight.
    pub(super) fn writing(&self) -> Vec<StepKey> {
        let mut steps: Vec<StepKey> = self
            .flights
            .iter()
            .filter(|(key, flight)| key.phase.writes() && flight.has_begun())
            .map(|(key, _)| key.step.clone())
            .collect();
        steps.sort_by(|one, other| one.0.cmp(&other.0));
        steps
    }

    /// Records that a write begins.
    pub(super) fn sent(&mut self, step: &StepKey) {
        self.unsent.remove(step);
    }

    /// Withdraws intents that were never sent. Only this driver knows that for certain, so it must record it now.
    pub(super) fn withdraw(&mut self, clock: Now) -> Result<(), BackendError> {
        self.clear_queue();
        for (step, Unsent { attempt, phase, .. }) in std::mem::take(&mut self.unsent) {
            let event = StepEvent::NotSent { attempt, phase };
            self.record(Event::Step { step, event }, clock)?;
        }
        Ok(())
    }

    /// How many phases are being performed.
    pub(super) fn begun(&self) -> usize {
        let searching = usize::from(self.searching.is_some());
        searching + self.flights.iter().filter(|(_, flight)| flight.has_begun()).count()
    }

    /// Drops phases that have not begun.
    pub(super) fn clear_queue(&mut self) {
        self.flights.clear_queue();
    }

    /// Whether an aborted task has not ended yet.
    pub(super) fn is_aborting(&self) -> bool {
        self.flights.iter().any(|(_, flight)| flight.is_aborting())
    }

    /// Aborts what is in flight; the outcome is then unknown.
    pub(super) fn abort(&self) {
        self.flights.iter().for_each(|(_, flight)| flight.abort());
        if let Some(task) = &self.searching {
            task.abort();
        }
    }
}

/// Whether an event may wait in memory for the next commit. If a crash loses it, only an open intent remains, and a read
/// finds the outcome.
fn can_wait(event: &Event) -> bool {
    match event {
        Event::Expanded { .. } | Event::ConditionFalse { .. } => true,
        Event::Step { event, .. } => matches!(
            event,
            StepEvent::Unchanged { .. }
                | StepEvent::Intended { .. }
                | StepEvent::Accepted { .. }
                | StepEvent::Done { .. }
                | StepEvent::Deleted { .. }
                | StepEvent::Undone { .. }
        ),
        _ => false,
    }
}
