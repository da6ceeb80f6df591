//! Network managers.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::bodies::{self, CONFIGURATIONS, Type};
use super::call::Call;
use super::connections::not_within_tenant;
use super::dialect::Dialect;
use super::handshake;
use super::operations::End;
use super::resource::{Kind, Resource};
use crate::hierarchy::{Place, key};
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// Properties that are validated.
const PROPERTIES: &[(&str, Type)] = &[
    ("displayName", Type::Text),
    ("description", Type::Text),
    ("networkManagerScopes", Type::Object),
    ("networkManagerScopeAccesses", Type::SomeOf(CONFIGURATIONS)),
];

/// `networkManagers/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => {
            call.authorize_kind(Kind::Manager, "read")?;
            let found = call.manager()?;
            Ok(Reply::ok(shown(call, found, true)))
        }
        "PUT" => put(call),
        "PATCH" => patch(call),
        "DELETE" => delete(call),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// `networkManagers` of a resource group or a subscription.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.list(Kind::Manager, |call, manager| shown(call, manager, true))
}

fn put(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Manager, "write")?;
    let body = call.request.json()?;
    let given = call.properties()?;
    let location = call.location(Kind::Manager, &body)?;
    bodies::check(&given, PROPERTIES)?;
    let scopes = given.get("networkManagerScopes").and_then(Value::as_object).ok_or_else(|| {
        Call::bad_request(
            "Required property 'networkManagerScopes' not found in the properties of the network manager.",
        )
    })?;
    bodies::check(scopes, &[("managementGroups", Type::Texts), ("subscriptions", Type::Texts)])?;
    let ids = |kind: &str| -> Vec<String> {
        let list = scopes.get(kind).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (groups, subscriptions) = (ids("managementGroups"), ids("subscriptions"));
    for scope in groups.iter().chain(&subscriptions) {
        check_scope(call, scope)?;
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut properties = Map::new();
    properties.insert("displayName".to_owned(), json!(text("displayName")));
    properties.insert("description".to_owned(), json!(text("description")));
    properties.insert(
        "networkManagerScopes".to_owned(),
        json!({ "managementGroups": groups, "subscriptions": subscriptions }),
    );
    let accesses = given.get("networkManagerScopeAccesses").filter(|a| a.is_array());
    properties
        .insert("networkManagerScopeAccesses".to_owned(), accesses.cloned().unwrap_or_else(|| json!([])));
    let tags = Call::tags(&body)?.unwrap_or_else(|| json!({}));
    let (mut manager, change) = call.draft(Kind::Manager);
    let same = manager.properties == properties && manager.tags == tags && manager.location == location;
    manager.properties = properties;
    manager.tags = tags;
    manager.location = location;
    let change = if same { Change::None } else { change };
    let body = shown(call, &manager, false);
    call.world.network.insert(manager);
    Ok(Reply::ok(body).changed(change))
}

/// Checks that a manager's own scope is in its own tenant and, for a management group, has registered the
/// provider.
fn check_scope(call: &Call<'_>, scope: &str) -> Result<(), Reply> {
    let hierarchy = &call.world.hierarchy;
    let own = hierarchy.tenant_of(&call.path.scope).unwrap_or_default();
    let group = matches!(Place::of(scope), Place::ManagementGroup(_));
    let inside = hierarchy.tenant_of(scope).is_some_and(|tenant| tenant == own);
    if !inside || (group && !hierarchy.registered("Microsoft.Network", scope, call.request.at)) {
        return Err(not_within_tenant(scope, own));
    }
    if call.world.network.poisoned.contains(&key(scope)) {
        return Err(Call::bad_request(&format!(
            "Cannot create new Network Manager with the same scope [{scope}] any more."
        )));
    }
    Ok(())
}

/// Updates tags only.
fn patch(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Manager, "write")?;
    call.manager()?;
    let body = call.request.json()?;
    let tags = Call::tags(&body)?;
    let (mut manager, _) = call.draft(Kind::Manager);
    let change =
        if tags.as_ref().is_some_and(|t| *t != manager.tags) { Change::Updated } else { Change::None };
    manager.tags = tags.unwrap_or(manager.tags);
    let body = shown(call, &manager, false);
    call.world.network.insert(manager);
    Ok(Reply::ok(body).changed(change))
}

fn delete(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Manager, "delete")?;
    let Some(manager) = call.world.network.get(&call.id).cloned() else {
        return call.delete(Kind::Manager, None);
    };
    let nested = call.world.network.ids_below(&manager.id);
    if !call.forced() && !nested.is_empty() {
        let some: Vec<String> = nested.iter().take(5).map(|id| format!("'{id}'")).collect();
        return Err(Reply::gateway_error(
            409,
            "CannotDeleteResource",
            &format!(
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: {}. \
                 Please delete all nested resources before deleting this resource.",
                some.join(",")
            ),
        ));
    }
    let last = call.world.network.disconnected.get(&key(&manager.id)).copied();
    let mut scopes = handshake::own_scopes(&manager);
    // With children the clean-up takes a while; without, it is immediate.
    let background = (!nested.is_empty()).then_some(End::ParentGone);
    let reply = call.delete(Kind::Manager, background)?;
    let window = call.world.lags.poison;
    let too_soon = last.is_some_and(|last| call.request.at.duration_since(last) < window);
    if too_soon && window > SignedDuration::ZERO && reply.change == Change::Deleted {
        call.world.network.poisoned.append(&mut scopes);
    }
    Ok(reply)
}

fn shown(call: &Call<'_>, manager: &Resource, etag: bool) -> Value {
    let mut scopes = manager.properties.get("networkManagerScopes").cloned().unwrap_or_else(|| json!({}));
    let connected = json!(handshake::cross_tenant_scopes(call.world, manager));
    match call.dialect {
        Dialect::First => {}
        dialect if dialect.preview() => scopes["multiTenantScopes"] = connected,
        _ => scopes["crossTenantScopes"] = connected,
    }
    let mut properties = Map::new();
    if call.dialect.preview() {
        properties.insert("displayName".to_owned(), json!(manager.text("displayName")));
    }
    properties.insert("description".to_owned(), json!(manager.text("description")));
    properties.insert("networkManagerScopes".to_owned(), scopes);
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    let accesses = manager.properties.get("networkManagerScopeAccesses").cloned();
    properties.insert("networkManagerScopeAccesses".to_owned(), accesses.unwrap_or_else(|| json!([])));
    properties.insert("resourceGuid".to_owned(), json!(manager.guid));
    json!({
        "name": manager.name,
        "id": manager.id,
        "location": manager.location,
        "type": Kind::Manager.name(),
        "tags": manager.tags,
        "etag": if etag { manager.etag() } else { String::new() },
        "properties": properties,
        "systemData": manager.system_data(),
    })
}
