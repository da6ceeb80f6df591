//! Connectivity configurations.

use serde_json::{Map, Value, json};

use super::bodies::{self, Type, one_of};
use super::call::Call;
use super::commits;
use super::dialect::Dialect;
use super::operations::End;
use super::resource::{Kind, Resource};
use crate::authorization::authorize_linked;
use crate::hierarchy::key;
use crate::reply::{Handled, Reply};

/// `connectivityConfigurations/{name}`.
pub(super) fn handle(call: &mut Call<'_>) -> Handled {
    match call.request.method.as_str() {
        "GET" => call.read(Kind::Configuration, shown),
        "PUT" => put(call),
        "DELETE" => delete(call),
        _ => Err(Reply::method_not_allowed()),
    }
}

/// `connectivityConfigurations` of a manager.
pub(super) fn list(call: &Call<'_>) -> Handled {
    call.list(Kind::Configuration, shown)
}

/// Keys of the groups that a configuration applies to.
pub(super) fn groups_of(configuration: &Resource) -> Vec<String> {
    ids_in(&configuration.properties, "appliesToGroups", "networkGroupId")
}

/// Keys of its hubs.
pub(super) fn hubs_of(configuration: &Resource) -> Vec<String> {
    ids_in(&configuration.properties, "hubs", "resourceId")
}

/// Keys of the groups for which a flag is `True`.
pub(super) fn groups_with(configuration: &Resource, flag: &str) -> Vec<String> {
    let groups = items(&configuration.properties, "appliesToGroups");
    let flagged = groups.filter(|group| group.get(flag).and_then(Value::as_str) == Some("True"));
    flagged.filter_map(|group| group.get("networkGroupId").and_then(Value::as_str)).map(key).collect()
}

fn ids_in(properties: &Map<String, Value>, list: &str, field: &str) -> Vec<String> {
    let items = properties.get(list).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|i| i.get(field).and_then(Value::as_str)).map(key).collect()
}

fn put(call: &mut Call<'_>) -> Handled {
    let properties = normal(&call.to_write(Kind::Configuration)?)?;
    for hub in items(&properties, "hubs").filter_map(|h| h.get("resourceId").and_then(Value::as_str)) {
        let action = "Microsoft.Network/virtualNetworks/write";
        authorize_linked(call.world, call.caller, call.request, action, &call.id, hub)?;
    }
    for group in ids_in(&properties, "appliesToGroups", "networkGroupId") {
        if call.world.network.get(&group).is_none_or(|g| g.kind != Kind::Group) {
            return Err(Call::bad_request(&format!("The network group [{group}] does not exist.")));
        }
    }
    let draft = call.draft(Kind::Configuration);
    call.keep(draft, properties, shown)
}

fn items<'a>(properties: &'a Map<String, Value>, list: &str) -> impl Iterator<Item = &'a Value> {
    properties.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// The properties as stored: flags as `True` or `False`, defaults added.
pub(super) fn normal(given: &Map<String, Value>) -> Result<Map<String, Value>, Reply> {
    bodies::check(
        given,
        &[
            ("displayName", Type::Text),
            ("description", Type::Text),
            ("connectivityTopology", Type::Text),
            ("appliesToGroups", Type::List),
            ("hubs", Type::List),
            ("connectivityCapabilities", Type::Object),
        ],
    )?;
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let topology = one_of(text("connectivityTopology"), &["HubAndSpoke", "Mesh"], "connectivityTopology")?;
    let mut groups = Vec::new();
    for group in items(given, "appliesToGroups") {
        let text = |name: &str| group.get(name).and_then(Value::as_str).unwrap_or_default();
        let connectivity =
            one_of(text("groupConnectivity"), &["None", "DirectlyConnected"], "groupConnectivity")?;
        groups.push(json!({
            "networkGroupId": text("networkGroupId"),
            "groupConnectivity": connectivity,
            "useHubGateway": flag(group.get("useHubGateway"))?,
            "isGlobal": flag(group.get("isGlobal"))?,
        }));
    }
    if !given.get("appliesToGroups").is_some_and(Value::is_array) {
        return Err(Call::bad_request("Required property 'appliesToGroups' not found in the configuration."));
    }
    let hubs: Vec<Value> = items(given, "hubs")
        .map(|hub| {
            let text = |name: &str| hub.get(name).and_then(Value::as_str).unwrap_or_default();
            json!({ "resourceType": text("resourceType"), "resourceId": text("resourceId") })
        })
        .collect();
    if topology == "HubAndSpoke" && hubs.is_empty() {
        return Err(Call::bad_request("A configuration of topology HubAndSpoke needs a hub."));
    }
    let mut properties = Map::new();
    properties.insert("displayName".to_owned(), json!(text("displayName")));
    properties.insert("description".to_owned(), json!(text("description")));
    properties.insert("connectivityTopology".to_owned(), json!(topology));
    properties.insert("hubs".to_owned(), json!(hubs));
    properties.insert("appliesToGroups".to_owned(), json!(groups));
    properties.insert("deleteExistingPeering".to_owned(), json!(flag(given.get("deleteExistingPeering"))?));
    properties.insert("isGlobal".to_owned(), json!(flag(given.get("isGlobal"))?));
    if let Some(capabilities) = given.get("connectivityCapabilities").filter(|c| c.is_object()) {
        properties.insert("connectivityCapabilities".to_owned(), capabilities_of(capabilities)?);
    }
    Ok(properties)
}

fn capabilities_of(given: &Value) -> Result<Value, Reply> {
    let choice = |name: &str, choices: &[&'static str]| {
        one_of(given.get(name).and_then(Value::as_str).unwrap_or_default(), choices, name)
    };
    Ok(json!({
        "connectedGroupPrivateEndpointsScale":
            choice("connectedGroupPrivateEndpointsScale", &["Standard", "HighScale"])?,
        "connectedGroupAddressOverlap": choice("connectedGroupAddressOverlap", &["Allowed", "Disallowed"])?,
        "peeringEnforcement": choice("peeringEnforcement", &["Unenforced", "Enforced"])?,
    }))
}

/// Flags are texts.
fn flag(given: Option<&Value>) -> Result<&'static str, Reply> {
    match given {
        None | Some(Value::Null) => Ok("False"),
        Some(Value::String(text)) if text.is_empty() => Ok("False"),
        Some(Value::String(text)) => one_of(text, &["True", "False"], "flag"),
        Some(other) => Err(Call::bad_request(&format!("A flag is the text True or False, not [{other}]."))),
    }
}

fn delete(call: &mut Call<'_>) -> Handled {
    call.authorize_kind(Kind::Configuration, "delete")?;
    let deployed = commits::deployed_anywhere(call.world, &call.manager_id(), &call.id);
    if deployed && !call.forced() {
        return Err(Call::bad_request(&format!(
            "The configuration [{}] is part of a deployment and cannot be deleted. Commit without it first.",
            call.id
        )));
    }
    if deployed {
        commits::withdraw(call.world, &call.manager_id(), &call.id, call.request.at);
    }
    let background = (call.dialect >= Dialect::Latest).then_some(End::Done);
    call.delete(Kind::Configuration, background)
}

/// The properties as shown, also in lists of active and effective configurations.
pub(super) fn properties_shown(call: &Call<'_>, configuration: &Resource) -> Map<String, Value> {
    let mut properties = configuration.properties.clone();
    if !call.dialect.preview() {
        properties.shift_remove("displayName");
    }
    properties.insert("provisioningState".to_owned(), json!("Succeeded"));
    properties.insert("resourceGuid".to_owned(), json!(configuration.guid));
    properties
}

fn shown(call: &Call<'_>, configuration: &Resource) -> Value {
    configuration.shown(properties_shown(call, configuration))
}
