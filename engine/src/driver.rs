//! The driver advances runs: it calls `decide`, has effects performed, appends events, and sleeps. Nothing else sleeps.
//!
//! One task drives all runs of a process; a waiting run is only an entry in a heap of timers. Only a write (Apply, Undo)
//! needs its intent to be durable first. Events that may wait stay in memory and are committed with the next intent, so that
//! a step in a chain costs one sync.

mod begin;
mod flights;
mod idle;
pub(crate) mod lease;
mod run;
mod searching;
pub(crate) mod summary;
mod turn;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod trial;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::backend::{DriveOptions, Parked, Runs, StopToken};
use crate::clock::Clock;
use crate::error::BackendError;
use crate::event::Event;
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::{
    DriverLock, Journal, Refusal, SendCheck, Taken, Watch, Write, WriteFailure, whole_microseconds,
};
use crate::perform::Performer;
use crate::plan_cache::PlanCache;
use crate::state::{RunState, RunStatus, fold};

use begin::Asking;
use flights::Landed;
use lease::Leases;
use run::LiveRun;

/// The interval and the limit of checks whether aborted tasks have ended.
const ABORT: std::time::Duration = std::time::Duration::from_millis(2);
const ABORTED: std::time::Duration = std::time::Duration::from_secs(1);

/// A journal with its plans and settings.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) journal: Arc<Journal>,
    pub(crate) plans: Arc<PlanCache>,
    /// Whether events that may wait are held back for the next commit.
    pub(crate) lingers: bool,
    /// The length of a lease: how long a driver's heartbeat may stand still.
    pub(crate) lease: std::time::Duration,
}

impl Store {
    /// A run's state, folded from its events.
    pub(crate) fn replay(&self, run: RunId) -> Result<RunState, BackendError> {
        let (row, chain) = self.journal.events(run, crate::ids::Seq(1))?;
        let mut state = RunState::new(self.plans.of(&self.journal, &row)?);
        for recorded in &chain.events {
            fold(&mut state, recorded).map_err(|error| {
                BackendError::Damaged(format!("run {run}, event {}: {error}", recorded.seq.0))
            })?;
        }
        Ok(state)
    }
}

/// Drives `runs`.
pub(crate) async fn drive(
    place: &Store,
    runs: Runs,
    performer: Arc<Performer>,
    options: DriveOptions,
    stop: StopToken,
) -> Result<Parked, BackendError> {
    let clock = Arc::clone(performer.clock());
    let mut driver = Driver::new(place, clock, Some(performer), options, stop)?;
    let result = match driver.begin(&runs).await {
        Ok(()) => driver.work().await,
        Err(error) => Err(error),
    };
    driver.leave(result).await
}

/// Takes in the inbox of a run that no process drives, and releases the run again.
pub(crate) async fn settle(place: &Store, run: RunId, clock: Arc<dyn Clock>) -> Result<(), BackendError> {
    let (_stopper, stop) = StopToken::new();
    let mut driver = Driver::new(place, clock, None, DriveOptions::default(), stop)?;
    let result = match driver.begin(&Runs::These(vec![run])).await {
        Ok(()) => driver.work().await,
        Err(error) => Err(error),
    };
    driver.leave(result).await.map(drop)
}

/// A message to the driver.
enum News {
    /// The result of acquiring a lease.
    Taken { run: RunId, outcome: Result<Result<Taken, Refusal>, WriteFailure> },
    /// The result of a commit.
    Committed { slot: usize, outcome: Result<Result<(), Refusal>, WriteFailure> },
    /// A phase was performed.
    Landed(Box<Landed>),
    /// The result of a heartbeat; `Ok(false)`: the journal no longer knows this driver.
    Beaten { began: std::time::Duration, outcome: Result<bool, WriteFailure> },
    /// The events of a finished search before an undo.
    Searched { slot: usize, events: Vec<Event> },
}

struct Driver {
    place: Store,
    clock: Arc<dyn Clock>,
    /// `None`: only signals are taken in; nothing is performed.
    performer: Option<Arc<Performer>>,
    options: DriveOptions,
    stop: StopToken,
    /// Whether runs that start later are driven too.
    all: bool,
    /// Whether a run that cannot be driven is only recorded in `refused`, because others can be driven.
    several: bool,
    refused: Vec<(RunId, BackendError)>,
    lock: DriverLock,
    leases: Leases,
    /// Name of the driver in the journal, for people.
    label: String,
    live: Vec<Option<Box<LiveRun>>>,
    slots: HashMap<RunId, usize>,
    /// Runs whose lease was acquired and that are not read yet.
    unread: VecDeque<(RunId, Taken)>,
    /// Runs whose lease is being acquired, or is about to be.
    asked: HashSet<RunId>,
    /// Runs whose lease is about to be acquired.
    wanted: VecDeque<RunId>,
    /// How many leases are being acquired, and how many come next.
    asking: Asking,
    touched: BTreeSet<usize>,
    /// Runs that could not send: a signal waits for them, or their lease is lost.
    called: BTreeSet<usize>,
    /// When runs wake, on the boot-time clock.
    timers: BinaryHeap<Reverse<(Duration, usize)>>,
    /// Phases to perform; on a virtual clock they wait here until nothing else is in progress.
    ready: Vec<(usize, Job)>,
    posting: Vec<Box<dyn Write>>,
    /// Runs whose events wait for a joint commit.
    lingering: VecDeque<(tokio::time::Instant, usize)>,
    commits: usize,
    flights: usize,
    sender: UnboundedSender<News>,
    news: UnboundedReceiver<News>,
    watch: Watch,
    /// The journal may have changed since it was last read.
    stirred: bool,
    /// Consulted before writes are sent.
    look: SendCheck,
    next_look: tokio::time::Instant,
    parked: IndexMap<RunId, RunStatus>,
    stopping: bool,
}

impl Driver {
    fn new(
        place: &Store,
        clock: Arc<dyn Clock>,
        performer: Option<Arc<Performer>>,
        options: DriveOptions,
        stop: StopToken,
    ) -> Result<Self, BackendError> {
        let since = whole_microseconds(clock.now()).as_microsecond();
        let lock = place.journal.new_driver(place.lease, since)?;
        // After its lock file exists, so that the watch notices if that file is removed.
        let (watch, look) = (place.journal.watch()?, place.journal.look()?);
        // The same seed gives the same journal, so a rehearsal does not name its machine.
        let label = if clock.is_virtual() { "rehearsal".to_owned() } else { lock.holder().name() };
        let (sender, news) = unbounded_channel();
        Ok(Driver {
            place: place.clone(),
            clock,
            performer,
            options,
            stop,
            all: false,
            several: false,
            refused: Vec::new(),
            lock,
            leases: Leases::new(place.lease),
            label,
            live: Vec::new(),
            slots: HashMap::new(),
            unread: VecDeque::new(),
            asked: HashSet::new(),
            wanted: VecDeque::new(),
            asking: Asking::default(),
            touched: BTreeSet::new(),
            called: BTreeSet::new(),
            timers: BinaryHeap::new(),
            ready: Vec::new(),
            posting: Vec::new(),
            lingering: VecDeque::new(),
            commits: 0,
            flights: 0,
            sender,
            news,
            watch,
            stirred: true,
            look,
            next_look: tokio::time::Instant::now(),
            parked: IndexMap::new(),
            stopping: false,
        })
    }

    /// Works until this driver can do nothing more.
    async fn work(&mut self) -> Result<Parked, BackendError> {
        loop {
            if self.stop.asked() > 1 {
                return Ok(self.parked(true));
            }
            self.hear_stop();
            while let Ok(news) = self.news.try_recv() {
                self.hear(news)?;
            }
            self.read_some()?;
            self.take_turns().await?;
            self.answer_calls()?;
            self.perform_in_order().await;
            // Also while there is so much work that the driver never waits: otherwise the lease would expire.
            self.keep_leases()?;
            self.post();
            if !self.touched.is_empty() || self.has_room() {
                // Lets the tasks for signals and for the clock run on this thread.
                tokio::task::yield_now().await;
                continue;
            }
            if self.is_done() {
                return Ok(self.parked(self.stopping));
            }
            self.wait().await?;
        }
    }

    fn is_done(&self) -> bool {
        let idle =
            self.slots.is_empty() && self.asked.is_empty() && self.commits == 0 && self.news.is_empty();
        idle && (!self.all || self.stopping || self.options.until_blocked)
    }

    fn parked(&mut self, stopped: bool) -> Parked {
        let mut runs: Vec<_> = std::mem::take(&mut self.parked).into_iter().collect();
        let now = self.clock.read();
        runs.extend(self.live.iter().flatten().map(|run| (run.id, run.state.status(now.utc))));
        Parked { runs, refused: std::mem::take(&mut self.refused), stopped }
    }

    /// Ends all work and releases the leases. After an error of the journal nothing more is written.
    async fn leave(self, result: Result<Parked, BackendError>) -> Result<Parked, BackendError> {
        for run in self.live.iter().flatten() {
            run.abort();
        }
        // An aborted step may have started a program: its task must be dropped before this process ends, so that the program
        // is ended too.
        let gone = async {
            while self.live.iter().flatten().any(|run| run.is_aborting()) {
                crate::clock::pause(ABORT).await;
            }
        };
        drop(tokio::time::timeout(ABORTED, gone).await);
        if self.place.journal.broken().is_none() {
            match self.place.journal.leave_driver(self.lock.holder().id).await {
                Ok(()) => self.lock.remove(),
                // The lock file stays: it proves that this driver has ended.
                Err(error) => {
                    tracing::warn!(%error, "the leases of this driver could not be released; they end with its process");
                }
            }
        }
        result
    }

    fn hear(&mut self, news: News) -> Result<(), BackendError> {
        // A busy driver may have missed a change notification, so it reads the journal again.
        self.stirred = true;
        match news {
            News::Taken { run, outcome } => self.hear_taken(run, outcome?),
            News::Committed { slot, outcome } => {
                self.commits -= 1;
                self.hear_committed(slot, outcome?)
            }
            News::Landed(landed) => self.land(*landed),
            News::Beaten { began, outcome } => self.hear_beaten(began, outcome),
            News::Searched { slot, events } => self.searched(slot, events),
        }
    }

    /// Hands the pending writes to the writer, together.
    fn post(&mut self) {
        if !self.posting.is_empty() {
            self.place.journal.post(std::mem::take(&mut self.posting));
        }
    }
}
