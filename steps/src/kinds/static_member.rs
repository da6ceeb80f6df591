//! `avnm.static-member`: adds a virtual network to a network group as a static member.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twinspan_engine::{
    Act, FailureClass, Find, Fits, Identity, KindMeta, Marker, Misfit, Observed, Permission, Phase,
    Readiness, StepCx, StepError, Wait,
};

use crate::avnm::child::Child;
use crate::avnm::{API, Found, Manager, Member as Wire, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::hand_over;
use crate::ids::{AnyResource, ConnectionScope, FoundName, NetworkGroups, ResourceId, ResourceName};
use crate::kinds::bounds::not_members;
use crate::kinds::named_resource::{ByHand, NamedResource, meta};
use crate::kinds::{reads_and_changes, removing, undoing};

/// `avnm.static-member`
pub(crate) struct StaticMember;

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
    name: FoundName,
    /// The virtual network.
    virtual_network: ResourceId,
    /// The virtual network's region; empty where Azure does not return one.
    region: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    resource_id: &'a str,
}

/// The name of the member: always the same for a network, and different for networks with the same name (`vnet-app-1a2b3c4d`).
fn member_name(network: &ResourceId) -> Result<ResourceName, StepError> {
    let digest = Sha256::digest(network.key().as_bytes());
    let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    // Names of networks allow more characters than names of members; the hash keeps the names apart.
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

/// Id of the member of `group` for `network`, with the name that twinspan gives it.
pub(crate) fn member_of(
    group: &ResourceId<NetworkGroups>,
    network: &ResourceId,
) -> Result<ResourceId, StepError> {
    Ok(group.child("staticMembers", member_name(network)?.as_str())?)
}

/// Whether a member under another name counts: not where undo deletes only what the step created.
fn may_be_anyones(cx: &StepCx<'_>) -> bool {
    !undoing(cx) || removing(cx)
}

impl Params {
    /// Path of the group's members.
    fn members(&self) -> String {
        format!("{}/staticMembers", self.group.path())
    }

    /// For a script: stops unless the tenant is connected, because Azure accepts a member outside the scope without any effect.
    fn connected(&self, tenant: &str) -> Act {
        let having = vec![("tenantId", Fits::Is(tenant.to_owned()))];
        Act::Require {
            ask: hand_over::arm("GET", self.group.above(1), API),
            find: Find {
                list: Some("properties.networkManagerScopes.crossTenantScopes"),
                having,
                take: "tenantId",
            },
            missing: format!(
                "tenant {tenant} is not connected to the network manager yet: run this again after it is connected"
            ),
        }
    }

    /// Finds the network in the list under any name; if it is listed twice, prefers the name that this step gives.
    fn observed(&self, cx: &StepCx<'_>, listed: &[Found<Wire>]) -> Result<Observed<Output>, StepError> {
        let ours = member_name(&self.virtual_network)?;
        let marker = Marker::NoPlace;
        let of_network = listed
            .iter()
            .filter(|member| same_path(&member.properties.resource_id, self.virtual_network.path()))
            // A member under another name was not created by this step, so there is nothing to undo.
            .filter(|member| may_be_anyones(cx) || member.name.eq_ignore_ascii_case(ours.as_str()));
        let found = of_network.min_by_key(|member| !member.name.eq_ignore_ascii_case(ours.as_str()));
        let Some(found) = found else { return Ok(Observed::Absent) };
        let name = FoundName::from(found.name.as_str());
        let output = Output {
            id: self.group.child("staticMembers", name.as_str())?,
            name,
            virtual_network: self.virtual_network.clone(),
            region: found.properties.region().to_owned(),
        };
        let words = format!(
            "virtual network {} is listed in group {},",
            self.virtual_network.name(),
            self.group.name()
        );
        let state = &found.properties.provisioning_state;
        Ok(state.judged(undoing(cx), &words, output, Vec::new(), marker))
    }

    /// Waits while the network is outside the manager's scope: Azure would accept the member without any effect.
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
            .action("connect the subscription (or its management group) until it is listed as Connected"),
        ))
    }
}

impl NamedResource for StaticMember {
    const META: KindMeta = KindMeta {
        auxiliary: true,
        ..meta("avnm.static-member", "Add a virtual network to a network group as a static member")
    };
    const TYPE: &'static str = "Microsoft.Network/networkManagers/networkGroups/staticMembers";
    // The network is all that a member has.
    const MERGES: bool = false;

    type Params = Params;
    type Output = Output;
    type Id = AnyResource;

    fn example() -> Params {
        Params { group: default_world::group(), virtual_network: default_world::hub() }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        not_members(&["virtual_network"], std::slice::from_ref(&params.virtual_network))
            .into_iter()
            .map(|misfit| Misfit { within: Vec::new(), ..misfit })
            .collect()
    }

    fn id(params: &Params) -> Result<ResourceId, StepError> {
        member_of(&params.group, &params.virtual_network)
    }

    fn found(output: &Output) -> &ResourceId {
        &output.id
    }

    fn properties(_cx: &StepCx<'_>, params: &Params) -> impl Serialize {
        Wanted { resource_id: params.virtual_network.path() }
    }

    fn auxiliary<'c>(cx: &StepCx<'c>, _params: &Params) -> Option<&'c Identity> {
        cx.auxiliary
    }

    async fn precondition(azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        // A subscription of another tenant is in scope through a connection, so reads since the last write to it count.
        // A subscription of the own tenant is in scope through the network manager itself.
        let subscription = params.virtual_network.subscription().map(ConnectionScope::of_subscription);
        let own_scopes = format!("{}/networkManagerScopes", params.group.above(1));
        let across = subscription.as_ref().filter(|_| cx.auxiliary.is_some());
        let arm = azure.arm(cx, cx.identity()?);
        let arm = arm.about([across.map_or(own_scopes.as_str(), ConnectionScope::path)]);
        let manager: Option<Found<Manager>> = arm.get(params.group.above(1), API).await?;
        params.readiness(cx, manager.map(|found| found.properties).as_ref())
    }

    async fn observe(
        own: &Child<'_, AnyResource>,
        cx: &StepCx<'_>,
        params: &Params,
    ) -> Result<Observed<Output>, StepError> {
        // After a write, and where only this step's own member counts, read the member by name: that costs the same in a group of
        // any size. Before a write one shared list serves all steps of the group.
        if !may_be_anyones(cx) || cx.phase == Phase::Verify {
            let found: Option<Found<Wire>> = own.arm.get(own.id.path(), API).await?;
            let seen = params.observed(cx, found.as_slice())?;
            if seen != Observed::Absent || !may_be_anyones(cx) {
                return Ok(seen);
            }
        }
        match own.arm.shared_list(&params.members(), API).await {
            Ok(listed) => params.observed(cx, &listed),
            // If the group is gone, no member is left to undo.
            Err(error) if undoing(cx) && error.class == FailureClass::ReplicationLag => Ok(Observed::Absent),
            Err(error) => Err(error),
        }
    }

    fn by_hand(cx: &StepCx<'_>, params: &Params) -> Result<ByHand, StepError> {
        let (network, group) = (&params.virtual_network, params.group.name());
        let tenant = cx.auxiliary.map(people::tenant).transpose()?.map(|tenant| tenant.to_string());
        let privilege = tenant.iter().map(|tenant| {
            format!(
                "and, signed in to tenant {tenant} too, Microsoft.Network/virtualNetworks/write on {network}: Network Contributor"
            )
        });
        let having = vec![("properties.resourceId", Fits::Is(network.path().to_owned()))];
        let find = Find { list: Some("value"), having, take: "id" };
        Ok(ByHand {
            what: format!(
                "Add virtual network {} to network group {group}, once its subscription is listed as Connected",
                network.name()
            ),
            portal: format!(
                "Azure portal: network group {group}, Add virtual networks, Manually add members"
            ),
            privilege: privilege.collect(),
            outputs: vec![("virtual_network", hand_over::text(network))],
            before: tenant.iter().map(|tenant| params.connected(tenant)).collect(),
            look: Some((hand_over::arm("GET", params.members(), API), find)),
            proof: Some(format!("GET {}: {} is listed, Succeeded", params.members(), network.name())),
            back: Some(
                "removes the network from the group; configurations of the group stop applying to it"
                    .to_owned(),
            ),
        })
    }

    fn permissions(cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let own = cx.identity()?;
        let manager = params.group.above(1);
        let mut permissions = reads_and_changes(cx, own, manager, Self::TYPE);
        if removing(cx) {
            return Ok(permissions);
        }
        permissions.extend(Permission::each(own, manager, &["Microsoft.Network/networkManagers/read"]));
        // Azure requires this on the network itself, of an identity of its home tenant.
        let linked = cx.auxiliary.unwrap_or(own);
        let network = params.virtual_network.path().split("/subnets/").next().unwrap_or_default();
        permissions.extend(Permission::each(linked, network, &["Microsoft.Network/virtualNetworks/write"]));
        Ok(permissions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::named_resource::Named;
    use crate::kinds::wire_test::{Attempt, asked, body, params, wait};
    use twinspan_engine::Phase;

    const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";

    fn kind(bench: &Bench) -> Named<StaticMember> {
        Named::<StaticMember>::new(&bench.azure)
    }

    fn of_spoke() -> Params {
        params(json!({ "group": default_world::group(), "virtual_network": SPOKE }))
    }

    fn member(name: &str, state: &str) -> serde_json::Value {
        json!({ "name": name, "location": "", "etag": "", "properties": { "resourceId": SPOKE.to_uppercase(),
            "region": "westeurope", "provisioningState": state } })
    }

    async fn seen(listed: serde_json::Value, phase: Phase) -> Observed<Output> {
        let bench = Bench::new();
        let own = StaticMember::id(&of_spoke()).unwrap();
        let own = listed.as_array().unwrap().iter().find(|member| member["name"] == own.name());
        match own {
            _ if phase == Phase::Probe => {}
            Some(own) => {
                bench.script.answer(200, own);
            }
            None => {
                bench.script.answer(404, &json!({ "error": { "code": "NotFound", "message": "" } }));
            }
        }
        bench.script.answer(200, &json!({ "value": listed, "nextLink": "" }));
        Attempt::new(&bench, phase).check(&kind(&bench), &of_spoke()).await.unwrap()
    }

    #[test]
    fn names_repeat_and_tell_networks_of_the_same_name_apart() {
        let network = |group: &str, name: &str| -> ResourceId {
            format!(
                "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{name}"
            )
            .parse()
            .unwrap()
        };
        let one = member_name(&network("rg-a", "vnet-app")).unwrap();
        assert_eq!(one, member_name(&network("RG-A", "vnet-app")).unwrap());
        assert_ne!(one, member_name(&network("rg-b", "vnet-app")).unwrap());
        assert!(one.as_str().starts_with("vnet-app-") && one.as_str().len() == 17, "{one}");
        let long = member_name(&network("rg", &"n".repeat(80))).unwrap();
        assert_eq!(long.as_str().len(), 64);
        assert_eq!(
            member_name(&network("rg", "_é")).unwrap().as_str().len(),
            8,
            "characters that cannot begin a name are omitted"
        );
    }

    #[tokio::test]
    async fn a_network_is_found_under_any_name() {
        let seen = seen(json!([member("ANM_x1", "Succeeded")]), Phase::Probe).await;
        let Observed::Present { output, marker } = seen else { panic!("{seen:?}") };
        assert_eq!((output.name.as_str(), output.region.as_str()), ("ANM_x1", "westeurope"));
        assert_eq!(marker, Marker::NoPlace);
    }

    #[tokio::test]
    async fn only_succeeded_is_done() {
        assert_eq!(seen(json!([]), Phase::Verify).await, Observed::Absent);
        let wait = wait(seen(json!([member("m", "Updating")]), Phase::Verify).await);
        assert_eq!(wait.what, "virtual network vnet-app is listed in group ng-spokes, Updating");
        let failed = seen(json!([member("m", "Failed")]), Phase::Verify).await;
        assert!(matches!(failed, Observed::Differs { .. }), "{failed:?}");
        let ours = StaticMember::id(&of_spoke()).unwrap();
        let failed = seen(json!([member(ours.name(), "Failed")]), Phase::UndoProbe).await;
        assert!(matches!(failed, Observed::Present { .. }), "{failed:?}");
        let others = seen(json!([member("ANM_x1", "Succeeded")]), Phase::UndoProbe).await;
        assert_eq!(others, Observed::Absent, "undo ignores a member of another name");
    }

    #[tokio::test]
    async fn nothing_is_sent_before_the_subscription_is_in_scope() {
        let bench = Bench::new();
        let connected = json!([{ "tenantId": "22222222-0000-0000-0000-00000000000f", "managementGroups": [],
            "subscriptions": ["/subscriptions/bbbbbbbb-0000-0000-0000-000000000001"] }]);
        for across in [json!([]), connected] {
            bench.script.answer(
                200,
                &json!({ "properties": { "networkManagerScopes": {
                    "managementGroups": ["/providers/Microsoft.Management/managementGroups/central"],
                    "crossTenantScopes": across } } }),
            );
        }
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.auxiliary = true;
        let early = attempt.precondition(&kind(&bench), &of_spoke()).await.unwrap();
        let Readiness::Waiting(wait) = early else { panic!("{early:?}") };
        assert!(wait.what.contains("would be accepted without any effect"), "{}", wait.what);
        assert_eq!(attempt.precondition(&kind(&bench), &of_spoke()).await.unwrap(), Readiness::Ready);
        assert!(asked(&bench)[0].starts_with(&format!("GET {}?", default_world::MANAGER)));
    }

    #[tokio::test]
    async fn the_auxiliary_token_goes_with_the_write_only() {
        let bench = Bench::new();
        bench.script.answer_here(200, &[], &member("m", "Updating")).answer_with(200, &[], "");
        let mut attempt = Attempt::new(&bench, Phase::Apply);
        attempt.auxiliary = true;
        attempt.apply(&kind(&bench), &of_spoke()).await.unwrap();
        assert_eq!(body(&bench), json!({ "properties": { "resourceId": SPOKE } }));
        let id = StaticMember::id(&of_spoke()).unwrap();
        let output = Output {
            name: id.name().parse().unwrap(),
            id: id.clone(),
            virtual_network: of_spoke().virtual_network,
            region: String::new(),
        };
        attempt.undo(&kind(&bench), &of_spoke(), &output).await.unwrap();
        let requests = bench.script.requests();
        let auxiliary =
            |at: usize| requests[at].token("x-ms-authorization-auxiliary").map(|(_, tenant)| tenant);
        assert_eq!(auxiliary(0).as_deref(), Some("22222222-0000-0000-0000-00000000000f"));
        assert_eq!(auxiliary(1), None);
        let query = "?api-version=2024-10-01";
        assert_eq!(asked(&bench), [format!("PUT {id}{query}"), format!("DELETE {id}{query}")]);
    }

    #[tokio::test]
    async fn a_missing_auxiliary_token_is_the_plans_mistake() {
        let bench = Bench::new();
        let message = "The client has permission to perform action 'Microsoft.Network/virtualNetworks/write' on scope 'x', \
                       however the current tenant 'c' is not authorized to access linked subscription 's'.";
        bench
            .script
            .answer(403, &json!({ "error": { "code": "LinkedAuthorizationFailed", "message": message } }));
        let error = Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &of_spoke()).await.unwrap_err();
        assert_eq!(error.class, FailureClass::PlanWrong);
        assert!(error.hint.unwrap().contains("`auxiliary:`"));
    }

    #[tokio::test]
    async fn a_group_that_is_gone_has_no_member_to_take_back() {
        let bench = Bench::new();
        let gone = json!({ "error": { "code": "NotFound", "message": "" } });
        bench.script.answer(404, &gone).answer(404, &gone);
        let undone = Attempt::new(&bench, Phase::UndoVerify).check(&kind(&bench), &of_spoke()).await;
        assert_eq!(undone.unwrap(), Observed::Absent);
        assert!(Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &of_spoke()).await.is_err());
    }
}
