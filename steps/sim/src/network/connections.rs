//! Both sides of connections: scope connections and network manager connections.

use serde_json::{Map, Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::dialect::Dialect;
use super::handshake;
use super::resource::{Kind, Link, Resource};
use crate::hierarchy::{Place, key};
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// Handles one side: in `scopeConnections` of a manager, or in `networkManagerConnections` of a subscription or a
/// management group.
pub(super) fn handle(call: &mut Call<'_>, kind: Kind) -> Handled {
    match call.request.method.as_str() {
        "GET" => call.read(kind, shown),
        "PUT" => put(call, kind),
        "DELETE" => {
            call.authorize_kind(kind, "delete")?;
            call.parent(kind)?;
            call.delete(kind, None)
        }
        _ => Err(Reply::method_not_allowed()),
    }
}

/// Lists one kind.
pub(super) fn list(call: &Call<'_>, kind: Kind) -> Handled {
    call.list(kind, shown)
}

fn put(call: &mut Call<'_>, kind: Kind) -> Handled {
    call.authorize_kind(kind, "write")?;
    call.parent(kind)?;
    let given = call.properties()?;
    bodies::check(
        &given,
        &[
            ("tenantId", Type::Text),
            ("resourceId", Type::Text),
            ("networkManagerId", Type::Text),
            ("description", Type::Text),
        ],
    )?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut properties = Map::new();
    match kind {
        Kind::ScopeConnection => {
            let (tenant, resource) = (text("tenantId"), text("resourceId"));
            check_scope(&tenant, &resource)?;
            properties.insert("tenantId".to_owned(), json!(tenant));
            properties.insert("resourceId".to_owned(), json!(resource));
        }
        _ => {
            check_registered(call)?;
            properties.insert("networkManagerId".to_owned(), json!(text("networkManagerId")));
        }
    }
    properties.insert("description".to_owned(), json!(text("description")));
    let (mut half, change) = call.draft(kind);
    let links = ["tenantId", "resourceId", "networkManagerId"];
    let same = |name: &&str| {
        let new = properties.get(*name).and_then(Value::as_str).unwrap_or_default();
        key(half.text(name)) == key(new)
    };
    let change =
        if change == Change::Created || half.properties != properties { change } else { Change::None };
    if change == Change::Created || !links.iter().all(same) {
        // It names another resource now, so the previous connection ends.
        if change != Change::Created {
            handshake::half_removed(call.world, &key(&half.id), call.request.at);
        }
        half.link = Link::Pending;
        half.by_own_scope = false;
        half.since = call.request.at;
    }
    half.shortcut = !call.dialect.preview();
    half.properties = properties;
    // Rendered before any effect is applied: the response to a create always says `Pending`.
    let body = shown(call, &half);
    call.world.network.insert(half);
    Ok(Reply::ok(body).changed(change))
}

fn check_scope(tenant: &str, resource: &str) -> Result<(), Reply> {
    if uuid::Uuid::parse_str(tenant).is_err() {
        return Err(Call::bad_request(&format!("The tenant id [{tenant}] is not a valid GUID.")));
    }
    let depth = key(resource).split('/').count();
    match Place::of(resource) {
        Place::Subscription { resource_group: None, .. } if depth == 3 => Ok(()),
        Place::ManagementGroup(_) if depth == 5 => Ok(()),
        _ => Err(Call::bad_request(&format!(
            "The resource id [{resource}] is not the id of a subscription or a management group."
        ))),
    }
}

/// A management group must have registered the provider; for subscriptions this was checked earlier.
fn check_registered(call: &Call<'_>) -> Result<(), Reply> {
    let scope = &call.path.scope;
    let group = matches!(call.path.place, Place::ManagementGroup(_));
    if group && !call.world.hierarchy.registered("Microsoft.Network", scope, call.request.at) {
        return Err(not_within_tenant(scope, &call.caller.holder.tenant));
    }
    Ok(())
}

/// Azure's error for a management group that has not registered the provider, or that does not exist.
pub(super) fn not_within_tenant(scope: &str, tenant: &str) -> Reply {
    Call::bad_request(&format!("Resource [{scope}] is not within tenant [{tenant}]"))
}

fn shown(call: &Call<'_>, half: &Resource) -> Value {
    let mut item = Map::new();
    item.insert("id".to_owned(), json!(half.id));
    item.insert("name".to_owned(), json!(half.name));
    item.insert("type".to_owned(), json!(type_name(call.dialect, half.kind)));
    if half.kind == Kind::Connection && call.dialect.preview() {
        item.insert("location".to_owned(), json!(""));
    }
    let mut properties = half.properties.clone();
    let description = properties.shift_remove("description");
    properties.insert("connectionState".to_owned(), json!(handshake::state(call.world, half)));
    properties.insert("description".to_owned(), description.unwrap_or_else(|| json!("")));
    item.insert("properties".to_owned(), Value::Object(properties));
    item.insert("systemData".to_owned(), half.system_data());
    Value::Object(item)
}

fn type_name(dialect: Dialect, kind: Kind) -> &'static str {
    if kind == Kind::Connection && dialect <= Dialect::Second {
        return "Microsoft.Network/networkManagers/networkManagerConnections";
    }
    kind.name()
}
