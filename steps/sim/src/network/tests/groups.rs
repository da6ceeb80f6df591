//! Tests of groups, members, configurations, commits, and their effects.

use jiff::SignedDuration;

use super::*;
use crate::Lags;

#[test]
fn a_group_takes_an_empty_body_and_refuses_a_stale_etag() {
    let mut two = Two::new();
    let put = two.central("PUT", &group(), &json!({}));
    assert_eq!((put.status, put.text("/properties/memberType")), (200, "VirtualNetwork"));
    assert_eq!(put.text("/properties/provisioningState"), "Succeeded");
    let etag = two.central("GET", &group(), NONE).text("/etag").to_owned();
    let bearer = format!("Bearer {}", two.central);
    let url = format!("https://management.azure.com{}?api-version=2024-10-01", group());
    let body = r#"{"properties":{"description":"x"}}"#;
    let mut put_if = |header: &str, value: &str| {
        let headers = [("authorization", bearer.as_str()), (header, value)];
        two.trial.raw("PUT", &url, &headers, body).unwrap().status
    };
    assert_eq!(put_if("if-match", "\"stale\""), 412);
    assert_eq!(put_if("if-none-match", "*"), 412);
    assert_eq!(put_if("if-match", &etag), 200);
    assert_eq!(put_if("if-match", &etag), 412, "every write changes it");
    let bad = json!({ "properties": { "memberType": "Router" } });
    assert_eq!(two.central("PUT", &group(), &bad).refusal(), (400, "BadRequest"));
}

#[test]
fn a_member_is_updating_first_and_then_has_a_region() {
    let mut two = Two::new();
    two.add_group();
    let put = two.central("PUT", &member("hub"), &member_body(&hub()));
    assert_eq!((put.status, put.text("/etag"), member_state(&put)), (200, "", ("Updating", "")));
    two.trial.wait(1);
    assert_eq!(member_state(&two.central("GET", &member("hub"), NONE)), ("Updating", ""));
    two.trial.wait(1);
    assert_eq!(member_state(&two.central("GET", &member("hub"), NONE)), ("Succeeded", "westeurope"));
    let early = two.central("GET", &format!("{}?api-version=2022-01-01", member("hub")), NONE);
    assert_eq!(early.text("/properties/location"), "westeurope");
    let twin = two.central("PUT", &member("twin"), &member_body(&hub()));
    assert_eq!(twin.status, 200, "one network under two names");
    assert_eq!(two.central("GET", &format!("{}/staticMembers", group()), NONE).list().len(), 2);
    assert_eq!(two.central("DELETE", &member("twin"), NONE).status, 200);
    assert_eq!(two.central("DELETE", &member("twin"), NONE).status, 204);
}

#[test]
fn a_member_that_is_no_network_fails_or_is_refused() {
    let mut two = Two::new();
    two.add_group();
    let none = hub().replace("vnet-hub", "vnet-none");
    assert_eq!(two.central("PUT", &member("none"), &member_body(&none)).status, 200);
    two.trial.wait(2);
    assert_eq!(member_state(&two.central("GET", &member("none"), NONE)), ("Failed", ""));
    for bad in ["", "x", FABRIKAM_SUBSCRIPTION, &format!("{}/subnets/s", hub())] {
        let got = two.both("PUT", &member("bad"), &member_body(bad));
        assert_eq!(got.refusal(), (400, "BadRequest"), "{bad}");
    }
}

/// PUT of Fabrikam's network without Fabrikam's token.
fn foreign_member(lie: Option<Lie>) -> Got {
    let mut two = Two::new();
    two.add_group();
    if let Some(lie) = lie {
        two.lie(lie);
    }
    two.central("PUT", &member("app"), &member_body(APP_NETWORK))
}

/// The expected result.
fn foreign_member_is_refused(got: &Got) -> bool {
    got.refusal() == (403, "LinkedAuthorizationFailed")
        && got.message()
            == format!(
                "The client has permission to perform action 'Microsoft.Network/virtualNetworks/write' on scope '{}', \
                 however the current tenant '{CENTRAL}' is not authorized to access linked subscription \
                 'bbbbbbbb-0000-0000-0000-000000000001'.",
                member("app")
            )
}

#[test]
fn a_member_of_another_tenant_needs_the_auxiliary_token() {
    let got = foreign_member(None);
    assert!(foreign_member_is_refused(&got), "{}", got.body);
}

#[test]
fn the_lie_no_auxiliary_check_would_turn_the_test_above_red() {
    let got = foreign_member(Some(Lie::NoAuxiliaryCheck));
    assert!(!foreign_member_is_refused(&got));
    assert_eq!(got.status, 200);
}

#[test]
fn with_the_auxiliary_token_the_role_in_its_tenant_counts() {
    let mut two = Two::new();
    two.add_group();
    assert_eq!(two.both("PUT", &member("app"), &member_body(APP_NETWORK)).status, 200);
    let mut shipped = Trial::shipped();
    let central = shipped.arm_token("central", CENTRAL);
    let admin = shipped.arm_token("target-admin", FABRIKAM);
    shipped.arm(&central, "PUT", &group(), &json!({}));
    let got = shipped.arm_with(&central, &[&admin], "PUT", &member("app"), &member_body(APP_NETWORK));
    assert_eq!(got.status, 200, "the administrator is Owner: {}", got.body);
    let mut least = Trial::of(crate::World::least_privilege().unwrap());
    let central = least.arm_token("central", CENTRAL);
    let admin = least.arm_token("target-admin", FABRIKAM);
    assert_eq!(least.arm(&central, "PUT", &group(), &json!({})).status, 200);
    let got = least.arm_with(&central, &[&admin], "PUT", &member("app"), &member_body(APP_NETWORK));
    assert_eq!(got.refusal(), (403, "LinkedAuthorizationFailed"));
    assert!(got.message().contains("does not have permission to perform action(s)"), "{}", got.message());
}

#[test]
fn lies_about_members_leave_them_updating_or_unlisted() {
    let mut two = Two::new();
    two.add_group();
    two.central("PUT", &member("hub"), &member_body(&hub()));
    two.lie(Lie::MemberNeverSettles);
    two.trial.wait(3600);
    two.central = two.trial.arm_token("app", CENTRAL);
    assert_eq!(member_state(&two.central("GET", &member("hub"), NONE)).0, "Updating");
    two.lie(Lie::EmptyList);
    let list = two.central("GET", &format!("{}/staticMembers", group()), NONE);
    assert_eq!(list.body, json!({ "nextLink": "", "value": [] }));
}

fn configuration() -> String {
    format!("{}/connectivityConfigurations/mesh", manager("nm-group"))
}

fn mesh() -> Value {
    json!({ "properties": {
        "connectivityTopology": "mesh",
        "appliesToGroups": [{ "networkGroupId": group(), "groupConnectivity": "DirectlyConnected", "isGlobal": "true" }],
    } })
}

fn commit(two: &mut Two, ids: &[String]) -> Got {
    let body =
        json!({ "targetLocations": ["West Europe"], "configurationIds": ids, "commitType": "Connectivity" });
    two.central("POST", &format!("{}/commit", manager("nm-group")), &body)
}

fn status(two: &mut Two) -> Vec<Value> {
    let body = json!({ "regions": ["westeurope"], "deploymentTypes": ["Connectivity"] });
    two.central("POST", &format!("{}/listDeploymentStatus", manager("nm-group")), &body).list().to_vec()
}

fn effective(two: &mut Two) -> usize {
    let path = format!("{APP_NETWORK}/listNetworkManagerEffectiveConnectivityConfigurations");
    let got = two.target("POST", &path, &json!({}));
    assert_eq!(got.status, 200, "{}", got.body);
    got.list().len()
}

#[test]
fn a_configuration_fills_in_defaults_and_a_foreign_hub_needs_the_auxiliary_token() {
    let mut two = Two::new();
    two.add_group();
    let put = two.central("PUT", &configuration(), &mesh());
    assert_eq!((put.status, put.text("/properties/connectivityTopology")), (200, "Mesh"));
    assert_eq!(put.text("/properties/deleteExistingPeering"), "False");
    let applied = json!([{
        "networkGroupId": group(), "groupConnectivity": "DirectlyConnected", "useHubGateway": "False", "isGlobal": "True",
    }]);
    assert_eq!(put.body["properties"]["appliesToGroups"], applied);
    let mut body = mesh();
    body["properties"]["connectivityTopology"] = json!("HubAndSpoke");
    assert_eq!(two.central("PUT", &configuration(), &body).status, 400, "no hub");
    body["properties"]["hubs"] =
        json!([{ "resourceId": APP_NETWORK, "resourceType": "Microsoft.Network/virtualNetworks" }]);
    let refused = two.central("PUT", &configuration(), &body);
    assert_eq!(refused.refusal(), (403, "LinkedAuthorizationFailed"));
    assert_eq!(two.both("PUT", &configuration(), &body).status, 200);
    assert_eq!(two.central("DELETE", &group(), NONE).status, 400, "a configuration refers to it");
}

#[test]
fn a_commit_is_a_goal_state_that_is_listed_late_and_reaches_only_connected_networks() {
    let mut two = Two::new();
    two.trial.world.set_lags(Lags { deployment: SignedDuration::from_secs(30), ..Lags::ready() });
    two.add_group();
    two.both("PUT", &member("app"), &member_body(APP_NETWORK));
    two.central("PUT", &configuration(), &mesh());
    let committed = commit(&mut two, &[configuration()]);
    assert_eq!(committed.status, 202);
    assert_eq!(committed.text("/commitType"), "Connectivity");
    assert!(committed.text("/commitId").starts_with(&format!("{}/commit/", manager("nm-group"))));
    assert_eq!(status(&mut two), [Value::Null; 0], "not listed at once");
    assert_eq!(follow(&mut two, &committed).1, [204]);
    two.trial.wait(10);
    assert_eq!(status(&mut two)[0]["deploymentStatus"], json!("Deploying"));
    two.trial.wait(20);
    let deployed = status(&mut two);
    assert_eq!(deployed[0]["deploymentStatus"], json!("Deployed"));
    assert_eq!(deployed[0]["configurationIds"], json!([configuration()]));
    assert_eq!(effective(&mut two), 0, "a member outside the scope is without effect");
    two.connect();
    assert_eq!(effective(&mut two), 1);
    let body = json!({ "regions": ["westeurope"] });
    let path = format!("{}/listActiveConnectivityConfigurations", manager("nm-group"));
    assert_eq!(two.central("POST", &path, &body).list()[0]["region"], json!("westeurope"));
    assert_eq!(two.central("DELETE", &configuration(), NONE).status, 400, "deployed");
    commit(&mut two, &[]);
    two.trial.wait(30);
    assert_eq!(status(&mut two), [Value::Null; 0]);
    assert_eq!(effective(&mut two), 0);
    let deleted = two.central("DELETE", &configuration(), NONE);
    assert_eq!((deleted.status, follow(&mut two, &deleted).1), (202, vec![202, 204]));
}

#[test]
fn a_forced_deletion_takes_the_configuration_out_of_its_deployment() {
    let mut two = Two::new();
    two.add_group();
    two.central("PUT", &configuration(), &mesh());
    commit(&mut two, &[configuration()]);
    two.trial.wait(2);
    assert_eq!(status(&mut two).len(), 1);
    assert_eq!(two.central("DELETE", &format!("{}?force=true", configuration()), NONE).status, 202);
    two.trial.wait(2);
    assert_eq!(status(&mut two), [Value::Null; 0]);
}

fn hub_and_spoke() -> Value {
    json!({ "properties": {
        "connectivityTopology": "HubAndSpoke",
        "appliesToGroups": [{ "networkGroupId": group(), "groupConnectivity": "None", "useHubGateway": "True" }],
        "hubs": [{ "resourceId": hub(), "resourceType": "Microsoft.Network/virtualNetworks" }],
        "deleteExistingPeering": "True",
    } })
}

fn peerings(got: &Got) -> Vec<(String, String)> {
    let text = |peering: &Value, at: &str| {
        peering.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let all = got.body["properties"]["virtualNetworkPeerings"].as_array().unwrap();
    all.iter().map(|p| (text(p, "/name"), text(p, "/properties/remoteVirtualNetwork/id"))).collect()
}

#[test]
fn a_hub_and_spoke_in_effect_peers_both_ends_and_deletes_what_was_there_for_good() {
    let mut world: Value = serde_json::from_str(crate::World::example_json()).unwrap();
    world["lags"] = serde_json::to_value(Lags::ready()).unwrap();
    world["tenants"][0]["subscriptions"][0]["virtual_networks"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "vnet-office", "resource_group": "rg-network", "location": "West Europe",
            "address_prefixes": ["10.8.0.0/16"], "peerings": { "to-hub": hub() } }));
    let mut two = Two::new();
    two.trial = Trial::of(crate::World::from_json(&world.to_string()).unwrap());
    two.central = two.trial.arm_token("central", CENTRAL);
    let office = hub().replace("vnet-hub", "vnet-office");
    two.add_group();
    two.central("PUT", &member("office"), &member_body(&office));
    assert_eq!(two.central("PUT", &configuration(), &hub_and_spoke()).status, 200);
    two.trial.wait(3);
    assert_eq!(peerings(&two.central("GET", &office, NONE)), [("to-hub".to_owned(), hub())]);
    commit(&mut two, &[configuration()]);
    let spoke = two.central("GET", &office, NONE);
    let at_spoke = peerings(&spoke);
    let at_hub = peerings(&two.central("GET", &hub(), NONE));
    assert!(
        at_spoke.len() == 1 && at_spoke[0].0.starts_with("ANM_") && at_spoke[0].1 == hub(),
        "{at_spoke:?}"
    );
    assert_eq!(
        spoke.body["properties"]["virtualNetworkPeerings"][0]["properties"]["useRemoteGateways"],
        json!(true)
    );
    assert_eq!(at_hub, [(at_spoke[0].0.clone(), office.clone())]);
    commit(&mut two, &[]);
    assert_eq!(peerings(&two.central("GET", &office, NONE)), [], "deleted peerings are not restored");
    assert_eq!(peerings(&two.central("GET", &hub(), NONE)), []);
}

#[test]
fn a_commit_fails_where_the_world_was_told_so_and_what_was_in_effect_stays() {
    let mut two = Two::new();
    two.connect();
    two.add_group();
    two.both("PUT", &member("app"), &member_body(APP_NETWORK));
    two.central("PUT", &configuration(), &mesh());
    two.trial.wait(2);
    commit(&mut two, &[configuration()]);
    let told = json!({ "West Europe": "the hub has no gateway" });
    assert_eq!(two.trial.control("POST", "deployment-failures", &told).status, 200);
    commit(&mut two, &[]);
    two.trial.wait(2);
    let failed = status(&mut two);
    assert_eq!(failed[0]["deploymentStatus"], json!("Failed"));
    assert_eq!(failed[0]["errorMessage"], json!("the hub has no gateway"));
    assert_eq!(effective(&mut two), 1);
    two.trial.control("POST", "deployment-failures", &json!({ "westeurope": null }));
    commit(&mut two, &[]);
    two.trial.wait(2);
    assert_eq!(status(&mut two), [Value::Null; 0]);
}

#[test]
fn commits_of_what_is_not_there_are_refused() {
    let mut two = Two::new();
    assert_eq!(commit(&mut two, &[configuration()]).refusal(), (400, "BadRequest"));
    let path = format!("{}/commit", manager("nm-group"));
    let wrong = json!({ "targetLocations": ["x"], "commitType": "AdminPolicy" });
    assert_eq!(two.central("POST", &path, &wrong).refusal(), (400, "BadRequest"));
    assert_eq!(two.central("POST", &path, &json!({ "commitType": "Connectivity" })).status, 400);
}

#[test]
fn resource_graph_shows_members_in_effect_to_their_own_tenant_after_the_lag() {
    let mut two = Two::new();
    let query = format!(
        "networkresources | where type == 'microsoft.network/networkgroupmemberships' | mv-expand \
         properties.GroupMemberships | where properties_GroupMemberships.NetworkGroupId == '{}' | parse id with \
         virtualNetworkId '/providers/Microsoft.Network/networkGroupMemberships/default' | project virtualNetworkId",
        group()
    );
    let body = json!({ "subscriptions": ["bbbbbbbb-0000-0000-0000-000000000001"], "query": query });
    let path = "/providers/Microsoft.ResourceGraph/resources";
    let rows = |two: &mut Two, target: bool| {
        let got = if target { two.target("POST", path, &body) } else { two.central("POST", path, &body) };
        assert_eq!(got.status, 200, "{}", got.body);
        got.body["data"].clone()
    };
    two.trial.world.set_lags(Lags { effective: SignedDuration::from_secs(60), ..Lags::ready() });
    two.add_group();
    two.both("PUT", &member("app"), &member_body(APP_NETWORK));
    two.trial.wait(100);
    assert_eq!(rows(&mut two, true), json!([]), "outside the scope");
    two.connect();
    assert_eq!(rows(&mut two, true), json!([{ "virtualNetworkId": APP_NETWORK }]));
    two.both("PUT", &member("app"), &member_body(APP_NETWORK));
    assert_eq!(rows(&mut two, true), json!([]), "lags behind");
    two.trial.wait(62);
    assert_eq!(rows(&mut two, true), json!([{ "virtualNetworkId": APP_NETWORK }]));
    assert_eq!(rows(&mut two, false), json!([]), "another tenant's token");
    let by_text = |text: &str, options: Value| {
        let query = format!(
            "networkresources | where type =~ 'microsoft.network/networkgroupmemberships' | where tostring(properties) \
             contains '{text}' | project id, properties"
        );
        json!({ "subscriptions": ["bbbbbbbb-0000-0000-0000-000000000001"], "query": query, "options": options })
    };
    let found = two.target("POST", path, &by_text(&group().to_uppercase(), json!({})));
    assert_eq!(found.body["data"][0]["properties"]["GroupMemberships"][0]["NetworkGroupId"], group());
    let none = two.target("POST", path, &by_text("/networkGroups/of-none", json!({})));
    assert_eq!(none.body["data"], json!([]));
    two.both(
        "PUT",
        &member("data"),
        &member_body(&APP_NETWORK.replace("rg-app", "rg-data").replace("vnet-app", "vnet-data")),
    );
    two.trial.wait(100);
    let first = two.target("POST", path, &by_text(&group(), json!({ "$top": 1 })));
    let next = first.text("/$skipToken").to_owned();
    let last = two.target("POST", path, &by_text(&group(), json!({ "$top": 1, "$skipToken": next })));
    assert!(last.body.get("$skipToken").is_none(), "{}", last.body);
    let ids = [first.text("/data/0/id"), last.text("/data/0/id")];
    assert!(ids[0].contains("vnet-app") && ids[1].contains("vnet-data"), "{ids:?}");
    let other = two.target("POST", path, &json!({ "query": "resources | take 1" }));
    assert_eq!(other.refusal(), (400, "BadRequest"));
}

#[test]
fn virtual_networks_are_made_listed_and_deleted() {
    let mut two = Two::new();
    let path = hub().replace("vnet-hub", "vnet-new");
    let body = json!({
        "location": "West Europe",
        "properties": {
            "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] },
            "subnets": [{ "name": "s", "properties": { "addressPrefix": "10.9.0.0/24" } }],
        },
    });
    assert_eq!(two.central("PUT", &path, &body).status, 201);
    assert_eq!(two.central("PUT", &path, &body).status, 200);
    assert_eq!(two.last_change(), Change::None);
    let got = two.central("GET", &path, NONE);
    assert_eq!(got.text("/location"), "westeurope");
    assert_eq!(got.text("/properties/subnets/0/id"), format!("{path}/subnets/s"));
    let list = format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/virtualNetworks");
    assert_eq!(two.central("GET", &list, NONE).list().len(), 2);
    let subnets = json!({ "properties": { "memberType": "Subnet" } });
    two.central("PUT", &group(), &subnets);
    for (name, expected) in [("s", "Succeeded"), ("none", "Failed")] {
        two.central("PUT", &member(name), &member_body(&format!("{path}/subnets/{name}")));
        two.trial.wait(2);
        assert_eq!(member_state(&two.central("GET", &member(name), NONE)).0, expected);
    }
    let deleted = two.central("DELETE", &path, NONE);
    assert_eq!((deleted.status, follow(&mut two, &deleted).1), (202, vec![202, 204]));
    assert_eq!(two.central("GET", &path, NONE).refusal(), (404, "ResourceNotFound"));
}

#[test]
fn a_resource_group_takes_what_is_in_it_along() {
    let mut two = Two::new();
    two.connect();
    let admin = two.trial.arm_token("central", CENTRAL);
    let gone = two.trial.arm(&admin, "DELETE", &format!("{GROUP}?api-version=2021-04-01"), NONE);
    assert_eq!(gone.status, 202);
    assert_eq!(state(&two.target("GET", &theirs(), NONE)), "Revoked");
    assert_eq!(two.central("GET", &manager("nm-group"), NONE).refusal(), (404, "ResourceGroupNotFound"));
}
