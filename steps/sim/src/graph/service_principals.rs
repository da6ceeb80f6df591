//! Service principals of applications in a tenant.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::arm::really_deletes;
use crate::caller::{Holder, PrincipalKind};
use crate::directory::ServicePrincipal;
use crate::graph::query::{self, Entity, collection};
use crate::graph::{error, has, method_not_allowed, not_found, require};
use crate::ledger::Change;
use crate::not_simulated;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

const PRINCIPAL: Entity = Entity {
    collection: "servicePrincipals",
    name: "servicePrincipal",
    usual: &[
        "id",
        "accountEnabled",
        "appId",
        "appDisplayName",
        "appOwnerOrganizationId",
        "displayName",
        "servicePrincipalType",
        "signInAudience",
        "servicePrincipalNames",
    ],
    others: "addIns alternativeNames appDescription appRoleAssignmentRequired appRoles applicationTemplateId
        createdDateTime customSecurityAttributes deletedDateTime description disabledByMicrosoftStatus homepage info
        keyCredentials loginUrl logoutUrl notes notificationEmailAddresses oauth2PermissionScopes passwordCredentials
        preferredSingleSignOnMode preferredTokenSigningKeyThumbprint replyUrls resourceSpecificApplicationPermissions
        samlSingleSignOnSettings tags tokenEncryptionKeyId verifiedPublisher",
    sortable: (&["displayName"], &["createdDateTime"]),
};

const READERS: [&str; 4] =
    ["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const WRITERS: [&str; 2] = ["Application.ReadWrite.All", "Directory.ReadWrite.All"];

/// `/servicePrincipals`, `/servicePrincipals/{id}`, `/servicePrincipals(appId='…')`; `path` begins after the version.
pub(super) fn handle(world: &mut World, holder: &Holder, request: &Request, path: &[&str]) -> Handled {
    match (request.method.as_str(), key_of(path)) {
        ("GET", None) => {
            require_reader(world, holder, request)?;
            collection(world, request, &seen(world, holder, request), &PRINCIPAL)
        }
        ("GET", Some(("id", wanted))) if wanted == "$count" => {
            require_reader(world, holder, request)?;
            query::count(request, &seen(world, holder, request), &PRINCIPAL)
        }
        ("GET", Some((field, wanted))) => {
            nothing_below(request, path)?;
            require_reader(world, holder, request)?;
            let found = find(world, holder, request, field, &wanted)?;
            query::object(world, request, &found, &PRINCIPAL)
        }
        ("PATCH", Some(_)) => Err(not_simulated::graph(request, "changing service principals")),
        (_, Some(_)) if is_below(path) => {
            nothing_below(request, path)?;
            Err(method_not_allowed(request))
        }
        ("POST", None) => create(world, holder, request),
        ("DELETE", Some((field, wanted))) => {
            require(world, holder, request, &WRITERS)?;
            let found = find(world, holder, request, field, &wanted)?;
            let Some(change) = really_deletes(world) else { return Ok(Reply::empty(204)) };
            if let Some(tenant) = world.directory.tenants.get_mut(&holder.tenant) {
                tenant.service_principals.shift_remove(found["id"].as_str().unwrap_or_default());
            }
            Ok(Reply::empty(204).changed(change))
        }
        _ => Err(method_not_allowed(request)),
    }
}

/// The field and value with which a path identifies one object: `…/{id}` or `…(appId='{id}')`.
pub(super) fn key_of(path: &[&str]) -> Option<(&'static str, String)> {
    let by_application = path.first().and_then(|first| first.split_once('('));
    match (by_application, path.get(1)) {
        (Some((_, rest)), _) => {
            Some(("appId", rest.split('\'').nth(1).unwrap_or_default().to_ascii_lowercase()))
        }
        (None, Some(id)) => Some(("id", id.to_ascii_lowercase())),
        (None, None) => None,
    }
}

/// Whether a path continues after the object.
fn is_below(path: &[&str]) -> bool {
    path.len() > if path.first().is_some_and(|first| first.contains('(')) { 1 } else { 2 }
}

/// Returns 501 if the path continues: child objects of applications are not simulated.
pub(super) fn nothing_below(request: &Request, path: &[&str]) -> Result<(), Reply> {
    match path.last().filter(|_| is_below(path)) {
        Some(below) => Err(not_simulated::graph(request, &format!("{below} of an application"))),
        None => Ok(()),
    }
}

pub(super) fn require_reader(world: &World, holder: &Holder, request: &Request) -> Result<(), Reply> {
    let tenant = world.directory.tenant(&holder.tenant);
    let member = holder.kind == PrincipalKind::User
        && tenant.and_then(|t| t.users.get(&holder.object_id)).is_some_and(|u| u.external.is_none());
    if member || has(world, holder, &READERS) { Ok(()) } else { require(world, holder, request, &READERS) }
}

fn find(
    world: &World,
    holder: &Holder,
    request: &Request,
    field: &str,
    wanted: &str,
) -> Result<Value, Reply> {
    let found = seen(world, holder, request)
        .into_iter()
        .find(|p| p[field].as_str().is_some_and(|v| v.eq_ignore_ascii_case(wanted)));
    found.ok_or_else(|| not_found(request, wanted))
}

fn entity(world: &World, fields: Value) -> Value {
    let mut body = json!({ "@odata.context": format!("{}/v1.0/$metadata#servicePrincipals/$entity", world.hosts.graph) });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

pub(super) fn seen(world: &World, holder: &Holder, request: &Request) -> Vec<Value> {
    let Some(tenant) = world.directory.tenant(&holder.tenant) else { return Vec::new() };
    tenant
        .service_principals
        .values()
        .filter(|p| p.created.saturating_add(world.lags.graph).is_ok_and(|from| from <= request.at))
        .map(|p| shown(world, p))
        .collect()
}

fn shown(world: &World, principal: &ServicePrincipal) -> Value {
    let application = world.directory.application(&principal.app_id);
    let multi_tenant = application.is_some_and(|a| a.multi_tenant);
    json!({
        "id": principal.id,
        "accountEnabled": true,
        "appId": principal.app_id,
        "appDisplayName": application.map(|a| &a.display_name),
        "appOwnerOrganizationId": application.map(|a| &a.home),
        "displayName": principal.display_name,
        "servicePrincipalType": "Application",
        "signInAudience": if multi_tenant { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
        "servicePrincipalNames": [principal.app_id],
        "createdDateTime": principal.created.to_string(),
    })
}

fn create(world: &mut World, holder: &Holder, request: &Request) -> Handled {
    require(world, holder, request, &WRITERS)?;
    let bad = |code: &str, message: &str| error(request, 400, code, message);
    let body = request.json().map_err(|_| bad("BadRequest", "Unable to read JSON request payload."))?;
    let Some(app_id) = body.get("appId").and_then(Value::as_str) else {
        return Err(bad(
            "Request_BadRequest",
            "A value is required for property 'appId' of resource 'ServicePrincipal'.",
        ));
    };
    let usable = world.directory.application(app_id).filter(|a| a.multi_tenant || a.home == holder.tenant);
    let Some(application) = usable.cloned() else {
        let message = format!(
            "The appId '{app_id}' of the service principal does not reference a valid application object."
        );
        return Err(bad("Request_BadRequest", &message));
    };
    let id = world.draw().to_string();
    let Some(tenant) = world.directory.tenants.get_mut(&holder.tenant) else {
        return Err(bad("Request_BadRequest", "The tenant is unknown."));
    };
    if tenant.service_principal_of(app_id).is_some() {
        let message = format!(
            "The service principal cannot be created, updated, or restored because the service principal name \
             {app_id} is already in use."
        );
        return Err(error(request, 409, "Request_MultipleObjectsWithSameKeyValue", &message));
    }
    let principal = ServicePrincipal {
        id: id.clone(),
        app_id: application.app_id.clone(),
        display_name: application.display_name.clone(),
        created: request.at,
        graph: BTreeSet::new(),
    };
    tenant.service_principals.insert(id, principal.clone());
    let body = entity(world, shown(world, &principal));
    Ok(Reply::json(201, body).changed(Change::Created))
}
