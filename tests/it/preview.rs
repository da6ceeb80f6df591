//! `preview` as a user sees it, in different worlds; and that it never writes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twinspan_sim::World;

use crate::azure::Azure;
use crate::azure_cli::{self, AzureCli};
use crate::program::{Home, Said, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";
const INPUTS: &str = "cross-tenant-connection.inputs.yaml";
const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";
const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
const NINA_IN_CENTRAL: &str = "cccccccc-1111-0000-0000-000000000001";
const NINA_IN_TARGET: &str = "ffffffff-1111-0000-0000-000000000002";

/// The shipped world, with a change.
fn world(change: impl FnOnce(&mut Value)) -> Value {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    change(&mut world);
    world
}

fn tenant<'w>(world: &'w mut Value, id: &str) -> &'w mut Value {
    world["tenants"].as_array_mut().unwrap().iter_mut().find(|tenant| tenant["id"] == id).unwrap()
}

fn push(list: &mut Value, entry: Value) {
    list.as_array_mut().unwrap().push(entry);
}

/// Nina is a guest of the target tenant, and everything is registered.
fn with_guest(world: &mut Value) {
    let target = tenant(world, TARGET);
    let guest = json!({ "id": NINA_IN_TARGET, "email": "nina.network@contoso.example", "guest": "accepted" });
    push(&mut target["users"], guest);
    target["subscriptions"][0]["registered"] = json!(["Microsoft.Network"]);
}

fn role(scope: &str, role: &str, principal: &str) -> Value {
    json!({ "scope": scope, "role": role, "principal": principal })
}

/// A simulated Azure that starts with this world.
fn azure(world: &Value) -> Azure {
    let home = Home::new();
    let file = home.write("world.json", world.to_string());
    let azure = Azure::start(&["--world", &file]);
    azure.without_lags();
    azure
}

fn preview(home: &Home, more: &[&str]) -> Said {
    let (plan, inputs) = (shipped(PLAN), shipped(INPUTS));
    let mut all = vec!["preview", &plan, "--inputs", &inputs];
    all.extend(more);
    home.run(&all)
}

const ROLE_NAME: &str = "; role_name=";

/// The text without values that differ between machines, and without the number of requests.
fn stable(text: &str) -> String {
    let text = text.replace(&shipped(""), "plans/library/");
    let (before, after) = text.split_once("nothing: ").unwrap();
    let (count, after) = after.split_once(" reads, no writes").unwrap();
    assert!(count.parse::<usize>().unwrap() > 0, "{count}");
    let text = format!("{before}nothing: [SOME] reads, no writes{after}");
    // A name that is generated for the task differs between previews.
    let mut words = text.split(ROLE_NAME);
    let first = words.next().unwrap().to_owned();
    words.fold(first, |text, rest| format!("{text}{ROLE_NAME}[A GUID]{}", &rest[36..]))
}

/// The entry of one step in a JSON preview.
fn step<'v>(view: &'v Value, name: &str) -> &'v Value {
    let headings = view["headings"].as_array().unwrap().iter();
    headings
        .flat_map(|heading| heading["steps"].as_array().unwrap())
        .find(|step| step["step"] == name)
        .unwrap_or_else(|| panic!("{name}: {view:#}"))
}

fn tasks<'v>(view: &'v Value, tenant: &str) -> Vec<&'v Value> {
    let tenants = view["tenants"].as_array().unwrap();
    let tenant = tenants.iter().find(|one| one["tenant"] == tenant).unwrap();
    tenant["tasks"].as_array().unwrap().iter().collect()
}

#[test]
fn where_nothing_exists_yet_it_shows_what_would_be_created_and_what_is_unknown() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let said = preview(&home, &[]).expect(0);
    insta::assert_snapshot!("preview_default", stable(&said.out));
    preview(&home, &["--detailed-exitcode"]).expect(2);
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    insta::assert_json_snapshot!("preview_default_json", view, {
        ".headings[].steps[].error.references" => "[IDS]",
        ".tenants[].sign_ins[].wait.action" => "[COMMAND WITH A PORT]",
        ".tenants[].sign_ins[].wait.otherwise" => "[WORDS WITH IDS AND TIMES]",
        ".next" => "[COMMAND]",
        ".reads" => "[SOME]",
    });
    assert_eq!(azure.ledger().len(), 0, "nothing was written");
    assert!(!home.journal().exists(), "no run was started");
    let writes: Vec<_> = azure.requests().into_iter().filter(|request| request.method != "GET").collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[test]
fn what_if_is_the_same_command_and_other_plans_are_previewed_too() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let said = home.run(&["what-if", &shipped("hello-durable.yaml"), "--output", "json"]);
    let view = said.json();
    assert_eq!((&view["schema"], &view["type"]), (&json!(1), &json!("preview")), "{view:#}");
    assert_eq!(azure.requests().len(), 0, "a plan without Azure sends no request to Azure");
}

/// Everything is done, so there is nothing to change.
#[test]
fn where_a_run_was_finished_there_is_nothing_to_do() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    let before = preview(&home, &["--output", "json"]).expect(0).json();
    assert_eq!(before["changes"], true);
    assert_eq!(step(&before, "role")["state"], "unchanged", "{before:#}");
    assert_eq!(step(&before, "scope-connection")["state"], "would-create");
    assert_eq!(step(&before, "connected")["state"], "unknown", "its two sides are still to be created");
    assert_eq!(step(&before, "members[vnet-app-735df4f4]")["after"], json!(["connected", "go", "group"]));
    insta::assert_snapshot!("preview_ready", stable(&preview(&home, &[]).expect(0).out));
    by_hand(&azure, true);
    let said = preview(&home, &["--detailed-exitcode", "--output", "json"]).expect(0);
    let view = said.json();
    assert_eq!(view["changes"], false, "{view:#}");
    assert_eq!(view["counts"]["unchanged"], 20, "{view:#}");
}

/// What a person would create in the portal: both sides, the group, and perhaps its members.
fn by_hand(azure: &Azure, members: bool) {
    let central = azure.token(Some("central"), CENTRAL);
    let target = azure.token(Some("target"), TARGET);
    let put = |token: &str, path: &str, properties: Value| {
        let path = format!("{path}?api-version=2024-10-01");
        azure.arm(token, "PUT", &path, Some(&json!({ "properties": properties })));
    };
    put(
        &central,
        &format!("{MANAGER}/scopeConnections/to-central"),
        json!({ "tenantId": TARGET, "resourceId": SUBSCRIPTION }),
    );
    put(
        &target,
        &format!("{SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/to-central"),
        json!({ "networkManagerId": MANAGER }),
    );
    let group = format!("{MANAGER}/networkGroups/ng-spokes");
    put(&central, &group, json!({ "memberType": "VirtualNetwork" }));
    if !members {
        return;
    }
    for (name, network) in [
        (
            "app",
            format!(
                "{SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app"
            ),
        ),
        (
            "data",
            format!(
                "{SUBSCRIPTION}/resourceGroups/rg-data/providers/Microsoft.Network/virtualNetworks/vnet-data"
            ),
        ),
        ("hub", MANAGER.replace("networkManagers/nm-group", "virtualNetworks/vnet-hub")),
    ] {
        let path = format!("{group}/staticMembers/{name}?api-version=2024-10-01");
        let body = json!({ "properties": { "resourceId": network } });
        azure.send("arm", &central, Some(&target), "PUT", &path, Some(&body));
    }
}

#[test]
fn a_rollout_that_was_partly_done_by_hand_is_found_unchanged() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    by_hand(&azure, false);
    let written = azure.ledger().len();
    let home = azure.home();
    let said = preview(&home, &["--detailed-exitcode"]).expect(2);
    insta::assert_snapshot!("preview_half_done", stable(&said.out));
    assert_eq!(azure.ledger().len(), written);
}

#[test]
fn a_missing_right_is_told_with_who_gives_it_and_the_command() {
    let mut world = world(with_guest);
    let subscription = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    let central = tenant(&mut world, CENTRAL);
    central["role_assignments"] = json!([role(subscription, "Reader", NINA_IN_CENTRAL)]);
    let target = tenant(&mut world, TARGET);
    push(&mut target["role_assignments"], role(SUBSCRIPTION, "Network Contributor", NINA_IN_TARGET));
    let azure = azure(&world);
    let home = azure.home();
    let said = preview(&home, &[]).expect(0);
    insta::assert_snapshot!("preview_missing_role", stable(&said.out));
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let found = tasks(&view, CENTRAL);
    assert_eq!(found.len(), 2, "the manager, and the hub's network: {found:#?}");
    assert_eq!(
        found[0]["command"],
        format!(
            "az role assignment create --assignee-object-id {NINA_IN_CENTRAL} --assignee-principal-type User --role \
             'Network Contributor' --scope {MANAGER}"
        )
    );
    // The step that verifies the permission prints the same text.
    let wait = &step(&view, "may-connect")["wait"];
    assert_eq!((&wait["action"], &wait["who"]), (&found[0]["command"], &found[0]["who"]), "{wait:#}");
    assert_eq!(azure.ledger().len(), 0);
}

#[test]
fn a_role_that_ends_soon_is_told_and_one_that_can_be_activated() {
    let ends = now() + SignedDuration::from_hours(2) + SignedDuration::from_secs(30);
    let mut world = world(with_guest);
    let target = tenant(&mut world, TARGET);
    let mut timed = role(SUBSCRIPTION, "Network Contributor", NINA_IN_TARGET);
    timed["ends"] = json!(ends.to_string());
    push(&mut target["role_assignments"], timed);
    let subscription = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    let mut eligible = role(subscription, "Network Contributor", NINA_IN_CENTRAL);
    eligible["eligible"] = json!(true);
    tenant(&mut world, CENTRAL)["role_assignments"] =
        json!([role(subscription, "Reader", NINA_IN_CENTRAL), eligible]);
    let azure = azure(&world);
    let home = azure.home();
    let said = preview(&home, &[]).expect(0);
    assert!(said.out.contains("  ends soon"), "{said:#?}");
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let ending: Vec<&str> = tasks(&view, TARGET).iter().map(|task| task["what"].as_str().unwrap()).collect();
    assert!(
        ending[0].starts_with(&format!(
            "Extend the role Network Contributor at subscription {}: it ends at ",
            &SUBSCRIPTION[15..]
        )) && ending[0].ends_with("in 2 h"),
        "{ending:#?}"
    );
    let activating = tasks(&view, CENTRAL);
    assert_eq!(
        activating[0]["what"],
        format!("Activate the role Network Contributor at {subscription}"),
        "{activating:#?}"
    );
    let command = activating[0]["command"].as_str().unwrap();
    assert!(
        command.starts_with("az rest --method put --url ") && command.contains("SelfActivate"),
        "{command}"
    );
    assert!(activating[0]["portal"].as_str().unwrap().contains("Privileged Identity Management > My roles"));
}

#[test]
fn what_may_not_be_read_is_unknown_and_not_fine() {
    let azure = Azure::start(&["--ready-world"]);
    azure.set_faults(&json!([{
        "method": "GET", "path_contains": "roleAssignmentScheduleInstances", "fault": "status-403", "times": 99
    }]));
    let home = azure.home();
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let rights = view["tenants"][0]["permissions"][0].clone();
    assert_eq!(rights["state"], "allowed", "{rights:#}");
    assert_eq!(rights["ending"]["state"], "unknown", "{rights:#}");
}

#[test]
fn another_network_manager_on_the_scope_is_a_conflict_in_sight() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let target = azure.token(Some("target"), TARGET);
    let other = MANAGER.replace("aaaaaaaa", "dddddddd").replace("nm-group", "nm-other");
    let path = format!(
        "{SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/to-another?api-version=2024-10-01"
    );
    azure.arm(&target, "PUT", &path, Some(&json!({ "properties": { "networkManagerId": other } })));
    let home = azure.home();
    insta::assert_snapshot!("preview_conflict", stable(&preview(&home, &[]).expect(0).out));
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let conflicting_manager = &view["tenants"][1]["scopes"][0]["managers"][0];
    assert_eq!(conflicting_manager["network_manager"], other, "{view:#}");
    let task = tasks(&view, TARGET)[0];
    assert!(task["who"].as_str().unwrap().contains("nm-other"), "{task:#}");
}

#[test]
fn an_identity_whose_credential_is_elsewhere_gets_its_tasks() {
    let azure = Azure::start(&[]);
    let home = azure.home_without("target-admin");
    let said = preview(&home, &[]).expect(0);
    insta::assert_snapshot!("preview_somebody_else", stable(&said.out));
}

/// Commands for another person: each is a complete line that a shell accepts as it is.
#[test]
fn every_task_of_another_person_has_a_command_that_can_be_typed() {
    let azure = Azure::start(&["--ready-world"]);
    let central = [
        "registered-central",
        "scope-connection",
        "group",
        "members[vnet-app-735df4f4]",
        "members[vnet-data-f5ad5a7e]",
        "members-central[vnet-hub-d06ab663]",
    ];
    for (name, tenant, steps) in
        [("central", CENTRAL, &central[..]), ("target", TARGET, &["network-manager-connection"])]
    {
        let home = azure.home_without(name);
        let view = preview(&home, &["--output", "json"]).expect(0).json();
        let mut seen: Vec<String> = Vec::new();
        for task in tasks(&view, tenant) {
            let command = task["command"].as_str().unwrap_or_else(|| panic!("{task:#}"));
            if !task["who"].as_str().unwrap().starts_with(name)
                || command.starts_with("twinspan hand-over RUN")
            {
                continue;
            }
            assert!(!command.contains('<') && !command.contains("RUN"), "{command}");
            let parsed = std::process::Command::new("sh").args(["-n", "-c", command]).status().unwrap();
            assert!(parsed.success(), "{command}");
            assert!(!task["least_privilege"].as_array().unwrap().is_empty(), "{task:#}");
            assert!(task["portal"].is_string(), "{task:#}");
            let of = task["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned());
            seen.extend(of);
        }
        assert_eq!(seen, steps, "{name}");
    }
}

/// The same commands with the Azure CLI: each is performed once.
#[test]
fn the_commands_do_it_with_the_azure_cli() {
    let Some(program) = azure_cli::program() else { return };
    let azure = Azure::start(&[]);
    let home = azure.home_without("target-admin");
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let all = tasks(&view, TARGET);
    let commands: Vec<&str> = ["guest", "role"]
        .iter()
        .map(|step| {
            let task = all.iter().find(|task| task["steps"] == json!([step])).unwrap();
            task["command"].as_str().unwrap()
        })
        .collect();
    let cli = AzureCli::new(program, &azure, &home);
    cli.sign_in("target-admin", TARGET);
    for command in &commands {
        cli.run("sh", &["-c", command]);
        // A role for a principal that was created a moment ago may be refused: the message says to wait a minute.
        azure.advance("1m");
    }
    let created = azure.created();
    let roles = created.keys().filter(|path| path.contains("/roleassignments/")).count();
    assert_eq!((created.get("/v1.0/invitations"), roles), (Some(&1), 1), "{created:#?}");
    let before = azure.ledger().len();
    for command in &commands {
        cli.run("sh", &["-c", command]);
    }
    assert_eq!(azure.ledger().len(), before, "twice is harmless: {:#?}", azure.ledger());
    azure.advance("11m");
    let view = preview(&azure.home(), &["--output", "json"]).expect(0).json();
    for done in ["guest", "role"] {
        assert_eq!(step(&view, done)["state"], "unchanged", "{:#}", step(&view, done));
    }
}

/// The owner of the other network manager deletes its connection, with the printed command.
#[test]
fn the_command_for_another_network_manager_removes_its_connection() {
    let Some(program) = azure_cli::program() else { return };
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let (central, target) = (azure.token(Some("central"), CENTRAL), azure.token(Some("target"), TARGET));
    let other = MANAGER.replace("nm-group", "nm-other");
    let own = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    let put = |token: &str, path: &str, body: Value| {
        azure.arm(token, "PUT", &format!("{path}?api-version=2024-10-01"), Some(&body));
    };
    let scopes = json!({ "networkManagerScopes": { "subscriptions": [own] }, "networkManagerScopeAccesses": ["Connectivity"] });
    put(&central, &other, json!({ "location": "westeurope", "properties": scopes }));
    let half = json!({ "properties": { "tenantId": TARGET, "resourceId": SUBSCRIPTION } });
    put(&central, &format!("{other}/scopeConnections/mine"), half);
    let connection =
        format!("{SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/to-another");
    put(&target, &connection, json!({ "properties": { "networkManagerId": other } }));
    let home = azure.home();
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    let task = tasks(&view, TARGET)[0];
    assert!(task["portal"].as_str().unwrap().contains("nm-other > Cross-tenant connections"), "{task:#}");
    assert_eq!(task["least_privilege"].as_array().unwrap().len(), 1, "{task:#}");
    let cli = AzureCli::new(program, &azure, &home);
    cli.sign_in("central", CENTRAL);
    cli.run("sh", &["-c", task["command"].as_str().unwrap()]);
    cli.sign_in("target", TARGET);
    let otherwise = task["otherwise"].as_str().unwrap();
    cli.run("sh", &["-c", &otherwise[otherwise.find("az rest").unwrap()..]]);
    let view = preview(&home, &["--output", "json"]).expect(0).json();
    assert_eq!(view["tenants"][1]["scopes"][0]["managers"], json!([]), "{view:#}");
}

/// A planned delete is shown as a delete, to the operator and to the owner of the credential.
#[test]
fn what_would_be_removed_is_told_with_the_removal() {
    let azure = Azure::start(&["--world", "connected"]);
    let (plan, inputs) = (shipped("disconnect.yaml"), shipped("disconnect.inputs.yaml"));
    let seen =
        |home: &Home| home.run(&["preview", &plan, "--inputs", &inputs, "--output", "json"]).expect(0).json();
    let view = seen(&azure.home());
    let headings = view["headings"].as_array().unwrap().iter();
    let steps = headings.flat_map(|heading| heading["steps"].as_array().unwrap());
    let removed: Vec<&Value> = steps.filter(|step| step["state"] == "would-delete").collect();
    assert!(removed.len() >= 3, "{view:#}");
    for step in removed {
        assert!(step["what"].as_str().unwrap().starts_with("Remove "), "{step:#}");
    }
    let elsewhere = seen(&azure.home_without("central"));
    let removals: Vec<&str> = tasks(&elsewhere, CENTRAL)
        .iter()
        .filter(|task| task["who"].as_str().unwrap().starts_with("central"))
        .map(|task| task["command"].as_str().unwrap_or_else(|| panic!("{task:#}")))
        .filter(|command| !command.starts_with("twinspan"))
        .collect();
    assert!(!removals.is_empty(), "{elsewhere:#}");
    assert!(removals.iter().all(|command| command.contains("az rest --method delete ")), "{removals:#?}");
}

/// A person who has to act is named long before the run waits.
#[test]
fn who_has_to_accept_is_told_before_there_is_an_invitation() {
    let azure = Azure::start(&[]);
    let view = preview(&azure.home(), &["--output", "json"]).expect(0).json();
    let all = tasks(&view, TARGET);
    let accept =
        all.iter().find(|task| task["steps"] == json!(["accepted"])).unwrap_or_else(|| panic!("{all:#?}"));
    assert!(accept["what"].as_str().unwrap().starts_with("the invitation to tenant "), "{accept:#}");
    assert_eq!(accept["after"], json!(["guest"]), "{accept:#}");
    assert_eq!(step(&view, "accepted")["state"], "waits");
    assert!(accept["portal"].as_str().unwrap().contains("sign in with the invited address"), "{accept:#}");
}

#[test]
fn where_every_sign_in_is_refused_it_ends_with_4_and_without_a_response_with_1() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    for name in ["central", "target", "target-admin"] {
        home.write(&format!("{name}.secret"), "wrong");
    }
    let said = preview(&home, &[]).expect(4);
    assert!(said.out.contains("refused"), "{said:#?}");
    // The simulator deletes its root certificate when it ends.
    let root = azure.ready["ca_file"].as_str().unwrap().to_owned();
    let kept = home.write("root.pem", std::fs::read(&root).unwrap());
    let configuration = std::fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
    home.write("twinspan.toml", configuration.replace(&root, &kept));
    drop(azure);
    let said = preview(&home, &[]).expect(1);
    assert!(said.out.contains("no response"), "{said:#?}");
}

#[test]
fn a_wrong_plan_ends_with_65_and_a_wrong_subscription_is_found_before_anything_runs() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    home.run(&["preview", &shipped(PLAN), "--input", "target_tenant=nonsense"]).expect(65);
    home.run(&["preview"]).expect(64);
    let said = preview(&home, &["--input", "target_scope_name=fabrikam-test"]).expect(1);
    assert!(said.out.contains("would fail") && said.out.contains("fabrikam-test"), "{said:#?}");
    assert_eq!(azure.ledger().len(), 0);
}

/// The shipped plan sends the target's token with any hub: the permission on a hub is checked in the hub's tenant.
#[test]
fn the_right_on_a_hub_is_asked_in_the_tenant_that_it_lies_in() {
    let second = "aaaaaaaa-0000-0000-0000-000000000002";
    let azure = azure(&world(|world| {
        with_guest(world);
        let subscription =
            json!({ "id": second, "display_name": "contoso-hubs", "registered": ["Microsoft.Network"] });
        push(&mut tenant(world, CENTRAL)["subscriptions"], subscription);
        let own = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001".to_owned();
        tenant(world, CENTRAL)["role_assignments"] = [own, format!("/subscriptions/{second}")]
            .iter()
            .map(|scope| role(scope, "Network Contributor", NINA_IN_CENTRAL))
            .collect();
        let given = role(SUBSCRIPTION, "Network Contributor", NINA_IN_TARGET);
        push(&mut tenant(world, TARGET)["role_assignments"], given);
    }));
    let home = azure.home();
    let hubs = [
        (CENTRAL, MANAGER.replace("networkManagers/nm-group", "virtualNetworks/vnet-hub")),
        (
            TARGET,
            format!(
                "{SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-hub"
            ),
        ),
        // Another subscription is not another tenant.
        (
            CENTRAL,
            format!(
                "/subscriptions/{second}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet-hub"
            ),
        ),
    ];
    for (of, hub) in &hubs {
        let (plan, inputs) = ["yaml", "inputs.yaml"]
            .map(|end| shipped(&format!("connect-and-deploy-hub-and-spoke.{end}")))
            .into();
        let hub_is = format!("hub={hub}");
        let arguments = ["preview", &plan, "--inputs", &inputs, "--input", &hub_is, "--output", "json"];
        let view = home.run(&arguments).expect(0).json();
        for tenant in [CENTRAL, TARGET] {
            let tenants = view["tenants"].as_array().unwrap();
            let tenant_view = tenants.iter().find(|one| one["tenant"] == tenant).unwrap();
            let rights = tenant_view["permissions"].as_array().unwrap();
            let on_hub: Vec<&Value> = rights.iter().filter(|right| right["scope"] == json!(hub)).collect();
            assert_eq!(on_hub.len(), usize::from(tenant == *of), "{hub} in {tenant}: {rights:#?}");
            for right in on_hub {
                assert_eq!(right["state"], "allowed", "{right:#}");
                assert!(right["steps"].as_array().unwrap().contains(&json!("hub-and-spoke")), "{right:#}");
            }
        }
    }
}

/// A group with a member: the decision may never come, as an earlier step deletes the member.
#[test]
fn what_a_step_before_it_may_change_is_said_so() {
    let azure = Azure::start(&["--world", "connected"]);
    azure.without_lags();
    let home = azure.home();
    let spoke =
        format!("{SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app");
    let group = json!({ "network_manager": MANAGER, "name": "ng-spokes" });
    let member = json!({ "group": format!("{MANAGER}/networkGroups/ng-spokes"), "virtual_network": spoke });
    let plan = |needs: Value| {
        json!({ "twinspan": 1, "name": "away", "identities": { "central": { "tenant": CENTRAL } }, "steps": [
            { "id": "member", "uses": "avnm.static-member", "ensure": "absent", "as": "central", "with": member },
            { "id": "group", "uses": "avnm.network-group", "ensure": "absent", "as": "central", "needs": needs,
              "with": group },
        ] })
    };
    for (needs, advice) in [
        (
            json!(["member"]),
            "unless a step before it changes that, the run needs a decision: overwrite to delete",
        ),
        (json!([]), "the run needs a decision: overwrite to delete"),
    ] {
        let plan = home.write("away.yaml", plan(needs).to_string());
        let view = home.run(&["preview", &plan, "--output", "json"]).expect(0).json();
        assert_eq!(step(&view, "member")["state"], "would-delete", "{view:#}");
        let group = step(&view, "group");
        assert_eq!(group["state"], "needs-decision", "{group:#}");
        assert!(group["decision"]["advice"].as_str().unwrap().starts_with(advice), "{group:#}");
    }
}

/// Checked twice: with the ledger of each world, and with a client that sends only reads (tested in `steps`).
#[test]
fn no_shipped_plan_makes_it_write_in_any_world() {
    let least = &["--world", "least-privilege"][..];
    for arguments in [&[][..], &["--ready-world"], &["--world", "connected"], least] {
        let azure = Azure::start(arguments);
        let home = azure.home();
        let library = std::fs::read_dir(shipped("")).unwrap().map(|entry| entry.unwrap().path());
        let plans = library.filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".yaml") && !name.contains(".inputs.")
        });
        let mut count = 0;
        for plan in plans {
            let stem = plan.file_stem().unwrap().to_str().unwrap().to_owned();
            let inputs = std::fs::read_dir(shipped("")).unwrap().map(|entry| entry.unwrap().path());
            for input in inputs.filter(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with(&format!("{stem}.")) && name.ends_with("inputs.yaml")
            }) {
                let said =
                    home.run(&["preview", plan.to_str().unwrap(), "--inputs", input.to_str().unwrap()]);
                assert!(matches!(said.code, Some(0 | 1 | 4)), "{}: {said:#?}", input.display());
                count += 1;
            }
        }
        assert!(count >= 4, "{count} plans with inputs were found");
        assert_eq!(azure.ledger().len(), 0, "{arguments:?}");
        // POSTs that only read, by the services' own names.
        let asks = [
            "/providers/microsoft.resourcegraph/resources",
            "/listactiveconnectivityconfigurations",
            "/listdeploymentstatus",
            "/listnetworkmanagereffectiveconnectivityconfigurations",
        ];
        let writes: Vec<_> = azure
            .requests()
            .into_iter()
            .filter(|request| request.method != "GET" && !asks.iter().any(|ask| request.path.ends_with(ask)))
            .collect();
        assert!(writes.is_empty(), "{arguments:?}: {writes:?}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator in another process lives by the machine's clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The sign-in service tells anyone which tenant a domain belongs to; a command without network access prints how to
/// request that.
#[test]
fn a_domain_in_place_of_a_tenants_id_is_looked_up() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let inputs = std::fs::read_to_string(shipped("cross-tenant-connection.inputs.yaml")).unwrap();
    let plan = shipped(PLAN);
    for (domain, hint) in [
        ("fabrikam.example", format!("fabrikam.example is a domain of tenant {TARGET}: write that id")),
        ("nowhere.example", "nowhere.example is not a domain of any tenant in this cloud".to_owned()),
    ] {
        let file = home.write("inputs.yaml", inputs.replace(TARGET, domain));
        for command in [&["preview", &plan][..], &["config", "--check", &plan]] {
            let said = home.run(&[command, &["--inputs", &file]].concat()).expect(65);
            assert!(said.err.contains(&hint), "{command:?}: {}", said.err);
        }
        let said = home.run(&["validate", &plan, "--inputs", &file]).expect(65);
        assert!(said.err.contains("openid-configuration") && !said.err.contains(&hint), "{}", said.err);
    }
    let said = home.run(&["config", "--check", "--tenant", "fabrikam.example"]).expect(64);
    assert!(said.err.contains(TARGET), "{}", said.err);
}
