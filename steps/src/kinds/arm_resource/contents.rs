//! The contents of a resource: what Azure deletes along with it.

use serde::Deserialize;
use serde_json::{Map, Value};
use twinspan_engine::{ClaimKey, Content, Contents, FailureClass, StepError};

use crate::avnm::{child, or_default};
use crate::azure::{Arm, merging};
use crate::hierarchy;
use crate::ids::ResourceId;

/// Api-version of the list of a resource group's resources.
const API: &str = "2025-04-01";

/// A resource in the list of its resource group.
#[derive(Deserialize)]
struct Listed {
    #[serde(default, deserialize_with = "or_default")]
    id: String,
}

/// Lists the contents of `id`. `wanted` is the body of the plan, `found` the body from Azure. `None`: the resource is gone.
pub(super) async fn of(
    arm: &Arm<'_>,
    id: &ResourceId,
    wanted: &Map<String, Value>,
    found: &Value,
) -> Result<Option<Contents>, StepError> {
    let path = id.path();
    match id.resource_type().to_ascii_lowercase().as_str() {
        "" => listed(arm, &format!("{path}/resources"), API, |_| true).await,
        "microsoft.management/managementgroups" => {
            listed(arm, &format!("{path}/descendants"), hierarchy::MANAGEMENT_GROUPS_API, |_| true).await
        }
        "microsoft.network/networkmanagers" => child::of_manager(arm, path).await,
        "microsoft.network/networkmanagers/networkgroups" => child::members(arm, path).await,
        "microsoft.network/virtualnetworks" => Ok(Some(of_network(wanted, found))),
        // Other types: child resources below this id.
        _ => {
            let Some(group) = id.resource_group().map(|_| group_of(path)) else {
                return Ok(Some(Contents::default()));
            };
            let below = format!("{}/", path.to_ascii_lowercase());
            let inside = listed(arm, &format!("{group}/resources"), API, |id| id.starts_with(&below)).await;
            match inside {
                // An identity that may delete the resource need not be able to list the whole resource group.
                Err(error) if error.class == FailureClass::Permission => Ok(Some(Contents::default())),
                other => other,
            }
        }
    }
}

/// The resource group of a resource: `/subscriptions/…/resourceGroups/…`.
fn group_of(path: &str) -> String {
    path.split('/').take(5).collect::<Vec<_>>().join("/")
}

async fn listed(
    arm: &Arm<'_>,
    list: &str,
    api: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<Contents>, StepError> {
    let all: Vec<Listed> = match arm.list(list, api, &[]).await {
        Ok(all) => all,
        Err(error) if error.class == FailureClass::ReplicationLag => return Ok(None),
        Err(error) => return Err(error),
    };
    let items = all.into_iter().filter(|item| fits(&item.id.to_ascii_lowercase()));
    let items = items.map(|item| Content { key: ClaimKey(item.id.to_lowercase()), words: item.id });
    Ok(Some(Contents { what: "content", items: items.collect() }))
}

/// Subnets that the plan does not name, whatever is connected to any subnet, and peerings.
fn of_network(wanted: &Map<String, Value>, found: &Value) -> Contents {
    let list = |of: &Value, name: &str| -> Vec<Value> {
        let items = of
            .as_object()
            .and_then(|fields| merging::field(fields, name))
            .and_then(|(_, list)| list.as_array());
        items.cloned().unwrap_or_default()
    };
    let of = |body: &Value, name: &str| {
        let properties = body.as_object().and_then(|fields| merging::field(fields, "properties"));
        properties.map(|(_, properties)| list(properties, name)).unwrap_or_default()
    };
    let planned: Vec<_> =
        of(&Value::Object(wanted.clone()), "subnets").iter().filter_map(merging::key).collect();
    let subnets = of(found, "subnets");
    let connected = subnets.iter().flat_map(|subnet| {
        ["ipConfigurations", "privateEndpoints"].into_iter().flat_map(|name| of(subnet, name))
    });
    let own = |subnet: &&Value| merging::key(subnet).is_some_and(|key| planned.contains(&key));
    let others = subnets.iter().filter(|subnet| !own(subnet)).cloned();
    let all = others.chain(connected).chain(of(found, "virtualNetworkPeerings"));
    let named = all.filter_map(|item| {
        let id = item.get("id").or_else(|| item.get("name")).and_then(Value::as_str)?.to_owned();
        Some(Content { key: ClaimKey(id.to_lowercase()), words: id })
    });
    Contents { what: "content", items: named.collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use twinspan_engine::{AttemptLog, Phase};

    const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg";

    async fn held(
        id: &str,
        replies: &[(u16, Value)],
        found: Value,
    ) -> (Result<Option<Contents>, StepError>, usize) {
        let bench = Bench::new();
        for (status, body) in replies {
            bench.script.answer(*status, body);
        }
        let log = AttemptLog::new(Phase::UndoProbe);
        let cx = bench.cx(Phase::UndoProbe, &log);
        let arm = bench.azure.arm(&cx, &bench.central);
        let wanted = json!({ "properties": { "subnets": [{ "name": "One" }] } });
        let held = of(&arm, &id.parse().unwrap(), wanted.as_object().unwrap(), &found).await;
        (held, bench.script.requests().len())
    }

    fn ids(held: Result<Option<Contents>, StepError>) -> Vec<String> {
        held.unwrap().unwrap().items.into_iter().map(|item| item.words).collect()
    }

    #[tokio::test]
    async fn a_resource_group_holds_what_is_listed_on_every_page() {
        let network = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/v");
        let disk = format!("{GROUP}/providers/Microsoft.Compute/disks/d");
        let next =
            format!("https://management.azure.com{GROUP}/resources?api-version=2025-04-01&$skiptoken=2");
        let pages = [
            (200, json!({ "value": [{ "id": network }], "nextLink": next })),
            (200, json!({ "value": [{ "id": disk }] })),
        ];
        let (seen, _) = held(GROUP, &pages, json!({})).await;
        assert_eq!(ids(seen), [network, disk]);
        let gone = json!({ "error": { "code": "ResourceGroupNotFound", "message": "" } });
        assert_eq!(held(GROUP, &[(404, gone)], json!({})).await.0.unwrap(), None);
    }

    #[tokio::test]
    async fn of_another_type_only_what_lies_below_it_counts() {
        let server = format!("{GROUP}/providers/Microsoft.Sql/servers/s");
        let page = json!({ "value": [{ "id": server }, { "id": format!("{server}/databases/d") },
            { "id": format!("{server}2/databases/d") }] });
        let (seen, _) = held(&server, &[(200, page)], json!({})).await;
        assert_eq!(ids(seen), [format!("{server}/databases/d")]);
    }

    #[tokio::test]
    async fn a_virtual_network_holds_subnets_that_the_plan_does_not_name_and_what_is_connected() {
        let network = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/v");
        let found = json!({ "properties": {
            "subnets": [
                { "id": "/v/subnets/one", "name": "one", "properties": { "ipConfigurations": [{ "id": "/nic/1" }] } },
                { "id": "/v/subnets/two", "name": "two", "properties": {} },
            ],
            "virtualNetworkPeerings": [{ "id": "/v/peerings/p" }] } });
        let (seen, asked) = held(&network, &[], found).await;
        assert_eq!(
            (ids(seen), asked),
            (["/v/subnets/two", "/nic/1", "/v/peerings/p"].map(str::to_owned).to_vec(), 0)
        );
    }
}
