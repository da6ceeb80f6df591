//! How a missing permission is obtained: an administrator of its tenant assigns a role, or the principal activates an
//! eligible one.

use serde::Serialize;
use serde_json::Value;
use twinspan_encode::sh;
use twinspan_engine::RunId;
use uuid::Uuid;

use crate::azure::SignedIn;
use crate::azure::people::{Assignee, assign_command, role_giver};
use crate::ids::{Scope, ScopeKind};
use crate::permissions::role_for;

/// What an administrator does to give a permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Giving {
    /// The smallest built-in role that allows the actions; `None` if twinspan knows no single one.
    pub role: Option<&'static str>,
    /// The missing actions, for a custom role that allows no more.
    pub least_privilege: Vec<String>,
    /// The command that assigns the role.
    pub command: String,
    /// The same steps in the Azure portal.
    pub portal: String,
    /// Who may assign roles at the scope.
    pub who: String,
}

/// What a principal does to activate or extend a role for some hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// The role.
    pub role: String,
    /// The scope where the role may be activated.
    pub scope: String,
    /// The command.
    pub command: String,
    /// The same steps in the Azure portal.
    pub portal: String,
}

/// How to give `account` the `actions` on `scope`.
pub(super) fn give(actions: &[String], scope: &Scope, tenant: &str, account: Option<&SignedIn>) -> Giving {
    let actions_text: Vec<&str> = actions.iter().map(String::as_str).collect();
    let role = role_for(&actions_text);
    let to = account.map(Assignee::signed_in).unwrap_or_default();
    let object_id = to.object_id.unwrap_or("OBJECT-ID");
    Giving {
        role,
        least_privilege: actions.to_vec(),
        command: assign_command(to, role.unwrap_or("ROLE"), scope.path()),
        portal: format!(
            "Azure portal: {} > Access control (IAM) > Add > Add role assignment > {} > Members: {object_id}",
            blade(scope),
            role.unwrap_or("a role that allows the actions named here")
        ),
        who: role_giver(scope.path(), tenant),
    }
}

/// Namespace of the ids of requests to Privileged Identity Management.
const REQUESTS: Uuid = Uuid::from_u128(0x7477_696e_7370_616e_0000_0000_0000_0004);

/// The command for a role schedule request. Its id is a hash of the body and `look`, so that each check names a new
/// request.
fn request(scope: &str, properties: &Value, look: RunId) -> String {
    let scope = scope.trim_end_matches('/');
    let body = serde_json::json!({ "properties": properties }).to_string();
    let name = Uuid::new_v5(&REQUESTS, format!("{look}{scope}{body}").as_bytes());
    let url = format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignmentScheduleRequests/{name}?api-version=2020-10-01"
    );
    format!("az rest --method put --url {} --body {}", sh::word(&url), sh::word(&body))
}

/// The requested duration: a working day.
fn a_day() -> Value {
    serde_json::json!({ "expiration": { "type": "AfterDuration", "duration": "PT8H" } })
}

/// How `principal` activates the eligible role `role`.
pub(super) fn activate(role: &str, role_id: &str, scope: &str, principal: &str, look: RunId) -> Activation {
    let properties = serde_json::json!({
        "principalId": principal,
        "roleDefinitionId": role_id,
        "requestType": "SelfActivate",
        "justification": "twinspan",
        "scheduleInfo": a_day(),
    });
    Activation {
        role: role.to_owned(),
        scope: scope.to_owned(),
        command: request(scope, &properties, look),
        portal: format!(
            "Azure portal: Privileged Identity Management > My roles > Azure resources > {role} > Activate"
        ),
    }
}

/// How `principal` requests an extension of a role that it has for a limited time.
pub(super) fn extend(
    role: &str,
    role_id: &str,
    scope: &str,
    principal: &str,
    schedule: &str,
    look: RunId,
) -> Activation {
    let mut properties = serde_json::json!({
        "principalId": principal,
        "roleDefinitionId": role_id,
        "requestType": "SelfExtend",
        "justification": "twinspan",
        "scheduleInfo": a_day(),
    });
    if !schedule.is_empty() {
        properties["targetRoleAssignmentScheduleId"] = Value::from(schedule);
    }
    Activation {
        role: role.to_owned(),
        scope: scope.to_owned(),
        command: request(scope, &properties, look),
        portal: format!(
            "Azure portal: Privileged Identity Management > My roles > Azure resources > Active assignments > {role} > Extend"
        ),
    }
}

/// Where the portal shows a scope.
pub(super) fn blade(scope: &Scope) -> String {
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
            "az role assignment create --assignee OBJECT-ID --role 'Network Contributor' --scope \
             /subscriptions/bbbbbbbb-0000-0000-0000-000000000001"
        );
        let giving =
            give(&["Microsoft.Network/x/write".to_owned(), "Other/y/write".to_owned()], &scope, "t", None);
        assert_eq!(giving.role, None);
        assert!(giving.command.contains("--role ROLE "), "{}", giving.command);
    }
}
