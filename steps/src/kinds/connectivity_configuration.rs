//! `avnm.connectivity-configuration`: a mesh or a hub-and-spoke of a network manager, found or created. It has no effect before
//! it is deployed.

mod comparison;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Act, Applied, ClaimKey, Difference, EffectClass, Ensure, HandOver, Identity, KindMeta, Marker, Misfit,
    Observed, Permission, Readiness, Step, StepCx, StepError, Task, Undone, Wait, WaitKind, WriteMeta,
};

use crate::avnm::child::{self, Child};
use crate::avnm::configuration::{AppliesTo, Capabilities, Configuration as Wire, Flag, Hub};
use crate::avnm::{API, Body, Found, Manager, Provisioning, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::hand_over;
use crate::ids::{
    ConnectivityConfigurations, Description, FoundName, NetworkGroups, NetworkManagers, ResourceId,
    ResourceName,
};
use crate::kinds::{reads_and_changes, removing, undoing};
use crate::tenancy::Tenancy;

const HUB_TYPE: &str = "Microsoft.Network/virtualNetworks";

/// `avnm.connectivity-configuration`
pub(crate) struct ConnectivityConfiguration {
    pub(crate) azure: Arc<Azure>,
}

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
    fn id(&self) -> Result<ResourceId<ConnectivityConfigurations>, StepError> {
        Ok(self.network_manager.child("connectivityConfigurations", self.name.as_str())?)
    }

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
            id: self.id()?,
            name: FoundName::from(&self.name),
            topology: found.connectivity_topology.clone(),
            hub: found.hubs.first().map(|hub| hub.resource_id.clone()).unwrap_or_default(),
            groups: found.applies_to_groups.iter().map(|group| group.network_group_id.clone()).collect(),
        };
        if undoing(cx) && !removing(cx) {
            return Ok(Observed::Present { output, marker });
        }
        let mut differences = self.differences(found);
        if removing(cx) {
            // A delete is possible in every state, but only of the configuration that the plan describes.
            return Ok(match differences.is_empty() {
                true => Observed::Present { output, marker },
                false => Observed::Differs { output, differences, marker },
            });
        }
        if let Provisioning::Underway(state) = &found.provisioning_state {
            let wait = Wait::remote(format!("connectivity configuration {} is {state}", self.name));
            return Ok(Observed::Converging { wait, marker });
        }
        if let Provisioning::Failed(state) = &found.provisioning_state {
            differences.push(Difference::new(
                "provisioning state".to_owned(),
                "Succeeded".to_owned(),
                state.clone(),
            ));
        }
        Ok(if differences.is_empty() {
            Observed::Present { output, marker }
        } else {
            Observed::Differs { output, differences, marker }
        })
    }
}

impl ConnectivityConfiguration {
    /// Waits while the hub is outside the manager's scope: Azure would accept such a configuration without any effect.
    async fn hub_in_scope(&self, cx: &StepCx<'_>, params: &Params) -> Result<Option<Wait>, StepError> {
        let Some(hub) = params.hub_elsewhere() else { return Ok(None) };
        let Some(subscription) = hub.subscription() else {
            return Err(StepError::plan_wrong(format!("{hub} does not lie in a subscription")));
        };
        let manager: Option<Found<Manager>> =
            self.azure.arm(cx, cx.identity()?).get(params.network_manager.path(), API).await?;
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
    async fn hub(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        hub: &ResourceId,
    ) -> Result<Option<Found<Network>>, StepError> {
        let own = cx.identity()?;
        let Some(auxiliary) = params.auxiliary(cx) else {
            return self.azure.arm(cx, own).get(hub.path(), API).await;
        };
        let both = [own.clone(), auxiliary.clone()];
        let cx = StepCx { identities: &both, ..*cx };
        let reader =
            Tenancy::new(&self.azure, &cx, params.network_manager.subscription())?.reader(hub).await?;
        self.azure.arm(&cx, reader).get(hub.path(), API).await
    }

    /// Waits while the hub has no gateway: Azure does not create peerings that use one, and the deployment fails.
    async fn gateway(&self, cx: &StepCx<'_>, params: &Params) -> Result<Option<Wait>, StepError> {
        let uses = params.groups.iter().any(|group| group.use_hub_gateway);
        let Some(hub) = params.hub.as_ref().filter(|_| uses) else { return Ok(None) };
        let found = self.hub(cx, params, hub).await?;
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
        Ok(Some(Wait::new(WaitKind::Person, what).who(format!("the administrator of {hub}")).action(
            "create a virtual network gateway in the hub, or set `use_hub_gateway: false` in the plan",
        )))
    }
}

impl Step for ConnectivityConfiguration {
    const META: KindMeta = KindMeta {
        auxiliary: true,
        removable: true,
        ..KindMeta::writes(
            "avnm.connectivity-configuration",
            "Create a connectivity configuration (mesh or hub-and-spoke) if it does not exist",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::from_secs(10),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

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

    fn misfits(params: &Params, _ensure: Ensure) -> Vec<Misfit> {
        params.misfits()
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        child::claims(params.id())
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if let Some(wait) = self.hub_in_scope(cx, params).await? {
            return Ok(Readiness::Waiting(wait));
        }
        Ok(self.gateway(cx, params).await?.map_or(Readiness::Ready, Readiness::Waiting))
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let found = Child::new(&self.azure, cx, params.id()?)?.read().await?;
        found.map_or(Ok(Observed::Absent), |found| params.observed(cx, &found.properties))
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let mut child = Child::new(&self.azure, cx, params.id()?)?;
        if let Some(auxiliary) = params.auxiliary(cx) {
            child = child.auxiliary(auxiliary);
        }
        child.write(params.wanted(cx)).await
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        // `force` would withdraw it from deployments that this run may not have made.
        Child::new(&self.azure, cx, found.id.clone())?.remove().await
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let id = params.id()?;
        let manager = params.network_manager.name();
        let auxiliary =
            params.auxiliary(cx).map(people::tenant).transpose()?.map(|tenant| tenant.to_string());
        let mut privilege = vec![format!(
            "Microsoft.Network/networkManagers/connectivityConfigurations/write on {}: Network Contributor",
            params.network_manager
        )];
        if let Some(hub) = &params.hub {
            let tenant = auxiliary.iter().map(|tenant| format!(", signed in to tenant {tenant} too,"));
            privilege.push(format!(
                "and{} Microsoft.Network/virtualNetworks/write on the hub {hub}: Network Contributor",
                tenant.collect::<String>()
            ));
        }
        let task = Task {
            what: format!(
                "Create the connectivity configuration {} ({}) in network manager {manager}",
                params.name,
                params.topology.as_str()
            ),
            privilege,
            by_hand: Some(format!("Azure portal: network manager {manager}, Configurations, Create")),
            ..Task::default()
        };
        let body = Body { properties: params.wanted(cx) };
        let mut said = hand_over::resource(id.path(), API, &body, task)?;
        for act in said.task.iter_mut().flat_map(|task| &mut task.acts) {
            if let Act::Create(make) = act {
                make.write.auxiliary.clone_from(&auxiliary);
            }
        }
        let outputs = BTreeMap::from([
            ("id", hand_over::text(&id)),
            ("name", hand_over::text(&params.name)),
            ("topology", hand_over::text(params.topology.as_str())),
        ]);
        Ok(HandOver { outputs, ..said })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let own = cx.identity()?;
        let kind = "Microsoft.Network/networkManagers/connectivityConfigurations";
        let mut permissions = reads_and_changes(cx, own, params.network_manager.path(), kind);
        // Azure requires this on the hub itself, of an identity of its home tenant.
        if let (Some(hub), false) = (&params.hub, removing(cx)) {
            let linked = params.auxiliary(cx).unwrap_or(own);
            permissions.extend(Permission::each(
                linked,
                hub.path(),
                &["Microsoft.Network/virtualNetworks/write"],
            ));
        }
        Ok(permissions)
    }
}
