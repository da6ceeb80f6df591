//! Microsoft.Network: network managers with their child resources, and virtual networks.

use serde_json::json;

use crate::arm::ArmPath;
use crate::caller::Caller;
use crate::hierarchy::{Place, key};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

mod bodies;
mod call;
mod commits;
mod configurations;
mod connections;
mod dialect;
mod effective;
mod empty;
mod groups;
mod handshake;
mod managers;
mod members;
mod operations;
mod peerings;
mod placed;
mod prefixes;
mod resource;
mod store;
mod subnets;
mod virtual_networks;

pub(crate) use effective::memberships;
pub(crate) use placed::{
    Configured, Grouped, place_configuration, place_connection, place_network_group, place_network_manager,
    place_virtual_network,
};
pub(crate) use store::Network;

use call::Call;
use dialect::Dialect;
use resource::{Kind, Resource};

/// Applies all effects that are due at that time.
pub(crate) fn settle(world: &mut World, at: jiff::Timestamp) {
    handshake::settle(world, at);
    peerings::settle(world, at);
}

/// Handles a request to `…/providers/Microsoft.Network/…`, other than for registration. Its scope exists and belongs to
/// the caller's tenant, and it has an API version. The handlers check permissions.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    settle(world, request.at);
    let words = path.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = spelled(&path.scope, &path.rest);
    let call = Call { world, caller, request, path, dialect: Dialect::of(request), id };
    let known =
        matches!(words.as_slice(), ["networkmanagers" | "networkmanagerconnections" | "virtualnetworks", ..]);
    if !known {
        return Err(crate::providers::no_such_type(request, path));
    }
    check_place(&call, &words)?;
    check_names(&call)?;
    route(call, &words)
}

fn route(mut call: Call<'_>, words: &[&str]) -> Handled {
    let method = call.request.method.as_str();
    let only = |wanted: &str, handled: fn(&Call<'_>) -> Handled, call: &Call<'_>| {
        if method == wanted { handled(call) } else { Err(Reply::method_not_allowed()) }
    };
    match words {
        [.., "operationresults", operation] if method == "GET" => {
            call.authorize("networkManagers/read")?;
            operations::poll(&mut call, operation)
        }
        ["networkmanagers"] => only("GET", managers::list, &call),
        ["networkmanagers", _] => managers::handle(&mut call),
        ["networkmanagers", _, "commit"] if method == "POST" => commits::commit(&mut call),
        ["networkmanagers", _, "listdeploymentstatus"] => only("POST", commits::status, &call),
        ["networkmanagers", _, "listactiveconnectivityconfigurations"] => {
            only("POST", effective::active_configurations, &call)
        }
        ["networkmanagers", _, "scopeconnections"] => {
            only("GET", |call| connections::list(call, Kind::ScopeConnection), &call)
        }
        ["networkmanagers", _, "scopeconnections", _] => {
            connections::handle(&mut call, Kind::ScopeConnection)
        }
        ["networkmanagers", _, "networkgroups"] => only("GET", groups::list, &call),
        ["networkmanagers", _, "networkgroups", _] => groups::handle(&mut call),
        ["networkmanagers", _, "networkgroups", _, "staticmembers"] => only("GET", members::list, &call),
        ["networkmanagers", _, "networkgroups", _, "staticmembers", _] => members::handle(&mut call),
        ["networkmanagers", _, "connectivityconfigurations"] => only("GET", configurations::list, &call),
        ["networkmanagers", _, "connectivityconfigurations", _] => configurations::handle(&mut call),
        ["networkmanagerconnections"] => only("GET", |call| connections::list(call, Kind::Connection), &call),
        ["networkmanagerconnections", _] => connections::handle(&mut call, Kind::Connection),
        ["virtualnetworks"] => only("GET", virtual_networks::list, &call),
        ["virtualnetworks", _] => virtual_networks::handle(&mut call),
        ["virtualnetworks", _, "subnets"] => only("GET", subnets::list, &call),
        ["virtualnetworks", _, "subnets", _] => subnets::handle(&mut call),
        ["virtualnetworks", _, "virtualnetworkpeerings"] => only("GET", peerings::list, &call),
        ["virtualnetworks", _, "virtualnetworkpeerings", _] if method == "GET" => peerings::read(&call),
        ["virtualnetworks", _, "listnetworkmanagereffectiveconnectivityconfigurations"] => {
            let network = call.id.rsplit_once('/').map_or("", |(network, _)| network).to_owned();
            if method != "POST" {
                return Err(Reply::method_not_allowed());
            }
            effective::effective_configurations(&call, &network)
        }
        ["networkmanagers", _, below @ ..] => empty::handle(&call, below)
            .unwrap_or_else(|| Err(crate::providers::no_such_type(call.request, call.path))),
        _ => Err(crate::providers::no_such_type(call.request, call.path)),
    }
}

/// The id with the provider's own spelling of its types.
fn spelled(scope: &str, rest: &[String]) -> String {
    const TYPES: [&str; 9] = [
        "networkManagers",
        "scopeConnections",
        "networkGroups",
        "staticMembers",
        "connectivityConfigurations",
        "networkManagerConnections",
        "virtualNetworks",
        "virtualNetworkPeerings",
        "subnets",
    ];
    let mut id = format!("{}/providers/Microsoft.Network", scope.trim_end_matches('/'));
    for (at, segment) in rest.iter().enumerate() {
        let known = TYPES.into_iter().find(|t| at % 2 == 0 && t.eq_ignore_ascii_case(segment));
        id.push('/');
        id.push_str(known.unwrap_or(segment));
    }
    id
}

/// Checks the scope: types belong to resource groups, connections to subscriptions and management groups; a resource group
/// must exist.
fn check_place(call: &Call<'_>, words: &[&str]) -> Result<(), Reply> {
    let unsuitable = || {
        let message = format!("The resource type is not available at scope '{}'.", call.path.scope);
        Reply::gateway_error(404, "InvalidResourceType", &message)
    };
    match (&call.path.place, words) {
        (Place::Subscription { subscription, resource_group: Some(group) }, [first, ..])
            if *first != "networkmanagerconnections" =>
        {
            let known = call.world.hierarchy.subscription(subscription);
            if known.is_some_and(|s| s.resource_groups.contains_key(group)) {
                return Ok(());
            }
            let name = call.path.scope.rsplit('/').next().unwrap_or_default();
            let message = format!("Resource group '{name}' could not be found.");
            Err(Reply::gateway_error(404, "ResourceGroupNotFound", &message))
        }
        (Place::Subscription { resource_group: None, .. }, ["networkmanagers" | "virtualnetworks"]) => Ok(()),
        (
            Place::Subscription { resource_group: None, .. } | Place::ManagementGroup(_),
            ["networkmanagerconnections", ..],
        ) => Ok(()),
        _ => Err(unsuitable()),
    }
}

/// Checks names against the documented rule for managers, which is assumed for all other types.
fn check_names(call: &Call<'_>) -> Result<(), Reply> {
    if call.request.method != http::Method::PUT {
        return Ok(());
    }
    call.path.rest.iter().skip(1).step_by(2).try_for_each(|name| check_name(name))
}

fn check_name(name: &str) -> Result<(), Reply> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let last = name.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.len() <= 80 && first && last && name.chars().all(inner) {
        return Ok(());
    }
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, and it \
         must end with a word character or with '_'."
    );
    Err(Reply::error(400, "InvalidResourceName", &message))
}

/// Top-level resources in a subscription or a resource group, as generic lists show them, each with the action that
/// reading it requires.
pub(crate) fn tracked(world: &World, scope: &str) -> Vec<(String, serde_json::Value)> {
    let kinds = [Kind::Manager, Kind::VirtualNetwork].into_iter();
    let found = kinds.flat_map(|kind| world.network.below(scope, kind));
    let shown = |r: &Resource| {
        let written = r.written.to_string();
        let item = json!({
            "id": r.id, "name": r.name, "type": r.kind.name(), "location": r.location, "tags": r.tags,
            "createdTime": written, "changedTime": written, "provisioningState": "Succeeded",
        });
        (format!("{}/read", r.kind.name()), item)
    };
    found.map(shown).collect()
}

/// Removes the contents of a deleted resource group. `id` is the resource group's.
pub(crate) fn resource_group_deleted(world: &mut World, id: &str) {
    // The time of the current request.
    let at = world.time(jiff::Timestamp::MIN);
    call::remove(world, &key(id), at, at);
}

/// The existing state, without times and generated names, so that two runs with the same requests have equal snapshots.
pub(crate) fn snapshot(world: &World) -> serde_json::Value {
    world.network.snapshot()
}

#[cfg(test)]
mod tests;
