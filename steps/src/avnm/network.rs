//! Virtual networks as Azure returns them: addresses and peerings.

use serde::Deserialize;

use super::or_default;

/// `Microsoft.Network/virtualNetworks`
pub(crate) const TYPE: &str = "Microsoft.Network/virtualNetworks";

/// Properties of a virtual network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Network {
    #[serde(deserialize_with = "or_default")]
    address_space: AddressSpace,
    /// All its peerings.
    #[serde(deserialize_with = "or_default")]
    pub(crate) virtual_network_peerings: Vec<Peering>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressSpace {
    #[serde(deserialize_with = "or_default")]
    address_prefixes: Vec<String>,
}

/// A peering, as the virtual network on this end lists it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Peering {
    /// Name.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    properties: PeeringProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PeeringProperties {
    #[serde(deserialize_with = "or_default")]
    remote_virtual_network: Reference,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    #[serde(deserialize_with = "or_default")]
    id: String,
}

impl Network {
    /// Its address prefixes, in CIDR notation.
    pub(crate) fn prefixes(&self) -> &[String] {
        &self.address_space.address_prefixes
    }
}

impl Peering {
    /// Id of the virtual network on the other end.
    pub(crate) fn remote(&self) -> &str {
        &self.properties.remote_virtual_network.id
    }

    /// Whether a network manager created it: Azure gives those peerings names that begin with `ANM_`.
    pub(crate) fn is_managed(&self) -> bool {
        self.name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("ANM_"))
    }
}
