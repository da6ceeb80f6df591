//! Subnets: parts of a virtual network, written with it or one at a time.

use serde_json::{Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::operations::{self, End, Operation};
use super::prefixes;
use super::resource::Resource;
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// `virtualNetworks/{name}/subnets`. These lists are not paged.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.authorize("virtualNetworks/subnets/read")?;
    Ok(Reply::ok(json!({ "value": of(network(call)?) })))
}

/// `virtualNetworks/{name}/subnets/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => {
            call.authorize("virtualNetworks/subnets/read")?;
            let mut found = of(network(call)?).into_iter().filter(|subnet| named(subnet, &call.id));
            found.next().map(Reply::ok).ok_or_else(|| {
                let message = format!("Resource {} not found.", call.id);
                Reply::error(404, "NotFound", &message)
            })
        }
        "PUT" => put(call),
        "DELETE" => delete(call),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// A subnet as its network stores it, from the client's body; `id` is the subnet's.
pub(super) fn kept(given: &Value, id: &str) -> Value {
    let mut properties = given.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, usual) in [
        ("delegations", json!([])),
        ("privateEndpointNetworkPolicies", json!("Disabled")),
        ("privateLinkServiceNetworkPolicies", json!("Enabled")),
    ] {
        properties.entry(name).or_insert(usual);
    }
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    json!({
        "name": id.rsplit('/').next().unwrap_or_default(),
        "id": id,
        "type": "Microsoft.Network/virtualNetworks/subnets",
        "properties": properties,
    })
}

/// Properties that are validated; prefixes are validated together with those of the network.
const PROPERTIES: &[(&str, Type)] = &[
    ("delegations", Type::List),
    (
        "privateEndpointNetworkPolicies",
        Type::OneOf(&["Enabled", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"]),
    ),
    ("privateLinkServiceNetworkPolicies", Type::OneOf(&["Enabled", "Disabled"])),
    ("sharingScope", Type::OneOf(&["Tenant", "DelegatedServices"])),
    ("networkSecurityGroup", Type::Object),
    ("routeTable", Type::Object),
    ("natGateway", Type::Object),
    ("serviceEndpoints", Type::List),
];

/// A subnet from the body of the network at the path.
pub(super) fn given(call: &Call<'_>, subnet: &Value) -> Result<Value, Reply> {
    let name = subnet.get("name").and_then(Value::as_str).unwrap_or_default();
    super::check_name(name)?;
    bodies::check_whole(subnet.get("properties").unwrap_or(&json!({})), PROPERTIES)?;
    Ok(kept(subnet, &format!("{}/subnets/{name}", call.id)))
}

fn put(call: &mut Call<'_>) -> Handled {
    call.authorize("virtualNetworks/subnets/write")?;
    bodies::check(&call.properties()?, PROPERTIES)?;
    let subnet = kept(&call.request.json()?, &call.id);
    let network = network(call)?;
    let (mut whole, network_id) = (network.properties.clone(), network.id.clone());
    let mut subnets = of(network);
    let (status, change) = match subnets.iter_mut().find(|other| named(other, &call.id)) {
        Some(there) => {
            let change = if *there == subnet { Change::None } else { Change::Updated };
            *there = subnet.clone();
            (200, change)
        }
        None => {
            subnets.push(subnet.clone());
            (201, Change::Created)
        }
    };
    whole.insert("subnets".to_owned(), json!(subnets));
    prefixes::check(&whole, &network_id)?;
    write(call, subnets);
    Ok(Reply::json(status, subnet).changed(change))
}

fn delete(call: &mut Call<'_>) -> Handled {
    call.authorize("virtualNetworks/subnets/delete")?;
    let before = of(network(call)?);
    let left: Vec<Value> = before.iter().filter(|subnet| !named(subnet, &call.id)).cloned().collect();
    if left.len() == before.len() {
        return Ok(Reply::empty(204));
    }
    let (id, done) = (call.id.clone(), call.request.at);
    let operation = Operation { under: id.clone(), end: End::Done, done, polls: 1, looked: 0 };
    let address = operations::begin(call, &id, operation);
    let reply = Reply::accepted(&address).with("retry-after", "1");
    let Some(change) = crate::arm::really_deletes(call.world) else { return Ok(reply) };
    write(call, left);
    Ok(reply.changed(change))
}

/// The virtual network of the path.
fn network<'a>(call: &'a Call<'_>) -> Result<&'a Resource, Reply> {
    let id = network_id(call);
    call.world.network.seen(id).ok_or_else(|| call.gateway_not_found(id))
}

fn network_id<'a>(call: &'a Call<'_>) -> &'a str {
    call.id.split("/subnets").next().unwrap_or_default()
}

pub(super) fn of(network: &Resource) -> Vec<Value> {
    network.properties.get("subnets").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn named(subnet: &Value, id: &str) -> bool {
    subnet["id"].as_str().is_some_and(|own| key(own) == key(id))
}

/// Writing a subnet writes the network: its etag changes.
fn write(call: &mut Call<'_>, subnets: Vec<Value>) {
    let (revision, at, id) = (call.world.draw(), call.request.at, network_id(call).to_owned());
    let caller = call.caller;
    call.world.network.change(&id, |network| {
        network.properties.insert("subnets".to_owned(), Value::Array(subnets));
        network.written_by(caller, at, revision);
    });
}
