//! Role assignments in Privileged Identity Management: those in force, with their end, and the eligible ones.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::arm::ArmPath;
use crate::authorization::{Assignment, assignments, authorize, roles};
use crate::caller::Caller;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Which of the two lists to show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `roleAssignmentScheduleInstances`
    Assigned,
    /// `roleEligibilityScheduleInstances`
    Eligible,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Assigned => "roleAssignmentScheduleInstances",
            Kind::Eligible => "roleEligibilityScheduleInstances",
        }
    }
}

/// `GET {scope}/providers/Microsoft.Authorization/role…ScheduleInstances`
pub(super) fn handle(
    world: &World,
    caller: &Caller,
    request: &Request,
    path: &ArmPath,
    kind: Kind,
) -> Handled {
    if request.method != http::Method::GET || path.rest.len() > 1 {
        return Err(Reply::method_not_allowed());
    }
    let action = format!("Microsoft.Authorization/{}/read", kind.name());
    authorize(world, caller, request, &action, &path.scope)?;
    let filter = request.query("$filter").unwrap_or_default();
    let wanted = match assignments::read_filter(filter)? {
        filter if filter.principal.is_some() => filter.principal,
        _ => None,
    };
    let all = match kind {
        Kind::Assigned => &world.grants.assignments,
        Kind::Eligible => &world.grants.eligible,
    };
    let within = |inner: &str, outer: &str| world.hierarchy.within(inner, outer);
    let value: Vec<Value> = all
        .iter()
        .filter(|a| a.tenant == caller.holder.tenant)
        .filter(|a| within(&path.scope, &a.scope) || within(&a.scope, &path.scope))
        .filter(|a| wanted.as_ref().is_none_or(|principal| a.principal == *principal))
        .map(|a| shown(a, kind, request.at))
        .collect();
    Ok(Reply::ok(json!({ "value": value })))
}

fn shown(assignment: &Assignment, kind: Kind, now: Timestamp) -> Value {
    let name = &assignment.name;
    let definition = roles::definition_id(&assignment.scope, &assignment.role);
    let role = roles::by_id(&assignment.role).map(|role| role.name);
    let mut properties = json!({
        "scope": assignment.scope,
        "roleDefinitionId": definition,
        "principalId": assignment.principal,
        "principalType": assignment.principal_type,
        "status": if assignment.effective.is_some_and(|from| from <= now) { "Provisioned" } else { "PendingProvisioning" },
        "startDateTime": assignment.created.to_string(),
        "memberType": "Direct",
        "createdOn": assignment.created.to_string(),
        "expandedProperties": {
            "roleDefinition": { "id": definition, "displayName": role, "type": "BuiltInRole" },
            "scope": { "id": assignment.scope },
            "principal": { "id": assignment.principal, "type": assignment.principal_type },
        },
    });
    if let (Some(ends), Some(fields)) = (assignment.ends, properties.as_object_mut()) {
        fields.insert("endDateTime".to_owned(), json!(ends.to_string()));
    }
    if let (Kind::Assigned, Some(fields)) = (kind, properties.as_object_mut()) {
        fields.insert("assignmentType".to_owned(), json!("Assigned"));
    }
    json!({
        "properties": properties,
        "name": name,
        "id": format!(
            "{}/providers/Microsoft.Authorization/{}/{name}", assignment.scope.trim_end_matches('/'), kind.name()
        ),
        "type": format!("Microsoft.Authorization/{}", kind.name()),
    })
}
