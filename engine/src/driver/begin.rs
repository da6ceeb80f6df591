//! Taking runs: the lease first, then the record.

use std::sync::Arc;

use indexmap::IndexSet;

use super::lease::lease_holder;
use super::run::LiveRun;
use super::{Driver, News};
use crate::backend::{BackendError, Runs};
use crate::event::{Event, Recorded};
use crate::ids::{Epoch, RunId};
use crate::journal::{Held, Refusal, Taken, pack_commit, whole_microseconds};

/// So many runs are read before those that were read may move: the first one does not wait for the thousandth.
const READ_AT_ONCE: usize = 16;

/// So many runs move by themselves at a time: more of them would only wait for the same disk, each with all that it
/// knows in memory. Runs that wait for an answer, a time or a person do not count.
const MOVING_AT_ONCE: usize = 256;

/// Leases are asked for in parcels that grow from this one, so that the first run does not wait for the thousandth.
const FIRST_PARCEL: usize = 16;
const LARGEST_PARCEL: usize = 512;

/// How many leases are on their way, and how many are asked for next.
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
    /// Asks for the leases.
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

    /// Asks for the leases of open runs that nobody drives.
    pub(super) fn ask_for_open(&mut self) -> Result<(), BackendError> {
        let called: Vec<RunId> =
            self.place.journal.inbox(None)?.into_iter().map(|waiting| waiting.run).collect();
        let open = self.place.journal.open_runs(self.lock.holder().id)?;
        let mut runs: IndexSet<RunId> =
            open.into_iter().filter(|run| !self.parked.contains_key(run)).collect();
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

    /// Asks for the next leases, unless some are on their way.
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

    /// Leases that were not asked for yet are not asked for any more.
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
            // Who drives everything leaves to others what they have.
            Err(Refusal::Held(_) | Refusal::NoSuchRun) if self.all => Ok(()),
            Err(refusal) => self.refuse(run, refused(run, refusal)),
        }
    }

    /// One run of several that cannot be driven does not keep the others from moving.
    pub(super) fn refuse(&mut self, run: RunId, error: BackendError) -> Result<(), BackendError> {
        if !self.several && !self.all {
            return Err(error);
        }
        self.refused.push((run, error));
        Ok(())
    }

    /// Whether there is a run to be read, and one more may move.
    pub(super) fn has_room(&self) -> bool {
        !self.unread.is_empty() && self.commits + self.touched.len() < MOVING_AT_ONCE
    }

    /// Reads some of the runs whose leases were taken.
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
                // One run that cannot be read does not keep the others from moving.
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

/// The run is held by another driver; `None`: by one that gave it up meanwhile.
pub(super) fn held_elsewhere(run: RunId, held: Option<Held>) -> BackendError {
    BackendError::Held { run, holder: held.map(|held| Box::new(lease_holder(&held))) }
}

/// What a refusal of the journal means to the caller.
pub(super) fn refused(run: RunId, refusal: Refusal) -> BackendError {
    match refusal {
        Refusal::NoSuchRun => BackendError::NoSuchRun(run),
        Refusal::Held(held) => held_elsewhere(run, held),
        Refusal::Claimed { key, run: other } => {
            BackendError::Damaged(format!("run {run}: {} is claimed by run {other}", key.0))
        }
        Refusal::OutOfStep => {
            BackendError::Damaged(format!("run {run}: its record went on without its driver"))
        }
    }
}
