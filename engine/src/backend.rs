//! The engine's interface for the command line, an API and a dashboard. Backends give these guarantees and no others;
//! the embedded one is [`crate::SqliteBackend`].

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

use crate::error::{BackendError, LeaseHolder};
use crate::future::BoxFuture;

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
    /// With `until_blocked`: how long each permission is waited for before returning, if nothing but permissions is open.
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
