//! Microsoft Graph v1.0: the part that deals with guests and applications.

mod applications;
mod directory_objects;
mod filter;
mod invitations;
mod service_principals;
mod users;

use serde_json::{Value, json};

use crate::caller::{self, Holder};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// A request to Graph.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    let segments = request.segments();
    let words: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let holder = caller::of_graph_request(world, request)?;
    let path: Vec<&str> = segments.iter().skip(1).copied().collect();
    match words.as_slice() {
        ["v1.0" | "beta", "users" | "me", ..] => users::handle(world, &holder, request, &path),
        ["v1.0" | "beta", "invitations"] => invitations::handle(world, &holder, request),
        ["v1.0" | "beta", "organization"] => Ok(organization(world, &holder)),
        ["v1.0" | "beta", collection, ..] if collection.starts_with("serviceprincipals") => {
            service_principals::handle(world, &holder, request, &path)
        }
        ["v1.0" | "beta", collection, ..] if collection.starts_with("applications") => {
            applications::handle(world, &holder, request, &path)
        }
        ["v1.0" | "beta", "directoryobjects", "getbyids"] => {
            directory_objects::get_by_ids(world, &holder, request)
        }
        _ => Err(error(
            request,
            400,
            "BadRequest",
            &format!("Resource not found for the segment '{}'.", request.path),
        )),
    }
}

/// An error in the shape of Graph.
pub(crate) fn error(request: &Request, status: u16, code: &str, message: &str) -> Reply {
    let own = request.client_request_id().unwrap_or("00000000-0000-0000-0000-000000000000");
    Reply::json(
        status,
        json!({
            "error": {
                "code": code,
                "message": message,
                "innerError": {
                    "date": request.at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                    "request-id": own,
                    "client-request-id": own,
                },
            },
        }),
    )
}

fn not_found(request: &Request, id: &str) -> Reply {
    let message = format!(
        "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
    );
    error(request, 404, "Request_ResourceNotFound", &message)
}

fn method_not_allowed(request: &Request) -> Reply {
    error(request, 405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
}

/// 403 unless the holder has one of these permissions.
fn require(world: &World, holder: &Holder, request: &Request, any_of: &[&str]) -> Result<(), Reply> {
    if has(world, holder, any_of) {
        return Ok(());
    }
    let message = "Insufficient privileges to complete the operation.";
    Err(error(request, 403, "Authorization_RequestDenied", message))
}

fn has(world: &World, holder: &Holder, any_of: &[&str]) -> bool {
    let held = world.directory.tenant(&holder.tenant).and_then(|t| t.graph_permissions(&holder.object_id));
    held.is_some_and(|held| any_of.iter().any(|wanted| held.contains(*wanted)))
}

fn organization(world: &World, holder: &Holder) -> Reply {
    let own = world.directory.tenant(&holder.tenant).map(|t| {
        json!({
            "id": t.id,
            "displayName": t.display_name,
            "verifiedDomains": [{ "name": t.domain, "isDefault": true, "isInitial": true }],
        })
    });
    Reply::ok(json!({ "value": own.into_iter().collect::<Vec<_>>() }))
}

/// Only what `$select` names, or else what `usual` names.
fn select(request: &Request, object: &Value, usual: &[&str]) -> Value {
    let asked = request.query("$select");
    let keep = |name: &str| match asked {
        None => usual.contains(&name),
        Some(list) => list.split(',').any(|wanted| wanted.trim().eq_ignore_ascii_case(name)),
    };
    let kept = object.as_object().into_iter().flatten().filter(|(name, _)| keep(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A collection: filtered, in pages of `$top` (100 without it), with a count when it was asked for.
fn collection(world: &World, request: &Request, name: &str, objects: &[Value], usual: &[&str]) -> Handled {
    let advanced = request.header("consistencylevel").is_some_and(|v| v.eq_ignore_ascii_case("eventual"))
        && request.query("$count").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let filter = match request.query("$filter") {
        None => None,
        Some(text) => Some(filter::parse(text).map_err(|problem| {
            error(request, 400, "Request_UnsupportedQuery", &format!("Invalid filter clause: {problem}."))
        })?),
    };
    if filter.as_ref().is_some_and(filter::Filter::is_advanced) && !advanced {
        let message = "Operator 'Not' and the like are not supported because the required parameters might be missing. \
                       Try adding $count=true query parameter and ConsistencyLevel:eventual header.";
        return Err(error(request, 400, "Request_UnsupportedQuery", message));
    }
    let found: Vec<&Value> = objects.iter().filter(|o| filter.as_ref().is_none_or(|f| f.fits(o))).collect();
    let top = request.query("$top").and_then(|t| t.parse::<usize>().ok()).unwrap_or(100).clamp(1, 999);
    let skip = request.query("$skiptoken").and_then(|t| t.parse::<usize>().ok()).unwrap_or(0);
    let page: Vec<Value> = found.iter().skip(skip).take(top).map(|o| select(request, o, usual)).collect();
    let mut body = json!({ "@odata.context": format!("{}/v1.0/$metadata#{name}", world.hosts.graph) });
    if request.query("$count").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        body["@odata.count"] = json!(found.len());
    }
    if found.len() > skip + top {
        let others = request.query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("$skiptoken"));
        let query: Vec<String> = others
            .map(|(key, value)| format!("{key}={}", crate::request::encode(value)))
            .chain([format!("$skiptoken={}", skip + top)])
            .collect();
        body["@odata.nextLink"] = json!(format!("{}{}?{}", world.hosts.graph, request.path, query.join("&")));
    }
    body["value"] = json!(page);
    Ok(Reply::ok(body))
}

#[cfg(test)]
mod tests;
