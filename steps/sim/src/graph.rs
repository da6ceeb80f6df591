//! Microsoft Graph v1.0: guest users and applications.

mod applications;
mod directory_objects;
mod filter;
mod invitations;
mod query;
mod search;
mod service_principals;
mod users;

use serde_json::json;

use crate::caller::{self, Holder};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;
use crate::{catalogue, not_simulated};

/// Handles a request to Graph.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    let segments = request.segments();
    let words: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let holder = caller::of_graph_request(world, request)?;
    let path: Vec<&str> = segments.iter().skip(1).copied().collect();
    match words.as_slice() {
        ["v1.0" | "beta", "me", ..] => users::me(world, &holder, request, &path),
        ["v1.0" | "beta", "users", ..] => users::handle(world, &holder, request, &path),
        ["v1.0" | "beta", "invitations"] => invitations::handle(world, &holder, request),
        ["v1.0" | "beta", "organization"] if request.method == http::Method::GET => {
            Ok(organization(world, &holder))
        }
        ["v1.0" | "beta", collection, ..] if collection.starts_with("serviceprincipals") => {
            service_principals::handle(world, &holder, request, &path)
        }
        ["v1.0" | "beta", collection, ..] if collection.starts_with("applications") => {
            applications::handle(world, &holder, request, &path)
        }
        ["v1.0" | "beta", "directoryobjects", "getbyids"] => {
            directory_objects::get_by_ids(world, &holder, request)
        }
        ["v1.0" | "beta", collection, ..] if catalogue::is_graph(collection) => {
            Err(not_simulated::graph(request, &format!("Microsoft Graph's {collection}")))
        }
        _ => {
            let segment = path.first().copied().unwrap_or_default();
            Err(error(
                request,
                400,
                "BadRequest",
                &format!("Resource not found for the segment '{segment}'."),
            ))
        }
    }
}

/// An error in Graph's format.
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

/// Returns 403 unless the holder has one of these permissions.
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

#[cfg(test)]
mod tests;
