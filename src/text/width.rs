//! Maximum line length: the width on a terminal, otherwise unlimited, so that pipes and files contain full ids.

use std::io::{self, IsTerminal};

use terminal_size::terminal_size_of;

use super::{CONTINUED, columns, encoded};

/// A reported width below this is ignored.
const NARROWEST: usize = 40;

/// A maximum line length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width(usize);

impl Width {
    /// No limit.
    pub(crate) const WHOLE: Width = Width(usize::MAX);

    pub(crate) fn of_stdout() -> Self {
        let stdout = io::stdout();
        if stdout.is_terminal() { Width::reported(terminal_size_of(&stdout)) } else { Width::WHOLE }
    }

    pub(crate) fn of_stderr() -> Self {
        let stderr = io::stderr();
        if stderr.is_terminal() { Width::reported(terminal_size_of(&stderr)) } else { Width::WHOLE }
    }

    fn reported(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Self {
        match size {
            Some((terminal_size::Width(columns), _)) if usize::from(columns) >= NARROWEST => {
                Width(usize::from(columns))
            }
            _ => Width::WHOLE,
        }
    }

    #[cfg(test)]
    pub(crate) fn columns(columns: usize) -> Self {
        Width(columns)
    }

    /// The width minus a margin.
    pub(crate) fn less(self, margin: usize) -> Self {
        if self == Width::WHOLE { self } else { Width(self.0.saturating_sub(margin).max(NARROWEST)) }
    }

    /// The width of one of `parts` equal parts of a line.
    pub(crate) fn part(self, parts: usize) -> usize {
        self.0 / parts
    }

    /// Whether the line fits.
    pub(crate) fn holds(self, line: &str) -> bool {
        columns(line) <= self.0 && !line.contains('\n')
    }

    /// Wraps `line` between words; all lines but the first begin with `indent` spaces. A word that is longer than a
    /// line is not
    /// broken, so that commands and links can be copied. Text after a line break in `line`, which comes from outside,
    /// is indented.
    pub(crate) fn wrapped(self, line: &str, indent: usize) -> String {
        let line = encoded(line);
        let mut parts = line.split('\n');
        let mut wrapped = String::with_capacity(line.len() + 64);
        self.wrap(parts.next().unwrap_or_default(), 0, indent, &mut wrapped);
        for part in parts {
            wrapped.push('\n');
            if part.is_empty() {
                continue;
            }
            let indent = indent.max(CONTINUED);
            wrapped.push_str(&" ".repeat(indent));
            self.wrap(part, indent, indent, &mut wrapped);
        }
        wrapped
    }

    /// Wraps one part of a line, from `column` on.
    fn wrap(self, line: &str, mut column: usize, indent: usize, wrapped: &mut String) {
        if column.saturating_add(columns(line)) <= self.0 {
            wrapped.push_str(line);
            return;
        }
        for word in line.split_inclusive(' ') {
            let letters = columns(word.trim_end_matches(' '));
            if column > indent && column + letters > self.0 {
                wrapped.truncate(wrapped.trim_end_matches(' ').len());
                wrapped.push('\n');
                wrapped.push_str(&" ".repeat(indent));
                column = indent;
            }
            // Padding between columns is dropped at a line break.
            if column == indent && letters == 0 && column > 0 {
                continue;
            }
            wrapped.push_str(word);
            column += columns(word);
        }
        wrapped.truncate(wrapped.trim_end_matches(' ').len());
    }

    /// The end of a long id that fits beside `taken` columns: the end distinguishes resources. At least the last
    /// segment is
    /// kept.
    pub(crate) fn end_of(self, id: &str, taken: usize) -> String {
        let room = self.0.saturating_sub(taken);
        if id.chars().count() <= room {
            return id.to_owned();
        }
        let ends = id.match_indices('/').map(|(at, _)| &id[at..]).filter(|end| end.len() > 1);
        let mut last = None;
        for end in ends {
            last = Some(end);
            if end.chars().count() < room {
                break;
            }
        }
        last.map_or_else(|| id.to_owned(), |end| format!("…{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{STRONG, Text, WAIT};

    #[test]
    fn lines_break_between_words_and_colours_take_no_room() {
        let line =
            format!("{WAIT}waiting{WAIT:#}  {STRONG}sign-in{STRONG:#}   nina: multifactor sign-in required");
        assert_eq!(Width::WHOLE.wrapped(&line, 9), line);
        let wrapped = Width::columns(40).wrapped(&line, 9);
        assert_eq!(
            Text::document(&wrapped).plain(),
            "waiting  sign-in   nina: multifactor\n         sign-in required"
        );
    }

    #[test]
    fn a_line_break_from_outside_stays_under_its_line() {
        assert_eq!(Width::WHOLE.wrapped("failed  x\ndone  y\u{1b}", 8), "failed  x\n        done  y\\u{1b}");
        assert_eq!(Width::WHOLE.wrapped("x\ny", 0), "x\n  y");
    }

    #[test]
    fn what_has_no_space_stays_whole() {
        let link = format!("open  https://login.example/{}", "x".repeat(60));
        assert_eq!(Width::columns(40).wrapped(&link, 6), link);
        let after = format!("{link} then nothing");
        assert_eq!(Width::columns(40).wrapped(&after, 6), format!("{link}\n      then nothing"));
    }

    #[test]
    fn of_a_long_id_its_end_is_shown() {
        let id = "/subscriptions/aaaaaaaa/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm";
        assert_eq!(Width::WHOLE.end_of(id, 30), id);
        assert_eq!(Width::columns(80).end_of(id, 30), "…/providers/Microsoft.Network/networkManagers/nm");
        assert_eq!(Width::columns(40).end_of(id, 39), "…/nm");
        assert_eq!(
            Width::columns(40).end_of("e0cc7755-53d4-5030-a37d-f00c0a32975d", 30),
            "e0cc7755-53d4-5030-a37d-f00c0a32975d"
        );
    }
}
