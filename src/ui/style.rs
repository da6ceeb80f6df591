//! The few styles. Everything stays readable without them.

use anstyle::{AnsiColor, Style};

/// Headings and names that the eye looks for.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is there if one wants it.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Proven.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Waited for.
pub(crate) const WAIT: Style = AnsiColor::Yellow.on_default();
