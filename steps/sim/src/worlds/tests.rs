use serde_json::{Value, json};

use crate::trial::{CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_SUBSCRIPTION, Trial};
use crate::world::World;

#[test]
fn the_introduction_says_what_a_client_needs() {
    let world = World::shipped().unwrap();
    let ready = world.introduction("/tmp/ca.pem");
    assert_eq!(ready["arm"], "https://management.azure.com");
    assert_eq!(ready["client_id"], "33333333-0000-0000-0000-00000000000a");
    for identity in ["central", "target-admin", "target"] {
        assert!(ready["identities"][identity]["client_secret"].is_string(), "{identity}");
    }
    assert_eq!(ready["identities"]["target-admin"]["client_id"], "55555555-0000-0000-0000-00000000000f");
    assert_eq!(ready["tenants"]["central"]["network_manager"], "nm-group");
    assert_eq!(ready["tenants"]["central"]["resource_group"], "rg-network");
    assert_eq!(ready["tenants"]["target"]["id"], FABRIKAM);
    assert_eq!(ready["tenants"]["target"]["virtual_networks"].as_array().unwrap().len(), 2);
    assert_eq!(
        ready["tenants"]["target"]["virtual_networks"][0],
        format!(
            "{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app"
        )
    );
}

#[test]
fn an_identity_of_several_people_is_the_one_at_home_there() {
    let world = World::shipped().unwrap();
    let tailspin = world.sign_in("target-admin", "44444444-0000-0000-0000-00000000000e").unwrap();
    assert_eq!(tailspin, world.sign_in("tailspin-admin", CENTRAL).unwrap());
    assert_ne!(tailspin, world.sign_in("target-admin", FABRIKAM).unwrap());
    assert_eq!(world.sign_in("unknown", CENTRAL), None);
}

#[test]
fn in_the_ready_world_everything_is_in_place() {
    let mut trial = Trial::ready();
    for (client, tenant, subscription) in [
        ("central", CENTRAL, CENTRAL_SUBSCRIPTION),
        ("app", CENTRAL, CENTRAL_SUBSCRIPTION),
        ("target", FABRIKAM, FABRIKAM_SUBSCRIPTION),
        ("app", FABRIKAM, FABRIKAM_SUBSCRIPTION),
    ] {
        let token = trial.arm_token(client, tenant);
        let provider = format!("{subscription}/providers/Microsoft.Network");
        let got = trial.arm(&token, "GET", &provider, &Value::Null);
        assert_eq!(got.text("/registrationState"), "Registered", "{client} {tenant}");
    }
    let token = trial.arm_token("app", CENTRAL);
    let group = "/providers/Microsoft.Management/managementGroups/CliMgmtGroup";
    assert_eq!(trial.arm(&token, "GET", group, &Value::Null).status, 200);
}

#[test]
fn in_the_least_privileged_world_nobody_has_more_than_the_documents_ask_for() {
    let mut trial = Trial::of(World::least_privilege().unwrap());
    let permissions = |trial: &mut Trial, client: &str, tenant: &str, scope: &str| {
        let token = trial.arm_token(client, tenant);
        trial.arm(
            &token,
            "GET",
            &format!("{scope}/providers/Microsoft.Authorization/permissions"),
            &Value::Null,
        )
    };
    let group = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network");
    for client in ["central", "app"] {
        let got = permissions(&mut trial, client, CENTRAL, &group);
        assert_eq!(got.list().len(), 1, "{client}");
        assert_eq!(permissions(&mut trial, client, CENTRAL, CENTRAL_SUBSCRIPTION).status, 403, "{client}");
    }
    let got = permissions(&mut trial, "target-admin", FABRIKAM, FABRIKAM_SUBSCRIPTION);
    assert_eq!(got.body["value"][0]["actions"][1], "Microsoft.Authorization/*");
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let register = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/register");
    assert_eq!(trial.arm(&admin, "POST", &register, &Value::Null).refusal(), (403, "AuthorizationFailed"));
}

#[test]
fn a_world_can_begin_with_a_configuration_that_is_deployed() {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    let hub = format!(
        "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub"
    );
    let subscription = &mut world["tenants"][0]["subscriptions"][0];
    let spoke = hub.replace("vnet-hub", "vnet-office");
    subscription["virtual_networks"].as_array_mut().unwrap().push(json!({ "name": "vnet-office",
        "resource_group": "rg-network", "location": "westeurope", "address_prefixes": ["10.8.0.0/16"] }));
    let manager = &mut subscription["network_managers"][0];
    manager["network_groups"] = json!([{ "name": "offices", "members": [spoke] }]);
    manager["configurations"] = json!([{ "name": "star", "topology": "HubAndSpoke", "hub": hub,
        "groups": ["offices"], "deployed": ["West Europe"] }]);
    let mut trial = Trial::of(World::from_json(&world.to_string()).unwrap());
    let token = trial.arm_token("central", CENTRAL);
    let path = format!("{spoke}/listNetworkManagerEffectiveConnectivityConfigurations");
    let effective = trial.arm(&token, "POST", &path, &json!({}));
    assert_eq!(effective.list().len(), 1, "{}", effective.body);
    assert!(
        effective.text("/value/0/id").ends_with("/connectivityConfigurations/star"),
        "{}",
        effective.body
    );
    let network = trial.arm(&token, "GET", &spoke, &Value::Null);
    assert!(
        network.text("/properties/virtualNetworkPeerings/0/name").starts_with("ANM_"),
        "{}",
        network.body
    );
    let manager = &mut world["tenants"][0]["subscriptions"][0]["network_managers"][0];
    manager["configurations"][0]["topology"] = json!("Ring");
    let refused = World::from_json(&world.to_string()).err().unwrap().to_string();
    assert!(refused.contains("configuration star of nm-group: The value [Ring]"), "{refused}");
    let manager = &mut world["tenants"][0]["subscriptions"][0]["network_managers"][0];
    manager["configurations"][0]["groups"] = json!(["unknown"]);
    let refused = World::from_json(&world.to_string()).err().unwrap().to_string();
    assert!(refused.contains("there is no network group 'unknown'"), "{refused}");
}

#[test]
fn a_bad_description_says_what_is_wrong() {
    let good: Value = serde_json::from_str(World::example_json()).unwrap();
    let wrong = |pointer: &str, value: Value| {
        let mut world = good.clone();
        *world.pointer_mut(pointer).unwrap() = value;
        World::from_json(&world.to_string()).err().map(|e| e.to_string()).unwrap_or_default()
    };
    for (pointer, value, words) in [
        ("/tenants/0/id", json!("x"), "'x' is not a GUID"),
        ("/tenants/1/id", json!(CENTRAL), "is defined twice"),
        ("/people/0/home", json!("99999999-0000-0000-0000-000000000000"), "there is no tenant"),
        ("/tenants/0/role_assignments/0/role", json!("Emperor"), "there is no role 'Emperor'"),
        ("/tenants/0/role_assignments/0/scope", json!(FABRIKAM_SUBSCRIPTION), "there is no scope"),
        ("/tenants/0/role_assignments/0/principal", json!("x"), "there is no user or service principal"),
        ("/tenants/1/subscriptions/0/management_group", json!("mg-contoso"), "there is no management group"),
        ("/tenants/1/subscriptions/0/id", json!("aaaaaaaa-0000-0000-0000-000000000001"), "is defined twice"),
        ("/labels/central", json!("x"), "labels.central: there is no subscription 'x'"),
        ("/seed", json!("one"), "cannot be read"),
    ] {
        assert!(wrong(pointer, value).contains(words), "{pointer}: {}", wrong(pointer, Value::Null));
    }
    assert!(World::from_json("{").is_err());
    assert!(World::from_json("{\"sede\": 1}").is_err());
}
