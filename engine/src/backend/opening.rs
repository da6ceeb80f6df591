//! How a journal is opened.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::journal::{CutPoints, Sharing};
use crate::registry::Registry;

/// What the journal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real runs. Refuses a rehearsal's journal and one that does not survive a power loss.
    Live,
    /// Rehearsals and benchmarks: marked as such when it is made. Refuses a journal of real runs.
    Rehearsal,
    /// Reads whatever is there and writes nothing; the file must exist.
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

/// How to open a journal.
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

/// What the journal has to say to its operator that is no error.
#[derive(Clone, Debug, Default)]
pub struct Remarks(Arc<Mutex<Vec<String>>>);

impl Remarks {
    pub(crate) fn put(&self, remark: String) {
        tracing::warn!("{remark}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(remark);
    }

    /// What was said since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How long the heartbeat of a driver may stand still before others take its runs over.
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

    /// For signals: runs are asked, not driven. Where another account owns the journal they go to its folder for signals.
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

    /// Another clock.
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

    /// Commits at once what a driver otherwise lets wait for company, so that the journal can be cut off wherever a slow
    /// answer may leave it, not only between two writes.
    #[must_use]
    pub fn without_lingering(mut self) -> Self {
        self.lingers = false;
        self
    }

    /// Another time for which the heartbeat of a driver may stand still before others take its runs over.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Who besides its owner may read the journal and send signals.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// Where remarks for the operator go.
    #[must_use]
    pub fn remarks(mut self, remarks: Remarks) -> Self {
        self.remarks = remarks;
        self
    }

    /// At most this many pages: what a full disk does.
    #[must_use]
    pub fn page_limit(mut self, pages: u32) -> Self {
        self.page_limit = Some(pages);
        self
    }
}
