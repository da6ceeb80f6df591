//! Network groups.

use serde_json::{Map, Value, json};

use super::bodies::{self, Type};
use super::call::Call;
use super::operations::End;
use super::resource::{Kind, Resource};
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::reply::{Handled, Reply};

/// `networkGroups/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => call.read(Kind::Group, shown),
        "PUT" => put(call),
        "DELETE" => delete(call),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// `networkGroups` of a manager.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.list(Kind::Group, shown)
}

fn put(call: &mut Call<'_>) -> Handled {
    let given = call.to_write(Kind::Group)?;
    bodies::check(
        &given,
        &[
            ("displayName", Type::Text),
            ("description", Type::Text),
            ("memberType", Type::Text),
            ("groupMembers", Type::List),
            ("conditionalMembership", Type::Text),
        ],
    )?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let member_type = match text("memberType") {
        "" => "VirtualNetwork",
        // The previews used the full name.
        other if other.eq_ignore_ascii_case("Microsoft.Network/virtualNetworks") => "VirtualNetwork",
        other if other.eq_ignore_ascii_case("VirtualNetwork") => "VirtualNetwork",
        other if other.eq_ignore_ascii_case("Subnet") => "Subnet",
        other => return Err(Call::bad_request(&format!("The member type [{other}] is not supported."))),
    };
    let mut properties = Map::new();
    properties.insert("displayName".to_owned(), json!(text("displayName")));
    properties.insert("description".to_owned(), json!(text("description")));
    properties.insert("memberType".to_owned(), json!(member_type));
    let listed = given.get("groupMembers").filter(|m| m.is_array()).cloned();
    properties.insert("groupMembers".to_owned(), listed.unwrap_or_else(|| json!([])));
    properties.insert("conditionalMembership".to_owned(), json!(text("conditionalMembership")));
    let (group, change) = call.draft(Kind::Group);
    let members = call.world.network.below(&group.id, Kind::Member).next().is_some();
    if change == Change::Updated && members && group.text("memberType") != member_type {
        return Err(Call::bad_request(
            "The member type of a network group that has members cannot be changed.",
        ));
    }
    call.keep((group, change), properties, shown)
}

fn delete(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Group, "delete")?;
    let had_members = call.world.network.get(&call.id).is_some_and(|g| g.had_members);
    if !call.forced()
        && let Some(user) = user_of(call)
    {
        return Err(Call::bad_request(&format!(
            "Network group [{}] cannot be deleted because the configuration [{user}] refers to it.",
            call.id
        )));
    }
    let background = (had_members && !call.dialect.preview()).then_some(End::Done);
    call.delete(Kind::Group, background)
}

/// A configuration that applies to the group at the path.
fn user_of(call: &Call<'_>) -> Option<String> {
    let group = key(&call.id);
    let manager = call.manager_id();
    let mut users = call.world.network.below(&manager, Kind::Configuration).filter(|c| c.gone.is_none());
    users.find(|c| super::configurations::groups_of(c).contains(&group)).map(|c| c.id.clone())
}

/// The properties that configurations and effective lists also contain.
pub(super) fn properties_shown(call: &Call<'_>, group: &Resource) -> Map<String, Value> {
    let mut properties = Map::new();
    if call.dialect.preview() {
        properties.insert("displayName".to_owned(), json!(group.text("displayName")));
    }
    properties.insert("description".to_owned(), json!(group.text("description")));
    if call.dialect.preview() {
        let members = group.properties.get("groupMembers").cloned();
        properties.insert("groupMembers".to_owned(), members.unwrap_or_else(|| json!([])));
        properties.insert("conditionalMembership".to_owned(), json!(group.text("conditionalMembership")));
    }
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    if !call.dialect.preview() {
        properties.insert("memberType".to_owned(), json!(group.text("memberType")));
    }
    properties.insert("resourceGuid".to_owned(), json!(group.guid));
    properties
}

fn shown(call: &Call<'_>, group: &Resource) -> Value {
    group.shown(properties_shown(call, group))
}
