//! Runs local programs so that they survive their driver: a supervisor process runs each attempt.
//!
//! ```text
//! driver ─locks <attempt>.lock─▶ supervisor ─inherits the lock─▶ program ─▶ what it starts
//!    └──────────── reads <attempt>.json ◀── writes how it ended ──┘
//! ```
//!
//! An attempt is running while one of them holds the lock, whether or not the driver is alive, so a program is never
//! started twice concurrently. The outcome is on disk before the lock is released.

mod process;
mod record;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use twinspan_engine::{FailureClass, StepError};
use uuid::Uuid;

pub(crate) use process::KEPT;
pub use process::supervise;
use record::Files;
pub(crate) use record::{End, Outcome, Trace};

/// Starts supervisors and reads their records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    program: PathBuf,
    arguments: Vec<OsString>,
    journal: PathBuf,
}

/// A program to run.
pub(crate) struct Order<'a> {
    pub(crate) attempt: Uuid,
    pub(crate) program: PathBuf,
    pub(crate) args: &'a [String],
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) timeout: Duration,
}

impl Supervisor {
    /// Supervisors run as `program` with `arguments`, which must call [`supervise`]. Their records lie beside `journal`,
    /// so that every driver of that journal finds them.
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

    /// The folder of the journal's attempts, the same for every path to the journal.
    fn folder(&self) -> io::Result<PathBuf> {
        let mut name = self.journal.canonicalize()?.into_os_string();
        name.push(".programs");
        Ok(name.into())
    }

    /// Reads the record of an attempt; `None` if there is none.
    pub(crate) fn trace(&self, attempt: Uuid) -> io::Result<Option<Trace>> {
        Files::of(&self.folder()?, attempt).read()
    }

    /// Runs a program to its end. When the future is dropped, the program is ended; when this process dies, the program
    /// continues.
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
            Ok(child) => Supervising {
                process: child,
                ends_itself: Instant::now() + order.timeout.saturating_sub(LAST),
            },
            Err(error) => {
                files.forget();
                return Err(unusable(error));
            }
        };
        let ended = child.process.wait().await;
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

/// Guards the removal of old records, once in each process.
static PRUNED: std::sync::Once = std::sync::Once::new();

/// So long before its time limit a program is left to its supervisor, which then ends it, and records why. The time limit of
/// the step begins a little earlier and would be taken for a driver that stops.
const LAST: Duration = Duration::from_secs(1);

/// A supervisor process that is awaited. Dropping it ends the program.
struct Supervising {
    process: Child,
    /// From then on the supervisor ends the program soon without being told.
    ends_itself: Instant,
}

impl Drop for Supervising {
    fn drop(&mut self) {
        if Instant::now() >= self.ends_itself {
            return;
        }
        // Not awaited yet, so the process still exists (at least as a zombie) and its id is not reused.
        if let Some(process) = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = rustix::process::kill_process(process, Signal::TERM);
        }
    }
}
