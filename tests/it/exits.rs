//! How the program ends when it cannot continue: a refused sign-in, a wait that ended, a signal.

use std::io::Read as _;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Ended, Home, Said, shipped, wait_for};

const PLAN: &str = "cross-tenant-connection.yaml";
const GUEST: &str = "nina.network@contoso.example";

fn inputs() -> String {
    shipped("cross-tenant-connection.inputs.yaml")
}

/// A plan with one step that only the central administrator performs, and `more`.
fn sign_in_plan(azure: &Azure, more: &str) -> String {
    let tenant = azure.ready["tenants"]["central"]["id"].as_str().unwrap();
    format!(
        "twinspan: 1\nname: look\nsummary: Looks\nidentities:\n  central: {{ tenant: {tenant} }}\nsteps:\n  \
         - {{ id: sign-in, uses: azure.sign-in, as: central, with: {{}} }}\n{more}"
    )
}

#[test]
fn a_refused_sign_in_ends_with_4_where_nothing_else_can_run() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let right = std::fs::read_to_string(home.path().join("central.secret")).unwrap();
    home.write("central.secret", "canary-1f0c");
    let plan = home.write("plan.yaml", sign_in_plan(&azure, ""));
    let said = home.run(&["run", &plan, "--until-blocked"]).expect(4);
    for words in ["sign-in", "AADSTS7000215", "az ad app credential reset", "next       twinspan resume"] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    assert!(!format!("{said:?}").contains("canary"), "{said:#?}");
    let json = home.run(&["resume", "--until-blocked", "--output", "json"]).expect(4).json();
    assert_eq!((&json["exit"], &json["status"]), (&json!(4), &json!("waiting")), "{json:#}");
    // The secret is read again at each use: the run continues as soon as it is right.
    home.write("central.secret", right);
    home.run(&["resume", "--until-blocked"]).expect(0);
}

#[test]
fn a_refused_sign_in_ends_with_5_where_another_person_is_waited_for_too() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    home.write("central.secret", "wrong");
    let gate = "  - { id: go, uses: approval, with: { show: the list } }\n";
    let plan = home.write("plan.yaml", sign_in_plan(&azure, gate));
    let said = home.run(&["run", &plan, "--until-blocked"]).expect(5);
    assert!(said.out.contains("AADSTS7000215"), "{}", said.out);
    // No credential at all is a wait, and no refusal.
    let config = std::fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
    let config = config.replace(
        "[identities.central]\ncredential = \"client-secret\"",
        "[identities.central]\ncredential = \"none\"",
    );
    home.write("twinspan.toml", config);
    let plan = home.write("plan.yaml", sign_in_plan(&azure, ""));
    let said = home.run(&["run", &plan, "--until-blocked"]).expect(5);
    assert!(said.out.contains("no credential"), "{}", said.out);
}

#[test]
fn waiting_that_was_given_up_ends_with_6_and_can_be_taken_up_again() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let text = std::fs::read_to_string(shipped(PLAN)).unwrap();
    let short = text.replace("give_up_after: 30d", "give_up_after: 1s");
    assert_ne!(short, text);
    let plan = home.write("plan.yaml", short);
    let said = home.run(&["run", &plan, "--inputs", &inputs()]).expect(6);
    for words in ["gave up waiting", "accepted", "next       twinspan why", "twinspan retry"] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    // The invitation is still valid: the guest accepts, and a retry finds that.
    azure.redeem(GUEST);
    azure.advance("11m");
    home.run(&["retry", &run_of(&home), "accepted"]).expect(0);
    home.run(&["resume", "--until-blocked"]).expect(0);
}

fn run_of(home: &Home) -> String {
    let list = home.run(&["list", "--output", "json"]).expect(0).json();
    list["runs"][0]["short"].as_str().unwrap().to_owned()
}

/// A driven run with its write of the scope connection in flight: done in the simulator, without a response for
/// seconds.
fn in_flight(azure: &Azure, home: &Home) -> Ended {
    azure.post(
        "/_sim/faults",
        &json!([{ "method": "PUT", "path_contains": "/scopeConnections/", "fault": "slow", "times": 1 }]),
    );
    let plan = shipped(PLAN);
    let child = home.command(&["run", &plan, "--inputs", &inputs(), "--until-blocked"]).spawn().unwrap();
    let child = Ended(child);
    wait_for("the write to arrive", Duration::from_secs(30), || {
        azure.ledger().iter().find(|effect| is_scope_connection(&effect.path)).cloned()
    });
    child
}

fn is_scope_connection(path: &str) -> bool {
    path.to_lowercase().ends_with("/scopeconnections/to-central")
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the process to end.
fn end(mut child: Ended) -> Said {
    let (mut out, mut err) = (String::new(), String::new());
    child.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Said { code: child.0.wait().unwrap().code(), out, err }
}

fn state_of(home: &Home, step: &str) -> Value {
    let shown = home.run(&["show", &run_of(home), "--output", "json"]).expect(0).json();
    let steps = shown["steps"].as_array().unwrap();
    steps.iter().find(|shown| shown["step"] == step).unwrap()["state"].clone()
}

/// Resumes to the end; nothing was created twice.
fn finish(azure: &Azure, home: &Home) {
    home.run(&["resume", "--until-blocked"]).expect(0);
    let created = azure.created();
    let repeated: Vec<_> = created.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    assert!(created.keys().any(|path| is_scope_connection(path)), "{created:#?}");
}

#[test]
fn the_first_signal_lets_the_write_end_and_parks() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let azure = Azure::start(&["--ready-world"]);
        let home = azure.home();
        let child = in_flight(&azure, &home);
        send(signal, &child.0);
        let said = end(child).expect(code);
        assert!(said.err.contains("requests in flight finish"), "{}", said.err);
        assert!(said.out.contains("next       twinspan resume"), "{}", said.out);
        // The response arrived, and its result is in the journal; no step was started after it.
        let state = state_of(&home, "scope-connection");
        assert!(["verifying", "waiting", "done"].contains(&state.as_str().unwrap()), "{signal}: {state}");
        let written = azure.ledger();
        let place = written.iter().position(|effect| is_scope_connection(&effect.path)).unwrap();
        let after: Vec<_> = written[place + 1..].iter().map(|effect| &effect.path).collect();
        assert!(
            !after.iter().any(|path| path.to_lowercase().contains("/networkmanagerconnections/")),
            "{signal}: sent after the signal: {after:?}"
        );
        finish(&azure, &home);
    }
}

#[test]
fn the_second_signal_stops_at_once_and_the_write_is_looked_up() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let child = in_flight(&azure, &home);
    send("-INT", &child.0);
    // Two signals that arrive together count as one: the first has to be handled before the second is sent.
    let mut child = child;
    let mut err = String::new();
    let mut reader = std::io::BufReader::new(child.0.stderr.take().unwrap());
    while !err.contains("requests in flight finish") {
        assert_ne!(std::io::BufRead::read_line(&mut reader, &mut err).unwrap(), 0, "{err}");
    }
    send("-INT", &child.0);
    reader.read_to_string(&mut err).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(130), "{err}");
    assert!(err.contains("stopping at once"), "{err}");
    // The process did not wait for the response: the journal knows only that the request was sent.
    assert_eq!(state_of(&home, "scope-connection"), "intended");
    finish(&azure, &home);
    let why = home.run(&["why", &run_of(&home), "scope-connection", "--output", "json"]).expect(0).json();
    let writes: Vec<_> = why["transcripts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|transcript| transcript["phase"] == "apply")
        .collect();
    assert!(writes.is_empty(), "it was written again: {writes:#?}");
}
