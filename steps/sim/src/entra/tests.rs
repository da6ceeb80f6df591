use serde_json::{Value, json};

use crate::trial::{APP, CENTRAL, FABRIKAM, NINA, Trial};

const ARM: &str = "https://management.azure.com/.default";

/// Code and `error` of a refusal.
fn refusal(got: &crate::trial::Got) -> (u64, &str) {
    assert!(got.status >= 400, "{}", got.body);
    let code = got.body["error_codes"][0].as_u64().unwrap();
    assert!(got.text("/error_description").starts_with(&format!("AADSTS{code}: ")), "{}", got.body);
    for field in ["timestamp", "trace_id", "correlation_id"] {
        assert!(got.body[field].is_string(), "{field}");
    }
    (code, got.text("/error"))
}

#[test]
fn a_token_says_who_and_for_whom_in_every_spelling_of_the_scope() {
    let mut trial = Trial::shipped();
    for scope in [
        "https://management.azure.com/.default",
        "https://management.azure.com//.default",
        "https://management.azure.com//.default openid offline_access profile",
        "https://management.core.windows.net//.default",
    ] {
        let got = trial.ask_token("central", CENTRAL, scope);
        assert_eq!(got.status, 200, "{scope}: {}", got.body);
        assert_eq!(got.body["expires_in"], 3600);
        let claims = crate::tokens::read_unproven(got.text("/access_token")).unwrap();
        assert_eq!(claims["tid"], CENTRAL);
        assert_eq!(claims["iss"], format!("https://sts.windows.net/{CENTRAL}/"));
        assert_eq!(claims["oid"], "cccccccc-1111-0000-0000-000000000001");
        assert_eq!(claims["upn"], NINA);
        assert_eq!(claims["exp"].as_i64().unwrap(), trial.now.as_second() + 3600);
        let token = got.text("/access_token").to_owned();
        assert_eq!(trial.arm(&token, "GET", "/subscriptions", &Value::Null).status, 200, "{scope}");
    }
}

#[test]
fn fields_that_nobody_knows_are_ignored() {
    let mut trial = Trial::shipped();
    let form = format!(
        "client_info=1&x-client-sku=MSAL.Python&claims=%7B%7D&grant_type=client_credentials&client_id={APP}\
         &client_secret=the-application-signs-in-with-this&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    );
    let url = format!("https://login.microsoftonline.com/{CENTRAL}/oauth2/v2.0/token");
    assert_eq!(trial.raw("POST", &url, &[], form).unwrap().status, 200);
}

#[test]
fn wrong_secret_unknown_tenant_application_without_principal_and_unknown_resource() {
    let mut trial = Trial::shipped();
    let url = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let form = |id: &str, secret: &str, scope: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}")
    };
    let secret = "the-application-signs-in-with-this";
    let mut ask = |tenant: &str, form: String| trial.raw("POST", &url(tenant), &[], form).unwrap();

    let got = ask(CENTRAL, form(APP, "wrong", ARM));
    assert_eq!((got.status, refusal(&got)), (401, (7_000_215, "invalid_client")));
    let got = ask("99999999-0000-0000-0000-000000000000", form(APP, secret, ARM));
    assert_eq!((got.status, refusal(&got)), (400, (90002, "invalid_request")));
    let got = ask(FABRIKAM, form(APP, secret, ARM));
    assert_eq!((got.status, refusal(&got)), (400, (700_016, "unauthorized_client")));
    let got = ask(CENTRAL, form(APP, secret, "https://vault.azure.net/.default"));
    assert_eq!(refusal(&got), (500_011, "invalid_resource"));
    let got = ask(CENTRAL, "grant_type=password&client_id=x".to_owned());
    assert_eq!(refusal(&got), (70003, "unsupported_grant_type"));
    let got = ask(CENTRAL, form("11111111-2222-3333-4444-555555555555", secret, ARM));
    assert_eq!(refusal(&got), (700_016, "unauthorized_client"));
}

#[test]
fn a_guest_gets_no_token_until_invited_and_accepted_and_then_its_oid_is_the_guests() {
    let mut trial = Trial::shipped();
    assert_eq!(refusal(&trial.ask_token("target", FABRIKAM, ARM)), (50020, "invalid_grant"));

    let admin = trial.graph_token("target-admin", FABRIKAM);
    let invitation =
        json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
    let invited = trial.graph(&admin, "POST", "/invitations", &invitation);
    let guest = invited.text("/invitedUser/id").to_owned();
    assert_eq!(refusal(&trial.ask_token("target", FABRIKAM, ARM)), (50020, "invalid_grant"));

    let link = invited.text("/inviteRedeemUrl").to_owned();
    assert_eq!(trial.raw("GET", &link, &[], "").unwrap().status, 200);
    assert_eq!(
        refusal(&trial.ask_token("target", FABRIKAM, ARM)).0,
        50020,
        "reading the page accepts nothing"
    );
    assert_eq!(trial.raw("POST", &link, &[], "").unwrap().status, 200);

    let got = trial.ask_token("target", FABRIKAM, ARM);
    let claims = crate::tokens::read_unproven(got.text("/access_token")).unwrap();
    assert_eq!((claims["oid"].as_str(), claims["tid"].as_str()), (Some(guest.as_str()), Some(FABRIKAM)));
}

#[test]
fn policy_refuses_one_person_in_one_tenant() {
    for (code, error) in [
        (50076, "interaction_required"),
        (53003, "invalid_grant"),
        (500_212, "invalid_grant"),
        (500_213, "invalid_grant"),
        (65001, "invalid_grant"),
        (50173, "invalid_grant"),
    ] {
        let mut trial = Trial::ready();
        let set = trial.control(
            "POST",
            "barriers",
            &json!({ "identity": "target", "tenant": FABRIKAM, "code": code }),
        );
        assert_eq!(set.status, 200, "{}", set.body);
        assert_eq!(refusal(&trial.ask_token("target", FABRIKAM, ARM)), (code, error));
        assert_eq!(trial.ask_token("central", CENTRAL, ARM).status, 200, "not at home");
        assert_eq!(trial.ask_token("target-admin", FABRIKAM, ARM).status, 200, "not others");
        trial.control("POST", "barriers", &json!({ "identity": "target", "tenant": FABRIKAM, "code": null }));
        assert_eq!(trial.ask_token("target", FABRIKAM, ARM).status, 200);
    }
}

/// The response to an assertion of the world's application in its home tenant.
fn with_assertion(trial: &mut Trial, assertion: &str) -> crate::trial::Got {
    let url = format!("https://login.microsoftonline.com/{CENTRAL}/oauth2/v2.0/token");
    let form = format!(
        "grant_type=client_credentials&client_id={APP}&scope={ARM}&client_assertion={assertion}\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    );
    trial.raw("POST", &url, &[], form).unwrap()
}

#[test]
fn a_token_of_a_trusted_issuer_stands_for_the_secret_while_it_is_good() {
    let mut trial = Trial::shipped();
    let mut issued = |body: Value| {
        let got = trial.control("POST", "federated-tokens", &body);
        assert_eq!(got.status, 200, "{}", got.body);
        got.text("/token").to_owned()
    };
    let (issuer, subject) = ("https://ci.example", "repo:main");
    let foreign = issued(json!({ "issuer": "https://evil.example", "subject": subject }));
    let good = issued(json!({ "client_id": APP, "issuer": issuer, "subject": subject }));
    let other = issued(json!({ "issuer": issuer, "subject": "repo:fork" }));
    let elsewhere = issued(json!({ "issuer": issuer, "subject": subject, "audience": "api://other" }));
    let (text, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{text}.{}", foreign.rsplit_once('.').unwrap().1);
    for (token, code) in [
        (&foreign, 700_211),
        (&other, 700_213),
        (&elsewhere, 700_212),
        (&forged, 50013),
        (&"a.b".to_owned(), 50027),
    ] {
        let got = with_assertion(&mut trial, token);
        assert_eq!((got.status, refusal(&got)), (401, (code, "invalid_client")), "{token}");
    }
    assert_eq!(with_assertion(&mut trial, &good).status, 200);
    trial.wait(3600 + 301);
    let got = with_assertion(&mut trial, &good);
    assert_eq!(refusal(&got).0, 700_024, "an hour later");
}

#[test]
fn an_application_may_have_certificates() {
    let mut trial = Trial::shipped();
    let got = trial.control("POST", "certificates", &json!({ "client_id": APP }));
    let pem = got.text("/pem").to_owned();
    for part in ["BEGIN PRIVATE KEY", "BEGIN CERTIFICATE"] {
        assert!(pem.contains(part), "no {part}");
    }
    let got = trial.control("POST", "certificates", &json!({ "client_id": "unknown" }));
    assert_eq!((got.status, got.message()), (400, "there is no application 'unknown'"));

    let mut world: Value = serde_json::from_str(crate::World::example_json()).unwrap();
    world["applications"][0]["certificates"] = json!([pem]);
    let of_file = crate::World::from_json(&world.to_string()).unwrap();
    assert_eq!(
        of_file.directory.applications[0].certificates,
        trial.world.directory.applications[0].certificates
    );
    world["applications"][0]["certificates"] = json!(["-----BEGIN NOTHING-----"]);
    let Err(error) = crate::World::from_json(&world.to_string()) else { panic!("that is no certificate") };
    assert!(error.to_string().contains(APP), "{error}");
    // A valid signature is tested by the client's own tests, as only they have a key.
    let unsigned = "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiIzMzMzMzMzMy0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMGEifQ.AAAA";
    assert_eq!(refusal(&with_assertion(&mut trial, unsigned)).0, 700_027);
}

#[test]
fn discovery_names_this_worlds_own_addresses() {
    let mut trial = Trial::shipped();
    let hosts = crate::Hosts {
        arm: "https://127.0.0.1:8443".into(),
        login: "https://127.0.0.1:8444".into(),
        graph: "https://127.0.0.1:8445".into(),
    };
    trial.world.set_hosts(hosts);
    let url = format!("https://localhost:8444/{CENTRAL}/v2.0/.well-known/openid-configuration");
    let got = trial.raw("GET", &url, &[], "").unwrap();
    assert_eq!(got.text("/token_endpoint"), format!("https://127.0.0.1:8444/{CENTRAL}/oauth2/v2.0/token"));
    assert_eq!(got.text("/issuer"), format!("https://127.0.0.1:8444/{CENTRAL}/v2.0"));
    let got = trial
        .raw("GET", "https://127.0.0.1:8444/common/discovery/instance?api-version=1.1", &[], "")
        .unwrap();
    assert_eq!(got.body["metadata"][0]["aliases"][0], "127.0.0.1:8444");
    let url =
        "https://127.0.0.1:8444/99999999-0000-0000-0000-000000000000/v2.0/.well-known/openid-configuration";
    assert_eq!(refusal(&trial.raw("GET", url, &[], "").unwrap()).0, 90002);
    let got = trial
        .raw("GET", "https://127.0.0.1:8443/metadata/endpoints?api-version=2022-09-01", &[], "")
        .unwrap();
    assert_eq!(got.text("/resourceManager"), "https://127.0.0.1:8443/");
    assert_eq!(got.text("/authentication/loginEndpoint"), "https://127.0.0.1:8444/");
}
