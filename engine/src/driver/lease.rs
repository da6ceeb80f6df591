//! The lease of this driver: it renews its heartbeat, and sends nothing while it could not. Runs whose lease another driver
//! holds are watched until that driver shows that it is alive, or until its lease expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Driver, News};
use crate::attempt_log::SendGate;
use crate::clock::boot_now;
use crate::error::{BackendError, LeaseHolder};
use crate::ids::RunId;
use crate::journal::{self, Held, Journal, Row, Verdict, WriteFailure};

/// Number of heartbeats within one lease.
const BEATS: u32 = 6;
/// How often the leases of other drivers are checked.
const WATCH: Duration = Duration::from_secs(1);
/// After a failed heartbeat the next one follows after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// When the lease of this driver was last renewed, on the boot-time clock.
#[derive(Debug)]
pub(super) struct LeaseTime {
    lease: Duration,
    renewed: AtomicU64,
}

impl LeaseTime {
    pub(super) fn new(lease: Duration) -> Self {
        let time = LeaseTime { lease, renewed: AtomicU64::new(0) };
        time.renew(boot_now());
        time
    }

    /// Whether requests may be sent: a quarter of the lease must be left, so that this driver stops before another can take
    /// over.
    fn is_fresh(&self, now: Duration) -> bool {
        let renewed = Duration::from_millis(self.renewed.load(Ordering::Acquire));
        now.saturating_sub(renewed) < self.lease / 4 * 3
    }

    fn renew(&self, began: Duration) {
        let began = u64::try_from(began.as_millis()).unwrap_or(u64::MAX);
        self.renewed.fetch_max(began, Ordering::AcqRel);
    }

    fn beat(&self) -> Duration {
        self.lease / BEATS
    }
}

/// Checks the lease immediately before a write is sent.
pub(super) struct LeaseGate {
    journal: Arc<Journal>,
    row: Row,
    lease: journal::Lease,
    time: Arc<LeaseTime>,
}

impl std::fmt::Debug for LeaseGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseGate").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl SendGate for LeaseGate {
    fn refusal(&self) -> Option<String> {
        if !self.time.is_fresh(boot_now()) {
            return Some("the lease of the run could not be renewed in time".to_owned());
        }
        if let Err(moved) = self.journal.expect_in_place() {
            return Some(moved.to_string());
        }
        match self.journal.still_holds(self.row, self.lease) {
            Ok(true) => None,
            Ok(false) => Some("another driver took over the run".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// This driver's lease, and the leases that it waits for.
#[derive(Debug)]
pub(super) struct Leases {
    pub(super) time: Arc<LeaseTime>,
    next_beat: tokio::time::Instant,
    beating: bool,
    /// Runs that could not send because the lease was not renewed.
    stale: Vec<usize>,
    /// Runs whose lease holder is neither known to be alive nor to have ended.
    watched: Vec<RunId>,
    next_watch: tokio::time::Instant,
}

impl Leases {
    pub(super) fn new(lease: Duration) -> Self {
        let (time, now) = (Arc::new(LeaseTime::new(lease)), tokio::time::Instant::now());
        let next_beat = now + time.beat();
        Leases { time, next_beat, beating: false, stale: Vec::new(), watched: Vec::new(), next_watch: now }
    }
}

impl Driver {
    /// The check before each write of a run; `None` on a virtual clock.
    pub(super) fn gate(&self, slot: usize) -> Option<Arc<dyn SendGate>> {
        if self.clock.is_virtual() {
            return None;
        }
        let run = self.live.get(slot)?.as_ref()?;
        let (journal, time) = (Arc::clone(&self.place.journal), Arc::clone(&self.leases.time));
        Some(Arc::new(LeaseGate { journal, row: run.row, lease: run.lease, time }))
    }

    /// Whether the lease is fresh enough for a run to send; if not, it is renewed first.
    pub(super) fn has_fresh_lease(&mut self, slot: usize) -> bool {
        if self.clock.is_virtual() || self.leases.time.is_fresh(boot_now()) {
            return true;
        }
        tracing::warn!("the lease of this driver was not renewed in time; nothing is sent until it is");
        self.leases.stale.push(slot);
        self.leases.next_beat = tokio::time::Instant::now();
        false
    }

    /// When leases need attention next.
    pub(super) fn next_lease_time(&self) -> Option<tokio::time::Instant> {
        if self.clock.is_virtual() {
            return None;
        }
        let beat = (!self.slots.is_empty() && !self.leases.beating).then_some(self.leases.next_beat);
        let watch = (!self.leases.watched.is_empty()).then_some(self.leases.next_watch);
        beat.into_iter().chain(watch).min()
    }

    /// Renews the heartbeat and checks other holders, when due.
    pub(super) fn keep_leases(&mut self) -> Result<(), BackendError> {
        let now = tokio::time::Instant::now();
        if self.clock.is_virtual() {
            return Ok(());
        }
        if now >= self.leases.next_beat && !self.slots.is_empty() && !self.leases.beating {
            self.leases.beating = true;
            self.lock.renew();
            let (began, sender) = (boot_now(), self.sender.clone());
            self.posting.push(Journal::beating(self.lock.holder().id, move |outcome| {
                // If the driver has ended, no receiver is left.
                drop(sender.send(News::Beaten { began, outcome }));
            }));
        }
        if now >= self.leases.next_watch && !self.leases.watched.is_empty() {
            self.leases.next_watch = now + WATCH;
            self.watch_holders()?;
        }
        Ok(())
    }

    pub(super) fn hear_beaten(
        &mut self,
        began: Duration,
        outcome: Result<bool, WriteFailure>,
    ) -> Result<(), BackendError> {
        let now = tokio::time::Instant::now();
        self.leases.beating = false;
        match outcome {
            Ok(true) => {
                // Counted from before the write: this driver must not believe that its lease lasts longer than others see.
                self.leases.time.renew(began);
                self.leases.next_beat = now + self.leases.time.beat();
                self.touched.extend(std::mem::take(&mut self.leases.stale));
            }
            // The journal no longer knows this driver: every lease was taken over.
            Ok(false) => {
                self.leases.next_beat = now + self.leases.time.beat();
                self.called.extend(self.slots.values().copied());
            }
            Err(WriteFailure::Locked) => self.leases.next_beat = now + AGAIN,
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    /// Starts watching the holder of a run, if its state is unknown.
    pub(super) fn watch_holder(&mut self, run: RunId, held: &Held) -> bool {
        let watches = self.performer.is_some() && !self.clock.is_virtual() && !self.stopping;
        if !watches || !matches!(held.verdict, Verdict::Unknown { .. }) {
            return false;
        }
        self.asked.insert(run);
        self.leases.watched.push(run);
        self.leases.next_watch = tokio::time::Instant::now() + WATCH;
        true
    }

    /// Stops watching holders.
    pub(super) fn watch_no_more(&mut self) {
        for run in std::mem::take(&mut self.leases.watched) {
            self.asked.remove(&run);
        }
    }

    fn watch_holders(&mut self) -> Result<(), BackendError> {
        let liveness = self.place.journal.liveness();
        for run in std::mem::take(&mut self.leases.watched) {
            let held = match self.place.journal.find(run)?.driver {
                Some(driver) => self.place.journal.driver(driver, &liveness)?,
                None => None,
            };
            match held {
                Some(Held { verdict: Verdict::Unknown { .. }, .. }) => self.leases.watched.push(run),
                Some(held) if !held.verdict.is_over() => {
                    self.asked.remove(&run);
                    self.refuse(run, super::begin::held_elsewhere(run, Some(held)))?;
                }
                // Free or expired: try to acquire the lease again.
                _ => self.wanted.push_back(run),
            }
        }
        self.ask_more();
        Ok(())
    }
}

/// The public description of a lease holder.
pub(crate) fn lease_holder(held: &Held) -> LeaseHolder {
    let since = jiff::Timestamp::from_microsecond(held.holder.since).unwrap_or_default();
    let expires = match held.verdict {
        Verdict::Unknown { left } => Some(left),
        _ => None,
    };
    let here = held.verdict == Verdict::Locked;
    LeaseHolder { name: held.holder.name(), since, here, lease: held.holder.lease, expires }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_in_the_last_quarter_of_a_lease_that_was_not_renewed() {
        let time = LeaseTime::new(Duration::from_secs(120));
        let began = Duration::from_secs(1_000_000_000);
        time.renew(began);
        assert!(time.is_fresh(began + Duration::from_secs(89)));
        assert!(!time.is_fresh(began + Duration::from_secs(90)));
        time.renew(began + Duration::from_secs(20));
        assert!(time.is_fresh(began + Duration::from_secs(109)));
        // A renewal that began earlier renews nothing.
        time.renew(began);
        assert!(time.is_fresh(began + Duration::from_secs(109)));
        assert_eq!(time.beat(), Duration::from_secs(20));
    }
}
