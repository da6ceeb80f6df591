//! `avnm.group-members`: checks that virtual networks are listed as members of a group, and with `resource_graph` that Azure
//! Resource Graph shows them too, queried in the tenant of each.

mod resource_graph;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Check, Decision, Identities, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError, Wait,
};

use crate::avnm::{API, Found, Member as Wire, Provisioning, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::ids::{NetworkGroups, ResourceId};
use crate::kinds::bounds::not_members;
use crate::kinds::static_member;
use crate::tenancy;

/// `avnm.group-members`
pub(crate) struct GroupMembers {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.group-members`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network group.
    group: ResourceId<NetworkGroups>,
    /// Virtual networks that must be listed. Other members of the group are ignored.
    expect: Vec<ResourceId>,
    /// Whether Azure Resource Graph must show them in the group as well, as the portal's "View group members" does. Each is
    /// queried as the identity of `as` in whose tenant the virtual network lies: as: [central, target].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resource_graph: bool,
}

/// Outputs of `avnm.group-members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The expected members, in the order of `expect`.
    members: Vec<ListedMember>,
    /// Number of other members; absent where the group has several pages and only the expected members were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<u32>,
}

/// A member as Azure lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct ListedMember {
    /// The virtual network.
    virtual_network: ResourceId,
    /// Name of the member in the group.
    name: String,
    /// Its region; empty where Azure does not return one.
    region: String,
}

/// If a group has several pages, up to this many members are read by name; if more are needed, the whole list is read.
const READ_BY_NAME: usize = 20;

/// Judges the members `listed`; `whole`: these are all members of the group.
fn judge(params: &Params, listed: &[Found<Wire>], whole: bool) -> Observed<Output> {
    let mut members = Vec::new();
    let (mut missing, mut underway, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in &params.expect {
        let found = listed.iter().find(|member| same_path(&member.properties.resource_id, wanted.path()));
        match found.map(|found| (&found.properties.provisioning_state, found)) {
            None => missing.push(wanted.name().to_owned()),
            Some((Provisioning::Succeeded, found)) => members.push(ListedMember {
                virtual_network: wanted.clone(),
                name: found.name.clone(),
                region: found.properties.region().to_owned(),
            }),
            Some((Provisioning::Underway(state), _)) => underway.push(format!("{} {state}", wanted.name())),
            Some((Provisioning::Failed(state), _)) => failed.push(format!("{} {state}", wanted.name())),
        }
    }
    let group = params.group.name();
    if !failed.is_empty() {
        return Observed::Conflict(Decision {
            what: format!("members of group {group} are not provisioned: {}", failed.join(", ")),
            advice: "check that each virtual network exists and its scope is connected, then repair the step that added it"
                .to_owned(),
            differences: Vec::new(),
        });
    }
    if members.len() < params.expect.len() {
        let mut what = Vec::new();
        if !missing.is_empty() {
            what.push(format!("not listed yet: {}", missing.join(", ")));
        }
        if !underway.is_empty() {
            what.push(format!("in progress: {}", underway.join(", ")));
        }
        let wait = Wait::remote(format!("members of group {group} {}", what.join("; "))).otherwise(
            "if a member stays missing, it was removed: see the Activity log of the group in the portal",
        );
        return Observed::Converging { wait, marker: Marker::NoPlace };
    }
    let wanted = |member: &&Found<Wire>| {
        !params.expect.iter().any(|wanted| same_path(&member.properties.resource_id, wanted.path()))
    };
    let others = whole.then(|| u32::try_from(listed.iter().filter(wanted).count()).unwrap_or(u32::MAX));
    Observed::Present { output: Output { members, others }, marker: Marker::NoPlace }
}

/// The members are listed, but Resource Graph does not show them.
fn not_shown(cx: &StepCx<'_>, params: &Params, missing: &[&ResourceId]) -> Observed<Output> {
    let names: Vec<&str> = missing.iter().map(|network| network.name()).collect();
    let wait = Wait::remote(format!(
        "members of group {} are listed; Azure Resource Graph (it lags) does not show {} in it yet",
        params.group.name(),
        names.join(", ")
    ))
    .next_check(people::pace(cx, Duration::from_secs(30), Duration::from_secs(120)))
    .otherwise(
        "a membership takes effect after about 10 minutes, and only where the virtual network lies in the connected scope: \
         after half an hour check that the connection is still listed as Connected. Without `resource_graph` the list of \
         static members is enough",
    );
    Observed::Converging { wait, marker: Marker::NoPlace }
}

impl GroupMembers {
    /// Checks whether the expected virtual networks are members. A group of one page is listed. In a larger group, a few members
    /// that are not on the first page are read by the names that twinspan gives them, because the list grows with the group and
    /// each step of a fleet checks only a few of its members. If a member has another name, the whole group is listed.
    async fn members(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let named = |network| Ok((network, static_member::member_of(&params.group, network)?));
        let wanted = params.expect.iter().map(named).collect::<Result<Vec<_>, StepError>>()?;
        let arm = self.azure.arm(cx, cx.identity()?).about(wanted.iter().map(|(_, id)| id.path()));
        let path = format!("{}/staticMembers", params.group.path());
        let page = arm.shared_page::<Found<Wire>>(&path, API).await?;
        let (page, more) = &*page;
        if !more {
            return Ok(judge(params, page, true));
        }
        let on_page = |network: &ResourceId| {
            page.iter().any(|member| same_path(&member.properties.resource_id, network.path()))
        };
        let elsewhere: Vec<_> = wanted.iter().filter(|(network, _)| !on_page(network)).collect();
        if elsewhere.len() <= READ_BY_NAME {
            let mut found = page.clone();
            for (_, id) in elsewhere {
                let arm = self.azure.arm(cx, cx.identity()?).about([id.path()]);
                found.extend(arm.get::<Found<Wire>>(id.path(), API).await?);
            }
            let judged = judge(params, &found, false);
            if matches!(judged, Observed::Present { .. }) {
                return Ok(judged);
            }
        }
        Ok(judge(params, &arm.shared_list(&path, API).await?, true))
    }
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        not_members(&["expect"], &self.expect)
    }
}

impl Check for GroupMembers {
    const META: KindMeta = KindMeta {
        identities: Identities::Several,
        volatile_outputs: &["others"],
        ..KindMeta::reads(
            "avnm.group-members",
            "Verify that virtual networks are listed as members of a network group",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { group: default_world::group(), expect: vec![default_world::hub()], resource_graph: false }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let judged = Box::pin(self.members(cx, params)).await?;
        // The list decides; Resource Graph is queried only after the list is complete.
        if !params.resource_graph || !matches!(judged, Observed::Present { .. }) {
            return Ok(judged);
        }
        match resource_graph::missing(&self.azure, cx, &params.group, &params.expect).await? {
            missing if missing.is_empty() => Ok(judged),
            missing => Ok(not_shown(cx, params, &missing)),
        }
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let read = "Microsoft.Network/networkManagers/networkGroups/staticMembers/read";
        let mut permissions = Permission::each(cx.identity()?, params.group.above(1), &[read]);
        // Azure Resource Graph shows only what the caller may read.
        for network in params.expect.iter().filter(|_| params.resource_graph) {
            let reader = tenancy::presumed_reader(cx, params.group.subscription(), network)?;
            permissions.extend(Permission::each(
                reader,
                network.path(),
                &["Microsoft.Network/virtualNetworks/read"],
            ));
        }
        Ok(permissions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::{Bench, CENTRAL, TARGET};
    use crate::kinds::wire_test::{Attempt, asked, wait};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    fn member(id: &str, state: &str) -> serde_json::Value {
        json!({ "name": "m", "properties": { "resourceId": id, "region": "westeurope", "provisioningState": state } })
    }

    async fn seen(pages: &[serde_json::Value]) -> (Observed<Output>, Vec<String>) {
        let bench = Bench::new();
        for (index, page) in pages.iter().enumerate() {
            let next = if index + 1 < pages.len() {
                format!(
                    "https://management.azure.com{}/staticMembers?api-version=2024-10-01&$skipToken=2",
                    default_world::group()
                )
            } else {
                String::new()
            };
            bench.script.answer(200, &json!({ "value": page, "nextLink": next }));
        }
        let params =
            Params { expect: vec![default_world::spoke(), default_world::hub()], ..GroupMembers::example() };
        let kind = Reading(GroupMembers { azure: Arc::clone(&bench.azure) });
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind, &params).await.unwrap();
        (seen, asked(&bench))
    }

    #[tokio::test]
    async fn a_group_of_one_page_is_listed() {
        let (spoke, hub) = (default_world::spoke().key(), default_world::hub().key());
        let other = hub.replace("vnet-hub", "vnet-other");
        let all = [member(&hub, "Succeeded"), member(&other, "Failed"), member(&spoke, "Succeeded")];
        let (seen, asked) = seen(&[json!(all)]).await;
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        let names: Vec<&str> = output.members.iter().map(|member| member.virtual_network.name()).collect();
        assert_eq!((names, output.others), (vec!["vnet-app", "vnet-hub"], Some(1)));
        assert_eq!(asked.len(), 1);
    }

    /// The number of requests does not grow with the group.
    #[tokio::test]
    async fn of_a_larger_group_few_members_are_read_by_their_names() {
        let (spoke, hub) = (default_world::spoke(), default_world::hub());
        let next = format!(
            "https://management.azure.com{}/staticMembers?api-version=2024-10-01&$skipToken=1",
            default_world::group()
        );
        let page = json!({ "value": [member(hub.path(), "Succeeded")], "nextLink": next });
        let rest = json!({ "value": [member(spoke.path(), "Succeeded")], "nextLink": "" });
        let gone = json!({ "error": { "code": "NotFound", "message": "" } });
        let params = Params { expect: vec![spoke.clone(), hub], ..GroupMembers::example() };
        for named in [true, false] {
            let bench = Bench::new();
            let kind = Reading(GroupMembers { azure: Arc::clone(&bench.azure) });
            bench.script.answer(200, &page);
            if named {
                let own = static_member::member_of(&params.group, &spoke).unwrap();
                let mut found = member(spoke.path(), "Succeeded");
                found["id"] = json!(own);
                found["name"] = json!(own.name());
                bench.script.answer(200, &found);
            } else {
                bench.script.answer(404, &gone).answer(200, &page).answer(200, &rest);
            }
            let seen = Attempt::new(&bench, Phase::Probe).check(&kind, &params).await.unwrap();
            let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
            assert_eq!((output.members.len(), output.others), (2, (!named).then_some(0)));
            let own = static_member::member_of(&params.group, &spoke).unwrap();
            assert_eq!(asked(&bench)[1], format!("GET {own}?api-version=2024-10-01"));
            assert_eq!(asked(&bench).len(), if named { 2 } else { 4 });
        }
    }

    #[tokio::test]
    async fn what_is_missing_or_on_its_way_is_waited_for_by_name() {
        let (empty, _) = seen(&[json!([])]).await;
        assert_eq!(wait(empty).what, "members of group ng-spokes not listed yet: vnet-app, vnet-hub");
        let (half, _) = seen(&[json!([member(default_world::hub().path(), "Updating")])]).await;
        assert_eq!(
            wait(half).what,
            "members of group ng-spokes not listed yet: vnet-app; in progress: vnet-hub Updating"
        );
    }

    #[tokio::test]
    async fn resource_graph_is_asked_in_each_tenant_once_the_list_is_right() {
        let bench = Bench::new();
        let (spoke, hub) = (default_world::spoke().key(), default_world::hub().key());
        let params = Params {
            expect: vec![default_world::spoke(), default_world::hub()],
            resource_graph: true,
            ..GroupMembers::example()
        };
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.identities = Some(vec![bench.central.clone(), bench.target.clone()]);
        let kind = Reading(GroupMembers { azure: Arc::clone(&bench.azure) });
        let listed =
            json!({ "value": [member(&hub, "Succeeded"), member(&spoke, "Succeeded")], "nextLink": "" });
        let membership = |network: &str, list: &str, id: &str| {
            json!({ "id": format!("{network}/providers/Microsoft.Network/networkGroupMemberships/default"),
                "properties": { list: [{ id: "/other" }, { id: default_world::group().key() }] } })
        };
        let subscription = json!({ "displayName": "x", "tenantId": TARGET, "state": "Enabled" });
        for shown in [false, true] {
            bench.script.answer(200, &listed).answer(200, &subscription);
            let rows = [membership(&spoke.to_uppercase(), "groupMemberships", "networkGroupId")];
            let rows = if shown { &rows[..] } else { &[] };
            // Resource Graph does not show this tenant what lies in the other one.
            bench.script.answer(200, &json!({ "data": rows }));
            bench
                .script
                .answer(200, &json!({ "data": [membership(&hub, "GroupMemberships", "NetworkGroupId")] }));
            let seen = attempt.check(&kind, &params).await.unwrap();
            if shown {
                assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
            } else {
                let wait = wait(seen);
                assert!(wait.what.ends_with("does not show vnet-app in it yet"), "{}", wait.what);
                assert_eq!(wait.kind, twinspan_engine::WaitKind::Remote);
            }
        }
        let graph: Vec<(String, serde_json::Value)> = bench
            .script
            .requests()
            .iter()
            .filter(|request| request.verb == "POST")
            .map(|request| (request.token("authorization").unwrap().1, request.body["subscriptions"].clone()))
            .collect();
        let [central, target] =
            ["aaaaaaaa", "bbbbbbbb"].map(|id| json!([format!("{id}-0000-0000-0000-000000000001")]));
        assert_eq!(graph[..2], [(TARGET.to_owned(), target), (CENTRAL.to_owned(), central)]);
    }

    #[tokio::test]
    async fn a_failed_member_needs_a_decision() {
        let (seen, _) = seen(&[json!([member(default_world::hub().path(), "Failed")])]).await;
        let Observed::Conflict(decision) = seen else { panic!("{seen:?}") };
        assert_eq!(decision.what, "members of group ng-spokes are not provisioned: vnet-hub Failed");
    }
}
