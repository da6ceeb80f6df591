//! Texts for PowerShell, which takes typographic quotes for quotes.

use std::fmt::Write as _;

use crate::characters::is_active;

/// The characters that begin and end a literal string: U+0027 and U+2018 to U+201B.
const QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

/// `text` as an expression: a literal string, in parentheses a sum of such strings and characters where some of it acts on a
/// terminal. Never an expandable string, so nothing of it is a variable or a command.
pub fn quoted(text: &str) -> String {
    let inside = spliced(text);
    if inside.contains("' + [char]::") { format!("({inside})") } else { inside }
}

/// The same without parentheses, for sums that go on.
pub fn spliced(text: &str) -> String {
    let mut inside = String::with_capacity(text.len() + 2);
    inside.push('\'');
    for c in text.chars() {
        if QUOTES.contains(&c) {
            inside.extend([c, c]);
        } else if is_active(c) {
            let _ = write!(inside, "' + [char]::ConvertFromUtf32(0x{:X}) + '", u32::from(c));
        } else {
            inside.push(c);
        }
    }
    inside.push('\'');
    inside
}

/// `text` as a line of remarks, without its `#`.
pub fn remark(text: &str) -> String {
    let line = crate::terminal::line(text);
    // What PowerShell takes for the beginning of a signature ends the script.
    match line.trim_start().to_ascii_lowercase().starts_with("sig") {
        true => format!("- {line}"),
        false => line.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_quote_is_doubled_and_what_acts_is_a_number() {
        assert_eq!(quoted("it's $(x) `n"), "'it''s $(x) `n'");
        assert_eq!(
            quoted("\u{2018}; rm \u{201b}\u{201c}"),
            "'\u{2018}\u{2018}; rm \u{201b}\u{201b}\u{201c}'"
        );
        assert_eq!(quoted("a\nb"), "('a' + [char]::ConvertFromUtf32(0xA) + 'b')");
        assert_eq!(remark("SIG # Begin signature block"), "- SIG # Begin signature block");
        assert_eq!(remark("a\nb"), "a\\u{a}b");
    }

    /// Reads a sum of literal strings and characters, by PowerShell's rules.
    fn read(expression: &str) -> Option<String> {
        let inner =
            expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(expression);
        let mut text = String::new();
        let mut rest = inner;
        loop {
            if let Some(number) = rest.strip_prefix("[char]::ConvertFromUtf32(0x") {
                let (digits, after) = number.split_once(')')?;
                text.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                rest = after;
            } else {
                rest = rest.strip_prefix(QUOTES)?;
                loop {
                    let c = rest.chars().next()?;
                    rest = &rest[c.len_utf8()..];
                    if !QUOTES.contains(&c) {
                        text.push(c);
                    } else if rest.starts_with(QUOTES) {
                        rest = &rest[rest.chars().next()?.len_utf8()..];
                        text.push(c);
                    } else {
                        break;
                    }
                }
            }
            match rest {
                "" => return Some(text),
                more => rest = more.strip_prefix(" + ")?,
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_expression(text in any::<String>(), quotes in "['\u{2018}-\u{201b}x]{0,9}") {
            for text in [text.as_str(), quotes.as_str()] {
                let expression = quoted(text);
                prop_assert!(!expression.contains(is_active));
                let found = read(&expression);
                prop_assert_eq!(found.as_deref(), Some(text), "{}", expression);
            }
        }
    }
}
