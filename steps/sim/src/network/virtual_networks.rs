//! Virtual networks, as far as the other resources need them.

use serde_json::{Map, Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::dialect::Dialect;
use super::operations::End;
use super::resource::{Kind, Resource};
use super::{peerings, prefixes, subnets};
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// Whether private endpoints of this network can be reached from elsewhere; off by default.
const ENDPOINT_POLICIES: &str = "privateEndpointVNetPolicies";
const SETTINGS: [&str; 4] = ["dhcpOptions", "encryption", "flowTimeoutInMinutes", ENDPOINT_POLICIES];

/// Properties that are validated.
const PROPERTIES: &[(&str, Type)] = &[
    ("addressSpace", Type::Object),
    ("subnets", Type::List),
    ("dhcpOptions", Type::Object),
    ("encryption", Type::Object),
    ("flowTimeoutInMinutes", Type::Number(4, 30)),
    (ENDPOINT_POLICIES, Type::OneOf(&["Disabled", "Basic"])),
];

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
        "PATCH" => {
            Err(crate::not_simulated::arm(call.request, "changing the tags of a virtual network alone"))
        }
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

fn put(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::VirtualNetwork, "write")?;
    call.check_conditions()?;
    let body = call.request.json()?;
    let given = call.properties()?;
    let location = call.location(Kind::VirtualNetwork, &body)?;
    bodies::check(&given, PROPERTIES)?;
    let encryption = given.get("encryption").and_then(Value::as_object).cloned().unwrap_or_default();
    bodies::check(&encryption, &[("enforcement", Type::OneOf(&["DropUnencrypted", "AllowUnencrypted"]))])?;
    let existing = call.world.network.get(&call.id);
    let mut properties = Map::new();
    let space = given.get("addressSpace").filter(|a| a.is_object()).cloned();
    properties.insert("addressSpace".to_owned(), space.unwrap_or_else(|| json!({ "addressPrefixes": [] })));
    let subnets: Vec<Value> = match given.get("subnets").and_then(Value::as_array) {
        Some(given) => given.iter().map(|subnet| subnets::given(call, subnet)).collect::<Result<_, _>>()?,
        // Since that version subnets are kept if the body has none; before, they were removed (Microsoft.Network 2023-11-01,
        // breaking change).
        None if call.dialect.keeps_subnets() => existing.map(subnets::of).unwrap_or_default(),
        None => Vec::new(),
    };
    properties.insert("subnets".to_owned(), Value::Array(subnets));
    prefixes::check(&properties, &call.id)?;
    // These settings have no effect here, but a client reads them back.
    for setting in SETTINGS {
        if let Some(value) = given.get(setting).filter(|value| !value.is_null()) {
            properties.insert(setting.to_owned(), value.clone());
        }
    }
    if let Some(own) = existing.and_then(|e| e.properties.get(peerings::OWN)) {
        properties.insert(peerings::OWN.to_owned(), own.clone());
    }
    let tags = Call::tags(&body)?.unwrap_or_else(|| json!({}));
    let (mut network, change) = call.draft(Kind::VirtualNetwork);
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
    if Dialect::of(call.request).knows_endpoint_policies() {
        properties.entry(ENDPOINT_POLICIES).or_insert_with(|| json!("Disabled"));
    } else {
        properties.shift_remove(ENDPOINT_POLICIES);
    }
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
        "etag": network.etag(),
        "properties": properties,
    })
}
