//! Text in the formats of graphs: nothing that a plan's titles hold can end a label or begin a command.

/// In the quotes of a Mermaid label: everything but letters, digits and some marks as a code.
pub(super) fn mermaid(text: &str) -> String {
    encoded(text, |c| match c {
        c if c.is_alphanumeric() || " .,:-_/()+=→…".contains(c) => None,
        c => Some(format!("#{};", u32::from(c))),
    })
}

/// In the quotes of a DOT string; `\n` there is a line break of the label.
pub(super) fn dot(text: &str) -> String {
    encoded(text, |c| matches!(c, '"' | '\\').then(|| format!("\\{c}")))
}

/// In the text or an attribute of XML.
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

/// Line breaks become blanks; what no reader sees, or what turns the text around, becomes a sign that something was there.
fn encoded(text: &str, code: impl Fn(char) -> Option<String>) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => encoded.push(' '),
            c if is_unseen(c) => encoded.push('\u{fffd}'),
            c => match code(c) {
                Some(code) => encoded.push_str(&code),
                None => encoded.push(c),
            },
        }
    }
    encoded
}

/// Controls, marks of direction, and what is no character.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}'
                | '\u{fffe}' | '\u{ffff}'
        )
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
                prop_assert!(!encoded.chars().any(is_unseen));
            }
        }
    }
}
