//! `avnm.scope-connection`: the central network manager requests to manage a scope of another tenant.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Difference, KindMeta, Marker, Observed, Phase, StepCx, StepError, Wait};

use crate::avnm::child::{self, Child, Read};
use crate::avnm::{ConnectionSide, ConnectionState, NamesScope, same_path};
use crate::default_world;
use crate::ids::{
    ConnectionScope, Description, FoundName, NetworkManagers, ResourceId, ResourceName, ScopeConnections,
    TenantId,
};
use crate::kinds::named_resource::{ByHand, NamedResource, meta};
use crate::kinds::undoing;

type Wire = ConnectionSide<NamesScope>;

/// How long after a write the state of the connection is not yet final.
///
/// Microsoft's document has a person check that a new scope connection is listed as Pending, which shows that the target must
/// consent. Right after the write Azure always returns Pending; if it needs no consent, it returns Connected two seconds later
/// (recorded). So a read before that proves nothing.
const DECIDED_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// How long ago this step's own write got its response.
fn since_written(cx: &StepCx<'_>) -> Option<SignedDuration> {
    cx.written.and_then(|written| SignedDuration::try_from(written).ok())
}

/// `avnm.scope-connection`
pub(crate) struct ScopeConnection;

/// Parameters of `avnm.scope-connection`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The central network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// Name shown under *Cross-tenant connections*.
    name: ResourceName,
    /// The tenant that owns the scope.
    tenant: TenantId,
    /// The subscription or management group that the network manager will manage.
    scope: ConnectionScope,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

/// Outputs of `avnm.scope-connection`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The scope connection.
    id: ResourceId<ScopeConnections>,
    /// Its name.
    name: FoundName,
    /// State when it was read, at the earliest some seconds after the write: Pending until the network manager connection exists,
    /// then Connected. The step of the network manager connection uses it.
    state: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    tenant_id: TenantId,
    resource_id: &'a str,
    description: String,
}

impl Params {
    fn differences(&self, found: &NamesScope) -> Vec<Difference> {
        let mut all = Vec::new();
        if found.tenant_id.parse() != Ok(self.tenant) {
            all.push(Difference::new("tenant".to_owned(), self.tenant.to_string(), found.tenant_id.clone()));
        }
        if !same_path(&found.resource_id, self.scope.path()) {
            all.push(Difference::new("scope".to_owned(), self.scope.to_string(), found.resource_id.clone()));
        }
        all
    }

    /// Describes the connection; `name` is the name under which it was found.
    fn words(&self, name: &FoundName) -> String {
        format!("scope connection {name} of network manager {}", self.network_manager.name())
    }

    fn observed(
        &self,
        cx: &StepCx<'_>,
        name: &FoundName,
        found: &Read<Wire>,
    ) -> Result<Observed<Output>, StepError> {
        let (half, taken_back) = (&found.properties, undoing(cx));
        let words = self.words(name);
        let state = &half.connection_state;
        let id = self.network_manager.child("scopeConnections", name.as_str())?;
        let output = Output { id, name: name.clone(), state: state.to_string() };
        let observed = half.observed(output, self.differences(&half.names), &words, taken_back);
        // The time since this step's own write is more exact than the whole seconds of a response's date.
        let left = since_written(cx).or(found.age).map_or(SignedDuration::ZERO, |age| DECIDED_AFTER - age);
        let early = *state != ConnectionState::Connected && left.is_positive();
        Ok(match observed {
            Observed::Present { marker, .. } if early && !taken_back => {
                let wait = Wait::remote(format!(
                    "{words} was just written and is listed as {state}; Azure may still change this state"
                ))
                .next_check(left.unsigned_abs());
                Observed::Converging { wait, marker }
            }
            other => other,
        })
    }
}

impl NamedResource for ScopeConnection {
    const META: KindMeta = KindMeta {
        // Microsoft's order: delete the scope connection first, while the network manager connection still names the network manager.
        undo_before: &["avnm.network-manager-connection"],
        volatile_outputs: &["state"],
        guards: Some("tenant"),
        ..meta("avnm.scope-connection", "Create a scope connection within a network manager")
    };

    type Params = Params;
    type Output = Output;
    type Id = ScopeConnections;

    fn example() -> Params {
        Params {
            network_manager: default_world::manager(),
            name: ResourceName::known(default_world::CONNECTION),
            tenant: default_world::TARGET_TENANT,
            scope: default_world::target(),
            description: None,
        }
    }

    fn id(params: &Params) -> Result<ResourceId<ScopeConnections>, StepError> {
        Ok(params.network_manager.child("scopeConnections", params.name.as_str())?)
    }

    fn found(output: &Output) -> &ResourceId<ScopeConnections> {
        &output.id
    }

    fn properties(cx: &StepCx<'_>, params: &Params) -> impl Serialize {
        Wanted {
            tenant_id: params.tenant,
            resource_id: params.scope.path(),
            description: child::description(cx, params.description.as_ref()),
        }
    }

    async fn observe(
        own: &Child<'_, ScopeConnections>,
        cx: &StepCx<'_>,
        params: &Params,
    ) -> Result<Observed<Output>, StepError> {
        // A connection under another name was not created by this step, so there is nothing to undo.
        if undoing(cx) {
            let found = own.read().await?;
            return found.map_or(Ok(Observed::Absent), |found| {
                params.observed(cx, &FoundName::from(&params.name), &found)
            });
        }
        // Do not read before the state can be final.
        let left = since_written(cx).map(|since| DECIDED_AFTER - since);
        if let Some(left) = left.filter(|left| cx.phase == Phase::Verify && left.is_positive()) {
            let what = format!(
                "{} was just written; its state is read after Azure has determined it",
                params.words(&FoundName::from(&params.name))
            );
            let wait = Wait::remote(what).next_check(left.unsigned_abs());
            return Ok(Observed::Converging { wait, marker: Marker::None });
        }
        // A person may have created the same connection in the portal under another name; a second one would be too many.
        let same = |half: &Wire| params.differences(&half.names).is_empty();
        match own.or_twin(cx, same, |half: &Wire| half.connection_state.rank()).await? {
            Some((name, found)) => params.observed(cx, &name, &found),
            None => Ok(Observed::Absent),
        }
    }

    fn by_hand(_cx: &StepCx<'_>, params: &Params) -> Result<ByHand, StepError> {
        let (name, manager) = (&params.name, params.network_manager.name());
        let (scope, tenant) = (params.scope.words(), params.tenant);
        Ok(ByHand {
            what: format!(
                "Create the cross-tenant connection {name} on network manager {manager}, to {scope} of tenant {tenant}"
            ),
            portal: format!("Azure portal: network manager {manager}, Cross-tenant connections, Create"),
            ..ByHand::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::named_resource::Named;
    use crate::kinds::wire_test::{Attempt, asked, body, wait};

    const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";

    fn kind(bench: &Bench) -> Named<ScopeConnection> {
        Named::<ScopeConnection>::new(&bench.azure)
    }

    fn found(state: &str) -> serde_json::Value {
        json!({ "name": "to-central", "type": "Microsoft.Network/networkManagers/scopeConnections", "properties": {
            "tenantId": "22222222-0000-0000-0000-00000000000F", "resourceId": TARGET.trim_start_matches('/').to_uppercase(),
            "description": "made by hand [twinspan:1a2b3c4d]", "connectionState": state } })
    }

    async fn seen(phase: Phase, answer: &serde_json::Value) -> Observed<Output> {
        let bench = Bench::new();
        if phase == Phase::Probe {
            bench.script.answer(200, &json!({ "value": [answer], "nextLink": "" }));
        }
        bench.script.answer(200, answer);
        Attempt::new(&bench, phase).check(&kind(&bench), &ScopeConnection::example()).await.unwrap()
    }

    #[tokio::test]
    async fn pending_and_connected_are_both_right() {
        for state in ["Pending", "Connected"] {
            let Observed::Present { output, marker } = seen(Phase::Verify, &found(state)).await else {
                panic!("{state}")
            };
            assert_eq!(output.state, state);
            assert_eq!(output.id.name(), "to-central");
            assert_eq!(marker, Marker::Of("1a2b3c4d".to_owned()));
        }
    }

    /// Checks `found` as if it was written and read at these times of the same hour.
    async fn dated(phase: Phase, state: &str, written: &str, answered: &str) -> Observed<Output> {
        let mut answer = found(state);
        answer["systemData"] = json!({ "createdAt": "2026-01-01T00:00:00Z", "lastModifiedAt": format!("2026-11-23T08:{written}Z") });
        let date = format!("Mon, 23 Nov 2026 08:{answered} GMT");
        let bench = Bench::new();
        bench.script.answer_here(200, &[("date", &date)], &answer);
        Attempt::new(&bench, phase).check(&kind(&bench), &ScopeConnection::example()).await.unwrap()
    }

    #[tokio::test]
    async fn pending_is_believed_some_seconds_after_the_write_by_the_services_own_clock() {
        let wait = wait(dated(Phase::Verify, "Pending", "00:10.5000000", "00:10").await);
        assert_eq!(wait.next_check, Some(std::time::Duration::from_millis(2500)));
        assert!(wait.what.contains("is listed as Pending"), "{}", wait.what);
        for (phase, state, written, answered) in [
            (Phase::Verify, "Pending", "00:10.5000000", "00:14"),
            (Phase::Verify, "Connected", "00:10.5000000", "00:10"),
            (Phase::UndoProbe, "Pending", "00:10.5000000", "00:10"),
            // A difference of minutes means that the clocks disagree: do not wait for it.
            (Phase::Verify, "Pending", "30:00.0000000", "00:10"),
        ] {
            let seen = dated(phase, state, written, answered).await;
            assert!(matches!(seen, Observed::Present { .. }), "{state} at {answered}: {seen:?}");
        }
    }

    #[tokio::test]
    async fn one_that_points_elsewhere_differs() {
        let mut other = found("Connected");
        other["properties"]["tenantId"] = json!("33333333-0000-0000-0000-00000000000f");
        other["properties"]["resourceId"] = json!("/subscriptions/cccccccc-0000-0000-0000-000000000001");
        let seen = seen(Phase::Probe, &other).await;
        let Observed::Differs { differences, .. } = seen else { panic!("{seen:?}") };
        assert_eq!(differences.len(), 2);
        assert_eq!(differences[0].found, "33333333-0000-0000-0000-00000000000f");
    }

    #[tokio::test]
    async fn a_state_that_does_not_heal_needs_a_decision_but_can_be_taken_back() {
        for state in ["Conflict", "Revoked", "Rejected"] {
            assert!(matches!(seen(Phase::Verify, &found(state)).await, Observed::Broken { .. }), "{state}");
            assert!(
                matches!(seen(Phase::UndoProbe, &found(state)).await, Observed::Present { .. }),
                "{state}"
            );
        }
    }

    #[tokio::test]
    async fn both_makers_of_404_mean_absent() {
        for code in ["ResourceNotFound", "NotFound"] {
            let bench = Bench::new();
            bench.script.answer(404, &json!({ "error": { "message": "gone", "code": code } }));
            let mut elsewhere = found("Connected");
            elsewhere["properties"]["resourceId"] =
                json!("/subscriptions/cccccccc-0000-0000-0000-000000000001");
            bench.script.answer(200, &json!({ "value": [elsewhere], "nextLink": "" }));
            let seen =
                Attempt::new(&bench, Phase::Verify).check(&kind(&bench), &ScopeConnection::example()).await;
            assert_eq!(seen.unwrap(), Observed::Absent, "{code}");
        }
    }

    #[tokio::test]
    async fn one_that_asks_for_the_same_under_another_name_is_found_and_never_taken_back() {
        let gone = json!({ "error": { "message": "gone", "code": "NotFound" } });
        let mut twin = found("Connected");
        twin["name"] = json!("made-in-the-portal");
        let bench = Bench::new();
        bench.script.answer(200, &json!({ "value": [twin], "nextLink": "" }));
        bench.script.answer(404, &gone);
        let params = ScopeConnection::example();
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((output.id.name(), output.name.as_str()), ("made-in-the-portal", "made-in-the-portal"));
        let seen = Attempt::new(&bench, Phase::UndoProbe).check(&kind(&bench), &params).await.unwrap();
        assert_eq!(seen, Observed::Absent);
        assert_eq!(asked(&bench).len(), 2, "undo reads nothing else");
    }

    #[tokio::test]
    async fn what_is_sent() {
        let bench = Bench::new();
        bench.script.answer(200, &found("Pending")).answer_with(200, &[], "");
        let (attempt, kind, params) =
            (Attempt::new(&bench, Phase::Apply), kind(&bench), ScopeConnection::example());
        attempt.apply(&kind, &params).await.unwrap();
        let path = format!("{}/scopeConnections/to-central?api-version=2024-10-01", default_world::MANAGER);
        assert_eq!(
            body(&bench),
            json!({ "properties": { "tenantId": "22222222-0000-0000-0000-00000000000f", "resourceId": TARGET,
                "description": "[twinspan:00000007]" } })
        );
        let request = &bench.script.requests()[0];
        assert!(
            !request.headers.contains_key("x-ms-authorization-auxiliary"),
            "the request needs no permission in the target tenant"
        );
        let output = Output {
            id: ScopeConnection::id(&params).unwrap(),
            name: FoundName::from(&params.name),
            state: "Pending".to_owned(),
        };
        Attempt::new(&bench, Phase::Undo).undo(&kind, &params, &output).await.unwrap();
        assert_eq!(asked(&bench), [format!("PUT {path}"), format!("DELETE {path}")]);
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_write_unknown() {
        let bench = Bench::new();
        bench.script.answer(500, &json!({ "error": { "code": "InternalServerError", "message": "" } }));
        let (kind, params) = (kind(&bench), ScopeConnection::example());
        let error = Attempt::new(&bench, Phase::Apply).apply(&kind, &params).await.unwrap_err();
        assert_eq!(error.certainty, twinspan_engine::Certainty::Unknown);
    }
}
