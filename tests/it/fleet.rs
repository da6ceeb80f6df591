//! Many tenants and one network manager: `connect-many`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use twinspan_engine::{RunStatus, Signal};
use twinspan_sim::World;

use crate::azure::Azure;
use crate::conformance::stage::Stage;
use crate::disconnect::{MANAGER, TARGET};
use crate::program::{Home, shipped};

const PLAN: &str = "connect-many.yaml";
const FABRIKAM: &str = "22222222-0000-0000-0000-00000000000f";
const TAILSPIN: &str = "44444444-0000-0000-0000-00000000000e";

fn inputs() -> String {
    shipped("connect-many.inputs.yaml")
}

#[test]
fn the_shipped_fleet_rehearses_and_is_undone_completely() {
    let home = Home::new();
    let said = home.run(&["rehearse", &shipped(PLAN), "--output", "json"]).expect(0);
    let made = made(&said.json());
    for part in [
        "connect[fabrikam-prod].scope-connection",
        "connect[tailspin-all].network-manager-connection",
        "members[tailspin-all].add[",
    ] {
        assert!(made.iter().any(|step| step.starts_with(part)), "{part}: {made:?}");
    }
    assert_eq!(made.iter().filter(|step| step.starts_with("members[")).count(), 3, "{made:?}");
    let said = home.run(&["rehearse", &shipped(PLAN), "--undo", "--output", "json"]).expect(0);
    let left: Vec<String> = states(&said.json())
        .into_iter()
        .filter(|(_, state)| state == "created")
        .map(|(step, _)| step)
        .collect();
    assert_eq!(left, [] as [String; 0]);
    for (step, state) in states(&said.json()) {
        if made.contains(&step) {
            let kept = step.ends_with(".registered");
            assert_eq!(state, if kept { "kept" } else { "undone" }, "{step}");
        }
    }
}

/// The group is created before the connections, so that no target waits for another one; undo deletes it after its
/// members, whatever the state of the connections then is.
#[tokio::test]
async fn undo_takes_members_first_and_meets_no_refusal() {
    let stage = Stage::of(World::ready().unwrap());
    let process = stage.process(None);
    let text = std::fs::read_to_string(shipped(PLAN)).unwrap();
    let of = |name: &str| {
        format!("{TARGET}/resourceGroups/rg-{name}/providers/Microsoft.Network/virtualNetworks/vnet-{name}")
    };
    let inputs = json!({
        "central_tenant": "11111111-0000-0000-0000-00000000000c",
        "network_manager": MANAGER,
        "network_group": "ng-spokes",
        "app_id": "33333333-0000-0000-0000-00000000000a",
        "tenants": { "fabrikam": { "id": FABRIKAM, "contact": "iam@fabrikam.example" } },
        "targets": { "prod": { "tenant": "fabrikam", "scope": TARGET, "name": "fabrikam-prod-weu",
            "virtual_networks": [of("app"), of("data")] } },
    });
    let run = stage.accept_text(&process, text, serde_json::from_value(inputs).unwrap(), 1).await.unwrap();
    assert_eq!(process.finish(run).await.unwrap(), []);
    process.signal(run, Signal::Undo).await.unwrap();
    assert_eq!(process.drive(run).await.unwrap(), RunStatus::Undone);
    let removals: Vec<(String, u16)> = stage.world.with(|world| {
        let removals = world.requests().iter().filter(|request| request.method == "DELETE");
        removals.map(|request| (request.path.to_lowercase(), request.status)).collect()
    });
    assert!(removals.iter().all(|(_, status)| *status < 400), "{removals:#?}");
    let at = |part: &str| -> Vec<usize> {
        (0..removals.len()).filter(|at| removals[*at].0.contains(part)).collect()
    };
    let (members, group) = (at("/staticmembers/"), at("/networkgroups/ng-spokes"));
    let last_member = members.last().unwrap();
    assert_eq!((members.len(), group.len()), (2, 3), "{removals:#?}");
    for after in ["/scopeconnections/", "/networkmanagerconnections/"] {
        assert!(at(after)[0] > *last_member, "{after}: {removals:#?}");
    }
    assert_eq!(group.iter().filter(|at| *at > last_member).count(), 1, "{removals:#?}");
}

/// States of the steps, by key.
fn states(document: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for heading in document["headings"].as_array().unwrap() {
        for step in heading["steps"].as_array().unwrap() {
            found.insert(
                step["step"].as_str().unwrap().to_owned(),
                step["state"].as_str().unwrap().to_owned(),
            );
        }
    }
    found
}

/// Keys of the steps that created or changed a resource.
fn made(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for heading in document["headings"].as_array().unwrap() {
        for step in heading["steps"].as_array().unwrap() {
            if step["origin"].to_string().contains("created") {
                found.push(step["step"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(!found.is_empty(), "{document:#}");
    found
}

/// Central's administrator, the application, and the administrators of these tenants.
fn home(azure: &Azure, tenants: &[&str]) -> Home {
    let home = Home::new();
    configure(azure, &home, tenants);
    home
}

fn configure(azure: &Azure, home: &Home, tenants: &[&str]) {
    let ready = &azure.ready;
    let mut config = azure.cloud();
    let mut serve = |table: &str, who: &Value| {
        let file = format!("{}.secret", table.replace(['"', '.'], "_"));
        home.write(&file, who["client_secret"].as_str().unwrap());
        let _ = write!(
            config,
            "[identities.{table}]\ncredential = \"client-secret\"\nclient_id = {}\nclient_secret = {{ file = \"{file}\" }}\n",
            who["client_id"]
        );
    };
    serve("central", &ready["identities"]["central"]);
    serve("target", ready);
    for tenant in tenants {
        let name = if *tenant == FABRIKAM { "target-admin" } else { "tailspin-admin" };
        serve(&format!("target-admin.\"{tenant}\""), &ready["identities"][name]);
    }
    // Administrators of all other tenants are other people.
    config.push_str("[identities.target-admin]\ncredential = \"none\"\n");
    home.write("twinspan.toml", config);
}

#[test]
fn a_tenant_whose_administrator_is_missing_delays_no_other_tenant() {
    let azure = Azure::start(&[]);
    // A new role takes ten minutes to take effect, which does not matter here.
    azure.without_lags();
    let home = home(&azure, &[FABRIKAM]);
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    let created = azure.created();
    let count = |part: &str| created.keys().filter(|path| path.contains(part)).count();
    assert_eq!(count("/staticmembers/"), 2, "fabrikam went through to its members: {created:#?}");
    assert_eq!((count("/scopeconnections/"), count("tailspin")), (1, 0), "{created:#?}");
    for words in ["credential", TAILSPIN, "cloud@tailspin.example", "hand-over"] {
        assert!(said.err.contains(words) || said.out.contains(words), "does not say {words:?}: {said:#?}");
    }
    let run = home.run(&["list", "--output", "json"]).expect(0).json()["runs"][0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = home.run(&["hand-over", &run, "--as", "target-admin"]).expect(0);
    for words in [TAILSPIN, "prepare[tailspin].app", "connect[tailspin-all].role"] {
        assert!(page.out.contains(words), "one page for all that a tenant has to do: {}", page.out);
    }
    assert!(!page.out.contains(FABRIKAM), "{}", page.out);
    configure(&azure, &home, &[FABRIKAM, TAILSPIN]);
    home.run(&["resume", "--until-blocked"]).expect(0);
    let created = azure.created();
    // The service principals of both tenants have one path; the directory generates their names.
    let repeated: Vec<_> = created
        .iter()
        .filter(|(path, times)| **times != 1 && !path.ends_with("/serviceprincipals"))
        .collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
    assert_eq!(created["/v1.0/serviceprincipals"], 2, "{created:#?}");
    assert_eq!(created.keys().filter(|path| path.contains("/staticmembers/")).count(), 3, "{created:#?}");
    let connection =
        "/managementgroups/mg-tailspin/providers/microsoft.network/networkmanagerconnections/to-central";
    assert!(created.keys().any(|path| path.ends_with(connection)), "{created:#?}");
}

/// A fleet: how many tenants, and how many subscriptions in them.
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) tenants: usize,
    pub(crate) targets: usize,
}

pub(crate) fn tenant(number: usize) -> String {
    format!("22222222-0000-0000-0001-{number:012}")
}

fn subscription(number: usize) -> String {
    format!("bbbbbbbb-0000-0000-0001-{number:012}")
}

/// The shipped world with this many more tenants, each with its administrator and its share of the subscriptions.
pub(crate) fn wide_world(fleet: Fleet) -> Value {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    // The role of a new principal is refused for a while: such writes change nothing and would be counted.
    world["lags"] = json!({ "principal": "0s", "principal_untyped": "0s" });
    for number in 0..fleet.tenants {
        let id = tenant(number);
        let administrator = format!("ffffffff-1111-0000-0001-{number:012}");
        let email = format!("iam@t{number}.example");
        let subscriptions: Vec<Value> = (number..fleet.targets)
            .step_by(fleet.tenants)
            .map(|target| {
                json!({ "id": subscription(target), "display_name": format!("target-{target}"), "virtual_networks": [
                    { "name": "vnet", "resource_group": "rg", "location": "westeurope",
                      "address_prefixes": [format!("10.{}.{}.0/24", target / 256, target % 256)] }] })
            })
            .collect();
        world["people"].as_array_mut().unwrap().push(json!({ "identities": ["target-admin"], "email": email, "home": id,
            "client_id": format!("55555555-0000-0000-0001-{number:012}"), "client_secret": "signs-in-with-this" }));
        world["tenants"].as_array_mut().unwrap().push(json!({
            "id": id, "display_name": format!("Tenant {number}"), "domain": format!("t{number}.example"),
            "users": [{ "id": administrator, "email": email, "graph": ["Application.ReadWrite.All"] }],
            "subscriptions": subscriptions,
            "role_assignments": [{ "role": "Owner", "principal": administrator,
                "scope": format!("/providers/Microsoft.Management/managementGroups/{id}") }],
        }));
    }
    world
}

pub(crate) fn wide_inputs(fleet: Fleet) -> Value {
    let shipped: Vec<(&str, &str)> = vec![
        ("central_tenant", "11111111-0000-0000-0000-00000000000c"),
        (
            "network_manager",
            "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group",
        ),
        ("network_group", "ng-spokes"),
        ("app_id", "33333333-0000-0000-0000-00000000000a"),
    ];
    let mut inputs: Value =
        shipped.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    for number in 0..fleet.tenants {
        let contact = format!("iam@t{number}.example");
        inputs["tenants"][format!("t{number}")] = json!({ "id": tenant(number), "contact": contact });
    }
    for number in 0..fleet.targets {
        let scope = format!("/subscriptions/{}", subscription(number));
        let network = format!("{scope}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet");
        inputs["targets"][format!("target-{number}")] = json!({ "tenant": format!("t{}", number % fleet.tenants),
            "scope": scope, "name": format!("target-{number}"), "virtual_networks": [network] });
    }
    inputs
}

#[test]
fn eighty_targets_in_forty_tenants_are_connected_and_nothing_is_done_twice() {
    let (home, fleet) = (Home::new(), Fleet { tenants: 40, targets: 80 });
    let world = home.write("world.json", wide_world(fleet).to_string());
    // JSON is YAML, too.
    let inputs = home.write("inputs.yaml", wide_inputs(fleet).to_string());
    let said =
        home.run(&["rehearse", &shipped(PLAN), "--inputs", &inputs, "--world", &world, "--output", "json"]);
    let document = said.expect(0).json();
    let made = made(&document);
    let of = |name: &str| made.iter().filter(|step| step.contains(name)).count();
    assert_eq!(of("].app"), fleet.tenants);
    for step in ["].role", "].registered", "].scope-connection", "].network-manager-connection", "].add["] {
        assert_eq!(of(step), fleet.targets, "{step}");
    }
    // One write for each step, and one for the group: none was sent twice, and nothing else was written.
    assert_eq!(made.len(), fleet.tenants + 5 * fleet.targets + 1);
    assert_eq!(document["writes"], made.len());
    println!("{} requests, {} of them writes", document["requests"], document["writes"]);
}
