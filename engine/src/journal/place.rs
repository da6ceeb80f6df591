//! The location of the journal: a private file on a local disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::BackendError;

/// Network file systems: their locks and syncs do not give the guarantees that a journal needs.
const REMOTE: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.rclone",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
    "smbfs",
    "vboxsf",
    "fuse.vmhgfs-fuse",
];

/// The canonical path of the file: its folder made absolute (created with private mode if needed) and symbolic links
/// resolved, so that every path to one file gives the same locks and the same write-ahead log.
pub(crate) fn prepare(path: &Path, make: bool) -> Result<PathBuf, BackendError> {
    let name = path.file_name().ok_or_else(|| BackendError::Refused {
        message: format!("{} is not the name of a file", path.display()),
        hint: "give a file with --journal".to_owned(),
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if make {
        make_folder(folder).map_err(not_writable)?;
    }
    let folder = folder.canonicalize().map_err(|error| missing(path, error))?;
    let mut file = folder.join(name);
    if file.is_symlink() {
        file = file.canonicalize().map_err(|_error| BackendError::Refused {
            message: format!("{} is a symbolic link to a file that does not exist", path.display()),
            hint: match fs::read_link(&file) {
                Ok(target) => format!("name the file itself: --journal {}", folder.join(target).display()),
                Err(_) => "name the file itself with --journal".to_owned(),
            },
        })?;
    }
    refuse_remote(file.parent().unwrap_or(&folder))?;
    expect_one_name(&file)?;
    Ok(file)
}

/// SQLite derives the log's name from the path: a file with two names would have two logs, each unknown to the other.
fn expect_one_name(file: &Path) -> Result<(), BackendError> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(()) };
    if !metadata.is_file() {
        return Err(BackendError::Refused {
            message: format!("{} is not a regular file", file.display()),
            hint: "choose another file with --journal".to_owned(),
        });
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        let quoted = file.display();
        return Err(BackendError::Refused {
            message: format!(
                "{quoted} has other names (hard links); each name would have a write-ahead log of its own"
            ),
            hint: format!(
                "find the other names with `find / -xdev -samefile {quoted}` and remove them; a symbolic link may stay"
            ),
        });
    }
    if is_mount_point(file) {
        return Err(BackendError::Refused {
            message: format!(
                "{} is mounted as a single file, so its write-ahead log is not beside it",
                file.display()
            ),
            hint: "mount the folder of the journal instead of the file".to_owned(),
        });
    }
    Ok(())
}

/// Identifies a file independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// Identity of the file at `path`; `None`: there is none.
#[cfg(unix)]
pub(crate) fn identity(path: &Path) -> io::Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt as _;
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(FileId { device: metadata.dev(), inode: metadata.ino() })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Identity of the file at `path`: runs are not driven on this platform, so existence is all that is needed.
#[cfg(not(unix))]
pub(crate) fn identity(path: &Path) -> io::Result<Option<FileId>> {
    Ok(path.exists().then_some(FileId { device: 0, inode: 0 }))
}

/// `path` with `suffix` after its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Path of the write-ahead log of a journal.
pub(crate) fn log_of(journal: &Path) -> PathBuf {
    with_suffix(journal, "-wal")
}

/// The index of the write-ahead log of a journal.
pub(crate) fn log_index_of(journal: &Path) -> PathBuf {
    with_suffix(journal, "-shm")
}

/// Makes new files private to their owner.
pub(crate) fn private(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn missing(path: &Path, error: io::Error) -> BackendError {
    if error.kind() == io::ErrorKind::NotFound {
        return BackendError::Refused {
            message: format!("there is no journal at {}", path.display()),
            hint: "`run` creates one; choose another with --journal".to_owned(),
        };
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return super::access::forbidden(path);
    }
    not_writable(error)
}

pub(crate) fn not_writable(error: io::Error) -> BackendError {
    BackendError::NotWritable(Box::new(error))
}

/// Creates an empty private file; fails if it exists.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options).open(path).map(drop)
}

/// Fails if there is no file to read.
pub(crate) fn expect_file(path: &Path) -> Result<(), BackendError> {
    fs::metadata(path).map(drop).map_err(|error| missing(path, error))
}

/// Creates a private folder.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Renames a finished file durably; replaces an existing one.
pub(crate) fn rename(file: &Path, name: &Path) -> io::Result<()> {
    // Before the rename, so that after a power loss the name cannot lead to incomplete content.
    File::open(file)?.sync_all()?;
    fs::rename(file, name)?;
    sync_folder(name)
}

/// A name is durable only when its folder is synced.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Free bytes for this user on the disk of `path`, if known.
#[cfg(unix)]
pub(crate) fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free(_path: &Path) -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
fn refuse_remote(folder: &Path) -> Result<(), BackendError> {
    // If the list of mounts cannot be read, reading the settings back must suffice.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match file_system(&mounts, folder) {
        Some(kind) if REMOTE.contains(&kind.as_str()) => Err(BackendError::Refused {
            message: format!("{} is on a network file system ({kind})", folder.display()),
            hint: "the journal must be on a local disk; choose one with --journal".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether a file system is mounted on exactly this path.
#[cfg(target_os = "linux")]
fn is_mount_point(file: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter_map(mount_point).any(|point| file == Path::new(&point))
}

#[cfg(not(target_os = "linux"))]
fn is_mount_point(_file: &Path) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn refuse_remote(_folder: &Path) -> Result<(), BackendError> {
    Ok(())
}

/// The file system of `folder`: that of the longest mount point above it, and of the last one mounted there.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (mount_point(before), after.split(' ').next()) else { continue };
        if folder.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// The mount point in a line of the list of mounts.
fn mount_point(line: &str) -> Option<String> {
    line.split(' ').nth(4).map(unescape)
}

/// The list of mounts escapes spaces and the like in octal.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 252:0 / / rw - ext4 /dev/vda rw
40 21 0:35 / /home rw,relatime shared:1 - nfs4 server:/home rw
41 40 0:36 / /home/with\\040space rw - tmpfs tmpfs rw
";

    #[test]
    fn the_innermost_mount_counts() {
        let kind = |folder: &str| file_system(MOUNTS, Path::new(folder)).unwrap();
        assert_eq!(kind("/var/lib"), "ext4");
        assert_eq!(kind("/home/a"), "nfs4");
        assert_eq!(kind("/homestead"), "ext4");
        assert_eq!(kind("/home/with space/x"), "tmpfs");
        assert!(REMOTE.contains(&"nfs4"));
    }

    #[cfg(unix)]
    #[test]
    fn file_and_folder_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let path = prepare(&root.path().join("state/journal.db"), true).unwrap();
        make_file(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[cfg(unix)]
    #[test]
    fn every_path_to_one_file_is_the_same_path_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap();
        let file = folder.join("a/journal.db");
        fs::create_dir(folder.join("a")).unwrap();
        fs::create_dir(folder.join("b")).unwrap();
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, folder.join("b/link.db")).unwrap();
        std::os::unix::fs::symlink("link.db", folder.join("b/relative.db")).unwrap();
        std::os::unix::fs::symlink("a", folder.join("c")).unwrap();
        for path in ["a/journal.db", "b/link.db", "b/relative.db", "c/journal.db", "b/../a/journal.db"] {
            assert_eq!(prepare(&folder.join(path), false).unwrap(), file, "{path}");
        }
        let refusal = |path: &str| match prepare(&folder.join(path), false) {
            Err(BackendError::Refused { message, hint }) => format!("{message}; {hint}"),
            other => panic!("{path}: {other:?}"),
        };
        std::os::unix::fs::symlink(folder.join("nowhere.db"), folder.join("b/dangling.db")).unwrap();
        assert!(
            refusal("b/dangling.db").contains(&format!("--journal {}", folder.join("nowhere.db").display()))
        );
        fs::hard_link(&file, folder.join("b/hard.db")).unwrap();
        for path in ["a/journal.db", "b/hard.db", "b/link.db"] {
            assert!(refusal(path).contains("hard links"), "{path}");
        }
        assert!(refusal("a").contains("not a regular file"));
    }
}
