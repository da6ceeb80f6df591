//! Applications: registered in their home tenant, and readable there only.

use serde_json::{Value, json};

use crate::caller::Holder;
use crate::graph::{collection, method_not_allowed, not_found, select, service_principals};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

const USUAL: [&str; 5] = ["id", "appId", "displayName", "identifierUris", "signInAudience"];

/// `/applications`, `/applications/{id}`, `/applications(appId='…')`; `path` begins after the version. Read-only here.
pub(super) fn handle(world: &mut World, holder: &Holder, request: &Request, path: &[&str]) -> Handled {
    if request.method != http::Method::GET {
        return Err(method_not_allowed(request));
    }
    service_principals::require_reader(world, holder, request)?;
    let known: Vec<Value> = world
        .directory
        .applications
        .iter()
        .filter(|application| application.home == holder.tenant)
        .map(|application| {
            json!({
                "id": world.named(&format!("application {}", application.app_id)),
                "appId": application.app_id,
                "displayName": application.display_name,
                "identifierUris": [],
                "signInAudience": if application.multi_tenant { "AzureADMultipleOrgs" } else { "AzureADMyOrg" },
            })
        })
        .collect();
    let Some((field, wanted)) = service_principals::key_of(path) else {
        return collection(world, request, "applications", &known, &USUAL);
    };
    let named = |item: &&Value| item[field].as_str().is_some_and(|value| value.eq_ignore_ascii_case(&wanted));
    let found = known.iter().find(named).ok_or_else(|| not_found(request, &wanted))?;
    let mut body =
        json!({ "@odata.context": format!("{}/v1.0/$metadata#applications/$entity", world.hosts.graph) });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), select(request, found, &USUAL)) {
        body.extend(fields);
    }
    Ok(Reply::ok(body))
}
