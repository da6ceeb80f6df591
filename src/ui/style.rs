//! The few styles. Everything stays readable without them.
//!
//! A style is written into text as a mark that only this process knows: text from outside cannot hold one, so whatever
//! a terminal would act on in such text is escaped, and only styles of this file become sequences for the terminal.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use Style::{Bad, Dim, Good, Strong, Wait};

/// How a word stands out. `{style}` begins it, `{style:#}` ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Dim,
    Good,
    Bad,
    Wait,
}

/// Headings and names that the eye looks for.
pub(crate) const STRONG: Style = Strong;
/// What is there if one wants it.
pub(crate) const DIM: Style = Dim;
/// Proven.
pub(crate) const GOOD: Style = Good;
/// Failed.
pub(crate) const BAD: Style = Bad;
/// Waited for.
pub(crate) const WAIT: Style = Wait;

/// What begins a mark: no character of any text.
const MARK: char = '\u{fdd0}';

/// A mark in a text: a style begins, or the last one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Begin(Style),
    End,
}

impl Mark {
    const ALL: [Mark; 6] = [
        Mark::End,
        Mark::Begin(Strong),
        Mark::Begin(Dim),
        Mark::Begin(Good),
        Mark::Begin(Bad),
        Mark::Begin(Wait),
    ];

    /// The sequence of the terminal.
    pub(super) fn sequence(self) -> &'static str {
        match self {
            Mark::End => "\u{1b}[0m",
            Mark::Begin(Strong) => "\u{1b}[1m",
            Mark::Begin(Dim) => "\u{1b}[2m",
            Mark::Begin(Good) => "\u{1b}[32m",
            Mark::Begin(Bad) => "\u{1b}[1m\u{1b}[31m",
            Mark::Begin(Wait) => "\u{1b}[33m",
        }
    }

    fn letter(self) -> char {
        let place = Mark::ALL.iter().position(|mark| *mark == self).unwrap_or(0);
        u32::try_from(place).ok().and_then(|place| char::from_u32(0xF_FF00 + place)).unwrap_or(MARK)
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if f.alternate() { Mark::End } else { Mark::Begin(*self) };
        f.write_char(MARK)?;
        f.write_str(key())?;
        f.write_char(mark.letter())
    }
}

/// Two characters that tell this process's marks from those that somebody wrote into a text.
fn key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let number = RandomState::new().hash_one(0_u8);
        let part = |shift: u64| u32::try_from(number >> shift & 0xFFFF).unwrap_or(0) % 0xFF00;
        [part(0), part(16)].into_iter().filter_map(|part| char::from_u32(0xF_0000 + part)).collect()
    })
}

/// The mark that `text` begins with, and what follows it.
pub(super) fn split(text: &str) -> Option<(Mark, &str)> {
    let rest = text.strip_prefix(MARK)?.strip_prefix(key())?;
    let letter = rest.chars().next()?;
    let mark = Mark::ALL.into_iter().find(|mark| mark.letter() == letter)?;
    Some((mark, &rest[letter.len_utf8()..]))
}

/// Where the next mark of `text` may begin.
pub(super) fn find(text: &str) -> Option<usize> {
    text.find(MARK)
}
