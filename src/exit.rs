//! Exit codes: one enum, one table. `docs/reference/exit-codes.md` is made from it.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Everything asked for is done.
    Done,
    /// Something failed.
    Failed,
    /// `--detailed-exitcode`: there is something to change.
    Changes,
    /// No such run, step, file or code.
    NotFound,
    /// This machine's own sign-in is refused and nothing else can run.
    SignInRefused,
    /// A person, an approval, a permission or a credential is waited for, or the run is paused.
    Waiting,
    /// Waiting was given up; the work on the other side goes on.
    GaveUp,
    /// Another runner holds the run.
    Held,
    /// The plan changed since it was accepted.
    PlanChanged,
    /// What is there is no longer what was made.
    Drift,
    /// The command line is wrong.
    Usage,
    /// The plan or its inputs are wrong.
    PlanInvalid,
    /// A mistake in this program.
    Bug,
    /// The journal cannot be written.
    JournalNotWritable,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub const ALL: [Exit; 16] = [
        Exit::Done,
        Exit::Failed,
        Exit::Changes,
        Exit::NotFound,
        Exit::SignInRefused,
        Exit::Waiting,
        Exit::GaveUp,
        Exit::Held,
        Exit::PlanChanged,
        Exit::Drift,
        Exit::Usage,
        Exit::PlanInvalid,
        Exit::Bug,
        Exit::JournalNotWritable,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Changes => 2,
            Exit::NotFound => 3,
            Exit::SignInRefused => 4,
            Exit::Waiting => 5,
            Exit::GaveUp => 6,
            Exit::Held => 7,
            Exit::PlanChanged => 8,
            Exit::Drift => 9,
            Exit::Usage => 64,
            Exit::PlanInvalid => 65,
            Exit::Bug => 70,
            Exit::JournalNotWritable => 74,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Changes => "changes",
            Exit::NotFound => "not-found",
            Exit::SignInRefused => "sign-in-refused",
            Exit::Waiting => "waiting",
            Exit::GaveUp => "gave-up-waiting",
            Exit::Held => "held",
            Exit::PlanChanged => "plan-changed",
            Exit::Drift => "drift",
            Exit::Usage => "usage",
            Exit::PlanInvalid => "plan-invalid",
            Exit::Bug => "bug",
            Exit::JournalNotWritable => "journal-not-writable",
            Exit::Interrupted => "interrupted",
            Exit::Terminated => "terminated",
        }
    }

    /// What it means and what to do.
    pub fn about(self) -> &'static str {
        match self {
            Exit::Done => "Done: everything that was asked for",
            Exit::Failed => {
                "Failed: a step failed, needs a decision, or undo stopped; the run can be resumed"
            }
            Exit::Changes => "`--detailed-exitcode`: there is something to change",
            Exit::NotFound => {
                "Not found: no such run, step, file, kind or code; `resume` without an open run"
            }
            Exit::SignInRefused => {
                "This machine's own sign-in is refused and nothing else can run; sign in and resume"
            }
            Exit::Waiting => {
                "Waiting: a person, an approval, a permission or a credential; paused; parked. Resume later. Of `verify`: something could not be read"
            }
            Exit::GaveUp => {
                "Gave up waiting (`give_up_after`); what was asked of the other side goes on; resume looks again"
            }
            Exit::Held => "Another process holds an open run; what could be driven was driven",
            Exit::PlanChanged => {
                "The plan or its inputs are not those of the open run of the key (`apply`); nothing was sent"
            }
            Exit::Drift => "Drift: `verify` found that what is there is no longer what was proven",
            Exit::Usage => "The command line or the configuration is wrong",
            Exit::PlanInvalid => "The plan or its inputs are wrong; nothing was sent",
            Exit::Bug => "A mistake in this program; please report it",
            Exit::JournalNotWritable => "The journal cannot be used or written; nothing was sent after that",
            Exit::Interrupted => "Stopped by Ctrl-C; resume goes on",
            Exit::Terminated => "Stopped by SIGTERM; resume goes on",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_and_names_are_unique_and_ordered() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        let names: std::collections::BTreeSet<_> = Exit::ALL.iter().map(|exit| exit.name()).collect();
        assert_eq!(names.len(), Exit::ALL.len());
    }
}
