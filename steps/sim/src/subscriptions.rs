//! Subscriptions and tenants, as a caller sees them.

use serde_json::{Value, json};

use crate::authorization;
use crate::caller::Caller;
use crate::directory::{ExternalState, Tenant};
use crate::hierarchy::Subscription;
use crate::regions;
use crate::reply::{Body, Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// The error for a subscription that does not exist, or in which the caller has no role.
pub(crate) fn not_found(id: &str) -> Reply {
    Reply::gateway_error(404, "SubscriptionNotFound", &format!("The subscription '{id}' could not be found."))
}

/// `/subscriptions`, `/tenants` and other paths without a provider or subscription.
pub(crate) fn handle_root(world: &mut World, caller: &Caller, request: &Request) -> Handled {
    let path = request.path.trim_end_matches('/').to_ascii_lowercase();
    match (request.method.as_str(), path.as_str()) {
        ("GET", "/subscriptions") => Ok(list(world, caller, request)),
        ("GET", "/tenants") => Ok(tenants(world, caller)),
        (_, "/subscriptions" | "/tenants") => Err(Reply::method_not_allowed()),
        _ => Err(Reply::gateway_error(404, "NotFound", &format!("No address '{}'.", request.path))),
    }
}

/// `/subscriptions/{id}`.
pub(crate) fn get(world: &World, caller: &Caller, request: &Request, id: &str) -> Handled {
    let scope = format!("/subscriptions/{id}");
    let Some(subscription) = world.hierarchy.subscription(id) else { return Err(not_found(id)) };
    if authorization::has_any_role(world, &caller.holder, &scope, request.at) {
        return Ok(Reply::ok(shown(subscription)));
    }
    // A role that is assigned but not effective yet gives another error than no role.
    if authorization::is_granted_something(world, &caller.holder, &scope) {
        return Err(authorization::refusal(&caller.holder, "Microsoft.Resources/subscriptions/read", &scope));
    }
    Err(not_found(id))
}

/// `/subscriptions/{id}/locations`: the regions.
pub(crate) fn locations(world: &World, caller: &Caller, request: &Request, id: &str) -> Handled {
    let reply = get(world, caller, request, id)?;
    let id = match &reply.body {
        Body::Json(subscription) => subscription["id"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    Ok(Reply::ok(json!({ "value": regions::listed(&id) })))
}

fn list(world: &World, caller: &Caller, request: &Request) -> Reply {
    let visible: Vec<Value> = world
        .hierarchy
        .subscriptions
        .values()
        .filter(|s| s.tenant == caller.holder.tenant)
        .filter(|s| {
            authorization::has_any_role(
                world,
                &caller.holder,
                &format!("/subscriptions/{}", s.id),
                request.at,
            )
        })
        .map(shown)
        .collect();
    let count = visible.len();
    Reply::ok(json!({ "value": visible, "count": { "type": "Total", "value": count } }))
}

fn shown(subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.display_name,
        "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Internal_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

/// The tenants of a user: the home tenant, and those where the user is an accepted guest.
fn tenants(world: &World, caller: &Caller) -> Reply {
    let own = &caller.holder;
    let mail = world.directory.tenant(&own.tenant).and_then(|t| t.users.get(&own.object_id)).map(|u| &u.mail);
    let known = |tenant: &&Tenant| {
        let guest = mail.and_then(|mail| tenant.user_by_mail(mail));
        tenant.id == own.tenant
            || guest.is_some_and(|u| u.external.is_none_or(|state| state == ExternalState::Accepted))
    };
    let value: Vec<Value> = world
        .directory
        .tenants
        .values()
        .filter(known)
        .map(|tenant| {
            json!({
                "id": format!("/tenants/{}", tenant.id),
                "tenantId": tenant.id,
                "countryCode": "DE",
                "displayName": tenant.display_name,
                "domains": [tenant.domain],
                "tenantCategory": "Home",
                "defaultDomain": tenant.domain,
                "tenantType": "AAD",
            })
        })
        .collect();
    Reply::ok(json!({ "value": value }))
}
