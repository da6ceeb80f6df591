//! The permissions that a step needs: declared by the step's kind.

use serde::Serialize;

use crate::step::Identity;

/// A permission that a step needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// Who needs it.
    pub identity: Identity,
    /// The action, in the remote's terms.
    pub action: String,
    /// The scope.
    pub on: String,
}

impl Right {
    /// One permission per action, for `identity` at one scope.
    pub fn each(identity: &Identity, on: &str, actions: &[&str]) -> Vec<Right> {
        let right = |action: &&str| Right {
            identity: identity.clone(),
            action: (*action).to_owned(),
            on: on.to_owned(),
        };
        actions.iter().map(right).collect()
    }
}
