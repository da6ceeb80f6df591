use serde_json::{Value, json};

use crate::lies::Lie;
use crate::trial::{
    CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_GROUP, FABRIKAM_SUBSCRIPTION, Got, NETWORK_CONTRIBUTOR,
    NINA, Trial,
};
use crate::world::World;

const NAME: &str = "12345678-0000-0000-0000-000000000001";
const OTHER_NAME: &str = "12345678-0000-0000-0000-000000000002";

fn assignment(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn body(principal: &str) -> Value {
    json!({ "properties": {
        "roleDefinitionId": NETWORK_CONTRIBUTOR, "principalId": principal, "principalType": "User",
    } })
}

/// Invites Nina to Fabrikam; returns her object id there.
fn invite(trial: &mut Trial) -> String {
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let invitation =
        json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
    let id = trial.graph(&admin, "POST", "/invitations", &invitation).text("/invitedUser/id").to_owned();
    trial.control("POST", "redeem", &json!({ "email": NINA }));
    id
}

fn give(trial: &mut Trial, scope: &str, name: &str, body: &Value) -> Got {
    let admin = trial.arm_token("target-admin", FABRIKAM);
    trial.arm(&admin, "PUT", &assignment(scope, name), body)
}

fn permissions(trial: &mut Trial, scope: &str) -> Got {
    let guest = trial.arm_token("target", FABRIKAM);
    trial.arm(&guest, "GET", &format!("{scope}/providers/Microsoft.Authorization/permissions"), &Value::Null)
}

#[test]
fn a_fresh_principal_is_not_found_until_it_has_replicated() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial);
    let mut untyped = body(&guest);
    untyped["properties"]["principalType"] = Value::Null;
    trial.wait(4);
    let got = give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest));
    assert_eq!(got.refusal(), (400, "PrincipalNotFound"));
    assert!(
        got.message().contains(&format!("does not exist in the directory {FABRIKAM}")),
        "{}",
        got.message()
    );
    trial.wait(1);
    let got = give(&mut trial, FABRIKAM_SUBSCRIPTION, OTHER_NAME, &untyped);
    assert_eq!(got.refusal(), (400, "PrincipalNotFound"), "longer for a request without the type");
    assert_eq!(give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest)).status, 201);
    let unknown = body("99999999-0000-0000-0000-000000000000");
    trial.wait(3000);
    assert_eq!(
        give(&mut trial, FABRIKAM_SUBSCRIPTION, OTHER_NAME, &unknown).refusal(),
        (400, "PrincipalNotFound")
    );
}

#[test]
fn one_assignment_has_one_name_and_one_meaning() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial);
    trial.wait(60);
    let made = give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest));
    assert_eq!(made.status, 201);
    assert_eq!(made.text("/properties/principalId"), guest);
    assert_eq!(made.text("/properties/scope"), FABRIKAM_SUBSCRIPTION);
    assert!(made.text("/properties/roleDefinitionId").starts_with(FABRIKAM_SUBSCRIPTION));

    assert_eq!(give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest)).status, 200, "the same again");
    let got = give(&mut trial, FABRIKAM_SUBSCRIPTION, OTHER_NAME, &body(&guest));
    assert_eq!(got.refusal(), (409, "RoleAssignmentExists"));
    let other = body("ffffffff-1111-0000-0000-000000000001");
    let got = give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &other);
    assert_eq!(got.refusal(), (400, "RoleAssignmentUpdateNotPermitted"));
    let got = give(&mut trial, FABRIKAM_GROUP, NAME, &body(&guest));
    assert_eq!(got.refusal(), (400, "RoleAssignmentUpdateNotPermitted"), "a name is unique in the tenant");
    assert_eq!(
        give(&mut trial, FABRIKAM_SUBSCRIPTION, "x", &body(&guest)).refusal(),
        (400, "InvalidRoleAssignmentId")
    );

    let changes: Vec<_> =
        trial.world.effects().iter().filter(|e| e.path.contains(NAME)).map(|e| e.change).collect();
    use crate::Change::{Created, None as Nothing};
    assert_eq!(changes, [Created, Nothing, Nothing, Nothing]);
}

#[test]
fn a_role_takes_ten_minutes_and_the_words_say_so() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial);
    let token = trial.arm_token("target", FABRIKAM);
    let got = trial.arm(&token, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null);
    assert_eq!(got.refusal(), (404, "SubscriptionNotFound"), "no role at all");
    trial.wait(60);
    give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest));
    trial.wait(599);
    let got = trial.arm(&token, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null);
    assert_eq!(got.refusal(), (403, "AuthorizationFailed"), "assigned and not effective yet");
    assert!(got.message().contains(&guest) && got.message().contains("If access was recently granted"));
    assert_eq!(permissions(&mut trial, FABRIKAM_SUBSCRIPTION).status, 403);
    trial.wait(1);
    let got = trial.arm(&token, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null);
    assert_eq!((got.status, got.text("/displayName")), (200, "fabrikam-prod-weu"));
    let got = permissions(&mut trial, FABRIKAM_SUBSCRIPTION);
    assert!(got.list()[0]["actions"].as_array().is_some_and(|a| a.contains(&json!("Microsoft.Network/*"))));
}

#[test]
fn a_fresh_token_sees_a_role_at_once_where_the_world_says_so() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial);
    let mut lags = trial.world.lags().clone();
    lags.fresh_token_sees_roles = true;
    trial.world.set_lags(lags);
    let old = trial.arm_token("target", FABRIKAM);
    trial.wait(60);
    give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest));
    let fresh = trial.arm_token("target", FABRIKAM);
    assert_eq!(trial.arm(&old, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null).status, 403);
    assert_eq!(trial.arm(&fresh, "GET", FABRIKAM_SUBSCRIPTION, &Value::Null).status, 200);
}

#[test]
fn a_role_counts_below_its_scope_and_not_beside_it() {
    let mut trial = Trial::shipped();
    let guest = invite(&mut trial);
    trial.wait(60);
    let group = format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app");
    give(&mut trial, &group, NAME, &body(&guest));
    trial.wait(600);
    assert_eq!(permissions(&mut trial, &group).status, 200);
    assert_eq!(
        permissions(&mut trial, &format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-data")).status,
        403
    );
    assert_eq!(permissions(&mut trial, FABRIKAM_SUBSCRIPTION).status, 403);
    give(&mut trial, FABRIKAM_GROUP, OTHER_NAME, &body(&guest));
    trial.wait(600);
    assert_eq!(
        permissions(&mut trial, &format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-data")).status,
        200
    );
}

#[test]
fn only_who_may_assign_assigns_and_lists_say_where() {
    let mut trial = Trial::ready();
    let guest = trial.arm_token("target", FABRIKAM);
    let id = "ffffffff-1111-0000-0000-000000000002";
    let got = trial.arm(&guest, "PUT", &assignment(FABRIKAM_SUBSCRIPTION, NAME), &body(id));
    assert_eq!(got.refusal(), (403, "AuthorizationFailed"));
    assert!(got.message().contains("'Microsoft.Authorization/roleAssignments/write'"));

    give(&mut trial, &format!("{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app"), NAME, &body(id));
    let mut count = |filter: &str| {
        let filter = filter.replace(' ', "%20");
        let path = format!(
            "{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}"
        );
        trial.arm(&guest, "GET", &path, &Value::Null).list().len()
    };
    assert_eq!(count(""), 4, "above, at and below");
    assert_eq!(count("atScope()"), 3);
    assert_eq!(count(&format!("principalId eq '{id}'")), 2);
    assert_eq!(count(&format!("atScope() and assignedTo('{id}')")), 1);
    let path = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments?$filter=x");
    assert_eq!(trial.arm(&guest, "GET", &path, &Value::Null).refusal(), (400, "UnsupportedQuery"));
}

#[test]
fn a_deleted_assignment_is_gone_and_deleting_it_again_says_nothing_was_there() {
    let mut trial = Trial::ready();
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let path = assignment(FABRIKAM_GROUP, NAME);
    assert_eq!(trial.arm(&admin, "GET", &path, &Value::Null).refusal(), (404, "RoleAssignmentNotFound"));
    trial.arm(&admin, "PUT", &path, &body("ffffffff-1111-0000-0000-000000000002"));
    assert_eq!(trial.arm(&admin, "GET", &path, &Value::Null).status, 200);
    assert_eq!(trial.arm(&admin, "DELETE", &path, &Value::Null).status, 200);
    assert_eq!(trial.arm(&admin, "GET", &path, &Value::Null).status, 404);
    assert_eq!(trial.arm(&admin, "DELETE", &path, &Value::Null).status, 204);

    trial.arm(&admin, "PUT", &path, &body("ffffffff-1111-0000-0000-000000000002"));
    trial.world.set_lie(Lie::DeleteDeletesNothing, true);
    assert_eq!(trial.arm(&admin, "DELETE", &path, &Value::Null).status, 200);
    assert_eq!(trial.arm(&admin, "GET", &path, &Value::Null).status, 200, "the lie");
}

#[test]
fn roles_are_found_by_name() {
    let mut trial = Trial::shipped();
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let path = format!(
        "{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'Network%20Contributor'"
    );
    let got = trial.arm(&admin, "GET", &path, &Value::Null);
    assert_eq!(got.list().len(), 1);
    assert_eq!(got.text("/value/0/name"), "4d97b98b-1d4f-4787-a291-c67834d212e7");
    let got = trial.arm(&admin, "GET", NETWORK_CONTRIBUTOR, &Value::Null);
    assert_eq!(got.text("/properties/roleName"), "Network Contributor");
    let unknown = "/providers/Microsoft.Authorization/roleDefinitions/99999999-0000-0000-0000-000000000000";
    assert_eq!(
        trial.arm(&admin, "GET", unknown, &Value::Null).refusal(),
        (404, "RoleDefinitionDoesNotExist")
    );
}

#[test]
fn a_role_that_never_takes_effect_is_listed_all_the_same() {
    let mut trial = Trial::shipped();
    trial.world.set_lie(Lie::RoleNeverEffective, true);
    let guest = invite(&mut trial);
    trial.wait(60);
    assert_eq!(give(&mut trial, FABRIKAM_SUBSCRIPTION, NAME, &body(&guest)).status, 201);
    trial.wait(86_400);
    let admin = trial.arm_token("target-admin", FABRIKAM);
    assert_eq!(trial.arm(&admin, "GET", &assignment(FABRIKAM_SUBSCRIPTION, NAME), &Value::Null).status, 200);
    assert_eq!(permissions(&mut trial, FABRIKAM_SUBSCRIPTION).status, 403);
}

/// Results of linked checks for a write by the central administrator that refers to a network of Fabrikam: without
/// an auxiliary token, with one whose holder has no role, with a valid one.
fn linked_outcomes(lie: Option<Lie>) -> [Option<String>; 3] {
    let run = |mut trial: Trial, auxiliary: bool| {
        if let Some(lie) = lie {
            trial.world.set_lie(lie, true);
        }
        let token = trial.arm_token("central", CENTRAL);
        let extra = if auxiliary { Some(trial.arm_token("target", FABRIKAM)) } else { None };
        let bearer = format!("Bearer {token}");
        let mut request =
            http::Request::builder().uri("https://management.azure.com/").header("authorization", bearer);
        if let Some(extra) = extra {
            request = request.header("x-ms-authorization-auxiliary", format!("Bearer {extra}"));
        }
        let request = request.body(bytes::Bytes::new()).ok()?;
        let request = crate::request::Request::new(request, trial.now, trial.now);
        let caller = crate::caller::of_arm_request(&trial.world, &request).ok()?;
        let member =
            format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/m");
        let vnet = format!(
            "{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app"
        );
        let action = "Microsoft.Network/virtualNetworks/write";
        super::authorize_linked(&trial.world, &caller, &request, action, &member, &vnet)
            .err()
            .map(|refused| String::from_utf8_lossy(&refused.body_bytes()).into_owned())
    };
    let mut without_role = Trial::shipped();
    invite(&mut without_role);
    [run(Trial::ready(), false), run(without_role, true), run(Trial::ready(), true)]
}

/// The expected results of linked checks.
fn auxiliary_token_is_asked_for(outcomes: &[Option<String>; 3]) -> bool {
    let says = |outcome: &Option<String>, text: &str| {
        outcome.as_ref().is_some_and(|o| o.contains("LinkedAuthorizationFailed") && o.contains(text))
    };
    let [without, no_role, good] = outcomes;
    says(without, &format!("the current tenant '{CENTRAL}' is not authorized to access linked subscription"))
        && says(no_role, "does not have permission to perform action(s)")
        && good.is_none()
}

#[test]
fn a_linked_network_of_another_tenant_needs_that_tenants_token_and_a_role() {
    assert!(auxiliary_token_is_asked_for(&linked_outcomes(None)));
}

#[test]
fn the_lie_no_auxiliary_check_would_turn_the_test_above_red() {
    assert!(!auxiliary_token_is_asked_for(&linked_outcomes(Some(Lie::NoAuxiliaryCheck))));
}

#[test]
fn a_lists_roles_are_found_by_id_among_the_scopes_own() {
    let mut trial = Trial::shipped();
    let token = trial.arm_token("target-admin", FABRIKAM);
    let at = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization");
    let roles = trial.arm(&token, "GET", &format!("{at}/roleDefinitions"), &Value::Null);
    let inherited = trial.arm(&token, "GET", &format!("{at}/roleAssignments"), &Value::Null);
    assert_eq!(inherited.list().len(), 1);
    let assignment = &inherited.list()[0]["properties"];
    assert!(
        assignment["scope"].as_str().unwrap().starts_with("/providers/Microsoft.Management/"),
        "{assignment}"
    );
    let role = roles.list().iter().find(|role| role["id"] == assignment["roleDefinitionId"]).unwrap();
    assert_eq!(role["properties"]["roleName"], "Owner");
}

/// Nina is a guest of Fabrikam: Reader permanently, Network Contributor until 11:00, eligible for User Access
/// Administrator.
fn timed() -> Trial {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    let tenant = world["tenants"].as_array_mut().unwrap().iter_mut().find(|t| t["id"] == FABRIKAM).unwrap();
    let guest = json!({ "id": GUEST, "email": NINA, "guest": "accepted" });
    tenant["users"].as_array_mut().unwrap().push(guest);
    let roles = tenant["role_assignments"].as_array_mut().unwrap();
    for (role, more) in [
        ("Reader", json!({})),
        ("Network Contributor", json!({ "ends": "2026-11-23T11:00:00Z" })),
        ("User Access Administrator", json!({ "eligible": true })),
    ] {
        let mut entry = json!({ "scope": FABRIKAM_SUBSCRIPTION, "role": role, "principal": GUEST });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        roles.push(entry);
    }
    Trial::of(World::from_json(&world.to_string()).unwrap())
}

const GUEST: &str = "ffffffff-1111-0000-0000-000000000002";

fn scheduled(trial: &mut Trial, kind: &str) -> Vec<(String, Value)> {
    let guest = trial.arm_token("target", FABRIKAM);
    let path = format!(
        "{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/{kind}?api-version=2020-10-01&$filter=assignedTo('{GUEST}')"
    );
    let got = trial.arm(&guest, "GET", &path, &Value::Null);
    assert_eq!(got.status, 200, "{got:#?}");
    let of = |entry: &Value| {
        let properties = &entry["properties"];
        let role = properties["expandedProperties"]["roleDefinition"]["displayName"].as_str().unwrap();
        (role.to_owned(), properties["endDateTime"].clone())
    };
    got.list().iter().map(of).collect()
}

#[test]
fn a_role_with_an_end_is_listed_with_it_and_then_is_gone_and_one_to_activate_allows_nothing() {
    let mut trial = timed();
    let ends = json!("2026-11-23T11:00:00Z");
    let assigned = scheduled(&mut trial, "roleAssignmentScheduleInstances");
    assert_eq!(assigned, [("Reader".to_owned(), Value::Null), ("Network Contributor".to_owned(), ends)]);
    let eligible = scheduled(&mut trial, "roleEligibilityScheduleInstances");
    assert_eq!(eligible, [("User Access Administrator".to_owned(), Value::Null)]);
    assert_eq!(
        permissions(&mut trial, FABRIKAM_SUBSCRIPTION).list().len(),
        2,
        "what could be activated is not"
    );
    trial.wait(7_199);
    assert_eq!(permissions(&mut trial, FABRIKAM_SUBSCRIPTION).list().len(), 2);
    trial.wait(1);
    assert_eq!(permissions(&mut trial, FABRIKAM_SUBSCRIPTION).list().len(), 1, "it ended");
    assert_eq!(scheduled(&mut trial, "roleAssignmentScheduleInstances").len(), 1);
}

#[test]
fn who_may_not_read_a_scope_is_not_told_who_has_what_there() {
    let mut trial = Trial::shipped();
    invite(&mut trial);
    trial.wait(10);
    let guest = trial.arm_token("target", FABRIKAM);
    let path =
        format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances");
    let got = trial.arm(&guest, "GET", &path, &Value::Null);
    assert_eq!(got.status / 100, 4, "{got:#?}");
}
