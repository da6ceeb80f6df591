//! What a kind itself says of parameters whose values are known, before anything is sent.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::plan::Ensure;

/// Parameters of one step, or of one instance of it, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub struct GivenParams<'a> {
    /// Values, by name.
    pub values: &'a Map<String, Value>,
    /// Names of parameters that are given, and whose values are known only while the plan runs.
    pub unknown: &'a [&'a str],
    /// Whether the resource is to be there or to be gone: limits of what is created do not hold for what is removed.
    pub ensure: Ensure,
}

impl GivenParams<'_> {
    /// Whether the parameter `name` has, or will have, a value that nobody knows yet.
    pub fn is_unknown(&self, name: &str) -> bool {
        self.unknown.contains(&name)
    }
}

/// A value that the kind does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamMisfit {
    /// The parameter, then fields and positions in its value.
    pub path: Vec<String>,
    /// What is wrong, with what is allowed.
    pub why: String,
}

impl ParamMisfit {
    /// The parameter.
    pub fn parameter(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The place in words: `body.properties.addressPrefix`, `ids[1]`.
    pub fn place(&self) -> String {
        let mut text = String::new();
        for part in &self.path {
            match part.parse::<usize>() {
                Ok(position) if !text.is_empty() => text.push_str(&format!("[{position}]")),
                _ if text.is_empty() => text.push_str(part),
                _ => text.push_str(&format!(".{part}")),
            }
        }
        text
    }
}

type Check = dyn Fn(&GivenParams<'_>) -> Vec<ParamMisfit> + Send + Sync;

/// The check of one kind. One that nobody set takes everything.
#[derive(Clone)]
pub struct ParamCheck(Arc<Check>);

impl ParamCheck {
    /// A check.
    pub fn new(check: impl Fn(&GivenParams<'_>) -> Vec<ParamMisfit> + Send + Sync + 'static) -> Self {
        ParamCheck(Arc::new(check))
    }

    /// Everything that is wrong.
    pub fn misfits(&self, given: &GivenParams<'_>) -> Vec<ParamMisfit> {
        (self.0)(given)
    }
}

impl Default for ParamCheck {
    fn default() -> Self {
        ParamCheck::new(|_| Vec::new())
    }
}

impl fmt::Debug for ParamCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParamCheck")
    }
}

/// Code is not compared: two catalogues are the same when they say the same.
impl PartialEq for ParamCheck {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ParamCheck {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        let path = ["ids", "1", "name"].map(str::to_owned).to_vec();
        let misfit = ParamMisfit { path, why: String::new() };
        assert_eq!((misfit.parameter(), misfit.place().as_str()), ("ids", "ids[1].name"));
    }
}
