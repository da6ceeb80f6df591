//! Text for a terminal. Active characters are shown as `\u{1b}`.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::characters::is_active;

/// `text` with line feeds and tabs (CR LF becomes LF); every other active character is escaped. For text of several
/// lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    encoded(text, |c| matches!(c, '\n' | '\t'))
}

/// `text` on one line: line feeds and tabs are escaped, too. For names, file names, ids.
pub fn line(text: &str) -> Cow<'_, str> {
    encoded(text, |_| false)
}

/// Appends `c` as `\u{1b}`.
pub fn escape(c: char, text: &mut String) {
    let _ = write!(text, "{}", c.escape_unicode());
}

fn encoded(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let acts = |c: char| is_active(c) && !stays(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' && stays('\n') && rest.peek() == Some(&'\n') {
            continue;
        }
        if acts(c) { escape(c, &mut encoded) } else { encoded.push(c) }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown() {
        assert_eq!(line("plain ü"), "plain ü");
        assert!(matches!(line("plain"), Cow::Borrowed(_)), "nothing to do costs nothing");
        assert_eq!(
            line("a\u{1b}]0;x\u{7}\r\n\u{9b}31m\u{202e}"),
            "a\\u{1b}]0;x\\u{7}\\u{d}\\u{a}\\u{9b}31m\\u{202e}"
        );
        assert_eq!(lines("one\r\ntwo\tthree\rfour\n"), "one\ntwo\tthree\\u{d}four\n");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).contains(is_active));
            let left = lines(&text).replace(['\n', '\t'], "");
            prop_assert!(!left.contains(is_active));
            let once = lines(&text);
            prop_assert_eq!(lines(&once), once.as_ref());
        }
    }
}
