//! Microsoft.ResourceGraph: the query for group memberships.

use serde_json::{Value, json};

use crate::authorization::may;
use crate::caller::Caller;
use crate::hierarchy::{Place, key};
use crate::network;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

const TYPE: &str = "microsoft.network/networkgroupmemberships";

/// Rows per page, unless `$top` is smaller.
const PAGE: usize = 1_000;

/// `POST /providers/Microsoft.ResourceGraph/resources`. Supports the documented query for the members of a network
/// group, the same without its filter or its projection, and a filter on the text of all properties.
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
    let mentioned =
        quoted_after(query, "tostring(properties) contains").map(|text| text.to_ascii_lowercase());
    let projected = lower.contains("project virtualnetworkid");
    let asked: Vec<String> = texts(&body, "subscriptions").iter().map(|s| s.to_ascii_lowercase()).collect();
    network::settle(world, request.at);
    let mut rows = Vec::new();
    for membership in network::memberships(world, request.at) {
        let Place::Subscription { subscription, .. } = Place::of(&membership.network) else { continue };
        // Resources of another tenant are invisible to this caller, even if another token of it has roles there.
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
        let properties = json!({ "GroupMemberships": groups });
        let text = properties.to_string().to_ascii_lowercase();
        if !groups.is_empty() && mentioned.as_ref().is_none_or(|wanted| text.contains(wanted)) {
            rows.push(json!({
                "id": format!("{}/providers/Microsoft.Network/networkGroupMemberships/default", membership.network),
                "name": "default",
                "type": TYPE,
                "location": membership.location,
                "subscriptionId": subscription,
                "tenantId": tenant,
                "properties": properties,
            }));
        }
    }
    Ok(Reply::ok(page(&body, rows)))
}

/// The requested page. As in Azure, the next page is linked only if the rows have ids.
fn page(body: &Value, rows: Vec<Value>) -> Value {
    let option = |name: &str| body.get("options").and_then(|options| options.get(name));
    let size = option("$top").and_then(Value::as_u64).and_then(|top| usize::try_from(top).ok());
    let size = size.unwrap_or(PAGE).clamp(1, PAGE);
    let skipped = option("$skipToken").and_then(Value::as_str).and_then(|token| token.parse::<usize>().ok());
    let from = skipped.unwrap_or(0).min(rows.len());
    let (total, has_ids) = (rows.len(), rows.iter().all(|row| row.get("id").is_some()));
    let rows: Vec<Value> = rows.into_iter().skip(from).take(size).collect();
    let end = from + rows.len();
    let truncated = end < total && !has_ids;
    let mut page = json!({
        "totalRecords": total,
        "count": rows.len(),
        "resultTruncated": if truncated { "true" } else { "false" },
        "facets": [],
        "data": rows,
    });
    if end < total && has_ids {
        page["$skipToken"] = json!(end.to_string());
    }
    page
}

fn texts(body: &Value, name: &str) -> Vec<String> {
    let list = body.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The first quoted text after `word`, ignoring case.
fn quoted_after(query: &str, word: &str) -> Option<String> {
    let from = query.to_ascii_lowercase().find(word)?;
    let rest = query.get(from + word.len()..)?;
    let (start, quote) = rest.char_indices().find(|(_, c)| matches!(c, '\'' | '"'))?;
    let quoted = rest.get(start + 1..)?;
    quoted.split(quote).next().map(str::to_owned)
}
