//! Peerings of virtual networks: existing ones, and those of hub-and-spoke configurations.
//!
//! Peerings of a configuration are named `ANM_…` and exist at both ends while the configuration is effective. A configuration
//! that deletes existing peerings deletes them permanently: they are not restored when it is removed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::resource::{Kind, Resource};
use super::{commits, configurations, effective, handshake};
use crate::hierarchy::key;
use crate::reply::{Handled, Reply};
use crate::world::World;

/// The property in which a virtual network stores peerings that no configuration created.
pub(super) const OWN: &str = "ownPeerings";

/// A hub and a spoke that an effective configuration connects: keys of virtual networks.
struct Pair {
    hub: String,
    spoke: String,
    through_gateway: bool,
}

/// The peerings that a virtual network shows.
pub(super) fn of(world: &World, network: &Resource, at: Timestamp) -> Vec<Value> {
    let own = network.properties.get(OWN).and_then(Value::as_array).cloned().unwrap_or_default();
    let id = key(&network.id);
    let mut shown_all = own;
    for pair in pairs(world, at) {
        let (remote, at_hub) = match (pair.hub == id, pair.spoke == id) {
            (true, _) => (&pair.spoke, true),
            (_, true) => (&pair.hub, false),
            _ => continue,
        };
        let Some(remote) = world.network.get(remote) else { continue };
        let mut peering = shown(&network.id, &made_name(&pair), &remote.id);
        peering["properties"]["allowGatewayTransit"] = json!(at_hub && pair.through_gateway);
        peering["properties"]["useRemoteGateways"] = json!(!at_hub && pair.through_gateway);
        shown_all.push(peering);
    }
    shown_all
}

/// `virtualNetworkPeerings` of a virtual network. These lists are not paged. Requests cannot create or delete peerings here.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.authorize("virtualNetworks/virtualNetworkPeerings/read")?;
    let network = of_path(call)?;
    Ok(Reply::ok(json!({ "value": of(call.world, network, call.request.at) })))
}

/// `virtualNetworkPeerings/{name}` of a virtual network.
pub(super) fn read(call: &Call<'_>) -> Handled {
    call.authorize("virtualNetworks/virtualNetworkPeerings/read")?;
    let network = of_path(call)?;
    let named = |peering: &Value| peering["id"].as_str().is_some_and(|own| key(own) == key(&call.id));
    let found = of(call.world, network, call.request.at).into_iter().find(named);
    found.map(Reply::ok).ok_or_else(|| {
        let message = format!("Resource {} not found.", call.id);
        Reply::error(404, "NotFound", &message)
    })
}

/// The virtual network of the path.
fn of_path<'a>(call: &'a Call<'_>) -> Result<&'a Resource, Reply> {
    let id = call.id.split("/virtualNetworkPeerings").next().unwrap_or_default();
    call.world.network.seen(id).ok_or_else(|| call.gateway_not_found(id))
}

/// A peering of the network with this id.
pub(super) fn shown(network: &str, name: &str, remote: &str) -> Value {
    json!({
        "id": format!("{network}/virtualNetworkPeerings/{name}"),
        "name": name,
        "type": "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
        "properties": {
            "allowForwardedTraffic": true,
            "allowGatewayTransit": false,
            "allowVirtualNetworkAccess": true,
            "peeringState": "Connected",
            "provisioningState": "Succeeded",
            "remoteVirtualNetwork": { "id": remote },
            "useRemoteGateways": false,
        },
    })
}

/// The name depends only on the two ends.
fn made_name(pair: &Pair) -> String {
    let digest = Sha256::digest(format!("{}|{}", pair.hub, pair.spoke).as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02X}")).collect();
    format!("ANM_{hex}")
}

fn pairs(world: &World, at: Timestamp) -> Vec<Pair> {
    let mut found: Vec<Pair> = Vec::new();
    for (configuration, spokes) in in_effect(world, at) {
        let through = |group: &str| {
            configurations::groups_with(configuration, "useHubGateway").iter().any(|known| known == group)
        };
        for hub in configurations::hubs_of(configuration) {
            for (group, spoke) in &spokes {
                let known = found.iter().any(|pair| pair.hub == hub && pair.spoke == *spoke);
                if *spoke != hub && !known {
                    let through_gateway = through(group);
                    found.push(Pair { hub: hub.clone(), spoke: spoke.clone(), through_gateway });
                }
            }
        }
    }
    found
}

/// Effective hub-and-spoke configurations, with the members that they apply to: keys of group and network.
fn in_effect(world: &World, at: Timestamp) -> Vec<(&Resource, Vec<(String, String)>)> {
    let Some(seen) = effective::seen_at(world, at) else { return Vec::new() };
    let mut found = Vec::new();
    for manager in world.network.all(Kind::Manager) {
        for deployment in commits::active(world, &manager.id, "Connectivity", seen) {
            let configured = deployment.configurations.iter().filter_map(|id| world.network.get(id));
            for configuration in configured.filter(|c| c.text("connectivityTopology") == "HubAndSpoke") {
                let mut spokes = Vec::new();
                for group in configurations::groups_of(configuration) {
                    for network in effective::members_of(world, &group, seen) {
                        let here =
                            world.network.get(&network).is_some_and(|n| n.location == deployment.region);
                        if here && handshake::in_effect(world, manager, &network) {
                            spokes.push((group.clone(), network));
                        }
                    }
                }
                found.push((configuration, spokes));
            }
        }
    }
    found
}

/// Removes the existing peerings that effective configurations delete.
pub(super) fn settle(world: &mut World, at: Timestamp) {
    let mut cleared: BTreeSet<String> = BTreeSet::new();
    for (configuration, spokes) in in_effect(world, at) {
        if configuration.text("deleteExistingPeering") == "True" && !spokes.is_empty() {
            cleared.extend(spokes.into_iter().map(|(_, network)| network));
            cleared.extend(configurations::hubs_of(configuration));
        }
    }
    for network in cleared {
        world.network.change(&network, |network| drop(network.properties.shift_remove(OWN)));
    }
}
