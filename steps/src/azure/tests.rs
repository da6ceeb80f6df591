//! Tests of what the clients send, record and redact, against a scripted Azure.

mod clouds;
mod platform;
mod simulated;
mod sockets;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, Certainty, Exchange, FailureClass, Phase, StepError, WaitKind};

use super::scripted::{Bench, CENTRAL, IN_TOKENS, SECRET, TARGET};
use super::{Deletion, TransportFault};

const ARM_SCOPE: &str = "https://management.azure.com/.default";
const MANAGER: &str =
    "/subscriptions/s/resourceGroups/my group/providers/Microsoft.Network/networkManagers/m";

fn not_found() -> Value {
    json!({"error": {"code": "NotFound", "message": "Resource [x] does not exist or has been deleted"}})
}

#[derive(Debug, Deserialize, PartialEq)]
struct Named {
    name: String,
}

// ---- What is sent ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_write_carries_the_attempts_id_the_runs_id_and_both_tokens() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({"name": "v"}));
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central).auxiliary(&bench.target);
    let body = json!({"properties": {"resourceId": "/v"}});
    arm.put(&format!("{MANAGER}/networkGroups/g/staticMembers/v"), "2024-10-01", &body).await.unwrap();

    let requests = bench.script.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.verb, "PUT");
    assert_eq!(
        request.address,
        "https://management.azure.com/subscriptions/s/resourceGroups/my%20group/providers/Microsoft.Network\
         /networkManagers/m/networkGroups/g/staticMembers/v?api-version=2024-10-01"
    );
    assert_eq!(request.body, body);
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["x-ms-client-request-id"], cx.attempt_id().to_string());
    assert_eq!(request.headers["x-ms-correlation-request-id"], cx.run.to_string());
    assert_eq!(request.headers["x-ms-return-client-request-id"], "true");
    assert!(request.headers["user-agent"].starts_with("twinspan/"));
    assert_eq!(request.token("authorization").unwrap().1, CENTRAL);
    assert_eq!(request.token("x-ms-authorization-auxiliary").unwrap().1, TARGET);
    assert_eq!(
        bench.script.token_requests(),
        [format!("{CENTRAL} {ARM_SCOPE}"), format!("{TARGET} {ARM_SCOPE}")],
        "each tenant's own authority"
    );
}

#[tokio::test]
async fn several_auxiliary_tokens_go_in_one_header_and_a_fourth_is_refused() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({}));
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central).auxiliary(&bench.target).auxiliary(&bench.central);
    arm.put("/x", "1", &json!({})).await.unwrap();
    let header = bench.script.requests()[0].headers["x-ms-authorization-auxiliary"].clone();
    let parts: Vec<&str> = header.split(", ").collect();
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.starts_with("Bearer eyJ")));

    let arm = bench.azure.arm(&cx, &bench.central);
    let arm = arm
        .auxiliary(&bench.target)
        .auxiliary(&bench.target)
        .auxiliary(&bench.target)
        .auxiliary(&bench.target);
    let error = arm.get::<Value>("/x", "1").await.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
}

#[tokio::test]
async fn reads_have_ids_of_their_own_that_a_replay_repeats() {
    let ids = async || {
        let bench = Bench::new();
        bench.script.answer(200, &json!({})).answer(200, &json!({}));
        bench.get().await.0.unwrap();
        bench.clock.advance(Duration::from_secs(1));
        bench.get().await.0.unwrap();
        let requests = bench.script.requests();
        [0, 1].map(|at| requests[at].headers["x-ms-client-request-id"].clone())
    };
    let [first, second] = ids().await;
    assert_ne!(first, second);
    assert_eq!(ids().await, [first.clone(), second]);
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    assert_ne!(first, bench.cx(Phase::Probe, &log).attempt_id().to_string());
}

#[tokio::test]
async fn each_verb_asks_in_its_own_shape() {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    bench.script.answer(200, &json!({"value": [{"name": "a"}], "nextLink": ""}));
    let filter = "principalId eq 'a+b'";
    let list: Vec<Named> =
        arm.list("/x", "2022-04-01", &[("$filter", filter), ("$top", "20")]).await.unwrap();
    assert_eq!(list, [Named { name: "a".into() }]);
    bench.script.answer(200, &json!({"value": []}));
    arm.query::<_, Value>(
        "/providers/Microsoft.ResourceGraph/resources",
        "2024-04-01",
        &json!({"query": "q"}),
    )
    .await
    .unwrap();
    bench.script.answer_with(200, &[], "");
    let none: Option<Value> = arm.post("/x/register", "1", None::<&Value>).await.unwrap();
    assert_eq!(none, None);

    let requests = bench.script.requests();
    assert_eq!(
        requests[0].address,
        "https://management.azure.com/x?$filter=principalId%20eq%20%27a%2Bb%27&$top=20&api-version=2022-04-01"
    );
    assert_eq!((requests[1].verb.as_str(), &requests[1].body), ("POST", &json!({"query": "q"})));
    assert_eq!((requests[2].verb.as_str(), &requests[2].body), ("POST", &Value::Null));
    let exchanges: Vec<Exchange> =
        log.into_exchanges().into_iter().filter(|e| !e.target.contains("token")).collect();
    assert_eq!(exchanges.iter().map(|exchange| exchange.write).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn graph_is_asked_with_its_own_token_below_v1() {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let graph = bench.azure.graph(&cx, &bench.target);
    bench
        .script
        .answer(200, &json!({"value": [{"name": "a"}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=2"}))
        .answer(200, &json!({"value": [{"name": "b"}]}))
        .answer(404, &json!({"error": {"code": "Request_ResourceNotFound", "message": "x"}}));
    let users: Vec<Named> =
        graph.list("/users", &[("$filter", "mail eq 'a@b'"), ("$count", "true")]).await.unwrap();
    assert_eq!(users.len(), 2);
    assert_eq!(graph.get::<Value>("/users/1", &[("$select", "id,userType")]).await.unwrap(), None);

    let requests = bench.script.requests();
    assert_eq!(
        requests[0].address,
        "https://graph.microsoft.com/v1.0/users?$filter=mail%20eq%20%27a@b%27&$count=true"
    );
    assert_eq!(requests[0].headers["consistencylevel"], "eventual");
    assert_eq!(requests[2].address, "https://graph.microsoft.com/v1.0/users/1?$select=id,userType");
    assert!(requests[0].headers.contains_key("client-request-id"));
    assert!(!requests[0].headers.contains_key("x-ms-client-request-id"));
    assert_eq!(bench.script.token_requests(), [format!("{TARGET} https://graph.microsoft.com/.default")]);
}

#[tokio::test]
async fn a_refusal_of_graph_names_role_and_permission() {
    let bench = Bench::new();
    bench.script.answer(
        403,
        &json!({"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}}),
    );
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let error =
        bench.azure.graph(&cx, &bench.target).post::<_, Value>("/invitations", &json!({})).await.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::Permission, Certainty::NotDone));
    let wait = error.wait.unwrap();
    assert_eq!(wait.kind, WaitKind::Permission);
    let action = wait.action.unwrap();
    assert!(
        action.contains("Guest Inviter") && action.contains("User.Invite.All") && action.contains(TARGET),
        "{action}"
    );
}

#[tokio::test]
async fn the_four_answers_to_a_delete() {
    for (status, body, wanted) in [
        (200, Value::Null, Ok(Deletion::Accepted)),
        (202, Value::Null, Ok(Deletion::Started)),
        (204, Value::Null, Ok(Deletion::Accepted)),
        // The resource was read just before, so another read must confirm its absence.
        (404, not_found(), Err(FailureClass::ReplicationLag)),
    ] {
        let bench = Bench::new();
        bench.script.answer(status, &body);
        let log = AttemptLog::new(Phase::Undo);
        let cx = bench.cx(Phase::Undo, &log);
        let deletion = bench.azure.arm(&cx, &bench.central).delete("/x", "1", &[("force", "true")]).await;
        assert_eq!(deletion.map_err(|error| error.class), wanted);
        assert!(bench.script.requests()[0].address.ends_with("/x?force=true&api-version=1"));
    }
}

#[tokio::test]
async fn a_path_that_leaves_its_place_is_refused() {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    for path in ["/a/../b", "/a/%2E%2e/b", "a", "//evil.example/x", "/a/./b"] {
        assert_eq!(arm.get::<Value>(path, "1").await.unwrap_err().class, FailureClass::PlanWrong, "{path}");
    }
    assert!(bench.script.requests().is_empty());
}

// ---- One write ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_second_write_is_stopped_before_it_is_sent() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({}));
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central);
    arm.put("/x", "1", &json!({})).await.unwrap();
    let error = arm.delete("/x", "1", &[]).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Bug);
    let error =
        bench.azure.graph(&cx, &bench.central).post::<_, Value>("/users", &json!({})).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Bug);
    assert_eq!(bench.script.requests().len(), 1);

    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let error = bench.azure.arm(&cx, &bench.central).put("/x", "1", &json!({})).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Bug, "a reading phase writes nothing");
}

#[tokio::test]
async fn a_fault_is_unknown_only_for_a_write_that_may_have_arrived() {
    for (fault, certainty) in [
        (TransportFault::Refused("connection refused".into()), Certainty::NotDone),
        (TransportFault::TimedOut, Certainty::NotDone),
        (TransportFault::Lost("reset".into()), Certainty::Unknown),
        (TransportFault::Truncated("half".into()), Certainty::Unknown),
    ] {
        let bench = Bench::new();
        bench.script.fault(fault.clone()).fault(fault.clone());
        let (result, exchanges) = bench.put().await;
        let error = result.unwrap_err();
        assert_eq!((error.class, error.certainty), (FailureClass::Transient, certainty), "{fault:?}");
        let exchange = exchanges.last().unwrap();
        assert_eq!((exchange.status, exchange.write), (None, true));
        let sent = bench.script.requests()[0].headers["x-ms-client-request-id"].clone();
        let id = ("x-ms-client-request-id".to_owned(), sent);
        assert!(
            exchange.references.contains(&id) && error.references.contains(&id),
            "it can be found in Azure's logs"
        );
        assert!(exchange.received.as_ref().unwrap()["fault"].is_string());
        let error = bench.get().await.0.unwrap_err();
        assert_eq!(
            (error.class, error.certainty),
            (FailureClass::Transient, Certainty::NotDone),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_write_whose_yes_cannot_be_read_is_unknown() {
    let other = r#"{"id": "/subscriptions/s/y"}"#;
    for body in ["{", "", "[]", "null", "{}", "{\"name\": 7}", "<html>", r#"{"error": {"code": "X"}}"#, other]
    {
        let bench = Bench::new();
        bench.script.answer_with(200, &[], body);
        let log = AttemptLog::new(Phase::Apply);
        let cx = bench.cx(Phase::Apply, &log);
        let error = bench.azure.arm(&cx, &bench.central).put("/x", "1", &json!({})).await.unwrap_err();
        assert_eq!((error.class, error.certainty), (FailureClass::Transient, Certainty::Unknown), "{body}");
    }
}

#[tokio::test]
async fn an_array_is_not_read_as_the_fields_of_an_object() {
    #[derive(Debug, Deserialize)]
    struct Named {
        #[expect(dead_code, reason = "only its shape matters")]
        id: String,
    }
    let bench = Bench::new();
    bench.script.answer(200, &json!(["not an id"]));
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let error = bench.azure.arm(&cx, &bench.central).get::<Named>("/x", "1").await.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::Transient, Certainty::NotDone));
    assert!(error.message.ends_with("cannot be read: expected an object"), "{}", error.message);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_named_by_its_field_and_not_quoted() {
    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "only its shape matters")]
        properties: Named,
    }
    let bench = Bench::new();
    bench.script.answer(200, &json!({"properties": {"name": ["CANARY"]}}));
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let error = bench.azure.arm(&cx, &bench.central).get::<Outer>("/x", "1").await.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::Transient, Certainty::NotDone));
    assert!(
        error.message.ends_with("cannot be read at `properties.name`: expected a string"),
        "{}",
        error.message
    );
    assert!(!error.message.contains("CANARY"));
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_recorded() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({}));
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    // Get a token first, so that the write is the next request.
    bench.azure.sign_in(&cx, &bench.central).await.unwrap();
    {
        let arm = bench.azure.arm(&cx, &bench.central);
        let body = json!({});
        let mut write = std::pin::pin!(arm.put("/x", "1", &body));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let polled = std::future::Future::poll(write.as_mut(), &mut context);
        assert!(polled.is_pending(), "sent, without a response yet");
    }
    assert_eq!(bench.script.requests().len(), 1);
    let exchange = log.into_exchanges().pop().unwrap();
    assert_eq!((exchange.write, exchange.status), (true, None));
    assert_eq!(exchange.received.unwrap()["fault"], "the request was abandoned before its response arrived");
}

// ---- Tokens ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_token_is_kept_until_shortly_before_its_end() {
    let bench = Bench::new();
    for _ in 0..4 {
        bench.script.answer(200, &json!({}));
    }
    let used = |at: usize| bench.script.requests()[at].token("authorization").unwrap().0;
    bench.get().await.0.unwrap();
    bench.clock.advance(Duration::from_secs(54 * 60));
    bench.get().await.0.unwrap();
    assert_eq!((used(0), used(1)), (1, 1), "54 of 60 minutes: kept");
    bench.clock.advance(Duration::from_secs(61));
    bench.get().await.0.unwrap();
    assert_eq!(used(2), 2, "less than five minutes left: renewed");
    bench.get().await.0.unwrap();
    assert_eq!(used(3), 2);
    assert_eq!(bench.script.token_requests().len(), 2);
}

#[tokio::test]
async fn steps_that_need_a_token_at_once_share_one_request() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.script.answer(200, &json!({}));
    }
    let (a, b, c) = tokio::join!(bench.get(), bench.get(), bench.get());
    for (result, _) in [a, b, c] {
        result.unwrap();
    }
    assert_eq!(bench.script.token_requests().len(), 1);
}

#[tokio::test]
async fn a_read_with_a_stale_token_is_repeated_once_with_new_ones() {
    let expired = json!({"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}});
    let bench = Bench::new();
    bench.script.answer(401, &expired).answer(200, &json!({"name": "x"}));
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    let arm = bench.azure.arm(&cx, &bench.central).auxiliary(&bench.target);
    assert!(arm.get::<Named>("/x", "1").await.unwrap().is_some());
    let requests = bench.script.requests();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].headers["authorization"], requests[1].headers["authorization"]);
    let auxiliary = "x-ms-authorization-auxiliary";
    assert_ne!(requests[0].headers[auxiliary], requests[1].headers[auxiliary], "all tokens are renewed");

    bench.script.answer(401, &expired).answer(401, &expired);
    let error = arm.get::<Named>("/x", "1").await.unwrap_err();
    assert_eq!(error.class, FailureClass::Transient);
    assert_eq!(bench.script.requests().len(), 4, "once only");
}

#[tokio::test]
async fn a_write_with_a_stale_token_is_not_repeated_here() {
    let bench = Bench::new();
    bench.script.answer(401, &json!({"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}}));
    let error = bench.put().await.0.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::Transient, Certainty::NotDone));
    assert_eq!(bench.script.requests().len(), 1);
    bench.script.answer(200, &json!({}));
    bench.put().await.0.unwrap();
    assert_eq!(
        bench.script.requests()[1].token("authorization").unwrap().0,
        2,
        "the next attempt has a new token"
    );
}

#[tokio::test]
async fn after_a_refused_right_the_next_look_has_a_new_token() {
    let forbidden = json!({"error": {"code": "AuthorizationFailed", "message": "no"}});
    let missing = json!({"error": {"code": "SubscriptionNotFound", "message": "no"}});
    for (status, body) in [(403, forbidden), (404, missing)] {
        let bench = Bench::new();
        bench.script.answer(status, &body).answer(200, &json!({}));
        assert_eq!(bench.get().await.0.unwrap_err().class, FailureClass::Permission);
        bench.get().await.0.unwrap();
        assert_eq!(bench.script.requests()[1].token("authorization").unwrap().0, 2);
    }
}

#[tokio::test]
async fn signing_in_takes_a_new_token_and_says_who_it_is() {
    let bench = Bench::new();
    let log = AttemptLog::new(Phase::Probe);
    let cx = bench.cx(Phase::Probe, &log);
    for _ in 0..2 {
        let who = bench.azure.sign_in(&cx, &bench.target).await.unwrap();
        assert_eq!(who.tenant.as_deref(), Some(TARGET));
        assert_eq!(who.object_id, Some(format!("oid-in-{TARGET}")));
        assert_eq!(who.application.as_deref(), Some("app"));
    }
    assert_eq!(bench.script.token_requests().len(), 2);
    let exchanges = log.into_exchanges();
    assert_eq!(exchanges[0].target, format!("/{TARGET}/oauth2/v2.0/token"));
    assert_eq!((exchanges[0].status, exchanges[0].write), (Some(200), false));
}

#[tokio::test]
async fn every_request_says_whom_its_tokens_made_us() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({}));
    let log = AttemptLog::new(Phase::Apply);
    let cx = bench.cx(Phase::Apply, &log);
    let arm = bench.azure.arm(&cx, &bench.central).auxiliary(&bench.target);
    arm.put("/x", "1", &json!({})).await.unwrap();
    let exchanges = serde_json::to_value(log.into_exchanges()).unwrap();
    let who = |identity: &str, tenant: &str| json!({"identity": identity, "application": "app", "object_id": format!("oid-in-{tenant}"), "tenant": tenant});
    let [central, target] = [who("central", CENTRAL), who("target", TARGET)];
    assert_eq!(exchanges[0]["acted_as"], json!([central]), "the sign-in");
    assert_eq!(exchanges[1]["acted_as"], json!([target]));
    assert_eq!(exchanges[2]["acted_as"], json!([central, target]), "the write, with its auxiliary token");
    assert!(!exchanges.to_string().contains(IN_TOKENS));
}

#[tokio::test]
async fn a_refused_sign_in_is_told_from_the_answer_and_not_repeated() {
    let refusal = json!({"error": "invalid_grant", "error_codes": [50020], "correlation_id": "c-1",
        "error_description": "AADSTS50020: User account does not exist in tenant."});
    let bench = Bench::new();
    bench.script.token_answer(400, &[], &refusal.to_string());
    let (result, exchanges) = bench.get().await;
    let error = result.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (FailureClass::NeedsPerson, Some("AADSTS50020")));
    assert_eq!(exchanges[0].received.as_ref().unwrap()["error"], "invalid_grant");
    assert_eq!(bench.script.token_requests().len(), 1);
    assert!(bench.script.requests().is_empty());
}

#[tokio::test]
async fn a_sign_in_that_gets_no_word_of_entra_is_looked_at_by_its_status() {
    let class_of = async |status, headers: &[(&str, &str)], body| {
        let bench = Bench::new();
        bench.script.token_answer(status, headers, body);
        let error: StepError = bench.get().await.0.unwrap_err();
        (error.class, error.retry_after)
    };
    let html = "<html>proxy</html>";
    assert_eq!(class_of(502, &[], html).await, (FailureClass::Transient, None));
    assert_eq!(
        class_of(429, &[("retry-after", "7")], html).await,
        (FailureClass::Throttled, Some(Duration::from_secs(7)))
    );
    assert_eq!(
        class_of(200, &[], html).await.0,
        FailureClass::NeedsPerson,
        "a network that requires a sign-in"
    );
    assert_eq!(class_of(407, &[], html).await.0, FailureClass::NeedsPerson, "a proxy that requires one");
    let endless = json!({"token_type": "Bearer", "expires_in": i64::MAX, "access_token": "x"}).to_string();
    assert_eq!(class_of(200, &[], &endless).await.0, FailureClass::Transient);

    let bench = Bench::new();
    bench.script.token_fault(TransportFault::Lost("reset".into()));
    let error = bench.put().await.0.unwrap_err();
    assert_eq!(
        (error.class, error.certainty),
        (FailureClass::Transient, Certainty::NotDone),
        "only the sign-in was lost"
    );
}

#[tokio::test]
async fn what_this_machine_lacks_is_a_wait_for_a_credential() {
    for (credentials, message) in [
        (json!({}), "no credential is configured for identity central"),
        (json!({"central": {"credential": "none"}}), "this machine has no credential for central"),
        (json!({"central": {"credential": "client-secret", "client_id": "a"}}), "needs client_secret"),
        (
            json!({"central": {"credential": "client-secret", "client_id": "a", "client_secret": {"env": "MISSING"}}}),
            "cannot be read from environment variable MISSING: it is not set",
        ),
        (
            json!({"central": {"credential": "workload-identity", "client_id": "a", "token_file": "/nonexistent/token"}}),
            "cannot be used",
        ),
    ] {
        let bench = Bench::with(credentials);
        let error = bench.get().await.0.unwrap_err();
        assert_eq!(error.class, FailureClass::Credential, "{error:?}");
        assert!(error.message.contains(message), "{}", error.message);
        assert!(error.message.contains(CENTRAL), "{}", error.message);
        let wait = error.wait.unwrap();
        assert_eq!(wait.kind, WaitKind::Credential);
        assert!(wait.who.is_some() && wait.action.is_some());
        let has_none = message.starts_with("no credential") || message.starts_with("this machine has no");
        assert_eq!(wait.refused, !has_none, "only an existing credential can be refused: {message}");
        assert!(bench.script.token_requests().is_empty());
    }
}

#[tokio::test]
async fn an_identity_without_a_tenant_is_a_mistake_of_the_plan() {
    let mut bench = Bench::new();
    bench.central.attributes.clear();
    let error = bench.get().await.0.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert!(error.message.contains("identity central has no tenant"));
}

// ---- Lists ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn pages_are_followed_on_our_host_only_and_not_for_ever() {
    let page = |link: &str| json!({"value": [{"name": "a"}], "nextLink": link});
    let list = async |bench: &Bench| {
        let log = AttemptLog::new(Phase::Probe);
        let cx = bench.cx(Phase::Probe, &log);
        bench.azure.arm(&cx, &bench.central).list::<Named>("/x", "1", &[]).await
    };
    let bench = Bench::new();
    bench.script.answer(200, &page("https://Management.Azure.com/X?page=2")).answer(200, &page(""));
    assert_eq!(list(&bench).await.unwrap().len(), 2);
    assert_eq!(bench.script.requests()[1].address, "https://management.azure.com/X?page=2");

    for link in [
        "https://evil.example/x",
        "http://management.azure.com/x",
        "https://management.azure.com@evil.example/",
    ] {
        let bench = Bench::new();
        bench.script.answer(200, &page(link));
        let error = list(&bench).await.unwrap_err();
        assert_eq!(error.class, FailureClass::PlanWrong, "{link}");
        assert_eq!(bench.script.requests().len(), 1, "no token is sent to {link}");
    }

    let bench = Bench::new();
    let again = "https://management.azure.com/x?api-version=1";
    bench.script.answer(200, &page(again));
    let error = list(&bench).await.unwrap_err();
    assert!(error.message.contains("pages do not end"), "{}", error.message);

    let bench = Bench::new();
    bench.script.answer(200, &json!({}));
    assert_eq!(
        list(&bench).await.unwrap_err().class,
        FailureClass::Transient,
        "no list is not an empty list"
    );
}

#[tokio::test]
async fn both_makers_of_404_mean_absent_and_a_hidden_subscription_does_not() {
    let bench = Bench::new();
    bench.script.answer(404, &not_found());
    assert_eq!(bench.get().await.0, Ok(None));
    bench.script.answer_with(
        404,
        &[("x-ms-failure-cause", "gateway")],
        &json!({"error": {"code": "ResourceNotFound", "message": "The Resource 'x' was not found."}})
            .to_string(),
    );
    assert_eq!(bench.get().await.0, Ok(None));
    bench.script.answer(404, &json!({"error": {"code": "SubscriptionNotFound", "message": "x"}}));
    let error = bench.get().await.0.unwrap_err();
    assert_eq!(error.class, FailureClass::Permission);
    assert!(
        error
            .wait
            .unwrap()
            .what
            .starts_with("subscription s does not exist, or central (nina@contoso.example)")
    );
}

// ---- Secrets --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn no_secret_and_no_token_is_kept_or_shown() {
    let bench = Bench::new();
    let mut texts = Vec::new();
    bench.script.answer(
        201,
        &json!({"id": "i", "status": "PendingAcceptance", "inviteRedeemUrl": "https://x/CANARY-link"}),
    );
    let log = AttemptLog::new(Phase::Apply);
    {
        let cx = bench.cx(Phase::Apply, &log);
        let graph = bench.azure.graph(&cx, &bench.target);
        let answer: Value =
            graph.post("/invitations", &json!({"a": 1, "adminPassword": "CANARY-sent"})).await.unwrap().body;
        assert_eq!(answer["inviteRedeemUrl"], "https://x/CANARY-link", "the step itself gets it");
    }
    let exchanges = log.into_exchanges();
    assert_eq!(exchanges.len(), 2, "the token request and the invitation");
    assert_eq!(exchanges[1].received.as_ref().unwrap()["status"], "PendingAcceptance");
    texts.push(serde_json::to_string(&exchanges).unwrap());

    // A response that repeats the request.
    let echo = json!({"error": {"code": "BadRequest", "message": format!("bad header Bearer eyJhbGciOiJub25lIn0.e30.{IN_TOKENS}1")}});
    bench.script.answer(400, &echo);
    let (result, exchanges) = bench.put().await;
    texts.push(format!("{:?}", result.unwrap_err()));
    texts.push(serde_json::to_string(&exchanges).unwrap());
    // An authority that repeats the secret.
    let echo = json!({"error": "invalid_client", "error_codes": [7000215],
        "error_description": "AADSTS7000215: Invalid client secret provided.", "client_secret": SECRET});
    let bench = Bench::new();
    bench.script.token_answer(401, &[], &echo.to_string());
    let (result, exchanges) = bench.put().await;
    texts.push(format!("{:?}", result.unwrap_err()));
    texts.push(serde_json::to_string(&exchanges).unwrap());

    assert!(bench.script.token_bodies()[0].contains(SECRET), "it is sent where it belongs");
    for text in texts {
        assert!(!text.contains("CANARY"), "{text}");
    }
}
