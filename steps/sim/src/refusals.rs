//! Azure's own refusals, by code, including those that this world never produces by itself (locks, policies, other
//! operations). The fault `refuse` triggers one; the text is Azure's, with the request's own ids.

use Maker::{Gateway, Provider};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::hierarchy::Place;
use crate::ledger::Change;
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::service::Service;
use crate::world::World;

/// One refusal: code, status, text, and whether the gateway or a provider returns it.
struct Row(&'static str, u16, &'static str, Maker);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Gateway,
    Provider,
}

/// `{path}`, `{subscription}`, `{group}`, `{tenant}` and `{kind}` (read, write or delete) are replaced by those of
/// the request.
const ROWS: &[Row] = &[
    Row(
        "SubscriptionRequestsThrottled",
        429,
        "Number of '{kind}' requests for subscription '{subscription}' exceeded. Please try again after some time, when \
         additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
        Gateway,
    ),
    Row(
        "TooManyRequests",
        429,
        "The request was throttled: too many requests were sent in a short time.",
        Provider,
    ),
    Row(
        "RetryableErrorDueToAnotherOperation",
        429,
        "Operation on resource '{path}' could not be completed, because another operation holds it. Please retry later.",
        Provider,
    ),
    Row(
        "AnotherOperationInProgress",
        409,
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: \
         https://management.azure.com/subscriptions/{subscription}/providers/Microsoft.Network/locations/westeurope/operations/0.",
        Provider,
    ),
    Row("RetryableError", 409, "A retryable error occurred.", Provider),
    Row(
        "InUseSubnetCannotBeUpdated",
        409,
        "Subnet is in use and cannot be updated while an operation on it is in progress.",
        Provider,
    ),
    Row(
        "ReferencedResourceNotProvisioned",
        409,
        "Cannot proceed with operation because resource {path} used by it is not in Succeeded state. Resource is in \
         Updating state and the last operation that is updating it is PutVirtualNetworkOperation.",
        Provider,
    ),
    Row(
        "CannotDeleteResource",
        409,
        "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: \
         '{path}/staticMembers/vnet-gone'. Please delete all nested resources before deleting this resource.",
        Gateway,
    ),
    Row("RoleAssignmentExists", 409, "The role assignment already exists.", Provider),
    Row(
        "SubscriptionNotRegistered",
        409,
        "Subscription '{subscription}' is not registered to use namespace 'Microsoft.Network'.",
        Provider,
    ),
    Row(
        "ScopeLocked",
        409,
        "The scope '{path}' cannot perform {kind} operation because following scope(s) are locked: \
         '/subscriptions/{subscription}/resourceGroups/{group}'. Please remove the lock and try again.",
        Gateway,
    ),
    Row(
        "ReadOnlyDisabledSubscription",
        409,
        "The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform any write \
         actions on this subscription until it is re-enabled.",
        Gateway,
    ),
    Row(
        "RequestDisallowedByPolicy",
        403,
        "Resource '{path}' was disallowed by policy. Policy identifiers: '[{\"policyAssignment\":{\"name\":\"Allowed \
         locations\",\"id\":\"/subscriptions/{subscription}/providers/Microsoft.Authorization/policyAssignments/allowed-locations\"},\
         \"policyDefinition\":{\"name\":\"Allowed locations\",\"id\":\"/providers/Microsoft.Authorization/policyDefinitions/e56962a6-4747-49cd-b67b-bf8b01975c4c\"}}]'.",
        Gateway,
    ),
    Row(
        "RoleAssignmentLimitExceeded",
        400,
        "The role assignment limit for the subscription has been reached. No more role assignments can be created.",
        Provider,
    ),
    Row(
        "RoleAssignmentUpdateNotPermitted",
        400,
        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        Provider,
    ),
    Row(
        "PrincipalNotFound",
        400,
        "Principal 00000000000000000000000000000000 does not exist in the directory {tenant}. Check that you have the \
         correct principal ID. If you are creating this principal and then immediately assigning a role, this error might \
         be related to a replication delay. In this case, set the role assignment principalType property to a value, such \
         as ServicePrincipal, User, or Group.",
        Provider,
    ),
    Row("InvalidParameter", 400, "The value of parameter properties is invalid.", Provider),
    Row(
        "InvalidRequestFormat",
        400,
        "Cannot parse the request. Details: Could not find member on object of type 'ResourceDefinition'.",
        Provider,
    ),
    Row(
        "FeatureNotRegistered",
        400,
        "The subscription: {subscription} is not registered for feature: AllowAVNMPreviewJuly2022",
        Provider,
    ),
    Row(
        "InvalidApiVersionParameter",
        400,
        "The api-version '2024-10-01' is invalid. The supported versions are '2023-09-01,2022-12-01'.",
        Gateway,
    ),
    Row(
        "NoRegisteredProviderFound",
        400,
        "No registered resource provider found for location 'westeurope' and API version '2024-10-01' for type \
         'networkManagers'.",
        Gateway,
    ),
    Row("InvalidAuthenticationToken", 401, "The access token is invalid.", Gateway),
    Row(
        "ExpiredAuthenticationToken",
        401,
        "The access token expiry UTC time is earlier than current UTC time.",
        Gateway,
    ),
    Row(
        "insufficient_claims",
        401,
        "The access token does not satisfy a policy of this tenant: users must authenticate with multi-factor \
         authentication to create, update or delete resources.",
        Gateway,
    ),
    Row(
        "AuthorizationFailed",
        403,
        "The client does not have authorization to perform action 'Microsoft.Network/networkManagers/{kind}' over scope \
         '{path}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        Gateway,
    ),
    Row("SubscriptionNotFound", 404, "The subscription '{subscription}' could not be found.", Gateway),
    Row("NotFound", 404, "Resource [{path}] does not exist or has been deleted", Provider),
    Row(
        "PreconditionFailed",
        412,
        "Precondition failed: the etag does not match for resource [{path}].",
        Provider,
    ),
    Row("RequestTimeout", 408, "The request timed out.", Gateway),
    Row(
        "InternalServerError",
        500,
        "An unexpected error occurred. Please retry, and quote the correlation id if it goes on.",
        Provider,
    ),
    Row("BadGateway", 502, "The gateway received an invalid response from the resource provider.", Gateway),
    Row("ServiceUnavailable", 503, "The service is temporarily unavailable.", Gateway),
    Row(
        "GatewayTimeout",
        504,
        "The gateway did not receive a response from 'Microsoft.Network' within the specified time period.",
        Gateway,
    ),
    Row("Authorization_RequestDenied", 403, "Insufficient privileges to complete the operation.", Provider),
    Row(
        "Request_BadRequest",
        400,
        "Invalid value specified for property 'mail' of resource 'User'.",
        Provider,
    ),
    Row(
        "Request_ResourceNotFound",
        404,
        "Resource does not exist or one of its queried reference-property objects are not present.",
        Provider,
    ),
    Row("serviceNotAvailable", 503, "The service is temporarily unavailable.", Provider),
];

/// The refusal that a fault describes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) code: String,
    pub(crate) retry_after: Option<SignedDuration>,
    pub(crate) as_date: bool,
}

/// Whether there is a refusal with this code.
pub(crate) fn is_known(code: &str) -> bool {
    row(code).is_some() || aadsts(code).is_some()
}

fn row(code: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.0 == code)
}

/// The number of an `AADSTS…` code.
fn aadsts(code: &str) -> Option<u32> {
    code.strip_prefix("AADSTS")?.parse().ok()
}

/// Refuses `request` as described, without an effect. An unknown code becomes a bad request with that code.
pub(crate) fn refuse(world: &mut World, service: Service, request: &Request, told: &Told) -> Reply {
    let reply = match (service, aadsts(&told.code)) {
        (Service::Login, Some(code)) => crate::entra::refuse_with(world, request, code),
        _ => worded(world, service, request, &told.code),
    };
    let reply = match told.retry_after {
        Some(after) if told.as_date => reply.with("retry-after", &http_date(request.at, after)),
        Some(after) => reply.with("retry-after", &after.as_secs().to_string()),
        None => reply,
    };
    reply.changed(Change::None)
}

/// Requires a sign-in with a second factor.
pub(crate) fn step_up(world: &World, request: &Request) -> Reply {
    worded(world, Service::Arm, request, "insufficient_claims")
}

fn worded(world: &World, service: Service, request: &Request, code: &str) -> Reply {
    let Row(_, status, words, maker) =
        row(code).unwrap_or(&Row("", 400, "The request is refused for a reason of its own.", Provider));
    let message = filled(world, request, words);
    if service == Service::Graph {
        return crate::graph::error(request, *status, code, &message);
    }
    // Some refusals have another code in the body than the one by which they are known.
    let said = match code {
        "insufficient_claims" => "InvalidAuthenticationToken",
        "FeatureNotRegistered" => "BadRequest",
        other => other,
    };
    let mut reply = match maker {
        Gateway => Reply::gateway_error(*status, said, &message),
        Provider => Reply::error(*status, said, &message),
    };
    if code == "RequestDisallowedByPolicy" {
        let info = json!([{ "type": "PolicyViolation", "info": {
            "policyAssignmentDisplayName": "Allowed locations",
            "policyAssignmentId": filled(
                world,
                request,
                "/subscriptions/{subscription}/providers/Microsoft.Authorization/policyAssignments/allowed-locations",
            ),
        }}]);
        if let Body::Json(body) = &mut reply.body
            && let Some(Value::Object(error)) = body.get_mut("error")
        {
            error.insert("target".to_owned(), json!(request.path.rsplit('/').next()));
            error.insert("additionalInfo".to_owned(), info);
        }
    }
    if code == "insufficient_claims" {
        reply = reply.with(
            "www-authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlcyI6WyJwMSJdfX19\"",
        );
    }
    reply
}

fn filled(world: &World, request: &Request, words: &str) -> String {
    let (subscription, group) = match Place::of(&request.path) {
        Place::Subscription { subscription, resource_group } => {
            (subscription, resource_group.unwrap_or_default())
        }
        _ => Default::default(),
    };
    let kind = match request.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        _ => "write",
    };
    let tenant = world.hierarchy.tenant_of(&request.path).unwrap_or_default();
    words
        .replace("{path}", &request.path)
        .replace("{subscription}", &subscription)
        .replace("{group}", &group)
        .replace("{tenant}", tenant)
        .replace("{kind}", kind)
}

/// Retry-After as a date.
fn http_date(at: Timestamp, after: SignedDuration) -> String {
    let until = at.saturating_add(after).unwrap_or(at);
    until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trial::{CENTRAL, CENTRAL_SUBSCRIPTION, Trial};

    #[test]
    fn a_refusal_is_told_by_its_code_and_speaks_of_the_request() {
        let mut trial = Trial::shipped();
        let manager = format!(
            "{CENTRAL_SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group"
        );
        let token = trial.arm_token("central", CENTRAL);
        for Row(code, status, _, maker) in ROWS {
            let told =
                json!([{ "method": "GET", "path_contains": "/nm-group", "fault": "refuse", "code": code }]);
            assert_eq!(trial.control("POST", "faults", &told).status, 200, "{code}");
            let got = trial.arm(&token, "GET", &manager, &Value::Null);
            assert_eq!(got.status, *status, "{code}");
            assert!(!got.message().contains("{subscription}") && !got.message().contains("{path}"), "{code}");
            assert_eq!(got.header("x-ms-failure-cause") == "gateway", *maker == Gateway, "{code}");
        }
        assert_eq!(trial.arm(&token, "GET", &manager, &Value::Null).status, 200);
        let unknown = json!([{ "fault": "refuse", "code": "NoSuchCode" }]);
        assert_eq!(trial.control("POST", "faults", &unknown).status, 400);
        assert_eq!(trial.control("POST", "faults", &json!([{ "fault": "refuse" }])).status, 400);
    }

    #[test]
    fn retry_after_has_two_forms() {
        let mut trial = Trial::shipped();
        let token = trial.arm_token("central", CENTRAL);
        for (as_date, wanted) in [(false, "20"), (true, "Mon, 23 Nov 2026 09:00:20 GMT")] {
            let told = json!([{ "fault": "refuse", "code": "TooManyRequests", "retry_after": "20s", "as_date": as_date }]);
            trial.control("POST", "faults", &told);
            let got = trial.arm(&token, "GET", CENTRAL_SUBSCRIPTION, &Value::Null);
            assert_eq!((got.status, got.header("retry-after")), (429, wanted));
        }
    }

    #[test]
    fn a_sign_in_is_refused_with_the_number_that_was_told() {
        let mut trial = Trial::shipped();
        let told = json!([{ "path_contains": "/oauth2/", "fault": "refuse", "code": "AADSTS90033" }]);
        assert_eq!(trial.control("POST", "faults", &told).status, 200);
        let got = trial.ask_token("central", CENTRAL, "https://management.azure.com/.default");
        assert_eq!((got.status, &got.body["error_codes"]), (503, &json!([90033])));
        trial.arm_token("central", CENTRAL);
    }
}
