//! `avnm.connection-status`: both halves of a cross-tenant connection agree, and it is in force.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, Decision, Difference, EffectClass, Identities, Identity, Marker, Observed, Readiness,
    Step, StepCx, StepError, Undone, Wait,
};

use crate::avnm::{
    API, ConnectionState, Found, Manager, ManagerConnection, ScopeConnection as ScopeHalf, same_path,
};
use crate::azure::Azure;
use crate::ids::{
    ConnectionScope, NetworkManagerConnections, NetworkManagers, ResourceId, ScopeConnections, TenantId,
};
use crate::people;

/// `avnm.connection-status`
pub(crate) struct ConnectionStatus {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.connection-status`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The half in the central tenant.
    scope_connection: ResourceId<ScopeConnections>,
    /// The half in the target tenant.
    network_manager_connection: ResourceId<NetworkManagerConnections>,
}

/// Outputs of `avnm.connection-status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Always Connected: anything else is waited for or needs a decision.
    state: String,
    /// The network manager that now manages the scope.
    network_manager: ResourceId<NetworkManagers>,
    /// The tenant that the scope lies in.
    tenant: TenantId,
    /// The subscription or management group.
    scope: ConnectionScope,
}

/// Everything that was read, before it is judged.
struct Seen {
    scope_half: Option<ScopeHalf>,
    manager_half: Option<ManagerConnection>,
    manager: Option<Manager>,
}

impl Params {
    fn manager(&self) -> Result<ResourceId<NetworkManagers>, StepError> {
        Ok(self.scope_connection.above(1).parse()?)
    }

    /// The scope that the target's half lies on.
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

/// In what the two halves contradict each other.
fn mismatch(
    params: &Params,
    tenant: TenantId,
    scope_half: &ScopeHalf,
    manager_half: &ManagerConnection,
) -> Result<Vec<Difference>, StepError> {
    let mut all = Vec::new();
    let mut differs = |field: &str, wanted: String, found: &str| {
        all.push(Difference { field: field.to_owned(), wanted, found: found.to_owned() });
    };
    let (scope, manager) = (params.scope()?, params.manager()?);
    if scope_half.tenant_id.parse() != Ok(tenant) {
        differs("tenant named by the scope connection", tenant.to_string(), &scope_half.tenant_id);
    }
    if !same_path(&scope_half.resource_id, scope.path()) {
        differs("scope named by the scope connection", scope.to_string(), &scope_half.resource_id);
    }
    if !same_path(&manager_half.network_manager_id, manager.path()) {
        differs(
            "network manager named by the network manager connection",
            manager.to_string(),
            &manager_half.network_manager_id,
        );
    }
    Ok(all)
}

fn judge(
    cx: &StepCx<'_>,
    params: &Params,
    tenant: TenantId,
    seen: Seen,
) -> Result<Observed<Output>, StepError> {
    let central = format!("scope connection {}", params.scope_connection.name());
    let target = format!("network manager connection {}", params.network_manager_connection.name());
    let (scope, manager) = (params.scope()?, params.manager()?);
    let Some(scope_half) = seen.scope_half else {
        return Ok(decision(
            format!("{central} of network manager {} is gone", manager.name()),
            "it was there before this step; ask the central tenant's administrator who removed it, then have it made anew \
             (repair its step)",
            Vec::new(),
        ));
    };
    let Some(manager_half) = seen.manager_half else {
        return Ok(decision(
            format!("{target} of {} in tenant {tenant} is gone", scope.words()),
            "it was there before this step; ask the target tenant's administrator who removed it, then have it made anew \
             (repair its step)",
            Vec::new(),
        ));
    };
    let Some(manager_seen) = seen.manager else {
        return Ok(decision(
            format!("network manager {manager} is gone"),
            "ask the central tenant's administrator; without it there is nothing to connect to",
            Vec::new(),
        ));
    };
    let differences = mismatch(params, tenant, &scope_half, &manager_half)?;
    if !differences.is_empty() {
        return Ok(decision(
            format!(
                "the two halves do not match: {central} and {target} name different things, so Azure never connects them"
            ),
            "both must name exactly the same scope (a subscription is not its management group), tenant and network \
             manager; correct the wrong half",
            differences,
        ));
    }
    let halves = [(&central, &scope_half.connection_state), (&target, &manager_half.connection_state)];
    for (half, state) in halves {
        if let Some(decision) = state.diagnosis(half) {
            return Ok(Observed::Conflict(decision));
        }
    }
    let wait = |what: String| {
        let again = people::pace(cx, Duration::from_secs(5), Duration::from_secs(30));
        let wait = Wait::remote(what).look_again(again).otherwise(
            "Azure names no time for this; minutes are usual. After half an hour remove both halves and make them anew, or \
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
        return wait(format!("both halves are there and match; {}", late.join(", ")));
    }
    if !manager_seen.network_manager_scopes.holds_across(tenant, &scope) {
        return wait(format!(
            "both halves say Connected, but network manager {} does not list {} of tenant {tenant} among its cross-tenant \
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
    /// Who reads the other tenant's half: the second identity; with one identity it reads both.
    fn reader<'a>(cx: &'a StepCx<'_>) -> Result<&'a Identity, StepError> {
        cx.identities.get(1).map_or_else(|| cx.identity(), Ok)
    }
}

impl Step for ConnectionStatus {
    const KIND: &'static str = "avnm.connection-status";
    const SUMMARY: &'static str = "Verify that a cross-tenant connection is Connected, at both ends";
    const EFFECT: EffectClass = EffectClass::Read;
    const SETTLE: Duration = Duration::ZERO;
    const IDENTITIES: Identities = Identities::Several;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            scope_connection: ResourceId::known(
                "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/scopeConnections/to-central",
            ),
            network_manager_connection: ResourceId::known(
                "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/providers/Microsoft.Network/networkManagerConnections/to-central",
            ),
        }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let (central, target) = (cx.identity()?, Self::reader(cx)?);
        let arm = self.azure.arm(cx, central);
        let scope_half: Option<Found<ScopeHalf>> = arm.get(params.scope_connection.path(), API).await?;
        let manager_half: Option<Found<ManagerConnection>> =
            self.azure.arm(cx, target).get(params.network_manager_connection.path(), API).await?;
        let manager: Option<Found<Manager>> = arm.get(params.manager()?.path(), API).await?;
        let seen = Seen {
            scope_half: scope_half.map(|found| found.properties),
            manager_half: manager_half.map(|found| found.properties),
            manager: manager.map(|found| found.properties),
        };
        judge(cx, params, people::tenant(target)?, seen)
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        Err(people::never_writes(Self::KIND))
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("nothing was made here".to_owned()))
    }
}
