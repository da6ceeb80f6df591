//! Users, members and guests.

use serde_json::{Value, json};

use crate::arm::really_deletes;
use crate::caller::{Holder, PrincipalKind};
use crate::directory::User;
use crate::graph::query::{self, Entity, collection};
use crate::graph::{error, has, method_not_allowed, not_found, require};
use crate::not_simulated;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Without `$select`, neither `userType` nor `externalUserState` is returned.
const USER: Entity = Entity {
    collection: "users",
    name: "user",
    usual: &[
        "businessPhones",
        "displayName",
        "givenName",
        "jobTitle",
        "mail",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "surname",
        "userPrincipalName",
        "id",
    ],
    others: "aboutMe accountEnabled ageGroup assignedLicenses assignedPlans authorizationInfo birthday city companyName
        consentProvidedForMinor country createdDateTime creationType customSecurityAttributes deletedDateTime department
        deviceEnrollmentLimit employeeHireDate employeeId employeeLeaveDateTime employeeOrgData employeeType externalUserState
        externalUserStateChangeDateTime faxNumber hireDate identities imAddresses interests isManagementRestricted
        isResourceAccount lastPasswordChangeDateTime legalAgeGroupClassification licenseAssignmentStates mailboxSettings
        mailNickname mySite onPremisesDistinguishedName onPremisesDomainName onPremisesExtensionAttributes
        onPremisesImmutableId onPremisesLastSyncDateTime onPremisesProvisioningErrors onPremisesSamAccountName
        onPremisesSecurityIdentifier onPremisesSyncEnabled onPremisesUserPrincipalName otherMails passwordPolicies
        passwordProfile pastProjects postalCode preferredDataLocation preferredName print provisionedPlans proxyAddresses
        responsibilities schools securityIdentifier serviceProvisioningErrors showInAddressList signInActivity
        signInSessionsValidFromDateTime skills state streetAddress usageLocation userType",
    sortable: (&["displayName", "userPrincipalName"], &["createdDateTime", "mail"]),
};

const READERS: [&str; 6] = [
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "User.Invite.All",
];

/// `/me` and below: the signed-in user. For an application it is an error (code and text: msgraph-sdk-php#1163).
pub(super) fn me(world: &mut World, holder: &Holder, request: &Request, path: &[&str]) -> Handled {
    if holder.kind != PrincipalKind::User {
        let message = "/me request is only valid with delegated authentication flow.";
        return Err(error(request, 400, "BadRequest", message));
    }
    let own = [&["users", holder.object_id.as_str()], path.get(1..).unwrap_or_default()].concat();
    handle(world, holder, request, &own)
}

/// `/users`, `/users/{id}`; `path` begins after the version.
pub(super) fn handle(world: &mut World, holder: &Holder, request: &Request, path: &[&str]) -> Handled {
    match (request.method.as_str(), path) {
        ("GET", [_]) => {
            require_reader(world, holder, request)?;
            collection(world, request, &seen(world, holder, request), &USER)
        }
        ("GET", [_, "$count"]) => {
            require_reader(world, holder, request)?;
            query::count(request, &seen(world, holder, request), &USER)
        }
        ("GET", [_, id]) => one(world, holder, request, id),
        ("DELETE", [_, id]) => delete(world, holder, request, id),
        ("POST", [_]) | ("PATCH", [_, _]) => {
            Err(not_simulated::graph(request, "writing users but by invitations"))
        }
        (_, [_, _, below, ..]) => Err(not_simulated::graph(request, &format!("{below} of users"))),
        _ => Err(method_not_allowed(request)),
    }
}

/// Members may read the directory, guests only themselves, applications according to their permissions.
pub(super) fn require_reader(world: &World, holder: &Holder, request: &Request) -> Result<(), Reply> {
    let tenant = world.directory.tenant(&holder.tenant);
    let member = holder.kind == PrincipalKind::User
        && tenant.and_then(|t| t.users.get(&holder.object_id)).is_some_and(|u| u.external.is_none());
    // For applications, User.Invite.All does not include reading; it counts for people only.
    let readers =
        if holder.kind == PrincipalKind::User { &READERS[..] } else { READERS.get(..5).unwrap_or_default() };
    if member || has(world, holder, readers) { Ok(()) } else { require(world, holder, request, readers) }
}

fn one(world: &World, holder: &Holder, request: &Request, id: &str) -> Handled {
    if !id.eq_ignore_ascii_case(&holder.object_id) {
        require_reader(world, holder, request)?;
    }
    let found = seen(world, holder, request).into_iter().find(|user| names(user, id));
    let user = found.ok_or_else(|| not_found(request, id))?;
    query::object(world, request, &user, &USER)
}

fn names(user: &Value, id: &str) -> bool {
    ["id", "userPrincipalName"]
        .iter()
        .any(|field| user[*field].as_str().is_some_and(|v| v.eq_ignore_ascii_case(id)))
}

/// Users that are already replicated.
pub(super) fn seen(world: &World, holder: &Holder, request: &Request) -> Vec<Value> {
    let Some(tenant) = world.directory.tenant(&holder.tenant) else { return Vec::new() };
    tenant
        .users
        .values()
        .filter(|u| u.created.saturating_add(world.lags.graph).is_ok_and(|from| from <= request.at))
        .map(shown)
        .collect()
}

fn shown(user: &User) -> Value {
    json!({
        "businessPhones": [],
        "displayName": user.display_name,
        "givenName": null,
        "jobTitle": null,
        "mail": user.mail,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": null,
        "userPrincipalName": user.principal_name,
        "id": user.id,
        "accountEnabled": true,
        "createdDateTime": user.created.to_string(),
        "creationType": user.external.map(|_| "Invitation"),
        "externalUserState": user.external.map(|s| s.name()),
        "externalUserStateChangeDateTime": user.external_changed.map(|at| at.to_string()),
        "otherMails": if user.external.is_some() { vec![user.mail.clone()] } else { Vec::new() },
        "proxyAddresses": [format!("SMTP:{}", user.mail)],
        "userType": if user.external.is_some() { "Guest" } else { "Member" },
    })
}

fn delete(world: &mut World, holder: &Holder, request: &Request, id: &str) -> Handled {
    require(
        world,
        holder,
        request,
        &["User.ReadWrite.All", "Directory.ReadWrite.All", "User.DeleteRestore.All"],
    )?;
    let found = seen(world, holder, request).into_iter().find(|user| names(user, id));
    let user = found.ok_or_else(|| not_found(request, id))?;
    let Some(change) = really_deletes(world) else { return Ok(Reply::empty(204)) };
    if let Some(tenant) = world.directory.tenants.get_mut(&holder.tenant) {
        tenant.users.shift_remove(user["id"].as_str().unwrap_or_default());
    }
    Ok(Reply::empty(204).changed(change))
}
