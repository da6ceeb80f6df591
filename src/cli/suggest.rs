//! Suggested commands, quoted so that they can be pasted into a shell, whatever the name of a step.

use serde::Serialize;

/// A command, and its effect if several are suggested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Suggestion {
    pub(crate) command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) does: Option<&'static str>,
}

impl Suggestion {
    /// The command `twinspan` with these words.
    pub(crate) fn of(words: &[&str]) -> Self {
        Suggestion { command: command(words), does: None }
    }

    pub(crate) fn does(self, does: &'static str) -> Self {
        Suggestion { does: Some(does), ..self }
    }
}

/// The command `twinspan` with these words, each quoted as one word of a POSIX shell.
pub(crate) fn command(words: &[&str]) -> String {
    let mut text = "twinspan".to_owned();
    for one in words {
        text.push(' ');
        text.push_str(&word(one));
    }
    text
}

/// A word of a POSIX shell: bare if that is safe, else in single quotes.
pub(crate) fn word(text: &str) -> String {
    twinspan_encode::sh::word(text)
}
