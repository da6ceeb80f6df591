//! Who acts: identities of a plan, and the principals that the remote recognised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An identity: its name and what the plan says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Name in the plan.
    pub name: String,
    /// What the plan says of it, resolved (its home, whom to contact). The engine does not read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// An identity as the remote knows it: what its credential says of itself, never the credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ActedAs {
    /// Name of the identity in the plan.
    pub identity: String,
    /// Ids in the remote's terms, by name.
    #[serde(flatten)]
    pub ids: BTreeMap<String, String>,
}
