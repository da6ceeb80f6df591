//! What a network manager has deployed, as it is read: configurations that are active in a region, and how far the last
//! deployment of each type is.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use twinspan_engine::StepError;

use super::{API, or_default, same_path};
use crate::azure::Arm;

/// All types of configurations that can be deployed.
const TYPES: [&str; 4] = ["Connectivity", "SecurityAdmin", "SecurityUser", "Routing"];

/// Properties of a connectivity configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Connectivity {
    #[serde(deserialize_with = "or_default")]
    connectivity_topology: String,
    #[serde(deserialize_with = "or_default")]
    hubs: Vec<Hub>,
    #[serde(deserialize_with = "or_default")]
    applies_to_groups: Vec<AppliesTo>,
    #[serde(deserialize_with = "flag")]
    is_global: bool,
    /// Peerings that somebody else made give way.
    #[serde(deserialize_with = "flag")]
    pub(crate) delete_existing_peering: bool,
    #[serde(deserialize_with = "or_default")]
    connectivity_capabilities: Capabilities,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hub {
    #[serde(deserialize_with = "or_default")]
    resource_id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AppliesTo {
    #[serde(deserialize_with = "or_default")]
    network_group_id: String,
    #[serde(deserialize_with = "or_default")]
    group_connectivity: String,
    #[serde(deserialize_with = "flag")]
    use_hub_gateway: bool,
    #[serde(deserialize_with = "flag")]
    is_global: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Capabilities {
    #[serde(deserialize_with = "or_default")]
    connected_group_address_overlap: String,
}

/// A connectivity configuration that is in force in a region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Active {
    /// Id of the configuration.
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    /// The region.
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    /// As it was when it was deployed.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: Connectivity,
}

/// The last deployment of one type in one region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Deployment {
    /// The region.
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    /// `NotStarted`, `Deploying`, `Deployed`, `Failed`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) deployment_status: String,
    /// What the region is to have.
    #[serde(deserialize_with = "or_default")]
    pub(crate) configuration_ids: Vec<String>,
    /// `Connectivity`, `SecurityAdmin` …; the service's own list is not complete.
    #[serde(deserialize_with = "or_default")]
    pub(crate) deployment_type: String,
}

/// Reads `True` and `False`, which this service writes as texts.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(set) => set,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

impl Connectivity {
    fn to_group(&self, group: &str) -> Option<&AppliesTo> {
        self.applies_to_groups.iter().find(|applies| same_path(&applies.network_group_id, group))
    }

    /// Whether it reaches the members of `group`.
    pub(crate) fn applies_to(&self, group: &str) -> bool {
        self.to_group(group).is_some()
    }

    /// Hub and spoke, not mesh.
    pub(crate) fn has_hubs(&self) -> bool {
        self.connectivity_topology.eq_ignore_ascii_case("HubAndSpoke")
    }

    /// Ids of its hubs.
    pub(crate) fn hubs(&self) -> impl Iterator<Item = &str> {
        self.hubs.iter().map(|hub| hub.resource_id.as_str()).filter(|_| self.has_hubs())
    }

    /// Whether the members of `group` reach each other directly.
    pub(crate) fn connects_members(&self, group: &str) -> bool {
        !self.has_hubs()
            || self
                .to_group(group)
                .is_some_and(|applies| applies.group_connectivity.eq_ignore_ascii_case("DirectlyConnected"))
    }

    /// … also from region to region.
    pub(crate) fn across_regions(&self, group: &str) -> bool {
        self.to_group(group).is_some_and(|applies| applies.is_global) || (!self.has_hubs() && self.is_global)
    }

    /// Whether members of `group` leave through the hub's gateway.
    pub(crate) fn through_gateway(&self, group: &str) -> bool {
        self.has_hubs() && self.to_group(group).is_some_and(|applies| applies.use_hub_gateway)
    }

    /// Whether networks with overlapping addresses are kept out instead of being connected without effect.
    pub(crate) fn refuses_overlap(&self) -> bool {
        self.connectivity_capabilities.connected_group_address_overlap.eq_ignore_ascii_case("Disallowed")
    }
}

impl Deployment {
    /// Whether it is a connectivity deployment.
    pub(crate) fn is_connectivity(&self) -> bool {
        self.deployment_type.eq_ignore_ascii_case("Connectivity")
    }

    /// Whether it is still to come into force.
    pub(crate) fn is_coming(&self) -> bool {
        ["NotStarted", "Deploying"].iter().any(|state| self.deployment_status.eq_ignore_ascii_case(state))
    }
}

/// The connectivity configurations that are in force in `regions`.
pub(crate) async fn active(
    arm: &Arm<'_>,
    manager: &str,
    regions: &[String],
) -> Result<Vec<Active>, StepError> {
    let path = format!("{manager}/listActiveConnectivityConfigurations");
    arm.query_list(&path, API, &[("regions", json!(regions))]).await
}

/// The last deployments in `regions`, of every type.
pub(crate) async fn deployments(
    arm: &Arm<'_>,
    manager: &str,
    regions: &[String],
) -> Result<Vec<Deployment>, StepError> {
    let path = format!("{manager}/listDeploymentStatus");
    let asked = [("regions", json!(regions)), ("deploymentTypes", json!(TYPES))];
    arm.query_list(&path, API, &asked).await
}

/// A region as it is compared: `West Europe` is `westeurope`.
pub(crate) fn region(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "/subscriptions/s/networkGroups/g";

    fn configuration(value: Value) -> Connectivity {
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
        assert!(star.applies_to(GROUP) && star.delete_existing_peering && star.through_gateway(GROUP));
        assert!(!star.connects_members(GROUP) && !star.across_regions(GROUP));
        assert_eq!(star.hubs().collect::<Vec<_>>(), ["/hub"]);
        assert!(!star.applies_to("/subscriptions/s/networkGroups/other"));
        let mesh = configuration(json!({ "connectivityTopology": "Mesh", "isGlobal": true, "hubs": null,
            "appliesToGroups": [{ "networkGroupId": GROUP }],
            "connectivityCapabilities": { "connectedGroupAddressOverlap": "Disallowed" } }));
        assert!(mesh.connects_members(GROUP) && mesh.across_regions(GROUP) && mesh.refuses_overlap());
        assert!(!mesh.delete_existing_peering && !mesh.through_gateway(GROUP));
    }

    #[test]
    fn regions_are_compared_as_the_service_writes_them() {
        assert_eq!(region("West Europe"), "westeurope");
    }
}
