//! Management groups.

use serde_json::{Value, json};

use crate::authorization;
use crate::caller::Caller;
use crate::hierarchy::{ManagementGroup, Subscription, management_group_id};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// `/providers/Microsoft.Management/managementGroups…`; `words` begins with `managementgroups`.
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request, words: &[&str]) -> Handled {
    if request.method != http::Method::GET {
        return Err(match words {
            [_] | [_, _, "descendants"] => Reply::method_not_allowed(),
            _ => crate::not_simulated::arm(request, "changes of management groups"),
        });
    }
    match words {
        [_] => Ok(list(world, caller, request)),
        [_, name] => {
            let group = visible(world, caller, request, name)?;
            check_options(request)?;
            Ok(Reply::ok(shown(world, group, request)))
        }
        [_, name, "descendants"] => {
            let group = visible(world, caller, request, name)?;
            let mut value = Vec::new();
            descend(world, group, &mut |item| value.push(item));
            crate::paging::linked(request, &world.hosts.arm, value).map(Reply::ok)
        }
        [_, name, "subscriptions"] => {
            let group = visible(world, caller, request, name)?;
            Ok(Reply::ok(json!({ "value": children(world, group, false, Kind::Subscriptions) })))
        }
        [_, name, "subscriptions", id] => {
            let group = visible(world, caller, request, name)?;
            let of = world.hierarchy.subscription(id).filter(|s| {
                s.management_group.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&group.name))
            });
            let missing = || {
                let message = format!("Subscription '{id}' was not found in management group '{name}'.");
                Reply::gateway_error(404, "NotFound", &message)
            };
            of.map(|subscription| Reply::ok(in_group(group, subscription))).ok_or_else(missing)
        }
        [_, _, "settings", ..] => Err(crate::not_simulated::arm(request, "settings of management groups")),
        _ => Err(Reply::gateway_error(404, "NotFound", &format!("No address '{}'.", request.path))),
    }
}

/// A subscription as a child of its management group.
fn in_group(group: &ManagementGroup, subscription: &Subscription) -> Value {
    let parent = management_group_id(&group.name);
    json!({
        "id": format!("{parent}/subscriptions/{}", subscription.id),
        "type": "Microsoft.Management/managementGroups/subscriptions",
        "name": subscription.id,
        "properties": {
            "tenant": subscription.tenant,
            "displayName": subscription.display_name,
            "parent": { "id": parent },
            "state": "Active",
        },
    })
}

/// Checks the query options; of the expansions, only children are simulated.
fn check_options(request: &Request) -> Result<(), Reply> {
    match request.query("$expand").map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "children") if request.query("$filter").is_none() => Ok(()),
        None | Some("" | "children" | "path" | "ancestors") => {
            Err(crate::not_simulated::arm(request, "this `$expand` or `$filter` of a management group"))
        }
        Some(other) => {
            let message =
                format!("The value '{other}' of '$expand' is none of children, path and ancestors.");
            Err(Reply::gateway_error(400, "BadRequest", &message))
        }
    }
}

/// Returns the group if the caller has any role on it or above it. (An assumption: the documentation names only
/// `managementGroups/read`; the portal shows a group to every principal with a role there.) A role on a child does not count:
/// roles are inherited downwards only. A group that does not exist is refused with the same text.
fn visible<'a>(
    world: &'a World,
    caller: &Caller,
    request: &Request,
    name: &str,
) -> Result<&'a ManagementGroup, Reply> {
    let id = management_group_id(name);
    let group = world.hierarchy.management_group(name).filter(|g| g.tenant == caller.holder.tenant);
    group.filter(|_| authorization::has_role_from_above(world, &caller.holder, &id, request.at)).ok_or_else(
        || authorization::refusal(&caller.holder, "Microsoft.Management/managementGroups/read", &id),
    )
}

fn list(world: &World, caller: &Caller, request: &Request) -> Reply {
    let value: Vec<Value> = world
        .hierarchy
        .management_groups
        .values()
        .filter(|g| g.tenant == caller.holder.tenant)
        .filter(|g| {
            authorization::has_role_from_above(
                world,
                &caller.holder,
                &management_group_id(&g.name),
                request.at,
            )
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
