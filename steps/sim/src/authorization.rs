//! Microsoft.Authorization: roles, assignments and permission checks.
//!
//! Every provider calls [`authorize`] before it handles a request, and [`authorize_linked`] for a resource that the
//! body refers to. Only actions that a role allows are allowed.

mod assignments;
mod empty;
mod permissions;
mod roles;
mod schedules;

use jiff::Timestamp;

use crate::arm::ArmPath;
use crate::caller::{Caller, Holder};
use crate::hierarchy::key;
use crate::lies::Lie;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

pub(crate) use roles::by_name as role_by_name;

/// A role assignment.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// A GUID, unique in the tenant.
    pub(crate) name: String,
    /// As written when it was created.
    pub(crate) scope: String,
    /// Object id, lower case.
    pub(crate) principal: String,
    pub(crate) principal_type: String,
    /// GUID of the role.
    pub(crate) role: String,
    pub(crate) description: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) created_by: String,
    /// Tenant of the scope, lower case.
    pub(crate) tenant: String,
    /// When it becomes effective; `None` for never.
    pub(crate) effective: Option<Timestamp>,
    /// When it expires; `None` for never.
    pub(crate) ends: Option<Timestamp>,
}

impl Assignment {
    /// Whether it has not expired at that time.
    fn lasts_at(&self, at: Timestamp) -> bool {
        self.ends.is_none_or(|ends| at < ends)
    }
}

/// All role assignments.
#[derive(Clone, Default)]
pub(crate) struct Grants {
    pub(crate) assignments: Vec<Assignment>,
    /// Eligible assignments: roles that a principal may activate.
    pub(crate) eligible: Vec<Assignment>,
}

impl Grants {
    fn forget_ended(&mut self, at: Timestamp) {
        self.assignments.retain(|assignment| assignment.lasts_at(at));
        self.eligible.retain(|assignment| assignment.lasts_at(at));
    }
}

/// `{scope}/providers/Microsoft.Authorization/…`
pub(crate) fn handle(world: &mut World, caller: &Caller, request: &Request, path: &ArmPath) -> Handled {
    world.grants.forget_ended(request.at);
    let words = path.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["roleassignments", ..] => assignments::handle(world, caller, request, path),
        ["roledefinitions", ..] => roles::handle(world, caller, request, path),
        ["roleassignmentscheduleinstances", ..] => {
            schedules::handle(world, caller, request, path, schedules::Kind::Assigned)
        }
        ["roleeligibilityscheduleinstances", ..] => {
            schedules::handle(world, caller, request, path, schedules::Kind::Eligible)
        }
        ["permissions"] => permissions::handle(world, caller, request, path),
        [kind, ..] if empty::is_one(kind) => empty::handle(world, caller, request, path),
        _ => Err(crate::providers::no_such_type(request, path)),
    }
}

/// Assignments that apply to `holder` on `scope` at that time: made at it or above it.
fn effective<'a>(
    world: &'a World,
    holder: &'a Holder,
    scope: &'a str,
    at: Timestamp,
) -> impl Iterator<Item = &'a Assignment> {
    world.grants.assignments.iter().filter(move |a| {
        let fresh = world.lags.fresh_token_sees_roles && a.effective.is_some() && holder.issued >= a.created;
        a.principal == holder.object_id
            && a.tenant == holder.tenant
            && a.lasts_at(at)
            && (fresh || a.effective.is_some_and(|from| from <= at))
            && world.hierarchy.within(scope, &a.scope)
    })
}

/// Whether `holder` is allowed `action` (`Microsoft.Network/virtualNetworks/read`) on `scope` at that time.
pub(crate) fn may(world: &World, holder: &Holder, action: &str, scope: &str, at: Timestamp) -> bool {
    if let Some(owner) = world.hierarchy.tenant_of(scope)
        && owner != holder.tenant
    {
        return world.tells(Lie::AnyTenantToken);
    }
    effective(world, holder, scope, at).any(|a| roles::allows(&a.role, action))
}

/// Whether `holder` has any role at `scope`, above it or below it.
pub(crate) fn has_any_role(world: &World, holder: &Holder, scope: &str, at: Timestamp) -> bool {
    if let Some(owner) = world.hierarchy.tenant_of(scope)
        && owner != holder.tenant
    {
        return world.tells(Lie::AnyTenantToken);
    }
    let below = world.grants.assignments.iter().any(|a| {
        a.principal == holder.object_id
            && a.tenant == holder.tenant
            && a.effective.is_some_and(|from| from <= at)
            && a.lasts_at(at)
            && world.hierarchy.within(&a.scope, scope)
    });
    below || effective(world, holder, scope, at).next().is_some()
}

/// Whether `holder` has any role at `scope` or above it.
pub(crate) fn has_role_from_above(world: &World, holder: &Holder, scope: &str, at: Timestamp) -> bool {
    match world.hierarchy.tenant_of(scope) {
        Some(owner) if owner != holder.tenant => world.tells(Lie::AnyTenantToken),
        _ => effective(world, holder, scope, at).next().is_some(),
    }
}

/// Whether `holder` has an assignment around `scope`, effective or not.
pub(crate) fn is_granted_something(world: &World, holder: &Holder, scope: &str) -> bool {
    world.grants.assignments.iter().any(|a| {
        a.principal == holder.object_id
            && a.tenant == holder.tenant
            && (world.hierarchy.within(&a.scope, scope) || world.hierarchy.within(scope, &a.scope))
    })
}

/// The 403 `AuthorizationFailed`.
pub(crate) fn refusal(holder: &Holder, action: &str, scope: &str) -> Reply {
    Reply::gateway_error(
        403,
        "AuthorizationFailed",
        &format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope \
             '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            holder.name, holder.object_id
        ),
    )
}

/// Returns 403 `AuthorizationFailed` unless the caller is allowed `action` on `scope`.
pub(crate) fn authorize(
    world: &World,
    caller: &Caller,
    request: &Request,
    action: &str,
    scope: &str,
) -> Result<(), Reply> {
    if may(world, &caller.holder, action, scope, request.at) {
        Ok(())
    } else {
        Err(refusal(&caller.holder, action, scope))
    }
}

/// For a body that refers to the resource `linked`: returns 403 `LinkedAuthorizationFailed` unless the caller sent a
/// token of its tenant (first text) whose holder is allowed `action` on it (second text). `resource` is the resource
/// being written.
pub(crate) fn authorize_linked(
    world: &World,
    caller: &Caller,
    request: &Request,
    action: &str,
    resource: &str,
    linked: &str,
) -> Result<(), Reply> {
    let Some(tenant) = world.hierarchy.tenant_of(linked) else {
        return Err(linked_refusal(&format!(
            "The client has permission to perform action '{action}' on scope '{resource}', however the linked scope \
             '{linked}' was not found."
        )));
    };
    if world.tells(Lie::NoAuxiliaryCheck) && tenant != caller.holder.tenant {
        return Ok(());
    }
    let Some(holder) = caller.in_tenant(tenant) else {
        let subscription = key(linked).split('/').nth(2).unwrap_or_default().to_owned();
        return Err(linked_refusal(&format!(
            "The client has permission to perform action '{action}' on scope '{resource}', however the current tenant \
             '{}' is not authorized to access linked subscription '{subscription}'.",
            caller.holder.tenant
        )));
    };
    if may(world, holder, action, linked, request.at) {
        return Ok(());
    }
    Err(linked_refusal(&format!(
        "The client '{}' with object id '{}' has permission to perform action '{action}' on scope '{resource}'; \
         however, it does not have permission to perform action(s) '{action}' on the linked scope(s) '{linked}' \
         (respectively) or the linked scope(s) are invalid.",
        holder.name, holder.object_id
    )))
}

fn linked_refusal(message: &str) -> Reply {
    Reply::gateway_error(403, "LinkedAuthorizationFailed", message)
}

#[cfg(test)]
mod tests;
