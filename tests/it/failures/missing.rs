//! What a resource lies in is not there.

use serde_json::json;
use twinspan_engine::FailureClass::ReplicationLag;

use super::scenes::Scene;
use super::stage::{CENTRAL, Stage};
use super::table::{CENTRAL_SUBSCRIPTION, Mend, NETWORK, Row, Then::Stops, natural};

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
            case: "the network manager is not there",
            ..natural(
                "ResourceNotFound",
                "what it lies in is not there",
                Scene::GroupWithoutManager,
                Stops(
                    ReplicationLag,
                    "network manager nm-none is not in resource group rg-network, subscription \
                     aaaaaaaa-0000-0000-0000-000000000001 of tenant 11111111-0000-0000-0000-00000000000c",
                ),
                Mend::By(make_manager),
            )
        },
        Row {
            case: "the network group is not there",
            ..natural(
                "NotFound",
                "what it lies in is not there",
                Scene::MemberWithoutGroup,
                Stops(ReplicationLag, "network group ng-none is not in resource group rg-network"),
                Mend::By(make_network_group),
            )
        },
    ]
}
