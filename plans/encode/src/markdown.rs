//! Text for Markdown (`CommonMark` and GitHub's).

use crate::characters::is_active;
use crate::terminal;

/// `text` as part of a paragraph or of a table cell, on one line: without markup, links or HTML.
pub fn text(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => encoded.push(' '),
            // A backslash makes ASCII punctuation plain; entities prevent the detection of addresses as links.
            '<' => encoded.push_str("&lt;"),
            '&' => encoded.push_str("&amp;"),
            '@' => encoded.push_str("&#64;"),
            ':' => encoded.push_str("&#58;"),
            '.' => encoded.push_str("&#46;"),
            c if c.is_ascii_punctuation() => encoded.extend(['\\', c]),
            c if is_active(c) => {
                let mut escaped = String::new();
                terminal::escape(c, &mut escaped);
                encoded.push_str(&self::text(&escaped));
            }
            c => encoded.push(c),
        }
    }
    encoded
}

/// `text` as code on one line. The fence is longer than every run of backticks in it.
pub fn code(text: &str) -> String {
    let line = terminal::line(text);
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // In a table a bar must be escaped even in code.
    let line = line.replace('|', "\\|");
    format!("{fence} {line} {fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(text("a|b [x](y) <b> *c*"), "a\\|b \\[x\\]\\(y\\) &lt;b\\> \\*c\\*");
        assert_eq!(text("https://x.example"), "https&#58;\\/\\/x&#46;example");
        assert_eq!(text("one\ntwo\u{1b}"), "one two\\\\u\\{1b\\}");
        assert_eq!(code("a `b``"), "``` a `b`` ```");
    }
}
