//! A rollout that was begun in the portal: `run` finds the existing resources, records them as pre-existing and
//! continues; undo deletes only what the run itself created. The oracle is the simulator's ledger.

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Home, shipped};
use crate::verify::{MANAGER, TARGET};

const CENTRAL_TENANT: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET_TENANT: &str = "22222222-0000-0000-0000-00000000000f";
const NINA: &str = "nina.network@contoso.example";
const NETWORK_CONTRIBUTOR: &str =
    "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7";
const NETWORKS: [(&str, &str); 3] = [
    (
        "vnet-app",
        "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app",
    ),
    (
        "vnet-data",
        "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-data/providers/Microsoft.Network/virtualNetworks/vnet-data",
    ),
    (
        "vnet-hub",
        "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub",
    ),
];

/// The tasks of Microsoft's document in their order, each with the step that finds its result.
const TASKS: [(Task, &str); 10] = [
    (Task::Invite, "guest"),
    (Task::Role, "role"),
    (Task::Accept, "accepted"),
    (Task::Register, "registered-target"),
    (Task::ScopeConnection, "scope-connection"),
    (Task::ManagerConnection, "network-manager-connection"),
    (Task::Group, "group"),
    (Task::Member(0), "members[vnet-app-735df4f4]"),
    (Task::Member(1), "members[vnet-data-f5ad5a7e]"),
    (Task::Member(2), "members-central[vnet-hub-d06ab663]"),
];

#[derive(Clone, Copy)]
enum Task {
    Invite,
    Role,
    Accept,
    Register,
    ScopeConnection,
    ManagerConnection,
    Group,
    Member(usize),
}

/// A person who performs the tasks by hand, as in the Azure portal.
struct Portal {
    azure: Azure,
    home: Home,
    /// Name of the connections that are created by hand.
    connection: &'static str,
    /// Scope of the role assignment.
    role_scope: &'static str,
}

impl Portal {
    fn new() -> Portal {
        let azure = Azure::start(&[]);
        azure.without_lags();
        let home = azure.home();
        Portal { azure, home, connection: "to-central", role_scope: TARGET }
    }

    fn put(&self, identity: &str, tenant: &str, path: &str, version: &str, body: &Value) {
        let token = self.azure.token(Some(identity), tenant);
        self.azure.arm(&token, "PUT", &format!("{path}?api-version={version}"), Some(body));
    }

    fn guest(&self) -> String {
        let token = self.azure.token_for("graph", Some("target-admin"), TARGET_TENANT);
        let found = self.azure.send(
            "graph",
            &token,
            None,
            "GET",
            &format!("/v1.0/users?$filter=mail%20eq%20'{NINA}'"),
            None,
        );
        found["value"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Performs one task by hand.
    fn does(&self, task: Task) {
        match task {
            Task::Invite => {
                let token = self.azure.token_for("graph", Some("target-admin"), TARGET_TENANT);
                let body = json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
                self.azure.send("graph", &token, None, "POST", "/v1.0/invitations", Some(&body));
            }
            Task::Role => {
                let path = format!(
                    "{}/providers/Microsoft.Authorization/roleAssignments/12345678-0000-0000-0000-000000000001",
                    self.role_scope
                );
                let body = json!({ "properties": { "roleDefinitionId": NETWORK_CONTRIBUTOR, "principalId": self.guest(),
                    "principalType": "User" } });
                self.put("target-admin", TARGET_TENANT, &path, "2022-04-01", &body);
            }
            Task::Accept => self.azure.redeem(NINA),
            Task::Register => {
                let token = self.azure.token(Some("target-admin"), TARGET_TENANT);
                let path = format!("{TARGET}/providers/Microsoft.Network/register?api-version=2025-04-01");
                self.azure.arm(&token, "POST", &path, None);
            }
            Task::ScopeConnection => {
                let path = format!("{MANAGER}/scopeConnections/{}", self.connection);
                let body = json!({ "properties": { "tenantId": TARGET_TENANT, "resourceId": TARGET } });
                self.put("central", CENTRAL_TENANT, &path, "2024-10-01", &body);
            }
            Task::ManagerConnection => {
                let path = format!(
                    "{TARGET}/providers/Microsoft.Network/networkManagerConnections/{}",
                    self.connection
                );
                let body = json!({ "properties": { "networkManagerId": MANAGER } });
                self.put("target-admin", TARGET_TENANT, &path, "2024-10-01", &body);
            }
            Task::Group => {
                let path = format!("{MANAGER}/networkGroups/ng-spokes");
                let body = json!({ "properties": { "description": "made in the portal" } });
                self.put("central", CENTRAL_TENANT, &path, "2024-10-01", &body);
            }
            Task::Member(at) => {
                let (name, id) = NETWORKS[at];
                self.adds(&format!("ANM_{name}"), id);
            }
        }
        self.azure.advance("2m");
    }

    /// Adds a member as the portal does: with an auxiliary token of the other tenant.
    fn adds(&self, name: &str, id: &str) {
        let central = self.azure.token(Some("central"), CENTRAL_TENANT);
        let target = self.azure.token(Some("target-admin"), TARGET_TENANT);
        let path = format!("{MANAGER}/networkGroups/ng-spokes/staticMembers/{name}?api-version=2024-10-01");
        let body = json!({ "properties": { "resourceId": id } });
        self.azure.send("arm", &central, Some(&target), "PUT", &path, Some(&body));
    }

    /// Runs the plan to its end; the guest accepts as soon as the run waits for that.
    fn runs(&self) -> Value {
        let (plan, inputs) =
            (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
        let mut said =
            self.home.run(&["run", &plan, "--inputs", &inputs, "--until-blocked", "--output", "json"]);
        if said.code == Some(5) {
            self.azure.redeem(NINA);
            self.azure.advance("11m");
            said = self.home.run(&["resume", "--until-blocked", "--output", "json"]);
        }
        said.expect(0).json()
    }

    /// Undoes the run and requires that exactly what the run created is deleted.
    fn takes_back(&self, by_hand: usize) {
        let ledger = self.azure.ledger();
        let made = |change: &str, effects: &[crate::azure::Effect]| {
            let of = effects.iter().filter(|effect| effect.change == change);
            let mut paths: Vec<String> = of.map(|effect| effect.path.to_lowercase()).collect();
            // An invitation creates a guest user, and undo deletes that user.
            paths
                .iter_mut()
                .filter(|path| path.ends_with("/invitations"))
                .for_each(|path| *path = "guest".to_owned());
            paths
                .iter_mut()
                .filter(|path| path.contains("/users/"))
                .for_each(|path| *path = "guest".to_owned());
            paths.sort();
            paths
        };
        let created = made("created", &ledger[by_hand..]);
        self.home.run(&["undo", "--yes", "--until-blocked"]).expect(0);
        let after = self.azure.ledger();
        assert_eq!(
            made("deleted", &after[ledger.len()..]),
            created,
            "undo deletes what the run created, and nothing else"
        );
    }
}

fn state_of<'v>(view: &'v Value, step: &str) -> &'v Value {
    let steps = view["steps"].as_array().unwrap();
    steps.iter().find(|one| one["step"] == step).unwrap_or_else(|| panic!("no {step} in {view:#}"))
}

#[test]
fn every_beginning_that_was_made_by_hand_is_found_and_gone_on_from_and_left_by_undo() {
    // Mostly waiting, so several at a time.
    for first in (0..=TASKS.len()).step_by(6) {
        std::thread::scope(|scope| {
            for count in (first..first + 6).filter(|count| *count <= TASKS.len()) {
                scope.spawn(move || begun_by_hand(count));
            }
        });
    }
}

/// The first `count` tasks were done in the portal.
fn begun_by_hand(count: usize) {
    let portal = Portal::new();
    for (task, _) in &TASKS[..count] {
        portal.does(*task);
    }
    let by_hand = portal.azure.ledger().len();
    let view = portal.runs();
    for (at, (task, step)) in TASKS.iter().enumerate() {
        // The acceptance is only checked: no run owns it.
        if matches!(task, Task::Accept) {
            continue;
        }
        let seen = state_of(&view, step);
        let wanted = if at < count { json!("pre-existing") } else { json!("created") };
        assert_eq!(seen["origin"], wanted, "{count} tasks by hand: {seen:#}");
    }
    let show = portal.home.run(&["show"]).expect(0).out;
    assert!(show.contains("unchanged"), "{show}");
    if count > 6 {
        let why = portal.home.run(&["why", view["short"].as_str().unwrap(), "group"]).expect(0).out;
        assert!(why.contains("pre-existing"), "{why}");
    }
    portal.home.run(&["verify"]).expect(0);
    portal.takes_back(by_hand);
}

#[test]
fn what_the_portal_named_and_placed_otherwise_is_found_too() {
    // The connections have other names, the role is inherited from above, and the group has a member that is not in
    // the plan.
    let role_scope = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
    let portal = Portal { connection: "made-in-the-portal", role_scope, ..Portal::new() };
    for (task, _) in &TASKS[..7] {
        portal.does(*task);
    }
    portal.adds("ANM_other", &NETWORKS[0].1.replace("vnet-app", "vnet-other"));
    let by_hand = portal.azure.ledger().len();
    let view = portal.runs();
    for (step, name) in
        [("scope-connection", "made-in-the-portal"), ("network-manager-connection", "made-in-the-portal")]
    {
        let seen = state_of(&view, step);
        assert_eq!(
            (&seen["origin"], &seen["output"]["name"]),
            (&json!("pre-existing"), &json!(name)),
            "{seen:#}"
        );
    }
    assert_eq!(state_of(&view, "role")["output"]["given_at"], role_scope);
    assert_eq!(state_of(&view, "view-group-members")["output"]["others"], 1);
    let created: Vec<String> = portal.azure.ledger()[by_hand..]
        .iter()
        .filter(|effect| effect.change == "created")
        .map(|effect| effect.path.clone())
        .collect();
    assert_eq!(created.len(), 3, "only members are created: {created:#?}");
    portal.home.run(&["verify"]).expect(0);
    portal.takes_back(by_hand);
}

#[test]
fn one_side_of_a_connection_under_another_name_gets_its_other_side() {
    for first in [Task::ScopeConnection, Task::ManagerConnection] {
        let portal = Portal { connection: "made-in-the-portal", ..Portal::new() };
        portal.does(Task::Register);
        portal.does(first);
        let by_hand = portal.azure.ledger().len();
        let view = portal.runs();
        assert_eq!(state_of(&view, "connected")["state"], "done");
        let halves: Vec<String> = portal
            .azure
            .ledger()
            .iter()
            .filter(|effect| {
                effect.change == "created" && effect.path.to_lowercase().contains("connections/")
            })
            .map(|effect| effect.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(halves, ["made-in-the-portal", "to-central"]);
        portal.takes_back(by_hand);
    }
}
