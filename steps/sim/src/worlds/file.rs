//! Builds a world from a description.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::authorization::{Assignment, role_by_name};
use crate::directory::{Application, ExternalState, Federated, Person, ServicePrincipal, Tenant, User};
use crate::entra::certificates;
use crate::hierarchy::{ManagementGroup, Place, Registration, ResourceGroup, Subscription};
use crate::network::{self, Configured, Grouped};
use crate::world::World;
use crate::worlds::Label;
use crate::worlds::description::{
    ConfigurationEntry, Description, FederatedEntry, GuestState, RoleEntry, SubscriptionEntry, TenantEntry,
};

/// Why a description is not valid.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Not JSON, or not of this format; states line and column.
    #[error("the description of the world cannot be read")]
    Json(#[from] serde_json::Error),
    /// A reference to something that the description lacks.
    #[error("{place}: there is no {what} '{name}' in this world")]
    Unknown {
        /// The place in the description.
        place: String,
        /// Kind of the missing entry.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Two entries have the same name.
    #[error("{what} '{name}' is defined twice")]
    Twice {
        /// Kind of the entries.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A value that the service would refuse.
    #[error("{place}: {why}")]
    Refused {
        /// The place in the description.
        place: String,
        /// The service's message.
        why: String,
    },
    /// An id that cannot be parsed.
    #[error("{place}: '{value}' is not {wanted}")]
    Malformed {
        /// The place in the description.
        place: String,
        /// The value as written.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

fn federated(entry: &FederatedEntry) -> Federated {
    Federated {
        issuer: entry.issuer.clone(),
        subject: entry.subject.clone(),
        audience: entry.audience.clone(),
    }
}

pub(super) fn read(text: &str) -> Result<Description, WorldError> {
    Ok(serde_json::from_str(text)?)
}

/// The creation time of the initial resources.
const ALWAYS: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn build(description: &Description) -> Result<World, WorldError> {
    let mut world = World::empty(description.seed);
    world.lags = description.lags.clone();
    for (region, message) in &description.deployment_fails {
        world.fail_deployments(region, Some(message));
    }
    for entry in &description.tenants {
        place_tenant(&mut world, entry)?;
    }
    for entry in &description.applications {
        let place = format!("application {}", entry.app_id);
        known_tenant(&world, &place, &entry.home)?;
        let certificates = entry.certificates.iter().map(|pem| {
            certificates::read(pem).ok_or_else(|| WorldError::Malformed {
                place: place.clone(),
                value: pem.lines().next().unwrap_or_default().to_owned(),
                wanted: "the beginning of a certificate in PEM form",
            })
        });
        world.directory.applications.push(Application {
            identities: entry.identities.clone(),
            app_id: guid("application", &entry.app_id)?,
            client_secret: entry.client_secret.clone(),
            display_name: entry.display_name.clone(),
            home: entry.home.to_ascii_lowercase(),
            multi_tenant: entry.multi_tenant,
            certificates: certificates.collect::<Result<_, _>>()?,
            federated: entry.federated.iter().map(federated).collect(),
        });
    }
    for entry in &description.people {
        known_tenant(&world, &format!("person {}", entry.email), &entry.home)?;
        world.directory.people.push(Person {
            identities: entry.identities.clone(),
            client_id: guid("client id", &entry.client_id)?,
            client_secret: entry.client_secret.clone(),
            mail: entry.email.clone(),
            home: entry.home.to_ascii_lowercase(),
        });
    }
    name_applications(&mut world);
    for tenant in &description.tenants {
        for subscription in &tenant.subscriptions {
            place_network(&mut world, subscription)?;
        }
    }
    for tenant in &description.tenants {
        for entry in &tenant.role_assignments {
            place_role(&mut world, &tenant.id, entry)?;
        }
    }
    for (name, subscription) in &description.labels {
        let label = label(description, subscription).ok_or_else(|| WorldError::Unknown {
            place: format!("labels.{name}"),
            what: "subscription",
            name: subscription.clone(),
        })?;
        world.labels.insert(name.clone(), label);
    }
    Ok(world)
}

fn guid(what: &'static str, text: &str) -> Result<String, WorldError> {
    match Uuid::parse_str(text) {
        Ok(_) => Ok(text.to_ascii_lowercase()),
        Err(_) => {
            Err(WorldError::Malformed { place: what.to_owned(), value: text.to_owned(), wanted: "a GUID" })
        }
    }
}

fn known_tenant(world: &World, place: &str, id: &str) -> Result<(), WorldError> {
    match world.directory.tenants.get(&id.to_ascii_lowercase()) {
        Some(_) => Ok(()),
        None => Err(WorldError::Unknown { place: place.to_owned(), what: "tenant", name: id.to_owned() }),
    }
}

fn place_tenant(world: &mut World, entry: &TenantEntry) -> Result<(), WorldError> {
    let id = guid("tenant", &entry.id)?;
    let mut tenant = Tenant {
        id: id.clone(),
        display_name: entry.display_name.clone(),
        domain: entry.domain.clone(),
        users: IndexMap::new(),
        service_principals: IndexMap::new(),
    };
    for user in &entry.users {
        let oid = guid("user", &user.id)?;
        let external = user.guest.map(|state| match state {
            GuestState::Pending => ExternalState::PendingAcceptance,
            GuestState::Accepted => ExternalState::Accepted,
        });
        let principal_name = match external {
            Some(_) => format!("{}#EXT#@{}", user.email.replace('@', "_"), entry.domain),
            None => user.email.clone(),
        };
        let known = User {
            id: oid.clone(),
            display_name: user.display_name.clone().unwrap_or_else(|| user.email.clone()),
            mail: user.email.clone(),
            principal_name,
            external,
            external_changed: external.map(|_| ALWAYS),
            created: ALWAYS,
            graph: user.graph.clone(),
        };
        tenant.users.insert(oid, known);
    }
    for principal in &entry.service_principals {
        let oid = guid("service principal", &principal.id)?;
        let known = ServicePrincipal {
            id: oid.clone(),
            app_id: guid("application", &principal.app_id)?,
            display_name: principal.app_id.clone(),
            created: ALWAYS,
            graph: principal.graph.clone(),
        };
        tenant.service_principals.insert(oid, known);
    }
    if world.directory.tenants.insert(id.clone(), tenant).is_some() {
        return Err(WorldError::Twice { what: "tenant", name: id });
    }
    place_management_groups(world, entry, &id)?;
    for subscription in &entry.subscriptions {
        place_subscription(world, subscription, &id)?;
    }
    Ok(())
}

fn registrations(names: &[String]) -> IndexMap<String, Registration> {
    names
        .iter()
        .map(|name| (name.to_ascii_lowercase(), Registration { done: ALWAYS, leaving: false }))
        .collect()
}

/// Every tenant has a root group with the tenant's name, above all others.
fn place_management_groups(world: &mut World, entry: &TenantEntry, tenant: &str) -> Result<(), WorldError> {
    let root = ManagementGroup {
        name: tenant.to_owned(),
        display_name: "Tenant Root Group".to_owned(),
        tenant: tenant.to_owned(),
        parent: None,
        registrations: IndexMap::new(),
    };
    world.hierarchy.management_groups.insert(tenant.to_owned(), root);
    for group in &entry.management_groups {
        let parent = group.parent.as_deref().unwrap_or(tenant).to_ascii_lowercase();
        if world.hierarchy.management_group(&parent).is_none_or(|p| p.tenant != tenant) {
            let place = format!("management group {}", group.name);
            return Err(WorldError::Unknown { place, what: "management group", name: parent });
        }
        let known = ManagementGroup {
            name: group.name.clone(),
            display_name: group.display_name.clone().unwrap_or_else(|| group.name.clone()),
            tenant: tenant.to_owned(),
            parent: Some(parent),
            registrations: registrations(&group.registered),
        };
        if world.hierarchy.management_groups.insert(group.name.to_ascii_lowercase(), known).is_some() {
            return Err(WorldError::Twice { what: "management group", name: group.name.clone() });
        }
    }
    Ok(())
}

fn place_subscription(world: &mut World, entry: &SubscriptionEntry, tenant: &str) -> Result<(), WorldError> {
    let id = guid("subscription", &entry.id)?;
    let group = entry.management_group.as_deref().unwrap_or(tenant).to_ascii_lowercase();
    if world.hierarchy.management_group(&group).is_none_or(|g| g.tenant != tenant) {
        let place = format!("subscription {id}");
        return Err(WorldError::Unknown { place, what: "management group", name: group });
    }
    let mut resource_groups = IndexMap::new();
    let mut add = |name: &str, location: &str| {
        resource_groups.entry(name.to_ascii_lowercase()).or_insert_with(|| ResourceGroup {
            name: name.to_owned(),
            location: location.to_owned(),
            tags: serde_json::json!({}),
        });
    };
    for group in &entry.resource_groups {
        crate::regions::check_for_group(&group.location).map_err(|refused| WorldError::Refused {
            place: format!("resource group {}", group.name),
            why: refused.message(),
        })?;
    }
    entry.resource_groups.iter().for_each(|g| add(&g.name, &g.location));
    entry.network_managers.iter().for_each(|m| add(&m.resource_group, &m.location));
    entry.virtual_networks.iter().for_each(|v| add(&v.resource_group, &v.location));
    let known = Subscription {
        id: id.clone(),
        display_name: entry.display_name.clone().unwrap_or_else(|| id.clone()),
        tenant: tenant.to_owned(),
        state: entry.state.clone().unwrap_or_else(|| "Enabled".to_owned()),
        management_group: Some(group),
        registrations: registrations(&entry.registered),
        resource_groups,
    };
    if world.hierarchy.subscriptions.insert(id.clone(), known).is_some() {
        return Err(WorldError::Twice { what: "subscription", name: id });
    }
    Ok(())
}

/// Full id of a resource of Microsoft.Network.
fn network_id(subscription: &str, resource_group: &str, kind: &str, name: &str) -> String {
    format!(
        "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.Network/{kind}/{name}"
    )
}

fn place_network(world: &mut World, entry: &SubscriptionEntry) -> Result<(), WorldError> {
    let id = entry.id.to_ascii_lowercase();
    for vnet in &entry.virtual_networks {
        let vnet_id = network_id(&id, &vnet.resource_group, "virtualNetworks", &vnet.name);
        let peerings = vnet.peerings.clone().into_iter();
        network::place_virtual_network(world, &vnet_id, &vnet.location, &vnet.address_prefixes, peerings)
            .map_err(|why| WorldError::Refused { place: format!("virtual network {}", vnet.name), why })?;
    }
    for manager in &entry.network_managers {
        let manager_id = network_id(&id, &manager.resource_group, "networkManagers", &manager.name);
        network::place_network_manager(world, &manager_id, &manager.location, &manager.scopes)
            .map_err(|why| WorldError::Refused { place: format!("network manager {}", manager.name), why })?;
        for connection in &manager.connections {
            network::place_connection(
                world,
                &manager_id,
                &connection.name,
                &connection.tenant,
                &connection.scope,
            );
        }
        for group in &manager.network_groups {
            let described = Grouped { name: &group.name, members: &group.members };
            network::place_network_group(world, &manager_id, &described);
        }
        for configuration in &manager.configurations {
            let place = format!("configuration {} of {}", configuration.name, manager.name);
            let known = |name: &&String| manager.network_groups.iter().any(|group| group.name == **name);
            if let Some(name) = configuration.groups.iter().find(|name| !known(name)) {
                return Err(WorldError::Unknown { place, what: "network group", name: name.clone() });
            }
            let described = Configured {
                name: &configuration.name,
                properties: properties_of(configuration, &manager_id),
                deployed: &configuration.deployed,
            };
            network::place_configuration(world, &manager_id, &described)
                .map_err(|why| WorldError::Refused { place, why })?;
        }
    }
    Ok(())
}

/// The properties as a client would send them.
fn properties_of(entry: &ConfigurationEntry, manager: &str) -> Map<String, Value> {
    let connectivity =
        if entry.directly_connected || entry.hub.is_none() { "DirectlyConnected" } else { "None" };
    let groups = entry.groups.iter().map(|name| {
        json!({ "networkGroupId": format!("{manager}/networkGroups/{name}"), "groupConnectivity": connectivity })
    });
    let hubs = entry.hub.iter();
    let hubs =
        hubs.map(|id| json!({ "resourceId": id, "resourceType": "Microsoft.Network/virtualNetworks" }));
    Map::from_iter([
        ("connectivityTopology".to_owned(), json!(entry.topology)),
        ("appliesToGroups".to_owned(), groups.collect()),
        ("hubs".to_owned(), hubs.collect()),
        (
            "deleteExistingPeering".to_owned(),
            json!(if entry.delete_existing_peering { "True" } else { "False" }),
        ),
    ])
}

/// Names service principals after their applications.
fn name_applications(world: &mut World) {
    let names: Vec<(String, String)> =
        world.directory.applications.iter().map(|a| (a.app_id.clone(), a.display_name.clone())).collect();
    for tenant in world.directory.tenants.values_mut() {
        for principal in tenant.service_principals.values_mut() {
            if let Some((_, name)) = names.iter().find(|(app_id, _)| *app_id == principal.app_id) {
                principal.display_name.clone_from(name);
            }
        }
    }
}

fn place_role(world: &mut World, tenant: &str, entry: &RoleEntry) -> Result<(), WorldError> {
    let tenant = tenant.to_ascii_lowercase();
    let place = format!("role assignment on {}", entry.scope);
    let unknown =
        |what, name: &str| WorldError::Unknown { place: place.clone(), what, name: name.to_owned() };
    let role = role_by_name(&entry.role).ok_or_else(|| unknown("role", &entry.role))?;
    let in_tenant = world.hierarchy.tenant_of(&entry.scope) == Some(tenant.as_str());
    if !in_tenant || Place::of(&entry.scope) == Place::Elsewhere {
        return Err(unknown("scope", &entry.scope));
    }
    let principal = entry.principal.to_ascii_lowercase();
    let known = world.directory.tenant(&tenant);
    let is_user = known.is_some_and(|t| t.users.contains_key(&principal));
    if known.and_then(|t| t.principal_created(&principal)).is_none() {
        return Err(unknown("user or service principal", &entry.principal));
    }
    let name =
        world.named(&format!("{}|{principal}|{}", entry.scope.to_ascii_lowercase(), role.id)).to_string();
    let assignment = Assignment {
        name,
        scope: entry.scope.clone(),
        principal,
        principal_type: if is_user { "User" } else { "ServicePrincipal" }.to_owned(),
        role: role.id.to_owned(),
        description: None,
        created: ALWAYS,
        updated: ALWAYS,
        created_by: tenant.clone(),
        tenant,
        effective: Some(ALWAYS),
        ends: entry.ends,
    };
    let grants = &mut world.grants;
    let list = if entry.eligible { &mut grants.eligible } else { &mut grants.assignments };
    list.push(assignment);
    Ok(())
}

fn label(description: &Description, subscription: &str) -> Option<Label> {
    description.tenants.iter().find_map(|tenant| {
        let found = tenant.subscriptions.iter().find(|s| s.id.eq_ignore_ascii_case(subscription))?;
        let manager = found.network_managers.first();
        let id = found.id.to_ascii_lowercase();
        let group = manager
            .map(|m| &m.resource_group)
            .or_else(|| found.virtual_networks.first().map(|v| &v.resource_group))
            .or_else(|| found.resource_groups.first().map(|g| &g.name));
        Some(Label {
            tenant: tenant.id.to_ascii_lowercase(),
            resource_group: group.cloned(),
            network_manager: manager.map(|m| m.name.clone()),
            virtual_networks: found
                .virtual_networks
                .iter()
                .map(|v| network_id(&id, &v.resource_group, "virtualNetworks", &v.name))
                .collect(),
            subscription: id,
        })
    })
}
