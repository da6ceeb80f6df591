//! Static members of network groups.

use serde_json::{Map, Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::dialect::Dialect;
use super::resource::{Kind, Resource};
use crate::authorization::authorize_linked;
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::lies::Lie;
use crate::reply::{Handled, Reply};
use crate::world::World;

/// `staticMembers/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => call.read(Kind::Member, shown),
        "PUT" => put(call),
        "DELETE" => call.delete(Kind::Member, None),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// `staticMembers` of a group.
pub(super) fn list(call: &Call<'_>) -> Handled {
    let listed = call.list(Kind::Member, shown)?;
    if call.world.tells(Lie::EmptyList) {
        return Ok(Reply::ok(json!({ "nextLink": "", "value": [] })));
    }
    Ok(listed)
}

fn put(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Member, "write")?;
    let (group_id, member_type) = call.group().map(|g| (g.id.clone(), g.text("memberType").to_owned()))?;
    let given = call.properties()?;
    bodies::check(&given, &[("resourceId", Type::Text)])?;
    let wanted = given.get("resourceId").and_then(Value::as_str).unwrap_or_default().to_owned();
    check_network(&wanted, &member_type)?;
    let action = "Microsoft.Network/virtualNetworks/write";
    authorize_linked(call.world, call.caller, call.request, action, &call.id, &wanted)?;
    let (mut member, change) = call.draft(Kind::Member);
    let same = key(member.text("resourceId")) == key(&wanted);
    member.properties = Map::from_iter([("resourceId".to_owned(), json!(wanted))]);
    // Every write starts provisioning again.
    member.since = call.request.at;
    let mut body = shown(call, &member);
    body["etag"] = json!("");
    body["properties"]["provisioningState"] = json!("Updating");
    body["properties"][region_name(call.dialect)] = json!("");
    if call.dialect.preview() {
        strip_region(&mut body);
    }
    call.world.network.insert(member);
    call.world.network.change(&group_id, |group| group.had_members = true);
    Ok(Reply::ok(body).changed(if same && change == Change::Updated { Change::None } else { change }))
}

/// Checks that the id is that of a virtual network, or of a subnet for a group of subnets. A network outside the
/// manager's scope is accepted without effect.
fn check_network(id: &str, member_type: &str) -> Result<(), Reply> {
    let key = key(id);
    let parts: Vec<&str> = key.split('/').skip(1).collect();
    let right = match parts.as_slice() {
        ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.network", "virtualnetworks", _] => {
            member_type != "Subnet"
        }
        [
            "subscriptions",
            _,
            "resourcegroups",
            _,
            "providers",
            "microsoft.network",
            "virtualnetworks",
            _,
            "subnets",
            _,
        ] => member_type == "Subnet",
        _ => false,
    };
    if right {
        return Ok(());
    }
    Err(Call::bad_request(&format!(
        "The resource id [{id}] is not the id of a member of type [{member_type}]."
    )))
}

/// Region of the virtual network with this id, or of the one that contains this subnet.
fn region_of(world: &World, id: &str) -> Option<String> {
    let id = key(id);
    let network = id.split("/subnets/").next().unwrap_or_default();
    let found = world.network.get(network)?;
    let subnet = id.split("/subnets/").nth(1);
    let has = |name: &str| {
        let subnets = found.properties.get("subnets").and_then(Value::as_array);
        let names = subnets.into_iter().flatten().filter_map(|s| s.get("name").and_then(Value::as_str));
        names.into_iter().any(|n| n.eq_ignore_ascii_case(name))
    };
    subnet.is_none_or(has).then(|| found.location.clone())
}

/// State of a member, and its region once it is known.
pub(super) fn state(world: &World, member: &Resource, at: jiff::Timestamp) -> (&'static str, String) {
    let settled = member.since.saturating_add(world.lags.member).is_ok_and(|done| done <= at);
    if !settled || world.tells(Lie::MemberNeverSettles) {
        return ("Updating", String::new());
    }
    match region_of(world, member.text("resourceId")) {
        Some(region) => ("Succeeded", region),
        None => ("Failed", String::new()),
    }
}

fn region_name(dialect: Dialect) -> &'static str {
    if dialect.early() { "location" } else { "region" }
}

fn strip_region(body: &mut Value) {
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.shift_remove("location");
    }
}

fn shown(call: &Call<'_>, member: &Resource) -> Value {
    let (state, region) = state(call.world, member, call.request.at);
    let mut body = member.shown(Map::from_iter([
        ("resourceId".to_owned(), json!(member.text("resourceId"))),
        ("provisioningState".to_owned(), json!(state)),
        (region_name(call.dialect).to_owned(), json!(region)),
    ]));
    if call.dialect.preview() {
        strip_region(&mut body);
    }
    body
}
