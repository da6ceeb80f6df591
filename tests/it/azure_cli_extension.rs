//! `az network manager`: the Azure CLI's own extension, for which Microsoft's how-to is written, performs the
//! document's tasks against `twinspan sim`. It adds the other tenant's token by itself, to members and hubs only.
//!
//! The extension comes from no package registry: `TWINSPAN_AZ_EXTENSIONS` names the folder that `az extension add` filled.

use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::azure_cli::{self, AzureCli};
use crate::program::{Home, wait_for};

/// Ids of the resources in the ready world.
struct Places {
    central: String,
    target: String,
    central_subscription: String,
    target_subscription: String,
    group: String,
    manager: String,
    manager_id: String,
    hub: Value,
    spoke: Value,
}

impl Places {
    fn of(azure: &Azure) -> Places {
        let text = |pointer: &str| azure.ready.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let (central_subscription, group) =
            (text("/tenants/central/subscription"), text("/tenants/central/resource_group"));
        let manager = text("/tenants/central/network_manager").rsplit('/').next().unwrap().to_owned();
        let manager_id = format!(
            "/subscriptions/{central_subscription}/resourceGroups/{group}/providers/Microsoft.Network/networkManagers/{manager}"
        );
        Places {
            central: text("/tenants/central/id"),
            target: text("/tenants/target/id"),
            target_subscription: text("/tenants/target/subscription"),
            hub: azure.ready["tenants"]["central"]["virtual_networks"][0].clone(),
            spoke: azure.ready["tenants"]["target"]["virtual_networks"][0].clone(),
            central_subscription,
            group,
            manager,
            manager_id,
        }
    }
}

/// `az network manager …`, as the words of one command line; `{}` stands for the manager.
struct Extension<'a> {
    cli: AzureCli<'a>,
    places: Places,
}

impl Extension<'_> {
    fn words<'w>(&'w self, command: &'w str, more: &[&'w str]) -> Vec<&'w str> {
        let of_manager = ["--network-manager", &self.places.manager, "-g", &self.places.group];
        let mut words = vec!["network", "manager"];
        for word in command.split(' ') {
            if word == "{}" { words.extend(of_manager) } else { words.push(word) }
        }
        words.extend(more);
        words
    }

    #[track_caller]
    fn json(&self, command: &str, more: &[&str]) -> Value {
        self.cli.json(&self.words(command, more))
    }

    #[track_caller]
    fn az(&self, command: &str, more: &[&str]) {
        self.cli.az(&self.words(command, more));
    }
}

#[test]
fn the_azure_clis_extension_does_the_documents_tasks() {
    let (Some(program), Some(extensions)) = (azure_cli::program(), azure_cli::extensions()) else { return };
    let (azure, home) = (Azure::start(&["--ready-world"]), Home::new());
    let places = Places::of(&azure);
    let cli = AzureCli::with_extensions(program, Some(extensions), &azure, &home);
    // Both tenants are signed in to, so that the CLI finds the token of the other one.
    cli.sign_in("app", &places.target);
    cli.sign_in("app", &places.central);
    cli.az(&["account", "set", "-s", &places.central_subscription]);
    let az = Extension { cli, places };
    connect(&az);
    let group = members(&az);
    deploy(&az, &group);
    take_back(&az);
    own_manager_and_management_group(&az);
}

fn connect(az: &Extension<'_>) {
    let Places { target, target_subscription, manager_id, .. } = &az.places;
    let shown = az.json("show -n", &[&az.places.manager, "-g", &az.places.group]);
    assert_eq!(shown["id"], manager_id.as_str());
    let scope = format!("/subscriptions/{target_subscription}");
    let made = az
        .json("scope-connection create -n to-fabrikam {}", &["--tenant-id", target, "--resource-id", &scope]);
    assert_eq!(made["connectionState"], "Pending", "{made:#}");
    let made = az.json(
        "connection subscription create -n to-central",
        &["--network-manager-id", manager_id, "--subscription", target_subscription],
    );
    assert_eq!(made["connectionState"], "Pending", "{made:#}");
    wait_for("both sides to be Connected", Duration::from_secs(60), || {
        let half = az.json("scope-connection show -n to-fabrikam {}", &[]);
        (half["connectionState"] == "Connected").then_some(())
    });
    let listed = az.json("connection subscription list --subscription", &[target_subscription]);
    assert_eq!(listed[0]["connectionState"], "Connected", "{listed:#}");
    let listed = az.json("scope-connection list {}", &[]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed:#}");
    let shown = az.json("show -n", &[&az.places.manager, "-g", &az.places.group]);
    let held = &shown["networkManagerScopes"]["crossTenantScopes"][0];
    assert_eq!((&held["tenantId"], &held["subscriptions"]), (&json!(target), &json!([scope])), "{shown:#}");
}

/// The group's id.
fn members(az: &Extension<'_>) -> String {
    let group = az.json("group create -n ng-az {}", &[]);
    for (name, network) in [("app", &az.places.spoke), ("hub", &az.places.hub)] {
        let network = network.as_str().unwrap();
        let made = az.json(
            "group static-member create --network-group ng-az {} -n",
            &[name, "--resource-id", network],
        );
        assert_eq!(made["resourceId"], network, "{made:#}");
    }
    let listed = az.json("group static-member list --network-group ng-az {} --query [].name", &[]);
    assert_eq!(listed, json!(["app", "hub"]));
    group["id"].as_str().unwrap().to_owned()
}

fn deploy(az: &Extension<'_>, group: &str) {
    let create = "connect-config create {} --configuration-name";
    let groups = format!("[{{group-connectivity:DirectlyConnected,network-group-id:{group}}}]");
    let mesh = az.json(create, &["mesh", "--applies-to-groups", &groups, "--connectivity-topology", "Mesh"]);
    let groups = format!("[{{group-connectivity:None,network-group-id:{group},use-hub-gateway:False}}]");
    let hub = format!("resource-id={}", az.places.spoke.as_str().unwrap());
    let spokes = az.json(
        create,
        &[
            "spokes",
            "--applies-to-groups",
            &groups,
            "--connectivity-topology",
            "HubAndSpoke",
            "--hub",
            &hub,
            "resource-type=Microsoft.Network/virtualNetworks",
        ],
    );
    assert_eq!(spokes["hubs"][0]["resourceId"], az.places.spoke, "a hub in the other tenant: {spokes:#}");
    let id = mesh["id"].as_str().unwrap();
    let named = ["--network-manager-name", &az.places.manager, "-g", &az.places.group];
    let commit =
        ["--commit-type", "Connectivity", "--target-locations", "westeurope", "--configuration-ids", id];
    az.az("post-commit", &[&named[..], &commit].concat());
    let asked = ["--deployment-types", "Connectivity", "--regions", "westeurope"];
    wait_for("the deployment to be listed", Duration::from_secs(60), || {
        let listed = az.json("list-deploy-status", &[&named[..], &asked].concat());
        (listed["value"][0]["deploymentStatus"] == "Deployed").then_some(())
    });
    let active =
        az.json("list-active-connectivity-config", &[&named[..], &["--regions", "westeurope"]].concat());
    assert_eq!(active["value"][0]["id"], id, "{active:#}");
    // The manager's own scope does not include the spoke: only connected subscriptions are reached.
    let spoke: Vec<&str> = az.places.spoke.as_str().unwrap().split('/').collect();
    let effective = az.json(
        "list-effective-connectivity-config --virtual-network-name",
        &[spoke[8], "-g", spoke[4], "--subscription", &az.places.target_subscription],
    );
    assert_eq!(effective["value"][0]["id"], id, "{effective:#}");
}

fn take_back(az: &Extension<'_>) {
    let refused = az.cli.refused(&az.words("connect-config delete --configuration-name mesh {} --yes", &[]));
    assert!(refused.contains("is part of a deployment"), "{refused}");
    az.az("connect-config delete --configuration-name mesh {} --yes --force", &[]);
    az.az("connect-config delete --configuration-name spokes {} --yes", &[]);
    for name in ["app", "hub"] {
        az.az("group static-member delete --network-group ng-az {} --yes -n", &[name]);
    }
    az.az("group delete -n ng-az {} --yes", &[]);
    az.az("scope-connection delete -n to-fabrikam {} --yes", &[]);
    let left = az
        .json("connection subscription show -n to-central --subscription", &[&az.places.target_subscription]);
    assert_eq!(left["connectionState"], "Revoked", "the scope connection is deleted: {left:#}");
    az.az(
        "connection subscription delete -n to-central --yes --subscription",
        &[&az.places.target_subscription],
    );
    assert_eq!(az.json("group list {}", &[]), json!([]));
    assert_eq!(az.json("scope-connection list {}", &[]), json!([]));
}

fn own_manager_and_management_group(az: &Extension<'_>) {
    let group = ["--management-group-id", "CliMgmtGroup"];
    let of_manager = ["--network-manager-id", &az.places.manager_id];
    az.az("connection management-group create -n to-central", &[&group[..], &of_manager].concat());
    let listed = az.json("connection management-group list", &group);
    assert_eq!(listed[0]["name"], "to-central", "{listed:#}");
    az.az("connection management-group delete -n to-central --yes", &group);
    let scopes = format!("subscriptions=/subscriptions/{}", az.places.central_subscription);
    let made = az.json(
        "create -n nm-az --scope-accesses SecurityAdmin -l westeurope -g",
        &[&az.places.group, "--network-manager-scopes", &scopes],
    );
    assert_eq!(made["provisioningState"], "Succeeded", "{made:#}");
    az.az("delete -n nm-az --yes -g", &[&az.places.group]);
    let listed = az.json("list --query [].name -g", &[&az.places.group]);
    assert_eq!(listed, json!([az.places.manager]));
}
