//! A run's turn: applies what the rules decide.

use std::time::Duration;

use super::begin::{held_elsewhere, refused};
use super::flights::{Flight, FlightKey};
use super::{Driver, News};
use crate::decide::{Effect, decide, take_signal};
use crate::error::BackendError;
use crate::job::Job;
use crate::journal::{Journal, Refusal};
use crate::signal::SignalRow;
use crate::state::RunStatus;
use crate::wait::WaitKind;

/// How long an event that may wait is held back.
const LINGER: Duration = Duration::from_millis(50);

/// The effects that remain after recording.
struct Asked {
    jobs: Vec<Job>,
    finished: bool,
    /// The run must be searched before it is undone.
    search: bool,
}

/// Number of turns before other messages are handled and the writer gets the pending writes: it writes while the driver
/// continues.
const TURNS_AT_ONCE: usize = 64;
/// Number of consecutive turns of one run, while its data is in the cache. A commit or a response that it needs ends them
/// earlier.
const TURNS_IN_A_ROW: usize = 16;

impl Driver {
    /// Gives a turn to every run that something happened to.
    pub(super) async fn take_turns(&mut self) -> Result<(), BackendError> {
        if self.clock.is_virtual() {
            while let Some(slot) = self.touched.pop_first() {
                self.turn(slot)?;
            }
            return self.look.end();
        }
        let mut left = TURNS_AT_ONCE;
        while left > 0
            && let Some(slot) = self.touched.pop_first()
        {
            left -= 1;
            for _ in 0..TURNS_IN_A_ROW {
                self.turn(slot)?;
                self.perform_now().await?;
                if !self.touched.remove(&slot) {
                    break;
                }
            }
        }
        self.look.end()
    }

    /// Decides what is next for a run, and starts it.
    pub(super) fn turn(&mut self, slot: usize) -> Result<(), BackendError> {
        let clock = self.clock.read();
        if let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut)
            && !run.releasing
            && (self.stopping || !run.state.may_send())
        {
            run.withdraw(clock)?;
        }
        let Some(asked) = self.ask(slot)? else { return Ok(()) };
        if asked.search {
            self.search(slot)?;
        }
        self.sort_out(slot, asked.jobs)?;
        let park = self.may_park(slot, asked.finished);
        self.flush(slot, park)
    }

    /// Records events until there are none left to record; returns what is to be performed.
    fn ask(&mut self, slot: usize) -> Result<Option<Asked>, BackendError> {
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(None) };
        if run.releasing {
            return Ok(None);
        }
        loop {
            let clock = self.clock.read();
            let mut asked = Asked { jobs: Vec::new(), finished: false, search: false };
            let (mut recorded, mut wake) = (false, None);
            for effect in decide(&run.state, run.now(clock)) {
                match effect {
                    Effect::Record(event) => {
                        run.record(event, clock)?;
                        recorded = true;
                    }
                    Effect::Perform(job) => asked.jobs.push(*job),
                    Effect::WakeAt(at) => {
                        let at = run.of_clock(at);
                        wake = Some(wake.map_or(at, |wake: std::time::Duration| wake.min(at)));
                    }
                    Effect::Search => asked.search = true,
                    Effect::Finished(_) => asked.finished = true,
                }
            }
            if recorded {
                continue;
            }
            if let Some(at) = wake.filter(|at| run.wake != Some(*at)) {
                self.timers.push(std::cmp::Reverse((at, slot)));
            }
            run.wake = wake;
            return Ok(Some(asked));
        }
    }

    /// Queues what may be performed now. A write needs a durable intent, a fresh lease and an empty inbox.
    fn sort_out(&mut self, slot: usize, jobs: Vec<Job>) -> Result<(), BackendError> {
        if self.performer.is_none() || self.stopping {
            return Ok(());
        }
        let fresh = !jobs.iter().any(|job| job.phase.writes()) || self.has_fresh_lease(slot);
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        let mut may_send = None;
        for job in jobs {
            if run.flights.has(&job) {
                continue;
            }
            if job.phase.writes() {
                if !run.is_durable(&job.step) {
                    run.urgent = true;
                    continue;
                }
                if !fresh {
                    continue;
                }
                let may = match may_send {
                    Some(may) => may,
                    None => *may_send.insert(self.look.may_send(run.row, run.lease)?),
                };
                if !may {
                    // Either a signal waits or the lease is lost; reading the inbox shows which.
                    self.called.insert(slot);
                    continue;
                }
            }
            run.flights.insert(FlightKey::of(&job), Flight::Queued);
            self.ready.push((slot, job));
        }
        Ok(())
    }

    /// Whether to release the run now: it ended, cannot continue, or waits only for people and the caller does not wait for
    /// them.
    fn may_park(&self, slot: usize, finished: bool) -> bool {
        let Some(run) = self.live.get(slot).and_then(Option::as_ref) else { return false };
        if !run.is_idle() || self.called.contains(&slot) {
            return false;
        }
        if finished || self.stopping || self.performer.is_none() {
            return true;
        }
        if run.urgent {
            return false;
        }
        match run.state.status(self.clock.now()) {
            RunStatus::Waiting { on } => {
                if !self.options.until_blocked || !on.iter().all(|kind| kind.needs_a_person()) {
                    return false;
                }
                if on.iter().any(|kind| *kind != WaitKind::Permission) {
                    return true;
                }
                // Each permission has the whole patience: the newest wait counts.
                let newest = run.state.waits().iter().map(|open| open.since).max();
                let waited = newest.map(|since| self.clock.now().duration_since(since));
                let waited = waited.map(|waited| Duration::try_from(waited).unwrap_or_default());
                waited.is_none_or(|waited| waited >= self.options.permission_patience)
            }
            RunStatus::Running | RunStatus::Undoing | RunStatus::Draining | RunStatus::Queued => {
                if run.wake.is_none() && !run.is_committing() && !run.has_news() {
                    tracing::error!(run = %run.id, "nothing is left to do, yet the run has not ended");
                    return true;
                }
                false
            }
            _ => true,
        }
    }

    /// Commits what must not wait; holds back what may.
    fn flush(&mut self, slot: usize, park: bool) -> Result<(), BackendError> {
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if run.is_committing() {
            return Ok(());
        }
        // Nothing in progress will add more events, so waiting would gain nothing.
        let alone = run.is_idle() && run.has_news();
        let now = !self.place.lingers && run.has_news();
        if !(park || run.urgent || alone || now) {
            if run.has_news() && !run.lingering {
                run.lingering = true;
                self.lingering.push_back((tokio::time::Instant::now() + LINGER, slot));
            }
            return Ok(());
        }
        self.commit(slot, park)
    }

    /// Packs a run's events and queues the commit.
    pub(super) fn commit(&mut self, slot: usize, release: bool) -> Result<(), BackendError> {
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        // The journal releases the lease of an ended run with this commit, so no other commit may follow it.
        let release = release || run.state.outcome().is_some();
        let append = run.pack(self.clock.read(), release)?;
        let sender = self.sender.clone();
        self.commits += 1;
        self.posting.push(Journal::appending(append, move |outcome| {
            // If the driver has ended, no receiver is left.
            drop(sender.send(News::Committed { slot, outcome }));
        }));
        Ok(())
    }

    pub(super) fn hear_committed(
        &mut self,
        slot: usize,
        outcome: Result<(), Refusal>,
    ) -> Result<(), BackendError> {
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        match outcome {
            Ok(()) => {
                run.committed();
                if run.releasing {
                    let status = run.state.status(self.clock.now());
                    let id = run.id;
                    self.forget(slot);
                    self.parked.insert(id, status);
                } else {
                    self.touched.insert(slot);
                }
                Ok(())
            }
            // Another run committed the same claim first: this run restarts from its journal and waits.
            Err(Refusal::Claimed { .. }) => {
                self.flights = self.flights.saturating_sub(run.begun());
                run.abort();
                let state = self.place.replay(run.id)?;
                run.begin_again(state, self.clock.read())?;
                self.touched.insert(slot);
                Ok(())
            }
            Err(refusal) => {
                let id = run.id;
                run.abort();
                self.forget(slot);
                if self.all { Ok(()) } else { self.refuse(id, refused(id, refusal)) }
            }
        }
    }

    fn forget(&mut self, slot: usize) {
        if let Some(run) = self.live.get_mut(slot).and_then(Option::take) {
            self.flights = self.flights.saturating_sub(run.begun());
            self.slots.remove(&run.id);
        }
    }

    /// Takes in the waiting signals of one run, or of all runs.
    pub(super) fn take_signals(&mut self, only: Option<usize>) -> Result<(), BackendError> {
        let row = only.and_then(|slot| self.live.get(slot)?.as_ref().map(|run| run.row));
        for waiting in self.place.journal.inbox(row)? {
            let Some(&slot) = self.slots.get(&waiting.run) else { continue };
            let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { continue };
            let signal: SignalRow = serde_json::from_str(&waiting.body).map_err(|error| {
                BackendError::Damaged(format!("a signal of run {}: {error}", waiting.run))
            })?;
            if run.releasing || run.has_taken(signal.id) {
                continue;
            }
            let clock = self.clock.read();
            let writing = run.writing();
            for event in take_signal(&run.state, &signal, &writing, run.now(clock).utc) {
                run.record(event, clock)?;
            }
            run.take(signal.id);
            // Phases queued before the signal are decided again, with the new state.
            run.clear_queue();
            self.ready.retain(|(of, _)| *of != slot);
            self.touched.insert(slot);
        }
        Ok(())
    }

    /// Handles runs that could not send: takes their signals in, or drops them if another driver holds the lease.
    pub(super) fn answer_calls(&mut self) -> Result<(), BackendError> {
        for slot in std::mem::take(&mut self.called) {
            let Some(run) = self.live.get(slot).and_then(Option::as_ref) else { continue };
            let (id, row, lease) = (run.id, run.row, run.lease);
            let held = self.place.journal.still_holds(row, lease)?;
            if held {
                self.take_signals(Some(slot))?;
                self.touched.insert(slot);
                continue;
            }
            if let Some(run) = self.live.get(slot).and_then(Option::as_ref) {
                run.abort();
            }
            self.forget(slot);
            if !self.all {
                let held = self.place.journal.driver_of(id)?;
                self.refuse(id, held_elsewhere(id, held))?;
            }
        }
        Ok(())
    }
}
