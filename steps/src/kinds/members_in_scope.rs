//! `avnm.members-in-scope`: checks that no group of a network manager has a member, and no configuration a hub, in a scope that
//! will be disconnected.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Check, Decision, FailureClass, Identities, Identity, KindMeta, Marker, Observed, Permission, StepCx,
    StepError,
};

use crate::avnm::configuration::Configuration;
use crate::avnm::{API, Found, Group, Member as Wire};
use crate::azure::people;
use crate::azure::{Arm, Azure};
use crate::default_world;
use crate::hierarchy;
use crate::ids::{ConnectionScope, Guid, NetworkManagers, ResourceId};

/// How many members a message names.
const NAMED: usize = 20;

/// How long to keep reading a management group that is not found.
const UNSEEN: Duration = Duration::from_secs(120);

/// `avnm.members-in-scope`
pub(crate) struct MembersInScope {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.members-in-scope`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// The subscription or management group. The subscriptions of a management group are read by an identity of its tenant: the
    /// second of `as`.
    scope: ConnectionScope,
    /// none: no static member of any group lies in the scope, and no hub of any connectivity configuration.
    expect: Expect,
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(none)"))]
pub(crate) enum Expect {
    /// No member and no hub.
    None,
}

/// Outputs of `avnm.members-in-scope`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Members that lie in the scope: none, unless a person decided to continue with them.
    members: Vec<MemberFound>,
    /// Hubs that lie in the scope: none, unless a person decided to continue with them.
    #[serde(default)]
    hubs: Vec<HubFound>,
    /// How many groups of the network manager were read.
    groups: u32,
}

/// A member that lies in the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct MemberFound {
    /// Name of the network group.
    group: String,
    /// Name of the member in the group.
    name: String,
    /// Id of the virtual network or subnet.
    resource: String,
}

/// A hub that lies in the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct HubFound {
    /// Name of the connectivity configuration.
    configuration: String,
    /// Id of the virtual network.
    resource: String,
}

/// Members and hubs of a network manager.
#[derive(Default)]
struct Held {
    members: Vec<MemberFound>,
    hubs: Vec<HubFound>,
    groups: u32,
}

/// Subscriptions that lie in the scope.
enum Inside {
    /// All subscriptions in the scope.
    Subscriptions(Vec<Guid>),
    /// No identity of the plan can read them, and why.
    Unknown(String),
}

fn subscription_of(resource: &str) -> Option<Guid> {
    let mut pieces = resource.trim_start_matches('/').split('/');
    pieces.next().filter(|word| word.eq_ignore_ascii_case("subscriptions"))?;
    pieces.next()?.parse().ok()
}

impl MembersInScope {
    async fn held(&self, arm: &Arm<'_>, params: &Params) -> Result<Held, StepError> {
        let manager = params.network_manager.path();
        let path = format!("{manager}/networkGroups");
        let groups: Vec<Found<Group>> = arm.list(&path, API, &[]).await?;
        let mut held = Held { groups: u32::try_from(groups.len()).unwrap_or(u32::MAX), ..Held::default() };
        for group in &groups {
            let listed: Vec<Found<Wire>> =
                arm.list(&format!("{path}/{}/staticMembers", group.name), API, &[]).await?;
            held.members.extend(listed.into_iter().map(|member| MemberFound {
                group: group.name.clone(),
                name: member.name,
                resource: member.properties.resource_id,
            }));
        }
        let configured: Vec<Found<Configuration>> =
            arm.list(&format!("{manager}/connectivityConfigurations"), API, &[]).await?;
        for found in configured {
            let name = found.name;
            held.hubs.extend(
                found
                    .properties
                    .hubs
                    .into_iter()
                    .map(|hub| HubFound { configuration: name.clone(), resource: hub.resource_id }),
            );
        }
        Ok(held)
    }

    /// The identity that reads the contents of a management group: the second one, else another of the plan that has a credential
    /// here and is not of the central tenant.
    fn reader<'a>(&self, cx: &'a StepCx<'_>) -> Option<&'a Identity> {
        let own = cx.identities.first()?.attributes.get("tenant");
        let abroad = || cx.others.iter().filter(|other| other.attributes.get("tenant") != own);
        cx.identities.get(1).or_else(|| abroad().find(|other| self.azure.serves(cx, other).is_ok()))
    }

    async fn inside(&self, cx: &StepCx<'_>, scope: &ConnectionScope) -> Result<Inside, StepError> {
        if let Some(subscription) = scope.scope().subscription() {
            return Ok(Inside::Subscriptions(vec![subscription]));
        }
        let Some(reader) = self.reader(cx) else {
            return Ok(Inside::Unknown(format!(
                "no identity here can read which subscriptions lie in {}: name an identity of its tenant as the second of `as`",
                scope.words()
            )));
        };
        let waited = cx.waited;
        match hierarchy::subscriptions_in(&self.azure.arm(cx, reader), scope).await {
            Ok(subscriptions) => Ok(Inside::Subscriptions(subscriptions)),
            // One read may miss an existing group; a person decides only if it stays missing.
            Err(error) if error.class == FailureClass::ReplicationLag && waited >= UNSEEN => {
                Ok(Inside::Unknown(format!(
                    "{} does not exist, as read by {}",
                    scope.words(),
                    people::who(reader)
                )))
            }
            Err(error) => Err(error),
        }
    }
}

impl Held {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.hubs.is_empty()
    }

    /// Keeps only what lies in the scope.
    fn within(mut self, inside: &Inside) -> Held {
        let lies_in = |resource: &str| match (inside, subscription_of(resource)) {
            (Inside::Subscriptions(all), Some(subscription)) => all.contains(&subscription),
            // A resource whose place is unknown may lie in the scope.
            (Inside::Unknown(_), _) | (Inside::Subscriptions(_), None) => true,
        };
        self.members.retain(|member| lies_in(&member.resource));
        self.hubs.retain(|hub| lies_in(&hub.resource));
        self
    }

    /// Counts members and hubs, as text.
    fn counted(&self) -> String {
        let members = format!("{} static member(s)", self.members.len());
        let hubs = format!("{} hub(s)", self.hubs.len());
        match (self.members.is_empty(), self.hubs.is_empty()) {
            (_, true) => members,
            (true, false) => hubs,
            (false, false) => format!("{members} and {hubs}"),
        }
    }

    /// Names members and hubs, up to the limit for a message.
    fn named(&self) -> String {
        let members = self
            .members
            .iter()
            .map(|member| format!("{} ({} in group {})", member.resource, member.name, member.group));
        let hubs = self
            .hubs
            .iter()
            .map(|hub| format!("{} (hub of configuration {})", hub.resource, hub.configuration));
        people::named(NAMED, members.chain(hubs), ", ")
    }
}

fn judge(params: &Params, held: Held, inside: &Inside) -> Observed<Output> {
    let held = held.within(inside);
    let (scope, manager) = (params.scope.words(), params.network_manager.name());
    let (counted, named) = (held.counted(), held.named());
    let is_empty = held.is_empty();
    let output = Output { members: held.members, hubs: held.hubs, groups: held.groups };
    if is_empty {
        return Observed::Present { output, marker: Marker::NoPlace };
    }
    let what = match inside {
        Inside::Subscriptions(_) => {
            format!("{counted} of network manager {manager} lie in {scope}: {named}")
        }
        Inside::Unknown(why) => {
            format!("{counted} of network manager {manager} may lie in {scope}: {named}; {why}")
        }
    };
    let decision = Decision {
        what,
        advice: "once the connection is deleted they stay listed without effect, and cannot be read or repaired from \
                 the central tenant: delete them first (a hub with its configuration), then retry this step; or decide adopt \
                 to continue with them"
            .to_owned(),
        differences: Vec::new(),
    };
    Observed::Broken { output, decision, marker: Marker::NoPlace }
}

impl Check for MembersInScope {
    const META: KindMeta = KindMeta {
        identities: Identities::Several,
        volatile_outputs: &["groups"],
        ..KindMeta::reads(
            "avnm.members-in-scope",
            "Verify that no static member and no hub of a network manager lies in a scope",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            network_manager: default_world::manager(),
            scope: default_world::target(),
            expect: Expect::None,
        }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let held = self.held(&self.azure.arm(cx, cx.identity()?), params).await?;
        // If the network manager has no members and no hubs, no identity needs to read the scope.
        let inside = if held.is_empty() {
            Inside::Subscriptions(Vec::new())
        } else {
            self.inside(cx, &params.scope).await?
        };
        Ok(judge(params, held, &inside))
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        // As far as is known, any role at a management group shows its contents: there is no action to check.
        let reads = [
            "Microsoft.Network/networkManagers/networkGroups/read",
            "Microsoft.Network/networkManagers/networkGroups/staticMembers/read",
        ];
        Ok(Permission::each(cx.identity()?, params.network_manager.path(), &reads))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use twinspan_engine::{AttemptLog, Phase};

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, params};
    use twinspan_engine::{Reading, Step};

    const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";

    fn wanted(scope: &str) -> Params {
        params(json!({ "network_manager": default_world::MANAGER, "scope": scope, "expect": "none" }))
    }

    fn member(name: &str, subscription: &str) -> Value {
        let id = format!(
            "/{}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/{name}",
            subscription.trim_matches('/')
        );
        json!({ "name": format!("m-{name}"), "properties": { "resourceId": id } })
    }

    /// A network manager with two groups that have these members.
    fn bench(first: &[Value], second: &[Value]) -> Bench {
        with_hubs(first, second, &[])
    }

    /// The same, with configurations that have these hubs.
    fn with_hubs(first: &[Value], second: &[Value], hubs: &[Value]) -> Bench {
        let bench = Bench::new();
        bench
            .script
            .answer(200, &json!({ "value": [{ "name": "one", "properties": {} }, { "name": "two", "properties": {} }] }))
            .answer(200, &json!({ "value": first }))
            .answer(200, &json!({ "value": second }))
            .answer(200, &json!({ "value": hubs }));
        bench
    }

    fn kind(bench: &Bench) -> Reading<MembersInScope> {
        Reading(MembersInScope { azure: Arc::clone(&bench.azure) })
    }

    #[tokio::test]
    async fn members_of_every_group_that_lie_in_the_subscription_are_named() {
        let central = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
        let bench = bench(&[member("hub", central)], &[member("app", &TARGET.to_uppercase())]);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(TARGET)).await.unwrap();
        let Observed::Broken { output, decision, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((output.members.len(), output.groups), (1, 2));
        assert!(
            decision
                .what
                .starts_with("1 static member(s) of network manager nm-group lie in subscription bbbbbbbb"),
            "{}",
            decision.what
        );
        assert!(decision.what.contains("m-app in group two") && decision.advice.contains("decide adopt"));
        assert_eq!(asked(&bench).len(), 4);
        let bench = self::bench(&[member("hub", central)], &[]);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(TARGET)).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
    }

    #[tokio::test]
    async fn what_lies_in_a_management_group_is_read_in_its_own_tenant_and_only_if_there_is_a_member() {
        let descendants = json!({ "value": [
            { "id": GROUP, "type": "Microsoft.Management/managementGroups", "name": "mg-below" },
            { "id": TARGET, "type": "/subscriptions", "name": "bbbbbbbb-0000-0000-0000-000000000001" },
        ] });
        let bench = bench(&[member("app", TARGET)], &[]);
        bench.script.answer(200, &descendants);
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.identities = Some(vec![bench.central.clone(), bench.target.clone()]);
        let seen = attempt.check(&kind(&bench), &wanted(GROUP)).await.unwrap();
        assert!(matches!(seen, Observed::Broken { .. }), "{seen:?}");
        let last = bench.script.requests().last().unwrap().token("authorization").unwrap().1;
        assert_eq!(last, default_world::TARGET_TENANT.to_string());
        let bench = self::bench(&[], &[]);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(GROUP)).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
        assert_eq!(asked(&bench).len(), 4);
    }

    #[tokio::test]
    async fn a_hub_that_lies_there_is_named_with_its_configuration() {
        let hub = |name: &str, subscription: &str| {
            let id = member("hub", subscription)["properties"]["resourceId"].clone();
            json!({ "name": name, "properties": { "connectivityTopology": "HubAndSpoke", "hubs": [{ "resourceId": id }] } })
        };
        let mesh = json!({ "name": "mesh", "properties": { "connectivityTopology": "Mesh", "hubs": null } });
        let central = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
        for (members, counted) in [
            (vec![], "1 hub(s) of network manager"),
            (vec![member("app", TARGET)], "1 static member(s) and 1 hub(s) of network manager"),
        ] {
            let hubs = [hub("spokes", TARGET), hub("own", central), mesh.clone()];
            let bench = with_hubs(&members, &[], &hubs);
            let seen =
                Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(TARGET)).await.unwrap();
            let Observed::Broken { output, decision, .. } = seen else { panic!("{seen:?}") };
            assert!(decision.what.starts_with(counted), "{}", decision.what);
            assert!(decision.what.ends_with("/hub (hub of configuration spokes)"), "{}", decision.what);
            assert_eq!(
                output.hubs.iter().map(|hub| hub.configuration.as_str()).collect::<Vec<_>>(),
                ["spokes"]
            );
        }
        let bench = with_hubs(&[], &[], &[hub("own", central), mesh]);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(TARGET)).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
    }

    #[tokio::test]
    async fn what_nobody_can_look_into_may_hold_every_member_and_the_plans_other_identities_are_asked() {
        let bench = bench(&[member("app", TARGET)], &[]);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &wanted(GROUP)).await.unwrap();
        let Observed::Broken { decision, .. } = seen else { panic!("{seen:?}") };
        assert!(decision.what.contains("may lie in management group mg-fabrikam"), "{}", decision.what);
        assert!(decision.what.contains("the second of `as`"), "{}", decision.what);
        let bench = self::bench(&[member("app", TARGET)], &[]);
        bench.script.answer(200, &json!({ "value": [] }));
        let log = AttemptLog::new(Phase::Probe);
        let others = [bench.target.clone()];
        let cx = StepCx { others: &others, ..bench.cx(Phase::Probe, &log) };
        let seen = kind(&bench).check(&cx, &wanted(GROUP)).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
    }

    #[tokio::test]
    async fn a_management_group_that_one_read_misses_is_looked_for_before_a_person_is_asked() {
        let missed = json!({ "error": { "code": "NotFound", "message": "no such management group" } });
        let bench = bench(&[member("app", TARGET)], &[]);
        bench.script.answer(404, &missed);
        let log = AttemptLog::new(Phase::Probe);
        let others = [bench.target.clone()];
        let cx = StepCx { others: &others, ..bench.cx(Phase::Probe, &log) };
        let error = kind(&bench).check(&cx, &wanted(GROUP)).await.unwrap_err();
        assert_eq!(error.class, FailureClass::ReplicationLag);

        let bench = self::bench(&[member("app", TARGET)], &[]);
        bench.script.answer(404, &missed);
        let log = AttemptLog::new(Phase::Probe);
        let cx = StepCx { others: &others, ..bench.cx(Phase::Probe, &log) };
        let cx = StepCx { waited: UNSEEN, ..cx };
        let seen = kind(&bench).check(&cx, &wanted(GROUP)).await.unwrap();
        let Observed::Broken { decision, .. } = seen else { panic!("{seen:?}") };
        assert!(
            decision.what.contains("mg-fabrikam does not exist, as read by target "),
            "{}",
            decision.what
        );
    }
}
