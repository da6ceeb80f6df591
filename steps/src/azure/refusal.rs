//! Answers that are no plain yes: what they mean for a write, and what the engine and people do about them.

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::claims::Claims;
use super::cloud::{Cloud, Service};
use super::credentials::Credential;
use super::grants::{Grant, Grants};
use super::party::Party;
use super::permission::{self, Missing};
use super::words::{Words, is_absent};
use super::{absence, forbidden, pauses, redaction, references, retry_after, unauthorized, unreachable};

/// How long a POST that was answered 401 is left alone.
const REFUSED_POST: Duration = Duration::from_secs(30);

/// The code by which `twinspan sim` says that Azure has what is asked for and the simulator does not.
const SIMULATOR_LACKS_IT: &str = "NotSimulated";

/// What was asked, and as whom.
pub(crate) struct Situation<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) service: Service,
    pub(crate) verb: &'a str,
    pub(crate) path: &'a str,
    pub(crate) write: bool,
    pub(crate) sender: Sender<'a>,
    /// Whose tokens went along.
    pub(crate) auxiliary: &'a [Sender<'a>],
    /// Roles that this process gave a moment ago.
    pub(crate) grants: &'a Grants,
    /// Those that the steps gave which this one needs.
    pub(crate) given: &'a [Grant],
    pub(crate) now: Timestamp,
    /// Which step of which run.
    pub(crate) asker: &'a str,
}

/// Whose token was sent.
pub(crate) struct Sender<'a> {
    pub(crate) party: Party<'a>,
    /// What the token says.
    pub(crate) claims: Claims,
    /// How it was come by.
    pub(crate) credential: Credential,
    /// It had been refused before, and was given again.
    pub(crate) same_token: bool,
}

/// Whether a new token may be all that is missing.
pub(crate) fn is_stale_token(status: u16, headers: &HeaderMap) -> bool {
    status == 401 && unauthorized::is_stale_token(headers)
}

/// Classes the answer.
pub(crate) fn refusal(situation: &Situation<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> StepError {
    let words = Words::of(body);
    let mut error = match &words {
        Some(words) => {
            let absent = is_absent(status, situation.path, body);
            spoken(situation, status, headers, words, absent)
        }
        None => unspoken(situation, status, headers),
    };
    error.references = references(headers);
    // A new token may be all that is missing, or the service means something else by it: the same write is not hammered.
    let patience = (status == 401 && situation.verb == "POST" && error.class == FailureClass::Transient)
        .then_some(REFUSED_POST);
    let (pause, capped) = pauses::believed(retry_after(headers, situation.now));
    error.retry_after = pause.max(patience);
    if let Some(capped) = capped {
        error.message.push_str(&format!("; {capped}"));
    }
    if let Some(words) = words {
        error = error.code(words.code);
    }
    // Whoever answers 408 or 5xx may have passed the request on first. 501 says that it can not be done here at all.
    let unsettled = status == 408 || (status >= 500 && !is_not_implemented(status, &error));
    if situation.write && unsettled { error.unknown() } else { error }
}

/// Whether the service itself says that it has no such operation; a 501 of something in between does not.
fn is_not_implemented(status: u16, error: &StepError) -> bool {
    status == 501 && error.class == FailureClass::PlanWrong
}

/// An answer without an error of these services in it.
fn unspoken(situation: &Situation<'_>, status: u16, headers: &HeaderMap) -> StepError {
    let service = situation.service.name();
    let seen = seen(situation, &format!("status {status}, and not in the words of {service}"));
    let class = match status {
        401 => return unauthorized::unauthorized(situation, headers, &Words::default(), seen),
        407 => return unreachable::proxy_wants_sign_in(seen, situation.cloud.host(situation.service)),
        429 => FailureClass::Throttled,
        412 => FailureClass::ConflictRetryable,
        _ => FailureClass::Transient,
    };
    let hint = match status {
        300..400 => format!(
            "a redirect to {} is never followed; check [cloud] in twinspan.toml and proxies on the way",
            headers
                .get(header::LOCATION)
                .and_then(|to| to.to_str().ok()?.parse::<http::Uri>().ok()?.host().map(str::to_owned))
                .unwrap_or_else(|| "an unnamed place".to_owned())
        ),
        _ => format!("a proxy or firewall between this machine and {service} may have answered"),
    };
    StepError::new(class, seen).hint(hint)
}

/// `absent`: it says that what was asked for is not there.
fn spoken(
    situation: &Situation<'_>,
    status: u16,
    headers: &HeaderMap,
    words: &Words,
    absent: bool,
) -> StepError {
    let code = words.code.as_str();
    let message = words.message.as_str();
    let seen = seen(situation, &format!("{status} {code}: {}", redaction::line(message)));
    let tenant = situation.sender.party.tenant;
    let new = |class| StepError::new(class, seen.clone());
    let subscription = segment_after(situation.path, "subscriptions").unwrap_or("SUBSCRIPTION");
    if let Some(error) = forbidden::refused(situation, status, words, &seen) {
        return error;
    }
    match (status, code) {
        (501, SIMULATOR_LACKS_IT) => new(FailureClass::PlanWrong).hint(
            "this is twinspan's simulator, which has no such thing; Azure has it: rehearse without this step, or run it against Azure",
        ),
        (501, _) => new(FailureClass::PlanWrong)
            .hint(format!("{} does not do this; repeating changes nothing", situation.service.name())),
        (408 | 500.., _) => new(FailureClass::Transient),
        (401, _) => unauthorized::unauthorized(situation, headers, words, seen),
        (_, "RequestDisallowedByPolicy" | "RequestDisallowedByAzure") => {
            new(FailureClass::Policy).hint(policy(words, tenant, situation.path))
        }
        (_, "ScopeLocked") => new(FailureClass::Policy).hint(format!(
            "a lock holds it: `az lock list --subscription {subscription}` shows it, and its owner in tenant {tenant} can remove it"
        )),
        (_, "ReadOnlyDisabledSubscription" | "SubscriptionDisabled") => new(FailureClass::Policy)
            .hint(format!(
                "subscription {subscription} is disabled; its owner in tenant {tenant} can enable it again (Azure portal: \
                 Subscriptions, Reactivate)"
            )),
        (403, "LinkedAuthorizationFailed") => linked(situation, message, seen),
        (403, _) if situation.service == Service::Graph => {
            permission::of_graph(seen, situation.verb, situation.path, situation.sender.party)
        }
        (403, _) => {
            let missing = Missing::on_scope(message);
            match (&missing.action, code) {
                (Some(_), _) | (None, "AuthorizationFailed") => missing.error(seen, situation, &situation.sender),
                (None, _) => forbidden::unexplained(situation, words, &seen),
            }
        }
        (404, "SubscriptionNotFound") => {
            let missing = Missing {
                action: Some("Microsoft.Resources/subscriptions/read".to_owned()),
                scope: Some(format!("/subscriptions/{subscription}")),
                object_id: None,
            };
            let mut error = missing.error(seen, situation, &situation.sender);
            if let Some(wait) = error.wait.as_mut().filter(|wait| wait.kind == WaitKind::Permission) {
                wait.what = format!(
                    "subscription {subscription} does not exist, or {} has no role on it",
                    situation.sender.party.person()
                );
                wait.otherwise = Some(format!(
                    "check the id of the subscription in the inputs: it must belong to tenant {tenant}"
                ));
            }
            error
        }
        (400 | 404, "InvalidSubscriptionId" | "MissingSubscription" | "TenantNotFound") => {
            new(FailureClass::PlanWrong).hint("check the ids in the inputs")
        }
        (
            400 | 404,
            "InvalidApiVersionParameter" | "NoRegisteredProviderFound" | "InvalidResourceType"
            | "InvalidResourceNamespace",
        ) => new(FailureClass::PlanWrong).hint("this cloud does not know the resource type in that api-version"),
        (404, "ResourceGroupNotFound") => {
            let group = segment_after(situation.path, "resourceGroups").unwrap_or("GROUP");
            new(FailureClass::ReplicationLag).hint(format!(
                "resource group {group} is not in subscription {subscription} of tenant {tenant}: correct the inputs, or make \
                 it: az group create --subscription {subscription} --name {group} --location LOCATION"
            ))
        }
        (404, _) if !absent => new(FailureClass::Transient).hint(format!(
            "this reply does not say that {} is missing; a proxy or gateway between this machine and {} may have sent it",
            situation.path,
            situation.service.name()
        )),
        (404, _) => new(FailureClass::ReplicationLag).hint(match absence::missing(situation.path, message) {
            Some(id) => absence::hint(situation, &redaction::line(&id)),
            None => format!(
                "if it was made a moment ago it appears soon; otherwise check that {} exists",
                situation.path
            ),
        }),
        (400, "PrincipalNotFound") => new(FailureClass::ReplicationLag).hint(format!(
            "an account that was made a moment ago is not known everywhere in tenant {tenant} yet; if it is older, check the \
             object id: it must be the account's in tenant {tenant}, not the one at its home"
        )),
        (400 | 409, "RoleAssignmentLimitExceeded") => new(FailureClass::Policy).hint(format!(
            "subscription {subscription} in tenant {tenant} has as many role assignments as it can have: az role assignment \
             list --all --subscription {subscription} shows them, and its owner can remove what nobody needs"
        )),
        (400, _) if message.contains("is not registered for feature") => {
            let feature = message.rsplit(':').next().map(str::trim).filter(|name| plain_name(name));
            let command = format!(
                "az feature register --namespace Microsoft.Network --name {} --subscription {subscription}",
                feature.unwrap_or("FEATURE")
            );
            new(FailureClass::NeedsPerson).hint(command.clone()).wait(
                Wait::new(
                    WaitKind::Person,
                    format!(
                        "feature {} is not registered in subscription {subscription}",
                        feature.unwrap_or("named in the message")
                    ),
                )
                .who(format!("an Owner or Contributor of subscription {subscription} in tenant {tenant}"))
                .action(command),
            )
        }
        (400, _) if message.contains("is not within tenant") => {
            let group = segment_after(message, "managementGroups")
                .or_else(|| segment_after(situation.path, "managementGroups"))
                .unwrap_or("GROUP");
            let command = format!("az provider register --namespace Microsoft.Network --management-group-id {group}");
            new(FailureClass::NeedsPerson).hint(command.clone()).wait(
                Wait::new(
                    WaitKind::Person,
                    format!("Microsoft.Network is not registered on management group {group} (up to 15 minutes)"),
                )
                .who(format!("an Owner or Contributor of management group {group} in tenant {tenant}"))
                .action(command),
            )
        }
        (_, "MissingSubscriptionRegistration" | "SubscriptionNotRegistered") => {
            let provider = namespace_in(message).unwrap_or("Microsoft.Network");
            let command = format!("az provider register --namespace {provider} --subscription {subscription}");
            new(FailureClass::NeedsPerson).hint(command.clone()).wait(
                Wait::new(WaitKind::Person, format!("{provider} is not registered in subscription {subscription}"))
                    .who(format!("an Owner or Contributor of subscription {subscription} in tenant {tenant}"))
                    .action(command),
            )
        }
        (409, "CannotDeleteResource") => new(FailureClass::ConflictRetryable)
            .hint("what is nested in it has to go first; it may still be listed a while after it was removed"),
        (409, "RoleAssignmentExists") => new(FailureClass::ConflictRetryable)
            .hint("the same role is already given to the same account under another name"),
        // "There is a resource group of that name in another region", and its like: repeating changes nothing.
        (409, code) if code.starts_with("Invalid") => new(FailureClass::PlanWrong)
            .hint(format!("what exists under that name in tenant {tenant} is different; check the step's parameters")),
        (429, "RetryableErrorDueToAnotherOperation") => new(FailureClass::ConflictRetryable),
        (429, _) => new(FailureClass::Throttled),
        (409 | 412, _) => new(FailureClass::ConflictRetryable),
        (300..400, _) => new(FailureClass::Transient),
        (400, "RoleAssignmentUpdateNotPermitted") => new(FailureClass::PlanWrong).hint(format!(
            "the name of this role assignment is taken by one for another account or role; whoever keeps the roles of tenant \
             {tenant} can remove that one: az role assignment delete --ids {}",
            sh::word(situation.path)
        )),
        _ => new(FailureClass::PlanWrong)
            .hint(format!("{} refuses the request as it is; check the step's parameters", situation.service.name())),
    }
}

/// Which policy forbids it, and how it is lifted for this one thing.
fn policy(words: &Words, tenant: &str, path: &str) -> String {
    let named = words.policy.as_ref().map(|(name, _)| format!(" ({name})")).unwrap_or_default();
    let assignment = words.policy.as_ref().map_or("ASSIGNMENT", |(_, id)| id.as_str());
    format!(
        "an Azure Policy of tenant {tenant} forbids it{named}; its owner can exempt {path}: az policy exemption create --name \
         twinspan --exemption-category Waiver --policy-assignment {} --scope {}",
        sh::word(assignment),
        sh::word(&permission::enclosing(path))
    )
}

/// A name that can stand in a command as it is.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Two different things under one code: no token for the other tenant, or no right there.
fn linked(situation: &Situation<'_>, message: &str, seen: String) -> StepError {
    let other = message
        .split_once("linked subscription '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(subscription, _)| subscription);
    if message.contains("current tenant") && other.is_some() {
        let subscription = other.unwrap_or_default();
        let hint = match situation.auxiliary.first() {
            None => format!(
                "say `auxiliary:` with an identity of the tenant that owns subscription {subscription}: its token has to go along"
            ),
            Some(sent) => format!(
                "the token of {} went along, and does not open subscription {subscription}: `auxiliary:` must name an \
                 identity of the tenant that owns it",
                sent.party
            ),
        };
        return StepError::new(FailureClass::PlanWrong, seen).hint(hint);
    }
    let missing = Missing::on_linked_scope(message);
    match situation.auxiliary.first() {
        Some(sender) => missing.error(seen, situation, sender),
        None => missing.error(seen, situation, &situation.sender),
    }
}

fn seen(situation: &Situation<'_>, what: &str) -> String {
    format!("{} {} as {}: {what}", situation.verb, redaction::target(situation.path), situation.sender.party)
}

/// The segment after `name` in a path, in whatever case that was written.
fn segment_after<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let ends = |c: char| matches!(c, '/' | '?' | ']' | '\'' | '"' | ',' | ' ');
    let mut segments = path.split(ends);
    segments.find(|segment| segment.eq_ignore_ascii_case(name))?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// `Microsoft.Network` in "… is not registered to use namespace 'Microsoft.Network'".
fn namespace_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("namespace '")?;
    rest.split_once('\'').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
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

    /// By whoever signs in so; `same_token`: all of theirs were refused before.
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
        let claims =
            |oid: &str| serde_json::from_value::<Claims>(json!({"oid": oid, "idtyp": kind})).unwrap();
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
        refusal(&situation, status, &map, body.as_bytes())
    }

    /// One row: status, code, message, class, certainty after a write, part of what to do next.
    type Row = (u16, &'static str, &'static str, FailureClass, Certainty, &'static str);

    /// Every row of the table of refusals, as a write and as a read.
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
            "not known everywhere",
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
            "takes a new one",
        ),
        (
            401,
            "InvalidAuthenticationToken",
            "The access token is invalid.",
            Transient,
            NotDone,
            "takes a new one",
        ),
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
            "say `auxiliary:` with an identity of the tenant that owns subscription s-2",
        ),
        (403, "RequestDisallowedByPolicy", "Disallowed.", Policy, NotDone, "Azure Policy"),
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
        (
            404,
            "NotFound",
            "Resource [x] does not exist or has been deleted",
            ReplicationLag,
            NotDone,
            "exists",
        ),
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
        (501, "NotImplemented", "Not here.", PlanWrong, NotDone, "repeating changes nothing"),
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
        assert!(wait.what.starts_with(&format!("target in tenant {T} may not do Microsoft.Network/virtualNetworks/write on /subscriptions/s-2/")), "{}", wait.what);
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
        assert!(failure.hint.unwrap().contains(&format!("the token of target in tenant {T} went along")));
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
        // Azure names the other tenant: it is that one's token.
        let body = error_body(
            "InvalidAuthenticationToken",
            &format!("The token of tenant '{T}' does not satisfy it."),
        );
        let wait =
            classed_for(&Credential::AzureCli { config_dir: None }, false, false, true, 401, &headers, &body)
                .wait
                .unwrap();
        assert!(wait.action.unwrap().starts_with(&format!("az login --tenant {T} ")));
        // What is no base64 is no part of a command.
        let headers = [("www-authenticate", "Bearer claims=\"$(reboot)\"")];
        let wait = classed_for(
            &Credential::AzureCli { config_dir: None },
            false,
            false,
            false,
            401,
            &headers,
            &body,
        )
        .wait
        .unwrap();
        assert_eq!(
            wait.action.unwrap(),
            format!(
                "az login --tenant {C} --scope https://management.azure.com/.default --allow-no-subscriptions"
            )
        );
        // An application has no second factor: nobody is told to sign it in.
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
        let error =
            refused(&Credential::AzureCli { config_dir: None }, true, "The access token has expired.");
        assert_eq!(error.class, NeedsPerson);
        let login = |tenant| {
            format!(
                "az login --tenant {tenant} --scope https://management.azure.com/.default --allow-no-subscriptions"
            )
        };
        assert_eq!(error.wait.unwrap().action.unwrap(), format!("{} && {}", login(C), login(T)));
        // Azure says whose it was.
        let said = format!("The auxiliary token of client 'c' in tenant '{T}' is expired.");
        assert_eq!(
            refused(&Credential::AzureCli { config_dir: None }, true, &said).wait.unwrap().action.unwrap(),
            login(T)
        );
        let others_hint = refused(&Credential::AzureCli { config_dir: None }, false, &said).hint.unwrap();
        assert!(others_hint.contains(T) && !others_hint.contains(C), "{others_hint}");
        // The first time a new one may do; and nobody can empty the cache of a machine's identity service.
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
        assert_eq!(
            wait(&[("retry-after-ms", "1500"), ("retry-after", "2")]),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(wait(&[("retry-after", "Mon, 23 Nov 2026 08:01:30 GMT")]), Some(Duration::from_secs(90)));
        assert_eq!(wait(&[("retry-after", "Mon, 23 Nov 2026 07:00:00 GMT")]), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        // Who asks for days is not believed, and that is said.
        assert_eq!(wait(&[("retry-after", "86400")]), Some(Duration::from_secs(3600)));
        assert_eq!(wait(&[("retry-after", "18446744073709551615")]), Some(Duration::from_secs(3600)));
        assert!(
            classed(false, false, 429, &[("retry-after", "86400")], "")
                .message
                .ends_with("asks to be left alone for 1 d; it is asked again after 1 h")
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
            (403, "AuthorizationFailed", denied, Permission, "whatever roles it has", "az rest --method get"),
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
                assert!(
                    wait.what.contains(what) && wait.who.is_some() && wait.otherwise.is_some(),
                    "{context}"
                );
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
            (
                403,
                "This invitation is blocked by cross-tenant access settings.",
                "Cross-tenant access settings",
            ),
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
        // Without a word of a setting it is a role.
        assert!(
            invitation(403, "Insufficient privileges to complete the operation.")
                .hint
                .unwrap()
                .contains("Guest Inviter")
        );
        // A token that is refused is not sent again at once.
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
        refusal(&situation, status, &HeaderMap::new(), error_body("Unauthorized", message).as_bytes())
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
}
