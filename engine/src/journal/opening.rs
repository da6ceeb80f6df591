//! Options for opening a journal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::journal::{CutPoints, Sharing};
use crate::registry::Registry;

/// The purpose of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real runs. Refuses the journal of a rehearsal, and one that does not survive a power loss.
    Live,
    /// Rehearsals and benchmarks: marked as such when it is created. Refuses a journal of real runs.
    Rehearsal,
    /// Reads any existing journal and writes nothing.
    Reading,
}

/// What a commit survives. Anything but `Full` is for rehearsals, tests and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power loss.
    Full,
    /// The end of the process; a power loss may take the last commits.
    Normal,
    /// The end of the process only.
    Off,
}

/// Options for opening a journal.
#[derive(Clone)]
pub struct Opening {
    pub(crate) mode: Mode,
    pub(crate) durability: Durability,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cut: Option<Arc<dyn CutPoints>>,
    pub(crate) page_limit: Option<u32>,
    pub(crate) lingers: bool,
    pub(crate) lease: Duration,
    pub(crate) asks: bool,
    pub(crate) sharing: Sharing,
    pub(crate) remarks: Remarks,
}

/// Remarks of the journal for its operator; they are no errors.
#[derive(Clone, Debug, Default)]
pub struct Remarks(Arc<Mutex<Vec<String>>>);

impl Remarks {
    pub(crate) fn put(&self, remark: String) {
        tracing::warn!("{remark}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    }

    /// The remarks since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long a driver's heartbeat may stand still before others take over its runs.
pub const LEASE: Duration = Duration::from_secs(120);

impl Opening {
    /// A journal of real runs: durable, on the machine's clock.
    pub fn live(registry: Arc<Registry>) -> Self {
        Opening {
            mode: Mode::Live,
            durability: Durability::Full,
            registry,
            clock: Arc::new(SystemClock),
            cut: None,
            page_limit: None,
            lingers: true,
            lease: LEASE,
            asks: false,
            sharing: Sharing::default(),
            remarks: Remarks::default(),
        }
    }

    /// For sending signals: no run is driven. If another account owns the journal, signals go to its inbox folder.
    pub fn asking(registry: Arc<Registry>) -> Self {
        Opening { asks: true, ..Opening::live(registry) }
    }

    /// A rehearsal's journal, on the rehearsal's clock; nothing is synced.
    pub fn rehearsal(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Self {
        Opening { mode: Mode::Rehearsal, durability: Durability::Off, clock, ..Opening::live(registry) }
    }

    /// For `show`, `list`, `why`: reads any journal.
    pub fn reading(registry: Arc<Registry>) -> Self {
        Opening { mode: Mode::Reading, ..Opening::live(registry) }
    }

    /// What a commit survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Cuts the journal off at chosen commits, as if the process had been killed there.
    #[must_use]
    pub fn cut_points(mut self, cut: Arc<dyn CutPoints>) -> Self {
        self.cut = Some(cut);
        self
    }

    /// Commits at once what a driver otherwise holds back, so that the journal can be cut off at every point where a slow
    /// response may leave it, not only between two writes.
    #[must_use]
    pub fn without_lingering(mut self) -> Self {
        self.lingers = false;
        self
    }

    /// Sets how long a driver's heartbeat may stand still before others take over its runs.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets which accounts besides the owner may read the journal and send signals.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Sets where remarks for the operator go.
    #[must_use]
    pub fn remarks(mut self, remarks: Remarks) -> Self {
        self.remarks = remarks;
        self
    }

    /// Limits the file to this many pages, to simulate a full disk.
    #[must_use]
    pub fn page_limit(mut self, pages: u32) -> Self {
        self.page_limit = Some(pages);
        self
    }
}
