//! The format of a world's description, and merging of two descriptions.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use crate::lags::Lags;

/// The content of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Description {
    /// Seed of the generated ids.
    pub(super) seed: u64,
    pub(super) lags: Lags,
    pub(super) applications: Vec<ApplicationEntry>,
    pub(super) people: Vec<PersonEntry>,
    pub(super) tenants: Vec<TenantEntry>,
    /// Regions in which commits fail, with the messages.
    pub(super) deployment_fails: IndexMap<String, String>,
    /// Labels of the ready file (`central`, `target`), each with its subscription.
    pub(super) labels: IndexMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplicationEntry {
    /// Names of its identities in plans.
    #[serde(default)]
    pub(super) identities: Vec<String>,
    pub(super) app_id: String,
    pub(super) client_secret: String,
    pub(super) display_name: String,
    pub(super) home: String,
    #[serde(default)]
    pub(super) multi_tenant: bool,
    /// PEM.
    #[serde(default)]
    pub(super) certificates: Vec<String>,
    #[serde(default)]
    pub(super) federated: Vec<FederatedEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FederatedEntry {
    pub(super) issuer: String,
    pub(super) subject: String,
    #[serde(default = "token_exchange")]
    pub(super) audience: String,
}

/// The audience that Microsoft's documentation recommends.
fn token_exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonEntry {
    pub(super) identities: Vec<String>,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) email: String,
    pub(super) home: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TenantEntry {
    pub(super) id: String,
    pub(super) display_name: String,
    pub(super) domain: String,
    pub(super) users: Vec<UserEntry>,
    pub(super) service_principals: Vec<ServicePrincipalEntry>,
    pub(super) management_groups: Vec<ManagementGroupEntry>,
    pub(super) subscriptions: Vec<SubscriptionEntry>,
    pub(super) role_assignments: Vec<RoleEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    pub(super) id: String,
    pub(super) email: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    /// None: a member.
    #[serde(default)]
    pub(super) guest: Option<GuestState>,
    /// Names of Graph permissions.
    #[serde(default)]
    pub(super) graph: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GuestState {
    Pending,
    Accepted,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServicePrincipalEntry {
    pub(super) id: String,
    pub(super) app_id: String,
    #[serde(default)]
    pub(super) graph: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagementGroupEntry {
    pub(super) name: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    /// None: below the tenant's root group.
    #[serde(default)]
    pub(super) parent: Option<String>,
    #[serde(default)]
    pub(super) registered: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SubscriptionEntry {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) state: Option<String>,
    pub(super) management_group: Option<String>,
    pub(super) registered: Vec<String>,
    pub(super) resource_groups: Vec<ResourceGroupEntry>,
    pub(super) network_managers: Vec<NetworkManagerEntry>,
    pub(super) virtual_networks: Vec<VirtualNetworkEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceGroupEntry {
    pub(super) name: String,
    pub(super) location: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkManagerEntry {
    pub(super) name: String,
    pub(super) resource_group: String,
    pub(super) location: String,
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) connections: Vec<ConnectionEntry>,
    #[serde(default)]
    pub(super) network_groups: Vec<NetworkGroupEntry>,
    #[serde(default)]
    pub(super) configurations: Vec<ConfigurationEntry>,
}

/// A cross-tenant connection: both sides, under the same name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionEntry {
    pub(super) name: String,
    pub(super) tenant: String,
    /// Id of the subscription or management group.
    pub(super) scope: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkGroupEntry {
    pub(super) name: String,
    /// Ids of virtual networks: its static members.
    #[serde(default)]
    pub(super) members: Vec<String>,
}

/// A connectivity configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigurationEntry {
    pub(super) name: String,
    /// `HubAndSpoke` or `Mesh`.
    pub(super) topology: String,
    /// Id of a virtual network.
    #[serde(default)]
    pub(super) hub: Option<String>,
    /// Names of groups of the same manager.
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) directly_connected: bool,
    #[serde(default)]
    pub(super) delete_existing_peering: bool,
    /// Regions in which it is deployed.
    #[serde(default)]
    pub(super) deployed: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VirtualNetworkEntry {
    pub(super) name: String,
    pub(super) resource_group: String,
    pub(super) location: String,
    pub(super) address_prefixes: Vec<String>,
    /// Names, with the ids of the remote virtual networks.
    #[serde(default)]
    pub(super) peerings: IndexMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleEntry {
    pub(super) scope: String,
    pub(super) role: String,
    /// Object id.
    pub(super) principal: String,
    /// When it expires.
    #[serde(default)]
    pub(super) ends: Option<Timestamp>,
    /// Whether it is eligible only, so that the principal must activate it.
    #[serde(default)]
    pub(super) eligible: bool,
}

impl Description {
    /// Merges `other` into this: resources with the same name are replaced; roles and permissions are added.
    pub(super) fn merge(&mut self, other: Description) {
        for tenant in other.tenants {
            let Some(own) = self.tenants.iter_mut().find(|t| t.id == tenant.id) else {
                self.tenants.push(tenant);
                continue;
            };
            for user in tenant.users {
                match own.users.iter_mut().find(|u| u.id == user.id) {
                    Some(known) => *known = user,
                    None => own.users.push(user),
                }
            }
            for principal in tenant.service_principals {
                match own.service_principals.iter_mut().find(|p| p.id == principal.id) {
                    Some(known) => *known = principal,
                    None => own.service_principals.push(principal),
                }
            }
            for group in tenant.management_groups {
                match own.management_groups.iter_mut().find(|g| g.name == group.name) {
                    Some(known) => *known = group,
                    None => own.management_groups.push(group),
                }
            }
            for subscription in tenant.subscriptions {
                match own.subscriptions.iter_mut().find(|s| s.id == subscription.id) {
                    Some(known) => *known = subscription,
                    None => own.subscriptions.push(subscription),
                }
            }
            own.role_assignments.extend(tenant.role_assignments);
        }
        self.applications.extend(other.applications);
        self.people.extend(other.people);
        self.labels.extend(other.labels);
        self.deployment_fails.extend(other.deployment_fails);
    }

    /// Removes all role assignments and Graph permissions.
    pub(super) fn forget_rights(&mut self) {
        for tenant in &mut self.tenants {
            tenant.role_assignments.clear();
            tenant.users.iter_mut().for_each(|u| u.graph.clear());
            tenant.service_principals.iter_mut().for_each(|p| p.graph.clear());
        }
    }
}
