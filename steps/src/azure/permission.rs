//! Missing permissions: which action, at which scope, for whom, and which role gives it.

use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::credentials::Credential;
use super::party::Party;
use super::redaction;
use super::refusal::{Sender, Situation};
use crate::azure::people::{Assignee, assign_command, role_giver};

/// The missing permission, from the text of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) action: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) object_id: Option<String>,
}

impl Missing {
    /// Parses `AuthorizationFailed`: client, object id, action, scope.
    pub(crate) fn on_scope(message: &str) -> Self {
        Missing {
            object_id: quoted(message, "object id '"),
            action: quoted(message, "action '"),
            scope: quoted(message, "over scope '").or_else(|| quoted(message, "scope '")),
        }
    }

    /// Parses `LinkedAuthorizationFailed`: its second part is about the linked scope, in the other tenant. Its object id is
    /// the caller's in the first tenant, so it is ignored.
    pub(crate) fn on_linked_scope(message: &str) -> Self {
        Missing {
            object_id: None,
            action: quoted(message, "action(s) '").or_else(|| quoted(message, "action '")),
            scope: quoted(message, "linked scope(s) '"),
        }
    }

    /// The error if a role was assigned recently: it becomes effective by itself, but only new tokens show it.
    fn not_effective_yet(
        &self,
        seen: &str,
        situation: &Situation<'_>,
        sender: &Sender<'_>,
    ) -> Option<StepError> {
        let party = sender.party;
        let object = self.object_id.as_deref().or(sender.claims.oid.as_deref())?;
        let scope = self.scope.as_deref().unwrap_or(situation.path);
        let at = situation.grants.recent(situation.given, party.tenant, scope, object, situation.now)?;
        situation.grants.refused(party.tenant, scope, object, at, (situation.asker, situation.now));
        let given = format!("the role that was given to {} at {at} is not effective yet", party.person());
        // The Azure CLI keeps a token for about an hour, and only a person can make it get another.
        let wait = if matches!(sender.credential, Credential::AzureCli { .. }) {
            let sign_in = situation.cloud.az_login_for(sender, situation.service, None);
            Wait::remote(format!(
                "{given} (up to 10 minutes; each check uses the token that the Azure CLI keeps)"
            ))
            .otherwise(format!("a new token may show it sooner: {sign_in}"))
        } else {
            Wait::remote(format!("{given} (up to 10 minutes; each check uses a new sign-in)"))
        };
        Some(StepError::new(FailureClass::Propagation, seen).wait(wait))
    }

    /// The error, with its wait, for a missing permission of the sender's party in its tenant.
    pub(crate) fn error(self, seen: String, situation: &Situation<'_>, sender: &Sender<'_>) -> StepError {
        if let Some(error) = self.not_effective_yet(&seen, situation, sender) {
            return error;
        }
        let Sender { party, claims, .. } = sender;
        let tenant = party.tenant;
        let scope = self.scope.as_deref().map(assignable);
        let action = self.action.as_deref().unwrap_or("what this step does");
        let place = self.scope.as_deref().unwrap_or("the scope of this step");
        let role = self.action.as_deref().map_or("Network Contributor", role_for);
        // A person who has assigned every documented role would not expect this one.
        let reads_group = role == READS_GROUPS;
        let object = self.object_id.as_deref().or(claims.oid.as_deref());
        let to =
            Assignee { object_id: object, principal_type: claims.principal_type(), contact: party.contact };
        let command = assign_command(to, role, scope.as_deref().unwrap_or("SCOPE"));
        let owner = scope.as_deref().unwrap_or("the scope");
        let asked_as = match (&sender.credential, claims.account()) {
            (Credential::AzureCli { .. }, Some(account)) => {
                format!(" (the Azure CLI is signed in as {})", redaction::line(account))
            }
            _ => String::new(),
        };
        let what = format!("{} may not do {action} on {place}{asked_as}", party.person());
        let wait = Wait::new(WaitKind::Permission, what)
            .who(role_giver(owner, tenant))
            .action(command.clone())
            .otherwise(format!(
                "{}if the role comes through Privileged Identity Management it may have expired: activate it again (My roles, \
                 Azure resources); it takes up to 10 minutes in tenant {tenant}",
                if reads_group {
                    "Network Contributor is not enough to read a management group: assign Management Group Reader in addition to \
                     it; "
                } else {
                    ""
                }
            ));
        StepError::new(FailureClass::Permission, seen).hint(command).wait(wait)
    }
}

/// The error for a 403 of Microsoft Graph, which does not name the permission: it is derived from the request.
pub(crate) fn of_graph(seen: String, verb: &str, path: &str, party: Party<'_>) -> StepError {
    let tenant = party.tenant;
    let collection = path.trim_start_matches("/v1.0").trim_start_matches('/').split(['/', '?', '(']).next();
    let (role, permission) = match (verb, collection.unwrap_or_default()) {
        (_, "invitations") => ("Guest Inviter", "User.Invite.All"),
        ("GET", "users") => ("Directory Readers", "User.Read.All"),
        (_, "users") => ("User Administrator", "User.ReadWrite.All"),
        ("GET", "servicePrincipals" | "applications") => ("Directory Readers", "Application.Read.All"),
        (_, "servicePrincipals" | "applications") => {
            ("Cloud Application Administrator", "Application.ReadWrite.All")
        }
        ("GET", _) => ("Directory Readers", "Directory.Read.All"),
        _ => ("Directory Writers", "Directory.ReadWrite.All"),
    };
    let what = match (verb, collection.unwrap_or_default()) {
        (_, "invitations") => "invite guests".to_owned(),
        ("GET", of) => format!("read {of}"),
        ("DELETE", of) => format!("remove {of}"),
        (_, of) => format!("change {of}"),
    };
    let action = format!(
        "give {} the Entra role \"{role}\" in tenant {tenant} (a person), or consent to Microsoft Graph's {permission} \
         (an application)",
        party.contact.unwrap_or(party.name)
    );
    let wait = Wait::new(
        WaitKind::Permission,
        format!("{} may not {} in Microsoft Graph", party.person(), what),
    )
    .who(format!("a Privileged Role Administrator of tenant {tenant}"))
    .action(action.clone())
    .otherwise(format!(
        "guest invite settings of tenant {tenant}: Entra admin centre, External collaboration settings"
    ));
    StepError::new(FailureClass::Permission, seen).hint(action).wait(wait)
}

/// Allows reading management groups only. Network Contributor does not allow that.
pub(crate) const READS_GROUPS: &str = "Management Group Reader";

/// The smallest built-in role known to twinspan that allows `action`.
fn role_for(action: &str) -> &'static str {
    let action = action.to_ascii_lowercase();
    let provider = action.split('/').next().unwrap_or_default();
    match provider {
        "microsoft.authorization" if !action.ends_with("/read") => "Role Based Access Control Administrator",
        "microsoft.network" => "Network Contributor",
        "microsoft.management" if action.ends_with("/read") => READS_GROUPS,
        "microsoft.management" => "Management Group Contributor",
        _ if action.ends_with("/read") => "Reader",
        _ => "Contributor",
    }
}

/// A scope at which a role can be assigned although the resource itself does not exist yet: its network manager, or
/// otherwise its [`enclosing`] scope.
pub(crate) fn assignable(scope: &str) -> String {
    let in_a_manager = scope.to_ascii_lowercase().contains("/providers/microsoft.network/networkmanagers/")
        && scope.matches('/').count() > 8;
    if in_a_manager { first(scope, 8) } else { enclosing(scope) }
}

/// The virtual network, resource group, subscription or management group that contains a path, or is it.
pub(crate) fn enclosing(scope: &str) -> String {
    let lower = scope.to_ascii_lowercase();
    if lower.starts_with("/providers/microsoft.management/managementgroups/") {
        return first(scope, 4);
    }
    if lower.contains("/providers/microsoft.network/virtualnetworks/") {
        return first(scope, 8);
    }
    if lower.starts_with("/subscriptions/") {
        return first(scope, if lower.contains("/resourcegroups/") { 4 } else { 2 });
    }
    scope.to_owned()
}

/// The first segments of a path.
fn first(path: &str, segments: usize) -> String {
    let end = path.match_indices('/').nth(segments).map_or(path.len(), |(at, _)| at);
    path[..end].to_owned()
}

/// The text between `before` and the next quotation mark.
pub(super) fn quoted(text: &str, before: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let (inside, _) = rest.split_once('\'')?;
    Some(inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_that_exists() {
        for (scope, wanted) in [
            ("/subscriptions/s", "/subscriptions/s"),
            ("/subscriptions/s/providers/Microsoft.Network/networkManagerConnections/c", "/subscriptions/s"),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m/scopeConnections/c",
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m",
            ),
            (
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m",
                "/subscriptions/s/resourceGroups/g",
            ),
            (
                "/subscriptions/s/resourcegroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/x",
                "/subscriptions/s/resourcegroups/g/providers/Microsoft.Network/virtualNetworks/v",
            ),
            (
                "/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.Network/networkManagerConnections/c",
                "/providers/Microsoft.Management/managementGroups/m",
            ),
        ] {
            assert_eq!(assignable(scope), wanted);
        }
    }

    #[test]
    fn the_role_is_the_smallest_known() {
        assert_eq!(role_for("Microsoft.Network/virtualNetworks/write"), "Network Contributor");
        assert_eq!(
            role_for("Microsoft.Authorization/roleAssignments/write"),
            "Role Based Access Control Administrator"
        );
        assert_eq!(role_for("Microsoft.Authorization/roleAssignments/read"), "Reader");
        assert_eq!(role_for("Microsoft.Resources/subscriptions/read"), "Reader");
        assert_eq!(role_for("Microsoft.Management/managementGroups/read"), "Management Group Reader");
    }
}
