//! The reference rollout, end to end: in a rehearsal, and between two processes over HTTPS.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::azure::Azure;
use crate::program::{Home, Said, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";
const GUEST: &str = "nina.network@contoso.example";

fn inputs() -> String {
    shipped("cross-tenant-connection.inputs.yaml")
}

/// Every step of a `show`/`rehearse` document, with its heading.
fn steps(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let headings = document["headings"].as_array().unwrap_or_else(|| panic!("no headings in {document:#}"));
    for heading in headings {
        for step in heading["steps"].as_array().unwrap() {
            found.push((heading["title"].as_str().unwrap().to_owned(), step.clone()));
        }
    }
    found
}

#[test]
fn a_rehearsal_maps_every_heading_of_the_document_to_steps_with_evidence() {
    let home = Home::new();
    let said = home.run(&["rehearse", &shipped(PLAN), "--output", "json"]).expect(0);
    let document = said.json();
    assert_eq!(document["schema"], 1);
    let steps = steps(&document);
    let headings: BTreeSet<&str> = steps.iter().map(|(heading, _)| heading.as_str()).collect();
    for heading in [
        "Prerequisites",
        "Create a scope connection within a network manager",
        "Create a network manager connection on a subscription in another tenant",
        "Verify the connection status",
        "Add static members to a network group",
        "Verify group members",
    ] {
        assert!(headings.contains(heading), "no step under {heading:?}: {headings:?}");
    }
    let mut proven = 0;
    for (_, step) in &steps {
        if step["state"] == "condition-false" {
            continue;
        }
        let evidence = &step["evidence"];
        assert!(evidence["method"].is_string(), "{step:#}");
        assert!(evidence["path"].is_string(), "{step:#}");
        assert_eq!(evidence["status"], 200, "{step:#}");
        if let Some(ended) = evidence["write_ended"].as_str() {
            let began: jiff::Timestamp = evidence["read_began"].as_str().unwrap().parse().unwrap();
            let ended: jiff::Timestamp = ended.parse().unwrap();
            assert!(began >= ended, "read before the last write: {step:#}");
        }
        proven += 1;
    }
    assert!(proven >= 18, "only {proven} steps were proven");
}

#[test]
fn all_identity_set_ups_rehearse() {
    for set_up in ["", ".service-principal", ".management-group"] {
        let inputs = shipped(&format!("cross-tenant-connection{set_up}.inputs.yaml"));
        let said = Home::new().run(&["rehearse", &shipped(PLAN), "--inputs", &inputs]);
        said.expect(0);
    }
    Home::new().run(&["rehearse", &shipped("hello-durable.yaml")]).expect(0);
}

/// Runs until the run waits for the guest, lets the guest accept, and finishes in a new process.
fn finish(azure: &Azure, home: &Home, mut said: Said) -> Said {
    for _ in 0..20 {
        match said.code {
            Some(0) => return said,
            Some(5) => {
                azure.redeem(GUEST);
                azure.advance("11m");
            }
            other => panic!("exit {other:?}\nstdout:\n{}\nstderr:\n{}", said.out, said.err),
        }
        said = home.run(&["resume", "--until-blocked"]);
    }
    panic!("not finished after 20 resumes:\n{}", said.err);
}

#[track_caller]
fn assert_created_once(azure: &Azure) {
    let created = azure.created();
    for part in
        ["scopeconnections/to-central", "networkmanagerconnections/to-central", "networkgroups/ng-spokes"]
    {
        assert!(created.keys().any(|path| path.ends_with(part)), "{part} was not created: {created:#?}");
    }
    assert_eq!(created.keys().filter(|path| path.contains("/staticmembers/")).count(), 3, "{created:#?}");
    assert_eq!(created.keys().filter(|path| path.contains("/roleassignments/")).count(), 1, "{created:#?}");
    let repeated: Vec<_> = created.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
}

#[test]
fn two_processes_over_https_stop_for_the_guest_and_finish_after_it() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    assert!(said.err.contains("https://"), "no link to open:\n{}", said.err);
    assert!(said.err.contains(GUEST), "does not say who is waited for:\n{}", said.err);
    finish(&azure, &home, said);
    assert_created_once(&azure);
}

#[test]
fn undo_removes_what_the_run_made_and_keeps_what_it_found() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    finish(&azure, &home, said);
    let preview = home.run(&["undo", "--preview"]).expect(0);
    let line = |step: &str| {
        let found = preview.out.lines().position(|line| line.split_whitespace().nth(1) == Some(step));
        found.unwrap_or_else(|| panic!("{step} is not announced:\n{}", preview.out))
    };
    let announced = ["group", "scope-connection", "network-manager-connection", "role", "guest"].map(line);
    assert!(announced.is_sorted(), "{}", preview.out);
    let before = azure.ledger().len();
    home.run(&["undo", "--yes"]).expect(0);
    let removed: Vec<String> = azure.ledger()[before..]
        .iter()
        .filter(|effect| effect.change == "deleted")
        .map(|effect| effect.path.to_lowercase())
        .collect();
    let position = |part: &str| {
        removed.iter().position(|path| path.contains(part)).unwrap_or_else(|| panic!("{part}: {removed:#?}"))
    };
    // Members are deleted while the connection that they depend on exists; the role and the guest stay until nothing
    // needs them.
    let last = |part: &str| removed.iter().rposition(|path| path.contains(part)).unwrap_or_default();
    let target_members = ["vnet-app", "vnet-data"].map(|name| position(&format!("/staticmembers/{name}")));
    let halves = [position("/scopeconnections/"), position("/networkmanagerconnections/")];
    assert!(target_members.iter().all(|member| halves.iter().all(|half| member < half)), "{removed:#?}");
    assert!(last("/staticmembers/") < last("/networkgroups/ng-spokes"), "{removed:#?}");
    assert!(last("/networkgroups/ng-spokes") < halves[0], "{removed:#?}");
    // Microsoft's order: the scope connection first.
    assert!(halves[0] < halves[1] && halves[1] < position("/roleassignments/"), "{removed:#?}");
    assert!(position("/roleassignments/") < position("/users/"), "{removed:#?}");
    assert_eq!(removed.len(), 8, "{removed:#?}");
    assert!(!removed.iter().any(|path| path.ends_with("/networkmanagers/nm-group")), "{removed:#?}");
}

#[test]
fn without_the_role_step_it_stops_and_names_what_is_missing() {
    let azure = Azure::start(&["--world", "least-privilege"]);
    let home = azure.home();
    let text = fs::read_to_string(shipped(PLAN)).unwrap();
    let plan = without_step(&text, "role").replace("needs: [sign-in, role]", "needs: [sign-in]");
    assert_ne!(plan, text);
    let plan = home.write("plan.yaml", plan);
    home.run(&["run", &plan, "--inputs", &inputs(), "--until-blocked"]).expect(5);
    azure.redeem(GUEST);
    azure.advance("11m");
    let said = home.run(&["resume", "--until-blocked"]);
    assert_eq!(said.code, Some(5), "{said:#?}");
    let scope = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    for word in
        ["Owner or User Access Administrator", "has no role on it", "az role assignment create", scope]
    {
        assert!(said.err.contains(word), "does not say {word:?}:\n{}", said.err);
    }
}

/// The plan without one step.
fn without_step(text: &str, id: &str) -> String {
    let mut kept = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("- id: ") {
            skipping = trimmed == format!("- id: {id}");
        }
        if !skipping {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

/// Kills a run at its `lines`-th line, resumes it to the end, and checks what was created. False if the run ended
/// before.
fn killed_at(lines: usize) -> bool {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let plan = shipped(PLAN);
    let inputs = inputs();
    let arguments = ["run", plan.as_str(), "--inputs", inputs.as_str(), "--until-blocked"];
    let killed = match home.run_and_kill(&arguments, lines) {
        Ok(()) => {
            let said = home.run(&["resume", "--until-blocked"]);
            let said = match said.code {
                // Killed before the run was accepted: nothing to resume, and nothing was sent.
                Some(3) if azure.ledger().is_empty() => home.run(&arguments),
                // Killed after the run had ended: its status is in the journal.
                Some(3) => {
                    let list = home.run(&["list"]).expect(0);
                    assert!(list.out.contains("done"), "neither open nor done: {list:#?}");
                    return true;
                }
                _ => said,
            };
            finish(&azure, &home, said);
            true
        }
        Err(said) => {
            finish(&azure, &home, said);
            false
        }
    };
    let created = azure.created();
    let repeated: Vec<_> = created.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "killed at line {lines}: created more than once: {repeated:?}");
    killed
}

#[test]
fn killed_between_any_two_lines_it_finishes_and_creates_nothing_twice() {
    // Mostly waiting, so several at a time.
    const TOGETHER: usize = 8;
    let mut kills = 0;
    for first in (1..200).step_by(TOGETHER) {
        let killed: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (first..first + TOGETHER).map(|lines| scope.spawn(move || killed_at(lines))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        kills += killed.iter().filter(|killed| **killed).count();
        if killed.contains(&false) {
            break;
        }
    }
    println!("killed at {kills} lines");
    assert!(kills >= 15, "only {kills} lines were reached");
}
