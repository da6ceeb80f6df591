//! The documented tasks, one request each, from the shipped world to listed members.

use serde_json::{Value, json};

use crate::lies::Lie;
use crate::trial::{
    CENTRAL, CENTRAL_SUBSCRIPTION, FABRIKAM, FABRIKAM_SUBSCRIPTION, NETWORK_CONTRIBUTOR, NINA, Trial,
};

fn manager() -> String {
    format!(
        "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group"
    )
}

fn network() -> String {
    format!(
        "{FABRIKAM_SUBSCRIPTION}/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app"
    )
}

/// Invitation, acceptance, role, registration; returns both tokens.
fn prepared() -> (Trial, String, String) {
    let mut trial = Trial::shipped();
    let admin = trial.graph_token("target-admin", FABRIKAM);
    let invitation =
        json!({ "invitedUserEmailAddress": NINA, "inviteRedirectUrl": "https://portal.azure.com" });
    let guest = trial.graph(&admin, "POST", "/invitations", &invitation).text("/invitedUser/id").to_owned();
    trial.control("POST", "redeem", &json!({ "email": NINA }));
    trial.wait(60);
    let admin = trial.arm_token("target-admin", FABRIKAM);
    let name = "12345678-0000-0000-0000-000000000001";
    let path = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/{name}");
    let body = json!({ "properties": {
        "roleDefinitionId": NETWORK_CONTRIBUTOR, "principalId": guest, "principalType": "User",
    } });
    assert_eq!(trial.arm(&admin, "PUT", &path, &body).status, 201);
    trial.wait(600);
    let target = trial.arm_token("target", FABRIKAM);
    let register = format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/register");
    assert_eq!(trial.arm(&target, "POST", &register, &Value::Null).status, 200);
    let central = trial.arm_token("central", CENTRAL);
    (trial, central, target)
}

fn halves() -> (String, Value, String, Value) {
    (
        format!("{}/scopeConnections/to-central", manager()),
        json!({ "properties": { "tenantId": FABRIKAM, "resourceId": FABRIKAM_SUBSCRIPTION } }),
        format!("{FABRIKAM_SUBSCRIPTION}/providers/Microsoft.Network/networkManagerConnections/to-central"),
        json!({ "properties": { "networkManagerId": manager() } }),
    )
}

fn state(trial: &mut Trial, token: &str, path: &str) -> String {
    trial.arm(token, "GET", path, &Value::Null).text("/properties/connectionState").to_owned()
}

#[test]
fn the_whole_document_from_invitation_to_members() {
    let (mut trial, central, target) = prepared();
    let (scope, scope_body, connection, connection_body) = halves();
    let made = trial.arm(&central, "PUT", &scope, &scope_body);
    assert_eq!((made.status, made.text("/properties/connectionState")), (200, "Pending"));
    trial.wait(60);
    assert_eq!(state(&mut trial, &central, &scope), "Pending", "one side is not enough");
    let read = trial.arm(&central, "GET", &scope, &Value::Null);
    let answered = jiff::fmt::rfc2822::parse(read.header("date")).unwrap().timestamp();
    let written: jiff::Timestamp = read.text("/systemData/lastModifiedAt").parse().unwrap();
    assert_eq!(answered.duration_since(written).as_secs(), 60, "responses have dates of this world's clock");
    let made = trial.arm(&target, "PUT", &connection, &connection_body);
    assert_eq!((made.status, made.text("/properties/connectionState")), (200, "Pending"));
    trial.wait(2);
    assert_eq!(state(&mut trial, &central, &scope), "Connected");
    assert_eq!(state(&mut trial, &target, &connection), "Connected");
    let read = trial.arm(&central, "GET", &manager(), &Value::Null);
    assert_eq!(read.text("/properties/networkManagerScopes/crossTenantScopes/0/tenantId"), FABRIKAM);

    let group = format!("{}/networkGroups/cross-tenant", manager());
    assert_eq!(trial.arm(&central, "PUT", &group, &json!({})).status, 200);
    let member = format!("{group}/staticMembers/vnet-app");
    let body = json!({ "properties": { "resourceId": network() } });
    let refused = trial.arm(&central, "PUT", &member, &body);
    assert_eq!(refused.refusal(), (403, "LinkedAuthorizationFailed"));
    let made = trial.arm_with(&central, &[&target], "PUT", &member, &body);
    assert_eq!((made.status, made.text("/properties/provisioningState")), (200, "Updating"), "{}", made.body);
    trial.wait(2);
    let list = trial.arm(&central, "GET", &format!("{group}/staticMembers"), &Value::Null);
    assert_eq!(list.list().len(), 1);
    assert_eq!(list.text("/value/0/properties/provisioningState"), "Succeeded");
    assert_eq!(list.body["nextLink"], "");

    assert_eq!(trial.arm(&target, "DELETE", &connection, &Value::Null).status, 200);
    trial.wait(2);
    assert_eq!(state(&mut trial, &central, &scope), "Revoked", "deleting either side ends it");
}

#[test]
fn each_lie_about_networks_shows() {
    let (scope, scope_body, connection, connection_body) = halves();
    for lie in [Lie::EagerConnected, Lie::OneHalfEnough] {
        let (mut trial, central, _) = prepared();
        trial.world.set_lie(lie, true);
        trial.arm(&central, "PUT", &scope, &scope_body);
        trial.wait(2);
        assert_eq!(state(&mut trial, &central, &scope), "Connected", "{lie:?}");
        let read = trial.arm(&central, "GET", &manager(), &Value::Null);
        let scopes = read.body.pointer("/properties/networkManagerScopes/crossTenantScopes");
        let held = scopes.and_then(Value::as_array).is_some_and(|s| !s.is_empty());
        assert_eq!(held, lie == Lie::OneHalfEnough, "{lie:?}");
    }
    for lie in [Lie::EmptyList, Lie::MemberNeverSettles, Lie::NoAuxiliaryCheck, Lie::DeleteDeletesNothing] {
        let (mut trial, central, target) = prepared();
        trial.arm(&central, "PUT", &scope, &scope_body);
        trial.arm(&target, "PUT", &connection, &connection_body);
        trial.wait(2);
        trial.world.set_lie(lie, true);
        let group = format!("{}/networkGroups/g", manager());
        trial.arm(&central, "PUT", &group, &json!({}));
        let member = format!("{group}/staticMembers/m");
        let body = json!({ "properties": { "resourceId": network() } });
        let alone = trial.arm(&central, "PUT", &member, &body).status;
        assert_eq!(alone == 200, lie == Lie::NoAuxiliaryCheck, "{lie:?}: {alone}");
        trial.arm_with(&central, &[&target], "PUT", &member, &body);
        trial.wait(3000);
        let listed = trial.arm(&central, "GET", &format!("{group}/staticMembers"), &Value::Null).list().len();
        assert_eq!(listed == 0, lie == Lie::EmptyList, "{lie:?}");
        let read = trial.arm(&central, "GET", &member, &Value::Null);
        let settled = read.text("/properties/provisioningState") == "Succeeded";
        assert_eq!(!settled, lie == Lie::MemberNeverSettles, "{lie:?}: {}", read.body);
        assert_eq!(trial.arm(&central, "DELETE", &member, &Value::Null).status, 200);
        trial.wait(60);
        let still = trial.arm(&central, "GET", &member, &Value::Null).status == 200;
        assert_eq!(still, lie == Lie::DeleteDeletesNothing, "{lie:?}");
    }
}
