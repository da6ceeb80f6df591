//! Checks a write-ahead log before SQLite reads it.
//!
//! SQLite takes the first invalid frame for the end of the log and drops the rest, damaged or not. This check also reads the
//! frames after that end: if two commits of the same generation follow, the log is damaged, because a commit begins only when
//! the previous one is durable. (A single one may remain from a power loss; the side record shows whether it was
//! acknowledged.) Format: sqlite.org/fileformat2.html, "the WAL file format".

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// How often a log that seems damaged is read again: another process may be writing to it.
const READINGS: usize = 3;

/// The state of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// There is no file.
    Missing,
    /// It contains no commit.
    Empty,
    /// Its commits are valid.
    Whole,
    /// Its commits are valid, and belong to another database.
    Foreign,
    /// Commits follow frame `after`, the last valid one.
    Damaged { after: usize },
}

/// Checks the log at `path`; `owner` occurs in each commit of its database.
pub(crate) fn check(path: &Path, owner: Option<&[u8]>) -> io::Result<Log> {
    let mut before = None;
    for _ in 0..READINGS {
        let found = match read(path)? {
            None => return Ok(Log::Missing),
            Some(bytes) => judge(&bytes, owner),
        };
        match found {
            Log::Damaged { .. } | Log::Foreign if before != Some(found) => before = Some(found),
            found => return Ok(found),
        }
    }
    // The results differ from reading to reading: it is being written.
    Ok(Log::Whole)
}

/// Reads a log of one generation: if the header changed meanwhile, it is read again.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    for _ in 0..READINGS {
        bytes.clear();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut header = Vec::new();
        File::open(path)?.take(HEADER as u64).read_to_end(&mut header)?;
        if bytes.starts_with(&header) && header.len() == bytes.len().min(HEADER) {
            break;
        }
    }
    Ok(Some(bytes))
}

/// The running checksum of a log.
#[derive(Clone, Copy)]
struct Sum {
    big_endian: bool,
    at: (u32, u32),
}

impl Sum {
    fn add(mut self, bytes: &[u8]) -> Self {
        let word = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        for pair in bytes.chunks_exact(8) {
            let first = self.at.0.wrapping_add(word(&pair[..4])).wrapping_add(self.at.1);
            let second = self.at.1.wrapping_add(word(&pair[4..])).wrapping_add(first);
            self.at = (first, second);
        }
        self
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

fn judge(bytes: &[u8], owner: Option<&[u8]>) -> Log {
    if bytes.len() < HEADER + FRAME_HEADER {
        return Log::Empty;
    }
    let magic = number(bytes, 0);
    let page = number(bytes, 8) as usize;
    let sum = Sum { big_endian: magic & 1 == 1, at: (0, 0) }.add(&bytes[..24]);
    let known = magic & !1 == 0x377f_0682 && number(bytes, 4) == 3_007_000;
    if !known || !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return wreck(bytes);
    }
    if sum.at != (number(bytes, 24), number(bytes, 28)) {
        return wreck(bytes);
    }
    let salts = &bytes[16..24];
    let frames: Vec<&[u8]> = bytes[HEADER..].chunks_exact(FRAME_HEADER + page).collect();
    let (mut sum, mut fits, mut committed, mut owned) = (sum, 0, 0, false);
    for (number_of, frame) in frames.iter().enumerate() {
        let next = sum.add(&frame[..8]).add(&frame[FRAME_HEADER..]);
        if &frame[8..16] != salts || next.at != (number(frame, 16), number(frame, 20)) {
            break;
        }
        sum = next;
        fits = number_of + 1;
        // The first commit is enough to identify the database.
        owned |= committed == 0 && owner.is_none_or(|owner| contains(&frame[FRAME_HEADER..], owner));
        if number(frame, 4) != 0 {
            committed = fits;
        }
    }
    if commits_after(&frames[fits..], salts, sum) >= 2 {
        return Log::Damaged { after: fits };
    }
    match (committed, owned) {
        (0, _) => Log::Empty,
        (_, true) => Log::Whole,
        (_, false) => Log::Foreign,
    }
}

/// A log without a valid header: if it contains only zeros, nothing was ever committed to it.
fn wreck(bytes: &[u8]) -> Log {
    if bytes.iter().all(|byte| *byte == 0) { Log::Empty } else { Log::Damaged { after: 0 } }
}

/// Counts the commits of this generation after the end of the log.
fn commits_after(frames: &[&[u8]], salts: &[u8], end: Sum) -> usize {
    let mut commits = 0;
    let mut before: Option<Sum> = None;
    for frame in frames {
        let stored = Sum { at: (number(frame, 16), number(frame, 20)), ..end };
        // A frame whose checksum continues the previous one is valid, whatever came before.
        let whole = &frame[8..16] == salts
            && before
                .is_none_or(|before| before.add(&frame[..8]).add(&frame[FRAME_HEADER..]).at == stored.at);
        if whole && number(frame, 4) != 0 {
            commits += 1;
        }
        before = (&frame[8..16] == salts).then_some(stored);
    }
    commits
}

fn contains(page: &[u8], needle: &[u8]) -> bool {
    page.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::{Connection, config::DbConfig};

    use super::*;

    const OWNER: &[u8] = b"owner-of-this-log";

    /// A log of `commits` commits, as a killed process leaves it, and its path.
    fn log_of(commits: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let flags = rusqlite::OpenFlags::default();
        let connection = Connection::open_with_flags(&path, flags).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE t (owner TEXT, n INTEGER)").unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        for number in 0..i64::try_from(commits).unwrap() {
            let owner = std::str::from_utf8(OWNER).unwrap();
            connection.execute("INSERT INTO t VALUES (?1, ?2)", (owner, number)).unwrap();
        }
        drop(connection);
        let log = folder.path().join("x.db-wal");
        (folder, log)
    }

    #[test]
    fn a_whole_log_is_whole_and_of_its_owner() {
        let (_folder, log) = log_of(5);
        assert_eq!(check(&log, Some(OWNER)).unwrap(), Log::Whole);
        assert_eq!(check(&log, None).unwrap(), Log::Whole);
        assert_eq!(check(&log, Some(b"another")).unwrap(), Log::Foreign);
        fs::write(&log, "").unwrap();
        assert_eq!(check(&log, Some(OWNER)).unwrap(), Log::Empty);
        fs::write(&log, [0; 5000]).unwrap();
        assert_eq!(check(&log, Some(OWNER)).unwrap(), Log::Empty);
        fs::remove_file(&log).unwrap();
        assert_eq!(check(&log, Some(OWNER)).unwrap(), Log::Missing);
    }

    #[test]
    fn a_flipped_bit_is_damage_where_two_commits_follow_it() {
        let (_folder, log) = log_of(6);
        let whole = fs::read(&log).unwrap();
        let frame = FRAME_HEADER + 4096;
        assert_eq!(whole.len(), HEADER + 6 * frame);
        for at in (0..HEADER).chain((HEADER..whole.len()).step_by(97)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 16;
            fs::write(&log, &damaged).unwrap();
            let found = check(&log, Some(OWNER)).unwrap();
            match at.checked_sub(HEADER).map(|at| at / frame) {
                Some(number @ 0..=3) => assert_eq!(found, Log::Damaged { after: number }, "byte {at}"),
                // Whether it can be distinguished from a power loss depends on the byte.
                Some(4) => assert!(matches!(found, Log::Damaged { after: 4 } | Log::Whole), "byte {at}"),
                Some(_) => assert_eq!(found, Log::Whole, "byte {at}"),
                None => assert!(matches!(found, Log::Damaged { after: 0 }), "byte {at}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_an_older_generation_or_a_killed_writer_left_is_no_damage() {
        let (_folder, log) = log_of(6);
        let whole = fs::read(&log).unwrap();
        let frame = FRAME_HEADER + 4096;
        // Truncated anywhere: the last commit was not finished.
        for length in (HEADER..whole.len()).step_by(501) {
            fs::write(&log, &whole[..length]).unwrap();
            assert!(matches!(check(&log, Some(OWNER)).unwrap(), Log::Whole | Log::Empty), "{length} bytes");
        }
        // A new generation of two commits over an older, longer one.
        let (_other, new) = log_of(2);
        let mut over = whole.clone();
        let new = fs::read(new).unwrap();
        over[..new.len()].copy_from_slice(&new);
        fs::write(&log, &over).unwrap();
        assert_eq!(check(&log, Some(OWNER)).unwrap(), Log::Whole);
        assert_eq!(new.len(), HEADER + 2 * frame);
    }
}
