//! The place of each value in the inputs, so that a diagnostic can show it in addition to the place in the plan.

use std::collections::HashMap;

use crate::diagnostic::Place;

/// The separator of the parts of a path; no key contains it.
const BETWEEN: char = '\u{1f}';
/// The part for the key of an element, beside the parts of its value; no key or field has this name.
const KEY: &str = "\u{1e}";

/// The path of a value: the input, then keys, fields and positions.
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

    /// The path of the key of the element at this path.
    pub(super) fn key(&self) -> Self {
        self.below(KEY)
    }
}

/// The place of a value, with its row and column in a table.
#[derive(Clone, Debug)]
pub(super) struct GivenAt {
    pub(super) place: Place,
    pub(super) where_: String,
}

/// The places of values, by path.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<ValuePath, GivenAt>);

impl Places {
    pub(super) fn put(&mut self, path: &ValuePath, place: &Place, where_: &str) {
        self.0.insert(path.clone(), GivenAt { place: place.clone(), where_: where_.to_owned() });
    }

    /// The place of a value, or of the innermost enclosing value that has one.
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
