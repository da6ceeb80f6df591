//! Detects whether the driver that holds a lease is alive.
//!
//! Under the same kernel, its lock file shows that. Where the lock proves nothing (another machine, a missing lock file), its
//! heartbeat does: a counter in the journal that changes while the driver is alive. The counter is watched on this machine's
//! boot-time clock; clock times written by other machines are never compared.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::commit::Holder;
use super::driver_lock::{boot, file_of, folder_of, release};
use crate::clock::boot_now;
use crate::ids::DriverId;

/// What is known about a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its lock is free: the process has ended.
    Dead,
    /// Its heartbeat did not change for the length of its lease.
    Expired,
    /// It holds its lock under this kernel.
    Locked,
    /// Its heartbeat changed while it was watched.
    Beating,
    /// Nothing is proven yet; the lease may be expired after `left`.
    Unknown { left: Duration },
}

impl Verdict {
    /// Whether its lease may be taken over without an order.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Verdict::Dead | Verdict::Expired)
    }
}

/// Heartbeats that this process has watched: their value, since when, and whether they ever changed.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(Mutex<HashMap<uuid::Uuid, Watched>>);

#[derive(Clone, Copy, Debug)]
struct Watched {
    heartbeat: i64,
    since: Duration,
    moved: bool,
}

impl Heartbeats {
    /// Judges the heartbeat of `holder` at `now`, on the boot-time clock.
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

/// One check of drivers; each lock is tried once.
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

    /// Judges `holder`, as the journal has it now.
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
            // A shared lock, so that two checking processes do not take each other for the driver. The file stays until the
            // journal has deleted its driver; so a missing file proves nothing.
            let file = File::open(file_of(&self.folder, id)).ok()?;
            match file.try_lock_shared() {
                Ok(()) => {
                    release(&file);
                    Some(false)
                }
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
        // As a killed process leaves it: unlocked, but existing. A program that is being started still has a copy of the open file.
        let _copy = lock.copy();
        drop(lock);
        assert_eq!(look(&journal).judge(&holder), Verdict::Dead);
        assert_eq!(look(&journal).judge(&holder), Verdict::Dead, "to look changes nothing");
        // A missing lock file proves nothing.
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
        // A counter that goes back has changed too.
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
