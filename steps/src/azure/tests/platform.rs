//! The identity service of a machine, in the format that Microsoft documents for virtual machines.

use std::time::Duration;

use azure_core::base64;
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, FailureClass, Phase, StepError, WaitKind};

use super::super::TransportFault;
use super::super::scripted::{Bench, CENTRAL, IN_TOKENS, TARGET};

const IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2019-08-01\
                    &resource=https%3A%2F%2Fmanagement.azure.com";

fn bench(client_id: Option<&str>) -> Bench {
    Bench::with(json!({"default": {"credential": "managed-identity", "client_id": client_id}}))
}

/// The response of the service, with numbers as text.
fn token(bench: &Bench, tenant: &str) -> Value {
    let now = bench.cx(Phase::Probe, &AttemptLog::default()).now().as_second();
    let claims = json!({"oid": "oid-of-the-machine", "tid": tenant, "appid": "machine", "idtyp": "app"});
    let text = format!("eyJhbGciOiJub25lIn0.{}.{IN_TOKENS}", base64::encode_url_safe(claims.to_string()));
    json!({
        "access_token": text, "client_id": "machine", "expires_in": "86399", "expires_on": (now + 86399).to_string(),
        "ext_expires_in": "86399", "not_before": now.to_string(), "resource": "https://management.azure.com",
        "token_type": "Bearer",
    })
}

#[tokio::test]
async fn a_machines_own_identity_is_asked_for_without_any_secret() {
    for (client_id, address) in
        [(None, IMDS.to_owned()), (Some("user-assigned"), format!("{IMDS}&client_id=user-assigned"))]
    {
        let bench = bench(client_id);
        bench.script.answer(200, &token(&bench, CENTRAL)).answer(200, &json!({})).answer(200, &json!({}));
        bench.get().await.0.unwrap();
        let (result, exchanges) = bench.get().await;
        result.unwrap();
        let requests = bench.script.requests();
        assert_eq!(requests.len(), 3, "the token is kept");
        assert_eq!((requests[0].verb.as_str(), &requests[0].address), ("GET", &address));
        assert_eq!(requests[0].headers["metadata"], "true");
        assert!(!requests[0].headers.contains_key("authorization"));
        assert_eq!(exchanges[0].acted_as[0].ids["object_id"], "oid-of-the-machine");
        assert!(bench.script.token_requests().is_empty(), "no request to Entra itself");
    }
}

#[tokio::test]
async fn its_token_is_renewed_early_on_our_clock() {
    let bench = bench(None);
    bench.script.answer(200, &token(&bench, CENTRAL)).answer(200, &json!({}));
    bench.get().await.0.unwrap();
    bench.clock.advance(Duration::from_secs(86399 - 299));
    bench.script.answer(200, &token(&bench, CENTRAL)).answer(200, &json!({}));
    bench.get().await.0.unwrap();
    assert_eq!(bench.script.requests()[2].address, IMDS);
}

#[tokio::test]
async fn it_signs_in_to_its_own_tenant_only() {
    let bench = bench(None);
    bench.script.answer(200, &token(&bench, TARGET));
    let error = bench.get().await.0.unwrap_err();
    assert_eq!(error.class, FailureClass::Credential);
    let wait = error.wait.unwrap();
    assert!(
        wait.what.contains(&format!("belongs to tenant {TARGET} and signs in to no other")),
        "{}",
        wait.what
    );
    assert!(wait.action.unwrap().contains(&format!("[identities.central.\"{CENTRAL}\"]")));
    assert_eq!(bench.script.requests().len(), 1, "the token of another tenant is not used");
}

#[tokio::test]
async fn each_refusal_of_it_has_its_words_and_is_asked_once() {
    let ask = async |bench: &Bench| -> StepError { bench.get().await.0.unwrap_err() };
    let not_found = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    for (client_id, status, body, class, next) in [
        (None, 400, not_found, FailureClass::Credential, "az vm identity assign --resource-group"),
        (Some("u-1"), 400, not_found, FailureClass::Credential, "--identities RESOURCE-ID-OF-u-1"),
        (None, 404, "", FailureClass::Credential, "an Azure machine that has a managed identity"),
        (None, 410, "", FailureClass::Transient, ""),
        (None, 500, r#"{"error":"unknown"}"#, FailureClass::Transient, ""),
        (None, 429, "", FailureClass::Throttled, ""),
    ] {
        let bench = bench(client_id);
        bench.script.answer_with(status, &[], body);
        let error = ask(&bench).await;
        assert_eq!(error.class, class, "{status}: {error:?}");
        assert!(error.hint.clone().unwrap_or_default().contains(next), "{status}: {error:?}");
        assert_eq!(bench.script.requests().len(), 1, "{status}: asking again is the engine's");
        if let Some(wait) = &error.wait {
            assert_eq!(wait.kind, WaitKind::Credential);
            assert!(wait.who.is_some() && wait.action.is_some());
        }
        assert_eq!(error.retry_after.is_some(), status == 429);
    }
    for fault in [TransportFault::TimedOut, TransportFault::Refused("no route".into())] {
        let bench = bench(None);
        bench.script.fault(fault);
        let error = ask(&bench).await;
        assert_eq!(error.class, FailureClass::Credential);
        assert!(error.message.contains("no identity service of Azure responds on this machine"), "{error:?}");
        assert!(error.wait.unwrap().refused, "this machine's own sign-in");
    }
}
