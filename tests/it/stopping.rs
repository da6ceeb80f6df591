//! Stopping a run from outside, over real sockets: pause, a second driver, Ctrl-C once and twice.

use std::time::Duration;

use serde_json::json;

use crate::azure::Azure;
use crate::program::{Home, Watched, shipped, wait_for};

const SLOW: &str = "/scopeconnections/to-central";
const STEP: &str = "scope-connection";

/// A world in which creating a scope connection takes `time`, and a home for it.
fn slow_world(time: &str) -> (Azure, Home) {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    azure.set_faults(&json!([{ "method": "PUT", "path_contains": SLOW, "fault": "slow", "before": time }]));
    let home = azure.home();
    (azure, home)
}

fn run(home: &Home, options: &[&str]) -> Watched {
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    Watched::start(home, "run", &[&["run", &plan, "--inputs", &inputs], options].concat())
}

/// Waits until the slow write has arrived.
fn wait_until_in_flight(azure: &Azure, driver: &mut Watched) {
    wait_for("the slow write", Duration::from_secs(60), || {
        assert!(!driver.has_ended(), "ended before its slow write");
        azure.in_flight().iter().any(|request| request.path.ends_with(SLOW) && !request.done).then_some(())
    });
}

/// Resumes to the end; every resource was created once.
fn finish(azure: &Azure, home: &Home) {
    home.run(&["resume"]).expect(0);
    let created = azure.created();
    assert!(created.keys().any(|path| path.ends_with(SLOW)), "{created:#?}");
    let repeated: Vec<_> = created.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
}

/// Names of the slow step's events.
fn of_the_slow_step(home: &Home) -> Vec<String> {
    home.events().into_iter().filter(|event| event.step == STEP).map(|event| event.name).collect()
}

#[test]
fn after_a_pause_is_acknowledged_nothing_is_sent_but_what_it_named() {
    let (azure, home) = slow_world("2s");
    let mut driver = run(&home, &[]);
    wait_until_in_flight(&azure, &mut driver);
    home.run(&["pause", "--reason", "maintenance"]).expect(0);
    let before = azure.requests().len();
    let named: Vec<_> = home.events().into_iter().filter(|event| event.name == "acknowledged").collect();
    assert_eq!(named.len(), 1, "{named:?}");
    assert_eq!(named[0].fields, json!({ "in_flight": [STEP] }));
    let said = driver.end().expect(5);
    assert!(said.out.contains("paused"), "{said:#?}");
    let after: Vec<String> = azure.requests()[before..]
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert!(after.len() == 1 && after[0].starts_with("PUT ") && after[0].ends_with(SLOW), "{after:#?}");
    assert_eq!(of_the_slow_step(&home), ["intended", "accepted"]);
    finish(&azure, &home);
}

#[test]
fn of_two_drivers_one_is_told_who_the_other_is() {
    let (azure, home) = slow_world("2s");
    run(&home, &["--paused"]).end().expect(0);
    let mut both = ["one", "other"].map(|name| Watched::start(&home, name, &["resume"]));
    let ids = both.each_ref().map(Watched::id);
    let refused = wait_for("one of them to be refused", Duration::from_secs(60), || {
        both.iter_mut().position(Watched::has_ended)
    });
    let [one, other] = both;
    let (refused, driver, holder) = if refused == 0 { (one, other, ids[1]) } else { (other, one, ids[0]) };
    let said = refused.end().expect(7);
    assert!(said.err.contains(&format!("process {holder} on ")), "does not name {holder}:\n{}", said.err);
    driver.end().expect(0);
    assert_eq!(azure.created().values().max(), Some(&1));
    home.run(&["resume"]).expect(3);
}

#[test]
fn ctrl_c_lets_the_request_in_flight_end_and_parks() {
    let (azure, home) = slow_world("2s");
    let mut driver = run(&home, &[]);
    wait_until_in_flight(&azure, &mut driver);
    driver.signal("INT");
    let said = driver.end().expect(130);
    assert!(said.err.contains("requests in flight finish"), "{}", said.err);
    assert!(azure.in_flight().is_empty());
    assert_eq!(of_the_slow_step(&home), ["intended", "accepted"]);
    finish(&azure, &home);
}

#[test]
fn ctrl_c_twice_stops_at_once() {
    let (azure, home) = slow_world("8s");
    let mut driver = run(&home, &[]);
    wait_until_in_flight(&azure, &mut driver);
    driver.signal("INT");
    wait_for("the first Ctrl-C to be heard", Duration::from_secs(30), || {
        std::fs::read_to_string(home.path().join("run.err")).unwrap().contains("stopping").then_some(())
    });
    driver.signal("INT");
    let said = driver.end().expect(130);
    assert!(said.err.contains("stopping at once"), "{}", said.err);
    // The process did not wait for the response.
    assert_eq!(azure.in_flight().len(), 1);
    assert_eq!(of_the_slow_step(&home), ["intended"]);
    azure.drained();
    finish(&azure, &home);
}
