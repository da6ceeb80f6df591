//! Locks, policy assignments and deny assignments: lists that are always empty. They cannot be created here.

use serde_json::json;

use crate::arm::ArmPath;
use crate::authorization::authorize;
use crate::caller::Caller;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Each type, with the code of its 404.
const TYPES: [(&str, &str); 3] = [
    ("locks", "LockNotFound"),
    ("policyAssignments", "PolicyAssignmentNotFound"),
    ("denyAssignments", "DenyAssignmentNotFound"),
];

/// Whether the type is one of these.
pub(super) fn is_one(kind: &str) -> bool {
    TYPES.iter().any(|(name, _)| name.eq_ignore_ascii_case(kind))
}

/// `{scope}/providers/Microsoft.Authorization/{type}[/{name}]`
pub(super) fn handle(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    let known =
        path.rest.first().and_then(|kind| TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind)));
    let Some((kind, missing)) = known else { return Err(crate::providers::no_such_type(request, path)) };
    let may = |verb: &str| {
        authorize(world, caller, request, &format!("Microsoft.Authorization/{kind}/{verb}"), &path.scope)
    };
    match (request.method.as_str(), path.rest.get(1), path.rest.len()) {
        ("GET", None, _) => {
            may("read")?;
            Ok(Reply::ok(json!({ "value": [] })))
        }
        ("GET", Some(name), 2) => {
            may("read")?;
            Err(Reply::error(
                404,
                missing,
                &format!("The resource '{name}' of type '{kind}' could not be found."),
            ))
        }
        // Deleting a resource that does not exist succeeds.
        ("DELETE", Some(_), 2) => {
            may("delete")?;
            Ok(Reply::empty(204))
        }
        (_, None, _) => Err(Reply::method_not_allowed()),
        _ => Err(crate::not_simulated::arm(request, &format!("changes of Microsoft.Authorization/{kind}"))),
    }
}
