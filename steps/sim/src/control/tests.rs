use serde_json::{Value, json};

use crate::trial::{CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_SUBSCRIPTION, NINA, Trial};

#[test]
fn faults_are_told_listed_and_taken_back() {
    let mut trial = Trial::shipped();
    let told =
        json!([{ "method": "GET", "path_contains": "/subscriptions", "fault": "throttle", "times": 2 }]);
    assert_eq!(trial.control("POST", "faults", &told).body["faults"], told);
    let token = trial.arm_token("central", CENTRAL);
    assert_eq!(trial.arm(&token, "GET", CENTRAL_SUBSCRIPTION, &Value::Null).status, 429);
    assert_eq!(trial.control("GET", "faults", &Value::Null).body["faults"][0]["times"], 1);
    trial.control("DELETE", "faults", &Value::Null);
    assert_eq!(trial.arm(&token, "GET", CENTRAL_SUBSCRIPTION, &Value::Null).status, 200);
    for bad in [json!([{ "fault": "no-such-fault" }]), json!({}), json!([{ "fault": "reset", "tiems": 3 }])] {
        assert_eq!(trial.control("POST", "faults", &bad).status, 400, "{bad}");
    }
    assert!(trial.world.faults().is_empty());
}

#[test]
fn the_clock_is_read_and_advanced() {
    let mut trial = Trial::shipped();
    assert_eq!(trial.control("GET", "clock", &Value::Null).text("/now"), "2026-11-23T09:00:00Z");
    assert_eq!(
        trial.control("POST", "clock", &json!({ "advance": "10m" })).text("/now"),
        "2026-11-23T09:10:00Z"
    );
    assert_eq!(
        trial.control("POST", "clock", &json!({ "advance": "1h 30s" })).text("/now"),
        "2026-11-23T10:10:30Z"
    );
    for bad in [json!({}), json!({ "advance": "soon" }), json!({ "advance": "-5m" }), json!({ "advance": 5 })]
    {
        assert_eq!(trial.control("POST", "clock", &bad).status, 400, "{bad}");
    }
    assert_eq!(trial.control("GET", "clock", &Value::Null).text("/now"), "2026-11-23T10:10:30Z");
}

#[test]
fn lies_and_lags_are_set_by_name() {
    let mut trial = Trial::shipped();
    let got = trial.control("POST", "lies", &json!({ "any-tenant-token": true }));
    assert_eq!((&got.body["any-tenant-token"], &got.body["empty-list"]), (&json!(true), &json!(false)));
    assert_eq!(trial.control("POST", "lies", &json!({ "white": true })).status, 400);
    let got = trial.control("POST", "lies", &json!({ "any-tenant-token": false }));
    assert_eq!(got.body["any-tenant-token"], false);
    assert_eq!(trial.control("POST", "lags", &json!({ "role": "30s" })).status, 200);
    assert_eq!(trial.world.lags().role, jiff::SignedDuration::from_secs(30));
    assert_eq!(trial.world.lags().connected, jiff::SignedDuration::from_secs(2), "others stay");
    assert_eq!(trial.control("POST", "lags", &json!({ "roll": "30s" })).status, 400);
}

#[test]
fn the_state_is_that_of_now_also_where_nobody_looked_since() {
    let mut trial = Trial::ready();
    let (central, target) = (trial.arm_token("central", CENTRAL), trial.arm_token("target", FABRIKAM));
    let manager = format!(
        "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group"
    );
    let half = json!({ "properties": { "tenantId": FABRIKAM, "resourceId": FABRIKAM_SUBSCRIPTION } });
    trial.arm(&central, "PUT", &format!("{manager}/scopeConnections/c"), &half);
    let half = json!({ "properties": { "networkManagerId": manager } });
    let path = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/c");
    trial.arm(&target, "PUT", &path, &half);
    let pointer = format!("/network/resources/{}/connectionState", path.to_lowercase().replace('/', "~1"));
    assert_eq!(trial.control("GET", "state", &Value::Null).text(&pointer), "Pending");
    trial.wait(2);
    assert_eq!(trial.control("GET", "state", &Value::Null).text(&pointer), "Connected");
}

#[test]
fn redeeming_needs_an_invitation() {
    let mut trial = Trial::shipped();
    assert_eq!(trial.control("POST", "redeem", &json!({ "email": NINA })).status, 404);
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let invitation =
        json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
    trial.graph(&admin, "POST", "/invitations", &invitation);
    assert_eq!(trial.control("POST", "redeem", &json!({ "email": NINA })).body["tenants"], json!([FABRIKAM]));
    assert_eq!(trial.control("POST", "redeem", &json!({ "email": NINA })).status, 404, "accepted already");
    assert_eq!(trial.control("POST", "redeem", &json!({})).status, 400);
}

#[test]
fn mails_are_told_with_their_time() {
    let mut trial = Trial::shipped();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    for send in [true, false] {
        let invitation = json!({
            "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://x.example", "sendInvitationMessage": send,
        });
        trial.graph(&admin, "POST", "/invitations", &invitation);
    }
    let wanted = json!({ "mails": [{ "at": "2026-11-23T09:00:00Z", "tenant": FABRIKAM, "to": NINA }] });
    assert_eq!(trial.control("GET", "mails", &Value::Null).body, wanted);
}

#[test]
fn control_is_in_no_list_and_unknown_controls_are_refused() {
    let mut trial = Trial::shipped();
    trial.control("GET", "clock", &Value::Null);
    assert_eq!(trial.control("GET", "nothing", &Value::Null).status, 404);
    assert!(
        trial.control("GET", "requests", &Value::Null).body["requests"].as_array().is_some_and(Vec::is_empty)
    );
    assert_eq!(trial.control("GET", "ledger", &Value::Null).body, json!({ "effects": [] }));
}
