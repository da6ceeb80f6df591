//! Which accounts besides the owner may read a journal, and the permissions of its files.
//!
//! All functions work by path and open nothing: closing a file that SQLite has open in this process would release SQLite's
//! locks on it. No other account can replace a file, because only the owner may write to the folder.

use std::path::{Path, PathBuf};

use super::place::with_suffix;
use super::{driver_lock, inbox, place, side_record};
use crate::accounts::Group;
use crate::error::BackendError;

/// Which accounts besides the owner may read a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// None.
    #[default]
    Private,
    /// The members of a group; they may also send signals.
    Group(Group),
    /// Unknown here: permissions stay as they are.
    AsItIs,
}

/// A file, folder or link of a journal with wider permissions than the configuration allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wider {
    /// The path.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The mode that it should have.
    pub wanted: u32,
}

/// Files of a journal that a group may read; readers do not need the others.
fn files(journal: &Path) -> [PathBuf; 5] {
    [
        journal.to_owned(),
        place::log_of(journal),
        with_suffix(journal, "-shm"),
        side_record::path_of(journal),
        with_suffix(journal, ".lock"),
    ]
}

impl Sharing {
    /// The group that may read, if any.
    pub fn group(&self) -> Option<&Group> {
        match self {
            Sharing::Group(group) => Some(group),
            Sharing::Private | Sharing::AsItIs => None,
        }
    }

    pub(crate) fn mode_of_files(&self) -> u32 {
        if self.group().is_some() { 0o640 } else { 0o600 }
    }

    pub(crate) fn mode_of_folders(&self) -> u32 {
        if self.group().is_some() { 0o750 } else { 0o700 }
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::accounts;

    impl Sharing {
        /// Refuses a group that cannot get its permissions, before anything is written.
        pub(crate) fn expect_possible(&self, journal: &Path) -> Result<(), BackendError> {
            let Some(group) = self.group() else { return Ok(()) };
            if !group.has_this_account() {
                let (me, name) = (accounts::own_account(), group.name());
                return Err(BackendError::Refused {
                    message: format!("journal.group = \"{name}\": {me} is not a member of the group {name}"),
                    hint: format!(
                        "make it one with `sudo usermod -aG {name} {me}` and sign in again, or name another group"
                    ),
                });
            }
            let Some(folder) = journal.parent().and_then(|folder| folder.canonicalize().ok()) else {
                return Ok(());
            };
            let Ok(metadata) = fs::metadata(&folder) else { return Ok(()) };
            let shown = folder.display();
            let why = if metadata.mode() & 0o1000 != 0 || folder.parent().is_none() {
                "is open to every account"
            } else if !is_own(&metadata) {
                "belongs to another account"
            } else {
                return Ok(());
            };
            Err(BackendError::Refused {
                message: format!("journal.group: the folder {shown} {why}, so it cannot be opened for a group"),
                hint: "give the journal a folder of its own: `[journal]` `path = \"/srv/twinspan/journal.db\"`, or --journal"
                    .to_owned(),
            })
        }

        /// Sets the permissions of the journal's folder and of the inbox folder.
        pub(crate) fn apply_to_folders(&self, journal: &Path) -> io::Result<()> {
            let Some(folder) = journal.parent() else { return Ok(()) };
            let inbox = inbox::folder_of(journal);
            let drivers = driver_lock::folder_of(journal);
            match self {
                Sharing::AsItIs => Ok(()),
                Sharing::Group(group) => {
                    set(folder, 0o750, Some(group))?;
                    place::make_folder(&inbox)?;
                    // Sticky: only its sender can remove a signal. Set-group-id: the file belongs to the group, so that the
                    // owner of the journal can read it whatever the sender's primary group is.
                    set(&inbox, inbox::MODE, Some(group))?;
                    place::make_folder(&drivers)?;
                    set(&drivers, 0o750, Some(group))
                }
                // A folder with permissions by the operator stays as it is, unless it was opened for a group here.
                Sharing::Private if is_there(&inbox) => {
                    close(&inbox)?;
                    close(folder)?;
                    if is_there(&drivers) { close(&drivers) } else { Ok(()) }
                }
                Sharing::Private => Ok(()),
            }
        }

        /// Sets the permissions of the journal's files.
        pub(crate) fn apply_to_files(&self, journal: &Path) -> io::Result<()> {
            files(journal).iter().try_for_each(|file| self.apply_to(file))
        }

        /// Sets the permissions of one file, if it exists.
        pub(crate) fn apply_to(&self, file: &Path) -> io::Result<()> {
            if *self == Sharing::AsItIs {
                return Ok(());
            }
            match set(file, self.mode_of_files(), self.group()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                set => set,
            }
        }

        /// Sets the permissions of a folder.
        pub(crate) fn apply_to_folder(&self, folder: &Path) -> io::Result<()> {
            if *self == Sharing::AsItIs { Ok(()) } else { set(folder, self.mode_of_folders(), self.group()) }
        }

        /// Sets the permissions of the log and its index, and creates them if they are missing: SQLite would create them with
        /// this process's own group, which may have other members.
        pub(crate) fn make_companions(&self, journal: &Path) -> io::Result<()> {
            if self.group().is_none() || !fs::metadata(journal).is_ok_and(|metadata| metadata.len() > 0) {
                return Ok(());
            }
            for file in [place::log_of(journal), with_suffix(journal, "-shm")] {
                if is_there(&file) {
                    self.apply_to(&file)?;
                    continue;
                }
                let unfinished = with_suffix(&file, &format!(".{}", std::process::id()));
                drop(fs::remove_file(&unfinished));
                place::make_file(&unfinished)?;
                let made = self.apply_to(&unfinished).and_then(|()| fs::hard_link(&unfinished, &file));
                drop(fs::remove_file(&unfinished));
                match made {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        }

        /// Lists what has wider permissions than it should.
        pub(crate) fn wider(&self, journal: &Path) -> Vec<Wider> {
            // The owner's configured group is unknown here: only access for all accounts, or to write, is too wide.
            let unknown_group = *self == Sharing::AsItIs;
            let files_are = if unknown_group { 0o640 } else { self.mode_of_files() };
            let mut wanted: Vec<(PathBuf, u32)> =
                files(journal).into_iter().map(|file| (file, files_are)).collect();
            let inbox = inbox::folder_of(journal);
            if self.group().is_some() {
                wanted.extend(journal.parent().map(|folder| (folder.to_owned(), 0o750)));
                wanted.push((inbox, inbox::MODE));
            } else if !unknown_group && is_there(&inbox) {
                wanted.extend(journal.parent().map(|folder| (folder.to_owned(), 0o700)));
                wanted.push((inbox, 0o700));
            }
            let group = self.group().map(Group::id);
            let is_wider = |(path, wanted): (PathBuf, u32)| {
                let metadata = fs::metadata(&path).ok()?;
                let mode = metadata.mode() & 0o7777;
                // Another group must have no access.
                let allowed =
                    if group.is_none_or(|group| group == metadata.gid()) { wanted } else { wanted & !0o070 };
                // Without the sticky bit an account could replace another's signal.
                let loose = wanted & 0o1000 & !mode != 0;
                (loose || mode & 0o077 & !allowed != 0).then_some(Wider { path, mode, wanted })
            };
            wanted.into_iter().filter_map(is_wider).collect()
        }
    }

    fn is_there(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn is_own(metadata: &fs::Metadata) -> bool {
        accounts::own_id() == Some(metadata.uid())
    }

    /// Removes all permissions of other accounts.
    fn close(folder: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(folder)?;
        if !metadata.is_dir() || !is_own(&metadata) || metadata.mode() & 0o7077 == 0 {
            return Ok(());
        }
        fs::set_permissions(folder, Permissions::from_mode(0o700))
    }

    /// Sets mode and group of a path that this account owns. The group first: until then its members must not read.
    fn set(path: &Path, mode: u32, group: Option<&Group>) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_symlink() {
            return Err(io::Error::other(format!("{} is a symbolic link", path.display())));
        }
        if !is_own(&metadata) {
            return Ok(());
        }
        let mut now = metadata.mode() & 0o7777;
        if let Some(group) = group.filter(|group| group.id() != metadata.gid()) {
            if now & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(mode & 0o700))?;
            }
            std::os::unix::fs::lchown(path, None, Some(group.id()))?;
            // Changing the group may clear mode bits.
            now = mode & 0o700;
        }
        let kept = group.is_none() && now & 0o077 == 0;
        if now != mode && !kept { fs::set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
    }
}

/// Other platforms: permissions are not set.
#[cfg(not(unix))]
mod system {
    use std::io;

    use super::*;

    impl Sharing {
        pub(crate) fn expect_possible(&self, _journal: &Path) -> Result<(), BackendError> {
            match self.group() {
                None => Ok(()),
                Some(_) => Err(BackendError::Refused {
                    message: "journal.group: this platform has no groups of accounts".to_owned(),
                    hint: "remove journal.group".to_owned(),
                }),
            }
        }

        pub(crate) fn apply_to_folders(&self, _journal: &Path) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn apply_to_files(&self, _journal: &Path) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn apply_to(&self, _file: &Path) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn apply_to_folder(&self, _folder: &Path) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn make_companions(&self, _journal: &Path) -> io::Result<()> {
            Ok(())
        }

        pub(crate) fn wider(&self, _journal: &Path) -> Vec<Wider> {
            Vec::new()
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::driver::trial::Trial;
    use crate::journal::Opening;
    use crate::sqlite_backend::SqliteBackend;

    #[test]
    fn files_are_for_the_group_and_become_private_again() {
        let trial = Trial::new();
        let group = Group::find(&rustix::process::getegid().as_raw().to_string()).unwrap();
        let open = |sharing: Sharing| {
            let opening = Opening::live(Arc::clone(&trial.registry)).sharing(sharing);
            SqliteBackend::open(&trial.path(), opening).unwrap()
        };
        let mode = |path: &Path| {
            std::fs::symlink_metadata(path)
                .map(|metadata| metadata.permissions().mode() & 0o7777)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        // The folder's mode depends on the umask of this process; a private one is needed here.
        std::fs::set_permissions(trial.folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        for (sharing, file, folder, inbox) in [
            (Sharing::Private, 0o600, 0o700, None),
            (Sharing::Group(group.clone()), 0o640, 0o750, Some(inbox::MODE)),
            (Sharing::AsItIs, 0o640, 0o750, Some(inbox::MODE)),
            (Sharing::Private, 0o600, 0o700, Some(0o700)),
        ] {
            let backend = open(sharing.clone());
            for path in files(&trial.path()) {
                assert_eq!(mode(&path), file, "{sharing:?} {}", path.display());
            }
            assert_eq!(mode(trial.folder.path()), folder, "{sharing:?}");
            let found = inbox::folder_of(&trial.path());
            assert_eq!(found.exists().then(|| mode(&found)), inbox, "{sharing:?}");
            assert_eq!(sharing.wider(&trial.path()), [], "{sharing:?}");
            drop(backend);
        }
        // Only paths that are wider than they should be are reported.
        let sharing = Sharing::Group(group);
        drop(open(sharing.clone()));
        for (path, modes) in [
            (trial.path(), [0o644, 0o660]),
            (trial.folder.path().to_owned(), [0o755, 0o770]),
            (inbox::folder_of(&trial.path()), [0o3777, 0o2770]),
        ] {
            let right = mode(&path);
            for wider in modes {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wider)).unwrap();
                let found = sharing.wider(&trial.path());
                let wanted = [Wider { path: path.clone(), mode: wider, wanted: right }];
                assert_eq!(found, wanted, "{}", path.display());
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(right)).unwrap();
        }
    }

    #[test]
    fn a_folder_that_is_everybodys_is_not_opened_for_a_group() {
        let trial = Trial::new();
        let group = Group::find(&rustix::process::getegid().as_raw().to_string()).unwrap();
        let sticky = std::fs::Permissions::from_mode(0o1777);
        std::fs::set_permissions(trial.folder.path(), sticky).unwrap();
        let opening = Opening::live(Arc::clone(&trial.registry)).sharing(Sharing::Group(group));
        match SqliteBackend::open(&trial.path(), opening) {
            Err(BackendError::Refused { message, .. }) => {
                assert!(message.contains("is open to every account"), "{message}");
            }
            other => panic!("not refused: {:?}", other.err()),
        }
        assert!(!trial.path().exists(), "something was made");
    }
}
