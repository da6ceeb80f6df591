//! Over real sockets: a request takes effect after its driver was killed and the run was undone, and a journal is
//! restored from a backup. The oracle is the simulator's ledger. The request window of these processes is two
//! seconds ([`TWINSPAN_REQUEST_WINDOW`](../../src/host/request_windows.rs), test builds only).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, Watched, shipped, wait_for};

fn run(home: &Home, options: &[&str]) -> Watched {
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    Watched::start(home, "run", &[&["run", &plan, "--inputs", &inputs], options].concat())
}

/// Last segments of resources that runs created and that were not deleted.
fn live(azure: &Azure) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for effect in azure.ledger() {
        match effect.change.as_str() {
            "created" => drop(live.insert(effect.path)),
            "deleted" => drop(live.remove(&effect.path)),
            _ => {}
        }
    }
    live
}

#[test]
fn a_request_that_lands_after_the_kill_is_undone() {
    for path in ["/networkgroups/ng-spokes", "/scopeconnections/to-central"] {
        let azure = Azure::start(&["--ready-world"]);
        azure.without_lags();
        azure.set_faults(
            &json!([{ "method": "PUT", "path_contains": path, "fault": "slow", "before": "1500ms" }]),
        );
        let home = azure.home();
        let mut driver = run(&home, &["--until-blocked"]);
        wait_for("the slow write", Duration::from_secs(60), || {
            assert!(!driver.has_ended(), "ended before its slow write");
            azure.in_flight().iter().any(|request| request.path.ends_with(path)).then_some(())
        });
        driver.signal("KILL");
        driver.end();
        let said = home.run(&["undo", "--yes"]).expect(0);
        azure.drained();
        assert_eq!(live(&azure), BTreeSet::new(), "{path}: left in the cloud\n{}\n{}", said.out, said.err);
        let step = home.run(&["show", "--output", "json"]).expect(0).json();
        assert_eq!(step["status"], "undone", "{step:#}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A world in which the run is done, and a journal that knows only the start of the run.
fn restored() -> (Azure, Home) {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    run(&home, &["--paused"]).end().expect(0);
    let (state, backup) = (home.path().join("state"), home.path().join("backup"));
    copy(&state, &backup);
    home.run(&["resume"]).expect(0);
    fs::remove_dir_all(&state).unwrap();
    copy(&backup, &state);
    (azure, home)
}

fn lost(home: &Home) -> (Value, Vec<String>) {
    let run = home.run(&["show", "--output", "json"]).expect(0).json();
    let lost = run["journal_lost"].as_array().into_iter().flatten();
    let lost = lost.map(|step| step.as_str().unwrap().to_owned()).collect();
    (run, lost)
}

#[test]
fn a_restored_backup_is_not_undone_while_something_carries_the_marker() {
    for resumed in [true, false] {
        let (azure, home) = restored();
        let before = live(&azure);
        assert!(!before.is_empty());
        if resumed {
            home.run(&["resume", "--until-blocked"]).expect(1);
            let (run, lost) = lost(&home);
            assert!(!lost.is_empty(), "{run:#}");
            let steps = run["steps"].as_array().unwrap();
            let step = steps.iter().find(|step| step["step"] == lost[0].as_str()).unwrap();
            assert_eq!(step["state"], "needs-decision");
            let what = step["decision"]["what"].as_str().unwrap();
            assert!(what.contains("the journal lost its last entries"), "{what}");
        }
        let said = home.run(&["undo", "--yes"]).expect(1);
        assert!(said.out.contains("the journal lost its last entries"), "{}", said.out);
        assert_eq!(live(&azure), before, "nothing is deleted without a decision");
        // Each needs its own decision, which says when the resource was created, if Azure reports that.
        let mut asked = Vec::new();
        for _ in 0..12 {
            let (run, _) = lost(&home);
            let steps = run["steps"].as_array().unwrap();
            let open = steps.iter().find(|step| step["state"] == "undo-needs-decision");
            let Some(open) = open else { break };
            let step = open["step"].as_str().unwrap();
            asked.push(open["decision"]["what"].as_str().unwrap().to_owned());
            home.run(&["decide", run["short"].as_str().unwrap(), step, "overwrite"]).expect(0);
            home.run(&["undo", "--yes"]);
        }
        let (run, _) = lost(&home);
        assert_eq!(run["status"], "undone", "{run:#}");
        assert!(asked.iter().any(|what| what.contains("it was created at 2")), "{asked:#?}");
        let left = live(&azure);
        assert!(left.len() < before.len(), "{left:?}");
        // Resources without a marker cannot be attributed to the run, and are named.
        let unchecked = run["unchecked"].as_array().map_or(0, Vec::len);
        assert!(left.len() <= unchecked, "{left:?} left, {unchecked} named\n{run:#}");
    }
}

#[test]
fn verify_says_that_a_restored_backup_lost_its_tail_and_changes_nothing() {
    let (azure, home) = restored();
    let events = || home.run(&["events"]).expect(0).out;
    let (before, journal) = (live(&azure), events());
    let said = home.run(&["verify"]).expect(9);
    for words in
        ["lost-tail", "the journal lost its tail", "restore the newer copy", "docs/guides/journal.md"]
    {
        assert!(said.out.contains(words), "{words:?} is not said:\n{}", said.out);
    }
    let view = home.run(&["verify", "--output", "json"]).expect(9).json();
    assert_eq!((&view["drift"], &view["recorded"]), (&json!(0), &json!(false)), "{view:#}");
    let lost = view["findings"].as_array().unwrap().iter().filter(|found| found["drift"] == "lost-tail");
    let lost: Vec<&str> = lost.map(|found| found["step"].as_str().unwrap()).collect();
    assert_eq!(view["lost_tail"], json!(lost.len()), "{view:#}");
    assert!(lost.contains(&"scope-connection") && lost.contains(&"group"), "{lost:?}");
    assert_eq!((live(&azure), events()), (before, journal));
    // Without Azure nothing can be known of it, until a command that read Azure has recorded it.
    home.run(&["doctor"]).expect(0);
    home.run(&["resume", "--until-blocked"]).expect(1);
    let said = home.run(&["doctor"]).expect(1);
    assert!(said.out.contains("the journal lost its tail"), "{}", said.out);
    home.run(&["verify"]).expect(9);
}
