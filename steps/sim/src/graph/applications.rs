//! Applications: readable in their home tenant only.

use serde_json::{Value, json};

use crate::caller::Holder;
use crate::graph::query::{self, Entity, collection};
use crate::graph::{method_not_allowed, not_found, service_principals};
use crate::not_simulated;
use crate::reply::Handled;
use crate::request::Request;
use crate::world::World;

const APPLICATION: Entity = Entity {
    collection: "applications",
    name: "application",
    usual: &["id", "appId", "displayName", "identifierUris", "signInAudience"],
    others: "addIns api appRoles applicationTemplateId authenticationBehaviors certification createdDateTime
        defaultRedirectUri deletedDateTime description disabledByMicrosoftStatus groupMembershipClaims info
        isDeviceOnlyAuthSupported isFallbackPublicClient keyCredentials logo nativeAuthenticationApisEnabled notes
        oauth2RequirePostResponse optionalClaims parentalControlSettings passwordCredentials publicClient publisherDomain
        requestSignatureVerification requiredResourceAccess samlMetadataUrl serviceManagementReference
        servicePrincipalLockConfiguration spa tags tokenEncryptionKeyId uniqueName verifiedPublisher web",
    sortable: (&["displayName"], &["createdDateTime"]),
};

/// `/applications`, `/applications/{id}`, `/applications(appId='…')`; `path` begins after the version. Read-only here.
pub(super) fn handle(world: &mut World, holder: &Holder, request: &Request, path: &[&str]) -> Handled {
    match (request.method.as_str(), service_principals::key_of(path).is_some()) {
        ("GET", _) => {}
        ("POST", false) | ("PATCH" | "DELETE", true) => {
            return Err(not_simulated::graph(request, "writing applications"));
        }
        _ => return Err(method_not_allowed(request)),
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
        return collection(world, request, &known, &APPLICATION);
    };
    if field == "id" && wanted == "$count" {
        return query::count(request, &known, &APPLICATION);
    }
    service_principals::nothing_below(request, path)?;
    let named = |item: &&Value| item[field].as_str().is_some_and(|value| value.eq_ignore_ascii_case(&wanted));
    let found = known.iter().find(named).ok_or_else(|| not_found(request, &wanted))?;
    query::object(world, request, found, &APPLICATION)
}
