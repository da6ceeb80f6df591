use crate::kinds::named_resource::{Named, NamedResource};
use serde_json::{Value, json};

use super::*;
use crate::azure::scripted::Bench;
use crate::kinds::wire_test::{Attempt, asked, body, params, wait};
use twinspan_engine::{FailureClass, Phase};

const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";
const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";

fn kind(bench: &Bench) -> Named<ConnectivityConfiguration> {
    Named::<ConnectivityConfiguration>::new(&bench.azure)
}

/// The example's configuration as Azure returns it.
fn made() -> Value {
    json!({ "connectivityTopology": "HubAndSpoke", "description": "x [twinspan:00000007]",
        "hubs": [{ "resourceId": default_world::hub().path().to_uppercase(), "resourceType": HUB_TYPE }],
        "appliesToGroups": [{ "networkGroupId": default_world::group().key(), "groupConnectivity": "None",
            "useHubGateway": "False", "isGlobal": "False" }],
        "isGlobal": "False", "deleteExistingPeering": "False", "provisioningState": "Succeeded" })
}

fn other_hub() -> Params {
    let mut given = serde_json::to_value(ConnectivityConfiguration::example()).unwrap();
    given["hub"] = json!(SPOKE);
    params(given)
}

async fn seen(properties: Value, given: &Params, phase: Phase) -> Observed<Output> {
    let bench = Bench::new();
    bench.script.answer(200, &json!({ "name": "hub-and-spoke", "properties": properties }));
    Attempt::new(&bench, phase).check(&kind(&bench), given).await.unwrap()
}

async fn fields(properties: Value, given: &Params) -> Vec<String> {
    match seen(properties, given, Phase::Probe).await {
        Observed::Differs { differences, .. } => differences.into_iter().map(|d| d.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_compared_field_by_field() {
    let given = ConnectivityConfiguration::example();
    let found = seen(made(), &given, Phase::Probe).await;
    assert!(
        matches!(&found, Observed::Present { marker: Marker::Of(run), .. } if run == "00000007"),
        "{found:?}"
    );
    let mut bare = made();
    for flag in ["isGlobal", "deleteExistingPeering"] {
        bare.as_object_mut().unwrap().remove(flag);
    }
    assert!(matches!(seen(bare, &given, Phase::Probe).await, Observed::Present { .. }), "left out is False");
    for (field, value, differs) in [
        ("connectivityTopology", json!("Mesh"), "topology"),
        ("hubs", json!([]), "hub"),
        ("hubs", json!([{ "resourceId": SPOKE }]), "hub"),
        ("isGlobal", json!("True"), "global"),
        ("deleteExistingPeering", json!(true), "delete existing peering"),
        ("appliesToGroups", json!([]), "group ng-spokes"),
        ("provisioningState", json!("Failed"), "provisioning state"),
    ] {
        let mut other = made();
        other[field] = value;
        assert_eq!(fields(other, &given).await, [differs], "{field}");
    }
    let mut more = made();
    let second = format!("{}/networkGroups/ng-other", default_world::MANAGER);
    more["appliesToGroups"].as_array_mut().unwrap().insert(0, json!({ "networkGroupId": second }));
    more["appliesToGroups"][1]["useHubGateway"] = json!("true");
    assert_eq!(fields(more, &given).await, ["group ng-spokes", "group ng-other"]);
    let mut working = made();
    working["provisioningState"] = json!("Updating");
    let waits = wait(seen(working.clone(), &given, Phase::Verify).await);
    assert_eq!(waits.what, "connectivity configuration hub-and-spoke is Updating");
    assert!(matches!(seen(working, &given, Phase::UndoProbe).await, Observed::Present { .. }));
}

#[tokio::test]
async fn only_the_configuration_that_the_plan_describes_is_removed() {
    let bench = Bench::new();
    let mut other = made();
    other["isGlobal"] = json!("True");
    let mut failed = made();
    failed["provisioningState"] = json!("Failed");
    for properties in [&failed, &other] {
        bench.script.answer(200, &json!({ "name": "hub-and-spoke", "properties": properties }));
    }
    let (attempt, given) = (Attempt::removing(&bench), ConnectivityConfiguration::example());
    let same = attempt.check(&kind(&bench), &given).await.unwrap();
    assert!(matches!(same, Observed::Present { .. }), "{same:?}");
    let differs = attempt.check(&kind(&bench), &given).await.unwrap();
    assert!(matches!(differs, Observed::Differs { .. }), "{differs:?}");
}

#[tokio::test]
async fn switches_are_compared_where_the_plan_says_them() {
    let mut given = serde_json::to_value(ConnectivityConfiguration::example()).unwrap();
    given["capabilities"] = json!({ "enforce_peering": true });
    let given = params(given);
    let all = ["private endpoints scale", "address overlap", "peering enforcement"];
    assert_eq!(fields(made(), &given).await, all);
    let mut same = made();
    same["connectivityCapabilities"] = json!({ "connectedGroupPrivateEndpointsScale": "Standard",
        "connectedGroupAddressOverlap": "allowed", "peeringEnforcement": "Enforced" });
    assert!(matches!(seen(same, &given, Phase::Probe).await, Observed::Present { .. }));
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_asked() {
    let mesh = json!({ "network_manager": default_world::MANAGER, "name": "c", "topology": "mesh",
        "groups": [{ "group": default_world::group() }] });
    for (change, words) in [
        (json!({ "topology": "hub-and-spoke" }), "needs a `hub`"),
        (json!({ "hub": SPOKE }), "a mesh has no `hub`"),
        (
            json!({ "topology": "hub-and-spoke", "hub": default_world::MANAGER }),
            "not the id of a virtual network",
        ),
        (json!({ "groups": [] }), "`groups`: it is empty"),
        (
            json!({ "groups": [{ "group": default_world::group(), "use_hub_gateway": true }] }),
            "`use_hub_gateway`",
        ),
        (json!({ "capabilities": { "enforce_peering": true } }), "`enforce_peering`"),
        (
            json!({ "groups": [{ "group": default_world::group().path().replace("nm-group", "nm-other") }] }),
            "does not belong to network manager",
        ),
    ] {
        let bench = Bench::new();
        let mut given = mesh.clone();
        given.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused =
            Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &params(given)).await.unwrap_err();
        assert!(refused.message.contains(words), "{}", refused.message);
        assert_eq!((refused.class, asked(&bench).len()), (FailureClass::PlanWrong, 0));
    }
}

#[tokio::test]
async fn flags_are_texts_and_undo_has_no_force() {
    let bench = Bench::new();
    bench.script.answer(200, &json!({ "properties": {} })).answer_with(202, &[("location", "https://x")], "");
    let given: Params = params(
        json!({ "network_manager": default_world::MANAGER, "name": "m", "topology": "mesh",
        "groups": [{ "group": default_world::group(), "global": true }], "global": true, "description": "all" }),
    );
    let mut attempt = Attempt::new(&bench, Phase::Apply);
    attempt.auxiliary = true;
    attempt.apply(&kind(&bench), &given).await.unwrap();
    let sent = json!({ "properties": { "description": "all [twinspan:00000007]", "connectivityTopology": "Mesh",
        "hubs": [], "appliesToGroups": [{ "networkGroupId": default_world::group(),
            "groupConnectivity": "DirectlyConnected", "useHubGateway": "False", "isGlobal": "True" }],
        "isGlobal": "True", "deleteExistingPeering": "False" } });
    assert_eq!(body(&bench), sent);
    let found = Output {
        id: ConnectivityConfiguration::id(&given).unwrap(),
        name: FoundName::from(&given.name),
        topology: String::new(),
        hub: String::new(),
        groups: Vec::new(),
    };
    Attempt::new(&bench, Phase::Undo).undo(&kind(&bench), &given, &found).await.unwrap();
    let path = format!("{}/connectivityConfigurations/m?api-version=2024-10-01", default_world::MANAGER);
    assert_eq!(asked(&bench), [format!("PUT {path}"), format!("DELETE {path}")]);
    let went_along = bench.script.requests()[0].token("x-ms-authorization-auxiliary");
    assert_eq!(went_along, None, "a mesh has no hub in another tenant");
}

#[tokio::test]
async fn the_token_of_the_hubs_tenant_goes_along_and_its_lack_is_the_plans_mistake() {
    let bench = Bench::new();
    let refused = json!({ "error": { "code": "LinkedAuthorizationFailed", "message": "The client has permission to \
        perform action 'Microsoft.Network/virtualNetworks/write' on scope 'x', however the current tenant 'c' is not \
        authorized to access linked subscription 's'." } });
    bench.script.answer(200, &json!({ "properties": {} })).answer(403, &refused);
    let mut attempt = Attempt::new(&bench, Phase::Apply);
    attempt.auxiliary = true;
    attempt.apply(&kind(&bench), &other_hub()).await.unwrap();
    let tenant = bench.script.requests()[0].token("x-ms-authorization-auxiliary").map(|(_, tenant)| tenant);
    assert_eq!(tenant.as_deref(), Some(TARGET));
    attempt.auxiliary = false;
    let error = attempt.apply(&kind(&bench), &other_hub()).await.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert!(error.hint.unwrap().contains("`auxiliary:`"));
}

#[tokio::test]
async fn a_hub_outside_the_scope_and_a_missing_gateway_are_waited_for() {
    let bench = Bench::new();
    let scopes =
        |across: Value| json!({ "properties": { "networkManagerScopes": { "crossTenantScopes": across } } });
    bench.script.answer(200, &scopes(json!([])));
    let mut attempt = Attempt::new(&bench, Phase::Probe);
    attempt.auxiliary = true;
    let mut given = serde_json::to_value(other_hub()).unwrap();
    given["groups"][0]["use_hub_gateway"] = json!(true);
    let given = params(given);
    let Readiness::Waiting(early) = attempt.precondition(&kind(&bench), &given).await.unwrap() else {
        panic!()
    };
    assert!(early.what.contains("is not in the scope of network manager nm-group"), "{}", early.what);
    let across = json!([{ "tenantId": TARGET, "subscriptions": ["/subscriptions/bbbbbbbb-0000-0000-0000-000000000001"] }]);
    for subnets in [json!([{ "name": "default" }]), json!([{ "name": "gatewaysubnet" }])] {
        bench.script.answer(200, &scopes(across.clone()));
        bench.script.answer(200, &json!({ "displayName": "x", "tenantId": TARGET, "state": "Enabled" }));
        bench.script.answer(200, &json!({ "name": "vnet-app", "properties": { "subnets": subnets } }));
    }
    let Readiness::Waiting(wait) = attempt.precondition(&kind(&bench), &given).await.unwrap() else {
        panic!()
    };
    assert_eq!(wait.kind, WaitKind::Person);
    assert!(wait.what.starts_with("hub vnet-app has no GatewaySubnet"), "{}", wait.what);
    assert_eq!(attempt.precondition(&kind(&bench), &given).await.unwrap(), Readiness::Ready);
    let reader = bench.script.requests()[3].token("authorization").map(|(_, tenant)| tenant);
    assert_eq!(reader.as_deref(), Some(TARGET), "the hub is read in its own tenant");
}

/// The plan declares `auxiliary` in every case, whatever hub it is given.
#[tokio::test]
async fn a_hub_in_another_subscription_of_the_managers_own_tenant_is_read_as_the_manager_is() {
    let second = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000002";
    let bench = Bench::new();
    let scopes = json!({ "properties": { "networkManagerScopes": { "subscriptions": [second] } } });
    bench
        .script
        .answer(200, &scopes)
        .answer(404, &json!({ "error": { "code": "SubscriptionNotFound", "message": "no" } }))
        .answer(200, &json!({ "displayName": "x", "tenantId": CENTRAL, "state": "Enabled" }))
        .answer(
            200,
            &json!({ "name": "vnet-hub", "properties": { "subnets": [{ "name": "GatewaySubnet" }] } }),
        );
    let mut attempt = Attempt::new(&bench, Phase::Probe);
    attempt.auxiliary = true;
    let mut given = serde_json::to_value(other_hub()).unwrap();
    given["groups"][0]["use_hub_gateway"] = json!(true);
    given["hub"] =
        json!(format!("{second}/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"));
    let readiness = attempt.precondition(&kind(&bench), &params(given)).await.unwrap();
    assert_eq!(readiness, Readiness::Ready);
    let asked_as: Vec<String> =
        bench.script.requests().iter().map(|request| request.token("authorization").unwrap().1).collect();
    assert_eq!(asked_as, [CENTRAL, TARGET, CENTRAL, CENTRAL]);
}

#[test]
fn the_right_on_the_hub_is_that_of_whoever_is_at_home_where_it_lies() {
    let bench = Bench::new();
    let mut attempt = Attempt::new(&bench, Phase::Probe);
    attempt.auxiliary = true;
    for (given, identity) in [(ConnectivityConfiguration::example(), "central"), (other_hub(), "target")] {
        let permissions = attempt.permissions(&kind(&bench), &given).unwrap();
        let linked =
            permissions.iter().find(|right| right.action.ends_with("virtualNetworks/write")).unwrap();
        assert_eq!(linked.identity.name, identity, "{}", linked.on);
        assert_eq!(Some(linked.on.as_str()), given.hub.as_ref().map(ResourceId::path));
    }
}

/// A person hardened the configuration and noted a ticket; the plan mentions neither.
#[tokio::test]
async fn what_is_overwritten_keeps_what_the_plan_does_not_speak_of() {
    let bench = Bench::new();
    let given = ConnectivityConfiguration::example();
    let hardened = json!({ "connectedGroupPrivateEndpointsScale": "HighScale",
        "connectedGroupAddressOverlap": "Disallowed", "peeringEnforcement": "Enforced" });
    let mut there = made();
    there["description"] = json!("ticket 4711 [twinspan:1a2b3c4d]");
    there["connectivityCapabilities"] = hardened.clone();
    there["resourceGuid"] = json!("g");
    there["provisioningState"] = json!("Succeeded");
    let found = json!({ "properties": there });
    bench.script.answer(200, &found).answer(200, &found).answer(200, &found);
    let mut attempt = Attempt::new(&bench, Phase::Apply);
    attempt.overwrites = true;
    attempt.apply(&kind(&bench), &given).await.unwrap();
    let sent = body(&bench);
    assert_eq!(sent["properties"]["connectivityCapabilities"], hardened);
    assert_eq!(sent["properties"]["description"], "ticket 4711 [twinspan:00000007]");
    assert_eq!(
        (&sent["properties"]["resourceGuid"], &sent["properties"]["provisioningState"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(sent["properties"]["appliesToGroups"].as_array().unwrap().len(), 1);
}

/// Azure does not withdraw the permission for overlapping addresses.
#[tokio::test]
async fn overlapping_addresses_are_disallowed_only_by_recreating_it() {
    for (wanted, there, immutable) in [(true, "Allowed", true), (false, "Disallowed", false)] {
        let mut given = serde_json::to_value(ConnectivityConfiguration::example()).unwrap();
        given["capabilities"] = json!({ "disallow_address_overlap": wanted });
        let mut found = made();
        found["connectivityCapabilities"] = json!({ "connectedGroupPrivateEndpointsScale": "Standard",
            "connectedGroupAddressOverlap": there, "peeringEnforcement": "Unenforced" });
        let seen = seen(found, &params(given), Phase::Probe).await;
        let Observed::Differs { differences, .. } = seen else { panic!("{seen:?}") };
        assert_eq!((differences.len(), differences[0].immutable), (1, immutable), "{differences:?}");
    }
}
