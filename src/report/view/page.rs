//! Lines of a text, wrapped at the width of the reader's terminal.

use crate::text::{Text, Width};

/// A text under construction.
pub(crate) struct Page {
    width: Width,
    /// Spaces before every line.
    margin: usize,
    text: Text,
}

impl Page {
    pub(crate) fn new(width: Width) -> Self {
        Page { width, margin: 0, text: Text::default() }
    }

    /// A page whose lines all begin `margin` columns further right.
    pub(crate) fn indented(width: Width, margin: usize) -> Self {
        Page { width: width.less(margin), margin, text: Text::default() }
    }

    /// How long a line may be.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// Adds a line. Where it is too long, or contains a line break from outside, the rest begins `indent` spaces from
    /// the left.
    pub(crate) fn line(&mut self, indent: usize, line: &str) {
        for part in self.width.wrapped(line, indent).split('\n') {
            self.whole(part);
        }
    }

    /// Adds a line that is not wrapped, because people copy it.
    pub(crate) fn whole(&mut self, line: &str) {
        let margin = if line.is_empty() { 0 } else { self.margin };
        self.text.push_line(&format!("{:margin$}{line}", ""));
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.text.push_line("");
    }

    /// Adds a text that is already laid out.
    pub(crate) fn append(&mut self, text: &Text) {
        self.text.push(text);
    }

    pub(crate) fn into_text(self) -> Text {
        self.text
    }
}
