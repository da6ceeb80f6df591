//! Tests of Azure Virtual Network Manager's behaviour, as a client sees it.

use serde_json::{Value, json};

use crate::ledger::Change;
use crate::lies::Lie;
use crate::trial::{
    CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_GROUP, FABRIKAM_SUBSCRIPTION, Got, Trial,
};

const NONE: &Value = &Value::Null;
const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network";
const APP_NETWORK: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/\
                           Microsoft.Network/virtualNetworks/vnet-app";

/// Tokens of both tenants for a ready world.
struct Two {
    trial: Trial,
    central: String,
    target: String,
}

impl Two {
    fn new() -> Two {
        let mut trial = Trial::ready();
        let central = trial.arm_token("app", CENTRAL);
        let target = trial.arm_token("app", FABRIKAM);
        Two { trial, central, target }
    }

    fn central(&mut self, method: &str, path: &str, body: &Value) -> Got {
        let token = self.central.clone();
        self.trial.arm(&token, method, path, body)
    }

    fn target(&mut self, method: &str, path: &str, body: &Value) -> Got {
        let token = self.target.clone();
        self.trial.arm(&token, method, path, body)
    }

    fn both(&mut self, method: &str, path: &str, body: &Value) -> Got {
        let (token, auxiliary) = (self.central.clone(), self.target.clone());
        self.trial.arm_with(&token, &[&auxiliary], method, path, body)
    }

    /// The scope connection.
    fn ours(&mut self) -> Got {
        self.central("PUT", &ours(), &ours_body(FABRIKAM, FABRIKAM_SUBSCRIPTION))
    }

    /// The network manager connection.
    fn theirs(&mut self) -> Got {
        self.target("PUT", &theirs(), &theirs_body(&manager("nm-group")))
    }

    fn states(&mut self) -> [String; 2] {
        let ours = self.central("GET", &ours(), NONE);
        let theirs = self.target("GET", &theirs(), NONE);
        [state(&ours), state(&theirs)]
    }

    fn cross_tenant_scopes(&mut self) -> Value {
        let got = self.central("GET", &manager("nm-group"), NONE);
        got.body["properties"]["networkManagerScopes"]["crossTenantScopes"].clone()
    }

    fn connect(&mut self) {
        assert_eq!((self.ours().status, self.theirs().status), (200, 200));
        self.trial.wait(2);
        assert_eq!(self.states(), ["Connected", "Connected"]);
    }

    fn add_group(&mut self) {
        assert_eq!(self.central("PUT", &group(), &json!({})).status, 200);
    }

    fn lie(&mut self, lie: Lie) {
        self.trial.world.set_lie(lie, true);
    }

    fn last_change(&self) -> Change {
        self.trial.world.effects().last().unwrap().change
    }
}

fn manager(name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/networkManagers/{name}")
}

fn ours() -> String {
    format!("{}/scopeConnections/to-fabrikam", manager("nm-group"))
}

fn theirs() -> String {
    format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/to-contoso")
}

fn group() -> String {
    format!("{}/networkGroups/ng", manager("nm-group"))
}

fn member(name: &str) -> String {
    format!("{}/staticMembers/{name}", group())
}

fn hub() -> String {
    format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-hub")
}

fn ours_body(tenant: &str, scope: &str) -> Value {
    json!({ "properties": { "tenantId": tenant, "resourceId": scope } })
}

fn theirs_body(manager: &str) -> Value {
    json!({ "properties": { "networkManagerId": manager, "description": "d" } })
}

fn member_body(network: &str) -> Value {
    json!({ "properties": { "resourceId": network } })
}

fn manager_body(scope: &str) -> Value {
    json!({
        "location": "westeurope",
        "properties": {
            "networkManagerScopes": { "subscriptions": [scope] }, "networkManagerScopeAccesses": ["Connectivity"],
        },
    })
}

fn state(got: &Got) -> String {
    got.text("/properties/connectionState").to_owned()
}

fn member_state(got: &Got) -> (&str, &str) {
    (got.text("/properties/provisioningState"), got.text("/properties/region"))
}

#[test]
fn two_halves_that_name_each_other_become_connected_after_the_lag_and_show_on_the_manager() {
    let mut two = Two::new();
    let put = two.ours();
    assert_eq!((put.status, state(&put).as_str()), (200, "Pending"));
    assert!(put.body.get("etag").is_none(), "connections have none");
    two.trial.wait(60);
    assert_eq!(two.central("GET", &ours(), NONE).text("/properties/connectionState"), "Pending");
    assert_eq!(state(&two.theirs()), "Pending");
    two.trial.wait(1);
    assert_eq!(two.states(), ["Pending", "Pending"]);
    assert_eq!(two.cross_tenant_scopes(), json!([]));
    two.trial.wait(1);
    assert_eq!(two.states(), ["Connected", "Connected"]);
    let held =
        json!([{ "tenantId": FABRIKAM, "managementGroups": [], "subscriptions": [FABRIKAM_SUBSCRIPTION] }]);
    assert_eq!(two.cross_tenant_scopes(), held);
    assert_eq!(state(&two.ours()), "Connected", "written again, it stays so");
    assert_eq!(two.last_change(), Change::None);
}

#[test]
fn even_without_any_lag_the_reply_to_the_second_half_says_pending() {
    let mut two = Two::new();
    two.trial.world.set_lags(crate::Lags::none());
    assert_eq!([state(&two.ours()), state(&two.theirs())], ["Pending", "Pending"]);
    assert_eq!(two.states(), ["Connected", "Connected"]);
}

#[test]
fn halves_that_do_not_name_each_other_stay_pending() {
    let other = manager("nm-other");
    let wrong: [(&str, &str, &str); 3] = [
        (CENTRAL, FABRIKAM_SUBSCRIPTION, &manager("nm-group")),
        (FABRIKAM, FABRIKAM_GROUP, &manager("nm-group")),
        (FABRIKAM, FABRIKAM_SUBSCRIPTION, &other),
    ];
    for (tenant, scope, named) in wrong {
        let mut two = Two::new();
        two.central("PUT", &ours(), &ours_body(tenant, scope));
        two.target("PUT", &theirs(), &theirs_body(named));
        two.trial.wait(1800);
        assert_eq!(two.states(), ["Pending", "Pending"], "{tenant} {scope} {named}");
    }
}

#[test]
fn ids_match_in_any_case_and_without_the_first_slash() {
    let mut two = Two::new();
    let scope = FABRIKAM_SUBSCRIPTION.to_uppercase().replace("/SUBSCRIPTIONS", "Subscriptions");
    two.central("PUT", &ours(), &ours_body(&FABRIKAM.to_uppercase(), &scope));
    two.target("PUT", &theirs(), &theirs_body(&manager("NM-GROUP").to_lowercase()));
    two.trial.wait(2);
    assert_eq!(two.states(), ["Connected", "Connected"]);
}

#[test]
fn a_half_that_is_removed_revokes_the_other_which_does_not_heal() {
    for side in ["ours", "theirs"] {
        let mut two = Two::new();
        two.connect();
        let gone = if side == "ours" {
            two.central("DELETE", &ours(), NONE)
        } else {
            two.target("DELETE", &theirs(), NONE)
        };
        assert_eq!((gone.status, two.last_change()), (200, Change::Deleted));
        let expected = if side == "ours" { ["", "Revoked"] } else { ["Revoked", ""] };
        assert_eq!(two.states(), expected);
        assert_eq!(two.cross_tenant_scopes(), json!([]));
        two.ours();
        two.theirs();
        two.trial.wait(60);
        assert!(two.states().contains(&"Revoked".to_owned()), "{side}");
        two.central("DELETE", &ours(), NONE);
        two.target("DELETE", &theirs(), NONE);
        two.connect();
    }
}

#[test]
fn a_half_that_is_turned_to_something_else_revokes_the_other() {
    let mut two = Two::new();
    two.connect();
    let turned = two.target("PUT", &theirs(), &theirs_body(&manager("nm-other")));
    assert_eq!(state(&turned), "Pending");
    assert_eq!(two.states(), ["Revoked", "Pending"]);
}

#[test]
fn a_scope_that_another_manager_has_is_a_conflict_until_recreated() {
    let mut two = Two::new();
    let second = manager("nm-second");
    let body = manager_body(CENTRAL_SUBSCRIPTION);
    assert_eq!(two.central("PUT", &second, &body).status, 200);
    let second_ours = format!("{second}/scopeConnections/to-fabrikam");
    let second_theirs = theirs().replace("to-contoso", "to-second");
    two.central("PUT", &second_ours, &ours_body(FABRIKAM, FABRIKAM_SUBSCRIPTION));
    two.target("PUT", &second_theirs, &theirs_body(&second));
    two.trial.wait(2);
    assert_eq!(state(&two.central("GET", &second_ours, NONE)), "Connected");
    two.ours();
    two.theirs();
    two.trial.wait(2);
    assert_eq!(two.states(), ["Conflict", "Conflict"]);
    two.central("DELETE", &second_ours, NONE);
    two.target("DELETE", &second_theirs, NONE);
    two.trial.wait(60);
    assert_eq!(two.states(), ["Conflict", "Conflict"]);
    two.central("DELETE", &ours(), NONE);
    two.target("DELETE", &theirs(), NONE);
    two.connect();
}

#[test]
fn in_the_managers_own_scope_one_half_is_enough_but_not_in_the_previews() {
    let mut two = Two::new();
    let second = manager("nm-second");
    two.central("PUT", &second, &manager_body(CENTRAL_SUBSCRIPTION));
    let connection = |version: &str| format!("{second}/scopeConnections/c{version}?api-version={version}");
    for (version, expected) in [("2021-05-01-preview", "Pending"), ("2022-01-01", "Connected")] {
        let put = two.central("PUT", &connection(version), &ours_body(CENTRAL, CENTRAL_SUBSCRIPTION));
        assert_eq!(state(&put), "Pending");
        two.trial.wait(60);
        assert_eq!(state(&two.central("GET", &connection(version), NONE)), expected);
    }
    let got = two.central("GET", &second, NONE);
    assert_eq!(got.body["properties"]["networkManagerScopes"]["crossTenantScopes"], json!([]));
}

#[test]
fn a_management_group_connects_once_it_has_registered_the_provider() {
    let mut two = Two::new();
    let admin = two.trial.arm_token("target-admin", FABRIKAM);
    let path = format!("{FABRIKAM_GROUP}/providers/Microsoft.Network/networkManagerConnections/c");
    let body = theirs_body(&manager("nm-group"));
    let put = two.trial.arm(&admin, "PUT", &path, &body);
    assert_eq!(put.status, 200, "registered in the ready world");
    two.central("PUT", &ours(), &ours_body(FABRIKAM, FABRIKAM_GROUP));
    two.trial.wait(2);
    assert_eq!(state(&two.central("GET", &ours(), NONE)), "Connected");
    let mut shipped = Trial::shipped();
    let admin = shipped.arm_token("target-admin", FABRIKAM);
    let refused = shipped.arm(&admin, "PUT", &path, &body);
    assert_eq!(refused.refusal(), (400, "BadRequest"));
    assert!(
        refused.message().contains(&format!("Resource [{FABRIKAM_GROUP}] is not within tenant [{FABRIKAM}]"))
    );
}

#[test]
fn a_subscription_that_has_not_registered_the_provider_refuses_a_connection() {
    let mut shipped = Trial::shipped();
    let admin = shipped.arm_token("target-admin", FABRIKAM);
    let refused = shipped.arm(&admin, "PUT", &theirs(), &theirs_body(&manager("nm-group")));
    assert_eq!(refused.refusal(), (409, "MissingSubscriptionRegistration"));
}

#[test]
fn halves_are_refused_to_those_who_may_not_write_them() {
    let mut shipped = Trial::shipped();
    let app = shipped.arm_token("app", CENTRAL);
    let path = "/providers/Microsoft.Management/managementGroups/CliMgmtGroup/providers/Microsoft.Network/\
                networkManagerConnections/c";
    let refused = shipped.arm(&app, "PUT", path, &theirs_body(&manager("nm-group")));
    assert_eq!(refused.refusal(), (403, "AuthorizationFailed"));
    assert!(refused.message().contains("'Microsoft.Network/networkManagerConnections/write'"));
}

#[test]
fn eager_connected_says_so_at_once_and_the_manager_holds_nothing() {
    let mut two = Two::new();
    two.lie(Lie::EagerConnected);
    assert_eq!([state(&two.ours()), state(&two.theirs())], ["Connected", "Connected"]);
    two.trial.wait(60);
    assert_eq!(two.cross_tenant_scopes(), json!([]));
}

#[test]
fn one_half_enough_connects_without_the_other() {
    let mut two = Two::new();
    two.lie(Lie::OneHalfEnough);
    two.ours();
    two.trial.wait(2);
    assert_eq!(two.states(), ["Connected", ""]);
}

#[test]
fn the_two_makers_of_404_differ() {
    let mut two = Two::new();
    let gateway = two.central("GET", &manager("nm-none"), NONE);
    assert_eq!(gateway.refusal(), (404, "ResourceNotFound"));
    assert_eq!(gateway.header("x-ms-failure-cause"), "gateway");
    assert!(gateway.message().starts_with(
        "The Resource 'Microsoft.Network/networkManagers/nm-none' under resource group 'rg-network' was not found."
    ));
    let under = two.central("GET", &format!("{}/scopeConnections/c", manager("nm-none")), NONE);
    assert_eq!(under.refusal(), (404, "ResourceNotFound"));
    let provider = two.central("GET", &ours(), NONE);
    assert_eq!(provider.refusal(), (404, "NotFound"));
    assert_eq!(provider.header("x-ms-failure-cause"), "");
    assert_eq!(provider.message(), format!("Resource [{}] does not exist or has been deleted", ours()));
    let text = String::from_utf8(provider.answer.body().to_vec()).unwrap();
    assert!(text.starts_with("{\"error\":{\"message\":"), "{text}");
    let old = two.target("GET", &format!("{}?api-version=2022-04-01-preview", theirs()), NONE);
    assert!(old.message().starts_with("Resource  ["));
}

#[test]
fn a_manager_is_put_with_200_an_empty_etag_and_what_was_left_out() {
    let mut two = Two::new();
    let path = manager("nm-new");
    let put = two.central("PUT", &path, &manager_body(CENTRAL_SUBSCRIPTION));
    assert_eq!((put.status, put.body["etag"].as_str(), two.last_change()), (200, Some(""), Change::Created));
    assert_eq!(put.body["tags"], json!({}));
    assert_eq!(put.body["properties"]["description"], json!(""));
    assert_eq!(
        put.body["properties"]["networkManagerScopes"],
        json!({ "managementGroups": [], "subscriptions": [CENTRAL_SUBSCRIPTION], "crossTenantScopes": [] })
    );
    assert!(put.body["properties"].get("displayName").is_none());
    let created = put.text("/systemData/createdAt").to_owned();
    let etag = two.central("GET", &path, NONE).text("/etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    two.trial.wait(10);
    let again = two.central("PUT", &path, &manager_body(CENTRAL_SUBSCRIPTION));
    assert_eq!((again.status, two.last_change()), (200, Change::None));
    assert_ne!(again.text("/systemData/createdAt"), created);
    let tagged = two.central("PATCH", &path, &json!({ "tags": { "a": "b" } }));
    assert_eq!((tagged.status, &tagged.body["tags"]), (200, &json!({ "a": "b" })));
    let old = two.central("GET", &format!("{path}?api-version=2021-05-01-preview"), NONE);
    assert_eq!(old.body["properties"]["networkManagerScopes"]["multiTenantScopes"], json!([]));
    assert_eq!(old.body["properties"]["displayName"], json!(""));
}

#[test]
fn bad_managers_are_refused() {
    let mut two = Two::new();
    let path = manager("nm-new");
    let mut put = |body: Value| {
        let got = two.central("PUT", &path, &body);
        (got.status, got.code().to_owned())
    };
    assert_eq!(put(json!({ "properties": {} })), (400, "LocationRequired".into()));
    assert_eq!(put(json!({ "location": "westeurope" })), (400, "BadRequest".into()));
    assert_eq!(
        put(json!({ "location": "westeurope", "properties": [1] })),
        (400, "InvalidRequestFormat".into())
    );
    assert_eq!(put(manager_body(FABRIKAM_SUBSCRIPTION)), (400, "BadRequest".into()));
    let bad_name = two.central("PUT", &manager("-x"), &manager_body(CENTRAL_SUBSCRIPTION));
    assert_eq!(bad_name.refusal(), (400, "InvalidResourceName"));
    let no_group = manager("nm").replace("rg-network", "rg-none");
    let got = two.central("PUT", &no_group, &manager_body(CENTRAL_SUBSCRIPTION));
    assert_eq!(got.refusal(), (404, "ResourceGroupNotFound"));
}

#[test]
fn a_manager_with_children_is_deleted_only_by_force_and_its_operation_ends_in_404() {
    let mut two = Two::new();
    two.connect();
    let refused = two.central("DELETE", &manager("nm-group"), NONE);
    assert_eq!(refused.refusal(), (409, "CannotDeleteResource"));
    assert!(refused.message().contains(&ours()), "{}", refused.message());
    let forced = two.central("DELETE", &format!("{}?force=true", manager("nm-group")), NONE);
    assert_eq!(forced.status, 202);
    let (first, ends) = follow(&mut two, &forced);
    assert_eq!(ends, [202, 404]);
    assert!(first.len() > 2900, "signed and long: {}", first.len());
    assert_eq!(two.central("GET", &manager("nm-group"), NONE).refusal(), (404, "ResourceNotFound"));
    assert_eq!(state(&two.target("GET", &theirs(), NONE)), "Revoked");
    assert_eq!(two.central("DELETE", &manager("nm-group"), NONE).status, 204);
}

/// The first URL of an operation, and the statuses of all polls.
fn follow(two: &mut Two, got: &Got) -> (String, Vec<u16>) {
    let first = got.header("location").to_owned();
    let mut next = first.clone();
    let mut seen = Vec::new();
    while let Some(path) = next.strip_prefix("https://management.azure.com") {
        let poll = two.central("GET", path, NONE);
        seen.push(poll.status);
        if poll.status != 202 {
            break;
        }
        assert_ne!(poll.header("location"), next);
        next = poll.header("location").to_owned();
    }
    (first, seen)
}

#[test]
fn a_group_that_had_members_is_deleted_in_the_background_and_one_that_had_none_at_once() {
    let mut two = Two::new();
    two.add_group();
    assert_eq!(two.central("DELETE", &group(), NONE).status, 200);
    two.add_group();
    assert_eq!(two.central("PUT", &member("hub"), &member_body(&hub())).status, 200);
    let deleted = two.central("DELETE", &format!("{}?force=true", group()), NONE);
    assert_eq!((deleted.status, two.last_change()), (202, Change::Deleted));
    assert_eq!(follow(&mut two, &deleted).1, [202, 204]);
    assert_eq!(two.central("DELETE", &group(), NONE).status, 204);
}

#[test]
fn a_deleted_thing_is_still_read_until_the_lag_is_over_and_breaks_its_link_at_once() {
    let mut two = Two::new();
    two.connect();
    two.trial
        .world
        .set_lags(crate::Lags { delete: jiff::SignedDuration::from_secs(10), ..crate::Lags::ready() });
    assert_eq!(two.central("DELETE", &ours(), NONE).status, 200);
    assert_eq!(two.central("GET", &ours(), NONE).status, 200);
    assert_eq!(state(&two.target("GET", &theirs(), NONE)), "Revoked");
    assert_eq!(two.central("DELETE", &manager("nm-group"), NONE).refusal(), (409, "CannotDeleteResource"));
    two.trial.wait(10);
    assert_eq!(two.central("GET", &ours(), NONE).refusal(), (404, "NotFound"));
}

#[test]
fn delete_deletes_nothing_answers_200_and_keeps_everything() {
    let mut two = Two::new();
    two.connect();
    two.lie(Lie::DeleteDeletesNothing);
    assert_eq!(two.central("DELETE", &ours(), NONE).status, 200);
    assert_eq!(two.last_change(), Change::None);
    assert_eq!(two.states(), ["Connected", "Connected"]);
}

#[test]
fn a_manager_deleted_too_soon_after_a_connection_poisons_its_scope() {
    for (wait, allowed) in [(0, false), (60, true)] {
        let mut two = Two::new();
        let window = jiff::SignedDuration::from_secs(60);
        two.trial.world.set_lags(crate::Lags { poison: window, ..crate::Lags::ready() });
        let second = manager("nm-second");
        let connection = format!("{second}/scopeConnections/c");
        two.central("PUT", &second, &manager_body(CENTRAL_SUBSCRIPTION));
        two.central("PUT", &connection, &ours_body(FABRIKAM, FABRIKAM_SUBSCRIPTION));
        two.central("DELETE", &connection, NONE);
        two.trial.wait(wait);
        assert_eq!(two.central("DELETE", &second, NONE).status, 200);
        let again = two.central("PUT", &second, &manager_body(CENTRAL_SUBSCRIPTION));
        assert_eq!(again.status == 200, allowed, "{}", again.body);
    }
}

#[test]
fn lists_end_in_an_empty_link_and_page_by_top() {
    let mut two = Two::new();
    let list = format!("{}/networkGroups", manager("nm-group"));
    assert_eq!(two.central("GET", &list, NONE).body, json!({ "value": [], "nextLink": "" }));
    for n in 0..25 {
        two.central("PUT", &format!("{list}/g{n}"), &json!({}));
    }
    let mut names = Vec::new();
    let mut next = format!("{list}?$top=10&api-version=2024-10-01");
    let mut pages = 0;
    loop {
        let page = two.central("GET", &next, NONE);
        names.extend(page.list().iter().map(|g| g["name"].clone()));
        pages += 1;
        match page.text("/nextLink").strip_prefix("https://management.azure.com") {
            Some(path) => next = path.to_owned(),
            None => break,
        }
    }
    assert_eq!((pages, names.len(), &names[24]), (3, 25, &json!("g24")));
    assert_eq!(two.central("GET", &format!("{list}?$top=21"), NONE).status, 400);
    let root = format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/networkManagers");
    let managers = two.central("GET", &root, NONE);
    assert_eq!(managers.list().len(), 1);
}

mod groups;
