//! Local programs that outlive their driver: each attempt has a supervisor, a process of this program's own.
//!
//! ```text
//! driver ─locks <attempt>.lock─▶ supervisor ─inherits the lock─▶ program ─▶ what it starts
//!    └──────────── reads <attempt>.json ◀── writes how it ended ──┘
//! ```
//!
//! As long as one of them holds the lock the attempt goes on, whether or not a driver lives: a program is never started a
//! second time beside itself. How it ended is on disk before the lock is given up.

mod process;
mod record;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use twinspan_engine::{FailureClass, StepError};
use uuid::Uuid;

pub(crate) use process::KEPT;
pub use process::supervise;
use record::Files;
pub(crate) use record::{End, Outcome, Trace};

/// Starts supervisors, and reads what they left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    program: PathBuf,
    arguments: Vec<OsString>,
    journal: PathBuf,
}

/// A program to be supervised.
pub(crate) struct Order<'a> {
    pub(crate) attempt: Uuid,
    pub(crate) program: PathBuf,
    pub(crate) args: &'a [String],
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) timeout: Duration,
}

impl Supervisor {
    /// Supervisors are `program` with `arguments`, which calls [`supervise`]; what they write lies beside `journal`, so
    /// that every driver of that journal finds it.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = OsString>,
        journal: impl Into<PathBuf>,
    ) -> Self {
        Supervisor {
            program: program.into(),
            arguments: arguments.into_iter().collect(),
            journal: journal.into(),
        }
    }

    /// The folder of the journal's attempts. Every name of the journal leads to the same one.
    fn folder(&self) -> io::Result<PathBuf> {
        let mut name = self.journal.canonicalize()?.into_os_string();
        name.push(".programs");
        Ok(name.into())
    }

    /// What is on disk of an attempt; `None`: nothing.
    pub(crate) fn trace(&self, attempt: Uuid) -> io::Result<Option<Trace>> {
        Files::of(&self.folder()?, attempt).read()
    }

    /// Runs a program to its end. Dropped before, it has the program ended; when this process dies, the program goes on.
    pub(crate) async fn run(&self, order: Order<'_>) -> Result<Outcome, StepError> {
        let name = order.program.display().to_string();
        let unusable = |error: io::Error| {
            StepError::new(FailureClass::Transient, format!("program {name} cannot be supervised: {error}"))
                .hint("the folder beside the journal must be writable")
        };
        let folder = self.folder().map_err(unusable)?;
        record::make_folder(&folder).map_err(unusable)?;
        PRUNED.call_once(|| record::prune(&folder));
        let files = Files::of(&folder, order.attempt);
        let lock = files.begin(&record::Order {
            program: order.program,
            args: order.args.to_vec(),
            timeout: order.timeout,
            outcome: files.outcome.clone(),
        });
        let lock = match lock {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let what = format!("program {name} was started before for this attempt");
                return Err(StepError::new(FailureClass::Transient, what).unknown());
            }
            Err(error) => return Err(unusable(error)),
        };
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(order.environment)
            .current_dir("/")
            .stdin(Stdio::from(lock))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match child {
            Ok(child) => Supervising(child),
            Err(error) => {
                files.forget();
                return Err(unusable(error));
            }
        };
        let ended = child.0.wait().await;
        let lost = |why: &str| {
            let what = format!("program {name}: its supervisor {why}, and how the program ended is unknown");
            StepError::new(FailureClass::Transient, what).unknown()
        };
        let trace = files.read().map_err(|error| lost(&format!("left nothing readable ({error})")))?;
        match trace.and_then(|trace| trace.outcome) {
            Some(outcome) => Ok(outcome),
            None => Err(match ended {
                Ok(status) => lost(&format!("ended early ({status})")),
                Err(error) => lost(&format!("cannot be waited for ({error})")),
            }),
        }
    }
}

/// What was finished long ago is removed once in a process.
static PRUNED: std::sync::Once = std::sync::Once::new();

/// A supervisor that is waited for. Who stops waiting wants the program ended.
struct Supervising(Child);

impl Drop for Supervising {
    fn drop(&mut self) {
        // Not waited for yet: the process is there, if only as a zombie, and the number is its own.
        if let Some(process) = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = rustix::process::kill_process(process, Signal::TERM);
        }
    }
}
