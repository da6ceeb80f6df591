//! Maps errors of the engine to errors of commands.

use twinspan_engine::{BackendError, LeaseHolder};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// Maps each error of the engine to an exit code with hints. The match is exhaustive.
pub(crate) fn backend(error: BackendError) -> CommandError {
    let exit = match &error {
        BackendError::NoSuchRun(_) | BackendError::Empty(_) => Exit::NotFound,
        BackendError::Held { .. } => Exit::Held,
        BackendError::Refused { .. } | BackendError::NotWritable(_) | BackendError::Damaged(_) => {
            Exit::JournalNotWritable
        }
        BackendError::PlanRejected { .. } => Exit::PlanInvalid,
    };
    let shown = CommandError::new(exit, error.to_string());
    let shown = match &error {
        BackendError::NoSuchRun(_) => shown.hint("`twinspan list` shows the runs of this journal"),
        BackendError::Held { run, holder } => shown.hint(held(&run.short(), holder.as_deref())),
        BackendError::Empty(_) => {
            shown.hint("`twinspan run PLAN` starts one; choose another journal with --journal")
        }
        BackendError::Refused { hint, .. } => shown.hint(hint.clone()),
        BackendError::NotWritable(_) => shown
            .hint("nothing was sent after that; free some space or repair the disk, then `twinspan resume`"),
        BackendError::Damaged(_) => shown.hint("keep a copy of the file; nothing was changed in it"),
        BackendError::PlanRejected { run, .. } => {
            shown.hint(format!("resume run {run} with the version that started it"))
        }
    };
    let mut shown = shown;
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown.causes.push(cause.to_string());
        source = cause.source();
    }
    shown
}

/// What is known of a lease holder, and how this process can continue the run.
pub(crate) fn held(run: &str, holder: Option<&LeaseHolder>) -> String {
    match holder {
        None => format!("`twinspan resume {run}` tries again"),
        Some(LeaseHolder { here: true, .. }) => format!(
            "that process is running on this machine; `twinspan wait {run} --for done` waits for it; end it and `twinspan resume {run}` continues here"
        ),
        Some(LeaseHolder { expires: None, .. }) => format!(
            "its heartbeat is current: that process is running; `twinspan wait {run} --for done` waits for it; if you are sure that it is \
             not, `twinspan resume {run} --steal` takes over at once"
        ),
        Some(LeaseHolder { lease, .. }) => format!(
            "nothing proves that it has ended; `twinspan resume {run}` takes over when its heartbeat has stood still for {} s, \
             `twinspan resume {run} --steal` at once",
            lease.as_secs()
        ),
    }
}
