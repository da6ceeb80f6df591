//! Every code of a diagnostic, and what it means.

/// What a code means and what to do, in a few sentences; `None`: there is no such code.
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

/// Every code.
pub fn codes() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(code, _)| *code)
}

const CODES: &[(&str, &str)] = &[("TS0001", "This part of twinspan is not there yet.")];
