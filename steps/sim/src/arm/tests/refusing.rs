//! Requests that Azure refuses, and those that only Azure supports.

use super::*;
use crate::{Change, World};

const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network";
const NOT_SIMULATED: (u16, &str) = (501, "NotSimulated");

fn network(rest: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/{rest}")
}

/// The application's requests to the ready world's central tenant.
struct Central {
    trial: Trial,
    token: String,
}

impl Central {
    fn new() -> Central {
        let mut trial = Trial::ready();
        let token = trial.arm_token("app", CENTRAL);
        Central { trial, token }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Got {
        self.trial.arm(&self.token, method, path, body)
    }

    fn get(&mut self, path: &str) -> Got {
        self.ask("GET", path, &Value::Null)
    }
}

#[test]
fn locations_that_do_not_exist_are_refused_wherever_one_is_given() {
    let mut central = Central::new();
    let scopes = json!({ "networkManagerScopes": { "subscriptions": [CENTRAL_SUBSCRIPTION] } });
    for wrong in ["westeuropa", "global", "x"] {
        for (path, kind, code) in [
            (
                format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-new"),
                "group",
                "LocationNotAvailableForResourceGroup",
            ),
            (network("networkManagers/nm-new"), "networkManagers", "LocationNotAvailableForResourceType"),
            (network("networkManagers/nm-group"), "networkManagers", "LocationNotAvailableForResourceType"),
            (network("virtualNetworks/vnet-new"), "virtualNetworks", "LocationNotAvailableForResourceType"),
        ] {
            let got = central.ask("PUT", &path, &json!({ "location": wrong, "properties": scopes }));
            assert_eq!(got.refusal(), (400, code), "{path} {wrong}: {}", got.body);
            assert!(
                got.message().contains(kind) && got.message().contains("westeurope"),
                "{}",
                got.message()
            );
        }
        let commit = json!({ "targetLocations": [wrong], "commitType": "Connectivity" });
        let got = central.ask("POST", &network("networkManagers/nm-group/commit"), &commit);
        assert_eq!(got.refusal(), (400, "BadRequest"), "{wrong}");
    }
    for (path, body) in [
        (network("networkManagers/nm-group"), json!({ "location": "northeurope", "properties": scopes })),
        (network("virtualNetworks/vnet-hub"), json!({ "location": "northeurope", "properties": {} })),
    ] {
        assert_eq!(central.ask("PUT", &path, &body).refusal(), (409, "InvalidResourceLocation"), "{path}");
    }
    assert!(central.trial.world.effects().iter().all(|effect| effect.change == Change::None));
}

#[test]
fn every_manager_of_every_world_can_be_written_as_it_is_read() {
    for world in [World::shipped(), World::ready(), World::connected()] {
        let mut trial = Trial::of(world.unwrap());
        let token = trial.arm_token("central", CENTRAL);
        let path = network("networkManagers/nm-group");
        let read = trial.arm(&token, "GET", &path, &Value::Null);
        let mut body = json!({ "location": read.body["location"], "properties": {
            "networkManagerScopes": read.body["properties"]["networkManagerScopes"],
            "networkManagerScopeAccesses": read.body["properties"]["networkManagerScopeAccesses"],
        } });
        let got = trial.arm(&token, "PUT", &path, &body);
        assert_eq!(got.status, 200, "{}", got.body);
        assert_eq!(trial.world.effects().last().map(|effect| effect.change), Some(Change::None));
        body["properties"]["description"] = json!("updated");
        assert_eq!(trial.arm(&token, "PUT", &path, &body).text("/properties/description"), "updated");
    }
}

#[test]
fn values_outside_their_lists_and_of_other_types_are_refused() {
    let mut central = Central::new();
    let manager = |accesses: Value| {
        json!({ "location": "westeurope", "properties": {
        "networkManagerScopes": { "subscriptions": [CENTRAL_SUBSCRIPTION] }, "networkManagerScopeAccesses": accesses } })
    };
    for right in [
        json!([]),
        json!(["Connectivity", "SecurityAdmin", "SecurityUser", "Routing"]),
        json!(["connectivity"]),
    ] {
        assert_eq!(
            central.ask("PUT", &network("networkManagers/nm-group"), &manager(right.clone())).status,
            200,
            "{right}"
        );
    }
    let group = "networkManagers/nm-group/networkGroups/g";
    assert_eq!(central.ask("PUT", &network(group), &json!({})).status, 200);
    let configuration = |change: &dyn Fn(&mut Value)| {
        let mut properties = json!({
            "connectivityTopology": "Mesh",
            "appliesToGroups": [{ "networkGroupId": network(group), "groupConnectivity": "DirectlyConnected" }],
        });
        change(&mut properties);
        json!({ "properties": properties })
    };
    let mesh = "networkManagers/nm-group/connectivityConfigurations/c";
    let space = |more: Value| {
        let mut properties = json!({ "addressSpace": { "addressPrefixes": ["10.5.0.0/16"] } });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "location": "westeurope", "properties": properties })
    };
    let subnet = |more: Value| {
        let mut properties = json!({ "addressPrefix": "10.5.0.0/24" });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        space(json!({ "subnets": [{ "name": "s", "properties": properties }] }))
    };
    for (path, wrong) in [
        ("networkManagers/nm-group", manager(json!(["Everything"]))),
        ("networkManagers/nm-group", manager(json!(["Connectivity", ""]))),
        ("networkManagers/nm-group", manager(json!("Connectivity"))),
        ("networkManagers/nm-group", manager(json!([1]))),
        (group, json!({ "properties": { "memberType": "Printer" } })),
        (group, json!({ "properties": { "description": 1 } })),
        (mesh, configuration(&|c| c["connectivityTopology"] = json!("Ring"))),
        (mesh, configuration(&|c| c["isGlobal"] = json!(true))),
        (mesh, configuration(&|c| c["deleteExistingPeering"] = json!("Yes"))),
        (mesh, configuration(&|c| c["appliesToGroups"][0]["groupConnectivity"] = json!("Loose"))),
        (mesh, configuration(&|c| c["appliesToGroups"][0]["useHubGateway"] = json!("Maybe"))),
        (mesh, configuration(&|c| c["hubs"] = json!({}))),
        (
            mesh,
            configuration(&|c| c["connectivityCapabilities"] = json!({ "peeringEnforcement": "Enforced" })),
        ),
        ("virtualNetworks/v", space(json!({ "privateEndpointVNetPolicies": "Some" }))),
        ("virtualNetworks/v", space(json!({ "flowTimeoutInMinutes": 3 }))),
        ("virtualNetworks/v", space(json!({ "flowTimeoutInMinutes": "10" }))),
        ("virtualNetworks/v", space(json!({ "encryption": { "enabled": true, "enforcement": "Perhaps" } }))),
        ("virtualNetworks/v", space(json!({ "subnets": {} }))),
        ("virtualNetworks/v", subnet(json!({ "privateEndpointNetworkPolicies": "Some" }))),
        ("virtualNetworks/v", subnet(json!({ "privateLinkServiceNetworkPolicies": "Some" }))),
        ("virtualNetworks/v", subnet(json!({ "sharingScope": "World" }))),
    ] {
        let got = central.ask("PUT", &network(path), &wrong);
        assert_eq!(got.status, 400, "{path} {wrong}: {}", got.body);
    }
    let commit = json!({ "targetLocations": ["westeurope"], "commitType": "Everything" });
    assert_eq!(central.ask("POST", &network("networkManagers/nm-group/commit"), &commit).status, 400);
    let tags = json!({ "location": "westeurope", "tags": { "a": 1 } });
    for path in [format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-new"), network("virtualNetworks/v")] {
        assert_eq!(central.ask("PUT", &path, &tags).refusal(), (400, "InvalidRequestContent"), "{path}");
    }
    let bad_name = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-new.");
    assert_eq!(
        central.ask("PUT", &bad_name, &json!({ "location": "westeurope" })).refusal(),
        (400, "InvalidResourceGroup")
    );
}

#[test]
fn prefixes_of_networks_and_subnets_are_looked_at_in_every_write() {
    let mut central = Central::new();
    let path = network("virtualNetworks/v");
    let body = |space: Value, subnets: Value| {
        json!({ "location": "westeurope", "properties": {
        "addressSpace": { "addressPrefixes": space }, "subnets": subnets } })
    };
    let subnet =
        |name: &str, prefix: &str| json!({ "name": name, "properties": { "addressPrefix": prefix } });
    for (space, subnets, code) in [
        (json!(["10.5.0.0"]), json!([]), "InvalidAddressPrefixFormat"),
        (json!(["10.5.0.1/16"]), json!([]), "InvalidCIDRNotation"),
        (json!(["10.5.0.0/16", "10.5.1.0/24"]), json!([]), "NetcfgAddressPrefixesOverlap"),
        (json!(["10.5.0.0/16"]), json!([subnet("s", "10.6.0.0/24")]), "NetcfgSubnetRangeOutsideVnet"),
        (
            json!(["10.5.0.0/16"]),
            json!([subnet("s", "10.5.0.0/24"), subnet("t", "10.5.0.128/25")]),
            "NetcfgSubnetRangesOverlap",
        ),
        (json!(["10.5.0.0/16"]), json!([{ "name": "no good", "properties": {} }]), "InvalidResourceName"),
    ] {
        let got = central.ask("PUT", &path, &body(space.clone(), subnets));
        assert_eq!(got.refusal(), (400, code), "{space}: {}", got.body);
    }
    assert_eq!(central.get(&path).status, 404, "it was not created");
    let whole = body(json!(["10.5.0.0/16"]), json!([subnet("s", "10.5.0.0/24")]));
    assert_eq!(central.ask("PUT", &path, &whole).status, 201);
    for (prefix, code) in [
        ("10.5.0.0/25", "NetcfgSubnetRangesOverlap"),
        ("10.6.0.0/24", "NetcfgSubnetRangeOutsideVnet"),
        ("10.5.1.1/24", "InvalidCIDRNotation"),
        ("10.5.1.0/30", "NetcfgInvalidSubnet"),
        ("", "AddressPrefixStringCannotBeNullOrEmpty"),
    ] {
        let got = central.ask("PUT", &format!("{path}/subnets/t"), &subnet("t", prefix));
        assert_eq!(got.refusal(), (400, code), "{prefix}");
    }
    // Its own old range does not conflict.
    assert_eq!(central.ask("PUT", &format!("{path}/subnets/s"), &subnet("s", "10.5.0.0/25")).status, 200);
    // An address space that does not contain the subnets.
    let moved = json!({ "location": "westeurope", "properties": { "addressSpace": { "addressPrefixes": ["10.7.0.0/16"] } } });
    assert_eq!(central.ask("PUT", &path, &moved).refusal(), (400, "NetcfgSubnetRangeOutsideVnet"));
}

#[test]
fn a_network_written_without_subnets_keeps_them_since_2023_11_01() {
    for (version, left) in [("2023-09-01", 0), ("2023-11-01", 1), ("2024-10-01", 1)] {
        let mut central = Central::new();
        let path = format!("{}?api-version={version}", network("virtualNetworks/v"));
        let space = json!({ "addressPrefixes": ["10.5.0.0/16"] });
        let with = json!({ "location": "westeurope", "properties": {
            "addressSpace": space, "subnets": [{ "name": "s", "properties": { "addressPrefix": "10.5.0.0/24" } }] } });
        assert_eq!(central.ask("PUT", &path, &with).status, 201);
        let without = json!({ "location": "westeurope", "properties": { "addressSpace": space } });
        let got = central.ask("PUT", &path, &without);
        assert_eq!(got.body["properties"]["subnets"].as_array().map(Vec::len), Some(left), "{version}");
        let emptied =
            json!({ "location": "westeurope", "properties": { "addressSpace": space, "subnets": [] } });
        let got = central.ask("PUT", &path, &emptied);
        assert_eq!(got.body["properties"]["subnets"], json!([]), "{version}: an empty list removes them");
    }
}

#[test]
fn a_provider_in_use_is_not_unregistered() {
    let mut central = Central::new();
    let unregister = format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/unregister");
    let got = central.ask("POST", &unregister, &Value::Null);
    assert_eq!(got.refusal(), (409, "Conflict"));
    assert!(
        got.message().contains("Microsoft.Network") && got.message().contains("still exist"),
        "{}",
        got.message()
    );
    let provider = central.get(&format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network"));
    assert_eq!(provider.text("/registrationState"), "Registered");
    // One side of a connection is enough.
    let half = format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/c");
    assert_eq!(central.ask("PUT", &half, &json!({ "properties": { "networkManagerId": "" } })).status, 200);
    assert_eq!(central.ask("DELETE", GROUP, &Value::Null).status, 202);
    assert_eq!(central.ask("POST", &unregister, &Value::Null).status, 409);
    assert_eq!(central.ask("DELETE", &half, &Value::Null).status, 200);
    assert_eq!(central.ask("POST", &unregister, &Value::Null).status, 200);
}

#[test]
fn management_groups_are_seen_from_above_only() {
    let mut trial = Trial::ready();
    let groups = "/providers/Microsoft.Management/managementGroups";
    // A role on a subscription shows none of the management groups above it.
    let guest = trial.arm_token("target", FABRIKAM);
    assert_eq!(trial.arm(&guest, "GET", groups, &Value::Null).list().len(), 0);
    for path in
        [FABRIKAM_GROUP.to_owned(), format!("{FABRIKAM_GROUP}/descendants"), format!("{groups}/{FABRIKAM}")]
    {
        assert_eq!(
            trial.arm(&guest, "GET", &path, &Value::Null).refusal(),
            (403, "AuthorizationFailed"),
            "{path}"
        );
    }
    // A role on the root group shows all groups.
    let admin = trial.arm_token("target-admin", FABRIKAM);
    assert_eq!(trial.arm(&admin, "GET", groups, &Value::Null).list().len(), 2);
    let below = format!("{FABRIKAM_GROUP}{FABRIKAM_SUBSCRIPTION}");
    let got = trial.arm(&admin, "GET", &below, &Value::Null);
    assert_eq!(got.text("/properties/displayName"), "fabrikam-prod-weu", "{}", got.body);
    // A role on a group shows that group, but not its parent.
    let app = trial.arm_token("app", CENTRAL);
    assert_eq!(trial.arm(&app, "GET", &format!("{groups}/CliMgmtGroup"), &Value::Null).status, 200);
    assert_eq!(trial.arm(&app, "GET", &format!("{groups}/{CENTRAL}"), &Value::Null).status, 403);
}

#[test]
fn lists_of_what_nothing_is_ever_in_answer() {
    let mut central = Central::new();
    for list in [
        format!("{GROUP}/providers/Microsoft.Authorization/locks"),
        format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Authorization/locks"),
        network("virtualNetworks/vnet-hub/providers/Microsoft.Authorization/locks"),
        format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments"),
        format!("{GROUP}/providers/Microsoft.Authorization/denyAssignments"),
        network("virtualNetworks/vnet-hub/virtualNetworkPeerings"),
        network("networkManagers/nm-group/securityAdminConfigurations"),
        network("networkManagers/nm-group/securityUserConfigurations"),
        network("networkManagers/nm-group/routingConfigurations"),
        network("networkManagers/nm-group/ipamPools"),
        network("networkManagers/nm-group/verifierWorkspaces"),
    ] {
        let got = central.get(&list);
        assert_eq!((got.status, &got.body["value"]), (200, &json!([])), "{list}: {}", got.body);
        assert_eq!(central.get(&format!("{list}/x")).status, 404, "{list}/x");
        let made = central.ask("PUT", &format!("{list}/x"), &json!({ "properties": {} }));
        assert_eq!(made.refusal(), NOT_SIMULATED, "{list}/x: {}", made.body);
    }
    let missing = network("networkManagers/nm-none/ipamPools");
    assert_eq!(central.get(&missing).refusal(), (404, "ResourceNotFound"));
    let below = network("networkManagers/nm-group/securityAdminConfigurations/c/ruleCollections");
    assert_eq!(central.get(&below).refusal(), (404, "NotFound"));
    let mut stranger = Trial::ready();
    let guest = stranger.arm_token("target", FABRIKAM);
    let root = format!("{FABRIKAM_GROUP}/providers/Microsoft.Authorization/locks");
    assert_eq!(stranger.arm(&guest, "GET", &root, &Value::Null).refusal(), (403, "AuthorizationFailed"));
}

#[test]
fn peerings_are_listed_and_read_one_by_one() {
    let mut trial = Trial::of(World::connected().unwrap());
    let token = trial.arm_token("app", CENTRAL);
    trial.wait(3600);
    let token_later = trial.arm_token("app", CENTRAL);
    drop(token);
    let list = network("virtualNetworks/vnet-hub/virtualNetworkPeerings");
    let got = trial.arm(&token_later, "GET", &list, &Value::Null);
    assert_eq!(got.list().len(), 1, "{}", got.body);
    let id = got.text("/value/0/id").to_owned();
    assert_eq!(trial.arm(&token_later, "GET", &id, &Value::Null).body, got.body["value"][0]);
}

#[test]
fn what_azure_has_and_this_world_does_not_is_said_as_such() {
    let mut central = Central::new();
    let role = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
    for (method, path) in [
        ("GET", format!("{GROUP}/providers/Microsoft.Compute/virtualMachines")),
        ("PUT", format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/x")),
        ("GET", format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.KeyVault")),
        ("POST", format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Compute/register")),
        ("GET", network("publicIPAddresses")),
        ("PUT", network("networkSecurityGroups/nsg")),
        ("PUT", network("virtualNetworks/vnet-hub/virtualNetworkPeerings/p")),
        ("GET", network("loadBalancers/lb/backendAddressPools/p")),
        ("POST", network("virtualNetworks/vnet-hub/listNetworkManagerEffectiveSecurityAdminRules")),
        ("POST", network("networkManagers/nm-group/listActiveSecurityAdminRules")),
        ("PATCH", network("virtualNetworks/vnet-hub")),
        ("GET", format!("{GROUP}/providers/Microsoft.Authorization/policyDefinitions")),
        ("GET", format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{role}")),
        (
            "GET",
            format!(
                "{GROUP}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'AcrPull'"
            ),
        ),
        ("PUT", format!("{GROUP}/providers/Microsoft.Authorization/roleDefinitions/{role}")),
        ("PUT", "/providers/Microsoft.Management/managementGroups/mg-new".to_owned()),
        ("GET", "/providers/Microsoft.Management/managementGroups/CliMgmtGroup?$expand=path".to_owned()),
        ("POST", "/providers/Microsoft.Management/getEntities".to_owned()),
        ("GET", format!("{CENTRAL_SUBSCRIPTION}/tagNames")),
        ("POST", format!("{GROUP}/exportTemplate")),
        ("PUT", format!("{GROUP}/providers/Microsoft.Resources/deployments/d")),
    ] {
        let got = central.ask(method, &path, &json!({ "location": "westeurope" }));
        assert_eq!(got.refusal(), NOT_SIMULATED, "{method} {path}: {}", got.body);
        assert!(got.message().contains("twinspan's simulator does not simulate"), "{}", got.message());
    }
    for (path, code) in [
        (format!("{GROUP}/providers/Microsoft.Nothing/x"), "InvalidResourceNamespace"),
        (network("networkManager"), "InvalidResourceType"),
        (network("virtualNetwork/v"), "InvalidResourceType"),
        (network("networkManagers/nm-group/networkGroup/g"), "InvalidResourceType"),
        (format!("{GROUP}/providers/Microsoft.Authorization/lock"), "InvalidResourceType"),
    ] {
        assert_eq!(central.get(&path).refusal(), (404, code), "{path}");
    }
    assert!(central.trial.world.effects().iter().all(|effect| effect.change == Change::None));
}

#[test]
fn the_type_of_a_principal_must_be_one_and_its_own() {
    let mut trial = Trial::ready();
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let path = format!(
        "{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/5a9d5b0e-6f0f-4c3c-9a53-3d7b7f1f0002"
    );
    let mut ask = |field: &str, value: Value| {
        let mut body = json!({ "properties": {
            "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
            "principalId": "ffffffff-2222-0000-0000-000000000001",
        } });
        body["properties"][field] = value;
        let got = trial.arm(&admin, "PUT", &path, &body);
        (got.status, got.code().to_owned())
    };
    assert_eq!(ask("principalType", json!("Robot")), (400, "InvalidRequestContent".to_owned()));
    assert_eq!(ask("principalType", json!(1)), (400, "InvalidRequestContent".to_owned()));
    assert_eq!(ask("description", json!([])), (400, "InvalidRequestContent".to_owned()));
    assert_eq!(ask("principalType", json!("User")), (400, "UnmatchedPrincipalType".to_owned()));
    let blob =
        json!("/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe");
    assert_eq!(ask("roleDefinitionId", blob), (501, "NotSimulated".to_owned()));
    let unknown =
        json!("/providers/Microsoft.Authorization/roleDefinitions/99999999-2d11-453d-a403-e96b0029c9fe");
    assert_eq!(ask("roleDefinitionId", unknown), (400, "RoleDefinitionDoesNotExist".to_owned()));
    assert_eq!(ask("principalType", json!("serviceprincipal")).0, 201);
}

#[test]
fn lists_follow_the_options_that_they_are_asked_with() {
    let mut central = Central::new();
    for (name, tags) in [("rg-a", json!({ "env": "prod" })), ("rg-b", json!({ "Env": "test" }))] {
        let body = json!({ "location": "westeurope", "tags": tags });
        assert_eq!(
            central.ask("PUT", &format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/{name}"), &body).status,
            201
        );
    }
    let groups = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups");
    assert_eq!(central.get(&format!("{groups}?$filter=tagName%20eq%20'env'")).list().len(), 2);
    let one = format!("{groups}?$filter=tagName%20eq%20'env'%20and%20tagValue%20eq%20'prod'");
    assert_eq!(central.get(&one).text("/value/0/name"), "rg-a");
    assert_eq!(
        central.get(&format!("{groups}?$filter=name%20eq%20'rg-a'")).refusal(),
        (400, "UnsupportedFilter")
    );
    assert_eq!(central.get(&format!("{groups}?$top=0")).status, 400);
    let mut names = Vec::new();
    let mut next = format!("{groups}?$top=2&api-version=2022-12-01");
    for _ in 0..5 {
        let page = central.get(&next);
        names.extend(page.list().iter().map(|group| group["name"].as_str().unwrap().to_owned()));
        match page.text("/nextLink").split_once("azure.com") {
            Some((_, rest)) => next = rest.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["rg-network", "rg-a", "rg-b"]);
    let plain = central.get(&format!("{GROUP}/resources"));
    assert!(plain.body["value"][0].get("provisioningState").is_none());
    let more = central.get(&format!("{GROUP}/resources?$expand=provisioningState,createdTime"));
    assert_eq!(more.text("/value/0/provisioningState"), "Succeeded");
    assert!(
        more.body["value"][0].get("createdTime").is_some()
            && more.body["value"][0].get("changedTime").is_none()
    );
    let status = network("networkManagers/nm-group/listDeploymentStatus");
    assert_eq!(central.ask("POST", &format!("{status}?$top=21"), &json!({})).status, 400);
    assert_eq!(central.ask("POST", &status, &json!({ "skipToken": "x" })).status, 400);
    assert_eq!(central.ask("POST", &status, &json!({ "regions": "westeurope" })).status, 400);
}
