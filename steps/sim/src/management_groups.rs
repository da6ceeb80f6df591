//! Management groups.

use serde_json::{Value, json};

use crate::authorization;
use crate::caller::Caller;
use crate::hierarchy::{ManagementGroup, management_group_id};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// `/providers/Microsoft.Management/managementGroups…`; `words` begins with `managementgroups`.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request, words: &[&str]) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    match words {
        [_] => Ok(list(world, caller, request)),
        [_, name] => {
            let group = visible(world, caller, request, name)?;
            Ok(Reply::ok(shown(world, group, request)))
        }
        [_, name, "descendants"] => {
            let group = visible(world, caller, request, name)?;
            let mut value = Vec::new();
            descend(world, group, &mut |item| value.push(item));
            Ok(Reply::ok(json!({ "value": value })))
        }
        [_, name, "subscriptions"] => {
            let group = visible(world, caller, request, name)?;
            Ok(Reply::ok(json!({ "value": children(world, group, false, Kind::Subscriptions) })))
        }
        _ => Err(Reply::gateway_error(404, "NotFound", &format!("No address '{}'.", request.path))),
    }
}

/// The group if the caller has any role on it (an assumption: the documents name only `managementGroups/read`, the
/// portal shows a group to everybody who has a role there). One that does not exist is refused in the same words.
fn visible<'a>(
    world: &'a World,
    caller: &Caller,
    request: &Request,
    name: &str,
) -> Result<&'a ManagementGroup, Reply> {
    let id = management_group_id(name);
    let group = world.hierarchy.management_group(name).filter(|g| g.tenant == caller.holder.tenant);
    group.filter(|_| authorization::has_any_role(world, &caller.holder, &id, request.at)).ok_or_else(|| {
        authorization::refusal(&caller.holder, "Microsoft.Management/managementGroups/read", &id)
    })
}

fn list(world: &World, caller: &Caller, request: &Request) -> Reply {
    let value: Vec<Value> = world
        .hierarchy
        .management_groups
        .values()
        .filter(|g| g.tenant == caller.holder.tenant)
        .filter(|g| {
            authorization::has_any_role(world, &caller.holder, &management_group_id(&g.name), request.at)
        })
        .map(|g| {
            let mut item = head(g);
            item["properties"] = json!({ "tenantId": g.tenant, "displayName": g.display_name });
            item
        })
        .collect();
    Reply::ok(json!({ "value": value, "@nextLink": null }))
}

fn head(group: &ManagementGroup) -> Value {
    json!({
        "id": management_group_id(&group.name),
        "type": "Microsoft.Management/managementGroups",
        "name": group.name,
    })
}

fn shown(world: &World, group: &ManagementGroup, request: &Request) -> Value {
    let parent = group.parent.as_deref().and_then(|p| world.hierarchy.management_group(p));
    let mut item = head(group);
    item["properties"] = json!({
        "tenantId": group.tenant,
        "displayName": group.display_name,
        "details": {
            "version": 1,
            "parent": parent.map(|p| json!({
                "id": management_group_id(&p.name), "name": p.name, "displayName": p.display_name,
            })),
        },
    });
    let wants = |name: &str, value: &str| request.query(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
    if wants("$expand", "children") {
        item["properties"]["children"] = json!(children(world, group, wants("$recurse", "true"), Kind::Both));
    }
    item
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Both,
    Subscriptions,
}

fn children(world: &World, group: &ManagementGroup, recurse: bool, kind: Kind) -> Vec<Value> {
    let name = group.name.to_ascii_lowercase();
    let mut found = Vec::new();
    if kind == Kind::Both {
        for child in world.hierarchy.management_groups.values().filter(|g| g.parent.as_deref() == Some(&name))
        {
            let mut item = head(child);
            item["displayName"] = json!(child.display_name);
            if recurse && child.name != group.name {
                item["children"] = json!(children(world, child, true, kind));
            }
            found.push(item);
        }
    }
    for child in
        world.hierarchy.subscriptions.values().filter(|s| s.management_group.as_deref() == Some(&name))
    {
        found.push(json!({
            "id": format!("/subscriptions/{}", child.id),
            "type": "/subscriptions",
            "name": child.id,
            "displayName": child.display_name,
        }));
    }
    found
}

fn descend(world: &World, group: &ManagementGroup, add: &mut dyn FnMut(Value)) {
    let top = management_group_id(&group.name);
    let parent = |name: &Option<String>| json!({ "id": name.as_deref().map(management_group_id) });
    for child in world.hierarchy.management_groups.values() {
        let id = management_group_id(&child.name);
        if child.name != group.name && world.hierarchy.within(&id, &top) {
            let mut item = head(child);
            item["properties"] =
                json!({ "displayName": child.display_name, "parent": parent(&child.parent) });
            add(item);
        }
    }
    for child in world.hierarchy.subscriptions.values() {
        let id = format!("/subscriptions/{}", child.id);
        if world.hierarchy.within(&id, &top) {
            add(json!({
                "id": id,
                "type": "Microsoft.Management/managementGroups/subscriptions",
                "name": child.id,
                "properties": { "displayName": child.display_name, "parent": parent(&child.management_group) },
            }));
        }
    }
}
