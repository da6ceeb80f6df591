//! `azure.scope`: checks that a subscription or management group lies in the expected tenant and can be used.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_engine::{
    Check, Guarded, HandOver, Identity, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError,
    Wait, WaitKind,
};

use crate::azure::people::{self, Assignee};
use crate::azure::{Azure, READS_GROUPS};
use crate::default_world;
use crate::hand_over;
use crate::hierarchy::{self, HierarchyReading};
use crate::ids::{ConnectionScope, TenantId};
use crate::kinds::bounds::blank_guard;

/// `azure.scope`
pub(crate) struct Scope {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.scope`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The subscription or management group.
    scope: ConnectionScope,
    /// Its expected display name: guards against a wrong id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_name: Option<String>,
}

/// Outputs of `azure.scope`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The subscription or management group.
    id: ConnectionScope,
    /// Type of the scope.
    kind: Kind,
    /// Its display name.
    name: String,
    /// The tenant that it lies in.
    tenant: TenantId,
}

/// Type of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(subscription,management-group)"))]
pub(crate) enum Kind {
    /// A subscription.
    Subscription,
    /// A management group.
    ManagementGroup,
}

fn judge(
    params: &Params,
    identity: &Identity,
    seen: Option<HierarchyReading>,
) -> Result<Observed<Output>, StepError> {
    let tenant = people::tenant(identity)?;
    let marker = Marker::NoPlace;
    let Some(seen) = seen else {
        // The role with the least permissions that can read the scope: for a subscription the one that the connection needs.
        let role = if params.scope.is_management_group() { READS_GROUPS } else { "Network Contributor" };
        let contact = identity.attributes.get("contact").map(String::as_str);
        let wait = people::missing_right(
            format!(
                "{} does not exist, or {} has no role on it",
                params.scope.words(),
                people::who(identity)
            ),
            people::role_giver(params.scope.path(), &tenant.to_string()),
            people::assign_command(Assignee { contact, ..Assignee::default() }, role, params.scope.path()),
        );
        return Ok(Observed::Converging { wait, marker });
    };
    seen.confirm(&params.scope, tenant, params.expect_name.as_deref())?;
    if !seen.usable() {
        let wait = Wait::new(
            WaitKind::Person,
            format!("{} ({:?}) in tenant {tenant} is {}", params.scope.words(), seen.name, seen.state),
        )
        .who(format!("the owner of {} in tenant {tenant}", params.scope.words()))
        .action("enable it again (Azure portal: Subscriptions, Reactivate, or pay the bill)");
        return Ok(Observed::Converging { wait, marker });
    }
    let kind = if params.scope.is_management_group() { Kind::ManagementGroup } else { Kind::Subscription };
    let output = Output { id: params.scope.clone(), kind, name: seen.name, tenant };
    Ok(Observed::Present { output, marker })
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        blank_guard(self.expect_name.as_deref())
    }
}

impl Check for Scope {
    const META: KindMeta = KindMeta {
        guards: Some("tenant"),
        ..KindMeta::reads(
            "azure.scope",
            "Verify that a subscription or management group lies in the expected tenant",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { scope: default_world::target(), expect_name: Some(default_world::TARGET_NAME.to_owned()) }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        hierarchy::guard(&self.azure, cx, known).await
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        let seen = hierarchy::read(&self.azure.arm(cx, identity), &params.scope).await?;
        judge(params, identity, seen)
    }

    /// No permissions: as far as is known, any role on a subscription or management group allows its holder to read it, so there
    /// is no action to check.
    fn permissions(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Vec<Permission>, StepError> {
        Ok(Vec::new())
    }

    fn hand_over(&self, _cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let outputs = BTreeMap::from([("id", hand_over::text(&params.scope))]);
        Ok(HandOver { proof: format!("GET {}", params.scope.path()), outputs, ..HandOver::default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, params, wait};
    use twinspan_engine::Reading;
    use twinspan_engine::{FailureClass, Phase};

    const CENTRAL_TENANT: &str = "11111111-0000-0000-0000-00000000000c";

    async fn seen(
        scope: &str,
        status: u16,
        answer: serde_json::Value,
    ) -> (Result<Observed<Output>, StepError>, String) {
        let bench = Bench::new();
        bench.script.answer(status, &answer);
        let kind = Reading(Scope { azure: Arc::clone(&bench.azure) });
        let params: Params = params(json!({ "scope": scope, "expect_name": "fabrikam-prod-weu" }));
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind, &params).await;
        (seen, asked(&bench).remove(0))
    }

    fn subscription(state: &str, tenant: &str) -> serde_json::Value {
        json!({ "displayName": "fabrikam-prod-weu", "tenantId": tenant, "state": state })
    }

    const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";

    #[tokio::test]
    async fn both_kinds_of_scope_are_read() {
        let (found, asked) = seen(SUBSCRIPTION, 200, subscription("Warned", CENTRAL_TENANT)).await;
        assert!(
            matches!(found.unwrap(), Observed::Present { output, .. } if output.kind == Kind::Subscription)
        );
        assert_eq!(asked, format!("GET {SUBSCRIPTION}?api-version=2022-12-01"));
        let group = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
        let answer = json!({ "name": "mg-fabrikam", "properties": { "displayName": "fabrikam-prod-weu", "tenantId": CENTRAL_TENANT } });
        let (found, asked) = seen(group, 200, answer).await;
        assert!(
            matches!(found.unwrap(), Observed::Present { output, .. } if output.kind == Kind::ManagementGroup)
        );
        assert_eq!(asked, format!("GET {group}?api-version=2023-04-01"));
    }

    #[tokio::test]
    async fn the_wrong_tenant_ends_it_and_a_disabled_subscription_waits() {
        let (other, _) =
            seen(SUBSCRIPTION, 200, subscription("Enabled", "22222222-0000-0000-0000-00000000000f")).await;
        assert!(other.unwrap_err().message.contains("not in tenant 11111111-"));
        let (disabled, _) = seen(SUBSCRIPTION, 200, subscription("Disabled", CENTRAL_TENANT)).await;
        assert_eq!(wait(disabled.unwrap()).kind, WaitKind::Person);
        let (unseen, _) =
            seen(SUBSCRIPTION, 404, json!({ "error": { "code": "ResourceNotFound", "message": "" } })).await;
        assert_eq!(wait(unseen.unwrap()).kind, WaitKind::Permission);
    }

    /// The role that Microsoft documents for the connection need not allow its holder to read the management group itself.
    #[tokio::test]
    async fn a_management_group_that_is_not_readable_asks_for_the_least_role_that_reads_it() {
        let group = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
        let refusal = json!({ "error": { "code": "AuthorizationFailed", "message": format!(
            "The client 'nina@contoso.example' with object id '33333333-0000-0000-0000-00000000000a' does not have \
             authorization to perform action 'Microsoft.Management/managementGroups/read' over scope '{group}' or the scope \
             is invalid. If access was recently granted, please refresh your credentials.") } });
        let (refused, _) = seen(group, 403, refusal).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.class, FailureClass::Permission);
        let (unseen, _) =
            seen(group, 404, json!({ "error": { "code": "ResourceNotFound", "message": "" } })).await;
        for wait in [*refused.wait.unwrap(), wait(unseen.unwrap())] {
            let (action, who) = (wait.action.unwrap(), wait.who.unwrap());
            assert!(action.contains("--role 'Management Group Reader' --scope"), "{action}");
            assert!(action.ends_with(group), "{action}");
            assert!(who.contains("Owner") && who.contains(group), "{who}");
        }
    }
}
