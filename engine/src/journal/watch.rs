//! Notices commits. Where the system tells that a file was written, nobody has to look in vain.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::private_copy::{PrivateCopy, Seen};
use super::writer::Files;
use super::{driver_lock, inbox, place, read};
use crate::backend::BackendError;

/// Watches for commits, of this process and of others.
pub(crate) struct Watch {
    source: Source,
    /// `None`: the system does not tell.
    writes: Option<Writes>,
}

/// Where commits are seen.
enum Source {
    Open { files: Files, connection: Connection, seen: i64 },
    Copied { copy: Arc<PrivateCopy>, seen: Option<Seen> },
}

impl Watch {
    pub(crate) fn new(journal: &Path, files: Files, connection: Connection) -> Self {
        let source = Source::Open { files, connection, seen: -1 };
        Watch { source, writes: Writes::to_log_of(journal) }
    }

    /// Watches a journal that is read in a copy.
    pub(crate) fn of_copy(copy: Arc<PrivateCopy>) -> Self {
        Watch { source: Source::Copied { copy, seen: None }, writes: None }
    }

    /// Whether something was committed since the last look; the first look says yes.
    pub(crate) fn changed(&mut self) -> Result<bool, BackendError> {
        match &mut self.source {
            Source::Open { files, connection, seen } => {
                let version = read::data_version(connection).map_err(|error| files.fault(error))?;
                Ok(std::mem::replace(seen, version) != version)
            }
            Source::Copied { copy, seen } => copy.changed(seen),
        }
    }

    /// Returns when a look may show something: at once where the system does not tell.
    pub(crate) async fn stirs(&mut self) {
        if let Some(writes) = &self.writes {
            writes.next().await;
        }
    }
}

/// What the system tells of writes to the log of a journal, and of names that come and go beside it. The log stays the same file while a connection is open.
#[cfg(target_os = "linux")]
struct Writes(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Writes {
    /// The log is there as soon as a connection has read: its maker has.
    fn to_log_of(journal: &Path) -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let log = place::log_of(journal);
        // Names that come and go: the files of the journal, and the locks of drivers.
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let told = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).and_then(|told| {
            add_watch(&told, &log, WatchFlags::MODIFY)?;
            if let Some(folder) = journal.parent() {
                add_watch(&told, folder, names)?;
            }
            let locks = driver_lock::folder_of(journal);
            match add_watch(&told, &locks, WatchFlags::DELETE | WatchFlags::MOVED_FROM) {
                // Without drivers there is nothing to be told of.
                Err(rustix::io::Errno::NOENT) => {}
                added => drop(added?),
            }
            // Signals of other accounts.
            match add_watch(&told, inbox::folder_of(journal), WatchFlags::MOVED_TO | WatchFlags::CREATE) {
                Err(rustix::io::Errno::NOENT) => {}
                added => drop(added?),
            }
            Ok(told)
        });
        #[expect(
            deprecated,
            reason = "sound here: an OwnedFd stays open while it is registered; the successor is unsafe code"
        )]
        let told = told.map_err(std::io::Error::from).and_then(tokio::io::unix::AsyncFd::new);
        told.map(Writes)
            .inspect_err(
                |error| tracing::debug!(%error, "writes to the journal are looked for ten times a second"),
            )
            .ok()
    }

    async fn next(&self) {
        let mut events = [0; 4096];
        while let Ok(mut ready) = self.0.readable().await {
            let read = ready.try_io(|told| Ok(rustix::io::read(told.get_ref(), &mut events)?));
            // An error that stays is better met by looking than by waiting for ever.
            if read.is_ok() {
                return;
            }
        }
    }
}

/// Elsewhere nobody tells.
#[cfg(not(target_os = "linux"))]
struct Writes;

#[cfg(not(target_os = "linux"))]
impl Writes {
    fn to_log_of(_journal: &Path) -> Option<Self> {
        None
    }

    async fn next(&self) {}
}
