//! The remote of the benchmark: a file to which every effect appends one record.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Bytes of a record: workflow, step, time; little endian.
const RECORD: usize = 16;

/// One effect: its workflow, and the step in that workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Effect {
    pub(crate) workflow: u32,
    pub(crate) step: u32,
}

/// All effects of this process and of earlier ones.
#[derive(Debug)]
pub(crate) struct Effects {
    file: File,
    there: Mutex<HashSet<Effect>>,
    /// Effects that were in the file more than once when it was opened.
    repeated: usize,
}

impl Effects {
    /// Opens the file and reads its records: after a kill a step finds out here whether it took effect.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let records = bytes.as_chunks::<RECORD>().0;
        let there: HashSet<Effect> = records
            .iter()
            .map(|[w0, w1, w2, w3, s0, s1, s2, s3, ..]| Effect {
                workflow: u32::from_le_bytes([*w0, *w1, *w2, *w3]),
                step: u32::from_le_bytes([*s0, *s1, *s2, *s3]),
            })
            .collect();
        let repeated = records.len() - there.len();
        Ok(Effects { file, there: Mutex::new(there), repeated })
    }

    /// Whether `effect` was recorded.
    pub(crate) fn contains(&self, effect: Effect) -> bool {
        self.there.lock().unwrap_or_else(PoisonError::into_inner).contains(&effect)
    }

    /// Takes effect: appends one record with one system call, never synced.
    pub(crate) fn append(&self, effect: Effect) -> io::Result<()> {
        let mut record = [0; RECORD];
        record[..4].copy_from_slice(&effect.workflow.to_le_bytes());
        record[4..8].copy_from_slice(&effect.step.to_le_bytes());
        record[8..].copy_from_slice(&monotonic().to_le_bytes());
        let written = (&self.file).write(&record)?;
        if written != RECORD {
            return Err(io::Error::other("a record was cut off"));
        }
        self.there.lock().unwrap_or_else(PoisonError::into_inner).insert(effect);
        Ok(())
    }

    /// Every effect once, and how many records were repeated.
    pub(crate) fn all(&self) -> (HashSet<Effect>, usize) {
        (self.there.lock().unwrap_or_else(PoisonError::into_inner).clone(), self.repeated)
    }
}

/// The clock that the benchmark itself reads: nanoseconds of the machine's monotonic clock.
#[cfg(unix)]
pub(crate) fn monotonic() -> u64 {
    nanoseconds(rustix::time::ClockId::Monotonic)
}

/// Processor time of this process, in nanoseconds.
#[cfg(unix)]
pub(crate) fn busy() -> u64 {
    nanoseconds(rustix::time::ClockId::ProcessCPUTime)
}

#[cfg(unix)]
fn nanoseconds(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

/// The benchmark does not run on this platform; nothing is measured.
#[cfg(not(unix))]
pub(crate) fn monotonic() -> u64 {
    0
}

/// The benchmark does not run on this platform; nothing is measured.
#[cfg(not(unix))]
pub(crate) fn busy() -> u64 {
    0
}
