//! `verify`: the present state compared with what the run proved. Every check of a finished run is repeated, no
//! write is sent, and each drift is described.

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, shipped};

pub(crate) const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
pub(crate) const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
const CENTRAL_TENANT: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET_TENANT: &str = "22222222-0000-0000-0000-00000000000f";

/// A finished rollout, and changes that people make behind its back.
pub(crate) struct Rollout {
    pub(crate) azure: Azure,
    pub(crate) home: Home,
    pub(crate) run: String,
}

impl Rollout {
    /// Runs the shipped plan to its end.
    pub(crate) fn done() -> Rollout {
        let azure = Azure::start(&["--ready-world"]);
        azure.without_lags();
        let home = azure.home();
        let inputs = shipped("cross-tenant-connection.inputs.yaml");
        let plan = shipped("cross-tenant-connection.yaml");
        let view = home.run(&["run", &plan, "--inputs", &inputs, "--output", "json"]).expect(0).json();
        let run = view["short"].as_str().unwrap().to_owned();
        Rollout { azure, home, run }
    }

    /// A person of the central tenant sends a request with their own tools.
    pub(crate) fn in_central(&self, method: &str, path: &str, body: Option<&Value>) {
        self.by_hand("central", CENTRAL_TENANT, method, path, body);
    }

    /// The same in the target tenant.
    pub(crate) fn in_target(&self, method: &str, path: &str, body: Option<&Value>) {
        self.by_hand("target-admin", TARGET_TENANT, method, path, body);
    }

    fn by_hand(&self, identity: &str, tenant: &str, method: &str, path: &str, body: Option<&Value>) {
        let token = self.azure.token(Some(identity), tenant);
        let version = if path.contains("Microsoft.Authorization") { "2022-04-01" } else { "2024-10-01" };
        self.azure.arm(&token, method, &format!("{path}?api-version={version}"), body);
        self.azure.advance("2m");
    }

    /// Verifies; returns the steps that drifted, with their results.
    pub(crate) fn drifted(&self, code: i32) -> Vec<(String, String)> {
        let view = self.home.run(&["verify", &self.run, "--output", "json"]).expect(code).json();
        let findings = view["findings"].as_array().unwrap().iter();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        findings
            .filter(|finding| finding["drift"] != "in-sync")
            .map(|finding| (text(finding, "step"), text(finding, "drift")))
            .collect()
    }

    /// The id in a step's output.
    pub(crate) fn id_of(&self, step: &str) -> String {
        let view = self.home.run(&["why", &self.run, step, "--output", "json"]).expect(0).json();
        view["output"]["id"].as_str().unwrap().to_owned()
    }
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(step, standing)| ((*step).to_owned(), (*standing).to_owned())).collect()
}

#[test]
fn an_untouched_run_has_not_drifted_and_verifying_it_sends_nothing() {
    let rollout = Rollout::done();
    let before = rollout.azure.ledger().len();
    let requests = rollout.azure.requests().len();
    let said = rollout.home.run(&["verify", &rollout.run]).expect(0);
    assert!(said.out.contains("no drift"), "{}", said.out);
    assert_eq!(rollout.azure.ledger().len(), before);
    let sent: Vec<_> = rollout.azure.requests().split_off(requests);
    assert!(sent.len() > 15, "{} requests", sent.len());
    let writes: Vec<_> = sent.iter().filter(|request| request.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
    // The result is recorded, and the run's status is unchanged.
    let show = rollout.home.run(&["show", &rollout.run, "--output", "json"]).expect(0).json();
    assert_eq!((&show["status"], &show["verified"]["drift"]), (&json!("done"), &json!(0)), "{show:#}");
    let events = rollout.home.run(&["events", &rollout.run]).expect(0).out;
    assert!(events.contains("verified") && events.contains("all as it was proven"), "{events}");
    let why = rollout.home.run(&["why", &rollout.run, "group"]).expect(0).out;
    assert!(why.lines().any(|line| line.contains("verified") && line.ends_with("in-sync")), "{why}");
    rollout.home.run(&["doctor"]).expect(0);
}

#[test]
fn each_kind_of_drift_is_told_and_shown_beside_the_status() {
    let rollout = Rollout::done();
    rollout.in_target(
        "DELETE",
        &format!("{TARGET}/providers/Microsoft.Network/networkManagerConnections/to-central"),
        None,
    );
    assert_eq!(
        rollout.drifted(9),
        pairs(&[
            ("scope-connection", "broken"),
            ("network-manager-connection", "missing"),
            ("connected", "broken"),
        ])
    );
    let said = rollout.home.run(&["verify"]).expect(9);
    for words in [
        "scope connection to-central of network manager nm-group is Revoked",
        "ask the other tenant's administrator whether that was meant",
        "it is gone",
        "network manager connection to-central of subscription bbbbbbbb",
        &format!("twinspan repair {} ", rollout.run),
    ] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    let list = rollout.home.run(&["list"]).expect(0).out;
    assert!(list.contains("done; drift: 3 steps"), "{list}");
    let list = rollout.home.run(&["list", "--output", "json"]).expect(0).json();
    assert_eq!((&list["runs"][0]["status"], &list["runs"][0]["drift"]), (&json!("done"), &json!(3)));
    let show = rollout.home.run(&["show"]).expect(0).out;
    assert!(show.contains("3 steps drifted") && show.contains("status     done"), "{show}");
    let why = rollout.home.run(&["why", &rollout.run, "scope-connection"]).expect(0).out;
    assert!(why.contains("broken: scope connection to-central"), "{why}");
    rollout.home.run(&["doctor"]).expect(0);
    let all = rollout.home.run(&["verify", "--all"]).expect(9).out;
    assert!(all.contains("network-manager-connection (missing)"), "{all}");
}

#[test]
fn what_was_changed_is_told_field_by_field() {
    let rollout = Rollout::done();
    // The group gets a new description, a member is deleted, a virtual network gets another address.
    rollout.in_central(
        "PUT",
        &rollout.id_of("group"),
        Some(&json!({ "properties": { "description": "ours now", "memberType": "VirtualNetwork" } })),
    );
    rollout.in_central("DELETE", &rollout.id_of("members-central[vnet-hub-d06ab663]"), None);
    let network =
        format!("{TARGET}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app");
    let wanted = json!({ "location": "westeurope", "properties": { "addressSpace": { "addressPrefixes": ["10.99.0.0/16"] } } });
    rollout.in_target("PUT", &network, Some(&wanted));
    let drifted = rollout.drifted(9);
    for (step, standing) in [
        ("target-networks", "drifted"),
        ("group", "drifted"),
        ("members-central[vnet-hub-d06ab663]", "missing"),
        ("view-group-members", "drifted"),
    ] {
        assert!(drifted.contains(&(step.to_owned(), standing.to_owned())), "{step}: {drifted:?}");
    }
    assert_eq!(drifted.len(), 4, "{drifted:?}");
    let said = rollout.home.run(&["verify"]).expect(9).out;
    for words in ["marker: proven [twinspan:", "found none", "address_prefixes", "found 10.99.0.0/16"] {
        assert!(said.contains(words), "does not say {words:?}:\n{said}");
    }
}

/// The marker of another run on a resource of this one: distinguished from every other change, and left to a person.
#[test]
fn what_carries_the_marker_of_another_run_is_taken_and_left_alone() {
    let rollout = Rollout::done();
    let theirs =
        json!({ "properties": { "description": "[twinspan:0badcafe]", "memberType": "VirtualNetwork" } });
    rollout.in_central("PUT", &rollout.id_of("group"), Some(&theirs));
    assert_eq!(rollout.drifted(9), pairs(&[("group", "owned-by-another-run")]));
    let said = rollout.home.run(&["verify"]).expect(9).out;
    for words in
        ["it carries the marker of run 0badcafe, not of this run", "ask the operator of run 0badcafe"]
    {
        assert!(said.contains(words), "does not say {words:?}:\n{said}");
    }
    let before = rollout.azure.ledger().len();
    let said = rollout.home.run(&["repair", &rollout.run, "group", "--yes", "--until-blocked"]).expect(1);
    assert!(said.err.contains("check, and leave to a decision"), "{}", said.err);
    assert!(said.out.contains("adopt it as it is, or abort this step"), "{}", said.out);
    assert_eq!(rollout.azure.ledger().len(), before);
}

#[test]
fn a_role_that_was_taken_away_makes_the_rest_unreadable_not_drifted() {
    let rollout = Rollout::done();
    rollout.in_target("DELETE", &rollout.id_of("role"), None);
    rollout.azure.advance("15m");
    let drifted = rollout.drifted(9);
    assert!(drifted.contains(&("role".to_owned(), "missing".to_owned())), "{drifted:?}");
    let others = drifted.iter().filter(|(step, _)| step != "role");
    let others: Vec<_> = others.collect();
    assert!(
        !others.is_empty()
            && others.iter().all(|(_, standing)| standing == "unreadable" || standing == "drifted"),
        "{drifted:?}"
    );
}

#[test]
fn what_cannot_be_read_is_no_drift_and_says_who_can_help() {
    let rollout = Rollout::done();
    let config = std::fs::read_to_string(rollout.home.path().join("twinspan.toml")).unwrap();
    let without = config.replace(
        "[identities.central]\ncredential = \"client-secret\"",
        "[identities.central]\ncredential = \"none\"",
    );
    assert_ne!(config, without);
    rollout.home.write("twinspan.toml", without);
    let said = rollout.home.run(&["verify"]).expect(5);
    assert!(
        said.out.contains("unreadable")
            && said.out.contains("could not be read; no drift as far as is known"),
        "{}",
        said.out
    );
    assert!(said.out.contains("hand-over"), "does not say who can help:\n{}", said.out);
}

#[test]
fn a_run_that_is_driven_is_verified_too_and_its_driver_records_it() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let plan = shipped("cross-tenant-connection.yaml");
    let driver = crate::program::Watched::start(&home, "driver", &["run", &plan, "--inputs", &inputs]);
    let waits = || {
        let list = home.run(&["list", "--output", "json"]);
        (list.out.contains("\"waiting\"")).then_some(())
    };
    crate::program::wait_for("the guest to be waited for", std::time::Duration::from_secs(60), waits);
    let view = home.run(&["verify", "--output", "json"]).expect(0).json();
    assert_eq!((&view["recorded"], &view["drift"]), (&json!(true), &json!(0)), "{view:#}");
    let events = home.run(&["events"]).expect(0).out;
    assert_eq!(events.lines().filter(|line| line.contains("  driver ")).count(), 1, "{events}");
    driver.signal("INT");
    driver.end();
}

#[test]
fn what_is_not_there_is_not_found() {
    let home = Home::new();
    home.run(&["verify"]).expect(3);
    let rollout = Rollout::done();
    rollout.home.run(&["verify", "ffffffff"]).expect(3);
    rollout.home.run(&["undo", "--yes"]).expect(0);
    let said = rollout.home.run(&["verify", &rollout.run]).expect(0).out;
    assert!(said.contains("0 steps checked") && said.contains("no finished step has a resource"), "{said}");
    rollout.home.run(&["verify", "--all"]).expect(0);
}

/// A deleted connection stays deleted; what others do in the network manager is no drift.
#[test]
fn a_run_that_disconnected_drifts_only_when_something_of_it_is_back() {
    let azure = Azure::start(&["--world", "connected"]);
    azure.without_lags();
    let home = azure.home();
    let (plan, inputs) = (shipped("disconnect.yaml"), shipped("disconnect.inputs.yaml"));
    let view = home
        .run(&["run", &plan, "--inputs", &inputs, "--until-blocked", "--output", "json"])
        .expect(5)
        .json();
    let run = view["short"].as_str().unwrap().to_owned();
    home.run(&["approve", &run, "go", "--actor", "olaf", "--as", "target-admin"]).expect(0);
    home.run(&["resume", "--until-blocked"]).expect(0);
    let rollout = Rollout { azure, home, run };
    assert_eq!(rollout.drifted(0), pairs(&[]));
    let group = json!({ "properties": { "memberType": "VirtualNetwork" } });
    rollout.in_central("PUT", &format!("{MANAGER}/networkGroups/ng-later"), Some(&group));
    assert_eq!(rollout.drifted(0), pairs(&[]));
    let connection = json!({ "properties": { "tenantId": TARGET_TENANT, "resourceId": TARGET } });
    rollout.in_central("PUT", &format!("{MANAGER}/scopeConnections/to-central"), Some(&connection));
    let drifted = rollout.drifted(9);
    let steps: Vec<&str> = drifted.iter().map(|(step, _)| step.as_str()).collect();
    assert_eq!(steps, ["scope-connection", "out-of-scope"]);
}
