//! `wait`: a script waits for a run that another process drives.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Ended, Home, Said, wait_for};

const GATED: &str = "\
twinspan: 1
name: gated
summary: A gate, and what comes after it
steps:
  - { id: go, uses: approval, with: { show: the list } }
  - { id: rest, uses: delay, needs: [go], with: { for: 1s } }
";

/// Starts a run that waits for approval, and parks it.
fn parked(home: &Home) -> String {
    let plan = home.write("plan.yaml", GATED);
    let run = home.run(&["run", &plan, "--until-blocked", "--output", "json"]).expect(5).json();
    run["short"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_so_already_is_not_waited_for() {
    let home = Home::new();
    let run = parked(&home);
    let wait = |what: &str, code| home.run(&["wait", &run, "--for", what]).expect(code);
    assert!(wait("blocked", 0).out.contains("met        blocked"));
    wait("go=waiting", 0);
    wait("rest=pending", 0);
    home.run(&["approve", &run, "go"]).expect(0);
    home.run(&["resume"]).expect(0);
    wait("done", 0);
    wait("go=done", 0);
    // The run has ended, so the condition can no longer be met.
    let said = wait("blocked", 1);
    assert!(said.out.contains("ended      blocked") && said.out.contains("2 of 2 steps"), "{}", said.out);
    wait("rest=failed", 1);
}

#[test]
fn the_end_is_told_by_the_exit_code() {
    let home = Home::new();
    let run = parked(&home);
    home.run(&["cancel", &run]).expect(0);
    let view = home.run(&["wait", &run, "--for", "done", "--output", "json"]).expect(1).json();
    assert_eq!(
        (&view["met"], &view["status"], &view["schema"]),
        (&json!(true), &json!("cancelled"), &json!(1))
    );
}

#[test]
fn a_time_that_passes_ends_with_6_and_says_where_the_run_stands() {
    let home = Home::new();
    let run = parked(&home);
    let said = home.run(&["wait", &run, "--for", "done", "--timeout", "50ms"]).expect(6);
    assert!(said.out.contains("timed out") && said.out.contains("twinspan approve"), "{}", said.out);
    assert!(
        said.err.contains(&format!("run {run} is not running; continue with `twinspan resume {run}`")),
        "{}",
        said.err
    );
    let view = home.run(&["wait", &run, "--for", "rest=done", "--timeout", "50ms", "--output", "json"]);
    let view = view.expect(6).json();
    assert_eq!(
        (&view["met"], &view["timed_out"], &view["wanted"]),
        (&json!(false), &json!(true), &json!("rest=done"))
    );
}

#[test]
fn it_sees_what_another_process_does() {
    let home = Home::new();
    let plan = home.write("plan.yaml", GATED);
    let mut driver = Ended(home.command(&["run", &plan, "--output", "jsonl"]).spawn().unwrap());
    let mut lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
    let started: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let run = started["short"].as_str().unwrap().to_owned();
    home.run(&["wait", &run, "--for", "blocked", "--timeout", "30s"]).expect(0);
    let waiter = home.command(&["wait", &run, "--for", "rest=done", "--timeout", "30s"]).spawn().unwrap();
    let mut waiter = Ended(waiter);
    assert!(waiter.0.try_wait().unwrap().is_none(), "it waits");
    home.run(&["approve", &run, "go"]).expect(0);
    let status = wait_for("the waiter", Duration::from_secs(30), || waiter.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    wait_for("the driver", Duration::from_secs(30), || driver.0.try_wait().unwrap());
}

#[test]
fn what_never_comes_is_refused() {
    let home = Home::new();
    let run = parked(&home);
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--for", "dnoe"], 64, "--for dnoe is not known"),
        (&["--for", "go=dnoe"], 64, "a step has no state dnoe"),
        (&["--for", "og=done"], 3, "has no step og"),
        (&["--for", "done", "--timeout", "soon"], 64, "--timeout soon is not a duration"),
        (&[], 64, "--for"),
        (&["--for", "done", "--timeout", "99999999d"], 64, "not a duration"),
    ];
    for (arguments, code, words) in cases {
        let said: Said = home.run(&[&["wait", run.as_str()], arguments].concat()).expect(code);
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
    }
    home.run(&["wait", "ffffffff", "--for", "done"]).expect(3);
}
