//! Suggested commands, as text that can be pasted into a POSIX shell.

use twinspan_encode::sh;

use crate::ids::{RunId, StepKey};

/// `twinspan VERB RUN STEP`.
pub(crate) fn of_step(verb: &str, run: RunId, step: &StepKey) -> String {
    format!("twinspan {verb} {} {}", run.short(), sh::word(&step.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_a_shell_would_read_otherwise_is_quoted() {
        let command = of_step("retry", RunId::of_seed(1), &StepKey::from("members[a b]"));
        assert!(command.ends_with(" 'members[a b]'"), "{command}");
    }
}
