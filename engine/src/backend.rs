//! What the command line, the API and the dashboard see of the engine. Two backends give this guarantee and nothing
//! more: the embedded one here, and a cluster one elsewhere.

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
pub use sqlite::{BackedUp, Laid, Settled, SqliteBackend};

/// A future that can be returned through `dyn Backend`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A run to be accepted.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its id: accepting the same id twice is a no-op.
    pub run: RunId,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The plan's text, stored once per digest.
    pub text: Arc<str>,
    /// Checked inputs.
    pub inputs: Inputs,
    /// Who starts it.
    pub starter: Actor,
    /// Start paused.
    pub paused: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// The rollout that it belongs to.
    pub rollout: NewRollout,
}

/// What a new run says of its rollout.
#[derive(Clone, Debug, Default)]
pub struct NewRollout {
    /// Ties it to other runs.
    pub key: RunKey,
    /// What the operator calls it.
    pub labels: Labels,
    /// When it may begin.
    pub begins: Begins,
}

/// When a run may begin beside others of its key. Asked in the transaction that accepts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begins {
    /// Always.
    #[default]
    Anyway,
    /// Only while no run of the key is open, and this one is the newest; `None`: there is no run of the key.
    AfterNewest(Option<RunId>),
}

/// Whether the run was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was accepted now.
    New,
    /// It was there already.
    Already,
    /// It was not accepted: another run of its key was ([`Begins::AfterNewest`]).
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

/// How to drive.
#[derive(Clone, Debug, Default)]
pub struct DriveOptions {
    /// Return when only people, approvals, permissions or credentials are waited for.
    pub until_blocked: bool,
    /// With `until_blocked`: where nothing but permissions is waited for, wait this long before returning.
    pub permission_patience: Duration,
    /// Take a lease over at once, unless its holder proves that it lives.
    pub steal: bool,
}

/// Why `drive` returned.
#[derive(Debug)]
pub struct Parked {
    /// Each run that was driven, and where it stands.
    pub runs: Vec<(RunId, RunStatus)>,
    /// Runs of several that could not be driven, and why.
    pub refused: Vec<(RunId, BackendError)>,
    /// `drive` was stopped by its [`StopToken`].
    pub stopped: bool,
}

/// The driver that holds the lease of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Process and host.
    pub name: String,
    /// When it took its first run.
    pub since: Timestamp,
    /// It lives on this machine: its lock proves it.
    pub here: bool,
    /// How long its heartbeat may stand still.
    pub lease: Duration,
    /// Nothing is proven: its lease expires after this time, if its heartbeat stands still until then.
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
    /// When it was accepted.
    pub started: Timestamp,
    /// When its last event happened.
    pub changed: Timestamp,
    /// Where it stands.
    pub status: RunStatus,
    /// How many steps the last look at everything found drifted and that were not proven since; `None`: nobody has looked.
    pub drift: Option<usize>,
    /// Whether it is being undone, and has not ended.
    pub undo: bool,
    /// Process and host of its driver; `None`: it is not running.
    pub driver: Option<String>,
    /// The same driver, with what is known of its lease.
    pub holder: Option<LeaseHolder>,
    /// What ties it to other runs.
    pub key: RunKey,
    /// What the operator calls it.
    pub labels: Labels,
}

/// Runs plans durably.
pub trait Backend: Send + Sync {
    /// Accepts a run; idempotent on its id.
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
    /// Drives runs until nothing can move (or as `options` say).
    fn drive(
        &self,
        runs: Runs,
        performer: Arc<Performer>,
        options: DriveOptions,
        stop: StopToken,
    ) -> BoxFuture<'_, Result<Parked, BackendError>>;
}

/// Tells a driver to stop: once, it lets requests in flight end and parks; twice, it stops at once.
#[derive(Clone, Debug)]
pub struct StopToken(tokio::sync::watch::Receiver<u8>);

/// The other end of a [`StopToken`].
#[derive(Debug)]
pub struct Stopper(tokio::sync::watch::Sender<u8>);

impl StopToken {
    /// A token and its stopper.
    pub fn new() -> (Stopper, StopToken) {
        let (sender, receiver) = tokio::sync::watch::channel(0);
        (Stopper(sender), StopToken(receiver))
    }

    /// How often stop was asked for.
    pub fn asked(&self) -> u8 {
        *self.0.borrow()
    }

    /// Returns when stop was asked for at least `times` times; never, when the stopper is gone.
    pub async fn asked_for(&mut self, times: u8) {
        if self.0.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Asks once more.
    pub fn stop(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
    }
}

/// Why the backend could not do what was asked.
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
        /// The holder; `None`: it gave the lease up meanwhile.
        holder: Option<Box<LeaseHolder>>,
    },
    /// The journal cannot be used as it is: foreign, newer, rehearsal, not durable, on a network file system.
    #[error("{message}")]
    Refused {
        /// What is the matter.
        message: String,
        /// What the operator does next.
        hint: String,
    },
    /// A journal in which no run was ever started is read.
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
