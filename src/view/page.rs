//! Lines of a text, broken where the reader's terminal ends.

use crate::ui::{Text, Width};

/// A text that is being written.
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

    /// A page whose lines stand further to the right.
    pub(crate) fn indented(width: Width, margin: usize) -> Self {
        Page { width: width.less(margin), margin, text: Text::default() }
    }

    /// How long a line may be.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// A line; where it is too long, or where somebody wrote a line break into it, what follows begins `indent` spaces from
    /// the left.
    pub(crate) fn line(&mut self, indent: usize, line: &str) {
        for part in self.width.wrapped(line, indent).split('\n') {
            self.whole(part);
        }
    }

    /// A line that stays whole, because somebody will copy it.
    pub(crate) fn whole(&mut self, line: &str) {
        let margin = if line.is_empty() { 0 } else { self.margin };
        self.text.push_line(&format!("{:margin$}{line}", ""));
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) {
        self.text.push_line("");
    }

    /// What was written elsewhere.
    pub(crate) fn append(&mut self, text: &Text) {
        self.text.push(text);
    }

    pub(crate) fn into_text(self) -> Text {
        self.text
    }
}
