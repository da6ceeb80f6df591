use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::faults::{ConnectionFault, Fault, FaultName};
use crate::ledger::Change;
use crate::trial::{CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, NINA, Trial};

const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-new";

fn url() -> String {
    format!("https://management.azure.com{GROUP}?api-version=2021-04-01")
}

/// Sends one PUT of a resource group with this fault; returns the world and the response.
fn put_with(fault: FaultName) -> (Trial, Result<crate::trial::Got, ConnectionFault>) {
    let mut trial = Trial::shipped();
    let token = trial.arm_token("central", CENTRAL);
    trial.world.add_faults([Fault::once("PUT", "RG-NEW", fault)]);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-ms-client-request-id", "attempt-1")];
    let got = trial.raw("PUT", &url(), &headers, r#"{"location":"westeurope"}"#);
    (trial, got)
}

fn exists(trial: &mut Trial) -> bool {
    let token = trial.arm_token("central", CENTRAL);
    trial.arm(&token, "GET", GROUP, &Value::Null).status == 200
}

#[test]
fn each_fault_does_what_its_name_says_and_only_once() {
    for fault in FaultName::ALL {
        let (mut trial, got) = put_with(fault);
        let applied = exists(&mut trial);
        let effects: Vec<Change> = trial.world.effects().iter().map(|e| e.change).collect();
        let status = got.as_ref().map(|g| g.status).ok();
        use Change::{Created, None as Nothing, Updated};
        let expected: (bool, &[Change], Option<u16>) = match fault {
            FaultName::Refused | FaultName::Reset | FaultName::TimeoutBeforeSend => (false, &[], None),
            // A slow request is delayed until it is let in.
            FaultName::Slow => (false, &[], None),
            FaultName::AppliedThenLost | FaultName::TruncatedBody => (true, &[Created], None),
            FaultName::DeliveredTwice => (true, &[Created, Updated], Some(200)),
            FaultName::Status401Expired => (false, &[Nothing], Some(401)),
            FaultName::Status403 => (false, &[Nothing], Some(403)),
            FaultName::Status404Lag => (false, &[Nothing], Some(404)),
            FaultName::Status409 => (false, &[Nothing], Some(409)),
            FaultName::Status412 => (false, &[Nothing], Some(412)),
            FaultName::Throttle | FaultName::ThrottleNoHeader => (false, &[Nothing], Some(429)),
            FaultName::Status500 => (false, &[Nothing], Some(500)),
            FaultName::AppliedThen500 => (true, &[Created], Some(500)),
            FaultName::Status503Html => (false, &[Nothing], Some(503)),
            FaultName::AcceptedThenFailed => (false, &[Nothing], Some(202)),
            FaultName::LostOperationUrl => (true, &[Created], Some(202)),
            FaultName::WrongJson => (true, &[Created], Some(200)),
            FaultName::Refuse => (false, &[Nothing], Some(400)),
        };
        assert_eq!((applied, effects.as_slice(), status), expected, "{fault:?}");
        match (fault, got) {
            (FaultName::Refused, Err(ConnectionFault::Refused))
            | (FaultName::Reset, Err(ConnectionFault::Reset))
            | (FaultName::TimeoutBeforeSend, Err(ConnectionFault::TimedOut))
            | (FaultName::AppliedThenLost, Err(ConnectionFault::AnswerLost)) => {}
            (FaultName::TruncatedBody, Err(ConnectionFault::Truncated(answer))) => {
                assert_eq!(answer.status(), 201);
            }
            (FaultName::Slow, Err(ConnectionFault::Held(held))) => assert_eq!(held.after.as_secs(), 3),
            (FaultName::Throttle, Ok(got)) => assert_eq!(got.header("retry-after"), "7"),
            (FaultName::ThrottleNoHeader, Ok(got)) => assert_eq!(got.header("retry-after"), ""),
            (FaultName::Status503Html, Ok(got)) => assert_eq!(got.header("content-type"), "text/html"),
            (FaultName::LostOperationUrl, Ok(got)) => assert_eq!(got.header("location"), ""),
            (FaultName::WrongJson, Ok(got)) => assert!(got.body.is_array()),
            (_, Ok(_)) => {}
            (_, Err(other)) => assert!(matches!(other, ConnectionFault::AnswerLost), "{fault:?}: {other:?}"),
        }
        assert!(trial.world.faults().is_empty(), "{fault:?}");
    }
}

#[test]
fn a_slow_request_is_seen_before_it_is_done_and_until_it_is_answered() {
    let (mut trial, got) = put_with(FaultName::Slow);
    let Err(ConnectionFault::Held(held)) = got else { panic!("{got:?}") };
    let seen = |trial: &Trial| {
        trial.world.in_flight().iter().map(|waiting| (waiting.path.clone(), waiting.done)).collect::<Vec<_>>()
    };
    assert_eq!(seen(&trial), [(GROUP.to_owned(), false)]);
    assert!(!exists(&mut trial));
    trial.wait(2);
    let now = trial.now;
    let answer = trial.world.let_in(&held, now);
    assert_eq!(answer.status(), 201);
    assert_eq!(seen(&trial), [(GROUP.to_owned(), true)]);
    assert_eq!(trial.world.effects().iter().map(|effect| effect.at).collect::<Vec<_>>(), [now]);
    trial.world.let_out(&held);
    assert_eq!(seen(&trial), []);
}

#[test]
fn an_operation_that_was_accepted_and_fails_says_so_where_it_is_looked_at() {
    let (mut trial, got) = put_with(FaultName::AcceptedThenFailed);
    let location = got.map(|g| g.header("location").to_owned()).unwrap_or_default();
    let token = trial.arm_token("central", CENTRAL);
    let bearer = format!("Bearer {token}");
    let got = trial.raw("GET", &location, &[("authorization", &bearer)], "");
    assert!(got.is_ok_and(|g| g.refusal() == (500, "InternalServerError")));
}

#[test]
fn a_fault_of_the_sign_in_service_has_its_shape() {
    let mut trial = Trial::shipped();
    trial.world.add_faults([Fault::once("POST", "/oauth2/v2.0/token", FaultName::Status500)]);
    let got = trial.ask_token("central", CENTRAL, "https://management.azure.com/.default");
    assert_eq!((got.status, got.text("/error")), (500, "temporarily_unavailable"));
    assert_eq!(trial.ask_token("central", CENTRAL, "https://management.azure.com/.default").status, 200);
}

#[test]
fn the_ledger_has_every_write_that_arrived_and_requests_have_reads_too() {
    let (mut trial, _) = put_with(FaultName::AppliedThenLost);
    let effect = trial.world.effects().first().cloned();
    let effect = effect.map(|e| (e.seq, e.tenant, e.method, e.path, e.change, e.client_request_id));
    let wanted = (
        1,
        CENTRAL.to_owned(),
        "PUT".to_owned(),
        GROUP.to_owned(),
        Change::Created,
        Some("attempt-1".to_owned()),
    );
    assert_eq!(effect, Some(wanted));
    let token = trial.arm_token("central", CENTRAL);
    trial.arm(&token, "GET", CENTRAL_SUBSCRIPTION, &Value::Null);
    assert_eq!(trial.world.effects().len(), 1);
    let seen: Vec<(&str, u16)> =
        trial.world.requests().iter().map(|r| (r.method.as_str(), r.status)).collect();
    assert_eq!(seen, [("POST", 200), ("PUT", 201), ("POST", 200), ("GET", 200)]);
    assert_eq!(trial.world.requests().iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn the_clock_moves_ahead_of_its_callers_and_never_back() {
    let mut trial = Trial::shipped();
    let start = trial.now;
    trial.world.advance(SignedDuration::from_mins(10));
    let later = trial.world.time(start);
    assert_eq!(later.duration_since(start), SignedDuration::from_mins(10));
    let earlier = start.checked_sub(SignedDuration::from_hours(1)).unwrap_or(start);
    assert_eq!(trial.world.time(earlier), later);
}

#[test]
fn every_answer_carries_ids_and_gives_back_the_callers() {
    let (_, got) = put_with(FaultName::DeliveredTwice);
    let ids =
        got.map(|g| (!g.header("x-ms-request-id").is_empty(), g.header("x-ms-client-request-id").to_owned()));
    assert_eq!(ids.ok(), Some((true, "attempt-1".to_owned())));
}

/// The bytes of all responses to a sequence of requests.
fn conversation() -> Vec<Bytes> {
    let mut trial = Trial::shipped();
    let mut bytes = Vec::new();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let invitation =
        json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
    let invited = trial.graph(&admin, "POST", "/invitations", &invitation);
    bytes.push(invited.answer.body().clone());
    trial.control("POST", "redeem", &json!({ "email": NINA }));
    trial.wait(60);
    for (client, tenant) in [("target", FABRIKAM), ("central", CENTRAL)] {
        let token = trial.arm_token(client, tenant);
        bytes.push(Bytes::from(token.clone()));
        for path in ["/subscriptions", "/tenants", CENTRAL_SUBSCRIPTION] {
            let got = trial.arm(&token, "GET", path, &Value::Null);
            bytes.push(Bytes::from(format!("{:?}", got.answer.headers())));
            bytes.push(got.answer.body().clone());
        }
    }
    for path in ["ledger", "requests", "state"] {
        bytes.push(trial.control("GET", path, &Value::Null).answer.body().clone());
    }
    bytes
}

#[test]
fn the_same_requests_at_the_same_times_get_the_same_bytes() {
    assert_eq!(conversation(), conversation());
}

#[test]
fn an_unknown_host_is_answered() {
    let mut trial = Trial::shipped();
    assert!(trial.raw("GET", "https://example.org/", &[], "").is_ok_and(|g| g.status == 404));
}
