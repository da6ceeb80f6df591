//! Results of configurations: active ones of a region, effective ones of a virtual network, and memberships.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::commits::{active, texts, tokened};
use super::resource::{Kind, Resource};
use super::{configurations, groups, handshake, members};
use crate::hierarchy::key;
use crate::regions::normal;
use crate::reply::Handled;
use crate::world::World;

/// `POST …/listActiveConnectivityConfigurations`.
pub(super) fn active_configurations(call: &Call<'_>) -> Handled {
    call.authorize("networkManagers/listActiveConnectivityConfigurations/action")?;
    let manager = call.manager()?.id.clone();
    let body = call.request.json()?;
    bodies::check_whole(&body, &[("regions", Type::Texts), ("skipToken", Type::Text)])?;
    let regions = texts(&body, "regions");
    let mut items = Vec::new();
    for deployment in active(call.world, &manager, "Connectivity", call.request.at) {
        if !regions.is_empty() && !regions.iter().any(|r| normal(r) == deployment.region) {
            continue;
        }
        for id in &deployment.configurations {
            let Some(configuration) = call.world.network.get(id) else { continue };
            let mut item = configuration_item(call, configuration);
            item["commitTime"] = json!(deployment.committed.to_string());
            item["region"] = json!(deployment.region);
            items.push(item);
        }
    }
    tokened(call, &body, items)
}

/// `POST …/virtualNetworks/{name}/listNetworkManagerEffectiveConnectivityConfigurations`.
pub(super) fn effective_configurations(call: &Call<'_>, network: &str) -> Handled {
    call.authorize("virtualNetworks/listNetworkManagerEffectiveConnectivityConfigurations/action")?;
    let found = call.world.network.seen(network).ok_or_else(|| call.gateway_not_found(network))?;
    let body = call.request.json()?;
    let id = key(&found.id);
    let region = normal(&found.location);
    let mut items = Vec::new();
    let Some(seen) = seen_at(call.world, call.request.at) else {
        return tokened(call, &body, items);
    };
    for manager in call.world.network.all(Kind::Manager) {
        if !handshake::in_effect(call.world, manager, &id) {
            continue;
        }
        let deployments = active(call.world, &manager.id, "Connectivity", seen);
        for deployment in deployments.iter().filter(|d| d.region == region) {
            for configuration in deployment.configurations.iter().filter_map(|c| call.world.network.get(c)) {
                let hub = configurations::hubs_of(configuration).contains(&id);
                let spoke = configurations::groups_of(configuration)
                    .iter()
                    .any(|group| members_of(call.world, group, seen).contains(&id));
                if hub || spoke {
                    items.push(configuration_item(call, configuration));
                }
            }
        }
    }
    tokened(call, &body, items)
}

/// Later changes are not visible yet.
pub(super) fn seen_at(world: &World, at: Timestamp) -> Option<Timestamp> {
    at.checked_sub(world.lags.effective).ok()
}

fn configuration_item(call: &Call<'_>, configuration: &Resource) -> Value {
    let groups: Vec<Value> = configurations::groups_of(configuration)
        .iter()
        .filter_map(|id| call.world.network.get(id))
        .map(|group| json!({ "id": group.id, "properties": groups::properties_shown(call, group) }))
        .collect();
    json!({
        "id": configuration.id,
        "properties": configurations::properties_shown(call, configuration),
        "configurationGroups": groups,
    })
}

/// Keys of the virtual networks of a group: its members with state Succeeded.
pub(super) fn members_of(world: &World, group: &str, at: Timestamp) -> Vec<String> {
    let settled = |m: &&Resource| m.gone.is_none() && members::state(world, m, at).0 == "Succeeded";
    let members = world.network.below(group, Kind::Member).filter(settled);
    members
        .map(|m| key(m.text("resourceId")).split("/subnets/").next().unwrap_or_default().to_owned())
        .collect()
}

/// A virtual network and the groups that it is effectively a member of.
pub(crate) struct Membership {
    /// Id of the network, as written.
    pub(crate) network: String,
    pub(crate) location: String,
    /// Ids of the groups, as written.
    pub(crate) groups: Vec<String>,
}

/// The memberships of all virtual networks that are visible at that time.
pub(crate) fn memberships(world: &World, at: Timestamp) -> Vec<Membership> {
    let Some(seen) = seen_at(world, at) else { return Vec::new() };
    let mut found = Vec::new();
    for network in world.network.all(Kind::VirtualNetwork) {
        let id = key(&network.id);
        let in_effect = |group: &&Resource| {
            let manager = group.id.rfind("/networkGroups/").and_then(|cut| group.id.get(..cut));
            let manager = manager.and_then(|id| world.network.get(id));
            manager.is_some_and(|m| handshake::in_effect(world, m, &id))
        };
        let groups: Vec<String> = world
            .network
            .all(Kind::Group)
            .filter(in_effect)
            .filter(|group| members_of(world, &group.id, seen).contains(&id))
            .map(|group| group.id.clone())
            .collect();
        if !groups.is_empty() {
            found.push(Membership {
                network: network.id.clone(),
                location: network.location.clone(),
                groups,
            });
        }
    }
    found
}
