//! `repair`: resources of a finished run that were changed, deleted or broken are repaired with commands alone,
//! after a check and with a person's confirmation, and everything else stays as it is.

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::shipped;
use crate::verify::{MANAGER, Rollout, TARGET};

impl Rollout {
    /// Writes since `before`, as `change name`.
    fn written(&self, before: usize) -> Vec<String> {
        let effects = self.azure.ledger().split_off(before);
        let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let kind = |path: &str| path.rsplit('/').nth(1).unwrap().to_owned();
        effects
            .iter()
            .map(|effect| format!("{} {}/{}", effect.change, kind(&effect.path), name(&effect.path)))
            .collect()
    }

    /// Repairs, and requires that nothing has drifted afterwards.
    fn repaired(&self, step: &str) -> Vec<String> {
        let before = self.azure.ledger().len();
        let said = self.home.run(&["repair", &self.run, step, "--yes", "--until-blocked"]).expect(0);
        let written = self.written(before);
        assert_eq!(self.drifted(0), [], "{}", said.err);
        written
    }

    fn ends(&self) -> usize {
        self.home
            .run(&["events", &self.run])
            .expect(0)
            .out
            .lines()
            .filter(|line| line.contains("  ended  "))
            .count()
    }
}

fn scope_connection() -> String {
    format!("{MANAGER}/scopeConnections/to-central")
}

fn manager_connection() -> String {
    format!("{TARGET}/providers/Microsoft.Network/networkManagerConnections/to-central")
}

#[test]
fn one_side_that_was_removed_in_either_tenant_is_recreated_and_so_is_the_other() {
    // Mostly waiting, so all at the same time.
    std::thread::scope(|scope| {
        for asked in ["connected", "scope-connection"] {
            scope.spawn(|| a_half_was_removed(true, asked));
        }
        for asked in ["connected", "network-manager-connection"] {
            scope.spawn(|| a_half_was_removed(false, asked));
        }
    });
}

/// A repair names the owners before it changes anything, also in JSON.
fn shows_whose_it_is(repair: &Value) {
    let repairs = repair["repairs"].as_array().unwrap_or_else(|| panic!("{repair:#}"));
    let changing: Vec<&Value> = repairs.iter().filter(|repair| repair["act"] != "check").collect();
    assert!(!changing.is_empty(), "{repair:#}");
    for repair in changing {
        assert!(repair["owner"].as_str().unwrap().contains(", tenant "), "{repair:#}");
        assert_eq!(repair["ask_owner"], true, "{repair:#}");
    }
}

/// With `--yes`, too, the operator is told who owns the resource and that the change may have been intended.
#[test]
fn who_says_yes_at_once_is_told_whose_it_is_all_the_same() {
    for output in ["text", "json", "jsonl"] {
        let rollout = Rollout::done();
        rollout.in_target("DELETE", &manager_connection(), None);
        let asked = ["repair", &rollout.run, "connected", "--yes", "--until-blocked", "--output", output];
        let said = rollout.home.run(&asked).expect(0);
        assert!(said.err.contains("who may intend the change: ask before the repair"), "{}", said.err);
        match output {
            "json" => {
                let view = said.json();
                assert_eq!(view["status"], "done", "{view:#}");
                shows_whose_it_is(&view["repair"]);
            }
            "jsonl" => {
                let mut lines = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
                shows_whose_it_is(&lines.find(|line| line["type"] == "repair").unwrap());
            }
            _ => {}
        }
    }
}

fn a_half_was_removed(in_central: bool, asked: &str) {
    let rollout = Rollout::done();
    let (wanted, survivor) = if in_central {
        rollout.in_central("DELETE", &scope_connection(), None);
        let wanted = [
            "created scopeConnections/to-central",
            "deleted networkManagerConnections/to-central",
            "created networkManagerConnections/to-central",
        ];
        (wanted, "network manager connection to-central")
    } else {
        rollout.in_target("DELETE", &manager_connection(), None);
        let wanted = [
            "deleted scopeConnections/to-central",
            "created scopeConnections/to-central",
            "created networkManagerConnections/to-central",
        ];
        (wanted, "scope connection to-central")
    };
    // Without a confirmation nothing is changed, and the planned repair is printed.
    let before = rollout.azure.ledger().len();
    let refused = rollout.home.run(&["repair", &rollout.run, asked]).expect(64);
    for words in [
        "create again",
        "delete and create again",
        "missing: it is gone",
        "it was connected, and the other tenant's connection was deleted since",
        "who may intend the change",
        "add --yes",
        survivor,
    ] {
        assert!(refused.err.contains(words), "does not say {words:?}:\n{}", refused.err);
    }
    // The same in JSON.
    let refused = rollout.home.run(&["repair", &rollout.run, asked, "--output", "json"]).expect(64).json();
    shows_whose_it_is(&refused["error"]["diagnostics"]);
    assert_eq!(rollout.azure.ledger().len(), before);
    assert_eq!(rollout.ends(), 1);
    assert_eq!(rollout.repaired(asked), wanted, "{asked}");
    assert_eq!(rollout.ends(), 2, "a repaired run ends once more");
    // Recreated resources are owned by this run, and undo deletes them.
    rollout.home.run(&["undo", &rollout.run, "--yes"]).expect(0);
    let ledger = rollout.azure.ledger();
    let of = |change: &str, part: &str| {
        ledger.iter().filter(|effect| effect.change == change && effect.path.ends_with(part)).count()
    };
    for half in ["scopeConnections/to-central", "networkManagerConnections/to-central"] {
        assert_eq!(of("created", half), of("deleted", half), "{half}: {ledger:#?}");
    }
}

#[test]
fn members_and_groups_that_were_removed_by_hand_are_made_anew() {
    let rollout = Rollout::done();
    let member = "members[vnet-app-735df4f4]";
    rollout.in_central("DELETE", &rollout.id_of(member), None);
    assert_eq!(rollout.repaired(member), ["created staticMembers/vnet-app-735df4f4"]);
    // Without drift nothing is changed, and no confirmation is needed.
    let said = rollout.home.run(&["repair", &rollout.run, member]).expect(0);
    assert!(said.err.contains("nothing to repair"), "{}", said.err);
    for member in
        ["members[vnet-app-735df4f4]", "members[vnet-data-f5ad5a7e]", "members-central[vnet-hub-d06ab663]"]
    {
        rollout.in_central("DELETE", &rollout.id_of(member), None);
    }
    rollout.in_central("DELETE", &rollout.id_of("group"), None);
    let mut made = rollout.repaired("group");
    assert_eq!(made.remove(0), "created networkGroups/ng-spokes");
    made.sort();
    assert_eq!(
        made,
        ["vnet-app-735df4f4", "vnet-data-f5ad5a7e", "vnet-hub-d06ab663"]
            .map(|name| format!("created staticMembers/{name}"))
    );
    assert_eq!(rollout.ends(), 3);
    let events = rollout.home.run(&["events", &rollout.run]).expect(0).out;
    assert!(events.contains("repair group by") && events.contains("checks again after group"), "{events}");
}

#[test]
fn what_was_described_anew_is_written_over_with_a_persons_word() {
    let rollout = Rollout::done();
    let group = rollout.id_of("group");
    let wanted = json!({ "properties": { "description": "ours now", "memberType": "VirtualNetwork" } });
    rollout.in_central("PUT", &group, Some(&wanted));
    let refused = rollout.home.run(&["repair", &rollout.run, "group"]).expect(64);
    assert!(refused.err.contains("overwrite") && refused.err.contains("marker: proven"), "{}", refused.err);
    assert_eq!(rollout.repaired("group"), ["updated networkGroups/ng-spokes"]);
    // It may belong to another person by now: undo keeps it, and reports that.
    let undone = rollout.home.run(&["undo", &rollout.run, "--yes", "--output", "json"]).expect(0).json();
    let back = undone["undone"].as_array().unwrap();
    let of_group = back.iter().find(|back| back["step"] == "group").unwrap();
    assert_eq!(of_group["change"], "kept", "{of_group:#}");
}

#[test]
fn a_role_that_was_taken_away_is_given_again() {
    let azure = Azure::start(&["--world", "least-privilege"]);
    azure.without_lags();
    let rollout = {
        let home = azure.home();
        let (plan, inputs) =
            (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
        home.run(&["run", &plan, "--inputs", &inputs, "--until-blocked"]).expect(5);
        azure.redeem("nina.network@contoso.example");
        azure.advance("11m");
        let view = home.run(&["resume", "--until-blocked", "--output", "json"]).expect(0).json();
        Rollout { run: view["short"].as_str().unwrap().to_owned(), azure, home }
    };
    rollout.in_target("DELETE", &rollout.id_of("role"), None);
    let drifted = rollout.drifted(9);
    assert!(drifted.contains(&("role".to_owned(), "missing".to_owned())), "{drifted:?}");
    let written = rollout.repaired("role");
    assert_eq!(written.len(), 1, "{written:?}");
    assert!(written[0].starts_with("created roleAssignments/"), "{written:?}");
}

const OTHER_MANAGER: &str = "\
twinspan: 1
name: before
summary: What another operator did before
identities:
  target-admin: { tenant: 22222222-0000-0000-0000-00000000000f }
steps:
  - id: nm
    uses: avnm.network-manager
    as: target-admin
    with:
      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/networkManagers/nm-other
      create: { location: westeurope, scopes: [/subscriptions/bbbbbbbb-0000-0000-0000-000000000001], scope_accesses: [Connectivity] }
";

#[test]
fn a_conflict_is_repaired_where_it_is_whichever_step_saw_it() {
    std::thread::scope(|scope| {
        for (lags, seen_by) in [(true, "connected"), (false, "network-manager-connection")] {
            scope.spawn(move || a_conflict(lags, seen_by));
        }
    });
}

fn a_conflict(lags: bool, seen_by: &str) {
    let azure = Azure::start(&["--ready-world"]);
    if !lags {
        azure.without_lags();
    }
    let home = azure.home();
    let other = home.write("before.yaml", OTHER_MANAGER);
    let other = home.run(&["run", &other, "--output", "json"]).expect(0).json();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let arguments = ["run", &plan, "--inputs", &inputs, "--until-blocked", "--output", "json"];
    let halted = home.run(&arguments).expect(1).json();
    assert_eq!(halted["undecided"], json!([seen_by]), "{halted:#}");
    let run = halted["short"].as_str().unwrap().to_owned();
    home.run(&["undo", other["short"].as_str().unwrap(), "--yes"]).expect(0);
    azure.advance("2m");
    let rollout = Rollout { azure, home, run };
    let refused = rollout.home.run(&["repair", &rollout.run, "connected"]).expect(64);
    assert!(refused.err.contains("another network manager already manages this scope"), "{}", refused.err);
    let written = rollout.repaired("connected");
    for half in ["scopeConnections/to-central", "networkManagerConnections/to-central"] {
        for change in ["deleted", "created"] {
            assert!(written.contains(&format!("{change} {half}")), "{change} {half}: {written:#?}");
        }
    }
}

#[test]
fn what_cannot_be_repaired_says_why() {
    let rollout = Rollout::done();
    rollout.home.run(&["repair", &rollout.run, "nonsense"]).expect(3);
    rollout.home.run(&["repair", "ffffffff", "group"]).expect(3);
    rollout.home.run(&["undo", &rollout.run, "--yes"]).expect(0);
    let refused = rollout.home.run(&["repair", &rollout.run, "group", "--yes"]).expect(64);
    assert!(refused.err.contains("the run was undone"), "{}", refused.err);
}
