//! Users and service principals as Microsoft Graph returns them, and the state of a guest user.

use jiff::Timestamp;
use serde::Deserialize;
use twinspan_engine::{FailureClass, StepError};

use crate::avnm::or_default;
use crate::azure::Graph;
use crate::enumeration::known;
use crate::ids::Guid;

/// The requested fields of a user: Graph returns `externalUserState` and `userType` only if they are named.
const USER_FIELDS: &str = "id,displayName,mail,otherMails,proxyAddresses,userPrincipalName,userType,externalUserState,createdDateTime";
/// The requested fields of a service principal.
const SERVICE_PRINCIPAL_FIELDS: &str = "id,appId,displayName,accountEnabled";

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Object id.
    pub(crate) id: String,
    /// Mail address.
    #[serde(default)]
    pub(crate) mail: Option<String>,
    /// Its other addresses.
    #[serde(default, deserialize_with = "or_default")]
    other_mails: Vec<String>,
    /// Addresses of its mailbox, with their protocol: `SMTP:nina@contoso.example`.
    #[serde(default, deserialize_with = "or_default")]
    proxy_addresses: Vec<String>,
    /// When the user was created.
    #[serde(default)]
    created_date_time: Option<String>,
    /// Sign-in name.
    #[serde(default)]
    pub(crate) user_principal_name: Option<String>,
    /// Member or Guest.
    #[serde(default)]
    pub(crate) user_type: Option<String>,
    /// State of the invitation; absent for a user who was never invited.
    #[serde(default)]
    pub(crate) external_user_state: Option<String>,
}

/// A service principal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePrincipal {
    /// Object id.
    pub(crate) id: String,
    /// Application (client) id.
    #[serde(default, deserialize_with = "or_default")]
    app_id: String,
    /// Name for people.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) display_name: String,
    /// False if an administrator disabled it.
    #[serde(default)]
    pub(crate) account_enabled: Option<bool>,
}

impl User {
    /// Whether `address` is the user's `mail`.
    pub(crate) fn is_shown_with(&self, address: &str) -> bool {
        self.mail.as_deref().is_some_and(|mail| mail.eq_ignore_ascii_case(address))
    }

    /// Whether the user has this address: as `mail`, another mail, a mailbox address, the sign-in name, or the invited address.
    pub(crate) fn has_address(&self, address: &str) -> bool {
        let same = |text: &str| text.eq_ignore_ascii_case(address);
        let smtp = |text: &str| {
            text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("smtp:")) && same(&text[5..])
        };
        let name = self.user_principal_name.as_deref().unwrap_or_default();
        let invited = invited_as(address);
        let was_invited = name.get(..invited.len()).is_some_and(|start| start.eq_ignore_ascii_case(&invited));
        self.is_shown_with(address)
            || self.other_mails.iter().any(|mail| same(mail))
            || self.proxy_addresses.iter().any(|proxy| smtp(proxy))
            || same(name)
            || was_invited
    }

    /// When the user was created.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        self.created_date_time.as_deref()?.parse().ok()
    }

    /// Whether the user is a member of the tenant. A user without a type (older than the field) counts as one: it is not known
    /// to be a guest user.
    pub(crate) fn is_member(&self) -> bool {
        !self.user_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("Guest"))
    }

    /// Whether the invitation is not accepted yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.external_user_state
            .as_deref()
            .is_some_and(|state| state.eq_ignore_ascii_case("PendingAcceptance"))
    }

    /// The state, as Graph names it; `NotInvited` for a user who needed no invitation.
    pub(crate) fn state(&self) -> String {
        let state = self.external_user_state.as_deref().unwrap_or("NotInvited");
        known(state, &["PendingAcceptance", "Accepted"]).to_owned()
    }
}

/// Escapes a text for the quotes of a filter.
pub(crate) fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

/// The filter for users with this `mail` or other mail.
pub(crate) fn with_address(address: &str) -> String {
    let address = literal(address);
    format!("mail eq '{address}' or otherMails/any(m:m eq '{address}')")
}

/// The start of the sign-in name of a guest user who was invited with this address.
fn invited_as(address: &str) -> String {
    format!("{}#EXT#@", address.replace('@', "_"))
}

/// The user with this object id.
pub(crate) async fn user(graph: &Graph<'_>, id: Guid) -> Result<Option<User>, StepError> {
    graph.get(&format!("/users/{id}"), &[("$select", USER_FIELDS)]).await
}

/// Finds users by address: `mail`, other mail, mailbox address, or invited address.
pub(crate) async fn users_by_address(graph: &Graph<'_>, address: &str) -> Result<Vec<User>, StepError> {
    let found = users_where(graph, &with_address(address), address).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    // A user whose address was changed after the invitation: a new invitation would succeed and mail the person again. One
    // request per filter, as Microsoft Graph refuses some combinations.
    let mailbox = format!("proxyAddresses/any(p:p eq 'smtp:{}')", literal(address));
    let invited = format!("startsWith(userPrincipalName,'{}')", literal(&invited_as(address)));
    for filter in [mailbox, invited] {
        match users_where(graph, &filter, address).await {
            Ok(found) if found.is_empty() => {}
            // Not every directory supports this filter.
            Err(error) if error.class == FailureClass::PlanWrong => {}
            other => return other,
        }
    }
    Ok(Vec::new())
}

/// Users that match a filter for this address. A user without the address is an error: the filter was not applied.
async fn users_where(graph: &Graph<'_>, filter: &str, address: &str) -> Result<Vec<User>, StepError> {
    let found: Vec<User> = graph.list("/users", &[("$filter", filter), ("$select", USER_FIELDS)]).await?;
    match found.iter().find(|user| !user.has_address(address)) {
        Some(other) => {
            Err(unfiltered(format!("user {}, which does not have the address {address}", other.id)))
        }
        None => Ok(found),
    }
}

/// The error for a response that does not match its filter.
fn unfiltered(what: String) -> StepError {
    StepError::new(
        FailureClass::Transient,
        format!("Microsoft Graph returned an object that does not match the request's filter: {what}"),
    )
}

/// The service principal with this object id.
pub(crate) async fn service_principal(
    graph: &Graph<'_>,
    id: Guid,
) -> Result<Option<ServicePrincipal>, StepError> {
    graph.get(&format!("/servicePrincipals/{id}"), &[("$select", SERVICE_PRINCIPAL_FIELDS)]).await
}

/// The service principal of an application, as a list of one or none.
pub(crate) async fn service_principals_of(
    graph: &Graph<'_>,
    application: Guid,
) -> Result<Vec<ServicePrincipal>, StepError> {
    let filter = format!("appId eq '{application}'");
    let found: Vec<ServicePrincipal> = graph
        .list("/servicePrincipals", &[("$filter", &filter), ("$select", SERVICE_PRINCIPAL_FIELDS)])
        .await?;
    match found.iter().find(|found| !found.is_of(application)) {
        Some(other) => Err(unfiltered(format!(
            "service principal {}, which is not of application {application}",
            other.id
        ))),
        None => Ok(found),
    }
}

impl ServicePrincipal {
    /// Whether it belongs to this application.
    pub(crate) fn is_of(&self, application: Guid) -> bool {
        self.app_id.parse() == Ok(application)
    }
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
    fn an_account_is_known_by_each_of_its_addresses() {
        let address = "nina.network@contoso.example";
        let user = |fields: serde_json::Value| -> User {
            let mut all = json!({ "id": "x", "mail": "nina@new.example" });
            all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value(all).unwrap()
        };
        for (fields, has) in [
            (json!({}), false),
            (json!({ "mail": "Nina.Network@contoso.example" }), true),
            (json!({ "otherMails": ["x@y.example", address] }), true),
            (
                json!({ "proxyAddresses": ["SMTP:nina@new.example", "smtp:nina.network@contoso.example"] }),
                true,
            ),
            (json!({ "proxyAddresses": ["X500:nina.network@contoso.example"] }), false),
            (json!({ "userPrincipalName": "nina.network_contoso.example#EXT#@fabrikam.example" }), true),
            (json!({ "userPrincipalName": "nina.network_contoso.example2#EXT#@fabrikam.example" }), false),
            (json!({ "userPrincipalName": address }), true),
            (json!({ "otherMails": null, "proxyAddresses": null, "userPrincipalName": null }), false),
        ] {
            assert_eq!(user(fields.clone()).has_address(address), has, "{fields}");
        }
    }

    #[test]
    fn states_are_told_apart() {
        let user = |state: serde_json::Value| -> User {
            serde_json::from_value(json!({ "id": "x", "externalUserState": state })).unwrap()
        };
        assert!(
            user(json!("PendingAcceptance")).is_pending() && user(json!("pendingAcceptance")).is_pending()
        );
        assert_eq!(user(json!("pendingacceptance")).state(), "PendingAcceptance");
        assert!(!user(json!("Accepted")).is_pending());
        assert_eq!(user(json!(null)).state(), "NotInvited");
    }
}
