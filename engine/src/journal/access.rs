//! Checks what this account may do with a journal, before any of it is opened.

use std::io;
use std::path::{Path, PathBuf};

use super::place;
use crate::accounts;
use crate::error::BackendError;

/// What this account may do with a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read and write it, or create it.
    Write,
    /// Read its files, but neither write them nor create files beside them.
    Read {
        /// Account number of the owner.
        owner: u32,
    },
}

impl Access {
    /// Checks the journal at `path`.
    ///
    /// # Errors
    /// This account may not even read it.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Result<Access, BackendError> {
        use rustix::fs::Access as Permission;
        use std::os::unix::fs::MetadataExt as _;
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            // The caller creates it, or reports that it is missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Access::Write),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(forbidden(path)),
            Err(error) => return Err(place::not_writable(error)),
        };
        let may = |path: &Path, right: Permission| rustix::fs::access(path, right).is_ok();
        if !may(path, Permission::READ_OK) {
            return Err(forbidden(path));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        // SQLite writes the index of the log, beside the journal, also to read. Another account that used the journal may
        // have left these files, whatever this account may do with the journal itself.
        let beside = [place::log_of(path), place::log_index_of(path)];
        let closed = |file: &PathBuf, right: Permission| file.exists() && !may(file, right);
        if let Some(log) = beside.first().filter(|log| closed(log, Permission::READ_OK)) {
            return Err(forbidden(log));
        }
        let writable = may(path, Permission::WRITE_OK)
            && may(folder, Permission::WRITE_OK.union(Permission::EXEC_OK))
            && !beside.iter().any(|file| closed(file, Permission::WRITE_OK));
        let owner = metadata.uid();
        // Only the owner writes a journal, or root on its behalf: signals written by others would have no proven actor.
        let own = accounts::own_id().is_none_or(|me| me == owner || me == 0);
        Ok(if writable && own { Access::Write } else { Access::Read { owner } })
    }

    /// Checks nothing: on this platform SQLite reports it.
    #[cfg(not(unix))]
    pub(crate) fn of(_path: &Path) -> Result<Access, BackendError> {
        Ok(Access::Write)
    }
}

/// Whether the journal at `path` belongs to another account; false for a missing one.
#[cfg(unix)]
pub fn belongs_to_another(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(metadata), Some(own)) = (std::fs::metadata(path), accounts::own_id()) else { return false };
    metadata.uid() != own
}

/// Whether the journal at `path` belongs to another account: unknown on this platform.
#[cfg(not(unix))]
pub fn belongs_to_another(_path: &Path) -> bool {
    false
}

/// The error for driving runs in a journal that this account may only read.
pub(crate) fn only_readable(path: &Path, owner: u32) -> BackendError {
    let (at, me) = (path.display(), accounts::own_account());
    if accounts::own_id() == Some(owner) {
        return BackendError::Refused {
            message: format!("the journal {at} may only be read: the file or its folder is read-only"),
            hint: "make the file and its folder writable, or choose another journal with --journal"
                .to_owned(),
        };
    }
    let owner = accounts::name_of(owner);
    BackendError::Refused {
        message: format!(
            "the journal {at} belongs to the account {owner}: {me} may read it, not drive runs in it"
        ),
        hint: format!(
            "let {owner} run this command; {me} can read (`list`, `show`, `why` …) and send signals (`approve`, `reject`, `decide`, `pause` …)"
        ),
    }
}

/// The error for a journal that this account may not read.
pub(crate) fn forbidden(path: &Path) -> BackendError {
    let me = accounts::own_account();
    let (what, owner) = match closed(path) {
        Some((folder, owner)) if folder != path => {
            (format!(" (the folder {} is closed)", folder.display()), owner)
        }
        Some((_, owner)) => (String::new(), owner),
        None => (String::new(), None),
    };
    let owner = owner.map_or_else(|| "its owner".to_owned(), accounts::name_of);
    BackendError::Refused {
        message: format!("{me} may not read the journal {}{what}", path.display()),
        hint: format!(
            "{owner} can let a group read it: `[journal]` `group = \"NAME\"` in the twinspan.toml of {owner}, and {me} a member of \
             that group; docs/guides/colleagues.md"
        ),
    }
}

/// The first part of the path that this account may not enter or read, and its owner.
#[cfg(unix)]
fn closed(path: &Path) -> Option<(PathBuf, Option<u32>)> {
    use rustix::fs::Access as Permission;
    use std::os::unix::fs::MetadataExt as _;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut parts: Vec<&Path> = whole.ancestors().collect();
    parts.reverse();
    let part = parts.into_iter().find(|part| {
        let right = if *part == whole { Permission::READ_OK } else { Permission::EXEC_OK };
        rustix::fs::access(*part, right).is_err()
    })?;
    Some((part.to_owned(), std::fs::metadata(part).ok().map(|metadata| metadata.uid())))
}

#[cfg(not(unix))]
fn closed(_path: &Path) -> Option<(PathBuf, Option<u32>)> {
    None
}
