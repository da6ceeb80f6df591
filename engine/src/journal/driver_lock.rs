//! Lock files of drivers: one per driver, locked as long as its process is alive.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::commit::Holder;
use super::place::{make_folder, private, with_suffix};
use super::sharing::Sharing;
use crate::ids::DriverId;

/// The folder of the lock files of a journal.
pub(crate) fn folder_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".drivers")
}

/// The lock file of a driver.
pub(crate) fn file_of(folder: &Path, id: DriverId) -> PathBuf {
    folder.join(format!("{}.lock", id.0))
}

/// How many ids are tried when a new file is locked by a process that cleans up the folder.
const TRIES: u32 = 8;

/// The lock of a live driver: one for all its runs.
#[derive(Debug)]
pub(crate) struct DriverLock {
    holder: Holder,
    path: PathBuf,
    /// Which accounts may see that it is alive.
    sharing: Sharing,
    file: File,
}

impl DriverLock {
    /// Creates and locks the file of a new driver of `journal`. `lease` is how long its heartbeat may stand still; `since` is
    /// the time in microseconds.
    pub(crate) fn new(journal: &Path, lease: Duration, since: i64, sharing: &Sharing) -> io::Result<Self> {
        let folder = folder_of(journal);
        make_folder(&folder)?;
        sharing.apply_to_folder(&folder)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let id = DriverId::new();
            let path = file_of(&folder, id);
            let Some(file) = make(&path, sharing)? else {
                if tries < TRIES {
                    continue;
                }
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "no lock file of a driver can be locked",
                ));
            };
            let holder = Holder {
                id,
                host: host(),
                process: std::process::id(),
                boot: boot(),
                since,
                lease,
                heartbeat: 0,
            };
            return Ok(DriverLock { holder, path, sharing: sharing.clone(), file });
        }
    }

    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Creates the file again if it was removed, so that others can see that this driver is alive.
    pub(crate) fn renew(&mut self) {
        if is_at(&self.file, &self.path) {
            return;
        }
        let made = fs::remove_file(&self.path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let made =
            made.and_then(|()| make_folder(folder)).and_then(|()| self.sharing.apply_to_folder(folder));
        match made.and_then(|()| make(&self.path, &self.sharing)) {
            Ok(Some(file)) => {
                tracing::warn!(path = %self.path.display(), "the lock file of this driver was removed; it is created again");
                release(&self.file);
                self.file = file;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the lock file of this driver was removed and cannot be created again")
            }
        }
    }

    /// Another handle of the open file, as a child process has it until it is executed.
    #[cfg(test)]
    pub(super) fn copy(&self) -> File {
        self.file.try_clone().unwrap()
    }

    /// Removes the file of a driver that the journal no longer knows.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the driver's lock file stays behind");
        }
    }
}

impl Drop for DriverLock {
    /// Releases the lock. Closing the file is not enough: a program that this process starts at the same moment has a copy of
    /// every open file until it is executed, and the lock would last as long.
    fn drop(&mut self) {
        release(&self.file);
    }
}

/// Releases the lock on an open file, for every copy of it.
pub(super) fn release(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::debug!(%error, "a lock is released when its file is closed");
    }
}

/// Creates a file and locks it; `None`: another process removed or locked it meanwhile.
fn make(path: &Path, sharing: &Sharing) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = private(options.read(true).write(true).create_new(true)).open(path)?;
    sharing.apply_to(path)?;
    // A process that cleans up the folder may have locked or removed the new file first.
    Ok((file.try_lock().is_ok() && is_at(&file, path)).then_some(file))
}

/// Whether `path` leads to the open `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Removes lock files of ended drivers that are not in `known`.
pub(crate) fn sweep(journal: &Path, known: &std::collections::BTreeSet<uuid::Uuid>) {
    let Ok(entries) = fs::read_dir(folder_of(journal)) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let id = path.file_stem().and_then(|name| uuid::Uuid::parse_str(name.to_str()?).ok());
        if id.is_some_and(|id| !known.contains(&id))
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            drop(fs::remove_file(&path));
        }
    }
}

/// This machine's name, for people.
#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The host name does not matter where runs are not driven.
#[cfg(not(unix))]
fn host() -> String {
    "this machine".to_owned()
}

/// Identifies the machine and its start: two processes with the same value run under one kernel, whatever their host names,
/// and see each other's locks.
#[cfg(target_os = "linux")]
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// If the system has no such id, the host name is used.
#[cfg(not(target_os = "linux"))]
pub(crate) fn boot() -> String {
    format!("host {}", host())
}
