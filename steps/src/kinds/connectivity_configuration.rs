//! `avnm.connectivity-configuration`: a mesh or a hub-and-spoke of a network manager, found or created. It has no effect before
//! it is deployed.

mod comparison;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Identity, KindMeta, Marker, Misfit, Observed, Permission, Readiness, StepCx, StepError, Wait, WaitKind,
};

use crate::avnm::child::{self, Child};
use crate::avnm::configuration::{AppliesTo, Capabilities, Configuration as Wire, Flag, Hub};
use crate::avnm::{API, Found, Manager, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::hand_over;
use crate::ids::{
    ConnectivityConfigurations, Description, FoundName, NetworkGroups, NetworkManagers, ResourceId,
    ResourceName,
};
use crate::kinds::named_resource::{ByHand, NamedResource, meta, needed};
use crate::kinds::{removing, undoing};
use crate::tenancy::Tenancy;

const HUB_TYPE: &str = "Microsoft.Network/virtualNetworks";

/// `avnm.connectivity-configuration`
pub(crate) struct ConnectivityConfiguration;

/// Parameters of `avnm.connectivity-configuration`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// Name of the configuration.
    name: ResourceName,
    /// How the members are connected.
    topology: Topology,
    /// The network groups that it reaches.
    groups: Vec<GroupOf>,
    /// The hub of a hub-and-spoke: a virtual network. In another tenant it needs `auxiliary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-twinspan-type" = "resource-id(Microsoft.Network/virtualNetworks)"))]
    hub: Option<ResourceId>,
    /// A mesh across regions.
    #[serde(default)]
    global: bool,
    /// Delete existing peerings between hub and members, whatever created them; undo does not restore them.
    #[serde(default)]
    delete_existing_peering: bool,
    /// Newer settings; they are not compared where the plan omits them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<Switches>,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

/// How the members are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(mesh,hub-and-spoke)"))]
pub(crate) enum Topology {
    /// Each with each.
    Mesh,
    /// Each with the hub.
    HubAndSpoke,
}

/// A network group that a configuration reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct GroupOf {
    /// The network group.
    group: ResourceId<NetworkGroups>,
    /// Whether members are also connected with each other. Default: yes in a mesh, no in a hub-and-spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connectivity: Option<GroupConnectivity>,
    /// Members use the gateway of the hub, which must exist.
    #[serde(default)]
    use_hub_gateway: bool,
    /// Members that are connected with each other are connected across regions.
    #[serde(default)]
    global: bool,
}

/// Whether members of a group are connected with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(none,directly-connected)"))]
pub(crate) enum GroupConnectivity {
    /// Not by this configuration.
    None,
    /// Directly.
    DirectlyConnected,
}

/// Newer settings of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Switches {
    /// More private endpoints in a connected group.
    #[serde(default)]
    high_scale_private_endpoints: bool,
    /// Members whose address spaces overlap are not connected.
    #[serde(default)]
    disallow_address_overlap: bool,
    /// Peerings of a hub-and-spoke cannot be changed by others.
    #[serde(default)]
    enforce_peering: bool,
}

/// Outputs of `avnm.connectivity-configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The configuration.
    id: ResourceId<ConnectivityConfigurations>,
    /// Its name.
    name: FoundName,
    /// How the members are connected: Mesh or HubAndSpoke.
    topology: String,
    /// The hub; empty for a mesh.
    hub: String,
    /// The network groups that it reaches.
    groups: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    description: String,
    connectivity_topology: &'static str,
    hubs: Vec<Hub>,
    applies_to_groups: Vec<AppliesTo>,
    is_global: Flag,
    delete_existing_peering: Flag,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectivity_capabilities: Option<Capabilities>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Network {
    subnets: Vec<Subnet>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Subnet {
    name: String,
}

impl Topology {
    fn as_str(self) -> &'static str {
        match self {
            Topology::Mesh => "Mesh",
            Topology::HubAndSpoke => "HubAndSpoke",
        }
    }
}

impl GroupOf {
    fn applies_to(&self, topology: Topology) -> AppliesTo {
        let usual = match topology {
            Topology::Mesh => GroupConnectivity::DirectlyConnected,
            Topology::HubAndSpoke => GroupConnectivity::None,
        };
        let connectivity = match self.connectivity.unwrap_or(usual) {
            GroupConnectivity::None => "None",
            GroupConnectivity::DirectlyConnected => "DirectlyConnected",
        };
        AppliesTo {
            network_group_id: self.group.path().to_owned(),
            group_connectivity: connectivity.to_owned(),
            use_hub_gateway: Flag(self.use_hub_gateway),
            is_global: Flag(self.global),
        }
    }
}

impl Switches {
    fn wire(&self) -> Capabilities {
        let word = |on: bool, yes: &str, no: &str| if on { yes.to_owned() } else { no.to_owned() };
        Capabilities {
            connected_group_private_endpoints_scale: word(
                self.high_scale_private_endpoints,
                "HighScale",
                "Standard",
            ),
            connected_group_address_overlap: word(self.disallow_address_overlap, "Disallowed", "Allowed"),
            peering_enforcement: word(self.enforce_peering, "Enforced", "Unenforced"),
        }
    }
}

impl Params {
    /// Errors that the parameters alone show.
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = Vec::new();
        let mesh = self.topology == Topology::Mesh;
        match &self.hub {
            None if !mesh => all.push(Misfit::new(&["topology", "hub"], "a hub-and-spoke needs a `hub`")),
            Some(_) if mesh => all.push(Misfit::new(&["hub", "topology"], "a mesh has no `hub`")),
            Some(hub) if !hub.is_a(HUB_TYPE) => {
                all.push(Misfit::new(&["hub"], format!("{hub} is not the id of a virtual network")));
            }
            _ => {}
        }
        if self.groups.is_empty() {
            all.push(Misfit::new(&["groups"], "it is empty: a configuration reaches at least one group"));
        }
        if mesh && self.capabilities.as_ref().is_some_and(|switches| switches.enforce_peering) {
            let why = "only peerings of a hub-and-spoke can be enforced: `enforce_peering`";
            all.push(Misfit::new(&["capabilities", "topology"], why));
        }
        let manager = self.network_manager.path();
        for (position, group) in self.groups.iter().enumerate() {
            if mesh && group.use_hub_gateway {
                let why = "a mesh has no hub whose gateway could be used: `use_hub_gateway`";
                all.push(Misfit::new(&["groups", "topology"], why).within(position));
            }
            if !same_path(group.group.above(1), manager) {
                let why = format!("group {} does not belong to network manager {manager}", group.group);
                all.push(Misfit::new(&["groups", "network_manager"], why).within(position));
            }
            if self.groups[..position].iter().any(|other| other.group == group.group) {
                let why = format!("group {} is listed twice", group.group);
                all.push(Misfit::new(&["groups"], why).within(position));
            }
        }
        all
    }

    fn wanted(&self, cx: &StepCx<'_>) -> Wanted {
        let hub =
            |id: &ResourceId| Hub { resource_id: id.path().to_owned(), resource_type: HUB_TYPE.to_owned() };
        Wanted {
            description: child::description(cx, self.description.as_ref()),
            connectivity_topology: self.topology.as_str(),
            hubs: self.hub.iter().map(hub).collect(),
            applies_to_groups: self.groups.iter().map(|group| group.applies_to(self.topology)).collect(),
            is_global: Flag(self.global),
            delete_existing_peering: Flag(self.delete_existing_peering),
            connectivity_capabilities: self.capabilities.as_ref().map(Switches::wire),
        }
    }

    /// The hub, if it may lie in another tenant than the network manager.
    fn hub_elsewhere(&self) -> Option<&ResourceId> {
        self.hub.as_ref().filter(|hub| hub.subscription() != self.network_manager.subscription())
    }

    /// The identity of the auxiliary token: only a hub in another subscription may need one.
    fn auxiliary<'c>(&self, cx: &StepCx<'c>) -> Option<&'c Identity> {
        cx.auxiliary.filter(|_| self.hub_elsewhere().is_some())
    }

    fn observed(&self, cx: &StepCx<'_>, found: &Wire) -> Result<Observed<Output>, StepError> {
        let marker = Marker::in_description(Some(&found.description));
        let output = Output {
            id: ConnectivityConfiguration::id(self)?,
            name: FoundName::from(&self.name),
            topology: found.connectivity_topology.clone(),
            hub: found.hubs.first().map(|hub| hub.resource_id.clone()).unwrap_or_default(),
            groups: found.applies_to_groups.iter().map(|group| group.network_group_id.clone()).collect(),
        };
        if undoing(cx) && !removing(cx) {
            return Ok(Observed::Present { output, marker });
        }
        // A delete is possible in every state, but only of the configuration that the plan describes.
        let words = format!("connectivity configuration {} is", self.name);
        let state = &found.provisioning_state;
        Ok(state.judged(undoing(cx), &words, output, self.differences(found), marker))
    }
}

/// Waits while the hub is outside the manager's scope: Azure would accept such a configuration without any effect.
async fn hub_in_scope(azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Option<Wait>, StepError> {
    let Some(hub) = params.hub_elsewhere() else { return Ok(None) };
    let Some(subscription) = hub.subscription() else {
        return Err(StepError::plan_wrong(format!("{hub} does not lie in a subscription")));
    };
    let manager: Option<Found<Manager>> =
        azure.arm(cx, cx.identity()?).get(params.network_manager.path(), API).await?;
    let Some(manager) = manager else {
        return Err(StepError::plan_wrong(format!(
            "network manager {} does not exist",
            params.network_manager
        )));
    };
    let scopes = manager.properties.network_manager_scopes;
    // The tenant of the subscription is not known here: the auxiliary identity is a hint, not a proof.
    let tenant = cx.auxiliary.map(people::tenant).transpose()?;
    if scopes.may_hold(subscription, tenant) || scopes.may_hold(subscription, None) {
        return Ok(None);
    }
    Ok(Some(
        Wait::remote(format!(
            "subscription {subscription} of hub {} is not in the scope of network manager {}: a configuration with it \
             would be accepted without any effect",
            hub.name(),
            params.network_manager.name()
        ))
        .who("the administrators of both tenants")
        .action("connect the subscription (or its management group) until it is listed as Connected"),
    ))
}

/// Reads the hub as the identity whose home tenant it is in. That an auxiliary identity is declared proves nothing: another
/// subscription can also be one of the network manager's own tenant.
async fn read_hub(
    azure: &Azure,
    cx: &StepCx<'_>,
    params: &Params,
    hub: &ResourceId,
) -> Result<Option<Found<Network>>, StepError> {
    let own = cx.identity()?;
    let Some(auxiliary) = params.auxiliary(cx) else {
        return azure.arm(cx, own).get(hub.path(), API).await;
    };
    let both = [own.clone(), auxiliary.clone()];
    let cx = StepCx { identities: &both, ..*cx };
    let reader = Tenancy::new(azure, &cx, params.network_manager.subscription())?.reader(hub).await?;
    azure.arm(&cx, reader).get(hub.path(), API).await
}

/// Waits while the hub has no gateway: Azure does not create peerings that use one, and the deployment fails.
async fn gateway(azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Option<Wait>, StepError> {
    let uses = params.groups.iter().any(|group| group.use_hub_gateway);
    let Some(hub) = params.hub.as_ref().filter(|_| uses) else { return Ok(None) };
    let found = read_hub(azure, cx, params, hub).await?;
    let Some(found) = found else {
        return Err(StepError::plan_wrong(format!("hub {hub} does not exist")));
    };
    let named = |subnet: &Subnet| subnet.name.eq_ignore_ascii_case("GatewaySubnet");
    if found.properties.subnets.iter().any(named) {
        return Ok(None);
    }
    let what = format!(
        "hub {} has no GatewaySubnet, so there is no gateway that members could use: the deployment would fail",
        hub.name()
    );
    Ok(Some(
        Wait::new(WaitKind::Person, what).who(format!("the administrator of {hub}")).action(
            "create a virtual network gateway in the hub, or set `use_hub_gateway: false` in the plan",
        ),
    ))
}

impl NamedResource for ConnectivityConfiguration {
    const META: KindMeta = KindMeta {
        auxiliary: true,
        ..meta(
            "avnm.connectivity-configuration",
            "Create a connectivity configuration (mesh or hub-and-spoke) if it does not exist",
        )
    };

    type Params = Params;
    type Output = Output;
    type Id = ConnectivityConfigurations;

    fn example() -> Params {
        Params {
            network_manager: default_world::manager(),
            name: ResourceName::known(default_world::CONFIGURATION),
            topology: Topology::HubAndSpoke,
            groups: vec![GroupOf {
                group: default_world::group(),
                connectivity: None,
                use_hub_gateway: false,
                global: false,
            }],
            hub: Some(default_world::hub()),
            global: false,
            delete_existing_peering: false,
            capabilities: None,
            description: None,
        }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    fn id(params: &Params) -> Result<ResourceId<ConnectivityConfigurations>, StepError> {
        Ok(params.network_manager.child("connectivityConfigurations", params.name.as_str())?)
    }

    fn found(output: &Output) -> &ResourceId<ConnectivityConfigurations> {
        &output.id
    }

    fn properties(cx: &StepCx<'_>, params: &Params) -> impl Serialize {
        params.wanted(cx)
    }

    fn auxiliary<'c>(cx: &StepCx<'c>, params: &Params) -> Option<&'c Identity> {
        params.auxiliary(cx)
    }

    async fn precondition(azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if let Some(wait) = hub_in_scope(azure, cx, params).await? {
            return Ok(Readiness::Waiting(wait));
        }
        Ok(gateway(azure, cx, params).await?.map_or(Readiness::Ready, Readiness::Waiting))
    }

    async fn observe(
        own: &Child<'_, ConnectivityConfigurations>,
        cx: &StepCx<'_>,
        params: &Params,
    ) -> Result<Observed<Output>, StepError> {
        let found = own.read().await?;
        found.map_or(Ok(Observed::Absent), |found| params.observed(cx, &found.properties))
    }

    fn by_hand(cx: &StepCx<'_>, params: &Params) -> Result<ByHand, StepError> {
        let (topology, manager) = (params.topology.as_str(), params.network_manager.name());
        let tenant = params.auxiliary(cx).map(people::tenant).transpose()?;
        let tenant = tenant.map(|tenant| format!(", signed in to tenant {tenant} too,")).unwrap_or_default();
        let privilege = params.hub.iter().map(|hub| {
            format!(
                "and{tenant} Microsoft.Network/virtualNetworks/write on the hub {hub}: Network Contributor"
            )
        });
        Ok(ByHand {
            what: format!(
                "Create the connectivity configuration {} ({topology}) in network manager {manager}",
                params.name
            ),
            portal: format!("Azure portal: network manager {manager}, Configurations, Create"),
            privilege: privilege.collect(),
            outputs: vec![("topology", hand_over::text(topology))],
            ..ByHand::default()
        })
    }

    fn permissions(cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let mut permissions = needed::<Self>(cx, params)?;
        // Azure requires this on the hub itself, of an identity of its home tenant.
        if let (Some(hub), false) = (&params.hub, removing(cx)) {
            let linked = params.auxiliary(cx).map_or_else(|| cx.identity(), Ok)?;
            permissions.extend(Permission::each(
                linked,
                hub.path(),
                &["Microsoft.Network/virtualNetworks/write"],
            ));
        }
        Ok(permissions)
    }
}
