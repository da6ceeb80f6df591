//! What new members change: the effect of a deployed configuration that reaches them is read and approved before any
//! member joins.

use serde_json::{Value, json};
use twinspan_sim::World;

use crate::azure::Azure;
use crate::program::{Home, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";
const GUEST: &str = "nina.network@contoso.example";
const HUB: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub";

/// The shipped world, where the group exists and hub-and-spoke is deployed to it; vnet-app has a peering of its own.
fn deployed() -> Value {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    let manager = world.pointer_mut("/tenants/0/subscriptions/0/network_managers/0").unwrap();
    manager["network_groups"] = json!([{ "name": "ng-spokes", "members": [] }]);
    manager["configurations"] = json!([{ "name": "spokes", "topology": "HubAndSpoke", "hub": HUB, "groups": ["ng-spokes"],
        "delete_existing_peering": true, "directly_connected": true, "deployed": ["westeurope"] }]);
    let networks = world.pointer_mut("/tenants/1/subscriptions/0/virtual_networks").unwrap();
    let of = |name: &str| {
        format!(
            "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-{name}/providers/Microsoft.Network/virtualNetworks/vnet-{name}"
        )
    };
    networks[0]["peerings"] = json!({ "to-data": of("data") });
    networks[1]["address_prefixes"] = json!(["10.1.128.0/20"]);
    world
}

#[test]
fn new_members_wait_for_who_has_read_their_effect() {
    let folder = Home::new();
    let world = folder.write("world.json", deployed().to_string());
    let azure = Azure::start(&["--world", &world]);
    let home = azure.home();
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let mut said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked"]).expect(5);
    for _ in 0..5 {
        if said.out.contains("waiting  go") {
            break;
        }
        azure.redeem(GUEST);
        azure.advance("11m");
        said = home.run(&["resume", "--until-blocked"]).expect(5);
    }
    for words in [
        "3 virtual networks join ng-spokes: vnet-app, vnet-data, vnet-hub",
        "Deployed in westeurope: hub-and-spoke 'spokes' (hub vnet-hub; members reach each other directly)",
        "Peerings will be created: vnet-hub ↔ vnet-app, vnet-hub ↔ vnet-data",
        "Existing peerings will be deleted (deleteExistingPeering): vnet-app ↔ vnet-data (to-data)",
        "vnet-app 10.1.0.0/16 and vnet-data 10.1.128.0/20: traffic between them is dropped",
        "charged per virtual network with a deployed configuration: 2 more",
    ] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    let members =
        |azure: &Azure| azure.created().keys().filter(|path| path.contains("/staticmembers/")).count();
    assert_eq!(members(&azure), 0, "nothing joins before it is approved");
    let run = home.run(&["list", "--output", "json"]).expect(0).json()["runs"][0]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = home.run(&["approve", &run, "go"]);
    assert_ne!(stranger.code, Some(0), "the person who started the run cannot approve: {stranger:#?}");
    home.run(&["approve", &run, "go", "--actor", "olaf", "--as", "target-admin"]).expect(0);
    home.run(&["resume", "--until-blocked"]).expect(0);
    assert_eq!(members(&azure), 3);
}

#[test]
fn a_rehearsal_plays_the_approver_too() {
    let home = Home::new();
    let world = home.write("world.json", deployed().to_string());
    let said =
        home.run(&["rehearse", &shipped(PLAN), "--world", &world, "--output", "json"]).expect(0).json();
    let acts: Vec<&str> =
        said["people"].as_array().unwrap().iter().map(|act| act["what"].as_str().unwrap()).collect();
    assert!(acts.iter().any(|act| act.contains("approves go for target-admin")), "{acts:?}");
}
