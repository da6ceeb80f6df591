//! `doctor` reports what is wrong and how to repair it, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::program::{Home, Said};

const GATED: &str = "\
twinspan: 1
name: gated
summary: A gate and nothing else
identities:
  central: { tenant: 11111111-0000-0000-0000-00000000000c }
steps:
  - { id: go, uses: approval, with: { show: the list } }
";

/// A journal with a run that waits.
fn home() -> Home {
    let home = Home::new();
    let plan = home.write("plan.yaml", GATED);
    home.run(&["run", &plan, "--until-blocked"]).expect(5);
    home
}

/// The checks of this name, with their results.
fn checks<'a>(view: &'a Value, name: &str) -> Vec<&'a Value> {
    view["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name).collect()
}

#[track_caller]
fn wrong(said: &Said, name: &str, words: &str) {
    let view = said.json();
    assert_eq!(view["well"], false, "{view:#}");
    let found = checks(&view, name).into_iter().find(|check| check["state"] == "wrong");
    let found = found.unwrap_or_else(|| panic!("{name} is not wrong: {view:#}"));
    assert!(found["seen"].as_str().unwrap().contains(words), "{words:?} is not said: {found:#}");
    assert!(found["do"].is_string(), "nothing to do: {found:#}");
}

#[test]
fn all_is_well_and_nothing_is_changed() {
    let home = home();
    home.write("twinspan.toml", "[identities.central]\ncredential = \"none\"\n");
    let before = fs::read(home.journal()).unwrap();
    let view = home.run(&["doctor", "--output", "json"]).expect(0).json();
    assert_eq!((&view["schema"], &view["well"]), (&json!(1), &json!(true)), "{view:#}");
    for name in
        ["journal", "settings", "integrity", "permissions", "space", "record", "clock", "configuration"]
    {
        assert_eq!(checks(&view, name).len(), 1, "{name}: {view:#}");
    }
    assert_eq!(checks(&view, "credential")[0]["state"], "note", "{view:#}");
    assert_eq!(fs::read(home.journal()).unwrap(), before, "it changed the journal");
    let text = home.run(&["doctor"]).expect(0).out;
    let real = fs::canonicalize(home.path()).unwrap();
    let text =
        text.replace(real.to_str().unwrap(), "[HOME]").replace(home.path().to_str().unwrap(), "[HOME]");
    let filters = [
        ("[0-9]+ GiB|[0-9]+ MiB|[0-9]+ KiB", "[SIZE]"),
        ("SQLite 3[0-9.]+", "SQLite [VERSION]"),
        ("[0-9-]+T[0-9:]+Z, [0-9]+ s after", "[NOW], [SECONDS] after"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!("doctor_text", text) });
}

#[test]
fn without_a_journal_it_ends_with_3_and_looks_at_the_rest() {
    let home = Home::new();
    let said = home.run(&["doctor", "--output", "json"]).expect(3);
    let view = said.json();
    assert_eq!((&view["journal"], &view["well"]), (&json!(false), &json!(true)), "{view:#}");
    assert_eq!(checks(&view, "clock").len(), 1, "{view:#}");
    assert!(!home.journal().exists(), "it made a journal");
}

#[test]
fn a_record_that_was_changed_is_found() {
    let home = home();
    let mut bytes = fs::read(home.journal()).unwrap();
    // One letter of the stored plan is changed: SQLite notices nothing, the plan's digest does.
    let at = bytes.windows(23).position(|part| part == b"A gate and nothing else").expect("the plan's text");
    bytes[at] = b'B';
    fs::write(home.journal(), bytes).unwrap();
    let said = home.run(&["doctor", "--output", "json"]).expect(1);
    wrong(&said, "record", "not the one that was stored");
    assert_eq!(checks(&said.json(), "integrity")[0]["state"], "ok");
}

#[test]
fn a_file_that_is_no_journal_is_said_to_be_none() {
    let home = Home::new();
    home.write("other.db", "not a database, and long enough to be looked at as one");
    let said = home.run(&["doctor", "--journal", "other.db", "--output", "json"]).expect(1);
    wrong(&said, "journal", "is not a journal of twinspan");
}

#[test]
fn a_journal_that_others_may_read_is_told_how_to_be_closed() {
    let home = home();
    fs::set_permissions(home.journal(), fs::Permissions::from_mode(0o644)).unwrap();
    let said = home.run(&["doctor", "--output", "json"]).expect(1);
    wrong(&said, "permissions", "others on this machine");
    let action = checks(&said.json(), "permissions")[0]["do"].as_str().unwrap().to_owned();
    let words: Vec<&str> = action.split(' ').collect();
    assert!(std::process::Command::new(words[0]).args(&words[1..]).status().unwrap().success());
    home.run(&["doctor"]).expect(0);
}

#[test]
fn each_credential_that_cannot_be_used_is_named() {
    let client = "credential = \"client-secret\"\nclient_id = \"33333333-0000-0000-0000-00000000000a\"\n";
    let cases = [
        (
            format!("[identities.a]\n{client}client_secret = {{ file = \"missing.secret\" }}\n"),
            "missing.secret",
        ),
        (
            format!("[identities.a]\n{client}client_secret = {{ env = \"NOT_SET_ANYWHERE\" }}\n"),
            "NOT_SET_ANYWHERE",
        ),
        (format!("[identities.a]\n{client}"), "needs client_secret"),
        (
            format!(
                "[identities.a]\n{client}[identities.a.\"22222222-0000-0000-0000-00000000000f\"]\nclient_secret = {{ file = \"f.secret\" }}\n"
            ),
            "a in 22222222-0000-0000-0000-00000000000f",
        ),
    ];
    for (text, words) in cases {
        let home = home();
        home.write("twinspan.toml", &text);
        let said = home.run(&["doctor", "--output", "json"]).expect(1);
        wrong(&said, "credential", words);
    }
    // A secret that exists is not shown.
    let home = home();
    home.write("a.secret", "canary-4d10");
    home.write(
        "twinspan.toml",
        format!("[identities.a]\n{client}client_secret = {{ file = \"a.secret\" }}\n"),
    );
    let said = home.run(&["doctor"]).expect(0);
    assert!(said.out.contains("a.secret") && !said.out.contains("canary"), "{}", said.out);
    // The identity of the open run, which the configuration does not name.
    assert!(said.out.contains("central: none is configured"), "{}", said.out);
}

#[test]
fn a_mistake_in_the_configuration_is_one_of_the_things_that_are_wrong() {
    let home = home();
    home.write("twinspan.toml", "[cloud]\nname = \"mars\"\n");
    let said = home.run(&["doctor", "--output", "json"]).expect(1);
    let view = said.json();
    let found = checks(&view, "configuration")[0];
    assert!(found["seen"].as_str().unwrap().contains("twinspan.toml:2:8"), "{found:#}");
    assert_eq!(checks(&view, "clock").len(), 1, "the rest is checked all the same: {view:#}");
}
