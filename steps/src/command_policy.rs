//! Which local programs `command` steps may run on this machine. The operator's configuration says so, never the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::supervisor::Supervisor;

/// What `command` steps may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandPolicy {
    programs: BTreeSet<PathBuf>,
    pretend: bool,
    supervisor: Option<Supervisor>,
}

impl CommandPolicy {
    /// Nothing is run; a plan with a `command` step stops there and says what to configure.
    pub fn deny() -> Self {
        CommandPolicy::default()
    }

    /// These programs, by absolute path, may be run.
    pub fn allow(programs: impl IntoIterator<Item = PathBuf>) -> Self {
        CommandPolicy { programs: programs.into_iter().collect(), ..CommandPolicy::default() }
    }

    /// Nothing is run; every command is taken to succeed, and its output says that it did not run. For rehearsals.
    pub fn pretend() -> Self {
        CommandPolicy { pretend: true, ..CommandPolicy::default() }
    }

    /// How a program that changes something is started. Without this only checks are run.
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
        // By text: a link or `..` on the way would let one name stand for another program.
        self.programs.contains(program)
    }
}
