//! The caller's own permissions at a scope.

use serde_json::{Value, json};

use crate::arm::ArmPath;
use crate::authorization::{effective, refusal, roles};
use crate::caller::Caller;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// `GET {scope}/providers/Microsoft.Authorization/permissions`: one entry for each effective role.
pub(super) fn handle(world: &World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    let value: Vec<Value> = effective(world, &caller.holder, &path.scope, request.at)
        .filter_map(|a| roles::by_id(&a.role))
        .map(|role| {
            json!({
                "actions": role.actions,
                "notActions": role.not_actions,
                "dataActions": [],
                "notDataActions": [],
            })
        })
        .collect();
    if value.is_empty() {
        return Err(refusal(&caller.holder, "Microsoft.Authorization/permissions/read", &path.scope));
    }
    Ok(Reply::ok(json!({ "value": value })))
}
