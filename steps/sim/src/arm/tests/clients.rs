//! The other requests that Microsoft's and HashiCorp's clients send during the flow, as they send them.

use super::*;
use crate::Change;

const ARM: &str = "https://management.azure.com";
const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/\
                       Microsoft.Network/networkManagers/nm-group";

/// A read without a token.
fn anonymous(trial: &mut Trial, path: &str) -> Got {
    trial.raw("GET", &format!("{ARM}{path}"), &[], "").unwrap()
}

#[test]
fn each_age_of_the_metadata_has_its_own_form() {
    let mut trial = Trial::shipped();
    // Azure CLI, azurerm; newer versions are the same.
    for version in ["2022-09-01", "2023-11-01"] {
        let got = anonymous(&mut trial, &format!("/metadata/endpoints?api-version={version}"));
        assert_eq!(got.text("/resourceManager"), "https://management.azure.com/", "{version}");
        assert_eq!(got.text("/authentication/loginEndpoint"), "https://login.microsoftonline.com/");
        assert_eq!(got.text("/microsoftGraphResourceId"), "https://graph.microsoft.com/");
    }
    // Azure PowerShell and older Terraform providers decode a list.
    for version in ["2019-05-01", "2019-10-01", "2020-06-01"] {
        let got = anonymous(&mut trial, &format!("/metadata/endpoints?api-version={version}"));
        assert_eq!(got.body.as_array().map(Vec::len), Some(1), "{version}: {}", got.body);
        assert_eq!(got.text("/0/resourceManager"), "https://management.azure.com/", "{version}");
        assert_eq!(got.text("/0/authentication/identityProvider"), "AAD");
    }
    // azurerm requests regions with two slashes, and continues if it gets none.
    for path in ["//metadata/endpoints?api-version=2018-01-01", "/metadata/endpoints?api-version=1.0"] {
        let got = anonymous(&mut trial, path);
        assert_eq!(got.status, 200, "{path}");
        assert!(
            got.text("/authentication/loginEndpoint").starts_with("https://login."),
            "{path}: {}",
            got.body
        );
        assert!(got.text("/portalEndpoint").starts_with("https://"), "{path}");
    }
    let got = anonymous(&mut trial, "/metadata/endpoints");
    assert_eq!(got.refusal(), (400, "MissingApiVersionParameter"));
    let url = format!("{ARM}/metadata/endpoints?api-version=2022-09-01");
    assert_eq!(trial.raw("POST", &url, &[], "").unwrap().status, 405);
    assert_eq!(anonymous(&mut trial, "/metadata/others?api-version=2022-09-01").status, 401);
}

#[test]
fn providers_are_listed_for_the_tenant_and_for_a_subscription() {
    let mut trial = Trial::shipped();
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let got = trial.arm(&admin, "GET", &format!("{FABRIKAM_SUBSCRIPTION}/providers"), &Value::Null);
    let network = got.list().iter().find(|p| p["namespace"] == "Microsoft.Network").cloned();
    let network = network.unwrap_or_else(|| panic!("{}", got.body));
    assert_eq!(network["registrationState"], "NotRegistered");
    assert_eq!(network["id"], format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network"));
    // Clients without a given version use the type's first one.
    let types = network["resourceTypes"].as_array().unwrap();
    let networks = types.iter().find(|t| t["resourceType"] == "virtualNetworks").unwrap();
    let versions: Vec<&str> =
        networks["apiVersions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(versions.is_sorted_by(|a, b| a > b) && versions.contains(&"2024-10-01"), "{versions:?}");

    let got = trial.arm(&admin, "GET", "/providers", &Value::Null);
    assert!(got.list().iter().all(|p| p.get("registrationState").is_none() && p.get("id").is_none()));
    assert_eq!(got.list().len(), 5);
    let got = trial.arm(&admin, "GET", "/providers/microsoft.network", &Value::Null);
    assert_eq!(got.text("/namespace"), "Microsoft.Network");
    let got = trial.arm(&admin, "GET", "/providers/Microsoft.Nothing", &Value::Null);
    assert_eq!(got.refusal(), (404, "InvalidResourceNamespace"));
    let got = trial.arm(&admin, "PUT", &format!("{FABRIKAM_SUBSCRIPTION}/providers"), &json!({}));
    assert_eq!(got.status, 405);

    // azurerm reads a registration together with its preview features.
    let features =
        format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Features/providers/Microsoft.Network/features");
    let got = trial.arm(&admin, "GET", &features, &Value::Null);
    assert_eq!((got.status, got.list().len()), (200, 0));
    assert_eq!(trial.arm(&admin, "PUT", &features, &json!({})).status, 405);

    // A subscription of another tenant, and one without a role.
    let central = trial.arm_token("central", CENTRAL);
    let got = trial.arm(&central, "GET", &format!("{FABRIKAM_SUBSCRIPTION}/providers"), &Value::Null);
    assert_eq!(got.refusal(), (401, "InvalidAuthenticationTokenTenant"));
}

#[test]
fn regions_are_listed_to_who_sees_the_subscription() {
    let mut trial = Trial::ready();
    let app = trial.arm_token("app", CENTRAL);
    let got = trial.arm(&app, "GET", &format!("{CENTRAL_SUBSCRIPTION}/locations"), &Value::Null);
    let west = got.list().iter().find(|l| l["name"] == "westeurope").cloned().unwrap_or_default();
    assert_eq!(west["id"], format!("{CENTRAL_SUBSCRIPTION}/locations/westeurope"), "{}", got.body);
    assert_eq!(west["displayName"], "West Europe");
    let foreign = trial.arm(&app, "GET", &format!("{FABRIKAM_SUBSCRIPTION}/locations"), &Value::Null);
    assert_eq!(foreign.refusal(), (401, "InvalidAuthenticationTokenTenant"));
}

#[test]
fn every_version_of_five_years_is_answered_on_every_path_of_the_flow() {
    let mut trial = Trial::ready();
    let central = trial.arm_token("app", CENTRAL);
    let target = trial.arm_token("app", FABRIKAM);
    let network = format!(
        "{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app"
    );
    let versions = [
        "2022-01-01",
        "2022-05-01",
        "2022-07-01",
        "2022-09-01",
        "2022-11-01",
        "2023-02-01",
        "2023-09-01",
        "2023-11-01",
        "2024-01-01",
        "2024-03-01",
        "2024-05-01",
        "2024-07-01",
        "2024-10-01",
        "2025-01-01",
        "2025-03-01",
        "2025-05-01",
        "2025-07-01",
        "2025-09-01",
        "2026-03-01",
    ];
    let mut answered = 0;
    for version in versions {
        let mut ask = |token: &str, method: &str, path: &str, body: Value| {
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{joint}api-version={version}");
            // Terraform's providers send every auxiliary token with every request.
            let got = trial.arm_with(token, &[&target], method, &path, &body);
            assert!([200, 202].contains(&got.status), "{method} {path}: {} {}", got.status, got.body);
            answered += 1;
            got
        };
        let connection =
            format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/c");
        let scope = json!({ "properties": { "tenantId": FABRIKAM, "resourceId": FABRIKAM_SUBSCRIPTION } });
        ask(&central, "PUT", &format!("{MANAGER}/scopeConnections/c"), scope);
        ask(&target, "PUT", &connection, json!({ "properties": { "networkManagerId": MANAGER } }));
        // The request body of the Azure CLI, then that of azurerm.
        ask(&central, "PUT", &format!("{MANAGER}/networkGroups/g"), json!({}));
        let typed = json!({ "properties": { "memberType": "VirtualNetwork" } });
        let group = ask(&central, "PUT", &format!("{MANAGER}/networkGroups/g"), typed);
        assert_eq!(group.text("/properties/memberType"), "VirtualNetwork", "{version}");
        let member = format!("{MANAGER}/networkGroups/g/staticMembers/m");
        ask(&central, "PUT", &member, json!({ "properties": { "resourceId": network } }));
        let mesh = json!({ "properties": {
            "connectivityTopology": "Mesh",
            "appliesToGroups": [{ "networkGroupId": format!("{MANAGER}/networkGroups/g"), "groupConnectivity": "DirectlyConnected" }],
        } });
        ask(&central, "PUT", &format!("{MANAGER}/connectivityConfigurations/m"), mesh);
        for list in [
            "scopeConnections",
            "networkGroups",
            "networkGroups/g/staticMembers",
            "connectivityConfigurations",
        ] {
            let got = ask(&central, "GET", &format!("{MANAGER}/{list}"), Value::Null);
            assert_eq!((got.list().len(), got.text("/nextLink")), (1, ""), "{version} {list}");
        }
        let all = "?regions=x";
        ask(&central, "POST", &format!("{MANAGER}/listDeploymentStatus{all}"), json!({}));
        ask(&central, "DELETE", &format!("{MANAGER}/connectivityConfigurations/m"), Value::Null);
        ask(&central, "DELETE", &member, Value::Null);
        ask(&central, "DELETE", &format!("{MANAGER}/networkGroups/g?force=true"), Value::Null);
        ask(&central, "DELETE", &format!("{MANAGER}/scopeConnections/c"), Value::Null);
        ask(&target, "DELETE", &connection, Value::Null);
        ask(&central, "GET", MANAGER, Value::Null);
    }
    assert_eq!(answered, versions.len() * 17);
}

#[test]
fn terraform_looks_before_it_writes_and_wants_a_404() {
    let mut trial = Trial::ready();
    let central = trial.arm_token("app", CENTRAL);
    let target = trial.arm_token("app", FABRIKAM);
    for path in [
        format!("{MANAGER}/scopeConnections/c"),
        format!("{MANAGER}/networkGroups/g"),
        format!("{MANAGER}/connectivityConfigurations/m"),
        format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-none"),
        format!(
            "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/v"
        ),
    ] {
        let got = trial.arm_with(&central, &[&target], "GET", &path, &Value::Null);
        assert_eq!(got.status, 404, "{path}");
    }
    let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network");
    let got = trial.arm_with(&central, &[&target], "GET", &group, &Value::Null);
    assert_eq!(got.text("/properties/provisioningState"), "Succeeded");
    // HEAD tests for existence, without a response body.
    let head = trial.arm(&central, "HEAD", &group, &Value::Null);
    assert_eq!((head.status, head.answer.body().len()), (204, 0));
}

#[test]
fn what_is_tolerated_ends_where_nonsense_begins() {
    let mut trial = Trial::ready();
    let central = trial.arm_token("app", CENTRAL);
    let group = format!("{MANAGER}/networkGroups/g");
    for (method, path, body, status) in [
        ("PUT", group.as_str(), json!({ "properties": { "memberType": "Printer" } }), 400),
        ("PUT", group.as_str(), json!({ "properties": [] }), 400),
        ("PUT", group.as_str(), json!([]), 400),
        ("PATCH", group.as_str(), json!({}), 405),
        ("GET", &format!("{MANAGER}/networkGroup/g"), Value::Null, 404),
        ("GET", &format!("{MANAGER}/networkGroups/g/staticMembers/m/more"), Value::Null, 404),
        ("PUT", &format!("{MANAGER}/networkGroups/g?api-version="), json!({}), 400),
        ("PUT", &format!("{MANAGER}/networkGroups/g?api-version=2024-13-01"), json!({}), 400),
        ("PUT", &format!("{MANAGER}/networkGroups/g?api-version=2024-10-01preview"), json!({}), 400),
        ("PUT", &format!("{MANAGER}/networkGroups/g?api-version=latest"), json!({}), 400),
        ("GET", &format!("{CENTRAL_SUBSCRIPTION}/resourceGroup"), Value::Null, 404),
    ] {
        let got = trial.arm(&central, method, path, &body);
        assert_eq!(got.status, status, "{method} {path} {body}: {}", got.body);
        assert!(!got.code().is_empty(), "{method} {path}");
    }
    let got = trial.arm(&central, "GET", &format!("{MANAGER}/networkGroups"), &Value::Null);
    assert_eq!(got.list().len(), 0, "none of them was created");
}

#[test]
fn resources_are_listed_to_who_may_read_them() {
    let mut trial = Trial::ready();
    let app = trial.arm_token("app", CENTRAL);
    let mut names = |path: &str| {
        let got = trial.arm(&app, "GET", &format!("{CENTRAL_SUBSCRIPTION}{path}"), &Value::Null);
        let named = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
        (got.status, got.list().iter().map(named).collect::<Vec<_>>())
    };
    let both = (200, vec!["nm-group".to_owned(), "vnet-hub".to_owned()]);
    assert_eq!(names("/resources"), both);
    // azurerm checks whether a resource group is empty before it deletes it.
    assert_eq!(names("/resourceGroups/RG-network/resources?$expand=provisioningState&$top=10"), both);
    let filter = "$filter=resourceType%20eq%20'Microsoft.Network/virtualNetworks'";
    assert_eq!(names(&format!("/resources?{filter}")).1, ["vnet-hub"]);
    let filter =
        "$filter=name%20eq%20'NM-group'%20and%20resourceType%20eq%20'Microsoft.Network/networkManagers'";
    assert_eq!(names(&format!("/resources?{filter}")).1, ["nm-group"]);
    assert_eq!(names("/resources?$filter=location%20eq%20'northeurope'").1, [""; 0]);
    assert_eq!(names("/resourceGroups/rg-none/resources").0, 404);
    for nonsense in
        ["nonsense", "name%20eq%20'a'%20and", "name%20eq%20'a'%20or%20name%20eq%20'b'", "name%20ne%20'a'"]
    {
        assert_eq!(names(&format!("/resources?$filter={nonsense}")).0, 400, "{nonsense}");
    }
    // The guest's role is on the other subscription.
    let guest = trial.arm_token("target", FABRIKAM);
    let got = trial.arm(&guest, "GET", &format!("{FABRIKAM_SUBSCRIPTION}/resources"), &Value::Null);
    assert_eq!(got.list().len(), 2, "{}", got.body);
}

#[test]
fn subnets_are_read_and_written_with_and_without_their_network() {
    let mut trial = Trial::ready();
    let app = trial.arm_token("app", CENTRAL);
    let network = format!(
        "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/v"
    );
    let body = json!({ "location": "westeurope", "properties": {
        "addressSpace": { "addressPrefixes": ["10.5.0.0/16"] },
        "subnets": [{ "name": "s1", "properties": { "addressPrefix": "10.5.1.0/24" } }],
    } });
    assert_eq!(trial.arm(&app, "PUT", &network, &body).status, 201);
    let listed = trial.arm(&app, "GET", &format!("{network}/subnets"), &Value::Null);
    assert_eq!(listed.text("/value/0/id"), format!("{network}/subnets/s1"));
    let one = trial.arm(&app, "GET", &format!("{network}/SUBNETS/S1"), &Value::Null);
    assert_eq!((one.status, one.text("/properties/addressPrefix")), (200, "10.5.1.0/24"));
    let none = trial.arm(&app, "GET", &format!("{network}/subnets/s2"), &Value::Null);
    assert_eq!(none.refusal(), (404, "NotFound"));
    let none = trial.arm(&app, "GET", &format!("{network}x/subnets"), &Value::Null);
    assert_eq!(none.refusal(), (404, "ResourceNotFound"));

    // One at a time.
    let mut ask = |method: &str, name: &str, body: Value| {
        trial.arm(&app, method, &format!("{network}/subnets/{name}"), &body)
    };
    let of = |prefix: &str| json!({ "properties": { "addressPrefix": prefix } });
    let made = ask("PUT", "s2", of("10.5.2.0/24"));
    assert_eq!((made.status, made.text("/id")), (201, format!("{network}/subnets/s2").as_str()));
    // azurerm waits for this state.
    assert_eq!(made.text("/properties/provisioningState"), "Succeeded");
    assert_eq!(ask("PUT", "S2", of("10.5.3.0/24")).status, 200, "the same one, in another spelling");
    assert_eq!(ask("GET", "s2", Value::Null).text("/properties/addressPrefix"), "10.5.3.0/24");
    assert_eq!(ask("PUT", "s3", json!({ "properties": [] })).status, 400);
    assert_eq!(ask("PATCH", "s2", json!({})).status, 405);
    let gone = ask("DELETE", "s1", Value::Null);
    assert_eq!(gone.status, 202);
    assert!(gone.header("location").contains("/subnets/s1/operationResults/"));
    assert_eq!(ask("DELETE", "s1", Value::Null).status, 204);
    let left = trial.arm(&app, "GET", &network, &Value::Null);
    assert_eq!(left.body["properties"]["subnets"].as_array().map(Vec::len), Some(1), "{}", left.body);
    let changes =
        trial.world.effects().iter().map(|effect| effect.change).filter(|change| *change != Change::None);
    let wanted = [Change::Created, Change::Created, Change::Updated, Change::Deleted];
    assert_eq!(changes.collect::<Vec<_>>(), wanted);
    let none = trial.arm(&app, "PUT", &format!("{network}x/subnets/s"), &of("10.5.2.0/24"));
    assert_eq!(none.refusal(), (404, "ResourceNotFound"));
}

#[test]
fn a_resource_group_is_updated_in_part() {
    let mut trial = Trial::ready();
    let app = trial.arm_token("app", CENTRAL);
    let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-tags");
    let mut ask = |method: &str, body: Value| trial.arm(&app, method, &group, &body);
    assert_eq!(ask("PATCH", json!({ "tags": {} })).refusal(), (404, "ResourceGroupNotFound"));
    assert_eq!(ask("PUT", json!({ "location": "westeurope", "tags": { "a": "1", "b": "2" } })).status, 201);
    let got = ask("PATCH", json!({ "tags": { "b": "3" } }));
    assert_eq!((got.status, got.text("/location")), (200, "westeurope"));
    assert_eq!(got.body["tags"], json!({ "b": "3" }), "tags are given as a whole");
    let got = ask("PATCH", json!({ "location": "WestEurope" }));
    assert_eq!((got.status, &got.body["tags"]), (200, &json!({ "b": "3" })));
    let moved = ask("PATCH", json!({ "location": "northeurope" }));
    assert_eq!(moved.refusal(), (409, "InvalidResourceGroupLocation"));
    let stranger = trial.arm_token("target-admin", FABRIKAM);
    let foreign = trial.arm(&stranger, "PATCH", &group, &json!({ "tags": {} }));
    assert_eq!(foreign.refusal(), (401, "InvalidAuthenticationTokenTenant"));
}

#[test]
fn a_virtual_network_keeps_the_settings_that_nothing_here_depends_on() {
    let mut trial = Trial::ready();
    let app = trial.arm_token("app", CENTRAL);
    let network = format!(
        "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/v"
    );
    let mut ask = |method: &str, version: &str, body: Value| {
        trial.arm(&app, method, &format!("{network}?api-version={version}"), &body)
    };
    let space = json!({ "addressPrefixes": ["10.5.0.0/16"] });
    let body = json!({ "location": "westeurope", "properties": {
        "addressSpace": space, "dhcpOptions": { "dnsServers": ["10.5.0.4"] }, "flowTimeoutInMinutes": 10,
    } });
    let made = ask("PUT", "2025-01-01", body);
    assert_eq!((made.status, made.text("/properties/dhcpOptions/dnsServers/0")), (201, "10.5.0.4"));
    assert_eq!(made.body["properties"]["flowTimeoutInMinutes"], 10);
    assert_eq!(made.text("/properties/privateEndpointVNetPolicies"), "Disabled");
    let basic = json!({ "location": "westeurope", "properties": {
        "addressSpace": space, "privateEndpointVNetPolicies": "Basic",
    } });
    assert_eq!(ask("PUT", "2025-01-01", basic).text("/properties/privateEndpointVNetPolicies"), "Basic");
    let read = ask("GET", "2024-03-01", Value::Null);
    assert_eq!(read.text("/properties/privateEndpointVNetPolicies"), "Basic");
    assert_eq!(read.body["properties"].get("dhcpOptions"), None, "a PUT replaces all properties");
    let older = ask("GET", "2023-11-01", Value::Null);
    assert_eq!(older.body["properties"].get("privateEndpointVNetPolicies"), None);
}
