//! Role assignments.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::arm::{ArmPath, really_deletes};
use crate::authorization::{Assignment, authorize, roles};
use crate::caller::Caller;
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::lies::Lie;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// `principalType`
const TYPES: [&str; 5] = ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"];

/// `{scope}/providers/Microsoft.Authorization/roleAssignments[/{name}]`
pub(super) fn handle(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    match (request.method.as_str(), path.rest.get(1)) {
        ("GET", None) => list(world, caller, request, path),
        ("GET", Some(name)) => {
            authorize(world, caller, request, "Microsoft.Authorization/roleAssignments/read", &path.scope)?;
            find(world, path, name).map(|a| Reply::ok(shown(a))).ok_or_else(|| {
                let message = format!("The role assignment '{name}' is not found.");
                Reply::error(404, "RoleAssignmentNotFound", &message)
            })
        }
        ("PUT", Some(name)) => put(world, caller, request, path, name),
        ("DELETE", Some(name)) => delete(world, caller, request, path, name),
        _ => Err(Reply::method_not_allowed()),
    }
}

fn find<'a>(world: &'a World, path: &ArmPath, name: &str) -> Option<&'a Assignment> {
    let same = |a: &&Assignment| a.name.eq_ignore_ascii_case(name) && key(&a.scope) == key(&path.scope);
    world.grants.assignments.iter().find(same)
}

fn shown(assignment: &Assignment) -> Value {
    json!({
        "properties": {
            "roleDefinitionId": roles::definition_id(&assignment.scope, &assignment.role),
            "principalId": assignment.principal,
            "principalType": assignment.principal_type,
            "scope": assignment.scope,
            "condition": null,
            "conditionVersion": null,
            "createdOn": assignment.created.to_string(),
            "updatedOn": assignment.updated.to_string(),
            "createdBy": assignment.created_by,
            "updatedBy": assignment.created_by,
            "delegatedManagedIdentityResourceId": null,
            "description": assignment.description,
        },
        "id": id_of(assignment),
        "type": "Microsoft.Authorization/roleAssignments",
        "name": assignment.name,
    })
}

fn id_of(assignment: &Assignment) -> String {
    let scope = assignment.scope.trim_end_matches('/');
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.name)
}

/// The 400 for an unknown `$filter`.
pub(super) fn bad_filter(filter: &str) -> Reply {
    Reply::error(400, "UnsupportedQuery", &format!("The filter '{filter}' is not supported."))
}

/// A parsed `$filter`.
#[derive(Default)]
pub(super) struct Filter {
    pub(super) principal: Option<String>,
    /// No assignments below the scope.
    at_scope: bool,
}

pub(super) fn read_filter(text: &str) -> Result<Filter, Reply> {
    let mut filter = Filter::default();
    for term in text.split(" and ").map(str::trim).filter(|t| !t.is_empty()) {
        let lower = term.to_ascii_lowercase();
        let quoted = || term.split('\'').nth(1).map(str::to_ascii_lowercase).ok_or_else(|| bad_filter(text));
        if lower == "atscope()" {
            filter.at_scope = true;
        } else if lower.starts_with("assignedto(") || lower.starts_with("principalid eq ") {
            filter.principal = Some(quoted()?);
        } else {
            return Err(bad_filter(text));
        }
    }
    Ok(filter)
}

/// Lists assignments at, above and below the scope, according to the filter.
fn list(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    authorize(world, caller, request, "Microsoft.Authorization/roleAssignments/read", &path.scope)?;
    let filter = read_filter(request.query("$filter").unwrap_or_default())?;
    let within = |inner: &str, outer: &str| world.hierarchy.within(inner, outer);
    let value: Vec<Value> = world
        .grants
        .assignments
        .iter()
        .filter(|a| a.tenant == caller.holder.tenant)
        .filter(|a| within(&path.scope, &a.scope) || (!filter.at_scope && within(&a.scope, &path.scope)))
        .filter(|a| filter.principal.as_ref().is_none_or(|p| a.principal == *p))
        .map(|assignment| {
            // The role id of an inherited assignment is also shown at the requested scope: clients look it up in that
            // scope's list.
            let mut item = shown(assignment);
            item["properties"]["roleDefinitionId"] =
                json!(roles::definition_id(&path.scope, &assignment.role));
            item
        })
        .collect();
    Ok(Reply::ok(json!({ "value": value })))
}

fn put(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath, name: &str) -> Handled {
    authorize(world, caller, request, "Microsoft.Authorization/roleAssignments/write", &path.scope)?;
    if Uuid::parse_str(name).is_err() {
        let message =
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.");
        return Err(Reply::error(400, "InvalidRoleAssignmentId", &message));
    }
    let body = request.json()?;
    let text = |field: &str| {
        body.pointer(&format!("/properties/{field}")).and_then(Value::as_str).filter(|v| !v.is_empty())
    };
    let (Some(definition), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
        return Err(Reply::error(
            400,
            "InvalidRequestContent",
            "The request content is not valid: 'properties.roleDefinitionId' and 'properties.principalId' are required.",
        ));
    };
    let role_id = definition.rsplit('/').next().unwrap_or_default();
    let Some(role) = roles::by_id(role_id) else {
        if let Some(name) = roles::not_simulated(role_id) {
            return Err(crate::not_simulated::arm(request, &format!("the role {name}")));
        }
        let message = format!("The specified role definition with ID '{role_id}' does not exist.");
        return Err(Reply::error(400, "RoleDefinitionDoesNotExist", &message));
    };
    let principal = principal.to_ascii_lowercase();
    let tenant = caller.holder.tenant.clone();
    let typed = text("principalType").map(str::to_owned);
    check_body(&body, typed.as_deref())?;
    require_principal(world, request, &tenant, &principal, typed.is_some())?;
    check_type(world, &tenant, &principal, typed.as_deref())?;
    let description = text("description").map(str::to_owned);

    let same = |a: &Assignment| {
        key(&a.scope) == key(&path.scope) && a.principal == principal && a.role.eq_ignore_ascii_case(role.id)
    };
    let in_tenant = |a: &&mut Assignment| a.tenant == tenant;
    if let Some(own) =
        world.grants.assignments.iter_mut().filter(in_tenant).find(|a| a.name.eq_ignore_ascii_case(name))
    {
        if !same(own) {
            return Err(Reply::error(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        let change = if own.description == description { Change::None } else { Change::Updated };
        own.description = description;
        own.updated = request.at;
        return Ok(Reply::ok(shown(own)).changed(change));
    }
    if let Some(other) = world.grants.assignments.iter().find(|a| a.tenant == tenant && same(a)) {
        let message = format!(
            "The role assignment already exists. The ID of the existing role assignment is {}.",
            other.name.replace('-', "")
        );
        return Err(Reply::error(409, "RoleAssignmentExists", &message));
    }
    let effective = if world.tells(Lie::RoleNeverEffective) {
        None
    } else {
        request.at.saturating_add(world.lags.role).ok()
    };
    let is_user = world.directory.tenant(&tenant).is_some_and(|t| t.users.contains_key(&principal));
    let assignment = Assignment {
        name: name.to_ascii_lowercase(),
        scope: path.scope.clone(),
        principal_type: typed.unwrap_or_else(|| if is_user { "User" } else { "ServicePrincipal" }.to_owned()),
        principal,
        role: role.id.to_owned(),
        description,
        created: request.at,
        updated: request.at,
        created_by: caller.holder.object_id.clone(),
        tenant,
        effective,
        ends: None,
    };
    let reply = Reply::json(201, shown(&assignment)).changed(Change::Created);
    world.grants.assignments.push(assignment);
    Ok(reply)
}

/// The 400 for a body that does not match Microsoft's OpenAPI file.
fn check_body(body: &Value, typed: Option<&str>) -> Result<(), Reply> {
    let invalid = |what: &str| {
        Err(Reply::error(400, "InvalidRequestContent", &format!("The request content is not valid: {what}.")))
    };
    let known = |given: &&str| TYPES.iter().any(|known| known.eq_ignore_ascii_case(given));
    if typed.is_some_and(|given| !known(&given)) {
        return invalid(&format!("'properties.principalType' is none of {}", TYPES.join(", ")));
    }
    for field in
        ["roleDefinitionId", "principalId", "principalType", "description", "condition", "conditionVersion"]
    {
        let given = body.pointer(&format!("/properties/{field}"));
        if given.is_some_and(|given| !given.is_null() && !given.is_string()) {
            return invalid(&format!("'properties.{field}' is not a text"));
        }
    }
    Ok(())
}

/// The 400 for a principal of another type than stated (code and text: Azure/azure-dev#3581).
fn check_type(world: &World, tenant: &str, principal: &str, typed: Option<&str>) -> Result<(), Reply> {
    let is_user = world.directory.tenant(tenant).is_some_and(|t| t.users.contains_key(principal));
    let own = if is_user { "User" } else { "ServicePrincipal" };
    let Some(typed) = typed.filter(|typed| !typed.eq_ignore_ascii_case(own)) else { return Ok(()) };
    let message = format!(
        "The PrincipalId '{}' has type '{own}' , which is different from specified PrinciaplType '{typed}'.",
        principal.replace('-', "")
    );
    Err(Reply::error(400, "UnmatchedPrincipalType", &message))
}

/// The 400 `PrincipalNotFound` for a principal that does not exist, or that is not replicated to ARM yet. ARM trusts the
/// caller sooner if the type is stated.
fn require_principal(
    world: &World,
    request: &Request,
    tenant: &str,
    principal: &str,
    typed: bool,
) -> Result<(), Reply> {
    let lag =
        if typed { world.lags.principal } else { world.lags.principal_untyped.max(world.lags.principal) };
    let created = world.directory.tenant(tenant).and_then(|t| t.principal_created(principal));
    let seen = created.is_some_and(|at| at.saturating_add(lag).is_ok_and(|from| from <= request.at));
    if seen {
        return Ok(());
    }
    let message = format!(
        "Principal {} does not exist in the directory {tenant}. Check that you have the correct principal ID. If you \
         are creating this principal and then immediately assigning a role, this error might be related to a \
         replication delay. In this case, set the role assignment principalType property to a value, such as \
         ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
        principal.replace('-', "")
    );
    Err(Reply::error(400, "PrincipalNotFound", &message))
}

fn delete(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath, name: &str) -> Handled {
    authorize(world, caller, request, "Microsoft.Authorization/roleAssignments/delete", &path.scope)?;
    let Some(found) = find(world, path, name).cloned() else { return Ok(Reply::empty(204)) };
    let reply = Reply::ok(shown(&found));
    let Some(change) = really_deletes(world) else { return Ok(reply) };
    world.grants.assignments.retain(|a| a.name != found.name || a.tenant != found.tenant);
    Ok(reply.changed(change))
}
