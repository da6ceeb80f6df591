//! Where each value of the inputs was given: what a kind does not take is shown there, not only where the plan uses it.

use std::collections::HashMap;

use crate::diagnostic::Place;

/// Between the parts of a path; no key holds it.
const BETWEEN: char = '\u{1f}';

/// The input, then keys, fields and positions in its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ValuePath(String);

impl ValuePath {
    pub(super) fn of(input: &str) -> Self {
        ValuePath(input.to_owned())
    }

    pub(super) fn push(&mut self, part: &str) {
        self.0.push(BETWEEN);
        self.0.push_str(part);
    }

    pub(super) fn pop(&mut self) {
        self.0.truncate(self.0.rfind(BETWEEN).unwrap_or(0));
    }

    pub(super) fn below(&self, part: &str) -> Self {
        let mut below = self.clone();
        below.push(part);
        below
    }
}

/// A place, with the row and column of a table.
#[derive(Clone, Debug)]
pub(super) struct GivenAt {
    pub(super) place: Place,
    pub(super) where_: String,
}

/// Places of values.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<ValuePath, GivenAt>);

impl Places {
    pub(super) fn put(&mut self, path: &ValuePath, place: &Place, where_: &str) {
        self.0.insert(path.clone(), GivenAt { place: place.clone(), where_: where_.to_owned() });
    }

    /// The place of a value, or of the innermost value around it that has one.
    pub(super) fn nearest(&self, path: &ValuePath) -> Option<&GivenAt> {
        let mut at = path.clone();
        loop {
            if let Some(found) = self.0.get(&at) {
                return Some(found);
            }
            if !at.0.contains(BETWEEN) {
                return None;
            }
            at.pop();
        }
    }
}
