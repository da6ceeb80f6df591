//! Checks that nothing is left of a connection: neither side, under any name, and no scope that the network manager manages.

use twinspan_engine::{Decision, Identity, Marker, Observed, StepCx, StepError, Wait};

use super::{ManagerHalf, Output, ScopeHalf};
use crate::avnm::{API, Found, Manager, same_path};
use crate::azure::Azure;
use crate::ids::{ConnectionScope, NetworkManagers, ResourceId, TenantId};

/// A connection, by the network manager and the scope that it connects.
pub(super) struct Link<'a> {
    pub(super) network_manager: &'a ResourceId<NetworkManagers>,
    pub(super) tenant: TenantId,
    pub(super) scope: &'a ConnectionScope,
}

impl Link<'_> {
    pub(super) async fn check(
        &self,
        azure: &Azure,
        cx: &StepCx<'_>,
        central: &Identity,
        target: &Identity,
    ) -> Result<Observed<Output>, StepError> {
        let arm = azure.arm(cx, central);
        let manager: Option<Found<Manager>> = arm.get(self.network_manager.path(), API).await?;
        let mut left = Vec::new();
        // Deleting a network manager deletes its scope connections; the other tenant's connection remains.
        if manager.is_some() {
            let path = format!("{}/scopeConnections", self.network_manager.path());
            let halves: Vec<Found<ScopeHalf>> = arm.list(&path, API, &[]).await?;
            let ours = halves.iter().filter(|half| {
                let names = &half.properties.names;
                names.tenant_id.parse() == Ok(self.tenant) && same_path(&names.resource_id, self.scope.path())
            });
            left.extend(ours.map(|half| {
                format!("scope connection {} ({})", half.name, half.properties.connection_state)
            }));
        }
        let path = format!("{}/providers/Microsoft.Network/networkManagerConnections", self.scope.path());
        let halves: Vec<Found<ManagerHalf>> = azure.arm(cx, target).list(&path, API, &[]).await?;
        let ours = halves
            .iter()
            .filter(|half| same_path(&half.properties.names.network_manager_id, self.network_manager.path()));
        left.extend(ours.map(|half| {
            format!("network manager connection {} ({})", half.name, half.properties.connection_state)
        }));
        let held = manager.is_some_and(|found| {
            found.properties.network_manager_scopes.holds_across(self.tenant, self.scope)
        });
        Ok(self.judge(&left, held))
    }

    fn output(&self, state: &str) -> Output {
        Output {
            state: state.to_owned(),
            network_manager: self.network_manager.clone(),
            tenant: self.tenant,
            scope: self.scope.clone(),
        }
    }

    fn judge(&self, left: &[String], held: bool) -> Observed<Output> {
        let manager = self.network_manager.name();
        let scope = format!("{} of tenant {}", self.scope.words(), self.tenant);
        let marker = Marker::NoPlace;
        if !left.is_empty() {
            let holds = if held { ", and it still manages the scope" } else { "" };
            let decision = Decision {
                what: format!(
                    "network manager {manager} is not disconnected from {scope}: {} still there{holds}",
                    is_or_are(left)
                ),
                advice: "each side is deleted by its owner: the scope connection in the central tenant, the network manager \
                         connection in the target tenant; then retry this step. Adopt to continue with it in place"
                    .to_owned(),
                differences: Vec::new(),
            };
            return Observed::Broken { output: self.output("Left"), decision, marker };
        }
        if held {
            let wait = Wait::remote(format!(
                "both sides are gone, but network manager {manager} still lists {scope} among its cross-tenant scopes"
            ))
            .otherwise("Azure gives no time limit; after half an hour ask Azure support with both ids");
            return Observed::Converging { wait, marker };
        }
        Observed::Present { output: self.output("Gone"), marker }
    }
}

fn is_or_are(left: &[String]) -> String {
    let verb = if left.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", left.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use twinspan_engine::Phase;

    use super::super::{ConnectionStatus, Params};
    use super::*;
    use crate::azure::scripted::Bench;
    use crate::default_world;
    use crate::kinds::wire_test::{Attempt, asked, params, wait};
    use twinspan_engine::Reading;

    const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const TENANT: &str = "22222222-0000-0000-0000-00000000000f";

    fn gone() -> Params {
        params(
            json!({ "network_manager": default_world::MANAGER, "tenant": TENANT, "scope": TARGET, "expect": "gone" }),
        )
    }

    fn half(name: &str, properties: Value) -> Value {
        json!({ "name": name, "properties": properties })
    }

    /// Responses in the order of the requests: manager, its scope connections, the target's connections.
    async fn seen(held: bool, central: &[Value], target: &[Value]) -> (Observed<Output>, Vec<String>) {
        let bench = Bench::new();
        let subscriptions = if held { json!([TARGET]) } else { json!([]) };
        let across = json!([{ "tenantId": TENANT, "managementGroups": [], "subscriptions": subscriptions }]);
        bench
            .script
            .answer(
                200,
                &json!({ "properties": { "networkManagerScopes": { "crossTenantScopes": across } } }),
            )
            .answer(200, &json!({ "value": central }))
            .answer(200, &json!({ "value": target }));
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.identities = Some(vec![bench.central.clone(), bench.target.clone()]);
        let kind = Reading(ConnectionStatus { azure: Arc::clone(&bench.azure) });
        let seen = attempt.check(&kind, &gone()).await.unwrap();
        (seen, asked(&bench))
    }

    #[tokio::test]
    async fn other_connections_of_the_manager_and_of_the_scope_are_nobodys_business() {
        let elsewhere = half(
            "a",
            json!({ "tenantId": TENANT, "resourceId": "/subscriptions/cccccccc-0000-0000-0000-000000000001" }),
        );
        let others = half("b", json!({ "networkManagerId": "/subscriptions/x/other" }));
        let (seen, asked) = seen(false, &[elsewhere], &[others]).await;
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((output.state.as_str(), output.scope.path()), ("Gone", TARGET));
        assert!(
            asked[2]
                .starts_with(&format!("GET {TARGET}/providers/Microsoft.Network/networkManagerConnections?"))
        );
    }

    #[tokio::test]
    async fn a_half_that_is_left_is_named_whatever_it_is_called() {
        let own = half(
            "old",
            json!({ "tenantId": TENANT.to_uppercase(), "resourceId": TARGET.to_uppercase(), "connectionState": "Revoked" }),
        );
        let (seen, _) = seen(true, &[own], &[]).await;
        let Observed::Broken { decision, .. } = seen else { panic!("{seen:?}") };
        assert!(decision.what.contains("scope connection old (Revoked) is still there"), "{}", decision.what);
        let (seen, _) =
            self::seen(false, &[], &[half("x", json!({ "networkManagerId": default_world::MANAGER }))]).await;
        assert!(matches!(seen, Observed::Broken { .. }), "{seen:?}");
    }

    #[tokio::test]
    async fn a_scope_that_is_still_held_is_waited_for() {
        let wait = wait(seen(true, &[], &[]).await.0);
        assert!(wait.what.contains("still lists subscription bbbbbbbb"), "{}", wait.what);
    }

    #[tokio::test]
    async fn half_of_one_form_and_half_of_the_other_is_refused() {
        let bench = Bench::new();
        let kind = Reading(ConnectionStatus { azure: Arc::clone(&bench.azure) });
        let mixed: Params =
            params(json!({ "network_manager": default_world::MANAGER, "tenant": TENANT, "expect": "gone" }));
        let error = Attempt::new(&bench, Phase::Probe).check(&kind, &mixed).await.unwrap_err();
        assert!(error.hint.unwrap().contains("`expect: gone`"));
    }
}
