//! Resource groups, and paths of their subscriptions.

use serde_json::{Value, json};

use crate::arm::really_deletes;
use crate::authorization::{authorize, may};
use crate::caller::Caller;
use crate::hierarchy::ResourceGroup;
use crate::ledger::Change;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;
use crate::{catalogue, network, not_simulated, paging, regions, subscriptions};

/// `/subscriptions/{id}` and paths below it without a provider.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request) -> Handled {
    let segments = request.segments();
    let words: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (request.method.as_str(), words.as_slice(), segments.as_slice()) {
        ("GET", ["subscriptions", id], _) => subscriptions::get(world, caller, request, id),
        ("GET", ["subscriptions", id, "locations"], _) => {
            subscriptions::locations(world, caller, request, id)
        }
        ("GET", ["subscriptions", id, "resourcegroups"], _) => list(world, caller, request, id),
        ("GET", ["subscriptions", _, "operationresults", _], _) => Ok(Reply::empty(200)),
        ("GET", ["subscriptions", _, "resources"], _) => resources(world, caller, request),
        ("GET", ["subscriptions", id, "resourcegroups", name, "resources"], _) => {
            let known =
                world.hierarchy.subscription(id).is_some_and(|s| s.resource_groups.contains_key(*name));
            if known { resources(world, caller, request) } else { Err(not_found(name)) }
        }
        (_, ["subscriptions", id, "resourcegroups", _], [.., name]) => one(world, caller, request, id, name),
        (_, ["subscriptions", _] | ["subscriptions", _, "locations" | "resourcegroups" | "resources"], _) => {
            Err(Reply::method_not_allowed())
        }
        (_, ["subscriptions", _, word, ..], _) if catalogue::is_below_subscription(word) => {
            Err(not_simulated::arm(request, &format!("subscriptions/{word}")))
        }
        (_, ["subscriptions", _, "resourcegroups", _, word], _) if catalogue::is_below_subscription(word) => {
            Err(not_simulated::arm(request, &format!("resourceGroups/{word}")))
        }
        _ => Err(Reply::gateway_error(404, "NotFound", &format!("No address '{}'.", request.path))),
    }
}

fn id_of(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{name}")
}

fn action(verb: &str) -> String {
    format!("Microsoft.Resources/subscriptions/resourceGroups/{verb}")
}

/// The gateway's 404 for a resource group.
pub(crate) fn not_found(name: &str) -> Reply {
    Reply::gateway_error(
        404,
        "ResourceGroupNotFound",
        &format!("Resource group '{name}' could not be found."),
    )
}

fn shown(subscription: &str, group: &ResourceGroup) -> Value {
    json!({
        "id": id_of(subscription, &group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": { "provisioningState": "Succeeded" },
    })
}

/// All resources in a subscription or a resource group that the caller may read, optionally of one type.
fn resources(world: &World, caller: &Caller, request: &Request) -> Handled {
    let scope = request.path.trim_end_matches('/').rsplit_once('/').map_or("", |(scope, _)| scope);
    let wanted = conditions(request.query("$filter").unwrap_or_default())?;
    let all = network::tracked(world, scope).into_iter();
    let readable = all.filter(|(action, item)| {
        let id = item["id"].as_str().unwrap_or_default();
        may(world, &caller.holder, action, id, request.at)
    });
    let fits = |item: &Value| {
        let own = |field: &str| item[field].as_str().unwrap_or_default();
        wanted.iter().all(|(field, text)| own(field).eq_ignore_ascii_case(text))
    };
    let shown = readable.map(|(_, item)| item).filter(fits).map(|item| expanded(item, request));
    paging::linked(request, &world.hosts.arm, shown.collect()).map(Reply::ok)
}

/// The resource with exactly the properties in `$expand`.
fn expanded(mut item: Value, request: &Request) -> Value {
    let asked: Vec<&str> = request.query("$expand").unwrap_or_default().split(',').map(str::trim).collect();
    for name in ["createdTime", "changedTime", "provisioningState"] {
        let wanted = asked.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        if let Some(fields) = item.as_object_mut().filter(|_| !wanted) {
            fields.shift_remove(name);
        }
    }
    item
}

/// Parses `resourceType eq 'x' and name eq 'y'` into fields and values.
fn conditions(filter: &str) -> Result<Vec<(&'static str, &str)>, Reply> {
    let mut rest = filter.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        // Values of these fields contain no quotes.
        let [condition, text, more] = rest.splitn(3, '\'').collect::<Vec<_>>()[..] else {
            return Err(unsupported(filter));
        };
        let field = match condition.split_whitespace().collect::<Vec<_>>()[..] {
            ["resourceType", "eq"] => "type",
            ["name", "eq"] => "name",
            ["location", "eq"] => "location",
            _ => return Err(unsupported(filter)),
        };
        found.push((field, text));
        rest = match more.trim().split_once(' ') {
            Some(("and", next)) if !next.trim().is_empty() => next.trim(),
            None if more.trim().is_empty() => "",
            _ => return Err(unsupported(filter)),
        };
    }
    Ok(found)
}

fn list(world: &World, caller: &Caller, request: &Request, subscription: &str) -> Handled {
    authorize(world, caller, request, &action("read"), &format!("/subscriptions/{subscription}"))?;
    let found = world.hierarchy.subscription(subscription);
    let wanted = tag_condition(request.query("$filter").unwrap_or_default())?;
    let tagged = |group: &&ResourceGroup| {
        wanted.iter().all(|(name, value)| {
            let own =
                group.tags.as_object().into_iter().flatten().find(|(own, _)| own.eq_ignore_ascii_case(name));
            own.is_some_and(|(_, own)| value.is_none_or(|value| own.as_str() == Some(value)))
        })
    };
    let groups =
        found.iter().flat_map(|s| s.resource_groups.values().filter(tagged).map(|g| shown(&s.id, g)));
    paging::linked(request, &world.hosts.arm, groups.collect()).map(Reply::ok)
}

/// Parses `tagName eq 'x' and tagValue eq 'y'`, the filter of resource groups.
fn tag_condition(filter: &str) -> Result<Option<(&str, Option<&str>)>, Reply> {
    if filter.trim().is_empty() {
        return Ok(None);
    }
    let parts: Vec<&str> = filter.split('\'').map(str::trim).collect();
    match parts.as_slice() {
        ["tagName eq", name, ""] => Ok(Some((name, None))),
        ["tagName eq", name, "and tagValue eq", value, ""] => Ok(Some((name, Some(value)))),
        _ => Err(unsupported(filter)),
    }
}

fn unsupported(filter: &str) -> Reply {
    Reply::gateway_error(400, "UnsupportedFilter", &format!("The filter '{filter}' is not supported."))
}

fn one(world: &mut World, caller: &Caller, request: &Request, subscription: &str, name: &str) -> Handled {
    let id = id_of(subscription, name);
    let key = name.to_ascii_lowercase();
    let existing =
        world.hierarchy.subscription(subscription).and_then(|s| s.resource_groups.get(&key)).cloned();
    match request.method.as_str() {
        "GET" => {
            authorize(world, caller, request, &action("read"), &id)?;
            existing.map(|g| Reply::ok(shown(subscription, &g))).ok_or_else(|| not_found(name))
        }
        "HEAD" => {
            authorize(world, caller, request, &action("read"), &id)?;
            Ok(Reply::empty(if existing.is_some() { 204 } else { 404 }))
        }
        "PUT" => put(world, caller, request, subscription, name, existing),
        "PATCH" => patch(world, caller, request, subscription, name, existing),
        "DELETE" => {
            authorize(world, caller, request, &action("delete"), &id)?;
            if existing.is_none() {
                return Err(not_found(name));
            }
            let operation = world.draw().simple();
            let location = format!(
                "{}/subscriptions/{subscription}/operationresults/{operation}?api-version={}",
                world.hosts.arm,
                request.api_version().unwrap_or_default()
            );
            let reply = Reply::accepted(&location);
            let Some(change) = really_deletes(world) else { return Ok(reply) };
            if let Some(found) = world.hierarchy.subscriptions.get_mut(subscription) {
                found.resource_groups.shift_remove(&key);
            }
            network::resource_group_deleted(world, &id);
            Ok(reply.changed(change))
        }
        _ => Err(Reply::method_not_allowed()),
    }
}

fn put(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    subscription: &str,
    name: &str,
    existing: Option<ResourceGroup>,
) -> Handled {
    authorize(world, caller, request, &action("write"), &id_of(subscription, name))?;
    let body = request.json()?;
    let location = body.get("location").and_then(Value::as_str).filter(|location| !location.is_empty());
    let location = location.ok_or_else(Reply::location_required)?;
    check_name(name)?;
    regions::check_for_group(location)?;
    if let Some(group) = &existing {
        stays_in(group, location)?;
    }
    let group = ResourceGroup {
        name: existing.as_ref().map_or_else(|| name.to_owned(), |g| g.name.clone()),
        location: regions::normal(location),
        tags: tags(&body)?.unwrap_or_else(|| json!({})),
    };
    let (status, change) = if existing.is_some() { (200, Change::Updated) } else { (201, Change::Created) };
    Ok(Reply::json(status, keep(world, subscription, group)).changed(change))
}

/// Keeps the properties that are not given.
fn patch(
    world: &mut World,
    caller: &Caller,
    request: &Request,
    subscription: &str,
    name: &str,
    existing: Option<ResourceGroup>,
) -> Handled {
    authorize(world, caller, request, &action("write"), &id_of(subscription, name))?;
    let body = request.json()?;
    let mut group = existing.ok_or_else(|| not_found(name))?;
    if let Some(location) = body.get("location").and_then(Value::as_str) {
        stays_in(&group, location)?;
    }
    group.tags = tags(&body)?.unwrap_or(group.tags);
    Ok(Reply::ok(keep(world, subscription, group)).changed(Change::Updated))
}

/// Stores the resource group; returns it as shown.
fn keep(world: &mut World, subscription: &str, group: ResourceGroup) -> Value {
    let shown = shown(subscription, &group);
    if let Some(found) = world.hierarchy.subscriptions.get_mut(subscription) {
        found.resource_groups.insert(group.name.to_ascii_lowercase(), group);
    }
    shown
}

/// The tags of a body; 400 if they are not texts by name.
pub(crate) fn tags(body: &Value) -> Result<Option<Value>, Reply> {
    let Some(given) = body.get("tags").filter(|tags| !tags.is_null()) else { return Ok(None) };
    let texts = |tags: &serde_json::Map<String, Value>| tags.values().all(Value::is_string);
    if given.as_object().is_some_and(texts) {
        return Ok(Some(given.clone()));
    }
    let message = format!(
        "The request content was invalid and could not be deserialized: 'Error converting value {given} to a dictionary of \
         texts. Path 'tags'.'."
    );
    Err(Reply::gateway_error(400, "InvalidRequestContent", &message))
}

/// Returns 400 for an invalid name of a resource group (the pattern of Microsoft's OpenAPI file, and no period at the
/// end).
fn check_name(name: &str) -> Result<(), Reply> {
    let right = |c: char| c.is_alphanumeric() || "_-().".contains(c);
    if (1..=90).contains(&name.chars().count()) && name.chars().all(right) && !name.ends_with('.') {
        return Ok(());
    }
    let message = format!(
        "The provided resource group name '{name}' is invalid. It has at most 90 characters: letters, digits, '_', '-', '.' and \
         parentheses, and does not end with '.'."
    );
    Err(Reply::gateway_error(400, "InvalidResourceGroup", &message))
}

/// A resource group cannot be moved to another region.
fn stays_in(group: &ResourceGroup, location: &str) -> Result<(), Reply> {
    if regions::normal(&group.location) == regions::normal(location) {
        return Ok(());
    }
    let message = format!(
        "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
        group.location
    );
    Err(Reply::gateway_error(409, "InvalidResourceGroupLocation", &message))
}
