//! Role definitions, role assignments and permissions, as Azure Resource Manager returns them.

use serde::{Deserialize, Serialize};
use twinspan_engine::StepError;

use crate::avnm::{or_default, same_path};
use crate::azure::Arm;
use crate::directory::literal;
use crate::ids::{Guid, Scope, ScopeKind};

/// API version of role definitions, role assignments and permissions.
pub(crate) const API: &str = "2022-04-01";

/// API version of schedules of Privileged Identity Management.
const SCHEDULES_API: &str = "2020-10-01";

/// A role definition.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RoleDefinition {
    /// Its full id.
    pub(crate) id: String,
    /// Its name, type and permissions.
    pub(crate) properties: RoleNames,
}

/// Properties of a role definition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RoleNames {
    /// Display name.
    #[serde(deserialize_with = "or_default")]
    pub(crate) role_name: String,
    /// `BuiltInRole` or `CustomRole`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(crate) role_type: String,
    /// What it allows.
    #[serde(deserialize_with = "or_default")]
    pub(crate) permissions: Vec<GrantedActions>,
}

impl RoleDefinition {
    /// The same built-in role, by the id that it has at `scope`.
    fn at(mut self, scope: &Scope) -> Self {
        let name = self.id.rsplit('/').next().unwrap_or_default();
        let within = scope.subscription().map(|id| format!("/subscriptions/{id}")).unwrap_or_default();
        self.id = format!("{within}/providers/Microsoft.Authorization/roleDefinitions/{name}");
        self
    }
}

/// An active or eligible role assignment with an end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Instance {
    /// Its properties.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: Timed,
}

/// Properties of such an assignment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Timed {
    /// The scope.
    #[serde(deserialize_with = "or_default")]
    pub(crate) scope: String,
    /// Id of the role definition.
    #[serde(deserialize_with = "or_default")]
    pub(crate) role_definition_id: String,
    /// When it ends; `None` if it does not.
    #[serde(deserialize_with = "or_default")]
    pub(crate) end_date_time: Option<String>,
    /// `Activated` by its holder, or `Assigned`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) assignment_type: String,
    /// Id of the schedule that it comes from.
    #[serde(deserialize_with = "or_default")]
    pub(crate) role_assignment_schedule_id: String,
}

/// Which role assignments of a principal to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Those in force now.
    Given,
    /// Those that the principal may activate.
    Eligible,
}

/// A role assignment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RoleAssignment {
    /// Its full id.
    pub(crate) id: String,
    /// Its properties.
    pub(crate) properties: Assigned,
}

/// Properties of a role assignment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Assigned {
    /// The scope.
    #[serde(deserialize_with = "or_default")]
    pub(crate) scope: String,
    /// Id of the role definition.
    #[serde(deserialize_with = "or_default")]
    pub(crate) role_definition_id: String,
    /// Object id of the principal.
    #[serde(deserialize_with = "or_default")]
    pub(crate) principal_id: String,
    /// For people; ends with the run's marker if twinspan created it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// The condition that limits it.
    pub(crate) condition: Option<String>,
}

/// Actions that a role allows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GrantedActions {
    /// Patterns of allowed actions.
    #[serde(deserialize_with = "or_default")]
    pub(crate) actions: Vec<String>,
    /// Patterns of excluded actions.
    #[serde(deserialize_with = "or_default")]
    pub(crate) not_actions: Vec<String>,
}

/// Properties in the request body of a role assignment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WantedAssignment<'a> {
    /// Id of the role definition.
    pub(crate) role_definition_id: &'a str,
    /// Object id of the principal.
    pub(crate) principal_id: Guid,
    /// Type of the principal. With it Azure does not look the principal up, which fails for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) principal_type: Option<&'static str>,
    /// For people, with the run's marker.
    pub(crate) description: String,
}

/// Whether `pattern` (`Microsoft.Network/*`, `*/read`) allows `action`.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// The smallest built-in role known to twinspan that allows all of `actions`.
pub(crate) fn role_for(actions: &[&str]) -> Option<&'static str> {
    // Each of these roles also allows Microsoft.Authorization/*/read.
    let roles_too =
        |action: &str| action.starts_with("microsoft.authorization/") && action.ends_with("/read");
    let all = |provider: &str| {
        actions
            .iter()
            .map(|action| action.to_ascii_lowercase())
            .all(|action| action.starts_with(provider) || roles_too(&action))
    };
    let read = actions.iter().all(|action| action.to_ascii_lowercase().ends_with("/read"));
    match () {
        () if read => Some("Reader"),
        () if all("microsoft.network/") => Some("Network Contributor"),
        () if all("microsoft.authorization/roleassignments/") => {
            Some("Role Based Access Control Administrator")
        }
        () => None,
    }
}

impl GrantedActions {
    /// Whether this permission alone allows `action`: another role may allow what this one excludes.
    pub(crate) fn allows(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| matches(pattern, action))
            && !self.not_actions.iter().any(|pattern| matches(pattern, action))
    }
}

impl RoleAssignment {
    /// Whether it gives `role` at `scope`, assigned there or above it.
    pub(crate) fn reaches(&self, role: &RoleDefinition, scope: &Scope) -> bool {
        let given_at = self.properties.scope.trim_end_matches('/');
        let above = given_at.is_empty()
            || given_at
                .parse::<Scope>()
                // A list at a subscription or below contains only management groups above it. A list at a management group
                // also contains groups below it, and paths do not distinguish them: only the same group counts.
                .is_ok_and(|given| {
                    given.holds(scope)
                        || (given.kind() == ScopeKind::ManagementGroup
                            && scope.kind() != ScopeKind::ManagementGroup)
                });
        above && self.gives(role)
    }

    /// Whether it assigns `role` at `scope` itself, with or without a condition.
    pub(crate) fn names(&self, role: &RoleDefinition, scope: &Scope) -> bool {
        same_path(&self.properties.scope, scope.path()) && self.is_of(role)
    }

    /// The condition that limits it, if it is not empty.
    pub(crate) fn condition(&self) -> Option<&str> {
        self.properties.condition.as_deref().filter(|condition| !condition.is_empty())
    }

    /// Whether it gives `role` at `scope` itself, without a condition.
    pub(crate) fn is_at(&self, role: &RoleDefinition, scope: &Scope) -> bool {
        same_path(&self.properties.scope, scope.path()) && self.gives(role)
    }

    /// A condition may exclude exactly what is needed, so a conditional assignment does not count.
    fn gives(&self, role: &RoleDefinition) -> bool {
        self.condition().is_none() && self.is_of(role)
    }

    /// The id of a role depends on the scope where it was read; its last segment identifies the role.
    fn is_of(&self, role: &RoleDefinition) -> bool {
        let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        last(&self.properties.role_definition_id) == last(&role.id)
    }
}

fn below(scope: &Scope, kind: &str) -> String {
    format!("{}/providers/Microsoft.Authorization/{kind}", scope.path())
}

/// Finds a role by its name, GUID or full id, as seen at `scope`. A built-in role is the same everywhere, so it is read
/// once in each tenant.
pub(crate) async fn role(arm: &Arm<'_>, scope: &Scope, role: &str) -> Result<RoleDefinition, StepError> {
    let ((azure, identity), about) = (arm.sender(), format!("role {role}"));
    if let Some(known) = azure.known::<RoleDefinition>(identity, &about) {
        return Ok(known.at(scope));
    }
    let read = async { Ok((read_role(arm, scope, role).await?, scope.clone())) };
    let found = arm.shared(about.clone(), Box::pin(read)).await?;
    match &*found {
        (found, _) if found.properties.role_type.eq_ignore_ascii_case("BuiltInRole") => {
            azure.remember(identity, &about, found.clone());
            Ok(found.clone().at(scope))
        }
        (found, found_at) if found_at == scope => Ok(found.clone()),
        // Another step has found a role with this name at another scope.
        _ => read_role(arm, scope, role).await,
    }
}

async fn read_role(arm: &Arm<'_>, scope: &Scope, role: &str) -> Result<RoleDefinition, StepError> {
    let id = role.rsplit('/').next().unwrap_or_default();
    let found = if id.parse::<Guid>().is_ok() {
        arm.get(&format!("{}/{id}", below(scope, "roleDefinitions")), API).await?
    } else {
        let filter = format!("roleName eq '{}'", literal(role));
        let all: Vec<RoleDefinition> =
            arm.list(&below(scope, "roleDefinitions"), API, &[("$filter", &filter)]).await?;
        all.into_iter().find(|found| found.properties.role_name.eq_ignore_ascii_case(role))
    };
    found.ok_or_else(|| {
        StepError::plan_wrong(format!("there is no role {role:?} at {}", scope.words()))
            .hint(format!("az role definition list --scope {} --query \"[].roleName\"", scope.path()))
    })
}

/// Path of a role assignment.
pub(crate) fn assignment_path(scope: &Scope, name: impl std::fmt::Display) -> String {
    format!("{}/{name}", below(scope, "roleAssignments"))
}

/// Role assignments of one principal that apply at `scope`. `through_groups`: including those of its groups.
pub(crate) async fn assignments(
    arm: &Arm<'_>,
    scope: &Scope,
    principal: Guid,
    through_groups: bool,
) -> Result<Vec<RoleAssignment>, StepError> {
    let filter = if through_groups {
        format!("assignedTo('{principal}')")
    } else {
        format!("principalId eq '{principal}'")
    };
    arm.list(&below(scope, "roleAssignments"), API, &[("$filter", &filter)]).await
}

/// Role assignments of `principal` and its groups at `scope`, with their ends.
pub(crate) async fn instances(
    arm: &Arm<'_>,
    scope: &Scope,
    schedule: Schedule,
    principal: &str,
) -> Result<Vec<Instance>, StepError> {
    let kind = match schedule {
        Schedule::Given => "roleAssignmentScheduleInstances",
        Schedule::Eligible => "roleEligibilityScheduleInstances",
    };
    arm.list(
        &below(scope, kind),
        SCHEDULES_API,
        &[("$filter", &format!("assignedTo('{}')", literal(principal)))],
    )
    .await
}

/// The caller's permissions at `scope`.
pub(crate) async fn permissions(arm: &Arm<'_>, scope: &Scope) -> Result<Vec<GrantedActions>, StepError> {
    arm.list(&below(scope, "permissions"), API, &[]).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const NETWORK_CONTRIBUTOR: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";

    #[test]
    fn patterns_match_as_azure_reads_them() {
        for (pattern, action, matched) in [
            ("*", "Microsoft.Network/virtualNetworks/write", true),
            ("Microsoft.Network/*", "microsoft.network/virtualnetworks/write", true),
            ("*/read", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/write", false),
            ("Microsoft.Authorization/*/read", "Microsoft.Authorization/roleAssignments/read", true),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/delete", false),
            ("Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/read", true),
            ("Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/readAll", false),
            ("a*b*b", "ab", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, action), matched, "{pattern} on {action}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_allowed() {
        let contributor: GrantedActions = serde_json::from_value(
            json!({ "actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"], "dataActions": [] }),
        )
        .unwrap();
        assert!(contributor.allows("Microsoft.Network/networkManagers/write"));
        assert!(!contributor.allows("Microsoft.Authorization/roleAssignments/write"));
    }

    fn assignment(scope: &str, condition: Option<&str>) -> RoleAssignment {
        serde_json::from_value(json!({ "id": "x", "properties": { "scope": scope, "condition": condition,
            "roleDefinitionId": format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{}",
                NETWORK_CONTRIBUTOR.to_uppercase()) } }))
        .unwrap()
    }

    #[test]
    fn a_role_reaches_what_lies_below_it() {
        let role = RoleDefinition {
            id: format!("/providers/Microsoft.Authorization/roleDefinitions/{NETWORK_CONTRIBUTOR}"),
            properties: RoleNames::default(),
        };
        let subscription: Scope = SUBSCRIPTION.parse().unwrap();
        let group: Scope = format!("{SUBSCRIPTION}/resourceGroups/rg").parse().unwrap();
        let management: Scope = "/providers/Microsoft.Management/managementGroups/mg".parse().unwrap();
        assert!(assignment(SUBSCRIPTION, None).is_at(&role, &subscription));
        assert!(assignment(SUBSCRIPTION, None).reaches(&role, &group));
        assert!(!assignment(SUBSCRIPTION, None).is_at(&role, &group));
        assert!(!assignment(group.path(), None).reaches(&role, &subscription));
        assert!(assignment(management.path(), None).reaches(&role, &subscription));
        assert!(assignment("/", None).reaches(&role, &management));
        assert!(
            !assignment("/providers/Microsoft.Management/managementGroups/other", None)
                .reaches(&role, &management)
        );
        assert!(!assignment(SUBSCRIPTION, Some("@Resource …")).reaches(&role, &subscription));
    }

    #[test]
    fn the_role_is_the_smallest_that_is_known() {
        for (actions, role) in [
            (&["Microsoft.Network/virtualNetworks/read", "Microsoft.Compute/x/read"][..], Some("Reader")),
            (&["Microsoft.Network/virtualNetworks/write"][..], Some("Network Contributor")),
            (
                &["Microsoft.Authorization/roleAssignments/write"][..],
                Some("Role Based Access Control Administrator"),
            ),
            (&["Microsoft.Network/x/write", "Microsoft.Compute/x/write"][..], None),
        ] {
            assert_eq!(role_for(actions), role);
        }
    }
}
