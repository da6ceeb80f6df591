//! The parent of a resource does not exist.

use serde_json::json;
use twinspan_engine::FailureClass::ReplicationLag;

use super::scenes::Scene;
use super::stage::{CENTRAL, Stage};
use super::table::{CENTRAL_SUBSCRIPTION, NETWORK, Remedy, Row, Then::Stops, natural};

fn make_manager(stage: &Stage) {
    let path = format!("{NETWORK}/networkManagers/nm-none?api-version=2024-10-01");
    let body = json!({ "location": "westeurope", "properties": {
        "networkManagerScopes": { "subscriptions": [CENTRAL_SUBSCRIPTION] },
        "networkManagerScopeAccesses": ["SecurityAdmin"],
    }});
    stage.ask("central", CENTRAL, "PUT", &path, Some(&body));
}

fn make_network_group(stage: &Stage) {
    let path = format!("{NETWORK}/networkManagers/nm-group/networkGroups/ng-none?api-version=2024-10-01");
    stage.ask("central", CENTRAL, "PUT", &path, Some(&json!({ "properties": {} })));
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            case: "the network manager does not exist",
            ..natural(
                "ResourceNotFound",
                "the parent resource does not exist",
                Scene::GroupWithoutManager,
                Stops(
                    ReplicationLag,
                    "network manager nm-none is not in resource group rg-network, subscription \
                     aaaaaaaa-0000-0000-0000-000000000001 of tenant 11111111-0000-0000-0000-00000000000c",
                ),
                Remedy::By(make_manager),
            )
        },
        Row {
            case: "the network group does not exist",
            ..natural(
                "NotFound",
                "the parent resource does not exist",
                Scene::MemberWithoutGroup,
                Stops(ReplicationLag, "network group ng-none is not in resource group rg-network"),
                Remedy::By(make_network_group),
            )
        },
    ]
}
