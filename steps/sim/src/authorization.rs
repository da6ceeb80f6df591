//! Microsoft.Authorization: what a caller may do.
//!
//! Every provider asks [`authorize`] before it does anything, and [`authorize_linked`] for a resource that the body
//! refers to.

use jiff::Timestamp;

use crate::caller::{Caller, Holder};
use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

/// Roles and who has them where.
#[derive(Default)]
pub(crate) struct Grants {}

/// Whether `holder` may do `action` (`Microsoft.Network/virtualNetworks/read`) on `scope` at that time.
pub(crate) fn may(_world: &World, _holder: &Holder, _action: &str, _scope: &str, _at: Timestamp) -> bool {
    false
}

/// 403 `AuthorizationFailed` unless the caller may do `action` on `scope`.
pub(crate) fn authorize(
    world: &World,
    caller: &Caller,
    request: &Request,
    action: &str,
    scope: &str,
) -> Result<(), Reply> {
    if may(world, &caller.holder, action, scope, request.at) {
        return Ok(());
    }
    Err(Reply::error(
        403,
        "AuthorizationFailed",
        &format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope \
             '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            caller.holder.name, caller.holder.object_id
        ),
    ))
}

/// For a body that refers to the resource `linked`: 403 `LinkedAuthorizationFailed` unless the caller brought a token
/// of its tenant (first text) whose holder may do `action` on it (second text). `resource` is what is being written.
pub(crate) fn authorize_linked(
    _world: &World,
    _caller: &Caller,
    _request: &Request,
    _action: &str,
    _resource: &str,
    _linked: &str,
) -> Result<(), Reply> {
    Ok(())
}
