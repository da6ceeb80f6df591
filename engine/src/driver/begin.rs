//! Taking runs: first the lease, then the journal.

use std::sync::Arc;

use indexmap::IndexSet;

use super::lease::lease_holder;
use super::run::LiveRun;
use super::{Driver, News};
use crate::backend::Runs;
use crate::error::BackendError;
use crate::event::{Event, Recorded};
use crate::ids::{Epoch, RunId};
use crate::journal::{Held, Refusal, Taken, pack_commit, whole_microseconds};

/// Number of runs that are read before the read ones advance: the first run does not wait for the thousandth.
const READ_AT_ONCE: usize = 16;

/// Number of runs that advance at the same time: more would only wait for the same disk, with their state in memory. Runs
/// that wait for a response, a time or a person do not count.
const MOVING_AT_ONCE: usize = 256;

/// Leases are acquired in batches that grow from this size, so that the first run does not wait for the thousandth.
const FIRST_PARCEL: usize = 16;
const LARGEST_PARCEL: usize = 512;

/// How many leases are being acquired, and the size of the next batch.
#[derive(Debug)]
pub(super) struct Asking {
    underway: usize,
    next: usize,
}

impl Default for Asking {
    fn default() -> Self {
        Asking { underway: 0, next: FIRST_PARCEL }
    }
}

impl Driver {
    /// Starts acquiring the leases.
    pub(super) async fn begin(&mut self, runs: &Runs) -> Result<(), BackendError> {
        match runs {
            Runs::These(runs) => {
                self.several = runs.len() > 1;
                let missing = runs.iter().find_map(|run| self.place.journal.find(*run).err());
                if let Some(error) = missing {
                    return Err(error);
                }
                self.ask_for(runs.iter().copied());
            }
            Runs::All => {
                self.all = true;
                self.ask_for_open()?;
            }
        }
        self.post();
        Ok(())
    }

    /// Starts acquiring the leases of open runs that no process drives.
    pub(super) fn ask_for_open(&mut self) -> Result<(), BackendError> {
        let called: Vec<RunId> =
            self.place.journal.inbox(None)?.into_iter().map(|waiting| waiting.run).collect();
        let open = self.place.journal.open_runs(self.lock.holder().id)?;
        let mut runs: IndexSet<RunId> =
            open.into_iter().filter(|run| !self.parked.contains_key(run)).collect();
        // A parked run is driven again when a signal waits for it.
        runs.extend(called);
        runs.retain(|run| !self.slots.contains_key(run) && !self.asked.contains(run));
        if !runs.is_empty() {
            self.parked.retain(|run, _| !runs.contains(run));
        }
        self.ask_for(runs);
        Ok(())
    }

    fn ask_for(&mut self, runs: impl IntoIterator<Item = RunId>) {
        for run in runs {
            if self.asked.insert(run) {
                self.wanted.push_back(run);
            }
        }
        self.ask_more();
    }

    /// Acquires the next batch of leases, unless one is in progress.
    pub(super) fn ask_more(&mut self) {
        if self.asking.underway > 0 || self.wanted.is_empty() {
            return;
        }
        let liveness = Arc::new(self.place.journal.liveness());
        let parcel = self.asking.next.min(self.wanted.len());
        self.asking = Asking { underway: parcel, next: (2 * self.asking.next).min(LARGEST_PARCEL) };
        for run in self.wanted.drain(..parcel) {
            let (now, label) = (whole_microseconds(self.clock.now()), self.label.clone());
            let took = move |seq, _: i64, epoch, over| {
                let program = env!("CARGO_PKG_VERSION").to_owned();
                let event = Event::DriverTook { epoch: Epoch(epoch), driver: label, program, over };
                let recorded = Recorded { seq, at: now, event };
                let packed = pack_commit(std::slice::from_ref(&recorded), &[]).ok().flatten()?;
                Some((recorded, packed))
            };
            let sender = self.sender.clone();
            let answer = move |outcome| drop(sender.send(News::Taken { run, outcome }));
            let steal = self.options.steal;
            self.posting.push(self.place.journal.taking(
                run,
                self.lock.holder().clone(),
                steal,
                Arc::clone(&liveness),
                took,
                answer,
            ));
        }
    }

    /// Stops acquiring leases.
    pub(super) fn want_no_more(&mut self) {
        for run in self.wanted.drain(..) {
            self.asked.remove(&run);
        }
    }

    pub(super) fn hear_taken(
        &mut self,
        run: RunId,
        outcome: Result<Taken, Refusal>,
    ) -> Result<(), BackendError> {
        self.asked.remove(&run);
        self.asking.underway = self.asking.underway.saturating_sub(1);
        self.ask_more();
        match outcome {
            Ok(taken) => {
                if let Some(driver) = taken.forgotten {
                    self.place.journal.forget_driver(driver);
                }
                self.unread.push_back((run, taken));
                Ok(())
            }
            Err(Refusal::Held(Some(held))) if self.watch_holder(run, &held) => Ok(()),
            // A driver of all runs leaves other drivers their runs.
            Err(Refusal::Held(_) | Refusal::NoSuchRun) if self.all => Ok(()),
            Err(refusal) => self.refuse(run, refused(run, refusal)),
        }
    }

    /// Records a run that cannot be driven; the only run makes it an error.
    pub(super) fn refuse(&mut self, run: RunId, error: BackendError) -> Result<(), BackendError> {
        if !self.several && !self.all {
            return Err(error);
        }
        self.refused.push((run, error));
        Ok(())
    }

    /// Whether a run is left to read, and may advance.
    pub(super) fn has_room(&self) -> bool {
        !self.unread.is_empty() && self.commits + self.touched.len() < MOVING_AT_ONCE
    }

    /// Reads some of the runs whose leases were acquired.
    pub(super) fn read_some(&mut self) -> Result<(), BackendError> {
        for _ in 0..READ_AT_ONCE {
            if !self.has_room() {
                break;
            }
            let Some((run, taken)) = self.unread.pop_front() else { break };
            let slot = self.live.len();
            self.live.push(None);
            let taken_at = self.clock.boot();
            let read = self.place.replay(run);
            match read.map(|state| LiveRun::new(run, taken.row, taken.lease, state, taken_at)) {
                Ok(read) => {
                    self.live[slot] = Some(Box::new(read));
                    self.slots.insert(run, slot);
                    self.touched.insert(slot);
                    self.take_signals(Some(slot))?;
                }
                // One unreadable run does not prevent the others from advancing.
                Err(error @ (BackendError::Damaged(_) | BackendError::PlanRejected { .. })) => {
                    tracing::error!(%run, %error, "this run is not driven");
                    self.refuse(run, error)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The run is held by another driver; `None`: that driver has released it meanwhile.
pub(super) fn held_elsewhere(run: RunId, held: Option<Held>) -> BackendError {
    BackendError::Held { run, holder: held.map(|held| Box::new(lease_holder(&held))) }
}

/// Converts the journal's refusal to an error for the caller.
pub(super) fn refused(run: RunId, refusal: Refusal) -> BackendError {
    match refusal {
        Refusal::NoSuchRun => BackendError::NoSuchRun(run),
        Refusal::Held(held) => held_elsewhere(run, held),
        Refusal::Claimed { key, run: other } => {
            BackendError::Damaged(format!("run {run}: {} is claimed by run {other}", key.0))
        }
        Refusal::OutOfStep => {
            BackendError::Damaged(format!("run {run}: another process appended to its journal"))
        }
    }
}
