//! The steps that meet failures, and the worlds in which they act.

use serde_json::{Value, json};
use twinspan_sim::World;

use super::stage::{CENTRAL, FABRIKAM};
use super::table::{
    ADMINISTRATOR, APPLICATION, CENTRAL_SUBSCRIPTION, GUEST, MANAGEMENT_GROUP, NETWORK, SPOKE, SUBSCRIPTION,
};

/// A step and the world in which it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// `central` creates a network group.
    Group,
    /// The same, with `undo` afterwards.
    GroupUndone,
    /// The same in a subscription that has not registered Microsoft.Network.
    GroupUnregistered,
    /// `central` creates a network manager in a resource group that does not exist.
    ManagerWithoutGroup,
    /// `central` creates a network group of a network manager that does not exist.
    GroupWithoutManager,
    /// `central` adds a virtual network to a network group that does not exist.
    MemberWithoutGroup,
    /// `central` adds a virtual network of the other tenant, with the token of `target`.
    Member,
    /// The same without that token.
    MemberAlone,
    /// `target` connects its subscription.
    Connection,
    /// The same, after a step that assigns `target` its role.
    ConnectionAfterGrant,
    /// The other tenant's administrator connects a management group.
    ConnectionOfGroup,
    /// The other tenant's administrator assigns a role.
    Role,
    /// The same, to a guest who is invited by the step before.
    RoleOfGuest,
    /// The other tenant's administrator invites a guest.
    Guest,
    /// `central`, which may not invite there, invites a guest.
    GuestDenied,
    /// `target` reads its subscription.
    Scope,
    /// The same, after a step that assigns its role.
    ScopeAfterGrant,
    /// `central` reads a subscription of the other tenant.
    ScopeElsewhere,
    /// `central` reads a subscription that does not exist.
    ScopeNowhere,
    /// `target` signs in.
    SignIn,
    /// `central` deploys a mesh.
    Deployment,
    /// `central` adds a virtual network of the other tenant, after a step that assigns `target` its role there.
    MemberAfterGrant,
    /// An application signs in, after a step that creates its service principal in the other tenant.
    SignInOfNewcomer,
}

impl Scene {
    pub(crate) fn world(self) -> World {
        let registered = |tenant: &str, index: usize| {
            let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
            *world.pointer_mut(&format!("/tenants/{index}/subscriptions/0/registered")).unwrap() = json!([]);
            assert_eq!(world["tenants"][index]["id"], tenant);
            World::from_json(&world.to_string()).unwrap()
        };
        match self {
            Scene::GroupUnregistered => registered(CENTRAL, 0),
            Scene::ConnectionOfGroup
            | Scene::Guest
            | Scene::GuestDenied
            | Scene::RoleOfGuest
            | Scene::SignInOfNewcomer => World::shipped().unwrap(),
            _ => World::ready().unwrap(),
        }
    }

    /// Steps that another run carries out first.
    pub(crate) fn before(self) -> Vec<Value> {
        let manager = format!("{NETWORK}/networkManagers/nm-group");
        let group = json!({ "id": "group", "uses": "avnm.network-group", "as": "central",
            "with": { "network_manager": manager, "name": "ng-spokes" } });
        match self {
            Scene::Deployment => {
                let mesh = json!({ "id": "mesh", "uses": "avnm.connectivity-configuration", "as": "central", "with": {
                    "network_manager": manager, "name": "mesh", "topology": "mesh",
                    "groups": [{ "group": format!("{manager}/networkGroups/ng-spokes") }],
                }});
                return vec![group, mesh];
            }
            Scene::Member | Scene::MemberAlone | Scene::MemberWithoutGroup | Scene::MemberAfterGrant => {}
            _ => return Vec::new(),
        }
        vec![
            json!({ "id": "half", "uses": "avnm.scope-connection", "as": "central", "with": {
                "network_manager": manager, "name": "to-fabrikam", "tenant": FABRIKAM, "scope": SUBSCRIPTION,
            }}),
            json!({ "id": "other", "uses": "avnm.network-manager-connection", "as": "target", "with": {
                "network_manager": manager, "name": "to-central", "scope": SUBSCRIPTION,
            }}),
            group,
        ]
    }

    /// The step that meets the failure, and those before it.
    pub(crate) fn steps(self) -> Vec<Value> {
        let manager = format!("{NETWORK}/networkManagers/nm-group");
        let step = |uses: &str, identity: &str, with: Value| json!({ "id": "s", "uses": uses, "as": identity, "with": with });
        let group = json!({ "network_manager": manager, "name": "ng-new" });
        let member =
            json!({ "group": format!("{manager}/networkGroups/ng-spokes"), "virtual_network": SPOKE });
        let connection = json!({ "network_manager": manager, "name": "to-central", "scope": SUBSCRIPTION });
        let guest = json!({ "email": "nina.network@contoso.example", "send_invitation": false });
        let role = |principal: &str| json!({ "scope": SUBSCRIPTION, "role": "Network Contributor", "principal": principal, "satisfied_by": "direct" });
        let grant = json!({ "id": "grant", "uses": "azure.role-assignment", "as": "target-admin", "with": role(GUEST) });
        let needing = |what: &str, mut step: Value| {
            step["needs"] = json!([what]);
            step
        };
        match self {
            Scene::Group | Scene::GroupUndone | Scene::GroupUnregistered => {
                vec![step("avnm.network-group", "central", group)]
            }
            Scene::ManagerWithoutGroup => {
                let id = format!("{NETWORK}/networkManagers/nm-new").replace("rg-network", "rg-none");
                let create = json!({ "location": "westeurope", "scopes": [CENTRAL_SUBSCRIPTION], "scope_accesses": ["SecurityAdmin"] });
                vec![step("avnm.network-manager", "central", json!({ "id": id, "create": create }))]
            }
            Scene::GroupWithoutManager => {
                let manager = format!("{NETWORK}/networkManagers/nm-none");
                vec![step(
                    "avnm.network-group",
                    "central",
                    json!({ "network_manager": manager, "name": "ng-new" }),
                )]
            }
            Scene::MemberWithoutGroup => {
                let group = format!("{manager}/networkGroups/ng-none");
                let mut step = step(
                    "avnm.static-member",
                    "central",
                    json!({ "group": group, "virtual_network": SPOKE }),
                );
                step["auxiliary"] = json!("target");
                vec![step]
            }
            Scene::Member => {
                let mut step = step("avnm.static-member", "central", member);
                step["auxiliary"] = json!("target");
                vec![step]
            }
            Scene::MemberAfterGrant => {
                let mut step = step("avnm.static-member", "central", member);
                step["auxiliary"] = json!("target");
                vec![grant, needing("grant", step)]
            }
            Scene::Deployment => vec![step(
                "avnm.deployment",
                "central",
                json!({
                    "network_manager": manager, "type": "connectivity", "region": "westeurope",
                    "configurations": [format!("{manager}/connectivityConfigurations/mesh")],
                }),
            )],
            Scene::MemberAlone => vec![step("avnm.static-member", "central", member)],
            Scene::Connection => vec![step("avnm.network-manager-connection", "target", connection)],
            Scene::ConnectionAfterGrant => {
                vec![grant, needing("grant", step("avnm.network-manager-connection", "target", connection))]
            }
            Scene::ScopeAfterGrant => {
                vec![grant, needing("grant", step("azure.scope", "target", json!({ "scope": SUBSCRIPTION })))]
            }
            Scene::ConnectionOfGroup => {
                let with =
                    json!({ "network_manager": manager, "name": "to-central", "scope": MANAGEMENT_GROUP });
                vec![step("avnm.network-manager-connection", "target-admin", with)]
            }
            Scene::Role => vec![step("azure.role-assignment", "target-admin", role(ADMINISTRATOR))],
            Scene::RoleOfGuest => vec![
                json!({ "id": "guest", "uses": "entra.guest-user", "as": "target-admin", "with": guest }),
                step("azure.role-assignment", "target-admin", role("${{ steps.guest.object_id }}")),
            ],
            Scene::Guest => vec![step("entra.guest-user", "target-admin", guest)],
            Scene::GuestDenied => {
                vec![step("entra.guest-user", "central", json!({ "email": "new.person@fabrikam.example" }))]
            }
            Scene::Scope => vec![step("azure.scope", "target", json!({ "scope": SUBSCRIPTION }))],
            Scene::ScopeElsewhere => vec![step("azure.scope", "central", json!({ "scope": SUBSCRIPTION }))],
            Scene::ScopeNowhere => {
                let scope = "/subscriptions/dddddddd-0000-0000-0000-00000000000d";
                vec![step("azure.scope", "central", json!({ "scope": scope }))]
            }
            Scene::SignIn => vec![step("azure.sign-in", "target", json!({}))],
            Scene::SignInOfNewcomer => vec![
                json!({ "id": "principal", "uses": "entra.service-principal", "as": "target-admin", "with": { "app_id": APPLICATION } }),
                needing("principal", step("azure.sign-in", "application", json!({}))),
            ],
        }
    }

    /// The scene as text in the reference.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Scene::Group | Scene::GroupUnregistered => "avnm.network-group as central",
            Scene::GroupUndone => "undo of avnm.network-group as central",
            Scene::ManagerWithoutGroup => "avnm.network-manager as central",
            Scene::GroupWithoutManager => {
                "avnm.network-group as central, of a network manager that does not exist"
            }
            Scene::MemberWithoutGroup => {
                "avnm.static-member as central, in a network group that does not exist"
            }
            Scene::Member => "avnm.static-member as central with target's token",
            Scene::MemberAfterGrant => {
                "avnm.static-member as central with target's token, after target's role was assigned"
            }
            Scene::Deployment => "avnm.deployment as central",
            Scene::MemberAlone => "avnm.static-member as central alone",
            Scene::Connection => "avnm.network-manager-connection as target",
            Scene::ConnectionAfterGrant => {
                "avnm.network-manager-connection as target, after its role was assigned"
            }
            Scene::ScopeAfterGrant => "azure.scope as target, after its role was assigned",
            Scene::ConnectionOfGroup => {
                "avnm.network-manager-connection of a management group as target-admin"
            }
            Scene::Role | Scene::RoleOfGuest => "azure.role-assignment as target-admin",
            Scene::Guest => "entra.guest-user as target-admin",
            Scene::GuestDenied => "entra.guest-user as central",
            Scene::Scope => "azure.scope as target",
            Scene::ScopeElsewhere | Scene::ScopeNowhere => "azure.scope as central",
            Scene::SignIn => "azure.sign-in as target",
            Scene::SignInOfNewcomer => {
                "azure.sign-in as application, after its service principal was created"
            }
        }
    }
}
