//! `why` shows every request of a step, its response, and no secret.

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";

/// Runs the shipped plan in a world that meets its prerequisites.
fn finished(azure: &Azure) -> (Home, String) {
    let home = azure.home();
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let run = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--output", "json"]).expect(0);
    let run = run.json()["short"].as_str().unwrap().to_owned();
    (home, run)
}

fn transcripts<'a>(why: &'a Value, phase: &str) -> Vec<&'a Value> {
    let all = why["transcripts"].as_array().unwrap();
    all.iter().filter(|transcript| transcript["phase"] == phase).collect()
}

#[test]
fn a_lost_answer_is_seen_and_the_look_that_settled_it() {
    let azure = Azure::start(&["--ready-world"]);
    azure.post(
        "/_sim/faults",
        &json!([{ "method": "PUT", "path_contains": "/scopeConnections/", "fault": "applied-then-lost", "times": 1 }]),
    );
    let (home, run) = finished(&azure);
    let why = home.run(&["why", &run, "scope-connection", "--output", "json"]).expect(0).json();
    let writes = transcripts(&why, "apply");
    assert_eq!(writes.len(), 1, "{why:#}");
    let write = writes[0]["requests"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&write["verb"], &write["write"], &write["identity"]),
        (&json!("PUT"), &json!(true), &json!("central"))
    );
    assert_eq!(write.get("status"), None, "its response was lost: {write:#}");
    assert!(write["fault"].is_string(), "{write:#}");
    assert_eq!(write.get("sent"), None, "bodies are for -v");
    assert!(write["took_ms"].is_i64(), "{write:#}");
    // The request carries the id under which Azure's log has it.
    let sent_as = write["ids"].as_array().unwrap().iter().find(|id| id["name"] == "x-ms-client-request-id");
    let requests = azure.get("/_sim/requests");
    let logged = requests["requests"].as_array().unwrap();
    let logged = logged.iter().find(|request| request["client_request_id"] == sent_as.unwrap()["value"]);
    assert_eq!(logged.unwrap()["method"], "PUT", "{write:#}");
    let looks = transcripts(&why, "verify");
    let proof = looks.last().unwrap()["requests"].as_array().unwrap().last().unwrap();
    assert_eq!((&proof["verb"], &proof["status"]), (&json!("GET"), &json!(200)), "{why:#}");

    let text = home.run(&["why", &run, "scope-connection"]).expect(0).out;
    assert!(text.contains("→ no response"), "{text}");
    assert!(text.contains("write, attempt 1"), "{text}");
    assert!(!text.contains("\"properties\""), "bodies are for -v:\n{text}");
    let bodies = home.run(&["why", &run, "scope-connection", "-v"]).expect(0).out;
    assert!(bodies.contains("\"properties\""), "{bodies}");
}

#[test]
fn no_secret_is_shown_in_any_step() {
    let azure = Azure::start(&["--ready-world"]);
    let (home, run) = finished(&azure);
    let identities = azure.ready["identities"].as_object().unwrap();
    let secrets: Vec<&str> =
        identities.values().map(|identity| identity["client_secret"].as_str().unwrap()).collect();
    assert!(secrets.len() > 1 && secrets.iter().all(|secret| secret.len() > 5), "{secrets:?}");
    let shown = home.run(&["show", &run, "--output", "json"]).expect(0).json();
    let mut requests = 0;
    for step in shown["steps"].as_array().unwrap() {
        let name = step["step"].as_str().unwrap();
        let why = home.run(&["why", &run, name, "-v", "--output", "json"]).expect(0);
        for secret in secrets.iter().copied().chain(["eyJ", "client_secret=", "Bearer "]) {
            assert!(!why.out.contains(secret), "{name} shows {secret:?}: {}", why.out);
        }
        let why = why.json();
        for transcript in why["transcripts"].as_array().unwrap() {
            requests += transcript["requests"].as_array().unwrap().len();
        }
    }
    println!("{requests} requests of {} steps", shown["steps"].as_array().unwrap().len());
    assert!(requests > 40, "only {requests} requests were shown");
}

#[test]
fn a_rehearsed_step() {
    let home = Home::new();
    home.run(&["--journal", "kept.db", "rehearse", &shipped(PLAN)]).expect(0);
    let list = home.run(&["--journal", "kept.db", "list", "--output", "json"]).expect(0).json();
    let run = list["runs"][0]["short"].as_str().unwrap();
    let why = |rest: &[&str]| home.run(&[&["--journal", "kept.db", "why", run], rest].concat()).expect(0).out;
    let json: Value = serde_json::from_str(&why(&["guest", "--output", "json"])).unwrap();
    // The ids that the simulator generates do not matter here.
    let filters = [
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[GUID]"),
        ("[0-9a-f]{64}", "[DIGEST]"),
    ];
    insta::with_settings!({ filters => filters }, {
        insta::assert_snapshot!("why_text", why(&["guest"]));
        insta::assert_snapshot!("why_bodies", why(&["guest", "-v"]));
        insta::assert_json_snapshot!("why_json", json["transcripts"]);
    });
}
