//! Programs of `command` steps when their driver dies or is stopped: never started twice, and found again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Home, Watched, wait_for};

const LONG: Duration = Duration::from_secs(60);

/// A home with a plan of one `command` step.
struct Stage {
    home: Home,
    plan: String,
}

impl Stage {
    /// The program waits for the file `go`, then appends a line to `out`. `more`: more lines of the step.
    fn new(check: bool, more: &str) -> Stage {
        let home = Home::new();
        let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let script = |name: &str, text: &str| {
            let path = home.write(name, format!("#!/bin/sh\n{text}"));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let act = script(
            "act.sh",
            "echo >> \"$1/begun\"\nwhile [ ! -e \"$1/go\" ]; do sleep 0.05; done\necho effect >> \"$1/out\"\n",
        );
        let look = script("check.sh", "grep -q effect \"$1/out\" 2>/dev/null || exit 1\n");
        home.write("twinspan.toml", format!("[command]\nallow = [{act:?}, {look:?}]\n"));
        let check = match check {
            true => format!("\n      check: {{ program: {look:?}, args: [{:?}] }}", path("")),
            false => String::new(),
        };
        let plan = home.write(
            "plan.yaml",
            format!(
                "twinspan: 1\nname: c\nsummary: s\nsteps:\n  - id: act\n    uses: command{more}\n    with:\n      program: {act:?}\n      \
                 args: [{:?}]{check}\n",
                path("")
            ),
        );
        Stage { home, plan }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.file(name)).unwrap_or_default().lines().count()
    }

    /// A driver whose program has started.
    fn driver(&self) -> Watched {
        let driver = Watched::start(&self.home, "run", &["run", &self.plan]);
        wait_for("the program to begin", LONG, || (self.lines("begun") > 0).then_some(()));
        driver
    }

    fn go(&self) {
        fs::write(self.file("go"), "").unwrap();
    }

    fn show(&self) -> Value {
        self.home.run(&["show", "--output", "json"]).expect(0).json()
    }
}

#[test]
fn a_killed_driver_leaves_the_program_running_and_the_next_waits_for_it() {
    for check in [true, false] {
        let stage = Stage::new(check, "");
        let driver = stage.driver();
        driver.signal("KILL");
        driver.end();
        let next = Watched::start(&stage.home, "resume", &["resume"]);
        let wait = wait_for("the wait for the program", LONG, || {
            stage.show()["waiting"].as_array().unwrap().first().cloned()
        });
        assert_eq!((&wait["kind"], &wait["step"]), (&"program".into(), &"act".into()));
        let what = wait["what"].as_str().unwrap();
        assert!(what.contains("attempt 1 is running (process ") && what.contains(" since 20"), "{what}");
        let said = stage.home.run(&["show"]).expect(0).out;
        assert!(said.contains("waiting for a program"), "{said}");
        // Skip or retry would not stop the running program.
        stage.home.run(&["retry", "act"]).expect(0);
        stage.go();
        let said = next.end().expect(0);
        assert!(
            !said.out.contains("in the cloud:"),
            "a local program changes nothing in a cloud:\n{}",
            said.out
        );
        assert_eq!((stage.lines("begun"), stage.lines("out")), (1, 1), "check: {check}");
    }
}

#[test]
fn the_first_signal_lets_the_program_end_and_the_second_ends_it() {
    let stage = Stage::new(true, "");
    let driver = stage.driver();
    driver.signal("TERM");
    wait_for("the signal to be heard", LONG, || {
        fs::read_to_string(stage.file("run.err")).unwrap().contains("stopping").then_some(())
    });
    stage.go();
    driver.end().expect(143);
    assert_eq!(stage.lines("out"), 1, "it was waited for");
    stage.home.run(&["resume"]).expect(0);
    assert_eq!((stage.lines("begun"), stage.lines("out")), (1, 1));

    let stage = Stage::new(true, "");
    let driver = stage.driver();
    driver.signal("TERM");
    wait_for("the signal to be heard", LONG, || {
        fs::read_to_string(stage.file("run.err")).unwrap().contains("stopping").then_some(())
    });
    driver.signal("TERM");
    driver.end().expect(143);
    // The program was ended: otherwise it would have continued.
    let next = Watched::start(&stage.home, "resume", &["resume"]);
    wait_for("the program to begin again", LONG, || (stage.lines("begun") == 2).then_some(()));
    stage.go();
    next.end().expect(0);
    assert_eq!(stage.lines("out"), 1);
}

#[test]
fn a_program_whose_time_is_over_is_ended_before_it_is_started_again() {
    let stage = Stage::new(true, "\n    timeout: 1s");
    let driver = stage.driver();
    wait_for("the program to begin again", LONG, || (stage.lines("begun") >= 2).then_some(()));
    stage.go();
    driver.end().expect(0);
    assert_eq!(stage.lines("out"), 1);
}

#[test]
fn what_may_have_run_is_not_run_again_by_a_retry() {
    let stage = Stage::new(false, "");
    let driver = stage.driver();
    driver.signal("KILL");
    driver.end();
    // Without its supervisor no process observes how the program ends.
    let folder = fs::read_dir(stage.file("state").join("journal.db.programs")).unwrap();
    let note = folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect::<String>();
    let program: u32 = note.split("\"process\":").nth(1).unwrap().split('}').next().unwrap().parse().unwrap();
    let stat = fs::read_to_string(format!("/proc/{program}/stat")).unwrap();
    let supervisor = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &supervisor]).status().unwrap().success());
    stage.go();
    let said = stage.home.run(&["resume"]).expect(1);
    assert!(said.out.contains("may have done its work"), "{}", said.out);
    assert!(!said.out.contains("twinspan retry"), "a retry could only run it again:\n{}", said.out);
    let refused = stage.home.run(&["retry", "act"]).expect(64);
    assert!(
        refused.err.contains("its outcome is unknown") && refused.err.contains("adopt"),
        "{}",
        refused.err
    );
    stage.home.run(&["resume"]).expect(1);
    assert_eq!(stage.lines("out"), 1);
    stage.home.run(&["decide", "act", "adopt"]).expect(0);
    stage.home.run(&["resume"]).expect(0);
    assert_eq!((stage.lines("begun"), stage.lines("out")), (1, 1));
}
