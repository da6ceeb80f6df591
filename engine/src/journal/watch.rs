//! Notices commits. Where the system tells that a file was written, nobody has to look in vain.

use std::path::Path;

use rusqlite::Connection;

use super::read;

/// Watches for commits, of this process and of others.
pub(crate) struct Watch {
    connection: Connection,
    seen: i64,
    /// `None`: the system does not tell.
    writes: Option<Writes>,
}

impl Watch {
    pub(crate) fn new(journal: &Path, connection: Connection) -> Self {
        Watch { connection, seen: -1, writes: Writes::to_log_of(journal) }
    }

    /// Whether something was committed since the last look; the first look says yes.
    pub(crate) fn changed(&mut self) -> bool {
        match read::data_version(&self.connection) {
            Ok(version) if version == self.seen => false,
            Ok(version) => {
                self.seen = version;
                true
            }
            // What is wrong shows when the change is read.
            Err(_) => true,
        }
    }

    /// Returns when a look may show something: at once where the system does not tell.
    pub(crate) async fn stirs(&mut self) {
        if let Some(writes) = &self.writes {
            writes.next().await;
        }
    }
}

/// What the system tells of writes to the log of a journal. The log stays the same file while a connection is open.
#[cfg(target_os = "linux")]
struct Writes(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Writes {
    /// The log is there as soon as a connection has read: its maker has.
    fn to_log_of(journal: &Path) -> Option<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let mut log = journal.as_os_str().to_owned();
        log.push("-wal");
        let told = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).and_then(|told| {
            add_watch(&told, &log, WatchFlags::MODIFY)?;
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
