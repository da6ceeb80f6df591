//! `avnm.member-effect`: predicts what deployed configurations will do to virtual networks that join or leave a network group. It
//! reads in both tenants; the result is for the person who approves.

mod judgement;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Check, Identities, Identity, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError,
};

use crate::avnm::configuration::Configuration;
use crate::avnm::deployment::{self, Active};
use crate::avnm::network::Network;
use crate::avnm::{API, Found, Member, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::ids::{NetworkGroups, ResourceId};
use crate::kinds::bounds::not_networks;
use crate::kinds::static_member;
use crate::tenancy::{self, Tenancy};
use judgement::{EffectReading, KnownEffects, Reaching};

/// `avnm.member-effect`
pub(crate) struct MemberEffect {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.member-effect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network group.
    group: ResourceId<NetworkGroups>,
    /// The virtual networks. Each is read as the identity of `as` in whose tenant it lies.
    #[schemars(extend("x-twinspan-type" = "resource-id(Microsoft.Network/virtualNetworks)"))]
    virtual_networks: Vec<ResourceId>,
    /// Whether they join the group (add) or leave it (remove).
    #[serde(default, skip_serializing_if = "Change::is_add")]
    change: Change,
}

/// The change to the group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(add,remove)"))]
pub(crate) enum Change {
    /// The virtual networks join.
    #[default]
    Add,
    /// The virtual networks leave.
    Remove,
}

impl Change {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_add(&self) -> bool {
        *self == Change::Add
    }
}

/// Outputs of `avnm.member-effect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Whether a deployed configuration reaches, or may reach, one of the virtual networks.
    changes_traffic: bool,
    /// The whole effect as text, for the person who approves.
    summary: String,
    /// The connectivity configurations that reach them.
    configurations: Vec<ResourceId>,
    /// The regions in which these configurations are deployed.
    regions: Vec<String>,
    /// Peerings that Azure will create.
    peerings_added: Vec<Peering>,
    /// Peerings that Azure will delete.
    peerings_removed: Vec<Peering>,
    /// Address spaces that overlap and will be connected.
    overlaps: Vec<Overlap>,
    /// How many more virtual networks have a deployed configuration afterwards; Azure charges for these.
    newly_billed: u32,
    /// How many fewer virtual networks have a deployed configuration afterwards.
    no_longer_billed: u32,
    /// Limits of the service that would be exceeded.
    limits: Vec<String>,
    /// Virtual networks that will be connected with them and that no identity of `as` can read.
    unread: Vec<String>,
}

/// A peering between two virtual networks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Peering {
    /// Id of the virtual network that joins or leaves.
    virtual_network: String,
    /// Id of the virtual network on the other end.
    remote: String,
    /// Name of the peering, where it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Two prefixes that share addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Overlap {
    /// Id of the virtual network that joins.
    virtual_network: String,
    /// Its prefix.
    prefix: String,
    /// Id of the virtual network with which it will be connected.
    other: String,
    /// Prefix of the other virtual network.
    other_prefix: String,
    /// Whether the other one is the hub: then there will be no peering. Between members, traffic is dropped.
    hub: bool,
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = not_networks(&["virtual_networks"], &self.virtual_networks);
        for misfit in &mut all {
            misfit.why.push_str("; the effect of subnets cannot be predicted: name their virtual networks");
        }
        all
    }

    fn manager(&self) -> &str {
        self.group.above(1)
    }
}

/// The reads of one check, in both tenants.
struct EffectReader<'a> {
    azure: &'a Azure,
    cx: &'a StepCx<'a>,
    params: &'a Params,
    tenancy: Tenancy<'a>,
}

impl<'a> EffectReader<'a> {
    fn arm(&self, identity: &'a Identity) -> crate::azure::Arm<'a> {
        self.azure.arm(self.cx, identity)
    }

    /// The group's members: those of `about`, or all.
    async fn members(&self, about: Option<&[ResourceId]>) -> Result<Arc<Vec<Found<Member>>>, StepError> {
        let mut arm = self.arm(self.cx.identity()?);
        if let Some(about) = about {
            arm = arm.about(about.iter().map(ResourceId::path));
        }
        arm.shared_list(&format!("{}/staticMembers", self.params.group), API).await
    }

    /// Reads a network that the plan names; it must exist.
    async fn moving(&mut self, id: &ResourceId) -> Result<EffectReading, StepError> {
        let reader = self.tenancy.reader(id).await?;
        let arm = self.arm(reader).about([id.path()]);
        let found: Option<Found<Network>> = arm.get(id.path(), API).await?;
        let found = found.ok_or_else(|| {
            StepError::plan_wrong(format!("{} cannot find {id}", people::who(reader)))
                .hint("correct the list, or create the virtual network, and retry the step")
        })?;
        Ok(EffectReading::new(id.path(), found))
    }

    /// Reads another network. `None` if no identity of this step can read it: the output lists it, and the step goes on.
    async fn beside(&mut self, id: &str) -> Result<Option<EffectReading>, StepError> {
        let Ok(id) = id.parse::<ResourceId>() else { return Ok(None) };
        let read = async {
            let reader = self.tenancy.reader(&id).await?;
            self.arm(reader).get::<Found<Network>>(id.path(), API).await
        };
        match read.await {
            Ok(found) => Ok(found.map(|found| EffectReading::new(id.path(), found))),
            Err(error) if tenancy::is_elsewhere(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The configurations in effect on a network now, of any network manager.
    async fn effective(&mut self, id: &ResourceId) -> Result<Vec<Active>, StepError> {
        let path = format!("{id}/listNetworkManagerEffectiveConnectivityConfigurations");
        let reader = self.tenancy.reader(id).await?;
        self.arm(reader).query_list(&path, API, &[]).await
    }

    /// Reads everything that matters for the moving networks: members and hubs only where a deployed configuration connects them.
    async fn known(&mut self, moving: &[&ResourceId]) -> Result<KnownEffects, StepError> {
        let (group, manager) = (self.params.group.path(), self.params.manager());
        let central = self.cx.identity()?;
        let mut networks = Vec::with_capacity(moving.len());
        for id in moving {
            networks.push(self.moving(id).await?);
        }
        let regions: Vec<String> = networks
            .iter()
            .map(|network| network.region.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        // All checks of this group in the same round share these reads.
        let configurations = format!("{manager}/connectivityConfigurations");
        let arm = self.arm(central).about([configurations.as_str(), &format!("{manager}/commit")]);
        let configured: Arc<Vec<Found<Configuration>>> = arm.shared_list(&configurations, API).await?;
        let what = |list: &str| format!("POST {manager}/{list} {}", regions.join(" "));
        let goals = deployment::goals(&arm, manager, &regions, &deployment::TYPES);
        let deployments = arm.shared(what("listDeploymentStatus"), Box::pin(goals)).await?;
        let active = deployment::active(&arm, manager, &regions);
        let active = arm.shared(what("listActiveConnectivityConfigurations"), Box::pin(active)).await?;
        let reaching = Reaching::of(group, manager, &configured, &deployments, active.to_vec());
        let mut known = KnownEffects {
            change: self.params.change,
            group: group.to_owned(),
            applying: configured
                .iter()
                .filter(|found| found.properties.applies_to(group))
                .map(|found| found.name.clone())
                .collect(),
            others: deployments
                .iter()
                .filter(|deployment| {
                    !deployment.is_connectivity() && !deployment.configuration_ids.is_empty()
                })
                .cloned()
                .collect(),
            regions,
            reaching,
            moving: networks,
            ..KnownEffects::default()
        };
        if known.reaching.is_empty() {
            return Ok(known);
        }
        let members = self.members(None).await?;
        let staying: Vec<&str> = members
            .iter()
            .map(|member| member.properties.resource_id.as_str())
            .filter(|id| !moving.iter().any(|moves| same_path(moves.path(), id)))
            .collect();
        known.members = staying.len();
        let mut beside: Vec<String> =
            known.reaching.iter().flat_map(Reaching::hubs).map(str::to_owned).collect();
        if known.reaching.iter().any(|reaching| reaching.connects_members(group)) {
            beside.extend(staying.iter().map(|id| (*id).to_owned()));
        }
        let read = |id: &str, known: &KnownEffects| {
            known.beside.iter().chain(&known.moving).any(|seen| same_path(&seen.id, id))
                || known.unread.iter().any(|unread| same_path(unread, id))
        };
        for id in beside {
            if read(&id, &known) {
                continue;
            }
            match self.beside(&id).await? {
                Some(seen) => known.beside.push(seen),
                None => known.unread.push(id),
            }
        }
        for (at, id) in moving.iter().enumerate() {
            if known.reached(at).next().is_some() {
                known.moving[at].effective = self.effective(id).await?;
            }
        }
        Ok(known)
    }
}

impl Check for MemberEffect {
    const META: KindMeta = KindMeta {
        identities: Identities::Several,
        // The predicted effect changes once the change is made.
        volatile_outputs: &[
            "changes_traffic",
            "summary",
            "configurations",
            "regions",
            "peerings_added",
            "peerings_removed",
            "overlaps",
            "newly_billed",
            "no_longer_billed",
            "limits",
            "unread",
        ],
        ..KindMeta::reads(
            "avnm.member-effect",
            "Find out what deployed configurations will do to virtual networks that join or leave a network group",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            group: default_world::group(),
            virtual_networks: vec![default_world::spoke(), default_world::hub()],
            change: Change::Add,
        }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let tenancy = Tenancy::new(&self.azure, cx, params.group.subscription())?;
        let mut look = EffectReader { azure: &self.azure, cx, params, tenancy };
        let of = |network| static_member::member_of(&params.group, network);
        let own = params.virtual_networks.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let members = look.members(Some(&own)).await?;
        let is_member = |id: &ResourceId| {
            members.iter().any(|member| same_path(&member.properties.resource_id, id.path()))
        };
        // A network that is named twice moves once.
        let mut moving: Vec<&ResourceId> = Vec::new();
        for id in &params.virtual_networks {
            if is_member(id) == (params.change == Change::Remove) && !moving.contains(&id) {
                moving.push(id);
            }
        }
        let output = if moving.is_empty() {
            let summary = words::nothing_moves(params.change, params.group.name());
            Output { summary, ..Output::default() }
        } else {
            look.known(&moving).await?.judged()
        };
        Ok(Observed::Present { output, marker: Marker::NoPlace })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let (own, manager) = (cx.identity()?, params.manager());
        let mut permissions = Permission::each(
            own,
            manager,
            &[
                "Microsoft.Network/networkManagers/networkGroups/staticMembers/read",
                "Microsoft.Network/networkManagers/connectivityConfigurations/read",
                "Microsoft.Network/networkManagers/listActiveConnectivityConfigurations/action",
                "Microsoft.Network/networkManagers/listDeploymentStatus/action",
            ],
        );
        // Effective configurations are read only where a deployed configuration reaches the network, which is not known before.
        let actions = [
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Network/virtualNetworks/listNetworkManagerEffectiveConnectivityConfigurations/action",
        ];
        for network in &params.virtual_networks {
            let reader = tenancy::presumed_reader(cx, params.group.subscription(), network)?;
            permissions.extend(Permission::each(reader, network.path(), &actions));
        }
        Ok(permissions)
    }
}
