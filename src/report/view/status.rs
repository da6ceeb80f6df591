//! A run's status: as data, in words, and as an exit code.

use serde::Serialize;
use twinspan_engine::{RunStatus, WaitKind};

use crate::cli::exit::Exit;

/// The status of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusView {
    /// The status as the engine reports it: `status`, and its fields.
    #[serde(flatten)]
    pub(crate) status: RunStatus,
    /// The status in words.
    pub(crate) words: String,
    /// Whether the run has ended.
    pub(crate) ended: bool,
}

impl From<&RunStatus> for StatusView {
    fn from(status: &RunStatus) -> Self {
        StatusView { status: status.clone(), words: words(status), ended: ended(status) }
    }
}

fn words(status: &RunStatus) -> String {
    match status {
        RunStatus::Queued => "accepted, not begun".to_owned(),
        RunStatus::Running => "running".to_owned(),
        RunStatus::Draining => "stopping: requests in flight finish".to_owned(),
        RunStatus::Paused => "paused".to_owned(),
        RunStatus::Waiting { on } => {
            let on: Vec<&str> = on.iter().map(|kind| wait_word(*kind)).collect();
            format!("waiting for {}", on.join(", "))
        }
        RunStatus::Halted { failed, undecided } => {
            let mut parts = Vec::new();
            if !failed.is_empty() {
                parts.push(format!("{} failed", failed.len()));
            }
            if !undecided.is_empty() {
                let need = if undecided.len() == 1 { "needs" } else { "need" };
                parts.push(format!("{} {need} a decision", undecided.len()));
            }
            if parts.is_empty() {
                // A later step reads an output that a skipped step does not have.
                parts.push("an output of a skipped step is missing".to_owned());
            }
            format!("halted: {}", parts.join(", "))
        }
        RunStatus::Interrupted => "interrupted".to_owned(),
        RunStatus::Undoing => "undoing".to_owned(),
        RunStatus::UndoInterrupted => "undo interrupted".to_owned(),
        RunStatus::UndoStopped => "undo stopped".to_owned(),
        RunStatus::Done { skipped: 0 } => "done".to_owned(),
        RunStatus::Done { skipped } => format!("done, {skipped} skipped"),
        RunStatus::Cancelled { uncertain: 0 } => "cancelled".to_owned(),
        RunStatus::Cancelled { uncertain } => format!("cancelled, {uncertain} uncertain"),
        RunStatus::Undone => "undone".to_owned(),
    }
}

/// What a wait of this kind waits for, in words.
pub(crate) fn wait_word(kind: WaitKind) -> &'static str {
    match kind {
        WaitKind::Person => "a person",
        WaitKind::Approval => "approval",
        WaitKind::Credential => "a credential",
        WaitKind::Permission => "permission",
        WaitKind::Remote => "Azure",
        WaitKind::Window => "its window",
        WaitKind::Limit => "a rate limit",
        WaitKind::Claim => "another run",
        WaitKind::Timer => "its time",
        WaitKind::Program => "a program",
    }
}

/// Whether the run has ended: nothing is left to do.
pub(crate) fn ended(status: &RunStatus) -> bool {
    matches!(status, RunStatus::Done { .. } | RunStatus::Cancelled { .. } | RunStatus::Undone)
}

/// Whether a person has to act before the run can continue.
pub(crate) fn is_blocked(status: &RunStatus) -> bool {
    match status {
        RunStatus::Waiting { on } => on.iter().all(|kind| kind.needs_a_person()),
        RunStatus::Halted { .. } | RunStatus::Paused | RunStatus::UndoStopped => true,
        RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Draining
        | RunStatus::Interrupted
        | RunStatus::Undoing
        | RunStatus::UndoInterrupted
        | RunStatus::Done { .. }
        | RunStatus::Cancelled { .. }
        | RunStatus::Undone => false,
    }
}

/// The exit code of a command that drove a run until it had this status.
pub(crate) fn exit(status: &RunStatus) -> Exit {
    match status {
        RunStatus::Done { .. } | RunStatus::Undone => Exit::Done,
        RunStatus::Cancelled { .. } | RunStatus::Halted { .. } | RunStatus::UndoStopped => Exit::Failed,
        RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Draining
        | RunStatus::Paused
        | RunStatus::Waiting { .. }
        | RunStatus::Interrupted
        | RunStatus::Undoing
        | RunStatus::UndoInterrupted => Exit::Waiting,
    }
}
