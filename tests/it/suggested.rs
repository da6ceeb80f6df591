//! Suggested commands work: every command under `next`, pasted into a shell, is accepted by the run in its present
//! state.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, Watched, shipped, wait_for};

const LONG: Duration = Duration::from_secs(60);

/// A home whose shell finds the program.
fn home() -> Home {
    let home = Home::new();
    with_program(&home);
    home
}

fn with_program(home: &Home) {
    fs::create_dir(home.path().join("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_twinspan"), home.path().join("bin/twinspan")).unwrap();
}

fn show(home: &Home) -> Value {
    home.run(&["show", "--output", "json"]).expect(0).json()
}

/// The suggested commands; each is pasted into a shell with a copy of the journal, and must not be refused.
#[track_caller]
fn accepted(home: &Home) -> Vec<String> {
    let shown = show(home);
    let commands: Vec<String> =
        shown["next"].as_array().unwrap().iter().map(|next| next.as_str().unwrap().to_owned()).collect();
    assert!(!commands.is_empty(), "there is always a next command: {shown:#}");
    for (number, command) in commands.iter().enumerate() {
        let copy = home.path().join(format!("copy-{number}"));
        fs::create_dir_all(&copy).unwrap();
        for entry in fs::read_dir(home.journal().parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
        }
        // Commands that would wait are shortened.
        let pasted = match command.split(' ').nth(1).unwrap() {
            "resume" => format!("{command} --until-blocked"),
            "undo" if !command.ends_with("--preview") => format!("{command} --until-blocked"),
            _ => command.replace(" --follow", ""),
        };
        let path = format!("{}:/usr/bin:/bin", home.path().join("bin").display());
        let output = Command::new("/bin/sh")
            .args(["-c", &pasted])
            .current_dir(home.path())
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", path)
            .env("TWINSPAN_JOURNAL", copy.join("journal.db"))
            .env("TWINSPAN_ACTOR", "a-person-who-did-not-start-it")
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(![2, 3, 64, 65, 70, 74, 126, 127].contains(&code), "{pasted} ends with {code}: {said}");
        fs::remove_dir_all(copy).unwrap();
    }
    commands
}

fn plan(home: &Home, steps: &str) -> String {
    home.write("plan.yaml", format!("twinspan: 1\nname: p\nsummary: s\nsteps:\n{steps}"))
}

#[test]
fn what_is_next_is_accepted_whatever_a_step_is_called() {
    let home = home();
    let gates = plan(
        &home,
        "  - id: go\n    uses: approval\n    for_each: [\"a b\", \"x;y\", \"it's\"]\n    with: { by: boss, not: starter }\n",
    );
    home.run(&["run", &gates, "--until-blocked"]).expect(5);
    let next = accepted(&home);
    let run = show(&home)["short"].as_str().unwrap().to_owned();
    for quoted in ["'go[a b]'", "'go[x;y]'", r"'go[it'\''s]'"] {
        assert!(next.contains(&format!("twinspan approve {run} {quoted} --as boss")), "{next:#?}");
    }
    home.run(&["pause"]).expect(0);
    accepted(&home);
    home.run(&["reject", "go[a b]"]).expect(0);
    accepted(&home);
    home.run(&["cancel"]).expect(0);
    accepted(&home);
}

#[test]
fn a_decision_has_one_line_for_each_choice_the_safest_first() {
    let home = home();
    let lost = home.write("lost.sh", "#!/bin/sh\nkill -9 $$\n");
    fs::set_permissions(&lost, fs::Permissions::from_mode(0o755)).unwrap();
    home.write("twinspan.toml", format!("[command]\nallow = [{lost:?}, \"/bin/false\", \"/bin/true\"]\n"));
    let one = plan(
        &home,
        &format!("  - id: act\n    uses: command\n    for_each: [a b]\n    with: {{ program: {lost:?} }}\n"),
    );
    let said = home.run(&["run", &one]).expect(1);
    let run = show(&home)["short"].as_str().unwrap().to_owned();
    let choices: Vec<String> = ["adopt", "abort", "overwrite"]
        .iter()
        .map(|choice| format!("twinspan decide {run} 'act[a b]' {choice}"))
        .collect();
    let next = accepted(&home);
    assert_eq!(next[..3], choices, "neither a retry nor what cannot be done");
    let lines: Vec<&str> = said.out.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.ends_with(&choices[2])).unwrap();
    assert_eq!(lines[at + 1], "send the write again, although it may have taken effect");
    // A failure, and then success.
    home.run(&["decide", "act[a b]", "abort"]).expect(0);
    assert!(accepted(&home).iter().any(|next| next.starts_with("twinspan why")));
    let home = self::home();
    home.write("twinspan.toml", "[command]\nallow = [\"/bin/true\"]\n");
    let two = plan(&home, "  - id: act\n    uses: command\n    with: { program: /bin/true }\n");
    let said = home.run(&["run", &two]).expect(0);
    assert!(
        said.out.contains("ran        on this machine:") && said.out.contains("nothing in the cloud"),
        "{}",
        said.out
    );
    assert!(accepted(&home)[0].starts_with("twinspan verify "));
}

#[test]
fn without_a_process_nothing_says_that_something_will_happen() {
    let home = home();
    let rest = plan(&home, "  - id: rest\n    uses: delay\n    with: { for: 1h }\n");
    let mut driver = Watched::start(&home, "run", &["run", &rest]);
    wait_for("the wait", LONG, || {
        assert!(!driver.has_ended());
        let shown = home.run(&["show", "--output", "json"]);
        (shown.code == Some(0)
            && shown.json()["driven"] == json!(true)
            && shown.json()["waiting"].as_array().is_some_and(|waits| !waits.is_empty()))
        .then_some(())
    });
    let said = home.run(&["show"]).expect(0).out;
    assert!(said.contains("continues at") && !said.contains("not running"), "{said}");
    driver.signal("INT");
    let parked = driver.end().expect(130).out;
    let run = show(&home)["short"].as_str().unwrap().to_owned();
    let how = format!("not running; continue with `twinspan resume {run}`");
    let why = home.run(&["why", "rest"]).expect(0).out;
    for said in [parked, home.run(&["show"]).expect(0).out, why] {
        assert!(
            said.contains(&how) && !said.contains("continues at") && !said.contains("next check"),
            "{said}"
        );
    }
    let list = home.run(&["list"]).expect(0).out;
    assert!(list.contains("not running"), "{list}");
    let listed = home.run(&["list", "--output", "json"]).expect(0).json();
    assert_eq!(
        (&listed["runs"][0]["driven"], &listed["runs"][0]["direction"]),
        (&json!(false), &json!("forward"))
    );
    assert_eq!(home.run(&["why", "rest", "--output", "json"]).expect(0).json()["driven"], json!(false));
}

#[test]
fn an_interrupted_undo_is_named_left_alone_and_can_be_called_off() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    with_program(&home);
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    home.run(&["run", &plan, "--inputs", &inputs]).expect(0);
    let created = azure.created();
    azure.set_faults(&json!([{ "method": "DELETE", "path_contains": "/", "fault": "slow", "before": "3s" }]));
    let mut undo = Watched::start(&home, "undo", &["undo", "--yes"]);
    wait_for("a delete request", LONG, || {
        assert!(!undo.has_ended());
        azure.in_flight().iter().any(|request| !request.done).then_some(())
    });
    undo.signal("INT");
    undo.end().expect(130);
    azure.set_faults(&json!([]));
    let deleted = azure.requests().len();
    for said in [home.run(&["list"]), home.run(&["show"])] {
        assert!(said.out.contains("undo interrupted") && !said.out.contains("verifying"), "{}", said.out);
    }
    let shown = show(&home);
    assert_eq!(
        (&shown["status"], &shown["direction"], &shown["driven"]),
        (&json!("undo-interrupted"), &json!("undo"), &json!(false))
    );
    let run = shown["short"].as_str().unwrap().to_owned();
    // What a nightly job does: nothing.
    for resume in [&["resume", "--all", "--until-blocked"][..], &["resume", "--until-blocked"]] {
        let said = home.run(resume).expect(5);
        for command in [format!("twinspan undo {run}"), format!("twinspan resume {run} --forward")] {
            assert!(said.err.contains(&command), "{}", said.err);
        }
    }
    assert_eq!(azure.requests().len(), deleted, "nothing was sent");
    assert_eq!(
        shown["next"],
        json!([format!("twinspan undo {run}"), format!("twinspan resume {run} --forward")])
    );
    let said = home.run(&["resume", &run, "--forward", "--reason", "wrong run"]).expect(0);
    assert!(said.err.contains("undo called off"), "{}", said.err);
    let shown = show(&home);
    assert_eq!((&shown["status"], &shown["direction"]), (&json!("done"), &json!("forward")));
    let events = home.events();
    let signal = events.iter().rfind(|event| event.name == "signal-taken").unwrap();
    assert_eq!(
        (&signal.fields["signal"], &signal.fields["reason"]),
        (&json!("forward"), &json!("wrong run"))
    );
    // Everything exists, and is owned by this run.
    for path in created.keys() {
        assert!(azure.created()[path] <= 2, "{path}");
    }
    home.run(&["verify"]).expect(0);
    home.run(&["undo", "--yes"]).expect(0);
}
