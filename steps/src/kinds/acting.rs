//! Wrapper around each kind that an administrator can do by hand. Where this machine has no credential for the step's identity,
//! another identity of the same tenant checks whether the work is done, and the step writes nothing.

use std::sync::Arc;

use serde_json::Value;
use twinspan_engine::{
    Applied, ClaimKey, Compare, Contents, Ensure, FailureClass, Guarded, HandOver, Identity, KindMeta,
    Misfit, Observed, Permission, Readiness, Step, StepCx, StepError, Undone, Wait,
};

use crate::azure::Azure;
use crate::hand_over;
use crate::kinds::removing;

/// A kind whose check falls back to other identities of the tenant.
pub(crate) struct Acting<S> {
    pub(crate) azure: Arc<Azure>,
    pub(crate) kind: S,
}

impl<S: Step> Acting<S> {
    /// Checks as each other identity of the tenant in turn. If none can read the resource, the step waits for the credential.
    async fn check_as_others(
        &self,
        cx: &StepCx<'_>,
        params: &S::Params,
        mut missing: StepError,
    ) -> Result<Observed<S::Output>, StepError> {
        let own = cx.identity()?.attributes.get("tenant");
        let others = cx.others.iter().filter(|other| other.attributes.get("tenant") == own);
        for other in others.filter(|other| self.azure.serves(cx, other).is_ok()) {
            let mut identities: Vec<Identity> = cx.identities.to_vec();
            if let Some(first) = identities.first_mut() {
                first.clone_from(other);
            }
            match self.kind.check(&StepCx { identities: &identities, ..*cx }, params).await {
                // A failure of the other identity is not this step's failure: the step still waits for its own credential.
                Err(error)
                    if matches!(
                        error.class,
                        FailureClass::Permission | FailureClass::NeedsPerson | FailureClass::Credential
                    ) =>
                {
                    if let Some(wait) = &mut missing.wait {
                        let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
                        wait.what = format!(
                            "{}; identity {} cannot verify whether it was done{code}",
                            wait.what, other.name
                        );
                    }
                }
                seen => return seen,
            }
        }
        Err(missing)
    }
}

impl<S: Step> Step for Acting<S> {
    const META: KindMeta = S::META;

    type Params = S::Params;
    type Output = S::Output;

    fn example() -> S::Params {
        S::example()
    }

    const CLASHES: Option<Compare<S::Params>> = S::CLASHES;

    fn misfits(params: &S::Params, ensure: Ensure) -> Vec<Misfit> {
        S::misfits(params, ensure)
    }

    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        self.kind.guard(cx, known).await
    }

    fn claims(&self, cx: &StepCx<'_>, params: &S::Params) -> Vec<ClaimKey> {
        self.kind.claims(cx, params)
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<Readiness, StepError> {
        self.azure.serves(cx, cx.identity()?)?;
        self.kind.precondition(cx, params).await
    }

    async fn check(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<Observed<S::Output>, StepError> {
        match self.azure.serves(cx, cx.identity()?) {
            Ok(()) => Box::pin(self.kind.check(cx, params)).await,
            Err(missing) => self.check_as_others(cx, params, missing).await,
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<Applied, StepError> {
        self.kind.apply(cx, params).await
    }

    async fn undo(
        &self,
        cx: &StepCx<'_>,
        params: &S::Params,
        found: &S::Output,
    ) -> Result<Undone, StepError> {
        self.kind.undo(cx, params, found).await
    }

    async fn contents(
        &self,
        cx: &StepCx<'_>,
        params: &S::Params,
        found: &S::Output,
    ) -> Result<Option<Contents>, StepError> {
        self.kind.contents(cx, params, found).await
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<HandOver, StepError> {
        let said = self.kind.hand_over(cx, params)?;
        if removing(cx) { hand_over::removal(cx, said) } else { Ok(said) }
    }

    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        self.kind.expected_wait(identity)
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<Vec<Permission>, StepError> {
        self.kind.permissions(cx, params)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::kinds::service_principal::ServicePrincipal;
    use twinspan_engine::{AttemptLog, Phase, WaitKind};

    const OBJECT: &str = "ffffffff-2222-0000-0000-000000000001";

    /// Identity `admin` has no credential here; `target` of the same tenant has one.
    fn bench() -> (Bench, Vec<Identity>) {
        let bench = Bench::with(json!({
            "admin": { "credential": "none" },
            "default": { "credential": "client-secret", "client_id": "app", "client_secret": { "env": "SECRET" } },
        }));
        let mut admin = bench.target.clone();
        admin.name = "admin".to_owned();
        (bench, vec![admin])
    }

    async fn looked(bench: &Bench, admin: &[Identity]) -> Result<bool, StepError> {
        let kind = Acting {
            azure: Arc::clone(&bench.azure),
            kind: ServicePrincipal { azure: Arc::clone(&bench.azure) },
        };
        let log = AttemptLog::new(Phase::Probe);
        let others = [bench.central.clone(), bench.target.clone()];
        let cx = StepCx { identities: admin, others: &others, ..bench.cx(Phase::Probe, &log) };
        let seen = kind.check(&cx, &ServicePrincipal::example()).await?;
        let present = matches!(seen, Observed::Present { .. });
        if !present {
            let readiness = kind.precondition(&cx, &ServicePrincipal::example()).await;
            assert_eq!(readiness.unwrap_err().class, FailureClass::Credential, "nothing is begun");
        }
        Ok(present)
    }

    #[tokio::test]
    async fn another_identity_of_the_tenant_looks_and_does_not_act() {
        let (bench, admin) = bench();
        let found = json!({ "value": [{ "id": OBJECT, "appId": crate::default_world::APPLICATION, "displayName": "app", "accountEnabled": true }] });
        bench.script.answer(200, &json!({ "value": [] })).answer(200, &found);
        assert!(!looked(&bench, &admin).await.unwrap());
        assert!(looked(&bench, &admin).await.unwrap());
        let tokens = bench.script.token_requests();
        assert!(tokens.iter().all(|token| token.starts_with(TARGET)), "never in another tenant: {tokens:?}");
    }

    #[tokio::test]
    async fn what_nobody_else_may_see_waits_for_the_credential_with_the_hand_over() {
        let (bench, admin) = bench();
        let refusal = json!({ "error": "invalid_grant", "error_codes": [50020], "error_description": "AADSTS50020: no" });
        bench.script.token_answer(400, &[], &refusal.to_string());
        let error = looked(&bench, &admin).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Credential);
        let wait = error.wait.unwrap();
        assert_eq!(wait.kind, WaitKind::Credential);
        let action = wait.action.unwrap();
        assert_eq!(action, "twinspan hand-over 00000000-0000-0000-0000-000000000007 --as admin");
    }
}
