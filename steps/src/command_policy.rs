//! The local programs that `command` steps may run on this machine. They come from the operator's configuration, never
//! from the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::supervisor::Supervisor;

/// Which programs `command` steps may run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandPolicy {
    programs: BTreeSet<PathBuf>,
    pretend: bool,
    supervisor: Option<Supervisor>,
}

impl CommandPolicy {
    /// Runs nothing; a plan with a `command` step stops there and says what to configure.
    pub fn deny() -> Self {
        CommandPolicy::default()
    }

    /// Allows these programs, by absolute path.
    pub fn allow(programs: impl IntoIterator<Item = PathBuf>) -> Self {
        CommandPolicy { programs: programs.into_iter().collect(), ..CommandPolicy::default() }
    }

    /// Runs nothing; each command counts as successful, and its output says that it did not run. For rehearsals.
    pub fn pretend() -> Self {
        CommandPolicy { pretend: true, ..CommandPolicy::default() }
    }

    /// Sets how programs that change state are started. Without it only checks run.
    #[must_use]
    pub fn supervised_by(mut self, supervisor: Supervisor) -> Self {
        self.supervisor = Some(supervisor);
        self
    }

    pub(crate) fn supervisor(&self) -> Option<&Supervisor> {
        self.supervisor.as_ref()
    }

    pub(crate) fn pretends(&self) -> bool {
        self.pretend
    }

    pub(crate) fn allows(&self, program: &Path) -> bool {
        // Compared as text: with links or `..` resolved, one name could stand for another program.
        self.programs.contains(program)
    }
}
