//! Built-in roles and what they allow.

use serde_json::{Value, json};

use crate::arm::ArmPath;
use crate::authorization::authorize;
use crate::caller::Caller;
use crate::hierarchy::Place;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// A built-in role.
pub(crate) struct Role {
    /// GUID, the same in every tenant.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) actions: &'static [&'static str],
    pub(crate) not_actions: &'static [&'static str],
}

const ROLES: [Role; 6] = [
    Role {
        id: "4d97b98b-1d4f-4787-a291-c67834d212e7",
        name: "Network Contributor",
        description: "Lets you manage networks, but not access to them.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Network/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
    Role {
        id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        name: "Owner",
        description: "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        actions: &["*"],
        not_actions: &[],
    },
    Role {
        id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        name: "Contributor",
        description: "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
        ],
    },
    Role {
        id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        name: "Reader",
        description: "View all resources, but does not allow you to make any changes.",
        actions: &["*/read"],
        not_actions: &[],
    },
    Role {
        id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        name: "User Access Administrator",
        description: "Lets you manage user access to Azure resources.",
        actions: &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        not_actions: &[],
    },
    Role {
        id: "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        name: "Role Based Access Control Administrator",
        description: "Manage access to Azure resources by assigning roles using Azure RBAC.",
        actions: &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ],
        not_actions: &[],
    },
];

/// The role with this GUID.
pub(crate) fn by_id(id: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.id.eq_ignore_ascii_case(id))
}

/// The role with this display name.
pub(crate) fn by_name(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name.eq_ignore_ascii_case(name))
}

/// Whether the role with this GUID allows `action`.
pub(crate) fn allows(id: &str, action: &str) -> bool {
    by_id(id).is_some_and(|role| {
        role.actions.iter().any(|pattern| fits(pattern, action))
            && !role.not_actions.iter().any(|pattern| fits(pattern, action))
    })
}

/// `*` stands for anything, also slashes; letters in any case.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = action.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// Id of a role as it is shown at a scope.
pub(crate) fn definition_id(scope: &str, role: &str) -> String {
    match Place::of(scope) {
        Place::Subscription { subscription, .. } => {
            format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}")
        }
        _ => format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
    }
}

/// `{scope}/providers/Microsoft.Authorization/roleDefinitions[/{id}]`
pub(super) fn handle(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    // Every signed-in caller may read the built-in ones where no scope is named.
    if path.place != Place::Root {
        authorize(world, caller, request, "Microsoft.Authorization/roleDefinitions/read", &path.scope)?;
    }
    if let Some(id) = path.rest.get(1) {
        return by_id(id).map(|role| Reply::ok(shown(&path.scope, role))).ok_or_else(|| {
            let message = format!("The specified role definition with ID '{id}' does not exist.");
            Reply::error(404, "RoleDefinitionDoesNotExist", &message)
        });
    }
    let wanted = match request.query("$filter").map(str::trim) {
        None | Some("") => None,
        Some(filter) => Some(name_in(filter).ok_or_else(|| super::assignments::bad_filter(filter))?),
    };
    let value: Vec<Value> = ROLES
        .iter()
        .filter(|role| wanted.as_deref().is_none_or(|name| role.name.eq_ignore_ascii_case(name)))
        .map(|role| shown(&path.scope, role))
        .collect();
    Ok(Reply::ok(json!({ "value": value })))
}

/// The name in `roleName eq 'name'`; an empty text for filters that leave every built-in role.
fn name_in(filter: &str) -> Option<String> {
    let mut words = filter.splitn(3, ' ');
    let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
    let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    (field.eq_ignore_ascii_case("roleName") && operator.eq_ignore_ascii_case("eq"))
        .then(|| value.replace("''", "'"))
}

fn shown(scope: &str, role: &Role) -> Value {
    json!({
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": role.actions, "notActions": role.not_actions, "dataActions": [], "notDataActions": [],
            }],
        },
        "id": definition_id(scope, role.id),
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": role.id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_actions_in_any_case() {
        for (pattern, action, wanted) in [
            ("*", "Microsoft.Network/virtualNetworks/read", true),
            ("*/read", "Microsoft.Network/virtualNetworks/READ", true),
            ("*/read", "Microsoft.Network/virtualNetworks/write", false),
            ("Microsoft.Authorization/*/read", "microsoft.authorization/roleAssignments/read", true),
            ("Microsoft.Authorization/*/read", "Microsoft.Authorization/read", false),
            ("Microsoft.Network/*", "Microsoft.NetworkX/a", false),
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbx", false),
        ] {
            assert_eq!(fits(pattern, action), wanted, "{pattern} {action}");
        }
    }

    #[test]
    fn network_contributor_cannot_assign_roles_and_contributor_neither() {
        let role = |name| by_name(name).unwrap().id;
        for name in ["Network Contributor", "Contributor", "Reader"] {
            assert!(!allows(role(name), "Microsoft.Authorization/roleAssignments/write"), "{name}");
            assert!(allows(role(name), "Microsoft.Authorization/roleAssignments/read"), "{name}");
        }
        assert!(allows(role("User Access Administrator"), "Microsoft.Authorization/roleAssignments/write"));
        assert!(allows(role("Network Contributor"), "Microsoft.Network/register/action"));
    }
}
