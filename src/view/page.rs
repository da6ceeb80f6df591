//! Lines of a text, broken where the reader's terminal ends.

use crate::ui::Width;

/// A text that is being written.
pub(crate) struct Page {
    width: Width,
    /// Spaces before every line.
    margin: usize,
    text: String,
}

impl Page {
    pub(crate) fn new(width: Width) -> Self {
        Page { width, margin: 0, text: String::new() }
    }

    /// A page whose lines stand further to the right.
    pub(crate) fn indented(width: Width, margin: usize) -> Self {
        Page { width: width.less(margin), margin, text: String::new() }
    }

    /// How long a line may be.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// A line; where it is too long, what follows begins `indent` spaces from the left.
    pub(crate) fn line(&mut self, indent: usize, line: &str) {
        for part in self.width.wrapped(line, indent).split('\n') {
            self.whole(part);
        }
    }

    /// A line that stays whole, because somebody will copy it.
    pub(crate) fn whole(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.push_str(&" ".repeat(self.margin));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
