//! Accounts of a tenant as Microsoft Graph gives them, and the state of a guest.

use serde::Deserialize;
use twinspan_engine::StepError;

use crate::avnm::or_default;
use crate::azure::Graph;
use crate::ids::Guid;

/// What is asked of a user: `externalUserState` and `userType` come only when they are named.
const USER_FIELDS: &str = "id,displayName,mail,userPrincipalName,userType,externalUserState";

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Object id.
    pub(crate) id: String,
    /// Address.
    #[serde(default)]
    pub(crate) mail: Option<String>,
    /// Sign-in name.
    #[serde(default)]
    pub(crate) user_principal_name: Option<String>,
    /// Member or Guest.
    #[serde(default)]
    pub(crate) user_type: Option<String>,
    /// How far an invitation is; absent for who was never invited.
    #[serde(default)]
    pub(crate) external_user_state: Option<String>,
}

/// A service principal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePrincipal {
    /// Object id.
    pub(crate) id: String,
    /// Name for people.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) display_name: String,
    /// Switched off by an administrator.
    #[serde(default)]
    pub(crate) account_enabled: Option<bool>,
}

impl User {
    /// Whether this is its address.
    pub(crate) fn has_address(&self, address: &str) -> bool {
        self.mail.as_deref().is_some_and(|mail| mail.eq_ignore_ascii_case(address))
    }

    /// Whether it is an account of the tenant's own. One that does not say what it is (an account that is older than the
    /// field) counts as such: it is not known to be a guest.
    pub(crate) fn is_member(&self) -> bool {
        !self.user_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"))
    }

    /// Whether an invitation is open.
    pub(crate) fn is_pending(&self) -> bool {
        self.external_user_state.as_deref() == Some("PendingAcceptance")
    }

    /// State in words of Graph; an account that needed no invitation is as good as accepted.
    pub(crate) fn state(&self) -> String {
        self.external_user_state.clone().unwrap_or_else(|| "NotInvited".to_owned())
    }
}

/// A text inside a filter's quotes.
pub(crate) fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

/// A filter for users with this address, as their own or as another one.
pub(crate) fn with_address(address: &str) -> String {
    let address = literal(address);
    format!("mail eq '{address}' or otherMails/any(m:m eq '{address}')")
}

/// The user with this object id.
pub(crate) async fn user(graph: &Graph<'_>, id: Guid) -> Result<Option<User>, StepError> {
    graph.get(&format!("/users/{id}"), &[("$select", USER_FIELDS)]).await
}

/// Users with this address, as their own or as another one.
pub(crate) async fn users_by_address(graph: &Graph<'_>, address: &str) -> Result<Vec<User>, StepError> {
    let filter = with_address(address);
    graph.list("/users", &[("$filter", &filter), ("$select", USER_FIELDS)]).await
}

/// The service principal with this object id.
pub(crate) async fn service_principal(
    graph: &Graph<'_>,
    id: Guid,
) -> Result<Option<ServicePrincipal>, StepError> {
    graph.get(&format!("/servicePrincipals/{id}"), &[("$select", "id,displayName,accountEnabled")]).await
}

/// Service principals of an application: one, or none.
pub(crate) async fn service_principals_of(
    graph: &Graph<'_>,
    application: Guid,
) -> Result<Vec<ServicePrincipal>, StepError> {
    let filter = format!("appId eq '{application}'");
    graph
        .list("/servicePrincipals", &[("$filter", &filter), ("$select", "id,displayName,accountEnabled")])
        .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_does_not_end_a_filter() {
        assert_eq!(literal("o'neill@contoso.example"), "o''neill@contoso.example");
    }

    #[test]
    fn states_are_told_apart() {
        let user = |state: serde_json::Value| -> User {
            serde_json::from_value(json!({ "id": "x", "externalUserState": state })).unwrap()
        };
        assert!(user(json!("PendingAcceptance")).is_pending());
        assert!(!user(json!("Accepted")).is_pending());
        assert_eq!(user(json!(null)).state(), "NotInvited");
    }
}
