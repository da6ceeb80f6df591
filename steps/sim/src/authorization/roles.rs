//! Built-in roles and the actions that they allow.

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

/// Other built-in roles of Azure, which this world does not simulate, by GUID.
const OTHERS: [(&str, &str); 33] = [
    ("00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator"),
    ("0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8", "Azure Kubernetes Service Cluster Admin Role"),
    ("17d1049b-9a84-46fb-8f53-869881c3d3ab", "Storage Account Contributor"),
    ("21090545-7ca7-4776-b22c-e363652d74d2", "Key Vault Reader"),
    ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "Storage Blob Data Reader"),
    ("36243c78-bf99-498c-9df9-86d9f8d28608", "Resource Policy Contributor"),
    ("39bc4728-0917-49c7-9d2c-d95423bc2eb4", "Security Reader"),
    ("434105ed-43f6-45c7-a02f-909b2ba83430", "Cost Management Contributor"),
    ("43d0d8ad-25c7-4714-9337-8ba259a9fe05", "Monitoring Reader"),
    ("4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User"),
    ("4a9ae827-6dc8-4573-8ac7-8239d42aa03f", "Tag Contributor"),
    ("5d58bcaf-24a5-4b20-bdb6-eed9f69fbe4c", "Management Group Contributor"),
    ("5e467623-bb1f-42f4-a55d-6e525e11384b", "Backup Contributor"),
    ("72fafb9e-0641-4937-9268-a91bfd8191a3", "Cost Management Reader"),
    ("73c42c96-874c-492b-b04d-ab87d138a893", "Log Analytics Reader"),
    ("749f88d5-cbae-40b8-bcfc-e573ddc772fa", "Monitoring Contributor"),
    ("7b3e853f-ad5d-4fb5-a7b8-56a3581c7037", "IPAM Pool User"),
    ("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull"),
    ("8311e382-0749-4cb8-b61a-304f252e45ec", "AcrPush"),
    ("92aaf0da-9dab-42b6-94a9-d43ce8d16293", "Log Analytics Contributor"),
    ("9980e02c-c2be-4d73-94e8-173b1dc7cf3c", "Virtual Machine Contributor"),
    ("ac63b705-f282-497d-ac71-919bf39d939d", "Management Group Reader"),
    ("b12aa53e-6015-4669-85d0-8515ebb3ae7f", "Private DNS Zone Contributor"),
    ("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner"),
    ("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer"),
    ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "Storage Blob Data Contributor"),
    ("befefa01-2a29-4197-83a8-272ff33ce314", "DNS Zone Contributor"),
    ("cfd33db0-3dd1-45e3-aa9d-cdbdf3b6f24e", "Support Request Contributor"),
    ("de139f84-1756-47ae-9be6-808fbbe84772", "Website Contributor"),
    ("e40ec5ca-96e0-45a2-b4ff-59039f2c2b59", "Managed Identity Contributor"),
    ("f1a07417-d97a-45cb-824c-7a7467783830", "Managed Identity Operator"),
    ("f353d9bd-d4a6-484e-a77a-8050b599b867", "Automation Contributor"),
    ("fb1c8493-542b-48eb-b624-b4c8fea62acd", "Security Admin"),
];

/// Azure's name of a role that this world does not simulate; `wanted`: its GUID or its name.
pub(super) fn not_simulated(wanted: &str) -> Option<&'static str> {
    let is =
        |(id, name): &&(&str, &str)| id.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(wanted);
    OTHERS.iter().find(is).map(|(_, name)| *name)
}

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

/// `*` matches any text, including slashes; comparison ignores case.
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

/// Id of a role definition as shown at a scope.
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
    match (request.method.as_str(), path.rest.len()) {
        ("GET", _) => {}
        ("PUT" | "DELETE", 2) => return Err(crate::not_simulated::arm(request, "roles of one's own")),
        _ => return Err(Reply::method_not_allowed()),
    }
    // Without a scope, every signed-in caller may read the built-in roles.
    if path.place != Place::Root {
        authorize(world, caller, request, "Microsoft.Authorization/roleDefinitions/read", &path.scope)?;
    }
    if let Some(id) = path.rest.get(1) {
        return by_id(id).map(|role| Reply::ok(shown(&path.scope, role))).ok_or_else(|| {
            if let Some(name) = not_simulated(id) {
                return crate::not_simulated::arm(request, &format!("the role {name}"));
            }
            let message = format!("The specified role definition with ID '{id}' does not exist.");
            Reply::error(404, "RoleDefinitionDoesNotExist", &message)
        });
    }
    let wanted = match request.query("$filter").map(str::trim) {
        None | Some("") => None,
        Some(filter) => Some(name_in(filter).ok_or_else(|| super::assignments::bad_filter(filter))?),
    };
    if let Some(name) = wanted.as_deref().and_then(not_simulated) {
        return Err(crate::not_simulated::arm(request, &format!("the role {name}")));
    }
    let value: Vec<Value> = ROLES
        .iter()
        .filter(|role| wanted.as_deref().is_none_or(|name| role.name.eq_ignore_ascii_case(name)))
        .map(|role| shown(&path.scope, role))
        .collect();
    Ok(Reply::ok(json!({ "value": value })))
}

/// The name in `roleName eq 'name'`; empty for filters that match every built-in role.
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
