//! The engine's interface for the command line, an API and a dashboard. Backends give these guarantees and no others; the
//! embedded one is here.

mod opening;
pub(crate) mod plans;
pub(crate) mod sqlite;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use twinspan_plans::{Inputs, Plan};

use crate::event::Recorded;
use crate::ids::{RunId, Seq};
use crate::perform::Performer;
use crate::rollout::{Labels, RunKey};
use crate::signal::{Actor, SignalRow};
use crate::state::{RunState, RunStatus};

pub use crate::journal::JournalReport;
pub use opening::{Durability, LEASE, Mode, Opening, Remarks};
pub use sqlite::{BackedUp, InboxFile, SignalOutcome, SqliteBackend};

/// A future that can be returned through `dyn Backend`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A run to be created.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id: creating a run with the same id twice is a no-op.
    pub run: RunId,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The plan's text, stored once per digest.
    pub text: Arc<str>,
    /// Checked inputs.
    pub inputs: Inputs,
    /// Who starts it.
    pub starter: Actor,
    /// Whether it starts paused.
    pub paused: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// The rollout that it belongs to.
    pub rollout: NewRollout,
}

/// The rollout of a new run.
#[derive(Clone, Debug, Default)]
pub struct NewRollout {
    /// The key of the rollout.
    pub key: RunKey,
    /// Names that the operator chose.
    pub labels: Labels,
    /// When it may begin.
    pub begins: Begins,
}

/// When a run may begin beside others of its key. Checked in the transaction that creates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begins {
    /// Always.
    #[default]
    Anyway,
    /// Only while no run of the key is open, and this one is the newest; `None`: there is no run of the key.
    AfterNewest(Option<RunId>),
}

/// The result of creating a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The run was created.
    New,
    /// The run exists already.
    Already,
    /// Not created: another run of its key came first ([`Begins::AfterNewest`]).
    Overtaken,
}

/// Which runs to drive.
#[derive(Clone, Debug)]
pub enum Runs {
    /// These.
    These(Vec<RunId>),
    /// Every open run, and those that start later.
    All,
}

/// Options of driving.
#[derive(Clone, Debug, Default)]
pub struct DriveOptions {
    /// Whether to return when only people, approvals, permissions or credentials are waited for.
    pub until_blocked: bool,
    /// With `until_blocked`: how long to wait before returning while only permissions are waited for.
    pub permission_patience: Duration,
    /// Whether to take over a lease that its holder has not proven to be alive.
    pub steal: bool,
}

/// The result of `drive`.
#[derive(Debug)]
pub struct Parked {
    /// Each run that was driven, with its status.
    pub runs: Vec<(RunId, RunStatus)>,
    /// Runs of several that could not be driven, and why.
    pub refused: Vec<(RunId, BackendError)>,
    /// Whether its [`StopToken`] stopped it.
    pub stopped: bool,
}

/// The driver that holds the lease of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Process and host.
    pub name: String,
    /// When it took its first run.
    pub since: Timestamp,
    /// Whether it is alive on this machine, as its lock proves.
    pub here: bool,
    /// How long its heartbeat may stand still.
    pub lease: Duration,
    /// Time until its lease expires, if its heartbeat does not change until then; `None`: it is known to be alive.
    pub expires: Option<Duration>,
}

impl std::fmt::Display for LeaseHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} since {:.0}", self.name, self.since)
    }
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only runs that have not ended.
    pub open: bool,
    /// At most this many; `None`: all.
    pub limit: Option<usize>,
    /// Only runs of this key.
    pub key: Option<RunKey>,
    /// Only runs that have these labels.
    pub labels: Labels,
}

/// One line of a list of runs.
#[derive(Clone, Debug)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// The plan's name.
    pub name: String,
    /// When it was created.
    pub started: Timestamp,
    /// When its last event happened.
    pub changed: Timestamp,
    /// Its status.
    pub status: RunStatus,
    /// How many steps the last verification found drifted that were not proven since; `None`: never verified.
    pub drift: Option<usize>,
    /// Whether it is being undone, and has not ended.
    pub undo: bool,
    /// Process and host of its driver; `None`: it is not running.
    pub driver: Option<String>,
    /// The same driver, with its lease.
    pub holder: Option<LeaseHolder>,
    /// The key of its rollout.
    pub key: RunKey,
    /// Names that the operator chose.
    pub labels: Labels,
}

/// Runs plans durably.
pub trait Backend: Send + Sync {
    /// Creates a run; idempotent on its id.
    fn start(&self, run: NewRun) -> BoxFuture<'_, Result<Started, BackendError>>;
    /// Puts a signal into the run's inbox; idempotent on its id.
    fn signal(&self, signal: SignalRow) -> BoxFuture<'_, Result<(), BackendError>>;
    /// Events from `from` on; waits up to `wait` for the first.
    fn read(
        &self,
        run: RunId,
        from: Seq,
        wait: Option<Duration>,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, BackendError>>;
    /// The run's state, folded from its events.
    fn load(&self, run: RunId) -> BoxFuture<'_, Result<RunState, BackendError>>;
    /// Runs, newest first.
    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<RunSummary>, BackendError>>;
    /// Drives runs until none can continue (or as `options` say).
    fn drive(
        &self,
        runs: Runs,
        performer: Arc<Performer>,
        options: DriveOptions,
        stop: StopToken,
    ) -> BoxFuture<'_, Result<Parked, BackendError>>;
}

/// Stops a driver: after one request it lets requests in flight end and parks; after two it stops at once.
#[derive(Clone, Debug)]
pub struct StopToken(tokio::sync::watch::Receiver<u8>);

/// The sender of a [`StopToken`].
#[derive(Debug)]
pub struct Stopper(tokio::sync::watch::Sender<u8>);

impl StopToken {
    /// A token and its stopper.
    pub fn new() -> (Stopper, StopToken) {
        let (sender, receiver) = tokio::sync::watch::channel(0);
        (Stopper(sender), StopToken(receiver))
    }

    /// How often a stop was requested.
    pub fn asked(&self) -> u8 {
        *self.0.borrow()
    }

    /// Returns when a stop was requested at least `times` times; never, if the stopper is dropped.
    pub async fn asked_for(&mut self, times: u8) {
        if self.0.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Requests a stop, once more.
    pub fn stop(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
    }
}

/// Why an operation of the backend failed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No such run.
    #[error("there is no run {0} in this journal")]
    NoSuchRun(RunId),
    /// Another driver holds its lease.
    #[error("run {run} is driven by {}", holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Held {
        /// The run.
        run: RunId,
        /// The holder; `None`: it released the lease meanwhile.
        holder: Option<Box<LeaseHolder>>,
    },
    /// The journal cannot be used as it is: foreign, newer, rehearsal, not durable, on a network file system.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What the operator does next.
        hint: String,
    },
    /// A journal without any run was opened for reading.
    #[error("{0} is empty: no run was started there")]
    Empty(String),
    /// The journal cannot be written (full disk, I/O error); nothing was sent after that.
    #[error("the journal cannot be written")]
    NotWritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The journal's content is not what this program wrote.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// A stored plan no longer compiles with this program.
    #[error("the stored plan of run {run} is not valid for this version: {message}")]
    PlanRejected {
        /// The run.
        run: RunId,
        /// The first diagnostics.
        message: String,
    },
}
