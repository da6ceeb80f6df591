//! Classifies responses that are not a success: what they mean for a write, and what the engine and people do about
//! them.

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::Value;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::claims::Claims;
use super::cloud::{Cloud, Service};
use super::credentials::Credential;
use super::grants::{Grant, Grants};
use super::party::Party;
use super::permission::{self, Missing};
use super::words::{Words, is_absent};
use super::{
    absence, disallowed, forbidden, pauses, redaction, references, retry_after, unauthorized, unreachable,
};

/// Delay after a POST that returned 401.
const REFUSED_POST: Duration = Duration::from_secs(30);

/// The code with which `twinspan sim` says that Azure has the requested resource type but the simulator does not.
const SIMULATOR_LACKS_IT: &str = "NotSimulated";

/// The request, and its sender.
pub(crate) struct Situation<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) service: Service,
    pub(crate) verb: &'a str,
    pub(crate) path: &'a str,
    pub(crate) write: bool,
    pub(crate) sender: Sender<'a>,
    /// The senders of the auxiliary tokens.
    pub(crate) auxiliary: &'a [Sender<'a>],
    /// Roles that this process assigned recently.
    pub(crate) grants: &'a Grants,
    /// Roles that were assigned by the steps that this one depends on.
    pub(crate) given: &'a [Grant],
    pub(crate) now: Timestamp,
    /// The step and its run.
    pub(crate) asker: &'a str,
}

/// The sender of a token.
pub(crate) struct Sender<'a> {
    pub(crate) party: Party<'a>,
    /// Claims of the token.
    pub(crate) claims: Claims,
    /// The credential that obtained it.
    pub(crate) credential: Credential,
    /// Whether the same token was refused before and returned again.
    pub(crate) same_token: bool,
}

/// Whether a new token may resolve the refusal.
pub(crate) fn is_stale_token(status: u16, headers: &HeaderMap) -> bool {
    status == 401 && unauthorized::is_stale_token(headers)
}

/// Classifies the response.
pub(crate) fn refusal(
    situation: &Situation<'_>,
    status: u16,
    headers: &HeaderMap,
    body: Option<&Value>,
) -> StepError {
    let words = body.and_then(Words::of);
    let mut error = match &words {
        Some(words) => {
            let absent = is_absent(status, situation.path, body);
            spoken(situation, status, headers, words, absent)
        }
        None => unspoken(situation, status, headers),
    };
    error.references = references(headers);
    // A new token may resolve it, or the service may mean something else: the same write is not repeated at once.
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
    // A sender of 408 or 5xx may have forwarded the request first. A 501 means that the operation does not exist.
    let unsettled = status == 408 || (status >= 500 && !is_not_implemented(status, &error));
    if situation.write && unsettled { error.unknown() } else { error }
}

/// Whether the service itself says that it does not implement the operation; a 501 from a proxy does not count.
fn is_not_implemented(status: u16, error: &StepError) -> bool {
    status == 501 && error.class == FailureClass::PlanWrong
}

/// The error for a response without an error object of these services.
fn unspoken(situation: &Situation<'_>, status: u16, headers: &HeaderMap) -> StepError {
    let service = situation.service.name();
    let seen = seen(situation, &format!("status {status}, without an error of {service} in the body"));
    let class = match status {
        401 => return unauthorized::unauthorized(situation, headers, &Words::default(), seen),
        407 => {
            return unreachable::proxy_wants_sign_in(
                seen,
                situation.cloud,
                situation.cloud.host(situation.service),
            );
        }
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
                .unwrap_or_else(|| "an unnamed host".to_owned())
        ),
        _ => format!("a proxy or firewall between this machine and {service} may have sent this response"),
    };
    StepError::new(class, seen).hint(hint)
}

/// The error for a response with an error object. `absent`: it says that the requested resource does not exist.
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
    if status == 403 && unauthorized::wants_claims(headers) {
        return unauthorized::unauthorized(situation, headers, words, seen);
    }
    if let Some(error) = forbidden::refused(situation, status, words, &seen) {
        return error;
    }
    match (status, code) {
        (501, SIMULATOR_LACKS_IT) => new(FailureClass::PlanWrong).hint(
            "twinspan's simulator does not support this, but Azure does: rehearse without this step, or run it against Azure",
        ),
        (501, _) => new(FailureClass::PlanWrong)
            .hint(format!("{} does not support this operation; a retry does not help", situation.service.name())),
        (408 | 500.., _) => new(FailureClass::Transient),
        (401, _) => unauthorized::unauthorized(situation, headers, words, seen),
        (_, "RequestDisallowedByPolicy" | "RequestDisallowedByAzure") => {
            disallowed::error(situation, headers, words, seen)
        }
        (_, "ScopeLocked") => new(FailureClass::Policy).hint(format!(
            "a lock prevents this: `az lock list --subscription {subscription}` shows it, and its owner in tenant {tenant} can remove it"
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
                "resource group {group} is not in subscription {subscription} of tenant {tenant}: correct the inputs, or create \
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
                "if it was created a moment ago it appears soon; otherwise check that {} exists",
                situation.path
            ),
        }),
        (400, "PrincipalNotFound") => new(FailureClass::ReplicationLag).hint(format!(
            "a principal that was created a moment ago is not replicated in tenant {tenant} yet; if it is older, check the \
             object id: it must be the one in tenant {tenant}, not the one in the principal's home tenant"
        )),
        (400 | 409, "RoleAssignmentLimitExceeded") => new(FailureClass::Policy).hint(format!(
            "subscription {subscription} in tenant {tenant} has as many role assignments as it can have: az role assignment \
             list --all --subscription {subscription} shows them, and its owner can delete those that are not needed"
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
            .hint("nested resources must be deleted first; Azure may still list them for a while after that"),
        (409, "RoleAssignmentExists") => new(FailureClass::ConflictRetryable)
            .hint("the same role is already assigned to the same principal under another name"),
        // For example "a resource group of that name exists in another region": a retry does not help.
        (409, code) if code.starts_with("Invalid") => new(FailureClass::PlanWrong)
            .hint(format!("a different resource has this name in tenant {tenant}; check the step's parameters")),
        (429, "RetryableErrorDueToAnotherOperation") => new(FailureClass::ConflictRetryable),
        (429, _) => new(FailureClass::Throttled),
        (409 | 412, _) => new(FailureClass::ConflictRetryable),
        (300..400, _) => new(FailureClass::Transient),
        (400, "RoleAssignmentUpdateNotPermitted") => new(FailureClass::PlanWrong).hint(format!(
            "the name of this role assignment is taken by one for another principal or role; a role administrator of tenant \
             {tenant} can delete that one: az role assignment delete --ids {}",
            sh::word(situation.path)
        )),
        _ => new(FailureClass::PlanWrong)
            .hint(format!("{} refuses the request; check the step's parameters", situation.service.name())),
    }
}

/// Whether a name needs no quotes in a command.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// The error for a code with two meanings: no token of the other tenant, or no permission there.
fn linked(situation: &Situation<'_>, message: &str, seen: String) -> StepError {
    let other = message
        .split_once("linked subscription '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .map(|(subscription, _)| subscription);
    if message.contains("current tenant") && other.is_some() {
        let subscription = other.unwrap_or_default();
        let hint = match situation.auxiliary.first() {
            None => format!(
                "set `auxiliary:` to an identity of the tenant that owns subscription {subscription}: the request needs its token as well"
            ),
            Some(sent) => format!(
                "the request had the token of {}, which is not valid for subscription {subscription}: `auxiliary:` must name an \
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

/// The segment after `name` in a path; the name ignores case.
fn segment_after<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let ends = |c: char| matches!(c, '/' | '?' | ']' | '\'' | '"' | ',' | ' ');
    let mut segments = path.split(ends);
    segments.find(|segment| segment.eq_ignore_ascii_case(name))?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The namespace in "… is not registered to use namespace 'Microsoft.Network'".
fn namespace_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("namespace '")?;
    rest.split_once('\'').map(|(name, _)| name)
}
