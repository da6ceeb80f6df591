//! Encoders for the formats of graphs: text of a plan's titles cannot end a label or begin a command.

use twinspan_encode::characters::is_active;

/// Text in a quoted Mermaid label: everything but letters, digits and some punctuation becomes a character code.
pub(super) fn mermaid(text: &str) -> String {
    encoded(text, |c| match c {
        c if c.is_alphanumeric() || " .,:-_/()+=→…".contains(c) => None,
        c => Some(format!("#{};", u32::from(c))),
    })
}

/// Text in a quoted DOT string, where `\n` is a line break of the label.
pub(super) fn dot(text: &str) -> String {
    encoded(text, |c| matches!(c, '"' | '\\').then(|| format!("\\{c}")))
}

/// Text in an element or an attribute of XML.
pub(super) fn xml(text: &str) -> String {
    encoded(text, |c| {
        Some(
            match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                _ => return None,
            }
            .to_owned(),
        )
    })
}

/// Replaces line breaks with spaces, and invisible or direction-changing characters with U+FFFD.
fn encoded(text: &str, code: impl Fn(char) -> Option<String>) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => encoded.push(' '),
            c if is_active(c) => encoded.push('\u{fffd}'),
            c => match code(c) {
                Some(code) => encoded.push_str(&code),
                None => encoded.push(c),
            },
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_end_a_label_is_encoded() {
        assert_eq!(mermaid("a\"] --> b; %% <b>#"), "a#34;#93; --#62; b#59; #37;#37; #60;b#62;#35;");
        assert_eq!(dot("a\"; \\N\n}"), "a\\\"; \\\\N }");
        assert_eq!(xml("</text>&\"'\u{1b}\u{202e}"), "&lt;/text&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn no_text_ends_its_label(text in any::<String>()) {
            prop_assert!(!mermaid(&text).contains(['"', '\n', '<', '>', '[', ']', '`']));
            let quoted = dot(&text).replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!quoted.contains(['"', '\n', '\\']));
            prop_assert!(!xml(&text).contains(['<', '>', '"', '\'']));
            for encoded in [mermaid(&text), dot(&text), xml(&text)] {
                prop_assert!(!encoded.contains(is_active));
            }
        }
    }
}
