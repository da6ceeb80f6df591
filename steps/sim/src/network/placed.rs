//! Creates the resources that exist from the beginning, from a world's description.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::resource::{Kind, Resource};
use super::store::Deployment;
use super::{commits, configurations};
use crate::hierarchy::{Place, key};
use crate::regions;
use crate::world::World;

/// A network group of a description.
pub(crate) struct Grouped<'a> {
    pub(crate) name: &'a str,
    /// Ids of virtual networks.
    pub(crate) members: &'a [String],
}

/// A connectivity configuration of a description.
pub(crate) struct Configured<'a> {
    pub(crate) name: &'a str,
    /// As a client would send them.
    pub(crate) properties: Map<String, Value>,
    /// Regions in which it is deployed.
    pub(crate) deployed: &'a [String],
}

/// Places a virtual network. `id` is its full id; `peerings`: names and remote networks. `Err`: why it is not valid.
pub(crate) fn place_virtual_network(
    world: &mut World,
    id: &str,
    location: &str,
    prefixes: &[String],
    peerings: impl Iterator<Item = (String, String)>,
) -> Result<(), String> {
    let mut network = place(world, Kind::VirtualNetwork, id, location)?;
    network.properties.insert("addressSpace".to_owned(), json!({ "addressPrefixes": prefixes }));
    network.properties.insert("subnets".to_owned(), json!([]));
    super::prefixes::check(&network.properties, id).map_err(|refused| refused.message())?;
    let peerings: Vec<Value> =
        peerings.map(|(name, remote)| super::peerings::shown(&network.id, &name, &remote)).collect();
    if !peerings.is_empty() {
        network.properties.insert(super::peerings::OWN.to_owned(), json!(peerings));
    }
    world.network.insert(network);
    Ok(())
}

/// Places a network manager with its own scope: ids of subscriptions and management groups, which therefore have
/// registered the provider. `Err`: why it is not valid.
pub(crate) fn place_network_manager(
    world: &mut World,
    id: &str,
    location: &str,
    scopes: &[String],
) -> Result<(), String> {
    let mut manager = place(world, Kind::Manager, id, location)?;
    for scope in scopes {
        if let Place::ManagementGroup(name) = Place::of(scope) {
            world.hierarchy.register_group(&name, "Microsoft.Network");
        }
    }
    let (groups, subscriptions): (Vec<&String>, Vec<&String>) =
        scopes.iter().partition(|s| matches!(Place::of(s), Place::ManagementGroup(_)));
    let scopes = json!({ "managementGroups": groups, "subscriptions": subscriptions });
    for name in ["displayName", "description"] {
        manager.properties.insert(name.to_owned(), json!(""));
    }
    manager.properties.insert("networkManagerScopes".to_owned(), scopes);
    manager.properties.insert("networkManagerScopeAccesses".to_owned(), json!(["Connectivity"]));
    world.network.insert(manager);
    Ok(())
}

/// Places both sides of a connection of the manager with this id: they name each other, and so become Connected.
pub(crate) fn place_connection(world: &mut World, manager: &str, name: &str, tenant: &str, scope: &str) {
    let mut half = place_below(world, Kind::ScopeConnection, &format!("{manager}/scopeConnections/{name}"));
    for (field, value) in [("tenantId", tenant), ("resourceId", scope), ("description", "")] {
        half.properties.insert(field.to_owned(), json!(value));
    }
    world.network.insert(half);
    let id = format!("{scope}/providers/Microsoft.Network/networkManagerConnections/{name}");
    let mut half = place_below(world, Kind::Connection, &id);
    for (field, value) in [("networkManagerId", manager), ("description", "")] {
        half.properties.insert(field.to_owned(), json!(value));
    }
    world.network.insert(half);
}

/// Places a network group of the manager with this id, with its static members.
pub(crate) fn place_network_group(world: &mut World, manager: &str, described: &Grouped<'_>) {
    let id = format!("{manager}/networkGroups/{}", described.name);
    let mut group = place_below(world, Kind::Group, &id);
    for (name, value) in [
        ("displayName", json!("")),
        ("description", json!("")),
        ("memberType", json!("VirtualNetwork")),
        ("groupMembers", json!([])),
        ("conditionalMembership", json!("")),
    ] {
        group.properties.insert(name.to_owned(), value);
    }
    group.had_members = !described.members.is_empty();
    world.network.insert(group);
    for (number, network) in described.members.iter().enumerate() {
        let mut member = place_below(world, Kind::Member, &format!("{id}/staticMembers/ANM_{number:08x}"));
        member.properties.insert("resourceId".to_owned(), json!(network));
        world.network.insert(member);
    }
}

/// Places a connectivity configuration of the manager with this id. `Err`: why it is not valid.
pub(crate) fn place_configuration(
    world: &mut World,
    manager: &str,
    described: &Configured<'_>,
) -> Result<(), String> {
    let id = format!("{manager}/connectivityConfigurations/{}", described.name);
    let properties = configurations::normal(&described.properties).map_err(|refused| refused.message())?;
    let mut configuration = place_below(world, Kind::Configuration, &id);
    configuration.properties = properties;
    world.network.insert(configuration);
    for region in described.deployed {
        commits::place(
            world,
            Deployment {
                manager: key(manager),
                region: regions::normal(region),
                kind: "Connectivity".to_owned(),
                configurations: vec![id.clone()],
                committed: Timestamp::UNIX_EPOCH,
                fails: None,
            },
        );
    }
    Ok(())
}

/// A new tracked resource, which has a region.
fn place(world: &mut World, kind: Kind, id: &str, location: &str) -> Result<Resource, String> {
    regions::check_for_type(location, kind.name()).map_err(|refused| refused.message())?;
    let mut resource = place_below(world, kind, id);
    resource.location = regions::normal(location);
    Ok(resource)
}

/// A new resource without a region.
fn place_below(world: &mut World, kind: Kind, id: &str) -> Resource {
    let (guid, revision) = (world.draw(), world.draw());
    Resource::new(kind, id.to_owned(), guid, revision, Timestamp::UNIX_EPOCH)
}
