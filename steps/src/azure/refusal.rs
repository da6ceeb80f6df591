//! Answers that are no plain yes: what they mean for a write, and what the engine and people do about them.

use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::Value;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::claims::Claims;
use super::cloud::Service;
use super::party::Party;
use super::permission::{self, Missing};
use super::{redaction, references, retry_after};

/// What was asked, and as whom.
pub(crate) struct Situation<'a> {
    pub(crate) service: Service,
    pub(crate) verb: &'a str,
    pub(crate) path: &'a str,
    pub(crate) write: bool,
    pub(crate) party: Party<'a>,
    pub(crate) claims: &'a Claims,
    /// Whose tokens went along.
    pub(crate) auxiliary: &'a [(Party<'a>, Claims)],
    pub(crate) now: Timestamp,
}

/// The service's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Words {
    /// `None`: the body is not an error of these services; something in between may have answered.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = text(error, "code").filter(|code| !code.is_empty())?;
        let mut message = text(error, "message").unwrap_or_default();
        let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for detail in details.iter().filter_map(|detail| text(detail, "message")) {
            if !message.contains(&detail) {
                message = format!("{message} {detail}");
            }
        }
        Some(Words { code, message })
    }
}

/// A 404 that says: there is no such thing. Others say that the question was wrong, or come from elsewhere.
pub(crate) fn is_absent(status: u16, body: &[u8]) -> bool {
    const OTHER: [&str; 7] = [
        // Also what a caller without any role on an existing subscription is told.
        "SubscriptionNotFound",
        "InvalidSubscriptionId",
        "InvalidResourceType",
        "InvalidResourceNamespace",
        "NoRegisteredProviderFound",
        "MissingSubscription",
        "TenantNotFound",
    ];
    status == 404 && Words::of(body).is_some_and(|words| !OTHER.contains(&words.code.as_str()))
}

/// Whether the answer may be due to the tokens sent: refused, or issued before a right was given.
pub(crate) fn blames_token(status: u16, body: &[u8]) -> bool {
    match status {
        401 | 403 => true,
        404 => Words::of(body).is_some_and(|words| words.code == "SubscriptionNotFound"),
        _ => false,
    }
}

/// Whether a new token may be all that is missing.
pub(crate) fn is_stale_token(status: u16, headers: &HeaderMap) -> bool {
    status == 401 && challenge(headers).is_none_or(|challenge| !challenge.contains("claims=\""))
}

/// Classes the answer.
pub(crate) fn refusal(situation: &Situation<'_>, status: u16, headers: &HeaderMap, body: &[u8]) -> StepError {
    let words = Words::of(body);
    let mut error = match &words {
        Some(words) => spoken(situation, status, headers, words),
        None => unspoken(situation, status, headers),
    };
    error.references = references(headers);
    error.retry_after = retry_after(headers, situation.now);
    if let Some(words) = words {
        error = error.code(words.code);
    }
    // Whoever answers 408 or 5xx may have passed the request on first.
    if situation.write && (status == 408 || status >= 500) { error.unknown() } else { error }
}

/// An answer without an error of these services in it.
fn unspoken(situation: &Situation<'_>, status: u16, headers: &HeaderMap) -> StepError {
    let service = situation.service.name();
    let seen = seen(situation, &format!("status {status}, and not in the words of {service}"));
    let class = match status {
        401 => return unauthorized(situation, headers, &Words::default(), seen),
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

fn spoken(situation: &Situation<'_>, status: u16, headers: &HeaderMap, words: &Words) -> StepError {
    let code = words.code.as_str();
    let message = words.message.as_str();
    let seen = seen(situation, &format!("{status} {code}: {}", redaction::line(message)));
    let tenant = situation.party.tenant;
    let new = |class| StepError::new(class, seen.clone());
    let subscription = segment_after(situation.path, "subscriptions").unwrap_or("SUBSCRIPTION");
    match (status, code) {
        (408 | 500.., _) => new(FailureClass::Transient),
        (401, _) => unauthorized(situation, headers, words, seen),
        (_, "RequestDisallowedByPolicy" | "RequestDisallowedByAzure") => new(FailureClass::Policy).hint(format!(
            "an Azure Policy of tenant {tenant} forbids it; its owner can exempt {}",
            situation.path
        )),
        (_, "ScopeLocked") => new(FailureClass::Policy).hint(format!(
            "a lock holds it: `az lock list --subscription {subscription}` shows it, and its owner in tenant {tenant} can remove it"
        )),
        (_, "ReadOnlyDisabledSubscription" | "SubscriptionDisabled") => new(FailureClass::Policy)
            .hint(format!("subscription {subscription} is disabled; its owner in tenant {tenant} can enable it again")),
        (403, "LinkedAuthorizationFailed") => linked(situation, message, seen),
        (403, _) if situation.service == Service::Graph => {
            permission::of_graph(seen, situation.verb, situation.path, situation.party)
        }
        (403, _) => Missing::on_scope(message).error(seen, situation.party, situation.claims),
        (404, "SubscriptionNotFound") => {
            let missing = Missing {
                action: Some("Microsoft.Resources/subscriptions/read".to_owned()),
                scope: Some(format!("/subscriptions/{subscription}")),
                object_id: None,
            };
            let mut error = missing.error(seen, situation.party, situation.claims);
            if let Some(wait) = &mut error.wait {
                wait.what = format!(
                    "subscription {subscription} does not exist, or {} has no role on it",
                    situation.party
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
        (404, _) => new(FailureClass::ReplicationLag)
            .hint(format!("if it was made a moment ago it appears soon; otherwise check that {} exists", situation.path)),
        (400, "PrincipalNotFound") => new(FailureClass::ReplicationLag)
            .hint(format!("an account that was made a moment ago is not known everywhere in tenant {tenant} yet")),
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
        (429, "RetryableErrorDueToAnotherOperation") => new(FailureClass::ConflictRetryable),
        (429, _) => new(FailureClass::Throttled),
        (409 | 412, _) => new(FailureClass::ConflictRetryable),
        (300..400, _) => new(FailureClass::Transient),
        (400, "RoleAssignmentUpdateNotPermitted") => new(FailureClass::PlanWrong)
            .hint("the name of this role assignment is taken by one for another account or role"),
        _ => new(FailureClass::PlanWrong)
            .hint(format!("{} refuses the request as it is; check the step's parameters", situation.service.name())),
    }
}

fn unauthorized(situation: &Situation<'_>, headers: &HeaderMap, words: &Words, seen: String) -> StepError {
    let Situation { party, .. } = situation;
    let challenge = challenge(headers).unwrap_or_default();
    if challenge.contains("claims=\"") {
        let command = format!("az login --tenant {}", party.tenant);
        return StepError::new(FailureClass::NeedsPerson, seen).hint(command.clone()).wait(
            Wait::new(WaitKind::Person, "a stronger sign-in is required (claims challenge)")
                .who(party.to_string())
                .action(command)
                .otherwise(format!("the Entra administrator of tenant {}: sign-in log", party.tenant)),
        );
    }
    if words.code == "InvalidAuthenticationTokenTenant" {
        let owner = words
            .message
            .split_once("must match")
            .and_then(|(_, rest)| tenant_in(rest))
            .or_else(|| tenant_in(challenge));
        return match owner {
            Some(owner) if !owner.eq_ignore_ascii_case(party.tenant) => {
                StepError::new(FailureClass::PlanWrong, seen).hint(format!(
                    "the subscription belongs to tenant {owner}, and identity {} signs in to tenant {}: check which \
                     tenant and which subscription the inputs name",
                    party.name, party.tenant
                ))
            }
            Some(_) => StepError::new(FailureClass::Transient, seen)
                .hint("right after a subscription moved to another tenant this takes a while"),
            None => StepError::new(FailureClass::PlanWrong, seen).hint(format!(
                "the subscription does not belong to tenant {}, which identity {} signs in to",
                party.tenant, party.name
            )),
        };
    }
    let others: Vec<String> = situation.auxiliary.iter().map(|(party, _)| party.to_string()).collect();
    let hint = if others.is_empty() {
        format!("the token of {party} was refused; the next attempt takes a new one")
    } else {
        format!(
            "the token of {party} or of {} was refused; the next attempt takes new ones",
            others.join(", ")
        )
    };
    StepError::new(FailureClass::Transient, seen).hint(hint)
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
            Some((sent, _)) => format!(
                "the token of {sent} went along, and does not open subscription {subscription}: `auxiliary:` must name an \
                 identity of the tenant that owns it"
            ),
        };
        return StepError::new(FailureClass::PlanWrong, seen).hint(hint);
    }
    let missing = Missing::on_linked_scope(message);
    match situation.auxiliary.first() {
        Some((party, claims)) => missing.error(seen, *party, claims),
        None => missing.error(seen, situation.party, situation.claims),
    }
}

fn seen(situation: &Situation<'_>, what: &str) -> String {
    format!("{} {} as {}: {what}", situation.verb, redaction::target(situation.path), situation.party)
}

fn challenge(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::WWW_AUTHENTICATE)?.to_str().ok()
}

/// The tenant in an issuer's address: `https://sts.windows.net/TENANT/`.
fn tenant_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("https://")?;
    let (_, path) = rest.split_once('/')?;
    let end = path.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(path.len());
    (end == 36).then(|| &path[..end])
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
