//! Whether the driver that holds a lease still lives.
//!
//! Under the same kernel its lock tells. Where no lock can tell (another machine, a lock file that is gone) its heartbeat
//! does: a counter in the journal that moves while it lives. The counter is watched on this machine's boot-time clock;
//! times that others wrote down are never compared.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::commit::Holder;
use super::driver_lock::{boot, file_of, folder_of};
use crate::clock::boot_now;
use crate::ids::DriverId;

/// What is known of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its lock could be taken.
    Dead,
    /// Its heartbeat stood still for as long as its lease.
    Expired,
    /// It holds its lock under this kernel.
    Locked,
    /// Its heartbeat moved while it was watched.
    Beating,
    /// Nothing is proven yet; it may be expired after `left`.
    Unknown { left: Duration },
}

impl Verdict {
    /// Whether its lease may be taken without an order.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Verdict::Dead | Verdict::Expired)
    }
}

/// Heartbeats that this process has watched: what they were, since when, and whether they ever moved.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(Mutex<HashMap<uuid::Uuid, Watched>>);

#[derive(Clone, Copy, Debug)]
struct Watched {
    heartbeat: i64,
    since: Duration,
    moved: bool,
}

impl Heartbeats {
    /// Looks at the heartbeat of `holder` at `now`, on the boot-time clock.
    fn judge(&self, holder: &Holder, now: Duration) -> Verdict {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Watched { heartbeat: holder.heartbeat, since: now, moved: false };
        let watched = known.entry(holder.id.0).or_insert(new);
        if watched.heartbeat != holder.heartbeat {
            *watched = Watched { moved: true, ..new };
        }
        let still = now.saturating_sub(watched.since);
        match holder.lease.checked_sub(still) {
            None | Some(Duration::ZERO) => Verdict::Expired,
            Some(_) if watched.moved => Verdict::Beating,
            Some(left) => Verdict::Unknown { left },
        }
    }
}

/// One look for signs of life; each lock is asked once.
#[derive(Debug)]
pub(crate) struct Liveness {
    folder: PathBuf,
    boot: String,
    heartbeats: Arc<Heartbeats>,
    locks: Mutex<HashMap<uuid::Uuid, Option<bool>>>,
}

impl Liveness {
    pub(crate) fn new(journal: &Path, heartbeats: Arc<Heartbeats>) -> Self {
        Liveness { folder: folder_of(journal), boot: boot(), heartbeats, locks: Mutex::default() }
    }

    /// What is known of `holder`, as the journal has it at this moment.
    pub(crate) fn judge(&self, holder: &Holder) -> Verdict {
        if !self.boot.is_empty() && holder.boot == self.boot {
            match self.is_locked(holder.id) {
                Some(true) => return Verdict::Locked,
                Some(false) => return Verdict::Dead,
                None => {}
            }
        }
        self.heartbeats.judge(holder, boot_now())
    }

    fn is_locked(&self, id: DriverId) -> Option<bool> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        *locks.entry(id.0).or_insert_with(|| {
            // Shared: two who look do not take each other for the driver. The file stays until the journal has
            // forgotten its driver: a file that is missing proves nothing.
            let file = File::open(file_of(&self.folder, id)).ok()?;
            match file.try_lock_shared() {
                Ok(()) => Some(false),
                Err(TryLockError::WouldBlock) => Some(true),
                Err(TryLockError::Error(_)) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::driver_lock::{DriverLock, sweep};
    use super::super::sharing::Sharing;
    use super::*;

    const LEASE: Duration = Duration::from_secs(120);

    fn look(journal: &Path) -> Liveness {
        Liveness::new(journal, Arc::default())
    }

    #[test]
    fn under_one_kernel_the_lock_alone_tells_whatever_the_host_is_called() {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("journal.db");
        let lock = DriverLock::new(&journal, LEASE, 0, &Sharing::Private).unwrap();
        let holder = Holder { host: "pod-1".to_owned(), ..lock.holder().clone() };
        assert_eq!(look(&journal).judge(&holder), Verdict::Locked);
        // As a killed process leaves it: unlocked, but there.
        drop(lock);
        assert_eq!(look(&journal).judge(&holder), Verdict::Dead);
        assert_eq!(look(&journal).judge(&holder), Verdict::Dead, "to look changes nothing");
        // A lock file that is missing proves nothing.
        fs::remove_file(file_of(&folder_of(&journal), holder.id)).unwrap();
        assert!(matches!(look(&journal).judge(&holder), Verdict::Unknown { .. }));
    }

    #[test]
    fn on_another_machine_a_lock_proves_nothing_and_the_heartbeat_does() {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("journal.db");
        let lock = DriverLock::new(&journal, LEASE, 0, &Sharing::Private).unwrap();
        let mut holder = Holder { boot: "another machine".to_owned(), ..lock.holder().clone() };
        drop(lock);
        assert!(matches!(look(&journal).judge(&holder), Verdict::Unknown { .. }));
        let heartbeats = Heartbeats::default();
        let at = |secs: u64| Duration::from_secs(1_000_000 + secs);
        assert_eq!(heartbeats.judge(&holder, at(0)), Verdict::Unknown { left: LEASE });
        let left = Duration::from_secs(1);
        assert_eq!(heartbeats.judge(&holder, at(119)), Verdict::Unknown { left });
        holder.heartbeat += 1;
        assert_eq!(heartbeats.judge(&holder, at(119)), Verdict::Beating);
        assert_eq!(heartbeats.judge(&holder, at(238)), Verdict::Beating);
        assert_eq!(heartbeats.judge(&holder, at(239)), Verdict::Expired);
        // Even one that goes back moved.
        holder.heartbeat -= 1;
        assert_eq!(heartbeats.judge(&holder, at(240)), Verdict::Beating);
    }

    #[test]
    fn a_lock_file_that_was_removed_is_made_again_and_one_of_nobody_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("journal.db");
        let mut lock = DriverLock::new(&journal, LEASE, 0, &Sharing::Private).unwrap();
        let dead = DriverLock::new(&journal, LEASE, 0, &Sharing::Private).unwrap();
        let (path, gone) = (
            file_of(&folder_of(&journal), lock.holder().id),
            file_of(&folder_of(&journal), dead.holder().id),
        );
        fs::remove_dir_all(folder_of(&journal)).unwrap();
        lock.renew();
        assert!(path.exists());
        assert_eq!(look(&journal).judge(lock.holder()), Verdict::Locked);
        fs::write(&path, "").unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another file in its place").unwrap();
        lock.renew();
        assert_eq!(look(&journal).judge(lock.holder()), Verdict::Locked);
        fs::write(&gone, "").unwrap();
        sweep(&journal, &std::collections::BTreeSet::new());
        assert!(path.exists() && !gone.exists());
    }
}
