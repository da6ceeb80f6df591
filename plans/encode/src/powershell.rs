//! Strings for PowerShell, which treats typographic quotes as quotes.

use std::fmt::Write as _;

use crate::characters::is_active;

/// The characters that begin and end a literal string: U+0027 and U+2018 to U+201B.
const QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];

/// `text` as an expression: a literal string, or, with active characters, a parenthesized concatenation of literal
/// strings and
/// characters. Never an expandable string, so variables and commands in it are not evaluated.
pub fn quoted(text: &str) -> String {
    let inside = spliced(text);
    if inside.contains("' + [char]::") { format!("({inside})") } else { inside }
}

/// The same without parentheses, for longer concatenations.
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

/// `text` as a comment line, without its `#`.
pub fn remark(text: &str) -> String {
    let line = crate::terminal::line(text);
    // PowerShell ends a script at what looks like the start of a signature.
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

    /// Parses a concatenation of literal strings and characters, by PowerShell's rules.
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
