//! What other people do in the simulated world while a run is driven.

use jiff::SignedDuration;
use serde_json::json;
use twinspan_sim::Lags;

use super::stage::{CENTRAL, FABRIKAM, Stage};
use super::table::{CENTRAL_SUBSCRIPTION, GUEST, MANAGEMENT_GROUP, NETWORK_CONTRIBUTOR, SUBSCRIPTION};

/// Deletes the guest's role assignment in the other tenant.
pub(crate) fn take_role(stage: &Stage) {
    let roles = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments");
    let filter = format!("{roles}?api-version=2022-04-01&$filter=principalId%20eq%20'{GUEST}'");
    let held = stage.ask("target-admin", FABRIKAM, "GET", &filter, None);
    for role in held["value"].as_array().unwrap() {
        let path = format!("{}?api-version=2022-04-01", role["id"].as_str().unwrap());
        stage.ask("target-admin", FABRIKAM, "DELETE", &path, None);
    }
}

/// Deletes the role assignment; the next one takes effect this many minutes after it is created.
pub(crate) fn take_role_for(stage: &Stage, minutes: i64) {
    take_role(stage);
    stage.world.with(|world| {
        let lags = world.lags().clone();
        world.set_lags(Lags { role: SignedDuration::from_mins(minutes), ..lags });
    });
}

/// Assigns the role to the guest.
pub(crate) fn give_role(stage: &Stage) {
    give(stage, GUEST);
}

pub(super) fn give(stage: &Stage, principal: &str) {
    let name = "99999999-0000-0000-0000-000000000001";
    let path = format!(
        "{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01"
    );
    let body = json!({ "properties": {
        "roleDefinitionId": NETWORK_CONTRIBUTOR, "principalId": principal, "principalType": "User",
    }});
    stage.ask("target-admin", FABRIKAM, "PUT", &path, Some(&body));
}

pub(super) fn register(stage: &Stage) {
    let path = format!("{CENTRAL_SUBSCRIPTION}/providers/Microsoft.Network/register?api-version=2025-04-01");
    stage.ask("central", CENTRAL, "POST", &path, None);
}

pub(super) fn register_group(stage: &Stage) {
    let path = format!("{MANAGEMENT_GROUP}/providers/Microsoft.Network/register?api-version=2025-04-01");
    stage.ask("target-admin", FABRIKAM, "POST", &path, None);
}

pub(super) fn make_resource_group(stage: &Stage) {
    let path = format!("{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-none?api-version=2022-09-01");
    stage.ask("central", CENTRAL, "PUT", &path, Some(&json!({ "location": "westeurope" })));
}
