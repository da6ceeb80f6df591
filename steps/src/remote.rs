//! Azure as the remote of the registry: as whom this machine can act, and how a hand-over of a delete is written.

use twinspan_engine::{HandOver, Identity, Remote, StepCx, StepError};

use crate::azure::Azure;
use crate::hand_over;

impl Remote for Azure {
    fn home(&self) -> &'static str {
        "tenant"
    }

    fn serves(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<(), StepError> {
        Azure::serves(self, cx, identity)
    }

    fn hand_over_of_delete(&self, cx: &StepCx<'_>, create: HandOver) -> Result<HandOver, StepError> {
        hand_over::removal(cx, create)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::command_policy::CommandPolicy;
    use crate::kinds::registry;
    use std::sync::Arc;
    use twinspan_engine::{AttemptLog, FailureClass, Observed, Phase, Seen, WaitKind};

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

    async fn looked(phase: Phase, bench: &Bench, admin: &[Identity]) -> Result<Seen, StepError> {
        let registry = registry(Arc::clone(&bench.azure), CommandPolicy::deny());
        let kind = registry.kind("entra.service-principal").unwrap();
        let log = AttemptLog::new(phase);
        let others = [bench.central.clone(), bench.target.clone()];
        let cx = StepCx { identities: admin, others: &others, ..bench.cx(phase, &log) };
        kind.check(&cx, &kind.example).await
    }

    #[tokio::test]
    async fn another_identity_of_the_tenant_looks_and_does_not_act() {
        let (bench, admin) = bench();
        let found = json!({ "value": [{ "id": OBJECT, "appId": crate::default_world::APPLICATION, "displayName": "app", "accountEnabled": true }] });
        let none = json!({ "value": [] });
        bench.script.answer(200, &none).answer(200, &none).answer(200, &found);
        let absent = looked(Phase::Verify, &bench, &admin).await.unwrap();
        assert!(matches!(absent, Seen::Checked { observed: Observed::Absent, .. }), "{absent:?}");
        let error = looked(Phase::Probe, &bench, &admin).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Credential, "nothing is begun");
        let present = looked(Phase::Probe, &bench, &admin).await.unwrap();
        assert!(matches!(present, Seen::Checked { observed: Observed::Present { .. }, .. }), "{present:?}");
        let tokens = bench.script.token_requests();
        assert!(tokens.iter().all(|token| token.starts_with(TARGET)), "never in another tenant: {tokens:?}");
    }

    #[tokio::test]
    async fn what_nobody_else_may_see_waits_for_the_credential_with_the_hand_over() {
        let (bench, admin) = bench();
        let refusal = json!({ "error": "invalid_grant", "error_codes": [50020], "error_description": "AADSTS50020: no" });
        bench.script.token_answer(400, &[], &refusal.to_string());
        let error = looked(Phase::Probe, &bench, &admin).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Credential);
        let wait = error.wait.unwrap();
        assert_eq!(wait.kind, WaitKind::Credential);
        let action = wait.action.unwrap();
        assert_eq!(action, "twinspan hand-over 00000000-0000-0000-0000-000000000007 --as admin");
    }
}
