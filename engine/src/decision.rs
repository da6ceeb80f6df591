//! What only a person can settle, and in what a resource is not as wanted.

use serde::{Deserialize, Serialize};

/// One field that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Name of the field, as people know it.
    pub field: String,
    /// What the plan wants.
    pub wanted: String,
    /// What is there.
    pub found: String,
    /// The remote does not change it in what exists: only deleting and creating the resource does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
}

impl Difference {
    /// A field that an update changes.
    pub fn new(field: impl Into<String>, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Difference { field: field.into(), wanted: wanted.into(), found: found.into(), immutable: false }
    }

    /// The same field, which no update changes.
    #[must_use]
    pub fn immutable(self) -> Self {
        Difference { immutable: true, ..self }
    }
}

/// Something only a person can settle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was found: "another network manager already manages this subscription".
    pub what: String,
    /// What to ask, and whom.
    pub advice: String,
    /// In what the thing differs, where that is the matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// Why a decision is needed, where more than the words depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The resource carries this run's marker, and the journal has no intent of the step: the journal lost its last entries.
    LostTail,
}
