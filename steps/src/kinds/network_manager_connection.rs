//! `avnm.network-manager-connection`: lets a network manager of another tenant manage a scope of the target tenant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Decision, Difference, KindMeta, Observed, Readiness, StepCx, StepError};

use crate::avnm::child::{self, Child, Read};
use crate::avnm::{ConnectionSide, ConnectionState, NamesManager, same_path};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::ids::{
    ConnectionScope, Description, FoundName, NetworkManagerConnections, NetworkManagers, ResourceId,
    ResourceName,
};
use crate::kinds::named_resource::{ByHand, NamedResource, meta};
use crate::kinds::undoing;

type Wire = ConnectionSide<NamesManager>;

/// `avnm.network-manager-connection`
pub(crate) struct NetworkManagerConnection;

/// Parameters of `avnm.network-manager-connection`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The subscription or management group that the network manager will manage.
    scope: ConnectionScope,
    /// Name of the connection.
    name: ResourceName,
    /// The network manager of the central tenant.
    network_manager: ResourceId<NetworkManagers>,
    /// State of the scope connection when it was read (output `state` of its step). If it is Connected although the scope has no
    /// network manager connection to the network manager, nothing is written and a person decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope_connection_state: Option<String>,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
}

/// Outputs of `avnm.network-manager-connection`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The connection.
    id: ResourceId<NetworkManagerConnections>,
    /// Its name.
    name: FoundName,
    /// State when it was read: Pending until the scope connection exists, then Connected.
    state: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    network_manager_id: &'a str,
    description: String,
}

impl Params {
    fn id_of(&self, name: &FoundName) -> Result<ResourceId<NetworkManagerConnections>, StepError> {
        let scope = self.scope.path();
        Ok(format!("{scope}/providers/Microsoft.Network/networkManagerConnections/{name}").parse()?)
    }

    fn names_ours(&self, half: &Wire) -> bool {
        same_path(&half.names.network_manager_id, self.network_manager.path())
    }

    /// The decision where the scope connection is Connected but no network manager connection exists.
    fn connected_alone(&self, tenant: &str) -> Decision {
        let manager = self.network_manager.name();
        Decision {
            what: format!(
                "the scope connection of network manager {manager} is Connected, but {} in {tenant} has no network manager \
                 connection that names this manager: both sides are needed for a connection, and nothing was written here",
                self.scope.words()
            ),
            advice: format!(
                "ask the central tenant's administrator whether {manager} has {} in a scope of its own tenant: Azure then shows \
                 Connected without the target's consent, and this is no cross-tenant connection. If the connection here was \
                 deleted meanwhile, or must be created all the same: overwrite; otherwise abort",
                self.scope.words()
            ),
            differences: Vec::new(),
        }
    }

    /// `name`: the name under which the connection was found.
    fn observed(
        &self,
        cx: &StepCx<'_>,
        name: &FoundName,
        half: &Wire,
    ) -> Result<Observed<Output>, StepError> {
        let words = format!("network manager connection {name} of {}", self.scope.words());
        let state = half.connection_state.to_string();
        let output = Output { id: self.id_of(name)?, name: name.clone(), state };
        let difference = (!self.names_ours(half)).then(|| {
            Difference::new(
                "network manager".to_owned(),
                self.network_manager.to_string(),
                half.names.network_manager_id.clone(),
            )
        });
        Ok(half.observed(output, difference.into_iter().collect(), &words, undoing(cx)))
    }
}

impl NamedResource for NetworkManagerConnection {
    const META: KindMeta = KindMeta {
        read_only_params: &["scope_connection_state"],
        volatile_outputs: &["state"],
        guards: Some("tenant"),
        ..meta(
            "avnm.network-manager-connection",
            "Create a network manager connection on a subscription or management group of another tenant",
        )
    };

    type Params = Params;
    type Output = Output;
    type Id = NetworkManagerConnections;

    fn example() -> Params {
        Params {
            scope: default_world::target(),
            name: ResourceName::known(default_world::CONNECTION),
            network_manager: default_world::manager(),
            scope_connection_state: None,
            description: None,
        }
    }

    fn id(params: &Params) -> Result<ResourceId<NetworkManagerConnections>, StepError> {
        params.id_of(&FoundName::from(&params.name))
    }

    fn found(output: &Output) -> &ResourceId<NetworkManagerConnections> {
        &output.id
    }

    fn properties(cx: &StepCx<'_>, params: &Params) -> impl Serialize {
        Wanted {
            network_manager_id: params.network_manager.path(),
            description: child::description(cx, params.description.as_ref()),
        }
    }

    /// Refuses to create the connection if the scope connection is already Connected without it.
    ///
    /// Once both sides exist, a connection that was established without consent looks valid, so this is the last moment that
    /// shows it. The state comes from the step of the scope connection, which read it as the central tenant's identity: this
    /// step's identity need not be able to read there.
    async fn precondition(_azure: &Azure, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        let said = params.scope_connection_state.clone().map(ConnectionState::from);
        if said != Some(ConnectionState::Connected) {
            return Ok(Readiness::Ready);
        }
        Ok(Readiness::Undecided(params.connected_alone(&people::place(cx.identity()?))))
    }

    async fn observe(
        own: &Child<'_, NetworkManagerConnections>,
        cx: &StepCx<'_>,
        params: &Params,
    ) -> Result<Observed<Output>, StepError> {
        // A connection under another name was not created by this step, so there is nothing to undo.
        if undoing(cx) {
            let found = own.read().await?;
            let observed =
                |found: Read<Wire>| params.observed(cx, &FoundName::from(&params.name), &found.properties);
            return found.map_or(Ok(Observed::Absent), observed);
        }
        // The target's administrator may have created it under another name; a second connection would be too many.
        let same = |half: &Wire| params.names_ours(half);
        match own.or_twin(cx, same, |half: &Wire| half.connection_state.rank()).await? {
            Some((name, found)) => params.observed(cx, &name, &found.properties),
            None => Ok(Observed::Absent),
        }
    }

    fn by_hand(_cx: &StepCx<'_>, params: &Params) -> Result<ByHand, StepError> {
        let (name, scope, manager) = (&params.name, params.scope.words(), &params.network_manager);
        Ok(ByHand {
            what: format!("Create the connection {name} on {scope}, to network manager {manager}"),
            portal: "Azure portal, signed in to this tenant: Virtual network managers, Cross-tenant connections, Create a connection".to_owned(),
            ..ByHand::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twinspan_engine::Phase;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::named_resource::Named;
    use crate::kinds::wire_test::{Attempt, asked, body, params};

    fn kind(bench: &Bench) -> Named<NetworkManagerConnection> {
        Named::<NetworkManagerConnection>::new(&bench.azure)
    }

    fn found(manager: &str, state: &str) -> serde_json::Value {
        json!({ "name": "to-central", "location": "", "properties": { "networkManagerId": manager, "connectionState": state,
            "description": "" } })
    }

    #[tokio::test]
    async fn what_is_sent_at_a_subscription_and_at_a_management_group() {
        let group = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
        for scope in ["/subscriptions/bbbbbbbb-0000-0000-0000-000000000001", group] {
            let bench = Bench::new();
            bench.script.answer(200, &found(default_world::MANAGER, "Pending")).answer_with(204, &[], "");
            let params: Params = params(json!({ "scope": scope, "name": "to-central",
                "network_manager": default_world::MANAGER, "description": "ticket 7" }));
            Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &params).await.unwrap();
            assert_eq!(
                body(&bench),
                json!({ "properties": { "networkManagerId": default_world::MANAGER,
                    "description": "ticket 7 [twinspan:00000007]" } })
            );
            let output = Output {
                id: NetworkManagerConnection::id(&params).unwrap(),
                name: FoundName::from(&params.name),
                state: "Pending".to_owned(),
            };
            Attempt::new(&bench, Phase::Undo).undo(&kind(&bench), &params, &output).await.unwrap();
            let path = format!(
                "{scope}/providers/Microsoft.Network/networkManagerConnections/to-central?api-version=2024-10-01"
            );
            assert_eq!(asked(&bench), [format!("PUT {path}"), format!("DELETE {path}")]);
        }
    }

    #[tokio::test]
    async fn a_half_that_says_connected_alone_needs_a_decision_before_anything_is_written() {
        for (said, undecided) in [(Some("Connected"), true), (Some("Pending"), false), (None, false)] {
            let bench = Bench::new();
            let mut params = NetworkManagerConnection::example();
            params.scope_connection_state = said.map(str::to_owned);
            let mut attempt = Attempt::new(&bench, Phase::Probe);
            attempt.identities = Some(vec![bench.target.clone()]);
            match attempt.precondition(&kind(&bench), &params).await.unwrap() {
                Readiness::Undecided(decision) if undecided => {
                    for word in ["is Connected", "subscription bbbbbbbb", "22222222", "nm-group"] {
                        assert!(decision.what.contains(word), "{word}: {}", decision.what);
                    }
                }
                Readiness::Ready if !undecided => {}
                other => panic!("{said:?}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn one_that_was_made_under_another_name_is_found_and_never_taken_back() {
        let other = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/networkManagers/other";
        let named = |name: &str, manager: &str, state: &str| {
            let mut half = found(manager, state);
            half["name"] = json!(name);
            half
        };
        let mine = default_world::MANAGER.to_uppercase();
        let halves = [
            named("a", other, "Connected"),
            named("b", &mine, "Revoked"),
            named("c", &mine, "Pending"),
            named("d", "", "Pending"),
        ];
        let gone = json!({ "error": { "code": "NotFound", "message": "" } });
        let bench = Bench::new();
        bench
            .script
            .answer(200, &json!({ "value": halves, "nextLink": "" }))
            .answer(200, &json!({ "value": [], "nextLink": "" }))
            .answer(404, &gone);
        let params = NetworkManagerConnection::example();
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((output.name.as_str(), output.state.as_str()), ("c", "Pending"));
        assert!(output.id.path().ends_with("/networkManagerConnections/c"), "{}", output.id);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &params).await.unwrap();
        assert_eq!(seen, Observed::Absent);
        let seen = Attempt::new(&bench, Phase::UndoProbe).check(&kind(&bench), &params).await.unwrap();
        assert_eq!(seen, Observed::Absent);
        assert_eq!(asked(&bench).len(), 3, "undo reads nothing else");
    }

    #[tokio::test]
    async fn another_manager_differs_and_revoked_can_be_taken_back() {
        let check = async |manager: &str, state: &str, phase| {
            let bench = Bench::new();
            if phase == Phase::Probe {
                bench.script.answer(200, &json!({ "value": [found(manager, state)], "nextLink": "" }));
            }
            bench.script.answer(200, &found(manager, state));
            let params = NetworkManagerConnection::example();
            Attempt::new(&bench, phase).check(&kind(&bench), &params).await.unwrap()
        };
        let own = default_world::MANAGER.to_lowercase();
        assert!(matches!(check(&own, "Pending", Phase::Verify).await, Observed::Present { .. }));
        // Recorded: stored connections with an empty manager id exist.
        let seen = check("", "Pending", Phase::Probe).await;
        assert!(
            matches!(&seen, Observed::Differs { differences, .. } if differences[0].found.is_empty()),
            "{seen:?}"
        );
        assert!(matches!(check(&own, "Revoked", Phase::Verify).await, Observed::Broken { .. }));
        assert!(matches!(check(&own, "Revoked", Phase::UndoProbe).await, Observed::Present { .. }));
    }
}
