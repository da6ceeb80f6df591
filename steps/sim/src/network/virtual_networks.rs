//! Virtual networks, as far as the rest needs them.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::operations::End;
use super::peerings;
use super::resource::{Kind, Resource};
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// `virtualNetworks/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => {
            call.authorize_kind(Kind::VirtualNetwork, "read")?;
            match call.world.network.seen(&call.id) {
                Some(found) => Ok(Reply::ok(shown(call, found))),
                None => Err(call.gateway_not_found(&call.id)),
            }
        }
        "PUT" => put(call),
        "DELETE" => call.delete(Kind::VirtualNetwork, Some(End::Done)),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// `virtualNetworks` of a resource group or a subscription. These lists are not paged.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.authorize_kind(Kind::VirtualNetwork, "read")?;
    let found =
        call.world.network.below(&call.path.scope, Kind::VirtualNetwork).map(|network| shown(call, network));
    Ok(Reply::ok(json!({ "value": found.collect::<Vec<_>>() })))
}

/// `virtualNetworks/{name}/subnets`. They are written with their network only.
pub(super) fn subnets(call: &Call<'_>) -> Handled {
    Ok(Reply::ok(json!({ "value": subnets_of(call)? })))
}

/// `virtualNetworks/{name}/subnets/{name}`.
pub(super) fn subnet(call: &Call<'_>) -> Handled {
    let found = subnets_of(call)?.into_iter();
    let mut found = found.filter(|s| s["id"].as_str().is_some_and(|id| key(id) == key(&call.id)));
    found.next().map(Reply::ok).ok_or_else(|| {
        let message = format!("Resource {} not found.", call.id);
        Reply::error(404, "NotFound", &message)
    })
}

fn subnets_of(call: &Call<'_>) -> Result<Vec<Value>, Reply> {
    call.authorize("virtualNetworks/subnets/read")?;
    let network = call.id.split("/subnets").next().unwrap_or_default();
    let found = call.world.network.seen(network).ok_or_else(|| call.gateway_not_found(network))?;
    Ok(found.properties.get("subnets").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn put(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::VirtualNetwork, "write")?;
    call.check_conditions()?;
    let body = call.request.json()?;
    let given = call.properties()?;
    let existing = call.world.network.get(&call.id);
    let location = match (body.get("location").and_then(Value::as_str), existing) {
        (Some(location), _) => super::commits::normal(location),
        (None, Some(existing)) => existing.location.clone(),
        (None, None) => {
            return Err(Reply::gateway_error(
                400,
                "LocationRequired",
                "The location property is required for this definition.",
            ));
        }
    };
    if existing.is_some_and(|e| e.location != location) {
        return Err(Reply::gateway_error(
            409,
            "InvalidResourceLocation",
            &format!("The resource '{}' already exists in another location.", call.id),
        ));
    }
    let mut properties = Map::new();
    let space = given.get("addressSpace").filter(|a| a.is_object()).cloned();
    properties.insert("addressSpace".to_owned(), space.unwrap_or_else(|| json!({ "addressPrefixes": [] })));
    let mut subnets = given.get("subnets").and_then(Value::as_array).cloned().unwrap_or_default();
    for subnet in &mut subnets {
        let name = subnet.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(subnet) = subnet.as_object_mut() {
            subnet.insert("id".to_owned(), json!(format!("{}/subnets/{name}", call.id)));
            subnet.insert("type".to_owned(), json!("Microsoft.Network/virtualNetworks/subnets"));
        }
    }
    properties.insert("subnets".to_owned(), json!(subnets));
    if let Some(own) = existing.and_then(|e| e.properties.get(peerings::OWN)) {
        properties.insert(peerings::OWN.to_owned(), own.clone());
    }
    let (mut network, change) = call.draft(Kind::VirtualNetwork);
    let tags = body.get("tags").filter(|t| t.is_object()).cloned().unwrap_or_else(|| json!({}));
    let same = network.properties == properties && network.tags == tags;
    let status = if change == Change::Created { 201 } else { 200 };
    network.properties = properties;
    network.tags = tags;
    network.location = location;
    let body = shown(call, &network);
    call.world.network.insert(network);
    let change = if same && change == Change::Updated { Change::None } else { change };
    Ok(Reply::json(status, body).changed(change))
}

fn shown(call: &Call<'_>, network: &Resource) -> Value {
    let mut properties = network.properties.clone();
    properties.shift_remove(peerings::OWN);
    let peerings = peerings::of(call.world, network, call.request.at);
    properties.insert("virtualNetworkPeerings".to_owned(), json!(peerings));
    properties.insert("enableDdosProtection".to_owned(), json!(false));
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    properties.insert("resourceGuid".to_owned(), json!(network.guid));
    json!({
        "name": network.name,
        "id": network.id,
        "type": Kind::VirtualNetwork.name(),
        "location": network.location,
        "tags": network.tags,
        "etag": format!("W/\"{}\"", network.revision),
        "properties": properties,
    })
}
