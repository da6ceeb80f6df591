//! Compares a connectivity configuration field by field; ids ignore case, and groups may have any order.

use twinspan_engine::Difference;

use super::{Params, Switches};
use crate::avnm::configuration::{AppliesTo, Configuration as Wire};
use crate::avnm::same_path;

impl Params {
    pub(super) fn differences(&self, found: &Wire) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut differs = |field: &str, wanted: String, found: String| {
            all.push(Difference::new(field.to_owned(), wanted, found));
        };
        if !found.connectivity_topology.eq_ignore_ascii_case(self.topology.as_str()) {
            let wanted = self.topology.as_str().to_owned();
            differs("topology", wanted, found.connectivity_topology.clone());
        }
        let hubs: Vec<&str> = found.hubs.iter().map(|hub| hub.resource_id.as_str()).collect();
        let same_hub = match (&self.hub, &hubs[..]) {
            (None, []) => true,
            (Some(hub), [one]) => same_path(hub.path(), one),
            _ => false,
        };
        if !same_hub {
            let wanted = self.hub.as_ref().map_or("none", |hub| hub.path());
            differs("hub", wanted.to_owned(), or_none(&hubs.join(", ")));
        }
        let wanted: Vec<AppliesTo> =
            self.groups.iter().map(|group| group.applies_to(self.topology)).collect();
        for group in &wanted {
            let there = found
                .applies_to_groups
                .iter()
                .find(|there| same_path(&there.network_group_id, &group.network_group_id));
            match there {
                Some(there) if same_ways(there, group) => {}
                there => {
                    let found = there.map_or_else(|| "not reached".to_owned(), ways);
                    differs(&format!("group {}", last(&group.network_group_id)), ways(group), found);
                }
            }
        }
        let ours = |there: &&AppliesTo| {
            !wanted.iter().any(|group| same_path(&there.network_group_id, &group.network_group_id))
        };
        for group in found.applies_to_groups.iter().filter(ours) {
            let field = format!("group {}", last(&group.network_group_id));
            differs(&field, "not reached".to_owned(), ways(group));
        }
        if found.is_global.0 != self.global {
            differs("global", self.global.to_string(), found.is_global.0.to_string());
        }
        if found.delete_existing_peering.0 != self.delete_existing_peering {
            let found = found.delete_existing_peering.0.to_string();
            differs("delete existing peering", self.delete_existing_peering.to_string(), found);
        }
        if let Some(switches) = self.capabilities.as_ref().map(Switches::wire) {
            let there = found.connectivity_capabilities.clone().unwrap_or_default();
            let pairs = [
                (
                    "private endpoints scale",
                    switches.connected_group_private_endpoints_scale,
                    there.connected_group_private_endpoints_scale,
                ),
                (
                    "address overlap",
                    switches.connected_group_address_overlap,
                    there.connected_group_address_overlap,
                ),
                ("peering enforcement", switches.peering_enforcement, there.peering_enforcement),
            ];
            for (field, wanted, found) in pairs {
                if !wanted.eq_ignore_ascii_case(&found) {
                    // Azure does not disallow overlapping addresses again in a configuration that once allowed them.
                    let fixed = field == "address overlap" && wanted.eq_ignore_ascii_case("Disallowed");
                    let difference = Difference::new(field, wanted, or_none(&found));
                    all.push(if fixed { difference.immutable() } else { difference });
                }
            }
        }
        all
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn same_ways(one: &AppliesTo, other: &AppliesTo) -> bool {
    one.group_connectivity.eq_ignore_ascii_case(&other.group_connectivity)
        && one.use_hub_gateway == other.use_hub_gateway
        && one.is_global == other.is_global
}

/// How the configuration reaches a group, as text.
fn ways(group: &AppliesTo) -> String {
    let mut words = vec![format!("connectivity {}", group.group_connectivity)];
    if group.use_hub_gateway.0 {
        words.push("uses the hub's gateway".to_owned());
    }
    if group.is_global.0 {
        words.push("global".to_owned());
    }
    words.join(", ")
}
