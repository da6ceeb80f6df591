//! Lists, completions and the manual: exactly what was requested.

use serde_json::{Value, json};

use crate::program::Home;

/// A home with a run that waits for approval and one that has failed.
fn home() -> Home {
    let home = Home::new();
    home.write("twinspan.toml", "[command]\nallow = [\"/bin/false\"]\n");
    let gate = "twinspan: 1\nname: gate\nsummary: s\ninputs:\n  greeting: { type: string, default: hello }\nidentities:\n  boss: {}\nsteps:\n  - id: go\n    uses: approval\n    for_each: [a, b, c]\n    with: { by: boss }\n";
    let bad = "twinspan: 1\nname: bad\nsummary: s\nsteps:\n  - id: rest\n    uses: delay\n    with: { for: 1ms }\n  - id: act\n    uses: command\n    needs: [rest]\n    with: { program: /bin/false }\n";
    let (gate, bad) = (home.write("gate.yaml", gate), home.write("bad.yaml", bad));
    home.run(&["run", &gate, "--until-blocked"]).expect(5);
    home.run(&["run", &bad]).expect(1);
    home
}

fn names(home: &Home, options: &[&str]) -> Vec<String> {
    let said = home.run(&[&["list", "--output", "jsonl"], options].concat()).expect(0);
    let lines = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|run| {
            assert_eq!((&run["type"], &run["schema"]), (&json!("run-summary"), &json!(1)));
            run["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn short(home: &Home, plan: &str) -> String {
    let listed = home.run(&["list", "--plan", plan, "--output", "json"]).expect(0).json();
    listed["runs"][0]["short"].as_str().unwrap().to_owned()
}

#[test]
fn a_list_is_filtered_and_a_run_shows_what_failed() {
    let home = home();
    assert_eq!(names(&home, &[]), ["bad", "gate"], "one object a run, newest first");
    assert_eq!(names(&home, &["--failed"]), ["bad"]);
    assert_eq!(names(&home, &["--status", "waiting"]), ["gate"]);
    assert_eq!(names(&home, &["--status", "waiting", "--status", "halted", "--limit", "1"]), ["bad"]);
    assert_eq!(names(&home, &["--plan", "gate"]), ["gate"]);
    assert_eq!(names(&home, &["--plan", "gate", "--failed"]), [""; 0]);
    home.run(&["list", "--status", "nonsense"]).expect(64);
    let bad = short(&home, "bad");
    let shown = home.run(&["show", &bad, "--failed", "--output", "json"]).expect(0).json();
    let steps: Vec<&str> =
        shown["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["act"]);
    assert_eq!(shown["counts"]["steps"], json!(2), "the counts are of the whole run");
}

#[test]
fn several_waits_for_one_person_are_one_entry_with_a_list() {
    let home = home();
    let said = home.run(&["show", &short(&home, "gate")]).expect(0).out;
    let lines: Vec<&str> = said.lines().filter(|line| line.trim_start().starts_with("waiting ")).collect();
    let entries: Vec<&&str> = lines.iter().filter(|line| line.contains("3 steps for boss")).collect();
    assert_eq!(entries.len(), 1, "{said}");
    assert!(said.contains("go[a], go[b], go[c]"), "{said}");
}

#[test]
fn a_line_is_completed_by_what_the_journal_and_the_plan_know() {
    let home = home();
    let (gate, bad) = (short(&home, "gate"), short(&home, "bad"));
    let plan = home.path().join("gate.yaml");
    let complete = |words: &[&str]| -> Vec<String> {
        let said = home.run(&[&["candidates", "--"], words].concat()).expect(0);
        said.out.lines().map(str::to_owned).collect()
    };
    let mut runs = complete(&["show", ""]);
    runs.sort();
    let mut both = vec![gate.clone(), bad.clone()];
    both.sort();
    assert_eq!(runs, both);
    assert_eq!(complete(&["why", &bad, ""]), ["rest", "act"]);
    assert_eq!(complete(&["why", &bad, "a"]), ["act"]);
    assert_eq!(complete(&["hand-over", &gate, "--as", ""]), ["boss"]);
    assert_eq!(complete(&["run", plan.to_str().unwrap(), "--input", ""]), ["greeting="]);
    assert_eq!(complete(&["steps", "dela"]), ["delay"]);
    for verb in ["man", "help"] {
        assert!(complete(&[verb, ""]).contains(&"hand-over".to_owned()), "{verb}");
    }
    assert_eq!(complete(&["decide", &bad, "rest", ""]), [""; 0], "it needs no decision");
    assert_eq!(complete(&["show", "--output", ""]), [""; 0], "the shell knows these");
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]).expect(0).out;
        assert!(script.contains("twinspan candidates -- "), "{shell}");
    }
}

#[test]
fn help_is_a_command_too() {
    let home = Home::new();
    for (command, option) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "undo"], &["undo", "--help"]),
        (&["help", "what-if"], &["preview", "--help"]),
        (&["help", "help"], &["help", "--help"]),
    ] {
        assert_eq!(home.run(command).expect(0).out, home.run(option).expect(0).out, "{command:?}");
    }
    let said = home.run(&["help", "nonsense"]).expect(3);
    assert!(said.err.contains("there is no command nonsense"), "{said:#?}");
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let home = Home::new();
    let manual = home.run(&["man"]).expect(0).out;
    for page in ["twinspan", "twinspan-run", "twinspan-hand-over", "twinspan-man"] {
        assert!(manual.contains(&format!(".TH {page} ")), "{page}");
    }
    assert!(!manual.contains("supervise"), "what is hidden has no page");
    let one = home.run(&["man", "undo"]).expect(0).out;
    assert!(one.contains(".TH twinspan-undo ") && one.matches(".TH ").count() == 1);
    home.run(&["man", "nonsense"]).expect(3);
}
