//! Text that is ready for a stream: laid out, and without active terminal sequences except the program's own styles.
//! [`Ui`](crate::cli::ui::Ui) writes only this type, so no command can pass on text of Azure, a plan or a person unescaped.

mod style;
mod width;

use twinspan_encode::terminal;

use style::Mark;

pub(crate) use style::{BAD, DIM, GOOD, STRONG, Style, WAIT};
pub(crate) use width::Width;

/// Indent after a line break in text from outside, so that the text cannot imitate a line of the program.
const CONTINUED: usize = 2;

/// Text with styles, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    encoded: String,
    /// The text with terminal sequences, where another library made them.
    painted: Option<String>,
}

impl Text {
    /// One line. Line breaks in it come from outside: what follows them is indented.
    pub(crate) fn line(line: &str) -> Self {
        let mut text = Text::default();
        text.push_line(line);
        text
    }

    /// A whole text whose line breaks are the program's own: a script, a page, a reference page.
    pub(crate) fn document(text: &str) -> Self {
        Text { encoded: encoded(text), painted: None }
    }

    /// A text that a library laid out, without and with colours. The colours are dropped if the text contains active
    /// terminal
    /// sequences.
    pub(crate) fn rendered(plain: &str, painted: String) -> Self {
        let text = Text::document(plain.trim_end());
        let harmless = text.encoded == plain.trim_end();
        Text { painted: harmless.then(|| painted.trim_end().to_owned()), ..text }
    }

    pub(crate) fn push_line(&mut self, line: &str) {
        let line = encoded(line);
        for (position, part) in line.split('\n').enumerate() {
            if position > 0 && !part.is_empty() {
                self.encoded.push_str(&" ".repeat(CONTINUED));
            }
            self.encoded.push_str(part);
            self.encoded.push('\n');
        }
    }

    /// Appends `other`.
    pub(crate) fn push(&mut self, other: &Text) {
        self.encoded.push_str(&other.encoded);
        self.painted = None;
    }

    /// The text after `words` replaced parts of it.
    pub(crate) fn map(&self, words: impl Fn(&str) -> String) -> Self {
        Text { encoded: encoded(&words(&self.encoded)), painted: None }
    }

    /// The text without colours, as written to a file.
    pub(crate) fn plain(&self) -> String {
        painted(&self.encoded, false)
    }

    /// The text as written to a stream.
    pub(crate) fn painted(&self, colored: bool) -> String {
        match &self.painted {
            Some(painted) if colored => painted.clone(),
            _ => painted(&self.encoded, colored),
        }
    }
}

/// Escapes every active terminal character as `\u{1b}`, except line feeds, tabs and the program's own marks.
fn encoded(text: &str) -> String {
    parts(text, |_, whole| whole)
}

/// Replaces the marks with terminal sequences, or removes them.
fn painted(text: &str, colored: bool) -> String {
    parts(text, |mark, _| if colored { mark.sequence() } else { "" })
}

/// The number of columns of a text; styles take none.
fn columns(text: &str) -> usize {
    painted(text, false).chars().count()
}

fn parts<'t>(text: &'t str, mut with: impl FnMut(Mark, &'t str) -> &'t str) -> String {
    let mut whole = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = style::find(rest) {
        let (before, from) = rest.split_at(at);
        whole.push_str(&terminal::lines(before));
        match style::split(from) {
            Some((mark, after)) => {
                whole.push_str(with(mark, &from[..from.len() - after.len()]));
                rest = after;
            }
            None => {
                let end = from.chars().next().map_or(from.len(), char::len_utf8);
                whole.push_str(&terminal::line(&from[..end]));
                rest = &from[end..];
            }
        }
    }
    whole.push_str(&terminal::lines(rest));
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use twinspan_encode::characters::is_active;

    #[test]
    fn only_our_own_styles_reach_the_terminal() {
        let hostile =
            "\u{1b}[31mred \u{1b}]0;t\u{7} \u{9b}1m \r\u{8} \u{fdd0}\u{f0001}\u{f0001}\u{fff01} \u{202e}";
        let text = Text::line(&format!("{BAD}failed{BAD:#}  {hostile}"));
        assert_eq!(
            text.painted(true),
            "\u{1b}[1m\u{1b}[31mfailed\u{1b}[0m  \\u{1b}[31mred \\u{1b}]0;t\\u{7} \\u{9b}1m \\u{d}\\u{8} \
             \\u{fdd0}\u{f0001}\u{f0001}\u{fff01} \\u{202e}\n"
        );
        assert_eq!(text.painted(false), text.plain());
        assert!(!text.plain().contains('\u{1b}'));
        assert_eq!(columns(&format!("{STRONG}ab{STRONG:#}c")), 3);
    }

    #[test]
    fn a_line_break_from_outside_begins_no_line_of_ours() {
        assert_eq!(Text::line("failed  x\ndone  y\r\nz").plain(), "failed  x\n  done  y\n  z\n");
    }

    #[test]
    fn colours_of_a_library_stay_where_what_it_quotes_is_harmless() {
        let painted = "\u{1b}[1ma\u{1b}[0m\n".to_owned();
        assert_eq!(Text::rendered("a\n", painted.clone()).painted(true), painted.trim_end());
        assert_eq!(Text::rendered("a\u{9b}\n", painted).painted(true), "a\\u{9b}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_nothing_acts(text in any::<String>()) {
            let shown = Text::line(&text).painted(true);
            prop_assert!(!shown.replace(['\n', '\t'], "").contains(is_active));
        }
    }
}
