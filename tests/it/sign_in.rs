//! Sign-in, as the real program does it over HTTPS: each credential, the text of a refusal, and a permission that
//! ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Ended, Home, Said, shipped, wait_for};

const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const FABRIKAM: &str = "22222222-0000-0000-0000-00000000000f";
const APP: &str = "33333333-0000-0000-0000-00000000000a";
const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
const NINA_AT_FABRIKAM: &str = "ffffffff-1111-0000-0000-000000000002";

/// The simulated world's `[cloud]`, and this credential for every identity.
fn configured(azure: &Azure, credential: &str) -> Home {
    let home = Home::new();
    let cloud = azure.configuration();
    let cloud = &cloud[..cloud.find("[identities").unwrap()];
    home.write("twinspan.toml", format!("{cloud}[identities.default]\n{credential}\n"));
    home
}

/// Runs to the end, with more of an environment.
fn run_with(home: &Home, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let output = home.command(arguments).envs(environment.iter().copied()).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `config --check` for one tenant.
fn check(home: &Home, tenant: &str, environment: &[(&str, &str)]) -> Said {
    run_with(home, &["config", "--check", "--tenant", tenant, "--output", "json"], environment)
}

#[track_caller]
fn signed_in(said: Said, credential: &str) -> Value {
    let said = said.expect(0);
    let sign_in = said.json()["sign_ins"][0].clone();
    assert_eq!(sign_in["state"], "signed-in", "{sign_in:#}");
    assert_eq!(sign_in["credential"], credential);
    assert_eq!(sign_in["application"], APP);
    assert!(sign_in["object_id"].is_string() && sign_in["expires"].is_string(), "{sign_in:#}");
    assert!(!said.out.contains("eyJ"), "a token is shown: {}", said.out);
    sign_in
}

#[track_caller]
fn refused(said: Said, code: Option<&str>, words: &[&str]) {
    let said = said.expect(4);
    let sign_in = said.json()["sign_ins"][0].clone();
    assert_eq!(sign_in["state"], "refused", "{sign_in:#}");
    assert_eq!(sign_in["error"]["code"].as_str(), code, "{sign_in:#}");
    let wait = &sign_in["error"]["wait"];
    assert!(wait["who"].is_string(), "{sign_in:#}");
    let text = format!("{} {}", wait["what"], wait["action"]);
    for word in words {
        assert!(text.contains(word), "does not say {word:?}: {text}");
    }
    assert!(!said.out.contains("eyJ"), "a token is shown: {}", said.out);
}

// ---- Each credential ------------------------------------------------------------------------------------------------

#[test]
fn a_plan_is_checked_for_each_identity_in_its_tenant() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let plan = shipped("cross-tenant-connection.yaml");
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let arguments = ["config", "--check", plan.as_str(), "--inputs", inputs.as_str()];
    let said = home.run(&[&arguments[..], &["--output", "json"]].concat()).expect(4);
    let document = said.json();
    let states: Vec<(&str, &str, &str)> = document["sign_ins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|view| {
            let text = |key: &str| view[key].as_str().unwrap();
            (text("identity"), text("tenant"), text("state"))
        })
        .collect();
    let wanted = [
        ("central", CENTRAL, "signed-in"),
        ("target-admin", FABRIKAM, "signed-in"),
        ("target", FABRIKAM, "refused"),
    ];
    assert_eq!(states, wanted, "the guest is not invited yet");
    // Times, request ids and the simulator's ports differ each time.
    insta::assert_json_snapshot!(document, {
        ".sign_ins[].expires" => "[time]",
        ".sign_ins[].error.hint" => "[invitation]",
        ".sign_ins[].error.references" => "[ids]",
        ".sign_ins[].error.wait.action" => "[invitation]",
        ".sign_ins[].error.wait.otherwise" => "[where to look]",
    });
    let said = home.run(&arguments).expect(4);
    for word in [
        "nina.network@contoso.example",
        "cccccccc-1111-0000-0000-000000000001",
        "the account is not in the tenant",
        "an Entra administrator of tenant 22222222",
        "/v1.0/invitations",
    ] {
        assert!(said.out.contains(word), "does not say {word:?}:\n{}", said.out);
    }
    assert!(!said.out.contains("signs-in-with-this"), "a secret is shown:\n{}", said.out);
    let said = home.run(&["config", "--check"]).expect(64);
    assert!(said.err.contains("no tenant is known for application-central, "), "{}", said.err);
    home.run(&["config", "--check", "--tenant", "contoso"]).expect(64);
    assert!(azure.ledger().is_empty(), "signing in changes nothing");
}

#[test]
fn an_application_signs_in_with_secret_and_with_certificate() {
    let azure = Azure::start(&["--ready-world"]);
    let home = configured(
        &azure,
        &format!("credential = \"client-secret\"\nclient_id = \"{APP}\"\nclient_secret = {{ env = \"S\" }}"),
    );
    let secret = azure.ready["client_secret"].as_str().unwrap();
    signed_in(check(&home, CENTRAL, &[("S", secret)]), "client-secret");
    refused(check(&home, CENTRAL, &[("S", "wrong")]), Some("AADSTS7000215"), &["az ad app credential reset"]);
    refused(check(&home, CENTRAL, &[]), None, &["environment variable S is not set"]);

    let home = configured(
        &azure,
        &format!("credential = \"client-certificate\"\nclient_id = \"{APP}\"\ncertificate = \"app.pem\""),
    );
    refused(check(&home, CENTRAL, &[]), None, &["app.pem", "cannot be read"]);
    let made = azure.post("/_sim/certificates", &json!({ "client_id": APP }));
    home.write("app.pem", made["pem"].as_str().unwrap());
    let at_home = signed_in(check(&home, CENTRAL, &[]), "client-certificate");
    let elsewhere = signed_in(check(&home, FABRIKAM, &[]), "client-certificate");
    assert_ne!(at_home["object_id"], elsewhere["object_id"], "a service principal in each tenant");
    azure.advance("11m");
    refused(check(&home, CENTRAL, &[]), Some("AADSTS700024"), &["clock"]);
}

#[test]
fn a_workload_signs_in_with_the_token_of_its_platform() {
    let azure = Azure::start(&["--ready-world"]);
    let home = configured(
        &azure,
        &format!("credential = \"workload-identity\"\nclient_id = \"{APP}\"\ntoken_file = \"token\""),
    );
    refused(check(&home, CENTRAL, &[]), None, &["token"]);
    let issue =
        |body: Value| azure.post("/_sim/federated-tokens", &body)["token"].as_str().unwrap().to_owned();
    let (issuer, subject) = ("https://cluster.example", "system:serviceaccount:ops:twinspan");
    home.write("token", issue(json!({ "issuer": issuer, "subject": subject })));
    refused(
        check(&home, CENTRAL, &[]),
        Some("AADSTS700211"),
        &["az ad app federated-credential create --id", issuer],
    );
    home.write("token", issue(json!({ "client_id": APP, "issuer": issuer, "subject": subject })));
    signed_in(check(&home, CENTRAL, &[]), "workload-identity");
    signed_in(check(&home, FABRIKAM, &[]), "workload-identity");
    // The names that a cluster gives its pods.
    let path = home.path().join("token");
    let home = configured(&azure, "credential = \"workload-identity\"");
    let environment = [("AZURE_CLIENT_ID", APP), ("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap())];
    signed_in(check(&home, CENTRAL, &environment), "workload-identity");
}

/// A platform's token listener: it responds to every request alike, and records the requests.
struct Platform {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Platform {
    fn start(status: &'static str, body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        // Ends with the test's process: it waits for connections only.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // Recorded before the response, as the client may check the record at once.
                kept.lock().unwrap().push(head(&stream));
                answer(&mut stream, status, &body);
            }
        });
        Platform { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The head of the request.
fn head(stream: &TcpStream) -> String {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    head
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

#[test]
fn a_pipeline_signs_in_with_its_service_connection() {
    let azure = Azure::start(&["--ready-world"]);
    let home = configured(
        &azure,
        &format!("credential = \"azure-pipelines\"\nclient_id = \"{APP}\"\nservice_connection = \"c-1\""),
    );
    let made = azure.post(
        "/_sim/federated-tokens",
        &json!({ "client_id": APP, "issuer": "https://vstoken.dev.example", "subject": "sc://org/project/c-1" }),
    );
    let body = json!({ "oidcToken": made["token"] }).to_string();
    let pipeline = Platform::start("200 OK", body);
    let endpoint = format!("{}/org/project/_apis/distributedtask/oidctoken", pipeline.address);
    let environment =
        [("SYSTEM_OIDCREQUESTURI", endpoint.as_str()), ("SYSTEM_ACCESSTOKEN", "CANARY-of-the-job")];
    let said = check(&home, CENTRAL, &environment);
    assert!(!said.out.contains("CANARY"), "{}", said.out);
    signed_in(said, "azure-pipelines");
    let asked = pipeline.asked();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    let lower = request.to_ascii_lowercase();
    assert!(
        request.starts_with(
            "POST /org/project/_apis/distributedtask/oidctoken?api-version=7.1&serviceConnectionId=c-1 "
        ),
        "{request}"
    );
    assert!(request.contains("Bearer CANARY-of-the-job"), "{request}");
    assert!(lower.contains("x-tfs-fedauthredirect: suppress"), "{request}");

    for (status, words) in [
        ("401 Unauthorized", ["does not accept the pipeline's own token", "SYSTEM_ACCESSTOKEN"]),
        ("302 Found", ["does not accept the pipeline's own token", "SYSTEM_ACCESSTOKEN"]),
        ("404 Not Found", ["gives no token for service connection c-1", "Project settings"]),
    ] {
        let pipeline = Platform::start(status, "<html>CANARY</html>".to_owned());
        let environment = [("SYSTEM_OIDCREQUESTURI", pipeline.address.as_str()), ("SYSTEM_ACCESSTOKEN", "x")];
        refused(check(&home, CENTRAL, &environment), None, &words);
    }
    refused(check(&home, CENTRAL, &[("SYSTEM_ACCESSTOKEN", "x")]), None, &["SYSTEM_OIDCREQUESTURI"]);
    refused(check(&home, CENTRAL, &[]), None, &["SYSTEM_ACCESSTOKEN"]);
}

#[test]
fn a_machine_of_app_service_signs_in_as_itself() {
    let azure = Azure::start(&["--ready-world"]);
    // As App Service responds; the simulator issued the token, so that it accepts it.
    let body = json!({
        "access_token": azure.token(None, CENTRAL), "client_id": APP, "expires_on": "4102444800",
        "resource": azure.ready["arm"], "token_type": "Bearer",
    });
    let machine = Platform::start("200 OK", body.to_string());
    let endpoint = format!("{}/msi/token", machine.address);
    let environment =
        [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "CANARY-of-the-machine")];
    let home = configured(&azure, "credential = \"managed-identity\"\nclient_id = \"user-assigned\"");
    signed_in(check(&home, CENTRAL, &environment), "managed-identity");
    let asked = machine.asked();
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    let lower = request.to_ascii_lowercase();
    for part in [
        "get /msi/token?api-version=2019-08-01&resource=",
        "client_id=user-assigned",
        "canary-of-the-machine",
    ] {
        assert!(lower.contains(part), "{part}: {request}");
    }
    refused(
        check(&home, FABRIKAM, &environment),
        None,
        &["belongs to tenant 11111111-0000-0000-0000-00000000000c and signs in to no other"],
    );
    let machine = Platform::start("400 Bad Request", r#"{"error":"invalid_request"}"#.to_owned());
    let environment = [("IDENTITY_ENDPOINT", machine.address.as_str()), ("IDENTITY_HEADER", "x")];
    refused(check(&home, CENTRAL, &environment), None, &["is not assigned to this machine"]);
}

// ---- In a run -------------------------------------------------------------------------------------------------------

/// Reads as the guest, waits for an approval, and writes as the guest.
fn plan() -> String {
    format!(
        "twinspan: 1\nname: two-looks\nsummary: A right that ends between two steps\n\
         identities:\n  target: {{ tenant: {FABRIKAM}, contact: nina.network@contoso.example }}\n\
         steps:\n  - id: account\n    uses: azure.sign-in\n    as: target\n    with: {{ expect_principal: {NINA_AT_FABRIKAM} }}\n\
         \x20 - id: before\n    uses: azure.scope\n    as: target\n    needs: [account]\n    with: {{ scope: {SUBSCRIPTION} }}\n\
         \x20 - id: gate\n    uses: approval\n    needs: [before]\n\
         \x20 - id: connect\n    uses: avnm.network-manager-connection\n    as: target\n    needs: [gate]\n    with:\n\
         \x20     name: to-central\n      scope: {SUBSCRIPTION}\n\
         \x20     network_manager: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group\n"
    )
}

fn events_of(home: &Home, run: &str, step: &str) -> Vec<Value> {
    let said = home.run(&["why", run, step, "--output", "json"]).expect(0);
    said.json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"]["step"]["event"].clone())
        .collect()
}

#[test]
fn a_right_that_ends_in_the_middle_is_waited_for_and_then_it_goes_on_by_itself() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let plan = home.write("plan.yaml", plan());
    let said = home.run(&["run", &plan, "--until-blocked", "--output", "json"]).expect(5);
    let run = said.json()["short"].as_str().unwrap().to_owned();

    // As when a role of Privileged Identity Management ends.
    let admin = azure.token(Some("target-admin"), FABRIKAM);
    let roles = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments");
    let filter = format!("{roles}?api-version=2022-04-01&$filter=principalId%20eq%20'{NINA_AT_FABRIKAM}'");
    let held = azure.arm(&admin, "GET", &filter, None);
    let [role] = held["value"].as_array().unwrap().as_slice() else { panic!("{held:#}") };
    let path = format!("{}?api-version=2022-04-01", role["id"].as_str().unwrap());
    azure.arm(&admin, "DELETE", &path, None);
    azure.advance("11m");
    home.run(&["approve", &run, "gate"]).expect(0);

    let mut child = Ended(home.command(&["resume", &run]).spawn().unwrap());
    let mut err = child.0.stderr.take().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = err.read(&mut buffer) {
            heard.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    });
    wait_for("the wait for the permission", Duration::from_secs(60), || {
        said.lock()
            .unwrap()
            .contains("may not do Microsoft.Network/networkManagerConnections/read")
            .then_some(())
    });
    let shown = home.run(&["show", &run, "--output", "json"]).expect(0).json();
    let wait = &shown["waiting"][0];
    assert_eq!(
        (wait["step"].as_str(), wait["kind"].as_str()),
        (Some("connect"), Some("permission")),
        "{wait:#}"
    );
    let text = wait.to_string();
    for word in [
        "nina.network@contoso.example",
        "Owner or User Access Administrator",
        "az role assignment create",
        SUBSCRIPTION,
    ] {
        assert!(text.contains(word), "does not say {word:?}: {wait:#}");
    }

    let properties = &role["properties"];
    let body = json!({ "properties": {
        "roleDefinitionId": properties["roleDefinitionId"], "principalId": NINA_AT_FABRIKAM, "principalType": "User",
    }});
    azure.arm(&admin, "PUT", &path, Some(&body));
    azure.advance("11m");
    // The run checks again by itself: without resume or retry.
    let status = wait_for("the end of the run", Duration::from_secs(120), || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{}", said.lock().unwrap());
    let events = events_of(&home, &run, "connect");
    assert!(events.iter().any(|event| event.get("done").is_some()), "{events:#?}");
    for event in &events {
        assert!(event.get("failed").is_none() && event.get("retry-wait").is_none(), "{event:#}");
    }
    assert_eq!(azure.created().values().filter(|times| **times == 1).count(), azure.created().len());
}

#[test]
fn a_run_records_as_whom_it_acted_and_refuses_the_wrong_account() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let plan_file = home.write("plan.yaml", plan());
    let said = home.run(&["run", &plan_file, "--until-blocked", "--output", "json"]).expect(5);
    let run = said.json()["short"].as_str().unwrap().to_owned();
    home.run(&["approve", &run, "gate"]).expect(0);
    home.run(&["resume", &run, "--until-blocked"]).expect(0);
    let shown = home.run(&["show", &run, "--output", "json"]).expect(0);
    let nina = json!({
        "identity": "target",
        "application": azure.ready["identities"]["target"]["client_id"],
        "object_id": NINA_AT_FABRIKAM,
        "tenant": FABRIKAM,
    });
    assert_eq!(shown.json()["acted_as"], json!([nina]));
    let why = home.run(&["why", &run, "connect", "--output", "json"]).expect(0);
    assert_eq!(why.json()["acted_as"], json!([nina]));
    let accepted =
        events_of(&home, &run, "connect").into_iter().find_map(|event| event.get("accepted").cloned());
    assert_eq!(accepted.unwrap()["acted_as"], json!([nina]), "the write itself says it");
    let text = home.run(&["why", &run, "connect"]).expect(0);
    assert!(text.out.contains(&format!("object id {NINA_AT_FABRIKAM}")), "{}", text.out);
    for said in [&shown, &why] {
        assert!(!said.out.contains("eyJ") && !said.out.contains("signs-in-with-this"), "{}", said.out);
    }

    // The same plan, with another principal behind the identity.
    let wrong =
        home.write("wrong.yaml", plan().replace(NINA_AT_FABRIKAM, "ffffffff-1111-0000-0000-000000000001"));
    let said = home.run(&["run", &wrong, "--until-blocked"]).expect(5);
    for word in [
        "the plan needs object id ffffffff-1111-0000-0000-000000000001",
        NINA_AT_FABRIKAM,
        "correct [identities.target] in twinspan.toml (client-secret)",
    ] {
        assert!(said.err.contains(word) || said.out.contains(word), "does not say {word:?}: {said:#?}");
    }
}

/// An `az` that has several accounts and uses the one whose token is in a file.
#[cfg(unix)]
#[test]
fn of_several_accounts_of_the_azure_cli_the_right_one_is_asked_for_and_then_it_goes_on() {
    use std::os::unix::fs::PermissionsExt;

    let azure = Azure::start(&["--ready-world"]);
    let home = configured(&azure, "credential = \"azure-cli\"");
    let az = home.write("az", "#!/bin/sh\ncat \"$HOME/token.json\"\n");
    std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).unwrap();
    let use_account = |identity: &str| {
        let token = azure.token(Some(identity), FABRIKAM);
        let said = json!({ "accessToken": token, "expires_on": 4_102_444_800_u64, "tokenType": "Bearer" });
        home.write("token.json", said.to_string());
    };
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let environment = [("PATH", path.as_str())];
    let plan = home.write("plan.yaml", plan());

    use_account("target-admin");
    let said =
        run_with(&home, &["run", &plan, "--until-blocked", "--output", "json"], &environment).expect(5);
    let document = said.json();
    let wait = &document["waiting"][0];
    assert_eq!((wait["step"].as_str(), wait["kind"].as_str()), (Some("account"), Some("person")), "{wait:#}");
    let what = wait["what"].as_str().unwrap();
    assert!(
        what.contains("as iam@fabrikam.example (object id ffffffff-1111-0000-0000-000000000001)"),
        "{what}"
    );
    assert!(what.ends_with(&format!("the plan needs object id {NINA_AT_FABRIKAM}")), "{what}");
    assert_eq!(
        wait["action"].as_str().unwrap(),
        format!(
            "az login --tenant {FABRIKAM} --allow-no-subscriptions, and choose nina.network@contoso.example (object id {NINA_AT_FABRIKAM})"
        )
    );
    assert_eq!(
        document["untouched"],
        json!(["before", "gate", "connect"]),
        "nothing is done as the wrong one"
    );

    use_account("target");
    let run = document["short"].as_str().unwrap();
    let said =
        run_with(&home, &["resume", run, "--until-blocked", "--output", "json"], &environment).expect(5);
    assert_eq!(said.json()["acted_as"][0]["object_id"], NINA_AT_FABRIKAM);
    // The journal and all files beside it.
    let folder = home.journal().parent().unwrap().to_owned();
    let kept: Vec<u8> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path()).ok())
        .flatten()
        .collect();
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("two-looks") && !holds("eyJ"), "no token is kept");
}

#[test]
fn a_sign_in_that_ends_in_a_run_of_days_is_waited_for_in_words() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let plan = home.write("plan.yaml", plan());
    let said = home.run(&["run", &plan, "--until-blocked", "--output", "json"]).expect(5);
    let run = said.json()["short"].as_str().unwrap().to_owned();
    home.run(&["approve", &run, "gate"]).expect(0);
    let barrier = |code: Option<u32>| {
        azure.post("/_sim/barriers", &json!({ "identity": "target", "tenant": FABRIKAM, "code": code }));
    };
    for (code, words) in [
        (
            70_008,
            [
                "the sign-in has expired (AADSTS70008)",
                "target (nina.network@contoso.example)",
                "az login --tenant 22222222",
            ],
        ),
        (
            50_076,
            [
                "multifactor sign-in required",
                "target (nina.network@contoso.example)",
                "az login --tenant 22222222",
            ],
        ),
        (
            53_003,
            ["blocked by Conditional Access", "an Entra administrator of tenant 22222222", "sign-in log"],
        ),
        (
            65_001,
            [
                "consent to the application is missing",
                "an Entra administrator of tenant 22222222",
                "adminconsent",
            ],
        ),
        (
            500_212,
            ["home tenant", "an Entra administrator of the home tenant of nina", "allow outbound access"],
        ),
        (
            500_213,
            [
                "cross-tenant access settings of the tenant",
                "an Entra administrator of tenant 22222222",
                "allow inbound",
            ],
        ),
    ] {
        barrier(Some(code));
        let said = home.run(&["resume", &run, "--until-blocked"]).expect(5);
        for word in words {
            assert!(
                said.err.contains(word) || said.out.contains(word),
                "{code}: no {word:?}:\n{}\n{}",
                said.out,
                said.err
            );
        }
    }
    barrier(None);
    home.run(&["resume", &run, "--until-blocked"]).expect(0);
}
