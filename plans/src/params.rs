//! The kinds' own checks of known parameters, before anything is sent.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::ids::Ensure;

/// Parameters of one step or instance, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub struct GivenParams<'a> {
    /// Values, by name.
    pub values: &'a Map<String, Value>,
    /// Names of given parameters whose values are known only during the run.
    pub unknown: &'a [&'a str],
    /// Whether the resource is to exist or to be deleted: limits for a creation do not apply to a deletion.
    pub ensure: Ensure,
}

impl GivenParams<'_> {
    /// Whether the parameter `name` is given with a value that is not known yet.
    pub fn is_unknown(&self, name: &str) -> bool {
        self.unknown.contains(&name)
    }
}

/// A value that the kind does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamMisfit {
    /// The parameter, then fields and positions in its value.
    pub path: Vec<String>,
    /// What is wrong, and what is allowed.
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

/// Two steps of one kind that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// Position of the step whose value is to be changed.
    pub step: usize,
    /// Its parameter, then fields and positions in the value.
    pub path: Vec<String>,
    /// What is wrong.
    pub why: String,
    /// Position of the step that it does not go together with.
    pub other: usize,
    /// Where in the other step that stands.
    pub other_path: Vec<String>,
}

type Check = dyn Fn(&GivenParams<'_>) -> Vec<ParamMisfit> + Send + Sync;
type Written = fn(&Value) -> Vec<Vec<String>>;
type Joint = dyn Fn(&[&Map<String, Value>]) -> Vec<Clash> + Send + Sync;

/// The check of one kind. The default accepts everything.
#[derive(Clone)]
pub struct ParamCheck {
    one: Arc<Check>,
    joint: Option<Arc<Joint>>,
    written: Written,
}

impl ParamCheck {
    /// A check by `check`.
    pub fn new(check: impl Fn(&GivenParams<'_>) -> Vec<ParamMisfit> + Send + Sync + 'static) -> Self {
        ParamCheck { one: Arc::new(check), joint: None, written: |_| Vec::new() }
    }

    /// The same check, with one of all steps of the kind that want their resource to be there: their known parameters.
    #[must_use]
    pub fn with_joint(
        self,
        joint: impl Fn(&[&Map<String, Value>]) -> Vec<Clash> + Send + Sync + 'static,
    ) -> Self {
        ParamCheck { joint: Some(Arc::new(joint)), ..self }
    }

    /// The same check, with the paths of all texts that are secrets in the value of a parameter that may hold secrets.
    #[must_use]
    pub fn with_written_secrets(self, written: fn(&Value) -> Vec<Vec<String>>) -> Self {
        ParamCheck { written, ..self }
    }

    /// The paths of all texts in `value` that are secrets.
    pub(crate) fn written_secrets(&self, value: &Value) -> Vec<Vec<String>> {
        (self.written)(value)
    }

    /// Whether steps of the kind are compared with each other.
    pub(crate) fn is_joint(&self) -> bool {
        self.joint.is_some()
    }

    /// What does not go together.
    pub(crate) fn clashes(&self, all: &[&Map<String, Value>]) -> Vec<Clash> {
        self.joint.as_ref().map(|joint| joint(all)).unwrap_or_default()
    }

    /// Everything that the kind does not accept.
    pub fn misfits(&self, given: &GivenParams<'_>) -> Vec<ParamMisfit> {
        (self.one)(given)
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

/// Always equal: functions cannot be compared, and catalogues are compared by their data.
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
