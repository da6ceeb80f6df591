//! `avnm.network-group`: a network group of a network manager, found or created.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Contents, Difference, KindMeta, Marker, Observed, Permission, Readiness, StepCx, StepError,
};

use crate::avnm::Group as Wire;
use crate::avnm::child::{self, Child};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::enumeration::known;
use crate::hand_over;
use crate::ids::{Description, FoundName, NetworkGroups, NetworkManagers, ResourceId, ResourceName};
use crate::kinds::named_resource::{ByHand, NamedResource, meta, needed};
use crate::kinds::{removing, undoing};

/// `avnm.network-group`
pub(crate) struct NetworkGroup;

/// Parameters of `avnm.network-group`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// Name of the group.
    name: ResourceName,
    /// Type of its members; default: VirtualNetwork.
    #[serde(default)]
    member_type: MemberType,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// Whether to create the group if it does not exist (the default). `false`: only find it, whatever created it.
    #[serde(default = "Params::makes_it", skip_serializing_if = "Clone::clone")]
    create: bool,
}

/// Type of the members of a network group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, extend("x-twinspan-type" = "choice(VirtualNetwork,Subnet)"))]
pub(crate) enum MemberType {
    /// Virtual networks.
    #[default]
    VirtualNetwork,
    /// Subnets.
    Subnet,
}

impl MemberType {
    fn as_str(self) -> &'static str {
        match self {
            MemberType::VirtualNetwork => "VirtualNetwork",
            MemberType::Subnet => "Subnet",
        }
    }
}

/// Outputs of `avnm.network-group`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The group.
    id: ResourceId<NetworkGroups>,
    /// Its name.
    name: FoundName,
    /// Type of its members.
    member_type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    member_type: MemberType,
    description: String,
}

impl Params {
    fn makes_it() -> bool {
        true
    }

    fn observed(&self, cx: &StepCx<'_>, found: Wire) -> Result<Observed<Output>, StepError> {
        let marker = match NetworkGroup::changes(cx, self) {
            true => Marker::in_description(Some(&found.description)),
            false => Marker::NoPlace,
        };
        // Groups of older clients have no member type; all of them contain virtual networks.
        let member_type = if found.member_type.is_empty() {
            MemberType::default().as_str().to_owned()
        } else {
            known(&found.member_type, &["VirtualNetwork", "Subnet"]).to_owned()
        };
        let same = member_type.eq_ignore_ascii_case(self.member_type.as_str());
        let output = Output { id: NetworkGroup::id(self)?, name: FoundName::from(&self.name), member_type };
        if !same {
            // The type of a group cannot be changed.
            let found = output.member_type.clone();
            let differences =
                vec![Difference::new("member type", self.member_type.as_str(), found).immutable()];
            return Ok(Observed::Differs { output, differences, marker });
        }
        let words = format!("network group {} is", self.name);
        Ok(found.provisioning_state.judged(undoing(cx), &words, output, Vec::new(), marker))
    }
}

impl NamedResource for NetworkGroup {
    const META: KindMeta = meta("avnm.network-group", "Create a network group if it does not exist");

    type Params = Params;
    type Output = Output;
    type Id = NetworkGroups;

    fn example() -> Params {
        Params {
            network_manager: default_world::manager(),
            name: ResourceName::known("ng-spokes"),
            member_type: MemberType::VirtualNetwork,
            description: None,
            create: true,
        }
    }

    fn id(params: &Params) -> Result<ResourceId<NetworkGroups>, StepError> {
        Ok(params.network_manager.child("networkGroups", params.name.as_str())?)
    }

    fn found(output: &Output) -> &ResourceId<NetworkGroups> {
        &output.id
    }

    fn properties(cx: &StepCx<'_>, params: &Params) -> impl Serialize {
        Wanted {
            member_type: params.member_type,
            description: child::description(cx, params.description.as_ref()),
        }
    }

    fn changes(cx: &StepCx<'_>, params: &Params) -> bool {
        params.create || removing(cx)
    }

    async fn precondition(_azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if params.create {
            return Ok(Readiness::Ready);
        }
        Err(StepError::plan_wrong(format!(
            "network group {} is not in network manager {}, as read by {}",
            params.name,
            params.network_manager.name(),
            people::who(cx.identity()?)
        ))
        .hint("correct the name, or remove `create: false`"))
    }

    async fn observe(
        own: &Child<'_, NetworkGroups>,
        cx: &StepCx<'_>,
        params: &Params,
    ) -> Result<Observed<Output>, StepError> {
        let found = own.read().await?;
        found.map_or(Ok(Observed::Absent), |found| params.observed(cx, found.properties))
    }

    /// Azure deletes a group with its members, without confirmation.
    async fn contents(azure: &Azure, cx: &StepCx<'_>, found: &Output) -> Result<Option<Contents>, StepError> {
        child::members(&azure.arm(cx, cx.identity()?), found.id.path()).await
    }

    fn by_hand(cx: &StepCx<'_>, params: &Params) -> Result<ByHand, StepError> {
        let (id, manager) = (Self::id(params)?, params.network_manager.name());
        // The delete that the plan orders removes more than the group.
        let back = removing(cx).then(|| {
            format!("only if no static member is left in it (GET {id}/staticMembers): Azure deletes its members with it")
        });
        Ok(ByHand {
            what: format!("Create the network group {} in network manager {manager}", params.name),
            portal: format!("Azure portal: network manager {manager}, Network groups, Create"),
            outputs: vec![("member_type", hand_over::text(params.member_type.as_str()))],
            back,
            ..ByHand::default()
        })
    }

    fn permissions(cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let mut permissions = needed::<Self>(cx, params)?;
        if removing(cx) {
            let read = format!("{}/staticMembers/read", Self::TYPE);
            permissions.extend(Permission::each(cx.identity()?, params.network_manager.path(), &[&read]));
        }
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

    fn kind(bench: &Bench) -> Named<NetworkGroup> {
        Named::<NetworkGroup>::new(&bench.azure)
    }

    async fn seen(properties: serde_json::Value, phase: Phase) -> Observed<Output> {
        let bench = Bench::new();
        bench.script.answer(200, &json!({ "name": "ng-spokes", "etag": "", "properties": properties }));
        Attempt::new(&bench, phase).check(&kind(&bench), &NetworkGroup::example()).await.unwrap()
    }

    #[tokio::test]
    async fn one_that_is_only_found_is_nobodys_and_must_be_there() {
        let finds = || Params { create: false, ..NetworkGroup::example() };
        let bench = Bench::new();
        let theirs = json!({ "memberType": "VirtualNetwork", "description": "x [twinspan:01234567]", "provisioningState": "Succeeded" });
        bench.script.answer(200, &json!({ "name": "ng-spokes", "etag": "", "properties": theirs }));
        let probe = Attempt::new(&bench, Phase::Probe);
        let seen = probe.check(&kind(&bench), &finds()).await.unwrap();
        assert!(matches!(seen, Observed::Present { marker: Marker::NoPlace, .. }), "{seen:?}");
        let error =
            Attempt::new(&bench, Phase::Probe).precondition(&kind(&bench), &finds()).await.unwrap_err();
        assert_eq!(error.class, twinspan_engine::FailureClass::PlanWrong);
        assert!(
            error.message.contains("network group ng-spokes is not in network manager nm-group"),
            "{}",
            error.message
        );
        let written = serde_json::to_value(NetworkGroup::example()).unwrap();
        assert_eq!(written.get("create"), None, "the default is not written: stored digests stay the same");
    }

    #[tokio::test]
    async fn a_group_is_judged_by_what_it_groups_and_how_far_it_is() {
        let old = seen(json!({ "provisioningState": "Succeeded" }), Phase::Probe).await;
        assert!(
            matches!(&old, Observed::Present { output, .. } if output.member_type == "VirtualNetwork"),
            "{old:?}"
        );
        let other = seen(json!({ "memberType": "Subnet" }), Phase::Probe).await;
        assert!(
            matches!(&other, Observed::Differs { differences, .. } if differences[0].found == "Subnet"),
            "{other:?}"
        );
        let early = seen(json!({ "provisioningState": "Updating" }), Phase::Verify).await;
        assert_eq!(wait(early).what, "network group ng-spokes is Updating");
        let failed = seen(json!({ "provisioningState": "Failed" }), Phase::Verify).await;
        assert!(matches!(failed, Observed::Differs { .. }), "{failed:?}");
        let going = seen(json!({ "provisioningState": "Deleting" }), Phase::UndoVerify).await;
        assert!(matches!(going, Observed::Present { .. }), "{going:?}");
    }

    fn members(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
        let member = |number| {
            let id = format!("{}-{number}", default_world::spoke());
            json!({ "name": format!("m{number}"), "properties": { "resourceId": id } })
        };
        range.map(member).collect()
    }

    fn group() -> serde_json::Value {
        json!({ "name": "ng-spokes", "etag": "", "properties": { "provisioningState": "Succeeded" } })
    }

    #[tokio::test]
    async fn before_it_is_removed_its_members_are_named_from_every_page() {
        for ordered in [false, true] {
            let bench = Bench::new();
            let path = format!("{}/networkGroups/ng-spokes/staticMembers", default_world::MANAGER);
            let next = format!("https://management.azure.com{path}?api-version=2024-10-01&$skipToken=2");
            bench
                .script
                .answer(200, &group())
                .answer(200, &json!({ "value": members(0..20), "nextLink": next }))
                .answer(200, &json!({ "value": members(20..22), "nextLink": "" }));
            let attempt =
                if ordered { Attempt::removing(&bench) } else { Attempt::new(&bench, Phase::UndoProbe) };
            let params = NetworkGroup::example();
            let Observed::Present { output, .. } = attempt.check(&kind(&bench), &params).await.unwrap()
            else {
                panic!()
            };
            let contents = attempt.contents(&kind(&bench), &params, &output).await.unwrap().unwrap();
            assert_eq!((contents.what, contents.items.len()), ("static members", 22));
            assert_eq!(contents.items[21].words, format!("{}-21 (m21)", default_world::spoke()));
            let id = format!("{path}/m0").to_lowercase();
            assert_eq!(contents.items[0].key, twinspan_engine::ClaimKey(id));
            assert_eq!(asked(&bench).len(), 3);
        }
    }

    #[tokio::test]
    async fn an_empty_group_is_what_the_run_made_and_one_that_cannot_be_looked_into_is_not_empty() {
        let looked = async |status: u16, answer: serde_json::Value| {
            let bench = Bench::new();
            bench.script.answer(200, &group()).answer(status, &answer);
            let (attempt, params) = (Attempt::new(&bench, Phase::UndoProbe), NetworkGroup::example());
            let Observed::Present { output, .. } = attempt.check(&kind(&bench), &params).await.unwrap()
            else {
                panic!()
            };
            attempt.contents(&kind(&bench), &params, &output).await
        };
        let empty = looked(200, json!({ "value": [], "nextLink": "" })).await.unwrap().unwrap();
        assert_eq!(empty.items, []);
        let refusal = json!({ "error": { "code": "AuthorizationFailed", "message":
            "The client 'x' with object id 'x' does not have authorization to perform action 'Microsoft.Network/networkManagers/networkGroups/staticMembers/read' over scope '/x'." } });
        let error = looked(403, refusal).await.unwrap_err();
        assert_eq!(error.class, twinspan_engine::FailureClass::Permission);
        // The group was deleted between the two reads.
        let gone = json!({ "error": { "code": "NotFound", "message": "Resource [x] does not exist or has been deleted" } });
        assert_eq!(looked(404, gone).await.unwrap(), None);
    }

    #[test]
    fn who_removes_it_by_hand_is_told_what_it_takes_along() {
        let bench = Bench::new();
        let registry =
            crate::kinds::registry(std::sync::Arc::clone(&bench.azure), crate::CommandPolicy::deny());
        let kind = registry.kind(NetworkGroup::META.name).unwrap();
        let said = |ensure| {
            let log = twinspan_engine::AttemptLog::new(Phase::Probe);
            let cx = StepCx { ensure, ..bench.cx(Phase::Probe, &log) };
            kind.hand_over(&cx, &kind.example).unwrap().task.unwrap()
        };
        let what = said(twinspan_engine::Ensure::Absent).what;
        assert!(what.contains("; only if no static member is left in it (GET /subscriptions/"), "{what}");
        assert!(!said(twinspan_engine::Ensure::Present).back.words.contains("static member"));
    }

    #[tokio::test]
    async fn what_is_sent() {
        let bench = Bench::new();
        bench.script.answer(200, &json!({ "properties": {} })).answer_with(202, &[], "");
        let params: Params = params(
            json!({ "network_manager": default_world::MANAGER, "name": "ng-spokes", "member_type": "Subnet" }),
        );
        Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &params).await.unwrap();
        assert_eq!(
            body(&bench),
            json!({ "properties": { "memberType": "Subnet", "description": "[twinspan:00000007]" } })
        );
        let output = Output {
            id: NetworkGroup::id(&params).unwrap(),
            name: FoundName::from(&params.name),
            member_type: "Subnet".to_owned(),
        };
        Attempt::new(&bench, Phase::Undo).undo(&kind(&bench), &params, &output).await.unwrap();
        let path = format!("{}/networkGroups/ng-spokes?api-version=2024-10-01", default_world::MANAGER);
        assert_eq!(asked(&bench), [format!("PUT {path}"), format!("DELETE {path}")], "without force");
    }
}
