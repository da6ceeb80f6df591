//! Commands that events suggest, as text that can be pasted into a POSIX shell.

use crate::ids::{RunId, StepKey};

/// `twinspan VERB RUN STEP`.
pub(crate) fn of_step(verb: &str, run: RunId, step: &StepKey) -> String {
    format!("twinspan {verb} {} {}", run.short(), shell_word(&step.0))
}

/// A word of a POSIX shell: bare where that is safe, else in single quotes.
pub fn shell_word(text: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || "_-./:=@%+,".contains(letter);
    if !text.is_empty() && text.chars().all(bare) && !text.starts_with('=') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_it_otherwise() {
        for bare in ["scope-connection", "a.b/c", "x=1"] {
            assert_eq!(shell_word(bare), bare);
        }
        assert_eq!(shell_word("connect[fabrikam].go"), "'connect[fabrikam].go'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        for odd in ["", "=cat", "~", "a b", "$(x)", "a|b", "a;b", "é"] {
            assert!(shell_word(odd).starts_with('\''), "{odd}");
        }
        let command = of_step("retry", RunId::of_seed(1), &StepKey::from("members[a b]"));
        assert!(command.ends_with(" 'members[a b]'"), "{command}");
    }
}
