//! `azure.scope`: a subscription or management group lies in the tenant that is meant, and can be used.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, EffectClass, Identity, Marker, Observed, Readiness, Step, StepCx, StepError, Undone,
    Wait, WaitKind,
};

use crate::azure::Azure;
use crate::default_world;
use crate::hierarchy::{self, Seen};
use crate::ids::{ConnectionScope, TenantId};
use crate::people;

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
    /// Its display name, as a person knows it: guards against a wrong id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_name: Option<String>,
}

/// Outputs of `azure.scope`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The subscription or management group.
    id: ConnectionScope,
    /// What it is.
    kind: Kind,
    /// Its display name.
    name: String,
    /// The tenant that it lies in.
    tenant: TenantId,
}

/// What a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(subscription,management-group)"))]
pub(crate) enum Kind {
    /// A subscription.
    Subscription,
    /// A management group.
    ManagementGroup,
}

fn judge(params: &Params, identity: &Identity, seen: Option<Seen>) -> Result<Observed<Output>, StepError> {
    let tenant = people::tenant(identity)?;
    let marker = Marker::NoPlace;
    let Some(seen) = seen else {
        let wait = people::missing_right(
            format!(
                "{} does not exist, or {} has no role on it",
                params.scope.words(),
                people::who(identity)
            ),
            format!("an Owner of {} in tenant {tenant}", params.scope),
            people::assign_command(None, "Network Contributor", params.scope.path()),
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
        .action("enable it again (Azure portal: Subscriptions, Reactivate, or settle the bill)");
        return Ok(Observed::Converging { wait, marker });
    }
    let kind = if params.scope.is_management_group() { Kind::ManagementGroup } else { Kind::Subscription };
    let output = Output { id: params.scope.clone(), kind, name: seen.name, tenant };
    Ok(Observed::Present { output, marker })
}

impl Step for Scope {
    const KIND: &'static str = "azure.scope";
    const SUMMARY: &'static str =
        "Verify that a subscription or management group lies in the tenant that is meant";
    const EFFECT: EffectClass = EffectClass::Read;
    const SETTLE: Duration = Duration::ZERO;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { scope: default_world::target(), expect_name: Some(default_world::TARGET_NAME.to_owned()) }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        let seen = hierarchy::read(&self.azure.arm(cx, identity), &params.scope).await?;
        judge(params, identity, seen)
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        Err(people::never_writes(Self::KIND))
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("nothing was made here".to_owned()))
    }
}
