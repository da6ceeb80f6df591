//! Which local programs `command` steps may run on this machine. The operator's configuration says so, never the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `command` steps may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandPolicy {
    programs: BTreeSet<PathBuf>,
    pretend: bool,
}

impl CommandPolicy {
    /// Nothing is run; a plan with a `command` step stops there and says what to configure.
    pub fn deny() -> Self {
        CommandPolicy::default()
    }

    /// These programs, by absolute path, may be run.
    pub fn allow(programs: impl IntoIterator<Item = PathBuf>) -> Self {
        CommandPolicy { programs: programs.into_iter().collect(), pretend: false }
    }

    /// Nothing is run; every command is taken to succeed, and its output says that it did not run. For rehearsals.
    pub fn pretend() -> Self {
        CommandPolicy { programs: BTreeSet::new(), pretend: true }
    }

    pub(crate) fn pretends(&self) -> bool {
        self.pretend
    }

    pub(crate) fn allows(&self, program: &Path) -> bool {
        // By text: a link or `..` on the way would let one name stand for another program.
        self.programs.contains(program)
    }
}
