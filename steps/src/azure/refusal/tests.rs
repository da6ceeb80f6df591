//! The classification of refusals, one row each.

use serde_json::json;
use twinspan_engine::Certainty::{self, NotDone, Unknown};
use twinspan_engine::FailureClass::{
    ConflictRetryable, NeedsPerson, Permission, PlanWrong, Policy, ReplicationLag, Throttled, Transient,
};

use super::super::SecretRef;
use super::*;

const C: &str = "11111111-0000-0000-0000-00000000000c";
const T: &str = "22222222-0000-0000-0000-00000000000f";
const MEMBER: &str = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Network/networkManagers/m/networkGroups/n/staticMembers/v";

fn error_body(code: &str, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

fn classed(write: bool, auxiliary: bool, status: u16, headers: &[(&str, &str)], body: &str) -> StepError {
    let secret = SecretRef::Env("SECRET".to_owned());
    let application = Credential::ClientSecret { client_id: "app-1".to_owned(), client_secret: secret };
    classed_for(&application, false, write, auxiliary, status, headers, body)
}

/// The classification for a sender with this credential; `same_token`: all its tokens were refused before.
fn classed_for(
    credential: &Credential,
    same_token: bool,
    write: bool,
    auxiliary: bool,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> StepError {
    let kind = if matches!(credential, Credential::AzureCli { .. }) { "user" } else { "app" };
    let claims = |oid: &str| serde_json::from_value::<Claims>(json!({"oid": oid, "idtyp": kind})).unwrap();
    let sender =
        |party, oid| Sender { party, claims: claims(oid), credential: credential.clone(), same_token };
    let other = [sender(Party { name: "target", contact: None, about: None, tenant: T }, "oid-in-t")];
    let own = Party { name: "central", contact: Some("nina@contoso.example"), about: None, tenant: C };
    let situation = Situation {
        cloud: &Cloud::named("public").unwrap(),
        service: Service::Arm,
        verb: if write { "PUT" } else { "GET" },
        path: MEMBER,
        write,
        sender: sender(own, "oid-in-c"),
        auxiliary: if auxiliary { &other } else { &[] },
        grants: &Grants::default(),
        given: &[],
        now: "2026-11-23T08:00:00Z".parse().unwrap(),
        asker: "r s",
    };
    let mut map = HeaderMap::new();
    map.insert("x-ms-request-id", "r-1".parse().unwrap());
    for (name, value) in headers {
        map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    refusal(&situation, status, &map, serde_json::from_str(body).ok().as_ref())
}

/// One row: status, code, message, class, certainty after a write, part of the advice.
type Row = (u16, &'static str, &'static str, FailureClass, Certainty, &'static str);

/// The table of refusals, tested as a write and as a read.
const ROWS: &[Row] = &[
    (429, "TooManyRequests", "Slow down.", Throttled, NotDone, ""),
    (429, "RetryableErrorDueToAnotherOperation", "Locked.", ConflictRetryable, NotDone, ""),
    (409, "AnotherOperationInProgress", "Another operation.", ConflictRetryable, NotDone, ""),
    (409, "RetryableError", "A retryable error.", ConflictRetryable, NotDone, ""),
    (409, "InUseSubnetCannotBeUpdated", "In use.", ConflictRetryable, NotDone, ""),
    (409, "ReferencedResourceNotProvisioned", "Not provisioned.", ConflictRetryable, NotDone, ""),
    (
        409,
        "RoleAssignmentExists",
        "The role assignment already exists.",
        ConflictRetryable,
        NotDone,
        "under another name",
    ),
    (
        409,
        "CannotDeleteResource",
        "Cannot delete resource while nested resources exist.",
        ConflictRetryable,
        NotDone,
        "nested",
    ),
    (
        409,
        "MissingSubscriptionRegistration",
        "The subscription is not registered to use namespace 'Microsoft.Network'.",
        NeedsPerson,
        NotDone,
        "az provider register --namespace Microsoft.Network --subscription s-1",
    ),
    (409, "SubscriptionNotRegistered", "Not registered.", NeedsPerson, NotDone, "az provider register"),
    (
        409,
        "ScopeLocked",
        "The scope cannot perform write operation because of a lock.",
        Policy,
        NotDone,
        "az lock list",
    ),
    (
        400,
        "PrincipalNotFound",
        "Principal x does not exist in the directory y.",
        ReplicationLag,
        NotDone,
        "is not replicated in tenant",
    ),
    (
        400,
        "BadRequest",
        "Resource [/providers/Microsoft.Management/managementGroups/MG-1] is not within tenant [t].",
        NeedsPerson,
        NotDone,
        "az provider register --namespace Microsoft.Network --management-group-id MG-1",
    ),
    (400, "InvalidParameter", "Bad.", PlanWrong, NotDone, "parameters"),
    (400, "InvalidRequestFormat", "Bad.", PlanWrong, NotDone, "parameters"),
    (400, "InvalidApiVersionParameter", "Bad version.", PlanWrong, NotDone, "api-version"),
    (400, "NoRegisteredProviderFound", "No provider.", PlanWrong, NotDone, "api-version"),
    (400, "RoleAssignmentUpdateNotPermitted", "No.", PlanWrong, NotDone, "taken"),
    (
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry is earlier.",
        Transient,
        NotDone,
        "uses a new one",
    ),
    (401, "InvalidAuthenticationToken", "The access token is invalid.", Transient, NotDone, "uses a new one"),
    (
        401,
        "InvalidAuthenticationTokenTenant",
        "The access token is from the wrong issuer 'https://sts.windows.net/11111111-0000-0000-0000-00000000000c/'. It must match the tenant 'https://sts.windows.net/22222222-0000-0000-0000-00000000000f/' associated with this subscription.",
        PlanWrong,
        NotDone,
        "belongs to tenant 22222222-0000-0000-0000-00000000000f, and identity central signs in to tenant 11111111",
    ),
    (
        401,
        "InvalidAuthenticationTokenTenant",
        "It must match the tenant 'https://sts.windows.net/11111111-0000-0000-0000-00000000000c/'.",
        Transient,
        NotDone,
        "moved",
    ),
    (
        403,
        "AuthorizationFailed",
        "The client 'x' with object id 'oid-9' does not have authorization to perform action 'Microsoft.Network/networkManagers/scopeConnections/write' over scope '/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Network/networkManagers/m/scopeConnections/c' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        Permission,
        NotDone,
        "az role assignment create --assignee-object-id oid-9 --assignee-principal-type ServicePrincipal --role 'Network Contributor' --scope /subscriptions/s-1/resourceGroups/g",
    ),
    (
        403,
        "LinkedAuthorizationFailed",
        "The client has permission to perform action 'Microsoft.Network/virtualNetworks/write' on scope '/m', however the current tenant '11111111-0000-0000-0000-00000000000c' is not authorized to access linked subscription 's-2'.",
        PlanWrong,
        NotDone,
        "set `auxiliary:` to an identity of the tenant that owns subscription s-2",
    ),
    (403, "RequestDisallowedByPolicy", "Disallowed.", Policy, NotDone, "Azure Policy"),
    (
        403,
        "RequestDisallowedByAzure",
        "The region is restricted.",
        Policy,
        NotDone,
        "Azure itself restricts this",
    ),
    (
        404,
        "SubscriptionNotFound",
        "The subscription 's-1' could not be found.",
        Permission,
        NotDone,
        "--scope /subscriptions/s-1",
    ),
    (404, "InvalidSubscriptionId", "Malformed.", PlanWrong, NotDone, "ids"),
    (404, "InvalidResourceType", "No such type.", PlanWrong, NotDone, "api-version"),
    (404, "ResourceNotFound", "Not found.", ReplicationLag, NotDone, "exists"),
    (
        404,
        "ResourceNotFound",
        "The Resource 'Microsoft.Network/networkManagers/m' under resource group 'g' was not found.",
        ReplicationLag,
        NotDone,
        "network manager m is not in resource group g, subscription s-1 of tenant 11111111-0000-0000-0000-00000000000c",
    ),
    (
        404,
        "ParentResourceNotFound",
        "Can not perform requested operation on nested resource. Parent resource 'n' not found.",
        ReplicationLag,
        NotDone,
        "network group n is not in",
    ),
    (
        404,
        "ResourceGroupNotFound",
        "Not found.",
        ReplicationLag,
        NotDone,
        "az group create --subscription s-1 --name g",
    ),
    (404, "NotFound", "Resource [x] does not exist or has been deleted", ReplicationLag, NotDone, "exists"),
    (409, "InvalidResourceGroupLocation", "Elsewhere.", PlanWrong, NotDone, "different"),
    (412, "PreconditionFailed", "Changed.", ConflictRetryable, NotDone, ""),
    (408, "RequestTimeout", "Too late.", Transient, Unknown, ""),
    (500, "InternalServerError", "Oops.", Transient, Unknown, ""),
    (
        501,
        "NotSimulated",
        "twinspan's simulator does not simulate x.",
        PlanWrong,
        NotDone,
        "twinspan's simulator",
    ),
    (501, "NotImplemented", "Not here.", PlanWrong, NotDone, "a retry does not help"),
    (502, "BadGateway", "Oops.", Transient, Unknown, ""),
    (503, "ServerTimeout", "Oops.", Transient, Unknown, ""),
    (504, "GatewayTimeout", "Oops.", Transient, Unknown, ""),
];

#[test]
fn every_known_refusal_has_its_class_and_its_next_step() {
    for (status, code, message, class, certainty, next) in ROWS {
        for write in [true, false] {
            let failure = classed(write, false, *status, &[], &error_body(code, message));
            let context = format!("{status} {code}, write {write}: {failure:?}");
            assert_eq!(failure.class, *class, "{context}");
            assert_eq!(failure.certainty, if write { *certainty } else { NotDone }, "{context}");
            assert_eq!(failure.code.as_deref(), Some(*code), "{context}");
            assert!(failure.hint.clone().unwrap_or_default().contains(next), "{context}");
            assert!(
                failure.message.contains(&format!("central (nina@contoso.example) in tenant {C}")),
                "{context}"
            );
            assert!(failure.references.contains(&("x-ms-request-id".into(), "r-1".into())), "{context}");
            if let Some(wait) = &failure.wait {
                assert!(wait.who.as_ref().unwrap().contains("tenant 1111"), "{context}");
                assert!(wait.action.as_ref().unwrap().contains("az "), "{context}");
            }
            assert_eq!(failure.wait.is_some(), matches!(class, Permission | NeedsPerson), "{context}");
        }
    }
}

#[test]
fn a_missing_role_in_the_other_tenant_is_for_the_other_tenant() {
    let message = "The client 'x' with object id 'oid-in-c' has permission to perform action \
        'Microsoft.Network/networkManagers/networkGroups/staticMembers/write' on scope '/m'; however, it does not have \
        permission to perform action(s) 'Microsoft.Network/virtualNetworks/write' on the linked scope(s) \
        '/subscriptions/s-2/resourceGroups/app/providers/Microsoft.Network/virtualNetworks/v' (respectively) or the linked \
        scope(s) are invalid.";
    let failure = classed(true, true, 403, &[], &error_body("LinkedAuthorizationFailed", message));
    assert_eq!(failure.class, Permission);
    let wait = failure.wait.unwrap();
    assert!(
        wait.what.starts_with(&format!(
            "target in tenant {T} may not do Microsoft.Network/virtualNetworks/write on /subscriptions/s-2/"
        )),
        "{}",
        wait.what
    );
    assert!(wait.who.unwrap().ends_with(&format!("in tenant {T}")));
    assert_eq!(
        wait.action.unwrap(),
        "az role assignment create --assignee-object-id oid-in-t --assignee-principal-type ServicePrincipal --role \
         'Network Contributor' --scope /subscriptions/s-2/resourceGroups/app/providers/Microsoft.Network/virtualNetworks/v"
    );
}

#[test]
fn a_token_that_went_along_and_does_not_help_is_named() {
    let message = "however the current tenant 'c' is not authorized to access linked subscription 's-2'.";
    let failure = classed(true, true, 403, &[], &error_body("LinkedAuthorizationFailed", message));
    assert_eq!(failure.class, PlanWrong);
    assert!(failure.hint.unwrap().contains(&format!("the request had the token of target in tenant {T}")));
}

#[test]
fn a_claims_challenge_is_for_a_person_and_goes_into_the_command() {
    let challenge = "Bearer authorization_uri=\"https://login.example/\", error=\"insufficient_claims\", claims=\"eyJhIjoxfQ\"";
    let headers = [("www-authenticate", challenge)];
    let body = error_body("InvalidAuthenticationToken", "x");
    let by_cli =
        classed_for(&Credential::AzureCli { config_dir: None }, false, false, true, 401, &headers, &body);
    assert_eq!(by_cli.class, NeedsPerson);
    let wait = by_cli.wait.unwrap();
    assert_eq!(wait.who.unwrap(), format!("you (nina@contoso.example) in tenant {C}"));
    let command = format!(
        "az login --tenant {C} --scope https://management.azure.com/.default --claims-challenge eyJhIjoxfQ== --allow-no-subscriptions"
    );
    assert_eq!(wait.action.unwrap(), command);
    // Azure names the other tenant: the token in question is that tenant's.
    let body =
        error_body("InvalidAuthenticationToken", &format!("The token of tenant '{T}' does not satisfy it."));
    let wait =
        classed_for(&Credential::AzureCli { config_dir: None }, false, false, true, 401, &headers, &body)
            .wait
            .unwrap();
    assert!(wait.action.unwrap().starts_with(&format!("az login --tenant {T} ")));
    // Text that is not base64 is not put into a command.
    let headers = [("www-authenticate", "Bearer claims=\"$(reboot)\"")];
    let wait =
        classed_for(&Credential::AzureCli { config_dir: None }, false, false, false, 401, &headers, &body)
            .wait
            .unwrap();
    assert_eq!(
        wait.action.unwrap(),
        format!(
            "az login --tenant {C} --scope https://management.azure.com/.default --allow-no-subscriptions"
        )
    );
    // An application has no second factor: the advice is not to sign it in.
    for credential in [
        Credential::ManagedIdentity { client_id: None },
        Credential::WorkloadIdentity { client_id: Some("app-1".to_owned()), token_file: None },
    ] {
        let error = classed_for(&credential, false, false, false, 401, &headers, &body);
        assert_eq!(error.class, NeedsPerson);
        let wait = error.wait.unwrap();
        assert_eq!(wait.who.unwrap(), format!("an Entra administrator of tenant {C}"));
        let action = wait.action.unwrap();
        assert!(
            action.contains(&format!("sign-in log of tenant {C}")) && !action.contains("az login"),
            "{action}"
        );
        let named = credential
            .client_id()
            .map_or("the managed identity".to_owned(), |id| format!("application {id}"));
        assert!(action.contains(&named), "{action}");
    }
}

#[test]
fn a_token_that_the_azure_cli_gives_again_is_for_a_person() {
    let refused = |credential: &Credential, same, message: &str| {
        let body = error_body("ExpiredAuthenticationToken", message);
        classed_for(credential, same, true, true, 401, &[], &body)
    };
    let error = refused(&Credential::AzureCli { config_dir: None }, true, "The access token has expired.");
    assert_eq!(error.class, NeedsPerson);
    let login = |tenant| {
        format!(
            "az login --tenant {tenant} --scope https://management.azure.com/.default --allow-no-subscriptions"
        )
    };
    assert_eq!(error.wait.unwrap().action.unwrap(), format!("{} && {}", login(C), login(T)));
    // Azure names the tenant of the token.
    let said = format!("The auxiliary token of client 'c' in tenant '{T}' is expired.");
    assert_eq!(
        refused(&Credential::AzureCli { config_dir: None }, true, &said).wait.unwrap().action.unwrap(),
        login(T)
    );
    let others_hint = refused(&Credential::AzureCli { config_dir: None }, false, &said).hint.unwrap();
    assert!(others_hint.contains(T) && !others_hint.contains(C), "{others_hint}");
    // The first time a new token may help; the token cache of a managed identity cannot be emptied.
    assert_eq!(refused(&Credential::AzureCli { config_dir: None }, false, "x").class, Transient);
    assert_eq!(refused(&Credential::ManagedIdentity { client_id: None }, true, "x").class, Transient);
}

#[test]
fn the_owner_of_a_subscription_is_also_read_from_the_challenge() {
    let challenge =
        format!("Bearer authorization_uri=\"https://login.windows.net/{T}\", error=\"invalid_token\"");
    let body = error_body("InvalidAuthenticationTokenTenant", "The token is for another tenant.");
    let failure = classed(false, false, 401, &[("www-authenticate", &challenge)], &body);
    assert_eq!(failure.class, PlanWrong);
    assert!(failure.hint.unwrap().contains(&format!("belongs to tenant {T}")));
}

#[test]
fn retry_after_is_read_in_all_its_forms() {
    let wait = |headers: &[(&str, &str)]| classed(false, false, 429, headers, "").retry_after;
    assert_eq!(wait(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
    assert_eq!(wait(&[("retry-after-ms", "1500"), ("retry-after", "2")]), Some(Duration::from_millis(1500)));
    assert_eq!(wait(&[("retry-after", "Mon, 23 Nov 2026 08:01:30 GMT")]), Some(Duration::from_secs(90)));
    assert_eq!(wait(&[("retry-after", "Mon, 23 Nov 2026 07:00:00 GMT")]), Some(Duration::ZERO));
    assert_eq!(wait(&[("retry-after", "soon")]), None);
    // A requested delay of days is not accepted, and the error says so.
    assert_eq!(wait(&[("retry-after", "86400")]), Some(Duration::from_secs(3600)));
    assert_eq!(wait(&[("retry-after", "18446744073709551615")]), Some(Duration::from_secs(3600)));
    assert!(
        classed(false, false, 429, &[("retry-after", "86400")], "")
            .message
            .ends_with("the service requests a delay of 1 d; the next request is sent after 1 h")
    );
    assert_eq!(wait(&[]), None);
}

#[test]
fn answers_from_something_in_between_are_known_as_such() {
    let page = "<html><body>CANARY proxy says no</body></html>";
    for (status, class, certainty) in [
        (404, Transient, NotDone),
        (403, Transient, NotDone),
        (407, NeedsPerson, NotDone),
        (302, Transient, NotDone),
        (429, Throttled, NotDone),
        (401, Transient, NotDone),
        (502, Transient, Unknown),
        (503, Transient, Unknown),
    ] {
        let failure =
            classed(true, false, status, &[("location", "https://portal.example/login?x=CANARY")], page);
        assert_eq!((failure.class, failure.certainty), (class, certainty), "{status}");
        assert!(!format!("{failure:?}").contains("CANARY"), "{failure:?}");
        assert!(failure.hint.is_some());
    }
    let redirect = classed(true, false, 302, &[("location", "https://portal.example/login")], page);
    assert!(redirect.hint.unwrap().contains("portal.example"));
}

#[test]
fn not_every_403_is_a_missing_role() {
    let denied = "The client 'x' with object id 'o' has permission to perform action 'Microsoft.Network/networkManagerConnections/write' on scope \
        '/subscriptions/s-1/providers/Microsoft.Network/networkManagerConnections/c'; however, the access is denied because of the deny \
        assignment with name 'Deny external managers' and Id 'd0d0' at scope '/subscriptions/s-1'.";
    let condition = "The client 'x' with object id 'o' has an authorization with ABAC condition that is not fulfilled to perform action \
        'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/s-1/providers/Microsoft.Authorization/roleAssignments/r' or the \
        scope is invalid.";
    for (status, code, message, class, what, action) in [
        (
            403,
            "DenyAssignmentAuthorizationFailed",
            denied,
            Permission,
            "the deny assignment 'Deny external managers' at /subscriptions/s-1",
            "denyAssignments/d0d0",
        ),
        (403, "AuthorizationFailed", denied, Permission, "regardless of its roles", "az rest --method get"),
        (
            403,
            "AuthorizationFailed",
            condition,
            Permission,
            "has a condition",
            "az role assignment list --assignee o --scope /subscriptions/s-1 ",
        ),
        (
            403,
            "Forbidden",
            "Something else forbids it.",
            Permission,
            "Forbidden: Something else forbids it.",
            "az role assignment list",
        ),
        (403, "QuotaExceeded", "Too many cores.", Policy, "", "a quota of"),
        (409, "NetworkManagersCountLimitReached", "At most 1.", Policy, "", "a quota of"),
    ] {
        let failure = classed(true, false, status, &[], &error_body(code, message));
        let context = format!("{code}: {failure:?}");
        assert_eq!(failure.class, class, "{context}");
        let hint = failure.hint.clone().unwrap();
        assert!(hint.contains(action) && !hint.contains("role assignment create"), "{context}");
        if let Some(wait) = &failure.wait {
            assert!(wait.what.contains(what) && wait.who.is_some() && wait.otherwise.is_some(), "{context}");
        }
    }
    assert_eq!(classed(true, false, 429, &[], &error_body("QuotaExceeded", "x")).class, Throttled);
}

#[test]
fn an_invitation_that_a_setting_forbids_names_the_setting_and_not_a_role() {
    for (status, message, wanted) in [
        (
            403,
            "Guest invitations not allowed for your company. Contact your company administrator for more details.",
            "External collaboration settings",
        ),
        (401, "Guest invitations not allowed for your company.", "External collaboration settings"),
        (
            401,
            "Insufficient privileges to perform requested operation by the application '00000003-0000-0000-c000-000000000000'. ControllerName=MSGraphInviteAPI, ActionName=CreateInvite.",
            "External collaboration settings",
        ),
        (403, "This invitation is blocked by cross-tenant access settings.", "Cross-tenant access settings"),
        (
            400,
            "The invited user's domain is not allowed by your company's policy.",
            "Collaboration restrictions",
        ),
    ] {
        let failure = invitation(status, message);
        assert_eq!(failure.class, Permission, "{failure:?}");
        let wait = failure.wait.unwrap();
        let action = wait.action.unwrap();
        assert!(action.contains(wanted) && !action.contains("Guest Inviter"), "{action}");
        assert!(wait.what.contains(&redaction::line(message)), "{}", wait.what);
    }
    // Without a mention of a setting a role is missing.
    assert!(
        invitation(403, "Insufficient privileges to complete the operation.")
            .hint
            .unwrap()
            .contains("Guest Inviter")
    );
    // A refused token is not sent again at once.
    let failure = invitation(401, "Access token validation failure.");
    assert_eq!((failure.class, failure.retry_after), (Transient, Some(Duration::from_secs(30))));
}

fn invitation(status: u16, message: &str) -> StepError {
    let party = Party { name: "target-admin", contact: None, about: None, tenant: T };
    let credential = Credential::ManagedIdentity { client_id: None };
    let situation = Situation {
        cloud: &Cloud::named("public").unwrap(),
        service: Service::Graph,
        verb: "POST",
        path: "/v1.0/invitations",
        write: true,
        sender: Sender { party, claims: Claims::default(), credential, same_token: false },
        auxiliary: &[],
        grants: &Grants::default(),
        given: &[],
        asker: "r s",
        now: "2026-11-23T08:00:00Z".parse().unwrap(),
    };
    let body = serde_json::from_str(&error_body("Unauthorized", message)).ok();
    refusal(&situation, status, &HeaderMap::new(), body.as_ref())
}

#[test]
fn details_are_told_once_and_tokens_never() {
    let body = json!({"error": {"code": "BadRequest", "message": "First.\r\nBearer eyJhbGciOiJub25lIn0.CANARYCANARY.x",
        "details": [{"message": "Second."}, {"message": "First."}]}});
    let failure = classed(true, false, 400, &[], &body.to_string());
    assert!(
        failure.message.ends_with("400 BadRequest: First. Bearer [redacted] Second."),
        "{}",
        failure.message
    );
}

#[test]
fn a_person_without_a_second_factor_signs_in_again_whatever_the_status() {
    let person = Credential::AzureCli { config_dir: None };
    let body = error_body("RequestDisallowedByAzure", "MFA is required.");
    let challenge = ("www-authenticate", "Bearer error=\"insufficient_claims\", claims=\"eyJhIjoxfQ\"");
    for (headers, code, command, otherwise) in [
        (&[][..], "RequestDisallowedByAzure", "az login --tenant", "sign-in log"),
        (&[challenge][..], "RequestDisallowedByAzure", "--claims-challenge eyJhIjoxfQ==", "2.76"),
        (&[challenge][..], "Forbidden", "--claims-challenge eyJhIjoxfQ==", "2.76"),
    ] {
        let body = if code == "Forbidden" { error_body(code, "No.") } else { body.clone() };
        let error = classed_for(&person, false, true, false, 403, headers, &body);
        assert_eq!((error.class, error.certainty), (NeedsPerson, NotDone), "{code}");
        let wait = error.wait.unwrap();
        assert!(wait.what.starts_with("a stronger sign-in is required ("), "{wait:?}");
        assert!(wait.action.unwrap().contains(command), "{code}");
        assert!(wait.otherwise.unwrap().contains(otherwise), "{code}");
    }
    for code in ["RequestDisallowedByAzure", "RequestDisallowedByPolicy"] {
        let body = error_body(code, "Users must authenticate with multi-factor authentication.");
        let error = classed(true, false, 403, &[], &body);
        assert_eq!((error.class, error.certainty), (NeedsPerson, NotDone), "{code}");
        assert!(error.hint.unwrap().starts_with("open the sign-ins of application app-1"), "{code}");
    }
}
