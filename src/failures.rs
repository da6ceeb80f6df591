//! What the engine's failures mean at the edge of the program.

use twinspan_engine::BackendError;

use crate::error::CommandError;
use crate::exit::Exit;

/// The one exhaustive table from the engine's errors to exit codes.
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
        BackendError::Held { .. } => shown.hint(
            "it goes on there; if that host is gone for good, `twinspan resume RUN --steal` takes over",
        ),
        BackendError::Empty(_) => {
            shown.hint("`twinspan run PLAN` starts one; choose another journal with --journal")
        }
        BackendError::Refused { hint, .. } => shown.hint(hint.clone()),
        BackendError::NotWritable(_) => {
            shown.hint("nothing was sent after that; make room or mend the disk, then `twinspan resume`")
        }
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
