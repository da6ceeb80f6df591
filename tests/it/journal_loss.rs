//! The journal is more than one file: a loss of part of it is reported with exit code 74, and never taken for an
//! empty journal.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::azure::Azure;
use crate::program::{Home, Said, Watched, shipped, wait_for};

const REST: &str = "\
twinspan: 1
name: rest
summary: A rest
steps:
  - id: rest
    uses: delay
    with: { for: 1h }
";

fn beside(home: &Home, suffix: &str) -> PathBuf {
    home.path().join(format!("state/journal.db{suffix}"))
}

/// A run whose driver was killed.
fn killed() -> Home {
    let home = Home::new();
    let plan = home.write("plan.yaml", REST);
    let driver = Watched::start(&home, "driver", &["run", &plan]);
    wait_for("the timer", Duration::from_secs(60), || {
        beside(&home, ".record")
            .exists()
            .then(|| home.run(&["list"]))?
            .out
            .contains("waiting for its time")
            .then_some(())
    });
    driver.signal("KILL");
    driver.end();
    home
}

/// A home whose journal is a copy of some files of another.
fn copy(home: &Home, suffixes: &[&str]) -> Home {
    let copy = Home::new();
    fs::create_dir(copy.path().join("state")).unwrap();
    for suffix in suffixes {
        fs::copy(beside(home, suffix), beside(&copy, suffix)).unwrap();
    }
    copy
}

/// Every command reports `words` with exit code 74, and changes nothing.
#[track_caller]
fn refused(home: &Home, words: &str) {
    let plan = home.write("plan.yaml", REST);
    let journal = fs::read(home.journal()).ok();
    let commands: [&[&str]; 9] = [
        &["run", &plan],
        &["resume", "--all"],
        &["list"],
        &["show"],
        &["events"],
        &["pause"],
        &["undo", "--yes"],
        &["backup", "copy.db"],
        &["recover"],
    ];
    for command in commands {
        let said = home.run(command).expect(74);
        for words in [words, "twinspan recover"] {
            assert!(said.err.contains(words), "{command:?} does not say {words:?}:\n{}", said.err);
        }
        assert_eq!(fs::read(home.journal()).ok(), journal, "{command:?} changed it");
    }
    let said = home.run(&["doctor"]).expect(1);
    assert!(said.out.contains(words), "{}", said.out);
}

#[test]
fn after_a_kill_the_file_alone_is_not_the_journal_and_says_so() {
    let home = killed();
    refused(&copy(&home, &[""]), "is missing");
    // With its write-ahead log the journal is whole.
    let whole = copy(&home, &["", "-wal"]);
    let list = whole.run(&["list", "--open"]).expect(0);
    assert!(list.out.contains("rest"), "{}", list.out);
    assert!(!beside(&whole, ".record").exists(), "reading writes nothing");
}

#[test]
fn a_pipeline_that_caches_the_file_alone_gets_no_alarm() {
    let home = Home::new();
    let gate =
        "twinspan: 1\nname: gate\nsummary: s\nsteps:\n  - { id: go, uses: approval, with: { show: x } }\n";
    let plan = home.write("plan.yaml", gate);
    home.run(&["run", &plan, "--until-blocked"]).expect(5);
    // The next job has its own machine, and the journal from the cache.
    let next = copy(&home, &[""]);
    next.run(&["approve", "--actor", "ada", &short(&next), "go"]).expect(0);
    next.run(&["resume", "--all", "--until-blocked"]).expect(0);
    // A later job on the first machine gets a newer file from the cache.
    fs::copy(next.journal(), home.journal()).unwrap();
    home.run(&["resume", "--all", "--until-blocked"]).expect(3);
}

fn short(home: &Home) -> String {
    let list = home.run(&["list", "--output", "json"]).expect(0).json();
    list["runs"][0]["short"].as_str().unwrap().to_owned()
}

#[test]
fn a_restored_backup_and_a_damaged_log_are_said_and_a_loss_can_be_accepted() {
    let home = killed();
    fs::copy(beside(&home, ""), home.path().join("older.db")).unwrap();
    home.run(&["cancel"]).expect(0);
    let newer = copy(&home, &["", ".record"]);
    fs::copy(home.path().join("older.db"), newer.journal()).unwrap();
    refused(&newer, "is missing");
    newer.run(&["backup", "copy.db"]).expect(74);
    let accepted = newer.run(&["recover", "--accept-loss", "--reason", "the newer disk is gone"]).expect(0);
    assert!(accepted.err.contains("next: twinspan list --open"), "{}", accepted.err);
    newer.run(&["list"]).expect(0);
    newer.run(&["recover"]).expect(0);

    let damaged = copy(&killed(), &["", "-wal", ".record"]);
    let mut log = fs::read(beside(&damaged, "-wal")).unwrap();
    let at = log.len() * 3 / 10;
    log[at] ^= 16;
    fs::write(beside(&damaged, "-wal"), &log).unwrap();
    refused(&damaged, "damaged");
    assert_eq!(fs::read(beside(&damaged, "-wal")).unwrap(), log);
}

#[test]
fn a_journal_that_was_removed_or_emptied_loses_nothing_silently() {
    let home = killed();
    fs::remove_file(beside(&home, "-wal")).unwrap();
    fs::remove_file(beside(&home, "-shm")).unwrap();
    fs::write(home.journal(), "").unwrap();
    refused(&home, "is gone");
    fs::remove_file(home.journal()).unwrap();
    refused(&home, "is gone");
    home.run(&["recover", "--accept-loss"]).expect(0);
    let list = home.run(&["list"]).expect(0);
    assert!(list.err.contains("no runs"), "{list:#?}");
}

#[test]
fn a_backup_is_whole_while_runs_are_driven_and_replaces_nothing_unasked() {
    let home = Home::new();
    let plan = home.write("plan.yaml", REST);
    let driver = Watched::start(&home, "driver", &["run", &plan]);
    wait_for("the timer", Duration::from_secs(60), || {
        home.journal()
            .exists()
            .then(|| home.run(&["list"]))?
            .out
            .contains("waiting for its time")
            .then_some(())
    });
    let said = home.run(&["backup", "copy.db"]).expect(0);
    assert!(said.out.contains("verified  1 run with"), "{}", said.out);
    let file = home.path().join("copy.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    let again = home.run(&["backup", "copy.db"]).expect(74);
    assert!(again.err.contains("copy.db exists") && again.err.contains("--replace"), "{}", again.err);
    assert_eq!(fs::read(&file).unwrap(), before);
    home.run(&["backup", "copy.db", "--replace"]).expect(0);
    for own in ["", "-wal", ".record"] {
        let own = beside(&home, own);
        let said = home.run(&["backup", own.to_str().unwrap(), "--replace"]).expect(74);
        assert!(said.err.contains("belongs to the journal itself"), "{}", said.err);
    }
    home.run(&["backup", "nowhere/copy.db"]).expect(74);
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("unfinished")), "{left:?}");
    driver.signal("KILL");
    driver.end();
    // The copy alone is a whole journal.
    let restored = Home::new();
    fs::create_dir(restored.path().join("state")).unwrap();
    fs::copy(&file, restored.journal()).unwrap();
    assert!(restored.run(&["list", "--open"]).expect(0).out.contains("rest"));
    restored.run(&["doctor"]).expect(0);
}

/// The driver of the reference plan, with one of its writes in flight.
fn in_flight() -> (Azure, Home, Watched) {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let slow =
        json!([{ "method": "PUT", "path_contains": "/scopeconnections/", "fault": "slow", "before": "1s" }]);
    azure.set_faults(&slow);
    let home = azure.home();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let driver = Watched::start(&home, "driver", &["run", &plan, "--inputs", &inputs]);
    wait_for("the slow write", Duration::from_secs(60), || {
        azure.in_flight().iter().any(|request| request.path.contains("/scopeconnections/")).then_some(())
    });
    (azure, home, driver)
}

fn writes(azure: &Azure) -> usize {
    azure.requests().iter().filter(|request| request.method != "GET").count()
}

#[test]
fn a_driver_whose_journal_is_replaced_sends_nothing_more_and_ends() {
    let victim = "precious".repeat(1000);
    let damages: [fn(&Home); 3] = [
        |home| {
            fs::remove_file(home.journal()).unwrap();
            symlink(home.path().join("victim"), home.journal()).unwrap();
        },
        |home| fs::rename(home.journal(), home.path().join("moved.db")).unwrap(),
        |home| fs::remove_file(beside(home, "-wal")).unwrap(),
    ];
    for damage in damages {
        let (azure, home, driver) = in_flight();
        home.write("victim", &victim);
        let sent = writes(&azure);
        damage(&home);
        let said: Said = driver.end().expect(74);
        assert!(said.err.contains("while the journal was open"), "{}", said.err);
        assert_eq!(writes(&azure), sent, "something was sent after that");
        assert_eq!(fs::read_to_string(home.path().join("victim")).unwrap(), victim);
    }
}

#[test]
fn a_panic_of_any_thread_ends_the_process_with_70_and_the_run_goes_on() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let mut command = home.command(&["run", &plan, "--inputs", &inputs]);
    let held = home.path().join("held");
    command
        .env("TWINSPAN_HOLD_COMMIT", "panic before-commit intended group")
        .env("TWINSPAN_HOLD_FILE", &held);
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{err}");
    assert!(err.contains("internal error (bug) at src/host/held_commit.rs:"), "{err}");
    assert!(Path::new(&held).exists());
    home.run(&["resume"]).expect(0);
    let repeated: Vec<_> = azure.created().into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
}
