//! Text styles. All output is readable without them.
//!
//! In a text a style is a mark with a key that only this process knows. Text from outside cannot contain a valid mark,
//! so
//! its terminal sequences are escaped, and only the styles of this file become sequences.

use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use Style::{Bad, Dim, Good, Strong, Wait};

/// A text style. `{style}` begins it, `{style:#}` ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Dim,
    Good,
    Bad,
    Wait,
}

/// Headings and names.
pub(crate) const STRONG: Style = Strong;
/// Secondary information.
pub(crate) const DIM: Style = Dim;
/// Proven states.
pub(crate) const GOOD: Style = Good;
/// Failures.
pub(crate) const BAD: Style = Bad;
/// Waits.
pub(crate) const WAIT: Style = Wait;

/// The first character of a mark: a Unicode noncharacter.
const MARK: char = '\u{fdd0}';

/// A mark in a text: the start of a style, or its end.
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

    /// The terminal's escape sequence.
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

/// Two characters that distinguish this process's marks from marks in text from outside.
fn key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let number = RandomState::new().hash_one(0_u8);
        let part = |shift: u64| u32::try_from(number >> shift & 0xFFFF).unwrap_or(0) % 0xFF00;
        [part(0), part(16)].into_iter().filter_map(|part| char::from_u32(0xF_0000 + part)).collect()
    })
}

/// The mark at the start of `text`, and the rest.
pub(super) fn split(text: &str) -> Option<(Mark, &str)> {
    let rest = text.strip_prefix(MARK)?.strip_prefix(key())?;
    let letter = rest.chars().next()?;
    let mark = Mark::ALL.into_iter().find(|mark| mark.letter() == letter)?;
    Some((mark, &rest[letter.len_utf8()..]))
}

/// The position of the next possible mark in `text`.
pub(super) fn find(text: &str) -> Option<usize> {
    text.find(MARK)
}
