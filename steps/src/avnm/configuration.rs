//! The REST types of connectivity configurations. Their flags are the texts `True` and `False`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Provisioning, or_default, same_path};

/// A flag, written as a text and read as a text or a boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0 { "True" } else { "False" })
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Flag(bool),
            Text(String),
        }
        Ok(Flag(match Written::deserialize(deserializer)? {
            Written::Flag(flag) => flag,
            Written::Text(text) => text.eq_ignore_ascii_case("true"),
        }))
    }
}

/// Properties of a connectivity configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Configuration {
    /// For people; ends with the run's marker if twinspan created it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// `HubAndSpoke` or `Mesh`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) connectivity_topology: String,
    /// The hub of a hub-and-spoke.
    #[serde(deserialize_with = "or_default")]
    pub(crate) hubs: Vec<Hub>,
    /// The network groups that it applies to.
    #[serde(deserialize_with = "or_default")]
    pub(crate) applies_to_groups: Vec<AppliesTo>,
    /// Whether a mesh connects members across regions.
    #[serde(deserialize_with = "or_default")]
    pub(crate) is_global: Flag,
    /// Whether existing peerings, which it did not create, are deleted.
    #[serde(deserialize_with = "or_default")]
    pub(crate) delete_existing_peering: Flag,
    /// Newer settings; older configurations lack them.
    pub(crate) connectivity_capabilities: Option<Capabilities>,
    /// State of the last write.
    #[serde(deserialize_with = "or_default")]
    pub(crate) provisioning_state: Provisioning,
}

/// A hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Hub {
    /// The virtual network.
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
    /// `Microsoft.Network/virtualNetworks`
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_type: String,
}

/// A network group that a configuration applies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AppliesTo {
    /// The group.
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_group_id: String,
    /// `None` or `DirectlyConnected`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) group_connectivity: String,
    /// Whether members use the hub's gateway.
    #[serde(deserialize_with = "or_default")]
    pub(crate) use_hub_gateway: Flag,
    /// Whether members in other regions are connected directly, too.
    #[serde(deserialize_with = "or_default")]
    pub(crate) is_global: Flag,
}

/// Newer settings; a request contains all three or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Capabilities {
    /// `Standard` or `HighScale`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) connected_group_private_endpoints_scale: String,
    /// `Allowed` or `Disallowed`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) connected_group_address_overlap: String,
    /// `Unenforced` or `Enforced`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) peering_enforcement: String,
}

impl Configuration {
    fn to_group(&self, group: &str) -> Option<&AppliesTo> {
        self.applies_to_groups.iter().find(|applies| same_path(&applies.network_group_id, group))
    }

    /// Ids of the network groups that it applies to.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.applies_to_groups.iter().map(|applies| applies.network_group_id.as_str())
    }

    /// Whether it applies to the members of `group`.
    pub(crate) fn applies_to(&self, group: &str) -> bool {
        self.to_group(group).is_some()
    }

    /// Whether it is hub-and-spoke rather than mesh.
    pub(crate) fn has_hubs(&self) -> bool {
        self.connectivity_topology.eq_ignore_ascii_case("HubAndSpoke")
    }

    /// Ids of its hubs.
    pub(crate) fn hubs(&self) -> impl Iterator<Item = &str> {
        self.hubs.iter().map(|hub| hub.resource_id.as_str()).filter(|_| self.has_hubs())
    }

    /// Whether members of `group` reach each other directly.
    pub(crate) fn connects_members(&self, group: &str) -> bool {
        !self.has_hubs()
            || self
                .to_group(group)
                .is_some_and(|applies| applies.group_connectivity.eq_ignore_ascii_case("DirectlyConnected"))
    }

    /// Whether they do so across regions.
    pub(crate) fn across_regions(&self, group: &str) -> bool {
        self.to_group(group).is_some_and(|applies| applies.is_global.0)
            || (!self.has_hubs() && self.is_global.0)
    }

    /// Whether members of `group` use the hub's gateway.
    pub(crate) fn through_gateway(&self, group: &str) -> bool {
        self.has_hubs() && self.to_group(group).is_some_and(|applies| applies.use_hub_gateway.0)
    }

    /// Whether virtual networks with overlapping addresses are excluded instead of being connected without
    /// effect.
    pub(crate) fn refuses_overlap(&self) -> bool {
        self.connectivity_capabilities.as_ref().is_some_and(|capabilities| {
            capabilities.connected_group_address_overlap.eq_ignore_ascii_case("Disallowed")
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/s/networkGroups/g";

    fn configuration(value: serde_json::Value) -> Configuration {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn flags_are_texts_and_groups_are_found_in_any_case() {
        let star = configuration(json!({
            "connectivityTopology": "HubAndSpoke", "deleteExistingPeering": "True", "isGlobal": "False",
            "hubs": [{ "resourceId": "/hub", "resourceType": "Microsoft.Network/virtualNetworks" }],
            "appliesToGroups": [{ "networkGroupId": GROUP.to_uppercase(), "groupConnectivity": "None",
                "useHubGateway": "true", "isGlobal": null }],
        }));
        assert!(star.applies_to(GROUP) && star.delete_existing_peering.0 && star.through_gateway(GROUP));
        assert!(!star.connects_members(GROUP) && !star.across_regions(GROUP));
        assert_eq!(star.hubs().collect::<Vec<_>>(), ["/hub"]);
        assert!(!star.applies_to("/subscriptions/s/networkGroups/other"));
        let mesh = configuration(json!({ "connectivityTopology": "Mesh", "isGlobal": true, "hubs": null,
            "appliesToGroups": [{ "networkGroupId": GROUP }],
            "connectivityCapabilities": { "connectedGroupAddressOverlap": "Disallowed" } }));
        assert!(mesh.connects_members(GROUP) && mesh.across_regions(GROUP) && mesh.refuses_overlap());
        assert!(!mesh.delete_existing_peering.0 && !mesh.through_gateway(GROUP));
    }
}
