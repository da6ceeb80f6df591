//! How a missing right is given: by the administrator of its tenant, or by its holder, who activates it.

use serde::Serialize;

use crate::azure::SignedIn;
use crate::ids::{Scope, ScopeKind};
use crate::people::shell_word;
use crate::rights::role_for;

/// What an administrator does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Giving {
    /// The smallest built-in role that allows it; `None`: no single one that is known here.
    pub role: Option<&'static str>,
    /// No more than this: what a role made for the purpose would allow.
    pub least_privilege: Vec<String>,
    /// The command.
    pub command: String,
    /// The same in the portal.
    pub portal: String,
    /// Whoever may give roles there.
    pub who: String,
}

/// What the holder of a right does to get it for some hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// The role.
    pub role: String,
    /// Where it may be activated.
    pub scope: String,
    /// The command.
    pub command: String,
    /// The same in the portal.
    pub portal: String,
}

/// How `actions` on `scope` are given to `account`.
pub(super) fn give(actions: &[String], scope: &Scope, tenant: &str, account: Option<&SignedIn>) -> Giving {
    let actions_text: Vec<&str> = actions.iter().map(String::as_str).collect();
    let role = role_for(&actions_text);
    let object_id = account.and_then(|account| account.object_id.as_deref()).unwrap_or("OBJECT-ID");
    let kind = account.and_then(|account| account.principal_type);
    let kind = kind.map(|kind| format!(" --assignee-principal-type {kind}")).unwrap_or_default();
    Giving {
        role,
        least_privilege: actions.to_vec(),
        command: format!(
            "az role assignment create --assignee-object-id {object_id}{kind} --role {} --scope {}",
            shell_word(role.unwrap_or("ROLE")),
            shell_word(scope.path())
        ),
        portal: format!(
            "Azure portal: {} > Access control (IAM) > Add > Add role assignment > {} > Members: {object_id}",
            blade(scope),
            role.unwrap_or("a role that allows the actions named here")
        ),
        who: format!(
            "whoever may give roles in tenant {tenant} (Owner, User Access Administrator or Role Based Access Control \
             Administrator of the scope)"
        ),
    }
}

/// How `role` is activated by `account`.
pub(super) fn activate(role: &str, role_id: &str, scope: &str, account: &SignedIn) -> Activation {
    let body = serde_json::json!({ "properties": {
        "principalId": account.object_id,
        "roleDefinitionId": role_id,
        "requestType": "SelfActivate",
        "justification": "twinspan",
        "scheduleInfo": { "expiration": { "type": "AfterDuration", "duration": "PT8H" } },
    } });
    let url = format!(
        "{}/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/",
        scope.trim_end_matches('/')
    );
    Activation {
        role: role.to_owned(),
        scope: scope.to_owned(),
        command: format!(
            "az rest --method put --url \"{url}$(uuidgen)?api-version=2020-10-01\" --body {}",
            shell_word(&body.to_string())
        ),
        portal: format!(
            "Azure portal: Privileged Identity Management > My roles > Azure resources > {role} > Activate"
        ),
    }
}

/// Where the portal shows a scope.
fn blade(scope: &Scope) -> String {
    let name = scope.name();
    let pieces: Vec<&str> = scope.path().split('/').collect();
    let kind = pieces.iter().rev().nth(1).copied().unwrap_or_default().to_ascii_lowercase();
    match (scope.kind(), kind.as_str()) {
        (ScopeKind::Subscription, _) => format!("Subscriptions > {name}"),
        (ScopeKind::ManagementGroup, _) => format!("Management groups > {name}"),
        (_, "resourcegroups") => format!("Resource groups > {name}"),
        (_, "networkmanagers") => format!("Virtual network managers > {name}"),
        (_, "virtualnetworks") => format!("Virtual networks > {name}"),
        _ => format!("All resources > {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portal_has_a_place_for_every_scope() {
        let subscription = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
        for (path, wanted) in [
            (subscription.to_owned(), "Subscriptions > bbbbbbbb-0000-0000-0000-000000000001"),
            ("/providers/Microsoft.Management/managementGroups/mg".to_owned(), "Management groups > mg"),
            (format!("{subscription}/resourceGroups/rg"), "Resource groups > rg"),
            (
                format!("{subscription}/resourceGroups/rg/providers/Microsoft.Network/networkManagers/nm"),
                "Virtual network managers > nm",
            ),
            (
                format!("{subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v"),
                "Virtual networks > v",
            ),
        ] {
            assert_eq!(blade(&path.parse().unwrap()), wanted);
        }
    }

    #[test]
    fn an_account_that_nobody_knows_leaves_a_gap_in_the_command() {
        let scope: Scope = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001".parse().unwrap();
        let giving = give(&["Microsoft.Network/x/write".to_owned()], &scope, "t", None);
        assert_eq!(
            giving.command,
            "az role assignment create --assignee-object-id OBJECT-ID --role 'Network Contributor' --scope \
             /subscriptions/bbbbbbbb-0000-0000-0000-000000000001"
        );
        let giving =
            give(&["Microsoft.Network/x/write".to_owned(), "Other/y/write".to_owned()], &scope, "t", None);
        assert_eq!(giving.role, None);
        assert!(giving.command.contains("--role ROLE "), "{}", giving.command);
    }
}
