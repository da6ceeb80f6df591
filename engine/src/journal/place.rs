//! Where the journal lives: a private file on a local disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::backend::{BackendError, Durability};

/// File systems on other machines: their locks and syncs do not hold what a journal needs.
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

/// The path with its folder made absolute, and made private where it has to be made.
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
    refuse_remote(&folder)?;
    Ok(folder.join(name))
}

fn missing(path: &Path, error: io::Error) -> BackendError {
    if error.kind() == io::ErrorKind::NotFound {
        return BackendError::Refused {
            message: format!("there is no journal at {}", path.display()),
            hint: "`run` makes one; choose another with --journal".to_owned(),
        };
    }
    not_writable(error)
}

pub(crate) fn not_writable(error: io::Error) -> BackendError {
    BackendError::NotWritable(Box::new(error))
}

/// Makes the file, empty and private, unless it is there; and makes one that is there private.
pub(crate) fn make_file(path: &Path, durability: Durability) -> Result<(), BackendError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) if durability == Durability::Off => Ok(()),
        Ok(file) => file.sync_all().and_then(|()| sync_folder(path)).map_err(not_writable),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            keep_private(path).map_err(not_writable)
        }
        Err(error) => Err(not_writable(error)),
    }
}

/// Refuses where there is no file to read.
pub(crate) fn expect_file(path: &Path) -> Result<(), BackendError> {
    fs::metadata(path).map(drop).map_err(|error| missing(path, error))
}

/// Makes a folder that only its owner may look into.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Gives a finished file its name, durably; what had that name before is gone.
pub(crate) fn rename(file: &Path, name: &Path) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    fs::rename(file, name)?;
    sync_folder(name)
}

/// A name is durable when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn keep_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether only its owner may read and write it.
#[cfg(unix)]
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
pub(crate) fn is_private(_path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Bytes that are free for this user on the disk of `path`, where that can be asked.
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
    // Where the list of mounts cannot be read, the settings that are read back have to do.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match file_system(&mounts, folder) {
        Some(kind) if REMOTE.contains(&kind.as_str()) => Err(BackendError::Refused {
            message: format!("{} is on a network file system ({kind})", folder.display()),
            hint: "the journal must be on a local disk; choose one with --journal".to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_remote(_folder: &Path) -> Result<(), BackendError> {
    Ok(())
}

/// Kind of the file system that `folder` is on: that of the longest mount point above it, the last one mounted there.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = unescape(point);
        if folder.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// Spaces and the like are octal in the list of mounts.
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
        make_file(&path, Durability::Full).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        make_file(&path, Durability::Full).unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}
