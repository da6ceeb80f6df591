//! A driver is alive as long as it holds the lock on its file; whoever can lock that file has proof of its death.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::commit::Holder;
use super::place::make_folder;
use crate::ids::DriverId;

/// The folder of the lock files of a journal.
pub(crate) fn folder_of(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".drivers");
    PathBuf::from(name)
}

fn file_of(folder: &Path, id: DriverId) -> PathBuf {
    folder.join(format!("{}.lock", id.0))
}

/// The lock of a live driver: one for all its runs.
#[derive(Debug)]
pub(crate) struct DriverLock {
    holder: Holder,
    path: PathBuf,
    /// Closing it gives the lock up.
    _file: File,
}

impl DriverLock {
    /// Makes and locks the file of a new driver.
    pub(crate) fn new(journal: &Path) -> io::Result<Self> {
        let folder = folder_of(journal);
        make_folder(&folder)?;
        let holder = Holder { id: DriverId::new(), host: host(), process: std::process::id() };
        let path = file_of(&folder, holder.id);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.try_lock()?;
        Ok(DriverLock { holder, path, _file: file })
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for DriverLock {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the driver's lock file stays behind");
        }
    }
}

/// Looks for proof that drivers are dead; asks once for each.
#[derive(Debug)]
pub(crate) struct Death {
    folder: PathBuf,
    host: String,
    known: Mutex<HashMap<uuid::Uuid, bool>>,
}

impl Death {
    pub(crate) fn new(journal: &Path) -> Self {
        Death { folder: folder_of(journal), host: host(), known: Mutex::default() }
    }

    /// Whether it lives on another host, where nothing can be proven from here.
    pub(crate) fn is_elsewhere(&self, holder: &Holder) -> bool {
        holder.host != self.host
    }

    /// Whether its lock could be taken.
    pub(crate) fn is_proven(&self, holder: &Holder) -> bool {
        if self.is_elsewhere(holder) {
            return false;
        }
        *self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(holder.id.0)
            .or_insert_with(|| self.look(holder.id))
    }

    fn look(&self, id: DriverId) -> bool {
        let path = file_of(&self.folder, id);
        match OpenOptions::new().write(true).open(&path) {
            // A driver removes its file only when it ends.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(file) => match file.try_lock() {
                Ok(()) => {
                    // Ids are never used twice: nobody will ask for this file again.
                    drop(fs::remove_file(&path));
                    true
                }
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
            },
        }
    }
}

/// This machine's name.
#[cfg(unix)]
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// This machine's name: where runs are not driven it does not matter.
#[cfg(not(unix))]
pub(crate) fn host() -> String {
    "this machine".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_dead_when_its_lock_can_be_taken() {
        let root = tempfile::tempdir().unwrap();
        let journal = root.path().join("journal.db");
        let lock = DriverLock::new(&journal).unwrap();
        let holder = lock.holder().clone();
        assert!(!Death::new(&journal).is_proven(&holder));
        // As a killed process leaves it: unlocked, but there.
        let path = lock.path.clone();
        drop(lock);
        fs::write(&path, "").unwrap();
        assert!(Death::new(&journal).is_proven(&holder));
        assert!(!path.exists());
        assert!(Death::new(&journal).is_proven(&holder));
        let elsewhere = Holder { host: "another".to_owned(), ..holder };
        assert!(!Death::new(&journal).is_proven(&elsewhere));
    }
}
