//! Decisions of people, and differences between a resource and the plan.

use serde::{Deserialize, Serialize};

use crate::ids::ClaimKey;

/// A field that is not as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Name of the field, as people know it.
    pub field: String,
    /// What the plan wants.
    pub wanted: String,
    /// The current value.
    pub found: String,
    /// The remote cannot change it in an existing resource: only deleting and creating the resource does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub immutable: bool,
    /// Not of a field, but of what the resource holds and what deleting it deletes too: the normalised ids. A decision to delete
    /// holds for these, and for nothing that is added later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<ClaimKey>,
}

impl Difference {
    /// A field that an update changes.
    pub fn new(field: impl Into<String>, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Difference {
            field: field.into(),
            wanted: wanted.into(),
            found: found.into(),
            immutable: false,
            contents: Vec::new(),
        }
    }

    /// Marks that no update changes the field.
    #[must_use]
    pub fn immutable(self) -> Self {
        Difference { immutable: true, ..self }
    }
}

/// A decision that only a person can make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was found: "another network manager already manages this subscription".
    pub what: String,
    /// What to do or ask, and whom.
    pub advice: String,
    /// The differences, if the decision is about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// Why a decision is needed, where rules depend on more than the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The resource carries this run's marker, and the journal has no intent of the step: the journal lost its last entries.
    LostTail,
}
