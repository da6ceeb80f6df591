//! How many requests an operation costs, as the simulator counts them. Durations are measured by hand:
//! `tests/clients/comparison.py`.

use std::fmt::Write as _;

use crate::azure::Azure;
use crate::fleet::{Fleet, tenant, wide_inputs, wide_world};
use crate::program::{Home, shipped};

/// Number of requests that the simulator received, tokens too.
fn taken_in(azure: &Azure) -> usize {
    azure.get("/_sim/requests")["requests"].as_array().unwrap().len()
}

/// A folder in which every identity of `connect-many` can sign in.
fn configured(azure: &Azure, fleet: Fleet) -> Home {
    let (home, ready) = (Home::new(), &azure.ready);
    let mut config = azure.cloud();
    let mut serve = |table: &str, client: &str, secret: &str| {
        let file = format!("{}.secret", table.replace(['"', '.'], "_"));
        home.write(&file, secret);
        let _ = write!(
            config,
            "[identities.{table}]\ncredential = \"client-secret\"\nclient_id = \"{client}\"\n\
             client_secret = {{ file = \"{file}\" }}\n"
        );
    };
    for (name, who) in [("central", &ready["identities"]["central"]), ("target", ready)] {
        serve(name, who["client_id"].as_str().unwrap(), who["client_secret"].as_str().unwrap());
    }
    for number in 0..fleet.tenants {
        let client = format!("55555555-0000-0000-0001-{number:012}");
        serve(&format!("target-admin.\"{}\"", tenant(number)), &client, "signs-in-with-this");
    }
    home.write("twinspan.toml", config);
    home
}

/// Requests of `run` and then of `verify`, for a fleet in a world without delays.
fn of_a_fleet(fleet: Fleet) -> (usize, usize) {
    let files = Home::new();
    let world = files.write("world.json", wide_world(fleet).to_string());
    let inputs = files.write("inputs.yaml", wide_inputs(fleet).to_string());
    let azure = Azure::start(&["--world", &world]);
    azure.without_lags();
    let home = configured(&azure, fleet);
    home.run(&["run", &shipped("connect-many.yaml"), "--inputs", &inputs, "--until-blocked"]).expect(0);
    let run = taken_in(&azure);
    home.run(&["verify"]).expect(0);
    let effects = azure.created();
    assert!(
        effects.values().filter(|times| **times > 1).count() <= 1,
        "only the service principals share a path"
    );
    (run, taken_in(&azure) - run)
}

/// Lists that all targets share (members, scope connections, configurations) and the network manager are read once
/// for all steps that need them in the same round; members are proven by their names.
#[test]
fn a_fleet_costs_about_twenty_requests_a_target_and_no_more_when_it_grows() {
    let (small, large) = (Fleet { tenants: 2, targets: 20 }, Fleet { tenants: 2, targets: 60 });
    let (run_small, verify_small) = of_a_fleet(small);
    let (run_large, verify_large) = of_a_fleet(large);
    println!("run: {run_small} and {run_large} requests; verify: {verify_small} and {verify_large}");
    // 19.4 and 7.3 a target on an idle machine. On a slow one the steps of a round start apart from each other, and
    // a list is then read once more; without shared reads it is 42 and 20.
    assert!(run_large <= 27 * large.targets, "{run_large} requests for {} targets", large.targets);
    assert!(
        verify_large <= 12 * large.targets,
        "{verify_large} requests to verify {} targets",
        large.targets
    );
    for (few, many) in [(run_small, run_large), (verify_small, verify_large)] {
        let more = large.targets / small.targets;
        let linear = more * few;
        assert!(
            many <= linear + linear / 4,
            "{more} times as many targets cost {many} requests instead of {few}"
        );
    }
}

/// In a world without delays: otherwise the number of polls depends on the durations. It takes 40; repeated reads on
/// a slow machine may come on top.
#[test]
fn the_reference_rollout_on_the_ready_world_costs_about_forty_requests() {
    let azure = Azure::start(&["--world", "ready"]);
    azure.without_lags();
    let home = azure.home();
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    home.run(&["run", &shipped("cross-tenant-connection.yaml"), "--inputs", &inputs, "--until-blocked"])
        .expect(0);
    let requests = taken_in(&azure);
    println!("{requests} requests");
    assert!(requests <= 46, "{requests} requests: {:#?}", azure.requests());
}
