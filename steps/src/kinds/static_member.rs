//! `avnm.static-member`: a virtual network becomes a static member of a network group.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twinspan_engine::{
    Applied, ClaimKey, Difference, EffectClass, FailureClass, Marker, Observed, Readiness, Step, StepCx,
    StepError, Undone, Wait,
};

use crate::avnm::{API, Body, Found, Manager, Member as Wire, Provisioning, same_path};
use crate::azure::Azure;
use crate::default_world;
use crate::ids::{NetworkGroups, ResourceId, ResourceName};
use crate::kinds::undoing;
use crate::people;

/// `avnm.static-member`
pub(crate) struct StaticMember {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.static-member`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network group.
    group: ResourceId<NetworkGroups>,
    /// The virtual network (or subnet, in a group of subnets). In another tenant it needs `auxiliary`.
    virtual_network: ResourceId,
}

/// Outputs of `avnm.static-member`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The member.
    id: ResourceId,
    /// Its name in the group.
    name: ResourceName,
    /// The virtual network.
    virtual_network: ResourceId,
    /// The virtual network's region; empty where Azure does not say.
    region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    resource_id: &'a str,
}

/// A name that is the same each time and differs for two networks of the same name: `vnet-app-1a2b3c4d`.
fn member_name(network: &ResourceId) -> Result<ResourceName, StepError> {
    let digest = Sha256::digest(network.key().as_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    // A network's name may hold more than a member's may; the hash tells them apart all the same.
    let clean: String = network
        .name()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' })
        .take(64 - 1 - hash.len())
        .collect();
    let clean = clean.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = if clean.is_empty() { hash } else { format!("{clean}-{hash}") };
    Ok(name.parse()?)
}

impl Params {
    fn member(&self) -> Result<ResourceId, StepError> {
        Ok(self.group.child("staticMembers", member_name(&self.virtual_network)?.as_str())?)
    }

    fn body(&self) -> Body<Wanted<'_>> {
        Body { properties: Wanted { resource_id: self.virtual_network.path() } }
    }

    /// Finds the network in the list, under whatever name; ours first, should it be there twice.
    fn observed(&self, cx: &StepCx<'_>, listed: Vec<Found<Wire>>) -> Result<Observed<Output>, StepError> {
        let ours = member_name(&self.virtual_network)?;
        let marker = Marker::NoPlace;
        let mut of_network: Vec<Found<Wire>> = listed
            .into_iter()
            .filter(|member| same_path(&member.properties.resource_id, self.virtual_network.path()))
            .collect();
        of_network.sort_by_key(|member| !member.name.eq_ignore_ascii_case(ours.as_str()));
        let Some(found) = of_network.into_iter().next() else { return Ok(Observed::Absent) };
        let name: ResourceName = found.name.parse()?;
        let output = Output {
            id: self.group.child("staticMembers", name.as_str())?,
            name,
            virtual_network: self.virtual_network.clone(),
            region: found.properties.region,
        };
        Ok(match found.properties.provisioning_state {
            _ if undoing(cx) => Observed::Present { output, marker },
            Provisioning::Succeeded => Observed::Present { output, marker },
            Provisioning::Underway(state) => {
                let wait = Wait::remote(format!(
                    "virtual network {} is listed in group {}, {state}",
                    self.virtual_network.name(),
                    self.group.name()
                ))
                .look_again(people::pace(
                    cx,
                    Duration::from_secs(5),
                    Duration::from_secs(60),
                ));
                Observed::Converging { wait, marker }
            }
            Provisioning::Failed(state) => Observed::Differs {
                output,
                differences: vec![Difference {
                    field: "provisioning state".to_owned(),
                    wanted: "Succeeded".to_owned(),
                    found: state,
                }],
                marker,
            },
        })
    }

    /// A member outside the manager's scope is accepted without any effect, so it is not sent.
    fn readiness(&self, cx: &StepCx<'_>, manager: Option<&Manager>) -> Result<Readiness, StepError> {
        let manager_name = self.group.above(1).rsplit('/').next().unwrap_or_default();
        let Some(subscription) = self.virtual_network.subscription() else {
            return Err(StepError::plan_wrong(format!(
                "{} does not lie in a subscription",
                self.virtual_network
            )));
        };
        let tenant = cx.auxiliary.map(people::tenant).transpose()?;
        let Some(manager) = manager else {
            return Err(StepError::plan_wrong(format!(
                "network manager {} does not exist",
                self.group.above(1)
            )));
        };
        if manager.network_manager_scopes.may_hold(subscription, tenant) {
            return Ok(Readiness::Ready);
        }
        let of_tenant = tenant.map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
        Ok(Readiness::Waiting(
            Wait::remote(format!(
                "subscription {subscription}{of_tenant} is not in the scope of network manager {manager_name}: its virtual \
                 network {} would be accepted without any effect",
                self.virtual_network.name()
            ))
            .who("the administrators of both tenants")
            .action("connect the subscription (or its management group) until it is listed as Connected")
            .look_again(people::pace(cx, Duration::from_secs(10), Duration::from_secs(60))),
        ))
    }
}

impl Step for StaticMember {
    const KIND: &'static str = "avnm.static-member";
    const SUMMARY: &'static str = "Add a virtual network to a network group as a static member";
    const EFFECT: EffectClass = EffectClass::PutSame;
    const SETTLE: Duration = Duration::from_secs(10);
    const AUXILIARY: bool = true;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { group: default_world::group(), virtual_network: default_world::hub() }
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        params.member().iter().map(|id| ClaimKey(id.key())).collect()
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        let manager: Option<Found<Manager>> =
            self.azure.arm(cx, cx.identity()?).get(params.group.above(1), API).await?;
        params.readiness(cx, manager.map(|found| found.properties).as_ref())
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let path = format!("{}/staticMembers", params.group.path());
        match self.azure.arm(cx, cx.identity()?).list(&path, API, &[]).await {
            Ok(listed) => params.observed(cx, listed),
            // Without the group there is no member left to take back.
            Err(error) if undoing(cx) && error.class == FailureClass::ReplicationLag => Ok(Observed::Absent),
            Err(error) => Err(error),
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let mut arm = self.azure.arm(cx, cx.identity()?);
        if let Some(auxiliary) = cx.auxiliary {
            arm = arm.auxiliary(auxiliary);
        }
        let _: Found<Wire> = arm.put(params.member()?.path(), API, &params.body()).await?;
        Ok(Applied::default())
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        self.azure.arm(cx, cx.identity()?).delete(found.id.path(), API, &[]).await?;
        Ok(Undone::Removed)
    }
}
