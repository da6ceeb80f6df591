//! Subscriptions and management groups: their tenant, name and state.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use twinspan_engine::{FailureClass, Guarded, StepCx, StepError};

use crate::avnm::or_default;
use crate::azure::people;
use crate::azure::{Arm, Azure};
use crate::ids::{ConnectionScope, Guid, Scope, TenantId};

const SUBSCRIPTIONS_API: &str = "2022-12-01";
/// API version of management groups.
pub(crate) const MANAGEMENT_GROUPS_API: &str = "2023-04-01";

/// Path of the list of a tenant's management groups.
pub(crate) const MANAGEMENT_GROUPS: &str = "/providers/Microsoft.Management/managementGroups";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default, deserialize_with = "or_default")]
    display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    tenant_id: String,
    #[serde(default, deserialize_with = "or_default")]
    state: String,
}

#[derive(Deserialize)]
struct ManagementGroup {
    properties: ManagementGroupProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagementGroupProperties {
    #[serde(default, deserialize_with = "or_default")]
    display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    tenant_id: String,
}

/// A subscription or management group as Azure returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HierarchyReading {
    /// Its display name.
    pub(crate) name: String,
    /// The tenant that it lies in, if Azure returns it.
    pub(crate) tenant: Option<TenantId>,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled`, `Deleted`; a management group is always Enabled.
    pub(crate) state: String,
}

impl HierarchyReading {
    /// Whether resources in it can be changed.
    pub(crate) fn usable(&self) -> bool {
        ["Enabled", "Warned", "PastDue"].iter().any(|state| self.state.eq_ignore_ascii_case(state))
    }

    /// Detects a wrong scope before the first write, by its tenant and by the expected name.
    pub(crate) fn confirm(
        &self,
        scope: &ConnectionScope,
        tenant: TenantId,
        expect_name: Option<&str>,
    ) -> Result<(), StepError> {
        if let Some(other) = self.tenant.filter(|other| *other != tenant) {
            return Err(StepError::plan_wrong(format!(
                "{} ({:?}) lies in tenant {other}, not in tenant {tenant}",
                scope.words(),
                self.name
            ))
            .hint("check the tenant and the scope in the inputs"));
        }
        match expect_name {
            Some(wanted) if wanted.trim() != self.name.trim() => Err(StepError::plan_wrong(format!(
                "{} in tenant {tenant} is called {:?}; the plan expects {wanted:?}",
                scope.words(),
                self.name
            ))
            .hint("one of the two is wrong: the id or the expected name; nothing was changed")),
            _ => Ok(()),
        }
    }
}

/// Reads a subscription or management group; `None` if it does not exist.
pub(crate) async fn read(
    arm: &Arm<'_>,
    scope: &ConnectionScope,
) -> Result<Option<HierarchyReading>, StepError> {
    if scope.is_management_group() {
        let found: Option<ManagementGroup> = arm.get(scope.path(), MANAGEMENT_GROUPS_API).await?;
        return Ok(found.map(|found| HierarchyReading {
            name: found.properties.display_name,
            tenant: found.properties.tenant_id.parse().ok(),
            state: "Enabled".to_owned(),
        }));
    }
    let found: Option<Subscription> = arm.get(scope.path(), SUBSCRIPTIONS_API).await?;
    Ok(found.map(|found| HierarchyReading {
        name: found.display_name,
        tenant: found.tenant_id.parse().ok(),
        state: found.state,
    }))
}

/// The guard of a step's scope, as far as the inputs are known before the run's first write.
#[derive(Deserialize)]
pub(crate) struct ScopeGuard {
    scope: Scope,
    #[serde(default)]
    expect_name: Option<String>,
    /// The tenant that the scope lies in, if it is not the acting identity's tenant.
    #[serde(default)]
    tenant: Option<TenantId>,
}

/// After a failed sign-in a guard does not use the identity for this long.
const NOT_ASKED_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The key under which the failure is remembered.
const CANNOT_SIGN_IN: &str = "a guard could not sign in";

/// Checks that the scope lies in its tenant and has the expected name. It reads with any identity of the tenant, as perhaps
/// only one of them can see the scope.
pub(crate) async fn guard(azure: &Azure, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
    // A scope that is not known yet cannot be checked.
    let Ok(guard) = ScopeGuard::deserialize(known) else { return Ok(Guarded::Unknown) };
    let actor = cx.identity()?;
    let Ok(tenant) = guard.tenant.map_or_else(|| people::tenant(actor), Ok) else {
        return Ok(Guarded::Unknown);
    };
    // Below a subscription only the subscription's tenant can be wrong: the expected name is that of a subscription or
    // management group.
    let (scope, name) = match guard.scope.path().parse::<ConnectionScope>() {
        Ok(scope) => (scope, guard.expect_name.as_deref()),
        Err(_) => match guard.scope.subscription() {
            Some(subscription) => (ConnectionScope::of_subscription(subscription), None),
            None => return Ok(Guarded::Unknown),
        },
    };
    let mut passing = None;
    let readers = std::iter::once(actor).chain(cx.others);
    for reader in readers.filter(|reader| people::tenant(reader).is_ok_and(|own| own == tenant)) {
        let in_vain = azure.known::<Timestamp>(reader, CANNOT_SIGN_IN);
        let lately = in_vain.is_some_and(|at| cx.steady().duration_since(at) < NOT_ASKED_AGAIN);
        if lately || azure.serves(cx, reader).is_err() {
            continue;
        }
        match read(&azure.arm(cx, reader), &scope).await {
            Ok(Some(seen)) => {
                return Ok(match seen.confirm(&scope, tenant, name) {
                    Ok(()) => Guarded::Met,
                    Err(wrong) => Guarded::Wrong(wrong),
                });
            }
            Ok(None) => {}
            Err(error) => match error.class {
                // Azure itself says that the scope lies in another tenant.
                FailureClass::PlanWrong => return Ok(Guarded::Wrong(error)),
                FailureClass::Throttled | FailureClass::Transient => passing = Some(error),
                FailureClass::Credential | FailureClass::NeedsPerson => {
                    azure.remember(reader, CANNOT_SIGN_IN, cx.steady());
                }
                _ => {}
            },
        }
    }
    passing.map_or(Ok(Guarded::Unknown), Err)
}

/// A management group or subscription in a list.
#[derive(Deserialize)]
pub(crate) struct Listed {
    #[serde(default, deserialize_with = "or_default")]
    id: String,
}

impl Listed {
    /// Its scope; `None` for any other type.
    pub(crate) fn scope(&self) -> Option<ConnectionScope> {
        self.id.parse().ok()
    }
}

/// The subscriptions in a management group, at any depth.
pub(crate) async fn subscriptions_in(arm: &Arm<'_>, group: &ConnectionScope) -> Result<Vec<Guid>, StepError> {
    let listed: Vec<Listed> =
        arm.list(&format!("{}/descendants", group.path()), MANAGEMENT_GROUPS_API, &[]).await?;
    let scopes = listed.iter().filter_map(Listed::scope);
    Ok(scopes.filter_map(|scope| scope.scope().subscription()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::default_world;

    fn seen(tenant: Option<TenantId>) -> HierarchyReading {
        HierarchyReading { name: "fabrikam-prod-weu".to_owned(), tenant, state: "Enabled".to_owned() }
    }

    #[test]
    fn the_wrong_tenant_or_name_is_found_out() {
        let (scope, tenant) = (default_world::target(), default_world::TARGET_TENANT);
        let other = TenantId::known(0x11111111_0000_0000_0000_00000000000c);
        assert!(seen(Some(tenant)).confirm(&scope, tenant, Some(" fabrikam-prod-weu")).is_ok());
        assert!(seen(None).confirm(&scope, tenant, None).is_ok());
        let error = seen(Some(other)).confirm(&scope, tenant, None).unwrap_err();
        assert!(error.message.contains("lies in tenant 11111111-0000-0000-0000-00000000000c"), "{error}");
        let error = seen(Some(tenant)).confirm(&scope, tenant, Some("fabrikam-test")).unwrap_err();
        assert!(
            error.message.ends_with("is called \"fabrikam-prod-weu\"; the plan expects \"fabrikam-test\""),
            "{error}"
        );
    }

    /// Which identities read, and which responses decide.
    #[tokio::test]
    async fn a_guard_is_wrong_only_where_azure_says_so() {
        use crate::azure::scripted::Bench;
        use crate::kinds::wire_test::Attempt;
        use serde_json::json;
        use twinspan_engine::Phase;

        let known = json!({ "scope": "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001", "expect_name": "fabrikam" });
        let here = "11111111-0000-0000-0000-00000000000c";
        let named =
            |name: &str, tenant: &str| json!({ "displayName": name, "tenantId": tenant, "state": "Enabled" });
        let none = json!({ "error": { "code": "SubscriptionNotFound", "message": "" } });
        for (status, answer, wanted) in [
            (200, named("fabrikam", here), "Met"),
            (200, named("other", here), "Wrong"),
            (200, named("fabrikam", "22222222-0000-0000-0000-00000000000f"), "Wrong"),
            (404, none, "Unknown"),
        ] {
            let bench = Bench::new();
            bench.script.answer(status, &answer);
            let kind = crate::kinds::guarding(&bench.azure);
            let said = format!("{:?}", Attempt::new(&bench, Phase::Probe).guard(&kind, &known).await);
            assert!(said.contains(wanted), "{status} {answer}: {said}");
        }
        let bench = Bench::new();
        let kind = crate::kinds::guarding(&bench.azure);
        let nothing = Attempt::new(&bench, Phase::Probe).guard(&kind, &json!({})).await;
        assert_eq!(nothing, Ok(Guarded::Unknown), "an unknown scope is not checked");
        assert!(bench.script.requests().is_empty());
    }

    #[test]
    fn a_disabled_subscription_is_not_usable() {
        for (state, usable) in
            [("Enabled", true), ("Warned", true), ("PastDue", true), ("Disabled", false), ("", false)]
        {
            assert_eq!(
                HierarchyReading { state: state.to_owned(), ..seen(None) }.usable(),
                usable,
                "{state}"
            );
        }
    }
}
