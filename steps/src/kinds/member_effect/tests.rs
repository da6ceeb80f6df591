//! Tests what is read, in which tenant, and what a person reads about it.

use serde_json::{Value, json};

use super::*;
use crate::azure::scripted::{Bench, CENTRAL, TARGET};
use crate::kinds::wire_test::{Attempt, asked, params};
use twinspan_engine::{FailureClass, Phase, Reading};

const TARGET_NETWORKS: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks";

/// The responses of both tenants, in the order of the requests.
struct World {
    members: Vec<String>,
    configurations: Vec<Value>,
    deployments: Vec<Value>,
    active: Vec<Value>,
    /// Networks that join or leave: name, region, prefix, peerings.
    moving: Vec<(&'static str, &'static str, &'static str, Value)>,
    /// Networks that are read after that: hubs and members, in the order of the requests.
    beside: Vec<(u16, Value)>,
    /// Configurations in effect on each moving network that is reached.
    effective: Vec<Value>,
}

fn id(name: &str) -> String {
    if name == "vnet-hub" {
        default_world::hub().path().to_owned()
    } else {
        format!("{TARGET_NETWORKS}/{name}")
    }
}

fn network(region: &str, prefix: &str, peerings: &Value) -> Value {
    json!({ "location": region, "properties": {
        "addressSpace": { "addressPrefixes": [prefix] }, "virtualNetworkPeerings": peerings } })
}

fn peering(name: &str, remote: &str) -> Value {
    json!({ "name": name, "properties": { "remoteVirtualNetwork": { "id": id(remote) } } })
}

fn configuration_id(name: &str) -> String {
    format!("{}/connectivityConfigurations/{name}", default_world::MANAGER)
}

fn star(connectivity: &str, delete_existing: &str) -> Value {
    json!({ "connectivityTopology": "HubAndSpoke", "deleteExistingPeering": delete_existing,
        "hubs": [{ "resourceId": id("vnet-hub"), "resourceType": "Microsoft.Network/virtualNetworks" }],
        "appliesToGroups": [{ "networkGroupId": default_world::group(), "groupConnectivity": connectivity,
            "useHubGateway": "False", "isGlobal": "False" }] })
}

fn mesh() -> Value {
    json!({ "connectivityTopology": "Mesh", "isGlobal": "False", "hubs": [],
        "appliesToGroups": [{ "networkGroupId": default_world::group(), "groupConnectivity": "DirectlyConnected" }] })
}

fn active(name: &str, properties: &Value) -> Value {
    json!({ "id": configuration_id(name), "region": "westeurope", "properties": properties, "configurationGroups": [] })
}

fn hub() -> (u16, Value) {
    (200, network("westeurope", "10.0.0.0/16", &json!([])))
}

impl World {
    /// A world in which vnet-app joins an empty group to which nothing is deployed.
    fn plain() -> Self {
        World {
            members: Vec::new(),
            configurations: Vec::new(),
            deployments: Vec::new(),
            active: Vec::new(),
            moving: vec![("vnet-app", "westeurope", "10.1.0.0/16", json!([]))],
            beside: Vec::new(),
            effective: Vec::new(),
        }
    }

    /// The same world with this configuration deployed.
    fn with(name: &str, properties: &Value) -> Self {
        World {
            configurations: vec![json!({ "name": name, "properties": properties })],
            active: vec![active(name, properties)],
            effective: vec![json!([])],
            ..World::plain()
        }
    }

    fn script(&self, bench: &Bench) {
        let list = |value: &Value| json!({ "value": value, "nextLink": "" });
        let tokened = |value: &Value| json!({ "value": value, "skipToken": "" });
        let members: Vec<Value> = self
            .members
            .iter()
            .map(|id| json!({ "name": "m", "properties": { "resourceId": id, "provisioningState": "Succeeded" } }))
            .collect();
        bench.script.answer(200, &list(&json!(members)));
        if self.moving.iter().any(|moving| moving.0 != "vnet-hub") {
            let subscription = json!({ "displayName": "x", "tenantId": TARGET, "state": "Enabled" });
            bench.script.answer(200, &subscription);
        }
        for (name, region, prefix, peerings) in &self.moving {
            let mut network = network(region, prefix, peerings);
            network["name"] = json!(name);
            bench.script.answer(200, &network);
        }
        bench.script.answer(200, &list(&json!(self.configurations)));
        bench.script.answer(200, &tokened(&json!(self.deployments)));
        bench.script.answer(200, &tokened(&json!(self.active)));
        for (status, answer) in &self.beside {
            bench.script.answer(*status, answer);
        }
        for effective in &self.effective {
            bench.script.answer(200, &tokened(effective));
        }
    }

    async fn look(&self, change: &str) -> (Output, Bench) {
        let bench = Bench::new();
        self.script(&bench);
        let ids: Vec<String> = self.moving.iter().map(|moving| id(moving.0)).collect();
        let params: Params =
            params(json!({ "group": default_world::group(), "virtual_networks": ids, "change": change }));
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.identities = Some(vec![bench.central.clone(), bench.target.clone()]);
        // The members are listed only once per check.
        attempt.reads_from = jiff::Timestamp::MIN;
        let kind = Reading(MemberEffect { azure: Arc::clone(&bench.azure) });
        let seen = attempt.check(&kind, &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        (output, bench)
    }
}

#[tokio::test]
async fn where_nothing_is_deployed_no_traffic_changes_and_little_is_asked() {
    let mut world = World::plain();
    world.configurations = vec![json!({ "name": "spokes", "properties": star("None", "False") })];
    let (output, bench) = world.look("add").await;
    assert_eq!(
        output.summary,
        "1 virtual network joins ng-spokes: vnet-app. No connectivity configuration that applies to ng-spokes is deployed in \
         westeurope: no traffic changes now. A later deployment (of 'spokes') to ng-spokes will reach them."
    );
    assert!(!output.changes_traffic && output.configurations.is_empty() && output.newly_billed == 0);
    let manager = default_world::MANAGER;
    let wanted = [
        format!("GET {}/staticMembers?api-version=2024-10-01", default_world::group()),
        "GET /subscriptions/bbbbbbbb-0000-0000-0000-000000000001?api-version=2022-12-01".to_owned(),
        format!("GET {TARGET_NETWORKS}/vnet-app?api-version=2024-10-01"),
        format!("GET {manager}/connectivityConfigurations?api-version=2024-10-01"),
        format!("POST {manager}/listDeploymentStatus?api-version=2024-10-01"),
        format!("POST {manager}/listActiveConnectivityConfigurations?api-version=2024-10-01"),
    ];
    assert_eq!(asked(&bench), wanted);
    let requests = bench.script.requests();
    let tenants: Vec<String> =
        requests.iter().map(|request| request.token("authorization").unwrap().1).collect();
    assert_eq!(tenants, [CENTRAL, TARGET, TARGET, CENTRAL, CENTRAL, CENTRAL]);
    assert_eq!(
        requests[4].body,
        json!({ "regions": ["westeurope"],
            "deploymentTypes": ["Connectivity", "SecurityAdmin", "SecurityUser", "Routing"] })
    );
}

#[tokio::test]
async fn a_deployed_hub_and_spoke_makes_peerings_and_removes_others() {
    let mut world = World::with("spokes", &star("None", "True"));
    world.moving[0].3 = json!([peering("to-old", "vnet-old"), peering("ANM_1A", "vnet-other")]);
    world.beside = vec![hub()];
    let (output, bench) = world.look("add").await;
    assert_eq!(
        output.summary,
        "1 virtual network joins ng-spokes: vnet-app. Deployed in westeurope: hub-and-spoke 'spokes' (hub vnet-hub). Peerings \
         will be created: vnet-hub ↔ vnet-app. Existing peerings will be deleted (deleteExistingPeering): vnet-app ↔ vnet-old \
         (to-old). Billing: Virtual Network Manager is charged per virtual network with a deployed configuration: 1 more."
    );
    assert!(output.changes_traffic);
    assert_eq!(output.configurations, [configuration_id("spokes").parse().unwrap()]);
    assert_eq!(output.regions, ["westeurope"]);
    assert_eq!((output.peerings_added.len(), output.peerings_removed.len(), output.newly_billed), (1, 1, 1));
    let last = bench.script.requests().pop().unwrap();
    assert!(last.address.contains("vnet-app/listNetworkManagerEffectiveConnectivityConfigurations"));
    assert_eq!(last.token("authorization").unwrap().1, TARGET);
}

#[tokio::test]
async fn overlapping_addresses_are_found_among_members_and_with_the_hub() {
    let mut world = World::with("spokes", &star("DirectlyConnected", "False"));
    world.members = vec![id("vnet-x"), id("vnet-far"), id("vnet-gone")];
    world.moving.push(("vnet-data", "westeurope", "10.0.128.0/24", json!([])));
    world.effective.push(json!([active("of-another-manager", &mesh())]));
    let absent = json!({ "error": { "code": "ResourceNotFound", "message": "no" } });
    world.beside = vec![
        hub(),
        (200, network("westeurope", "10.1.4.0/22", &json!([]))),
        (200, network("northeurope", "10.1.8.0/22", &json!([]))),
        (404, absent),
    ];
    let (output, _) = world.look("add").await;
    let overlaps: Vec<(&str, &str, bool)> = output
        .overlaps
        .iter()
        .map(|of| (judgement::name(&of.virtual_network), judgement::name(&of.other), of.hub))
        .collect();
    // The network in another region is not connected: the configuration is not global.
    assert_eq!(overlaps, [("vnet-app", "vnet-x", false), ("vnet-data", "vnet-hub", true)]);
    for words in [
        "2 virtual networks join ng-spokes: vnet-app, vnet-data",
        "(hub vnet-hub; members reach each other directly)",
        "vnet-app 10.1.0.0/16 and vnet-x 10.1.4.0/22: traffic between them is dropped",
        "vnet-data 10.0.128.0/24 and vnet-hub 10.0.0.0/16: Azure creates no peering between them",
        "Not compared, because no identity of this step can read them: vnet-gone",
        "a deployed configuration: 1 more",
    ] {
        assert!(output.summary.contains(words), "{words:?} is not in {}", output.summary);
    }
    assert_eq!(output.unread, [id("vnet-gone")]);
}

#[tokio::test]
async fn limits_that_are_passed_are_said() {
    let mut world = World::with("all", &mesh());
    world.members = (0..250).map(|number| id(&format!("vnet-{number}"))).collect();
    world.beside = (0..250)
        .map(|number| (200, network("westeurope", &format!("10.{number}.0.0/24"), &json!([]))))
        .collect();
    world.moving[0].2 = "172.16.0.0/16";
    world.effective = vec![json!([active("a", &mesh()), active("b", &mesh())])];
    let (output, _) = world.look("add").await;
    assert_eq!(output.limits.len(), 2, "{:?}", output.limits);
    assert!(output.limits[0].starts_with("group ng-spokes will have 251 members"), "{}", output.limits[0]);
    assert_eq!(output.limits[1], "vnet-app will be in 3 connected groups, but 2 are allowed");
    assert!(output.summary.contains("Deployed in westeurope: mesh 'all'"), "{}", output.summary);
    assert!(output.summary.contains("Limit: vnet-app will be in 3"), "{}", output.summary);
    assert!(output.summary.contains("Billing: nothing more"), "{}", output.summary);
}

#[tokio::test]
async fn what_is_only_being_deployed_counts_and_other_types_are_named() {
    let mut world = World::plain();
    world.configurations = vec![json!({ "name": "spokes", "properties": star("None", "False") })];
    world.deployments = vec![
        json!({ "region": "West Europe", "deploymentStatus": "Deploying", "deploymentType": "Connectivity",
            "configurationIds": [configuration_id("spokes").to_uppercase()] }),
        json!({ "region": "westeurope", "deploymentStatus": "Deployed", "deploymentType": "SecurityAdmin",
            "configurationIds": ["/x/securityAdminConfigurations/deny-all"] }),
        json!({ "region": "westeurope", "deploymentStatus": "Deployed", "deploymentType": "Routing",
            "configurationIds": null }),
    ];
    world.beside = vec![hub()];
    world.effective = vec![json!([])];
    let (output, _) = world.look("add").await;
    assert!(output.changes_traffic);
    for words in [
        "Being deployed in westeurope: hub-and-spoke",
        "possibly for ng-spokes: SecurityAdmin 'deny-all' in westeurope;",
        "up to 1 more",
    ] {
        assert!(output.summary.contains(words), "{words:?} is not in {}", output.summary);
    }
    // A deployment of another type alone also needs approval: nothing proves that it does not apply.
    world.deployments.remove(0);
    (world.beside, world.effective) = (Vec::new(), Vec::new());
    let (output, _) = world.look("add").await;
    assert!(output.changes_traffic && output.configurations.is_empty(), "{output:?}");
    assert!(!output.summary.contains("no traffic changes now"), "{}", output.summary);
}

#[tokio::test]
async fn networks_in_a_region_without_a_deployment_are_told_apart() {
    let mut world = World::with("spokes", &star("None", "False"));
    world.moving.push(("vnet-north", "northeurope", "10.7.0.0/16", json!([])));
    world.beside = vec![hub()];
    let (output, _) = world.look("add").await;
    assert!(
        output.summary.contains("Nothing is deployed where these lie: vnet-north (northeurope)"),
        "{}",
        output.summary
    );
    assert_eq!((output.peerings_added.len(), output.newly_billed), (1, 1));
}

#[tokio::test]
async fn who_leaves_loses_what_the_configuration_made() {
    let mut world = World::with("spokes", &star("None", "False"));
    world.members = vec![id("vnet-app")];
    world.moving[0].3 = json!([peering("ANM_1A", "vnet-hub"), peering("to-old", "vnet-old")]);
    world.beside = vec![hub()];
    world.effective = vec![json!([active("spokes", &star("None", "False"))])];
    let (output, _) = world.look("remove").await;
    assert_eq!(
        output.summary,
        "1 virtual network leaves ng-spokes: vnet-app. Deployed in westeurope: hub-and-spoke 'spokes' (hub vnet-hub). They lose \
         these configurations, and security and routing rules of the group. Peerings will be deleted: vnet-app ↔ vnet-hub (ANM_1A). \
         Billing: 1 virtual network fewer with a deployed configuration."
    );
    assert_eq!((output.peerings_added.len(), output.no_longer_billed, output.newly_billed), (0, 1, 0));
}

#[tokio::test]
async fn who_is_where_it_is_wanted_changes_nothing() {
    let mut world = World::plain();
    world.members = vec![id("vnet-app").to_uppercase()];
    world.moving.truncate(1);
    let (output, bench) = world.look("add").await;
    assert!(!output.changes_traffic && output.summary.contains("already members of ng-spokes"), "{output:?}");
    assert_eq!(asked(&bench).len(), 1);
    let (output, _) = World::plain().look("remove").await;
    assert!(output.summary.contains("None of these virtual networks"), "{output:?}");
}

#[tokio::test]
async fn what_is_no_virtual_network_or_not_there_is_refused() {
    let bench = Bench::new();
    let kind = Reading(MemberEffect { azure: Arc::clone(&bench.azure) });
    let subnet = format!("{}/subnets/s", id("vnet-app"));
    let look = |ids: Value| params(json!({ "group": default_world::group(), "virtual_networks": ids }));
    let attempt = Attempt::new(&bench, Phase::Probe);
    let error = attempt.check(&kind, &look(json!([subnet]))).await.unwrap_err();
    assert!(error.message.contains("is not the id of a virtual network"), "{error}");
    bench.script.answer(200, &json!({ "value": [], "nextLink": "" }));
    bench.script.answer(404, &json!({ "error": { "code": "ResourceNotFound", "message": "" } }));
    let error = attempt.check(&kind, &look(json!([id("vnet-hub")]))).await.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert!(error.message.contains("cannot find /subscriptions/aaaaaaaa"), "{error}");
}
