//! Configurations and their deployment, end to end: the shipped plan with a hub in either tenant, forward and undo;
//! a mesh; deployments of other people; and a deployment that fails.

use serde_json::{Value, json};
use twinspan_sim::World;

use crate::azure::Azure;
use crate::program::{Home, Said, shipped};

const PLAN: &str = "connect-and-deploy-hub-and-spoke.yaml";
const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";

fn network(name: &str) -> String {
    MANAGER.replace("networkManagers/nm-group", &format!("virtualNetworks/{name}"))
}

fn inputs() -> String {
    shipped("connect-and-deploy-hub-and-spoke.inputs.yaml")
}

/// The default world, with a change.
fn world(home: &Home, change: impl FnOnce(&mut Value)) -> String {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    change(&mut world);
    home.write("world.json", world.to_string())
}

/// A world whose network manager has a group of offices and another team's mesh, deployed.
fn with_their_mesh(world: &mut Value) {
    let subscription = &mut world["tenants"][0]["subscriptions"][0];
    for office in ["vnet-office-1", "vnet-office-2"] {
        let office = json!({ "name": office, "resource_group": "rg-network", "location": "westeurope",
            "address_prefixes": ["10.8.0.0/16"] });
        subscription["virtual_networks"].as_array_mut().unwrap().push(office);
    }
    let manager = &mut subscription["network_managers"][0];
    manager["network_groups"] =
        json!([{ "name": "offices", "members": [network("vnet-office-1"), network("vnet-office-2")] }]);
    manager["configurations"] =
        json!([{ "name": "theirs", "topology": "Mesh", "groups": ["offices"], "deployed": ["westeurope"] }]);
}

fn step<'d>(document: &'d Value, id: &str) -> &'d Value {
    let headings = document["headings"].as_array().unwrap().iter();
    let mut steps = headings.flat_map(|heading| heading["steps"].as_array().unwrap());
    steps.find(|step| step["step"] == id).unwrap_or_else(|| panic!("no step {id} in {document:#}"))
}

/// The goal state of the region, as the simulator knows it.
fn deployed(azure: &Azure) -> Value {
    azure.get("/_sim/state")["network"]["deployed"].clone()
}

/// The peerings of a virtual network that a network manager created.
fn peerings(azure: &Azure, token: &str, network: &str) -> Vec<String> {
    let found = azure.arm(token, "GET", &format!("{network}?api-version=2024-10-01"), None);
    let all = found["properties"]["virtualNetworkPeerings"].as_array().unwrap().iter();
    let made = all.filter(|peering| peering["name"].as_str().unwrap().starts_with("ANM_"));
    made.map(|p| p["properties"]["remoteVirtualNetwork"]["id"].as_str().unwrap().to_owned()).collect()
}

/// Runs in a world without delays until the approval, approves and finishes.
fn connect_and_deploy(azure: &Azure, home: &Home, plan: &str, inputs: &str) -> Said {
    let said = home.run(&["run", plan, "--inputs", inputs, "--until-blocked"]).expect(5);
    assert!(said.err.contains("approval: deploy hub-and-spoke"), "{}", said.err);
    assert_eq!(deployed(azure), json!({}), "nothing is deployed before a person has approved");
    approve(home);
    home.run(&["resume", "--until-blocked"]).expect(0)
}

/// Approves the deployment; returns the run.
fn approve(home: &Home) -> String {
    approve_at(home, "go-deploy")
}

/// Approves as the target's administrator: the person who started the run is refused.
fn approve_at(home: &Home, gate: &str) -> String {
    let list = home.run(&["list", "--open", "--output", "json"]).expect(0).json();
    let run = list["runs"][0]["short"].as_str().unwrap().to_owned();
    let own = home.run(&["approve", &run, gate, "--as", "target-admin"]);
    assert_ne!(own.code, Some(0), "{own:#?}");
    home.run(&["approve", &run, gate, "--actor", "olaf", "--as", "target-admin"]).expect(0);
    run
}

#[test]
fn the_shipped_plan_deploys_a_hub_and_spoke_and_undoes_it_in_microsofts_order() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    connect_and_deploy(&azure, &home, &shipped(PLAN), &inputs());
    let spoke = network("vnet-app").replace("aaaaaaaa", "bbbbbbbb").replace("rg-network", "rg-app");
    let (central, target) = (azure.token(Some("central"), CENTRAL), azure.token(Some("target"), TARGET));
    assert_eq!(peerings(&azure, &target, &spoke), [network("vnet-hub")], "the spoke is peered with the hub");
    assert_eq!(peerings(&azure, &central, &network("vnet-hub")).len(), 2, "and the hub with both spokes");
    let preview = home.run(&["undo", "--preview"]).expect(0);
    let line = |step: &str| {
        let found = preview.out.lines().position(|line| line.split_whitespace().nth(1) == Some(step));
        found.unwrap_or_else(|| panic!("{step} is not announced:\n{}", preview.out))
    };
    let order = [
        "deployment[westeurope]",
        "hub-and-spoke",
        "group",
        "scope-connection",
        "network-manager-connection",
    ];
    assert!(order.map(line).is_sorted(), "{}", preview.out);
    let before = azure.ledger().len();
    home.run(&["undo", "--yes"]).expect(0);
    let undone: Vec<String> =
        azure.ledger()[before..].iter().map(|effect| effect.path.to_lowercase()).collect();
    let first = |part: &str| {
        undone.iter().position(|path| path.contains(part)).unwrap_or_else(|| panic!("{part}: {undone:#?}"))
    };
    // Microsoft's order: nothing is deleted while it is deployed, and the connections are deleted last.
    let order = [
        "/commit",
        "/connectivityconfigurations/",
        "/staticmembers/",
        "/scopeconnections/",
        "/networkmanagerconnections/",
    ];
    assert!(order.map(first).is_sorted(), "{undone:#?}");
    assert_eq!(deployed(&azure), json!({}));
    assert_eq!(peerings(&azure, &target, &spoke), [] as [String; 0]);
    assert_eq!(peerings(&azure, &central, &network("vnet-hub")), [] as [String; 0]);
    assert!(!undone.iter().any(|path| path.contains("force")), "{undone:#?}");
}

#[test]
fn both_identities_rehearse_there_and_back_with_a_hub_in_either_tenant_however_long_azure_takes() {
    for set_up in ["", ".service-principal"] {
        let home = Home::new();
        let slow = world(&home, |world| world["lags"] = json!({ "deployment": "18m", "effective": "2m" }));
        let inputs = shipped(&format!("connect-and-deploy-hub-and-spoke{set_up}.inputs.yaml"));
        let arguments =
            ["rehearse", &shipped(PLAN), "--inputs", &inputs, "--undo", "--world", &slow, "--output", "json"];
        let document = home.run(&arguments).expect(0).json();
        for (id, state) in
            [("deployment[westeurope]", "undone"), ("hub-and-spoke", "undone"), ("group", "undone")]
        {
            assert_eq!(step(&document, id)["state"], state, "{set_up}: {document:#}");
        }
        let in_effect = step(&document, "in-effect[vnet-app-735df4f4]");
        assert_eq!(in_effect["state"], "done", "{in_effect:#}");
    }
}

#[test]
fn what_others_have_deployed_stays_when_ours_comes_and_goes() {
    let home = Home::new();
    let file = world(&home, with_their_mesh);
    let azure = Azure::start(&["--world", &file]);
    azure.without_lags();
    let home = azure.home();
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    assert!(said.err.contains("nina.network@contoso.example"), "{}", said.err);
    azure.redeem("nina.network@contoso.example");
    home.run(&["resume", "--until-blocked"]).expect(5);
    approve(&home);
    home.run(&["resume", "--until-blocked"]).expect(0);
    let region = format!("{} westeurope Connectivity", MANAGER.to_lowercase());
    let configuration = |name: &str| format!("{MANAGER}/connectivityConfigurations/{name}");
    assert_eq!(deployed(&azure)[&region], json!([configuration("theirs"), configuration("hub-and-spoke")]));
    home.run(&["undo", "--yes"]).expect(0);
    assert_eq!(deployed(&azure)[&region], json!([configuration("theirs")]));
}

/// The group is pre-existing and a configuration is deployed to it: joining it changes traffic, so that is approved
/// first.
#[test]
fn members_of_a_group_that_is_deployed_to_wait_for_their_own_approval() {
    let home = Home::new();
    let file = world(&home, |world| {
        let manager = &mut world["tenants"][0]["subscriptions"][0]["network_managers"][0];
        manager["network_groups"] = json!([{ "name": "ng-spokes", "members": [] }]);
        manager["configurations"] = json!([{ "name": "theirs", "topology": "HubAndSpoke", "hub": network("vnet-hub"),
            "groups": ["ng-spokes"], "deployed": ["westeurope"] }]);
    });
    let azure = Azure::start(&["--world", &file]);
    azure.without_lags();
    let home = azure.home();
    home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    azure.redeem("nina.network@contoso.example");
    let said = home.run(&["resume", "--until-blocked"]).expect(5);
    for words in ["hub-and-spoke 'theirs' (hub vnet-hub)", "vnet-hub ↔ vnet-app, vnet-hub ↔ vnet-data"] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    let members =
        |azure: &Azure| azure.created().keys().filter(|path| path.contains("/staticmembers/")).count();
    assert_eq!(members(&azure), 0);
    approve_at(&home, "go");
    let said = home.run(&["resume", "--until-blocked"]).expect(5);
    assert_eq!(members(&azure), 2);
    assert!(said.err.contains("approval: deploy hub-and-spoke"), "{}", said.err);
    approve_at(&home, "go-deploy");
    home.run(&["resume", "--until-blocked"]).expect(0);
}

#[test]
fn a_deployment_that_fails_says_why_and_is_committed_again_when_a_person_says_so() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    azure.post("/_sim/deployment-failures", &json!({ "westeurope": "The hub has no gateway." }));
    home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    let run = approve(&home);
    let said = home.run(&["resume", "--until-blocked"]);
    assert_ne!(said.code, Some(0), "{said:#?}");
    let failed = "the deployment of hub-and-spoke to westeurope failed: The hub has no gateway.";
    assert!(said.err.contains(failed) || said.out.contains(failed), "{said:#?}");
    azure.post("/_sim/deployment-failures", &json!({ "westeurope": null }));
    home.run(&["decide", &run, "deployment[westeurope]", "overwrite"]).expect(0);
    home.run(&["resume", "--until-blocked"]).expect(0);
    assert_ne!(deployed(&azure), json!({}));
    home.run(&["undo", "--yes"]).expect(0);
    assert_eq!(deployed(&azure), json!({}), "what two commits of this run deployed is withdrawn");
}

/// Two meshes of the same network manager, deployed to the same region by one run.
const TWO_MESHES: &str = r#"
twinspan: 1
name: meshes
summary: Two meshes
inputs:
  tenant: { type: tenant-id, default: 11111111-0000-0000-0000-00000000000c }
identities:
  central: { tenant: "${{ inputs.tenant }}" }
steps:
  - id: mesh
    uses: avnm.connectivity-configuration
    as: central
    for_each: [one, two]
    with:
      network_manager: MANAGER
      name: mesh-${{ each.value }}
      topology: mesh
      groups: [ { group: MANAGER/networkGroups/offices } ]
  - id: deployment
    uses: avnm.deployment
    as: central
    for_each: [one, two]
    needs: [mesh]
    with:
      network_manager: MANAGER
      region: West Europe
      configurations: [ "MANAGER/connectivityConfigurations/mesh-${{ each.value }}" ]
  - id: in-effect
    uses: avnm.effective-configuration
    as: central
    needs: [deployment]
    with:
      virtual_network: OFFICE
      network_manager: MANAGER
      expect: [ "MANAGER/connectivityConfigurations/mesh-one", "MANAGER/connectivityConfigurations/mesh-two", "MANAGER/connectivityConfigurations/theirs" ]
      exactly: true
"#;

/// A region has one list for all configurations: what the second step and other people add to it is no drift of the
/// first step; what they remove from it is.
#[test]
fn what_others_deploy_beside_it_later_is_no_drift_and_what_they_withdraw_is() {
    let home = Home::new();
    let file = world(&home, with_their_mesh);
    let azure = Azure::start(&["--world", &file]);
    azure.without_lags();
    let home = azure.home();
    let plan = TWO_MESHES.replace("MANAGER", MANAGER).replace("OFFICE", &network("vnet-office-1"));
    let (loosely, _) = plan.split_once("      exactly").unwrap();
    let plan = home.write("meshes.yaml", loosely);
    home.run(&["run", &plan]).expect(0);
    home.run(&["verify"]).expect(0);
    let central = azure.token(Some("central"), CENTRAL);
    let put = |name: &str, more: Value| {
        azure.arm(&central, "PUT", &format!("{MANAGER}/{name}?api-version=2024-10-01"), Some(&more));
    };
    let commit = |names: &[&str]| {
        let ids: Vec<String> =
            names.iter().map(|name| format!("{MANAGER}/connectivityConfigurations/{name}")).collect();
        let body = json!({ "targetLocations": ["westeurope"], "configurationIds": ids, "commitType": "Connectivity" });
        azure.arm(&central, "POST", &format!("{MANAGER}/commit?api-version=2024-10-01"), Some(&body));
        azure.advance("2m");
    };
    let group = format!("{MANAGER}/networkGroups/offices");
    put(
        "connectivityConfigurations/later",
        json!({ "properties": { "connectivityTopology": "Mesh",
        "appliesToGroups": [{ "networkGroupId": group, "groupConnectivity": "DirectlyConnected" }] } }),
    );
    commit(&["theirs", "mesh-one", "mesh-two", "later"]);
    home.run(&["verify"]).expect(0);
    commit(&["theirs", "mesh-two", "later"]);
    let view = home.run(&["verify", "--output", "json"]).expect(9).json();
    let findings = view["findings"].as_array().unwrap().iter();
    let drifted: Vec<&str> = findings
        .filter(|finding| finding["drift"] != "in-sync")
        .map(|finding| finding["step"].as_str().unwrap())
        .collect();
    assert_eq!(drifted, ["deployment[one]", "in-effect"], "{view:#}");
}

#[test]
fn meshes_of_one_run_do_not_take_each_other_out_of_the_region() {
    let home = Home::new();
    let file = world(&home, |world| {
        with_their_mesh(world);
        world["lags"] = json!({ "deployment": "18m", "effective": "2m" });
    });
    let plan = TWO_MESHES.replace("MANAGER", MANAGER).replace("OFFICE", &network("vnet-office-1"));
    let plan = home.write("meshes.yaml", plan);
    let document = home.run(&["rehearse", &plan, "--world", &file, "--output", "json"]).expect(0).json();
    assert_eq!(step(&document, "in-effect")["state"], "done", "{document:#}");
    for id in ["deployment[one]", "deployment[two]"] {
        let path = step(&document, id)["evidence"]["path"].as_str().unwrap();
        assert!(path.starts_with(&format!("{MANAGER}/listDeploymentStatus?")), "{path}");
    }
    home.run(&["rehearse", &plan, "--world", &file, "--undo"]).expect(0);
}

/// Azure reports a success: every view says that no member was reached.
#[test]
fn a_deployment_that_reaches_no_member_is_warned_about_in_every_view() {
    const NETWORK_MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
    let azure = crate::azure::Azure::start(&["--world", "connected"]);
    let home = azure.home();
    let plan = home.write(
        "plan.yaml",
        format!(
            "twinspan: 1\nname: mesh\nidentities: {{ central: {{ tenant: 11111111-0000-0000-0000-00000000000c }} }}\nsteps:\n  \
             - id: conf\n    uses: avnm.connectivity-configuration\n    as: central\n    with:\n      \
             network_manager: {NETWORK_MANAGER}\n      name: mesh\n      topology: mesh\n      \
             groups: [ {{ group: {NETWORK_MANAGER}/networkGroups/ng-spokes, connectivity: directly-connected }} ]\n  \
             - id: deploy\n    uses: avnm.deployment\n    as: central\n    with:\n      \
             network_manager: {NETWORK_MANAGER}\n      region: westus2\n      configurations: [ \"${{{{ steps.conf.id }}}}\" ]\n"
        ),
    );
    let said = home.run(&["run", &plan, "--until-blocked"]).expect(0);
    let warning = "reaches no member in westus2: its virtual networks are in westeurope";
    for text in [said.err, said.out, home.run(&["why", "deploy"]).expect(0).out] {
        // The terminal may have wrapped the line.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("warning") && text.contains(warning), "{text}");
    }
    let shown = home.run(&["show", "--output", "json"]).expect(0).json();
    let deploy = shown["steps"].as_array().unwrap().iter().find(|step| step["step"] == "deploy").unwrap();
    assert!(deploy["evidence"]["warnings"][0].as_str().unwrap().contains(warning), "{deploy:#}");
}
