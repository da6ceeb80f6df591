//! Decisions that a person makes with commands, without editing the database: conflicts, differences, skipped steps
//! whose outputs are read.

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, Said, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";

/// Drives the shipped plan until it needs a person.
fn stopped(home: &Home) -> (String, Said) {
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked"]).expect(1);
    let list = home.run(&["list", "--open", "--output", "json"]).expect(0).json();
    (list["runs"][0]["short"].as_str().unwrap().to_owned(), said)
}

/// Carries out a plan of one step, as another operator did before.
fn before(home: &Home, step: &str) -> String {
    let plan = format!(
        "twinspan: 1\nname: before\nsummary: What another operator did before\nidentities:\n  \
         central: {{ tenant: 11111111-0000-0000-0000-00000000000c }}\n  \
         target-admin: {{ tenant: 22222222-0000-0000-0000-00000000000f }}\nsteps:\n{step}"
    );
    let plan = home.write("before.yaml", plan);
    let run = home.run(&["run", &plan, "--until-blocked", "--output", "json"]).expect(0).json();
    run["short"].as_str().unwrap().to_owned()
}

#[test]
fn in_a_conflict_the_owner_is_asked_and_nothing_is_offered_that_cannot_help() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let other = before(
        &home,
        "  - id: nm\n    uses: avnm.network-manager\n    as: target-admin\n    with:\n      \
         id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/networkManagers/nm-other\n      \
         create: { location: westeurope, scopes: [/subscriptions/bbbbbbbb-0000-0000-0000-000000000001], scope_accesses: [Connectivity] }\n",
    );
    let (run, said) = stopped(&home);
    for words in [
        "another network manager already manages this scope",
        "ask the owner of the scope",
        &format!("twinspan retry {run} connected"),
        &format!("twinspan decide {run} connected abort"),
        &format!("twinspan repair {run} connected"),
        &format!("twinspan undo {run} --preview"),
    ] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    assert!(!said.out.contains("overwrite"), "{}", said.out);
    let refused = home.run(&["decide", &run, "connected", "overwrite"]).expect(64);
    assert!(
        refused.err.contains("only reads") && refused.err.contains("`retry` checks again"),
        "{}",
        refused.err
    );
    // The owner deletes the other manager. This state does not recover, and a retry reports that again.
    home.run(&["undo", &other, "--yes"]).expect(0);
    home.run(&["retry", &run, "connected"]).expect(0);
    let again = home.run(&["resume", &run, "--until-blocked"]).expect(1);
    assert!(again.out.contains("leave this state by itself"), "{}", again.out);
    // The remedy that was offered: undo, and run again.
    home.run(&["undo", &run, "--yes"]).expect(0);
    let undone = home.run(&["show", &run]).expect(0).out;
    assert!(!undone.contains("twinspan retry"), "an ended run offers what it refuses:\n{undone}");
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked"]).expect(0);
}

/// A group that a person created before, with members of another type.
const GROUP_BY_HAND: &str = "  - id: group\n    uses: arm.resource\n    as: central\n    with:\n      \
             id: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/networkGroups/ng-spokes\n      \
             api_version: \"2024-10-01\"\n      body: { properties: { description: made by hand, memberType: Subnet } }\n";

#[test]
fn a_difference_is_resolved_by_each_choice() {
    for (choice, code, change) in [("recreate", 0, Some("created")), ("abort", 1, None)] {
        let azure = Azure::start(&["--ready-world"]);
        let home = azure.home();
        before(&home, GROUP_BY_HAND);
        let (run, said) = stopped(&home);
        assert!(said.out.contains("member type: wanted VirtualNetwork, found Subnet"), "{}", said.out);
        assert!(!said.out.contains("group overwrite"), "Azure does not change it in place: {}", said.out);
        let refused = home.run(&["decide", &run, "group", "overwrite"]).expect(64);
        assert!(
            refused.err.contains("member type cannot be changed in the existing resource"),
            "{}",
            refused.err
        );
        home.run(&["decide", &run, "group", choice, "--reason", "agreed with its owner"]).expect(0);
        let view = home.run(&["resume", &run, "--until-blocked", "--output", "json"]).expect(code).json();
        let made = view["changes"].as_array().unwrap().iter().find(|made| made["step"] == "group");
        assert_eq!(made.map(|made| made["change"].as_str().unwrap()), change, "{choice}: {view:#}");
        let why = home.run(&["why", &run, "group"]).expect(0).out;
        assert!(why.contains("agreed with its owner"), "{choice}: {why}");
        if choice == "abort" {
            let show = home.run(&["show", &run]).expect(0).out;
            assert!(show.contains("given up by") && show.contains("twinspan retry"), "{show}");
            home.run(&["retry", &run, "group"]).expect(0);
            let again = home.run(&["resume", &run, "--until-blocked"]).expect(1);
            assert!(again.out.contains("twinspan decide"), "it can be decided anew:\n{}", again.out);
        }
    }
}

/// `undo --preview` and undo agree, also on pre-existing resources that the run changed.
#[test]
fn undo_does_what_its_preview_says_with_what_was_there_and_was_changed() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    before(&home, GROUP_BY_HAND);
    let (run, _) = stopped(&home);
    home.run(&["decide", &run, "group", "recreate"]).expect(0);
    home.run(&["resume", &run, "--until-blocked"]).expect(0);
    let preview = home.run(&["undo", &run, "--preview", "--output", "json"]).expect(0).json();
    let listed = |list: &str| {
        let all = preview[list].as_array().unwrap().iter();
        all.map(|one| one["step"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (removes, keeps) = (listed("removes"), listed("keeps"));
    assert!(removes.contains(&"group".to_owned()) && !keeps.contains(&"group".to_owned()), "{preview:#}");
    home.run(&["undo", &run, "--yes"]).expect(0);
    let after = home.run(&["show", &run, "--output", "json"]).expect(0).json();
    let undone = |step: &str| {
        let steps = after["steps"].as_array().unwrap();
        steps.iter().find(|known| known["step"] == step).unwrap()["state"] == "undone"
    };
    assert!(removes.iter().all(|step| undone(step)), "{preview:#}\n{after:#}");
    assert!(!keeps.iter().any(|step| undone(step)), "{preview:#}\n{after:#}");
}

const READER: &str = "\
twinspan: 1
name: skips
summary: A program, and who reads what it says
steps:
  - { id: hello, uses: command, with: { program: /bin/echo, args: [hi] } }
  - { id: go, uses: approval, with: { show: \"${{ steps.hello.stdout }}\" } }
";

fn run_of(said: &Said) -> (String, Value) {
    let view = said.json();
    (view["short"].as_str().unwrap().to_owned(), view)
}

#[test]
fn a_skipped_step_whose_output_is_read_says_what_is_missing() {
    let home = Home::new();
    let plan = home.write("plan.yaml", READER);
    let run = |home: &Home| run_of(&home.run(&["run", &plan, "--output", "json"]).expect(1)).0;
    // The value is given at once.
    let first = run(&home);
    let refused = home.run(&["skip", &first, "hello", "--value", "out=hi"]).expect(3);
    assert!(refused.err.contains("it has: exit_code, stdout, ran"), "{}", refused.err);
    home.run(&["skip", &first, "hello", "--value", "stdout=hello by hand"]).expect(0);
    let said = home.run(&["resume", &first, "--until-blocked"]).expect(5);
    assert!(said.out.contains("approval: hello by hand"), "{}", said.out);
    home.run(&["cancel", &first]).expect(0);
    // The value was forgotten, and is provided afterwards.
    let second = run(&home);
    home.run(&["skip", &second, "hello"]).expect(0);
    let (_, view) = run_of(&home.run(&["resume", &second, "--output", "json"]).expect(1));
    assert_eq!(view["withheld"], json!(["hello"]), "{view:#}");
    assert_eq!(view["next"][0], format!("twinspan provide {second} hello.OUTPUT=VALUE"));
    let show = home.run(&["show", &second]).expect(0).out;
    assert!(show.contains("halted: an output of a skipped step is missing"), "{show}");
    home.run(&["provide", &second, "hello.stdout=later"]).expect(0);
    let said = home.run(&["resume", &second, "--until-blocked"]).expect(5);
    assert!(said.out.contains("approval: later"), "{}", said.out);
}
