//! The permissions that a step needs: declared by the step's kind.

use serde::Serialize;

use crate::identity::Identity;

/// A permission that a step needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// Who needs it.
    pub identity: Identity,
    /// The action, in the remote's terms.
    pub action: String,
    /// The scope.
    pub on: String,
}

impl Permission {
    /// One permission per action, for `identity` at one scope.
    pub fn each(identity: &Identity, on: &str, actions: &[&str]) -> Vec<Permission> {
        let right = |action: &&str| Permission {
            identity: identity.clone(),
            action: (*action).to_owned(),
            on: on.to_owned(),
        };
        actions.iter().map(right).collect()
    }
}
