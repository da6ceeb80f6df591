//! Types of parameters and outputs. Each validates its text when it is read, keeps it as written, and compares
//! in normalized form, so that `/subscriptions/X` and `subscriptions/x` are equal.
//!
//! Their JSON schemas carry `x-twinspan-type`, from which the registry reads the plan's type.

mod resource;
mod scope;
mod text;

use twinspan_engine::StepError;

pub use resource::{
    AnyResource, ConnectivityConfigurations, NetworkGroups, NetworkManagerConnections, NetworkManagers,
    ResourceId, ResourceType, ScopeConnections,
};
pub use scope::{ConnectionScope, Scope, ScopeKind};
pub use text::{Description, Email, FoundName, Guid, HumanDuration, ResourceName, TenantId, Url};
pub(crate) use text::{is_plain_name, not_a_manager_name};

/// Why a text is not valid: a fragment for a message, with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NotValid {
    text: String,
    wanted: &'static str,
}

impl NotValid {
    pub(crate) fn new(text: &str, wanted: &'static str) -> Self {
        // The wrong value may be a whole file pasted into an input; the message must stay readable.
        let text = if text.chars().count() > 120 {
            text.chars().take(117).chain("...".chars()).collect()
        } else {
            text.to_owned()
        };
        NotValid { text, wanted }
    }
}

impl From<NotValid> for StepError {
    fn from(error: NotValid) -> Self {
        StepError::plan_wrong(error.to_string())
    }
}
