//! Text for HTML and SVG, between tags and in attributes with double or single quotes.

use crate::characters::is_active;
use crate::terminal;

/// `text` between tags, or in a quoted attribute. Line feeds and tabs are kept; other active characters are shown as
/// `\u{1b}`.
pub fn text(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => encoded.push_str("&amp;"),
            '<' => encoded.push_str("&lt;"),
            '>' => encoded.push_str("&gt;"),
            '"' => encoded.push_str("&quot;"),
            '\'' => encoded.push_str("&#39;"),
            '\n' | '\t' => encoded.push(c),
            c if is_active(c) => terminal::escape(c, &mut encoded),
            c => encoded.push(c),
        }
    }
    encoded
}

/// `address` for a quoted `href`; `None` unless the scheme is `https:` or `mailto:`.
pub fn link(address: &str) -> Option<String> {
    let scheme =
        |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let allowed = scheme("https://") || scheme("mailto:");
    // Browsers drop some of these characters and interpret the rest.
    let whole = !address.contains(|c: char| c.is_whitespace() || is_active(c) || c == '\\');
    (allowed && whole).then(|| text(address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_and_controls_are_text() {
        assert_eq!(
            text("<b a=\"x\" c='y'>&\u{1b}[1m\n"),
            "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;\\u{1b}[1m\n"
        );
    }

    #[test]
    fn only_harmless_schemes_are_links() {
        assert_eq!(
            link("https://learn.microsoft.com/a?b&c").as_deref(),
            Some("https://learn.microsoft.com/a?b&amp;c")
        );
        assert!(link("HTTPS://x").is_some() && link("mailto:a@b.example").is_some());
        for address in [
            "javascript:alert(1)",
            "http://x",
            "data:text/html,x",
            " https://x",
            "https://x\ty",
            "//x",
            "https:x",
            "ü",
            "",
        ] {
            assert_eq!(link(address), None, "{address:?}");
        }
    }

    proptest! {
        #[test]
        fn no_tag_and_no_quote_is_left(anything in any::<String>()) {
            let encoded = text(&anything);
            let unquoted = !encoded.contains(['<', '>', '"', '\'']);
            prop_assert!(unquoted);
            prop_assert!(!encoded.replace(['\n', '\t'], "").contains(is_active));
        }
    }
}
