//! `avnm.connection-status`: both sides of a cross-tenant connection match and it is in force; or nothing is left of it.

mod gone;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Check, Decision, Difference, Identities, Identity, KindMeta, Marker, Observed, Permission, StepCx,
    StepError, Wait,
};

use crate::avnm::{
    API, ConnectionSide, ConnectionState, Found, Manager, NamesManager, NamesScope, RecreatedBy, same_path,
};
use crate::azure::Azure;
use crate::azure::people;
use crate::ids::{
    ConnectionScope, NetworkManagerConnections, NetworkManagers, ResourceId, ScopeConnections, TenantId,
};

type ScopeHalf = ConnectionSide<NamesScope>;
type ManagerHalf = ConnectionSide<NamesManager>;

/// `avnm.connection-status`
pub(crate) struct ConnectionStatus {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.connection-status`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The scope connection, in the central tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope_connection: Option<ResourceId<ScopeConnections>>,
    /// The network manager connection, in the target tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network_manager_connection: Option<ResourceId<NetworkManagerConnections>>,
    /// With `expect`: the network manager that must not manage the scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network_manager: Option<ResourceId<NetworkManagers>>,
    /// With `expect`: the tenant that the scope lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    /// With `expect`: the subscription or management group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<ConnectionScope>,
    /// gone: neither side exists and the network manager does not manage the scope. Without it both sides must be Connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect: Option<Expect>,
}

/// What is expected of a connection that is not named by its two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(gone)"))]
pub(crate) enum Expect {
    /// Nothing is left of it.
    Gone,
}

/// Outputs of `avnm.connection-status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Connected or Gone, as expected; in any other state the step waits or needs a decision.
    state: String,
    /// The network manager that manages the scope, or no longer manages it.
    network_manager: ResourceId<NetworkManagers>,
    /// The tenant that the scope lies in.
    tenant: TenantId,
    /// The subscription or management group.
    scope: ConnectionScope,
}

/// Everything that the check read.
struct ConnectionReading {
    scope_half: Option<ScopeHalf>,
    manager_half: Option<ManagerHalf>,
    manager: Option<Manager>,
}

/// What the parameters ask for.
enum Question<'a> {
    /// Whether the two sides form one connection.
    Connected(Halves<'a>),
    /// Whether nothing is left of a connection.
    Gone(gone::Link<'a>),
}

/// The two sides, by their ids.
struct Halves<'a> {
    scope_connection: &'a ResourceId<ScopeConnections>,
    network_manager_connection: &'a ResourceId<NetworkManagerConnections>,
}

impl Params {
    fn question(&self) -> Result<Question<'_>, StepError> {
        let halves = (&self.scope_connection, &self.network_manager_connection);
        let link = (&self.network_manager, self.tenant, &self.scope, self.expect);
        match (halves, link) {
            ((Some(scope_connection), Some(network_manager_connection)), (None, None, None, None)) => {
                Ok(Question::Connected(Halves { scope_connection, network_manager_connection }))
            }
            ((None, None), (Some(network_manager), Some(tenant), Some(scope), Some(Expect::Gone))) => {
                Ok(Question::Gone(gone::Link { network_manager, tenant, scope }))
            }
            _ => Err(StepError::plan_wrong("the parameters name no connection, or one in two ways").hint(
                "give `scope_connection` and `network_manager_connection`, or `network_manager`, `tenant`, `scope` and \
                 `expect: gone`",
            )),
        }
    }
}

impl Halves<'_> {
    fn manager(&self) -> Result<ResourceId<NetworkManagers>, StepError> {
        Ok(self.scope_connection.above(1).parse()?)
    }

    /// The scope of the network manager connection.
    fn scope(&self) -> Result<ConnectionScope, StepError> {
        let path = self.network_manager_connection.path();
        // …/providers/Microsoft.Network/networkManagerConnections/NAME
        let scope = path.rsplitn(5, '/').nth(4).unwrap_or_default();
        Ok(scope.parse()?)
    }
}

fn decision(what: String, advice: &str, differences: Vec<Difference>) -> Observed<Output> {
    Observed::Conflict(Decision { what, advice: advice.to_owned(), differences })
}

/// The differences between what the two sides name.
fn mismatch(
    params: &Halves<'_>,
    tenant: TenantId,
    scope_half: &ScopeHalf,
    manager_half: &ManagerHalf,
) -> Result<Vec<Difference>, StepError> {
    let mut all = Vec::new();
    let mut differs = |field: &str, wanted: String, found: &str| {
        all.push(Difference::new(field, wanted, found));
    };
    let (scope, manager) = (params.scope()?, params.manager()?);
    if scope_half.names.tenant_id.parse() != Ok(tenant) {
        differs("tenant named by the scope connection", tenant.to_string(), &scope_half.names.tenant_id);
    }
    if !same_path(&scope_half.names.resource_id, scope.path()) {
        differs("scope named by the scope connection", scope.to_string(), &scope_half.names.resource_id);
    }
    if !same_path(&manager_half.names.network_manager_id, manager.path()) {
        differs(
            "network manager named by the network manager connection",
            manager.to_string(),
            &manager_half.names.network_manager_id,
        );
    }
    Ok(all)
}

fn judge(
    params: &Halves<'_>,
    tenant: TenantId,
    seen: ConnectionReading,
) -> Result<Observed<Output>, StepError> {
    let central = format!("scope connection {}", params.scope_connection.name());
    let target = format!("network manager connection {}", params.network_manager_connection.name());
    let (scope, manager) = (params.scope()?, params.manager()?);
    let Some(scope_half) = seen.scope_half else {
        return Ok(decision(
            format!("{central} of network manager {} is gone", manager.name()),
            "it existed before this step; ask the central tenant's administrator who deleted it, then create it again \
             (repair its step)",
            Vec::new(),
        ));
    };
    let Some(manager_half) = seen.manager_half else {
        return Ok(decision(
            format!("{target} of {} in tenant {tenant} is gone", scope.words()),
            "it existed before this step; ask the target tenant's administrator who deleted it, then create it again \
             (repair its step)",
            Vec::new(),
        ));
    };
    let differences = mismatch(params, tenant, &scope_half, &manager_half)?;
    if !differences.is_empty() {
        return Ok(decision(
            format!(
                "{central} and {target} do not match: they name different resources, so Azure never connects them"
            ),
            "both must name exactly the same scope (a subscription is not its management group), tenant and network \
             manager; correct the wrong one",
            differences,
        ));
    }
    let halves = [(&central, &scope_half.connection_state), (&target, &manager_half.connection_state)];
    for (half, state) in halves {
        if let Some(decision) = state.diagnosis(half, RecreatedBy::Elsewhere) {
            return Ok(Observed::Conflict(decision));
        }
    }
    let wait = |what: String| {
        let wait = Wait::remote(what).otherwise(
            "Azure gives no time limit; minutes are usual. After half an hour delete both connections and create them again, or \
             ask Azure support with both ids",
        );
        Ok(Observed::Converging { wait, marker: Marker::NoPlace })
    };
    let late: Vec<String> = halves
        .iter()
        .filter(|(_, state)| **state != ConnectionState::Connected)
        .map(|(half, state)| format!("{half} is listed as {state}"))
        .collect();
    if !late.is_empty() {
        return wait(format!("both sides exist and match; {}", late.join(", ")));
    }
    let Some(manager_seen) = seen.manager else {
        return Ok(decision(
            format!("network manager {manager} is gone"),
            "ask the central tenant's administrator; without it there is nothing to connect to",
            Vec::new(),
        ));
    };
    if !manager_seen.network_manager_scopes.holds_across(tenant, &scope) {
        return wait(format!(
            "both sides are Connected, but network manager {} does not list {} of tenant {tenant} among its cross-tenant \
             scopes, so it is not managed yet",
            manager.name(),
            scope.words()
        ));
    }
    let output =
        Output { state: ConnectionState::Connected.to_string(), network_manager: manager, tenant, scope };
    Ok(Observed::Present { output, marker: Marker::NoPlace })
}

impl ConnectionStatus {
    /// The identity that reads the network manager connection: the second one; if there is only one, it reads both sides.
    fn reader<'a>(cx: &'a StepCx<'_>) -> Result<&'a Identity, StepError> {
        cx.identities.get(1).map_or_else(|| cx.identity(), Ok)
    }
}

impl Check for ConnectionStatus {
    const META: KindMeta = KindMeta {
        identities: Identities::Several,
        exactly_one_of: &[
            &["scope_connection", "network_manager_connection"],
            &["network_manager", "tenant", "scope", "expect"],
        ],
        ..KindMeta::reads(
            "avnm.connection-status",
            "Verify that a cross-tenant connection is Connected on both sides, or gone",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            scope_connection: Some(ResourceId::known(
                "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/scopeConnections/to-central",
            )),
            network_manager_connection: Some(ResourceId::known(
                "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/providers/Microsoft.Network/networkManagerConnections/to-central",
            )),
            network_manager: None,
            tenant: None,
            scope: None,
            expect: None,
        }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let (central, target) = (cx.identity()?, Self::reader(cx)?);
        let params = match params.question()? {
            Question::Connected(halves) => halves,
            Question::Gone(link) => return link.check(&self.azure, cx, central, target).await,
        };
        let manager_id = params.manager()?;
        // Reads must be newer than the last writes to either side; writes of others to the network manager do not count.
        let halves = [params.scope_connection.path(), params.network_manager_connection.path()];
        let arm = self.azure.arm(cx, central).about(halves);
        let scope_half: Option<Found<ScopeHalf>> = arm.get(params.scope_connection.path(), API).await?;
        let manager_half: Option<Found<ManagerHalf>> = self
            .azure
            .arm(cx, target)
            .about(halves)
            .get(params.network_manager_connection.path(), API)
            .await?;
        let scope_half = scope_half.map(|found| found.properties);
        let manager_half = manager_half.map(|found| found.properties);
        let connected = ConnectionState::Connected;
        // The scopes of the network manager matter only when both sides are Connected.
        let both = scope_half.as_ref().is_some_and(|half| half.connection_state == connected)
            && manager_half.as_ref().is_some_and(|half| half.connection_state == connected);
        let manager: Option<Found<Manager>> =
            if both { arm.get(manager_id.path(), API).await? } else { None };
        let seen =
            ConnectionReading { scope_half, manager_half, manager: manager.map(|found| found.properties) };
        judge(&params, people::tenant(target)?, seen)
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let (manager, scope) = match params.question()? {
            Question::Connected(halves) => (halves.manager()?, halves.scope()?),
            Question::Gone(link) => (link.network_manager.clone(), link.scope.clone()),
        };
        let mut permissions = Permission::each(
            cx.identity()?,
            manager.path(),
            &[
                "Microsoft.Network/networkManagers/read",
                "Microsoft.Network/networkManagers/scopeConnections/read",
            ],
        );
        let read = "Microsoft.Network/networkManagerConnections/read";
        permissions.extend(Permission::each(Self::reader(cx)?, scope.path(), &[read]));
        Ok(permissions)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::default_world;
    use crate::kinds::wire_test::{Attempt, asked, wait};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const TENANT: &str = "22222222-0000-0000-0000-00000000000f";

    /// Both sides and the network manager of a connection in force.
    fn healthy() -> [serde_json::Value; 3] {
        [
            json!({ "properties": { "tenantId": TENANT, "resourceId": TARGET, "connectionState": "Connected" } }),
            json!({ "properties": { "networkManagerId": default_world::MANAGER, "connectionState": "Connected" } }),
            json!({ "properties": { "networkManagerScopes": { "crossTenantScopes": [
                { "tenantId": TENANT, "managementGroups": [], "subscriptions": [TARGET] }] } } }),
        ]
    }

    async fn seen(answers: &[serde_json::Value; 3]) -> (Observed<Output>, Bench) {
        let bench = Bench::new();
        for answer in answers {
            let status = if answer.get("error").is_some() { 404 } else { 200 };
            bench.script.answer(status, answer);
        }
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.identities = Some(vec![bench.central.clone(), bench.target.clone()]);
        let kind = Reading(ConnectionStatus { azure: Arc::clone(&bench.azure) });
        let seen = attempt.check(&kind, &ConnectionStatus::example()).await.unwrap();
        (seen, bench)
    }

    #[tokio::test]
    async fn both_ends_and_the_manager_are_read_each_as_its_own_identity() {
        let (seen, bench) = seen(&healthy()).await;
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((output.state.as_str(), output.scope.path()), ("Connected", TARGET));
        let tenants: Vec<String> =
            bench.script.requests().iter().map(|request| request.token("authorization").unwrap().1).collect();
        let central = "11111111-0000-0000-0000-00000000000c";
        assert_eq!(tenants, [central, TENANT, central]);
        assert!(asked(&bench)[2].starts_with(&format!("GET {}?", default_world::MANAGER)));
    }

    #[tokio::test]
    async fn connected_at_both_ends_is_not_enough() {
        let mut eager = healthy();
        eager[2]["properties"]["networkManagerScopes"]["crossTenantScopes"] = json!([]);
        let wait = wait(seen(&eager).await.0);
        assert!(wait.what.contains("does not list subscription bbbbbbbb"), "{}", wait.what);
    }

    #[tokio::test]
    async fn pending_is_waited_for_by_the_usual_schedule() {
        let mut half = healthy();
        half[0]["properties"]["connectionState"] = json!("Pending");
        let wait = wait(seen(&half).await.0);
        assert_eq!(wait.what, "both sides exist and match; scope connection to-central is listed as Pending");
        assert_eq!(wait.next_check, None);
    }

    #[tokio::test]
    async fn halves_that_name_different_things_are_told_apart() {
        let cases = [
            (0, "tenantId", "33333333-0000-0000-0000-00000000000f", "tenant named by the scope connection"),
            (
                0,
                "resourceId",
                "/subscriptions/cccccccc-0000-0000-0000-000000000001",
                "scope named by the scope connection",
            ),
            (1, "networkManagerId", "", "network manager named by the network manager connection"),
        ];
        for (which, name, value, field) in cases {
            let mut wrong = healthy();
            wrong[which]["properties"][name] = json!(value);
            let (seen, _) = seen(&wrong).await;
            let Observed::Conflict(decision) = seen else { panic!("{seen:?}") };
            let fields: Vec<&str> = decision.differences.iter().map(|d| d.field.as_str()).collect();
            assert_eq!(fields, [field]);
        }
    }

    #[tokio::test]
    async fn what_does_not_heal_and_what_is_gone_need_a_decision() {
        let mut diagnoses = Vec::new();
        for (which, state) in [(0, "Conflict"), (1, "Conflict"), (1, "Revoked"), (0, "Rejected")] {
            let mut bad = healthy();
            bad[which]["properties"]["connectionState"] = json!(state);
            let (seen, _) = seen(&bad).await;
            let Observed::Conflict(decision) = seen else { panic!("{seen:?}") };
            assert!(decision.what.contains(state), "{}", decision.what);
            diagnoses.push(decision.what);
        }
        for which in 0..3 {
            let mut gone = healthy();
            gone[which] = json!({ "error": { "code": "NotFound", "message": "" } });
            let (seen, _) = seen(&gone).await;
            let Observed::Conflict(decision) = seen else { panic!("{seen:?}") };
            assert!(decision.what.ends_with("is gone"), "{}", decision.what);
            diagnoses.push(decision.what);
        }
        diagnoses.sort();
        diagnoses.dedup();
        assert_eq!(diagnoses.len(), 7, "each has its own message");
    }

    #[test]
    fn the_scope_is_read_off_the_connection() {
        let group = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
        let params = Params {
            network_manager_connection: format!(
                "{group}/providers/Microsoft.Network/networkManagerConnections/to-central"
            )
            .parse()
            .ok(),
            ..ConnectionStatus::example()
        };
        let Question::Connected(halves) = params.question().unwrap() else { panic!() };
        assert_eq!(halves.scope().unwrap().path(), group);
        assert_eq!(halves.manager().unwrap(), default_world::manager());
    }
}
