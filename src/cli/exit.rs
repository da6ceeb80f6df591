//! Exit codes, in one table. `docs/reference/exit-codes.md` is generated from it.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Everything requested is done.
    Done,
    /// A step failed, or the command failed otherwise.
    Failed,
    /// `--detailed-exitcode`: a run would change a resource or wait.
    Changes,
    /// No such run, step, file or code.
    NotFound,
    /// This machine's own sign-in is refused and nothing else can run.
    SignInRefused,
    /// The run waits for a person, an approval, a permission or a credential, or is paused.
    Waiting,
    /// A wait gave up; the operation in Azure continues.
    GaveUp,
    /// Another process holds the lease of the run.
    Held,
    /// The plan or its inputs changed since the run was started.
    PlanChanged,
    /// A resource differs from what the run proved.
    Drift,
    /// The command line is wrong.
    Usage,
    /// The plan or its inputs are wrong.
    PlanInvalid,
    /// A bug in this program.
    Bug,
    /// The journal cannot be written.
    JournalNotWritable,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl Exit {
    /// Every exit code, in numerical order.
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

    /// The exit code of the process.
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

    /// The name in JSON.
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

    /// The meaning, and what to do.
    pub fn about(self) -> &'static str {
        match self {
            Exit::Done => "Done: everything requested",
            Exit::Failed => {
                "Failed: a step failed, needs a decision, or undo stopped; the run can be resumed"
            }
            Exit::Changes => "`--detailed-exitcode`: a run would change a resource or wait",
            Exit::NotFound => {
                "Not found: no such run, step, file, kind or code; `resume` without an open run"
            }
            Exit::SignInRefused => {
                "This machine's own sign-in is refused and nothing else can run; sign in and resume"
            }
            Exit::Waiting => {
                "Waiting: for a person, approval, permission or credential, or paused; resume later. With `verify`: a resource could not be read"
            }
            Exit::GaveUp => {
                "Gave up waiting (`give_up_after`); the operation in Azure continues; `resume` checks it again"
            }
            Exit::Held => "Another process holds the lease of an open run; the other runs were driven",
            Exit::PlanChanged => {
                "The plan or its inputs are not those of the open run of the key (`apply`); nothing was sent"
            }
            Exit::Drift => "Drift: `verify` found resources that differ from what the run proved",
            Exit::Usage => "The command line or the configuration is wrong",
            Exit::PlanInvalid => "The plan or its inputs are wrong; nothing was sent",
            Exit::Bug => "A bug in this program; please report it",
            Exit::JournalNotWritable => "The journal cannot be used or written; nothing was sent after that",
            Exit::Interrupted => "Stopped by Ctrl-C; `resume` continues",
            Exit::Terminated => "Stopped by SIGTERM; `resume` continues",
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
