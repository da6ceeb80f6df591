//! `azure.sign-in`: the identity signs in to its tenant, as the account that is meant. The portal's "Authenticate".

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, EffectClass, FailureClass, Identity, Marker, Observed, Readiness, Step, StepCx,
    StepError, Undone, Wait, WaitKind,
};

use crate::azure::{Azure, SignedIn};
use crate::default_world;
use crate::ids::{Guid, TenantId};
use crate::people;

/// `azure.sign-in`
pub(crate) struct SignIn {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.sign-in`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Object id that the account must have in the tenant; any account unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_principal: Option<Guid>,
}

/// Outputs of `azure.sign-in`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The tenant.
    tenant: TenantId,
    /// Object id of the account in the tenant.
    object_id: Guid,
    /// Name of the account, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

fn login(tenant: TenantId) -> String {
    format!("az login --tenant {tenant}")
}

fn judge(params: &Params, identity: &Identity, signed_in: SignedIn) -> Result<Observed<Output>, StepError> {
    let tenant = people::tenant(identity)?;
    let object_id: Option<Guid> = signed_in.object_id.as_deref().and_then(|id| id.parse().ok());
    let account = signed_in.account.clone().or_else(|| signed_in.application.clone());
    let named = account.as_deref().unwrap_or("an account without a name");
    let wait = |what: String| Observed::Converging {
        wait: Wait::new(WaitKind::Person, what)
            .who(people::who(identity))
            .action(format!(
                "{} with the right account, or correct identities.{} in twinspan.toml",
                login(tenant),
                identity.name
            ))
            .look_again(Duration::from_secs(30)),
        marker: Marker::NoPlace,
    };
    let issued_by = signed_in.tenant.as_deref().and_then(|id| id.parse::<TenantId>().ok());
    if let Some(other) = issued_by.filter(|other| *other != tenant) {
        return Ok(wait(format!("signed in to tenant {other} as {named}; the plan needs tenant {tenant}")));
    }
    let Some(object_id) = object_id else {
        return Err(StepError::new(
            FailureClass::PlanWrong,
            format!("the token of {} names no account", people::who(identity)),
        )
        .hint("use another credential for this identity"));
    };
    match params.expect_principal {
        Some(wanted) if wanted != object_id => Ok(wait(format!(
            "signed in to tenant {tenant} as {named} (object id {object_id}); the plan needs object id {wanted}"
        ))),
        _ => {
            let output = Output { tenant, object_id, account };
            Ok(Observed::Present { output, marker: Marker::NoPlace })
        }
    }
}

impl Step for SignIn {
    const KIND: &'static str = "azure.sign-in";
    const SUMMARY: &'static str = "Sign in to a tenant as the account that is meant";
    const EFFECT: EffectClass = EffectClass::Read;
    const SETTLE: Duration = Duration::ZERO;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { expect_principal: Some(default_world::TARGET_ADMINISTRATOR) }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        // A refusal carries its own words: who must do what, and whom to ask.
        let signed_in = self.azure.sign_in(cx, identity).await?;
        judge(params, identity, signed_in)
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        Err(people::never_writes(Self::KIND))
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("nothing was made here".to_owned()))
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::kinds::wire_test::{Attempt, wait};
    use twinspan_engine::Phase;

    const ACCOUNT: &str = "ffffffff-1111-0000-0000-000000000001";

    fn judged(object_id: Option<&str>, tenant: &str) -> Result<Observed<Output>, StepError> {
        let signed_in = SignedIn {
            object_id: object_id.map(str::to_owned),
            tenant: Some(tenant.to_owned()),
            application: None,
            account: Some("nina@contoso.example".to_owned()),
        };
        judge(&SignIn::example(), &Bench::new().target, signed_in)
    }

    #[test]
    fn only_the_right_account_in_the_right_tenant_will_do() {
        let seen = judged(Some(&ACCOUNT.to_uppercase()), TARGET).unwrap();
        assert!(
            matches!(&seen, Observed::Present { output, .. } if output.object_id.to_string() == ACCOUNT),
            "{seen:?}"
        );
        let other = wait(judged(Some("ffffffff-1111-0000-0000-000000000009"), TARGET).unwrap());
        assert!(
            other.what.contains("the plan needs object id ffffffff-1111-0000-0000-000000000001"),
            "{}",
            other.what
        );
        assert!(other.action.unwrap().starts_with(&format!("az login --tenant {TARGET} ")));
        let elsewhere = wait(judged(Some(ACCOUNT), "11111111-0000-0000-0000-00000000000c").unwrap());
        assert!(elsewhere.what.starts_with("signed in to tenant 11111111-"), "{}", elsewhere.what);
        assert_eq!(judged(None, TARGET).unwrap_err().class, FailureClass::PlanWrong);
    }

    #[tokio::test]
    async fn a_refused_sign_in_keeps_its_own_words() {
        let bench = Bench::new();
        let refusal = r#"{"error":"interaction_required","error_codes":[50076],"error_description":"AADSTS50076: mfa"}"#;
        bench.script.token_answer(400, &[], refusal);
        let kind = SignIn { azure: Arc::clone(&bench.azure) };
        let error = Attempt::new(&bench, Phase::Probe).check(&kind, &SignIn::example()).await.unwrap_err();
        assert_eq!((error.class, error.code.as_deref()), (FailureClass::NeedsPerson, Some("AADSTS50076")));
    }
}
