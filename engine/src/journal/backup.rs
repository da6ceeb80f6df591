//! A backup of a journal that is in use: consistent, complete in one file, and checked before it gets its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connect::unusable;
use super::place::{self, with_suffix};
use super::{Journal, inbox, schema, side_record};
use crate::clock::pause;
use crate::error::BackendError;

/// How long a copy waits before it retries a locked page.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// A finished copy that does not have its name yet.
#[derive(Debug)]
pub(crate) struct Copied {
    unfinished: PathBuf,
    name: PathBuf,
    replace: bool,
}

impl Journal {
    /// Copies the journal to a file beside `name`. An existing file at `name` is kept unless `replace` is set.
    pub(crate) async fn copy_to(&self, name: &Path, replace: bool) -> Result<Copied, BackendError> {
        self.expect_target(name, replace)?;
        let copied = Copied { unfinished: with_suffix(name, ".unfinished"), name: name.to_owned(), replace };
        copied.clear().map_err(|error| unwritable(name, error))?;
        place::make_file(&copied.unfinished).map_err(|error| unwritable(name, error))?;
        self.copy_pages(&copied.unfinished).await?;
        // The copy gets the journal's read permissions.
        self.sharing.apply_to(&copied.unfinished).map_err(|error| unwritable(name, error))?;
        Ok(copied)
    }

    fn expect_target(&self, name: &Path, replace: bool) -> Result<(), BackendError> {
        let refused =
            |message: String, hint: &str| Err(BackendError::Refused { message, hint: hint.to_owned() });
        let at = name.display();
        let taken = fs::symlink_metadata(name).ok();
        if taken.as_ref().is_some_and(fs::Metadata::is_dir) {
            return refused(format!("{at} is a folder"), "name a file for the copy");
        }
        let folder = match name.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let (Ok(folder), Some(file)) = (folder.canonicalize(), name.file_name()) else {
            return refused(format!("the folder of {at} does not exist"), "make the folder first");
        };
        let target = folder.join(file);
        let own = [
            self.path.clone(),
            place::log_of(&self.path),
            with_suffix(&self.path, "-shm"),
            with_suffix(&self.path, ".lock"),
            side_record::path_of(&self.path),
            inbox::folder_of(&self.path),
        ];
        if own.contains(&target) || own.contains(&target.canonicalize().unwrap_or_default()) {
            return refused(format!("{at} belongs to the journal itself"), "name another file for the copy");
        }
        if taken.is_some() && !replace {
            return refused(format!("{at} exists"), "name another file, or replace this one with --replace");
        }
        Ok(())
    }

    async fn copy_pages(&self, to: &Path) -> Result<(), BackendError> {
        let fail = |error| unusable(to, error);
        let source = self.connection()?;
        let mut target = Connection::open_with_flags(
            to,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(fail)?;
        loop {
            // All pages in one step, so that they form one state, whatever is committed meanwhile.
            let copied = Backup::new(&source, &mut target).and_then(|copy| copy.step(-1)).map_err(fail)?;
            if copied == StepResult::Done {
                break;
            }
            pause(AGAIN).await;
        }
        target.execute(schema::STANDS_ALONE, []).map_err(fail)?;
        let found: String =
            target.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(fail)?;
        if found != "ok" {
            return Err(BackendError::Damaged(found));
        }
        target.close().map_err(|(_, error)| fail(error))
    }
}

impl Copied {
    /// The path of the copy until it has its name.
    pub(crate) fn path(&self) -> &Path {
        &self.unfinished
    }

    /// Gives the copy its name, durably.
    pub(crate) fn keep(self) -> Result<(), BackendError> {
        let kept = self.name_it();
        drop(self.clear());
        kept.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackendError::Refused {
                message: format!("{} exists", self.name.display()),
                hint: "name another file, or replace this one with --replace".to_owned(),
            },
            _ => unwritable(&self.name, error),
        })
    }

    fn name_it(&self) -> io::Result<()> {
        if self.replace {
            return place::rename(&self.unfinished, &self.name);
        }
        fs::File::open(&self.unfinished)?.sync_all()?;
        // Unlike a rename, a link replaces no file.
        match fs::hard_link(&self.unfinished, &self.name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !self.name.exists() => {
                fs::rename(&self.unfinished, &self.name)?;
            }
            linked => linked?,
        }
        place::sync_folder(&self.name)
    }

    /// Removes unfinished files.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            match fs::remove_file(with_suffix(&self.unfinished, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn unwritable(name: &Path, error: io::Error) -> BackendError {
    BackendError::Refused {
        message: format!("{} cannot be written: {error}", name.display()),
        hint: "name a file in a folder that you may write to".to_owned(),
    }
}
