mod clients;
mod refusing;

use serde_json::{Value, json};

use crate::lies::Lie;
use crate::trial::{
    CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_GROUP, FABRIKAM_SUBSCRIPTION, Got, Trial,
};

/// A read of Fabrikam's subscription with Contoso's token.
fn foreign_read(lie: Option<Lie>) -> Got {
    let mut trial = Trial::ready();
    if let Some(lie) = lie {
        trial.world.set_lie(lie, true);
    }
    let token = trial.arm_token("central", CENTRAL);
    trial.arm(&token, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null)
}

/// The expected result.
fn foreign_token_is_refused(got: &Got) -> bool {
    got.refusal() == (401, "InvalidAuthenticationTokenTenant")
        && got.message().starts_with(&format!(
            "The access token is from the wrong issuer 'https://sts.windows.net/{CENTRAL}/'. It must match the tenant \
             'https://sts.windows.net/{FABRIKAM}/' associated with this subscription."
        ))
        && got.header("www-authenticate").contains(&format!("authorization_uri=\"https://login.windows.net/{FABRIKAM}\""))
}

#[test]
fn a_token_of_another_tenant_is_refused_and_the_right_issuer_named() {
    let got = foreign_read(None);
    assert!(foreign_token_is_refused(&got), "{}", got.body);
}

#[test]
fn the_lie_any_tenant_token_would_turn_the_test_above_red() {
    let got = foreign_read(Some(Lie::AnyTenantToken));
    assert!(!foreign_token_is_refused(&got));
    assert_eq!(got.status, 200);
}

#[test]
fn without_a_token_a_subscription_tells_its_tenant() {
    let mut trial = Trial::shipped();
    let url = format!("https://management.azure.com{FABRIKAM_SUBSCRIPTION}?api-version=2022-12-01");
    let got = trial.raw("GET", &url, &[], "").ok();
    let got = got.filter(|g| g.status == 401);
    assert!(got.is_some_and(|g| g.header("www-authenticate").contains(FABRIKAM)));
    let url = "https://management.azure.com/subscriptions/99999999-0000-0000-0000-000000000000?api-version=2022-12-01";
    assert!(trial.raw("GET", url, &[], "").is_ok_and(|g| g.refusal() == (404, "SubscriptionNotFound")));
}

#[test]
fn every_auxiliary_token_must_be_good_even_where_none_is_needed() {
    let mut trial = Trial::ready();
    let old = trial.arm_token("target", FABRIKAM);
    trial.wait(3600);
    let token = trial.arm_token("central", CENTRAL);
    let aux = trial.arm_token("target", FABRIKAM);
    let graph = trial.graph_token("target", FABRIKAM);
    let mut read = |auxiliary: &[&str]| {
        let got = trial.arm_with(&token, auxiliary, "GET", CENTRAL_SUBSCRIPTION, &Value::Null);
        (got.status, got.code().to_owned(), got.message().to_owned())
    };
    assert_eq!(read(&[&aux]).0, 200);
    assert_eq!(read(&[&aux, &aux, &aux]).0, 200);
    assert_eq!(read(&[&aux, &aux, &aux, &aux]).0, 401);
    let (status, code, message) = read(&[&aux, &old]);
    assert_eq!((status, code.as_str()), (401, "ExpiredAuthenticationToken"));
    assert!(message.contains(FABRIKAM), "names the tenant of the bad one: {message}");
    assert_eq!(read(&["nonsense"]).1, "InvalidAuthenticationToken");
    assert_eq!(read(&[&graph]).1, "InvalidAuthenticationTokenAudience");
}

#[test]
fn bad_tokens_and_a_missing_version_are_refused() {
    let mut trial = Trial::shipped();
    let token = trial.arm_token("central", CENTRAL);
    let graph = trial.graph_token("central", CENTRAL);
    let got = trial.arm(&graph, "GET", CENTRAL_SUBSCRIPTION, &Value::Null);
    assert_eq!(got.refusal(), (401, "InvalidAuthenticationTokenAudience"));
    assert_eq!(
        trial.arm("x", "GET", CENTRAL_SUBSCRIPTION, &Value::Null).refusal(),
        (401, "InvalidAuthenticationToken")
    );
    let bearer = format!("Bearer {token}");
    let url = format!("https://management.azure.com{CENTRAL_SUBSCRIPTION}");
    let got = trial.raw("GET", &url, &[("authorization", &bearer)], "");
    assert!(got.is_ok_and(|g| g.refusal() == (400, "MissingApiVersionParameter")));
    trial.wait(3600);
    let got = trial.arm(&token, "GET", CENTRAL_SUBSCRIPTION, &Value::Null);
    assert_eq!(got.refusal(), (401, "ExpiredAuthenticationToken"));
}

#[test]
fn a_list_of_subscriptions_shows_those_of_the_tokens_tenant_with_a_role() {
    let mut trial = Trial::ready();
    for (client, tenant, subscriptions, tenants) in [
        ("central", CENTRAL, 1, 2),
        ("target", FABRIKAM, 1, 2),
        ("target-admin", FABRIKAM, 1, 1),
        ("app", FABRIKAM, 1, 1),
    ] {
        let token = trial.arm_token(client, tenant);
        let got = trial.arm(&token, "GET", "/subscriptions", &Value::Null);
        assert_eq!(got.list().len(), subscriptions, "{client}");
        assert!(got.list().iter().all(|s| s["tenantId"] == tenant), "{client}");
        assert_eq!(trial.arm(&token, "GET", "/tenants", &Value::Null).list().len(), tenants, "{client}");
    }
}

#[test]
fn resource_groups_are_made_read_and_removed() {
    let mut trial = Trial::ready();
    let token = trial.arm_token("app", CENTRAL);
    let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-Replay");
    let other_case = format!("{CENTRAL_SUBSCRIPTION}/resourcegroups/RG-replay");
    let got = trial.arm(&token, "GET", &group, &Value::Null);
    assert_eq!(got.refusal(), (404, "ResourceGroupNotFound"));
    assert_eq!(got.header("x-ms-failure-cause"), "gateway");
    assert_eq!(trial.arm(&token, "PUT", &group, &json!({})).refusal(), (400, "LocationRequired"));
    assert_eq!(trial.arm(&token, "PUT", &group, &json!({ "location": "eastus2" })).status, 201);
    assert_eq!(trial.arm(&token, "PUT", &group, &json!({ "location": "eastus2" })).status, 200);
    let elsewhere = trial.arm(&token, "PUT", &group, &json!({ "location": "West US 2" }));
    assert_eq!(elsewhere.refusal(), (409, "InvalidResourceGroupLocation"));
    assert_eq!(trial.arm(&token, "GET", &other_case, &Value::Null).text("/name"), "rg-Replay");
    assert_eq!(trial.arm(&token, "HEAD", &other_case, &Value::Null).status, 204);
    let list = trial.arm(&token, "GET", &format!("{CENTRAL_SUBSCRIPTION}/resourceGroups"), &Value::Null);
    assert_eq!(list.list().len(), 2);

    let gone = trial.arm(&token, "DELETE", &other_case, &Value::Null);
    assert_eq!(gone.status, 202);
    let at = gone.header("location").split("azure.com").nth(1).unwrap_or_default().to_owned();
    assert_eq!(trial.arm(&token, "GET", &at, &Value::Null).status, 200);
    assert_eq!(trial.arm(&token, "HEAD", &group, &Value::Null).status, 404);
    let outsider = trial.arm_token("target", FABRIKAM);
    let foreign = format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-x");
    assert_eq!(
        trial.arm(&outsider, "PUT", &foreign, &json!({ "location": "eastus2" })).refusal(),
        (403, "AuthorizationFailed"),
        "a network contributor makes no resource groups"
    );
}

#[test]
fn a_provider_registers_in_its_time() {
    let mut trial = Trial::shipped();
    let mut lags = trial.world.lags().clone();
    lags.provider = jiff::SignedDuration::from_secs(90);
    trial.world.set_lags(lags);
    let token = trial.arm_token("target-admin", FABRIKAM);
    let provider = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network");
    let mut state = |method: &str, path: &str, wait: i64| {
        trial.wait(wait);
        trial.arm(&token, method, path, &Value::Null).text("/registrationState").to_owned()
    };
    assert_eq!(state("GET", &provider, 0), "NotRegistered");
    assert_eq!(state("POST", &format!("{provider}/register"), 0), "Registering");
    assert_eq!(state("GET", &provider, 89), "Registering");
    assert_eq!(state("POST", &format!("{provider}/register"), 0), "Registering", "does not start again");
    assert_eq!(state("GET", &provider, 1), "Registered");
    let got = trial.arm(
        &token,
        "POST",
        &format!("{FABRIKAM_GROUP}/providers/Microsoft.Network/register"),
        &Value::Null,
    );
    assert_eq!((got.status, got.answer.body().len()), (200, 0), "a management group returns no body");
    assert!(trial.world.effects().iter().all(|e| e.change == crate::Change::Updated && e.tenant == FABRIKAM));
    // Unregistering takes time as well, and its final state differs from that of a provider that was never
    // registered.
    let mut state = |method: &str, path: &str, wait: i64| {
        trial.wait(wait);
        trial.arm(&token, method, path, &Value::Null).text("/registrationState").to_owned()
    };
    let unregister = format!("{provider}/unregister");
    assert_eq!(state("POST", &unregister, 0), "", "in use");
    for group in ["rg-app", "rg-data"] {
        state("DELETE", &format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/{group}"), 0);
    }
    assert_eq!(state("POST", &unregister, 0), "Unregistering");
    assert_eq!(state("GET", &provider, 89), "Unregistering");
    assert_eq!(state("GET", &provider, 1), "Unregistered");
    assert_eq!(state("POST", &unregister, 0), "Unregistered", "does not start again");
    assert_eq!(state("POST", &format!("{provider}/register"), 0), "Registering");
    assert_eq!(state("GET", &provider, 90), "Registered");
    let got = trial.arm(
        &token,
        "GET",
        &format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Nothing"),
        &Value::Null,
    );
    assert_eq!(got.refusal(), (404, "InvalidResourceNamespace"));
}

#[test]
fn nothing_of_a_provider_is_made_where_it_is_not_registered() {
    let mut trial = Trial::shipped();
    let token = trial.arm_token("target-admin", FABRIKAM);
    let path = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/c");
    let got = trial.arm(&token, "PUT", &path, &json!({}));
    assert_eq!(got.refusal(), (409, "MissingSubscriptionRegistration"));
}

#[test]
fn a_management_group_shows_itself_to_who_has_a_role_there() {
    let mut trial = Trial::ready();
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let path = format!("{FABRIKAM_GROUP}?$expand=children&$recurse=true");
    let got = trial.arm(&admin, "GET", &path, &Value::Null);
    assert_eq!(got.text("/properties/displayName"), "Fabrikam");
    assert_eq!(got.text("/properties/tenantId"), FABRIKAM);
    assert_eq!(got.text("/properties/details/parent/name"), FABRIKAM);
    assert_eq!(got.text("/properties/children/0/id"), FABRIKAM_SUBSCRIPTION);
    let got = trial.arm(&admin, "GET", &format!("{FABRIKAM_GROUP}/descendants"), &Value::Null);
    assert_eq!(got.list().len(), 1);
    let foreign = trial.arm_token("central", CENTRAL);
    assert_eq!(
        trial.arm(&foreign, "GET", FABRIKAM_GROUP, &Value::Null).refusal(),
        (403, "AuthorizationFailed")
    );
    let missing = "/providers/Microsoft.Management/managementGroups/mg-none";
    assert_eq!(trial.arm(&admin, "GET", missing, &Value::Null).refusal(), (403, "AuthorizationFailed"));
}

#[test]
fn addresses_that_do_not_exist_get_an_answer() {
    let mut trial = Trial::shipped();
    let token = trial.arm_token("central", CENTRAL);
    for path in ["/", "/nothing", "/subscriptions/x", "/providers/Microsoft.Nothing/x", "//", "/%ff"] {
        let got = trial.arm(&token, "GET", path, &Value::Null);
        assert!((400..500).contains(&got.status), "{path}: {}", got.status);
        assert!(!got.code().is_empty(), "{path}");
    }
}

#[test]
fn where_a_second_factor_is_required_people_read_without_one_and_are_told_what_to_bring_for_a_write() {
    let mut trial = Trial::shipped();
    trial.world.require_second_factor(CENTRAL, true);
    let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-new");
    let body = json!({ "location": "westeurope" });
    let plain = trial.arm_token("central", CENTRAL);
    assert_eq!(trial.arm(&plain, "GET", CENTRAL_SUBSCRIPTION, &Value::Null).status, 200);
    for method in ["PUT", "DELETE"] {
        let got = trial.arm(&plain, method, &group, &body);
        assert_eq!(got.refusal(), (401, "InvalidAuthenticationToken"));
        assert!(got.header("www-authenticate").contains("error=\"insufficient_claims\", claims=\"eyJ"));
    }
    let sign_in = trial.world.sign_in("central", CENTRAL).unwrap();
    let url = format!("https://login.microsoftonline.com/{CENTRAL}/oauth2/v2.0/token");
    let mut token = |claims: &str| {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://management.azure.com/.default&claims={claims}",
            sign_in.client_id, sign_in.client_secret
        );
        trial
            .raw("POST", &url, &[("content-type", "application/x-www-form-urlencoded")], form)
            .ok()
            .unwrap()
            .body["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let other = token("%7B%22access_token%22:%7B%22acrs%22:%7B%22values%22:%5B%22p2%22%5D%7D%7D%7D");
    let stepped_up = token("%7B%22access_token%22:%7B%22acrs%22:%7B%22values%22:%5B%22p1%22%5D%7D%7D%7D");
    assert_eq!(trial.arm(&other, "PUT", &group, &body).status, 401);
    assert_eq!(trial.arm(&stepped_up, "PUT", &group, &body).status, 201);
}
