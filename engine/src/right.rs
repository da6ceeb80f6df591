//! What somebody has to be allowed to do, so that a step can do its work: said by the step's kind.

use serde::Serialize;

use crate::step::Identity;

/// One right that a step takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Right {
    /// Who needs it.
    pub identity: Identity,
    /// To do what, in the other side's words.
    pub action: String,
    /// On what.
    pub on: String,
}

impl Right {
    /// Each of `actions`, for `identity`, on one thing.
    pub fn each(identity: &Identity, on: &str, actions: &[&str]) -> Vec<Right> {
        let right = |action: &&str| Right {
            identity: identity.clone(),
            action: (*action).to_owned(),
            on: on.to_owned(),
        };
        actions.iter().map(right).collect()
    }
}
