//! The side record: 64 bytes beside the journal with its id and its number of commits.
//!
//! It is written after each durable commit and never synced, so it may be missing or older than the journal. If it is newer,
//! the journal lost its tail; a missing or torn one proves nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::place::{private, with_suffix};

const SIZE: usize = 64;
/// Bytes of a side record.
pub(crate) const LENGTH: u64 = SIZE as u64;
const MAGIC: [u8; 8] = *b"twSpSide";
/// Magic, journal id, counter; the checksum covers them.
const BODY: usize = 32;

/// The content of a side record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stated {
    /// Id of the journal.
    pub(crate) journal: Uuid,
    /// Number of durable commits.
    pub(crate) commits: u64,
}

/// Path of the side record of a journal.
pub(crate) fn path_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".record")
}

fn encode(stated: Stated) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(stated.journal.as_bytes());
    bytes[24..BODY].copy_from_slice(&stated.commits.to_be_bytes());
    let checksum: [u8; 32] = Sha256::digest(&bytes[..BODY]).into();
    bytes[BODY..].copy_from_slice(&checksum);
    bytes
}

fn decode(bytes: &[u8; SIZE]) -> Option<Stated> {
    let (mut id, mut commits) = ([0; 16], [0; 8]);
    id.copy_from_slice(&bytes[8..24]);
    commits.copy_from_slice(&bytes[24..BODY]);
    let stated = Stated { journal: Uuid::from_bytes(id), commits: u64::from_be_bytes(commits) };
    (encode(stated) == *bytes).then_some(stated)
}

/// Reads the side record of `journal`; `None`: it is missing, torn or unreadable, which is never an error.
pub(crate) fn read(journal: &Path) -> Option<Stated> {
    let mut bytes = [0; SIZE];
    let mut file = File::open(path_of(journal)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    // A longer file is not a side record.
    (file.read(&mut [0]).ok()? == 0).then(|| decode(&bytes))?
}

/// Writes the side record after commits.
#[derive(Debug)]
pub(crate) struct SideRecord {
    journal: Uuid,
    file: Option<File>,
}

impl SideRecord {
    /// Opens the side record of `path` for writing. If that fails, the journal is used without one.
    pub(crate) fn open(path: &Path, journal: Uuid) -> Self {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = private(&mut options)
            .open(path_of(path))
            .inspect_err(|error| tracing::warn!(%error, "the side record of the journal cannot be written"))
            .ok();
        SideRecord { journal, file }
    }

    /// Records the number of durable commits.
    pub(crate) fn write(&mut self, commits: u64) {
        let Some(file) = &self.file else { return };
        let bytes = encode(Stated { journal: self.journal, commits });
        if let Err(error) = write_at_start(file, &bytes) {
            tracing::warn!(%error, "the side record of the journal cannot be written any more");
            self.file = None;
        }
    }
}

/// One system call, so that a reader sees the old record or the new one.
#[cfg(unix)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at_start(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek as _, Write as _};
    file.rewind()?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_record_reads_as_it_was_written_and_a_torn_one_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        assert_eq!(read(&journal), None);
        let id = Uuid::from_u128(7);
        let mut record = SideRecord::open(&journal, id);
        record.write(1);
        record.write(41);
        assert_eq!(read(&journal), Some(Stated { journal: id, commits: 41 }));
        let whole = fs::read(path_of(&journal)).unwrap();
        assert_eq!(whole.len(), 64);
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 4;
            fs::write(path_of(&journal), &torn).unwrap();
            assert_eq!(read(&journal), None, "byte {at}");
            fs::write(path_of(&journal), &whole[..at]).unwrap();
            assert_eq!(read(&journal), None, "{at} bytes");
        }
        fs::write(path_of(&journal), [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(read(&journal), None);
    }
}
