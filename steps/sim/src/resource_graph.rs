//! Microsoft.ResourceGraph: the one query that shows group membership.

use serde_json::{Value, json};

use crate::authorization::may;
use crate::caller::Caller;
use crate::hierarchy::{Place, key};
use crate::network;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

const TYPE: &str = "microsoft.network/networkgroupmemberships";

/// `POST /providers/Microsoft.ResourceGraph/resources`. Understands the documented query for the members of a network
/// group, and the same without its filter or its projection.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request) -> Handled {
    if request.method != http::Method::POST {
        return Err(Reply::method_not_allowed());
    }
    let body = request.json()?;
    let query = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let lower = query.to_ascii_lowercase();
    if !lower.trim_start().starts_with("networkresources") || !lower.contains(TYPE) {
        return Err(Reply::error(
            400,
            "BadRequest",
            "Please provide below info when asking for support: this simulation answers only queries over \
             networkresources of type microsoft.network/networkgroupmemberships.",
        ));
    }
    let group = quoted_after(query, "networkgroupid").map(|id| key(&id));
    let projected = lower.contains("project virtualnetworkid");
    let asked: Vec<String> = texts(&body, "subscriptions").iter().map(|s| s.to_ascii_lowercase()).collect();
    network::settle(world, request.at);
    let mut rows = Vec::new();
    for membership in network::memberships(world, request.at) {
        let Place::Subscription { subscription, .. } = Place::of(&membership.network) else { continue };
        // Another tenant's resources are not there for this caller, whatever roles it has under another token.
        let tenant = world.hierarchy.tenant_of(&membership.network).unwrap_or_default();
        let readable = tenant == caller.holder.tenant
            && may(
                world,
                &caller.holder,
                "Microsoft.Network/virtualNetworks/read",
                &membership.network,
                request.at,
            );
        if !readable || !(asked.is_empty() || asked.contains(&subscription)) {
            continue;
        }
        if projected {
            for id in &membership.groups {
                if group.as_ref().is_none_or(|wanted| key(id) == *wanted) {
                    rows.push(json!({ "virtualNetworkId": membership.network }));
                }
            }
            continue;
        }
        let groups: Vec<Value> = membership
            .groups
            .iter()
            .filter(|id| group.as_ref().is_none_or(|wanted| key(id) == *wanted))
            .map(|id| json!({ "NetworkGroupId": id, "MembershipType": "Static" }))
            .collect();
        if !groups.is_empty() {
            rows.push(json!({
                "id": format!("{}/providers/Microsoft.Network/networkGroupMemberships/default", membership.network),
                "name": "default",
                "type": TYPE,
                "location": membership.location,
                "subscriptionId": subscription,
                "tenantId": tenant,
                "properties": { "GroupMemberships": groups },
            }));
        }
    }
    let count = rows.len();
    Ok(Reply::ok(json!({
        "totalRecords": count,
        "count": count,
        "resultTruncated": "false",
        "facets": [],
        "data": rows,
    })))
}

fn texts(body: &Value, name: &str) -> Vec<String> {
    let list = body.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The first quoted text after `word`, in any case.
fn quoted_after(query: &str, word: &str) -> Option<String> {
    let from = query.to_ascii_lowercase().find(word)?;
    let rest = query.get(from + word.len()..)?;
    let (start, quote) = rest.char_indices().find(|(_, c)| matches!(c, '\'' | '"'))?;
    let quoted = rest.get(start + 1..)?;
    quoted.split(quote).next().map(str::to_owned)
}
