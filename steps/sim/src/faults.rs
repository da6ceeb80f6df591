//! Faults of requests and connections, set beforehand.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ledger::Change;
use crate::refusals;
use crate::reply::{Body, Reply};
use crate::request::Request;
use crate::service::Service;
use crate::world::Answer;

/// A fault that affects the next `times` requests whose method and path match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP method; `*` or empty for any.
    #[serde(default = "any_method")]
    pub method: String,
    /// Part of the path, ignoring case; empty for every path.
    #[serde(default)]
    pub path_contains: String,
    /// The kind of fault.
    pub fault: FaultName,
    /// How many requests it affects.
    #[serde(default = "once")]
    pub times: u32,
    /// `slow`: delay before the request is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<SignedDuration>,
    /// `slow`: delay before the response after that; 3 s if neither is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SignedDuration>,
    /// `refuse`: Azure's code, for example `ScopeLocked` or `AADSTS50076`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `refuse`: value of Retry-After; without it there is no such header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<SignedDuration>,
    /// `refuse`: Retry-After is a date instead of a number of seconds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_date: bool,
}

impl Fault {
    /// This fault, once, for requests whose method and path match.
    pub fn once(method: &str, path_contains: &str, fault: FaultName) -> Self {
        Fault {
            method: method.to_owned(),
            path_contains: path_contains.to_owned(),
            fault,
            times: 1,
            before: None,
            after: None,
            code: None,
            retry_after: None,
            as_date: false,
        }
    }

    /// Azure's refusal with this code, once, for requests whose method and path match.
    pub fn refusal(method: &str, path_contains: &str, code: &str) -> Self {
        Fault { code: Some(code.to_owned()), ..Fault::once(method, path_contains, FaultName::Refuse) }
    }

    /// Why the fault cannot be set.
    pub(crate) fn problem(&self) -> Option<String> {
        match (&self.code, self.fault) {
            (None, FaultName::Refuse) => Some("fault 'refuse' needs a 'code'".to_owned()),
            (Some(code), FaultName::Refuse) if !refusals::is_known(code) => {
                Some(format!("there is no refusal '{code}' in this world"))
            }
            _ => None,
        }
    }
}

fn any_method() -> String {
    "*".to_owned()
}

fn once() -> u32 {
    1
}

/// The kinds of faults of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    /// The connection is refused.
    Refused,
    /// The connection is reset before the request arrives.
    Reset,
    /// The client times out before the request arrives.
    TimeoutBeforeSend,
    /// The request is processed and its response is lost.
    AppliedThenLost,
    /// The request is processed; only the first half of the response body arrives.
    TruncatedBody,
    /// The request is processed after `before` and its response sent after `after`; it is processed even if the client
    /// has gone by then.
    Slow,
    /// The request is processed twice, as by a retrying proxy; the second response arrives.
    DeliveredTwice,
    /// Refused: the token has expired.
    #[serde(rename = "status-401-expired")]
    Status401Expired,
    /// Refused: not authorised.
    #[serde(rename = "status-403")]
    Status403,
    /// Not processed: a 404 as if an existing resource were not replicated yet.
    #[serde(rename = "status-404-lag")]
    Status404Lag,
    /// Refused: another operation is in progress.
    #[serde(rename = "status-409")]
    Status409,
    /// Refused: precondition failed.
    #[serde(rename = "status-412")]
    Status412,
    /// Refused: too many requests, with Retry-After.
    Throttle,
    /// Refused: too many requests, without Retry-After.
    ThrottleNoHeader,
    /// Not processed: internal server error.
    #[serde(rename = "status-500")]
    Status500,
    /// Processed, but the response is a 500.
    #[serde(rename = "applied-then-500")]
    AppliedThen500,
    /// Not processed: a proxy's HTML page.
    #[serde(rename = "status-503-html")]
    Status503Html,
    /// 202; the operation fails afterwards and nothing changes.
    AcceptedThenFailed,
    /// Processed; 202 without an operation URL.
    LostOperationUrl,
    /// Processed; the response is JSON of an unexpected structure.
    WrongJson,
    /// Refused with Azure's own text for `code`.
    Refuse,
}

impl FaultName {
    /// All faults that need no parameters.
    pub const ALL: [FaultName; 20] = [
        FaultName::Refused,
        FaultName::Reset,
        FaultName::TimeoutBeforeSend,
        FaultName::AppliedThenLost,
        FaultName::TruncatedBody,
        FaultName::Slow,
        FaultName::DeliveredTwice,
        FaultName::Status401Expired,
        FaultName::Status403,
        FaultName::Status404Lag,
        FaultName::Status409,
        FaultName::Status412,
        FaultName::Throttle,
        FaultName::ThrottleNoHeader,
        FaultName::Status500,
        FaultName::AppliedThen500,
        FaultName::Status503Html,
        FaultName::AcceptedThenFailed,
        FaultName::LostOperationUrl,
        FaultName::WrongJson,
    ];
}

/// A fault that the transport must carry out.
#[derive(Clone, Debug)]
pub enum ConnectionFault {
    /// The connection is refused; the request did not arrive.
    Refused,
    /// The connection is reset; the request did not arrive.
    Reset,
    /// The client waits until it times out; the request did not arrive.
    TimedOut,
    /// The request is processed; the connection is closed without a response.
    AnswerLost,
    /// The request is processed; head and half of the body are sent, then the connection is closed.
    Truncated(Answer),
    /// The request has arrived and is delayed: [`World::let_in`](crate::World::let_in) processes it when it is due.
    Held(Held),
}

/// A request that has arrived and is not processed yet.
#[derive(Clone, Debug)]
pub struct Held {
    /// Delay before it is processed.
    pub before: SignedDuration,
    /// Delay of its response after that.
    pub after: SignedDuration,
    pub(crate) number: u64,
    pub(crate) service: Service,
    pub(crate) request: Box<Request>,
}

/// How the world handles a request with a fault.
pub(crate) enum Course {
    /// The request does not reach a service.
    Unreached(ConnectionFault),
    /// A service refuses it; nothing changes.
    Refused(Reply),
    /// It is processed once or `twice`, and then this happens to the response.
    Applied { twice: bool, then: After },
    /// It is processed later.
    Held,
}

pub(crate) enum After {
    Answer,
    Lose,
    Truncate,
    Replace(Reply),
}

/// Delay of a slow response if none is given.
const SLOW: SignedDuration = SignedDuration::from_secs(3);

/// A fault that applies to one request.
pub(crate) struct Told {
    pub(crate) fault: FaultName,
    pub(crate) before: SignedDuration,
    pub(crate) after: SignedDuration,
    pub(crate) refusal: refusals::Told,
}

/// Takes the fault for this request, if any, and counts it down.
pub(crate) fn take(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Told> {
    let path = path.to_ascii_lowercase();
    let at = faults.iter().position(|fault| {
        fault.times > 0
            && (fault.method.is_empty() || fault.method == "*" || fault.method.eq_ignore_ascii_case(method))
            && path.contains(&fault.path_contains.to_ascii_lowercase())
    })?;
    let fault = faults.get_mut(at)?;
    fault.times -= 1;
    let told = Told {
        fault: fault.fault,
        before: fault.before.unwrap_or_default(),
        after: fault.after.unwrap_or(if fault.before.is_none() { SLOW } else { SignedDuration::ZERO }),
        refusal: refusals::Told {
            code: fault.code.clone().unwrap_or_default(),
            retry_after: fault.retry_after,
            as_date: fault.as_date,
        },
    };
    if fault.times == 0 {
        faults.remove(at);
    }
    Some(told)
}

/// The effect of `fault` on a request to `service`. `operation` is the URL of an operation that fails.
pub(crate) fn course(fault: FaultName, service: Service, operation: impl FnOnce() -> String) -> Course {
    let refused =
        |status: u16, code: &str, message: &str| Course::Refused(refusal(service, status, code, message));
    let applied = |then: After| Course::Applied { twice: false, then };
    match fault {
        FaultName::Refused => Course::Unreached(ConnectionFault::Refused),
        FaultName::Reset => Course::Unreached(ConnectionFault::Reset),
        FaultName::TimeoutBeforeSend => Course::Unreached(ConnectionFault::TimedOut),
        FaultName::AppliedThenLost => applied(After::Lose),
        FaultName::TruncatedBody => applied(After::Truncate),
        FaultName::Slow => Course::Held,
        FaultName::DeliveredTwice => Course::Applied { twice: true, then: After::Answer },
        FaultName::Status401Expired => match service {
            Service::Graph => refused(
                401,
                "InvalidAuthenticationToken",
                "Lifetime validation failed, the token is expired.",
            ),
            _ => refused(
                401,
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
            ),
        },
        FaultName::Status403 => match service {
            Service::Graph => refused(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
            _ => refused(
                403,
                "AuthorizationFailed",
                "The client does not have authorization to perform this action over this scope or the scope is \
                 invalid. If access was recently granted, please refresh your credentials.",
            ),
        },
        FaultName::Status404Lag => match service {
            Service::Graph => refused(
                404,
                "Request_ResourceNotFound",
                "Resource does not exist or one of its queried reference-property objects are not present.",
            ),
            _ => refused(404, "ResourceNotFound", "The Resource was not found."),
        },
        FaultName::Status409 => refused(
            409,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        ),
        FaultName::Status412 => {
            refused(412, "PreconditionFailed", "Precondition failed. The provided etag does not match.")
        }
        FaultName::Throttle => match refused(429, "TooManyRequests", "The request was throttled.") {
            Course::Refused(reply) => Course::Refused(reply.with("retry-after", "7")),
            other => other,
        },
        FaultName::ThrottleNoHeader => refused(429, "TooManyRequests", "The request was throttled."),
        FaultName::Status500 => refused(500, "InternalServerError", "An error occurred."),
        FaultName::AppliedThen500 => {
            applied(After::Replace(refusal(service, 500, "InternalServerError", "An error occurred.")))
        }
        FaultName::Status503Html => Course::Refused(Reply {
            body: Body::Other {
                content_type: "text/html",
                bytes: "<html><body><h1>Service Unavailable</h1></body></html>".into(),
            },
            ..Reply::empty(503)
        }),
        FaultName::AcceptedThenFailed => {
            Course::Refused(Reply::accepted(&operation()).with("retry-after", "1"))
        }
        FaultName::LostOperationUrl => applied(After::Replace(Reply::empty(202))),
        // The world replaces this by Azure's text; otherwise it is a generic bad request.
        FaultName::Refuse => refused(400, "BadRequest", "The request is refused."),
        FaultName::WrongJson => {
            applied(After::Replace(Reply::json(200, serde_json::json!(["not", { "what": "was expected" }]))))
        }
    }
}

/// An error in the format of that service.
fn refusal(service: Service, status: u16, code: &str, message: &str) -> Reply {
    match service {
        Service::Arm | Service::Graph => Reply::error(status, code, message),
        Service::Login => Reply::json(
            status,
            serde_json::json!({
                "error": if status == 429 || status >= 500 { "temporarily_unavailable" } else { "invalid_request" },
                "error_description": format!("AADSTS90033: {message}"),
                "error_codes": [90033],
            }),
        ),
    }
    .changed(Change::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_only_what_fits_and_only_so_often() {
        let told = Fault { times: 2, ..Fault::once("PUT", "/ScopeConnections/", FaultName::Status500) };
        let mut faults = vec![told];
        let mut take = |method, path| super::take(&mut faults, method, path).map(|told| told.fault);
        assert_eq!(take("GET", "/x/scopeConnections/a"), None);
        assert_eq!(take("PUT", "/x/networkGroups/a"), None);
        assert_eq!(take("PUT", "/x/scopeconnections/a"), Some(FaultName::Status500));
        assert_eq!(take("put", "/x/scopeConnections/a"), Some(FaultName::Status500));
        assert_eq!(take("PUT", "/x/scopeConnections/a"), None);
    }

    #[test]
    fn every_name_reads_back() {
        for name in FaultName::ALL {
            let text = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<FaultName>(&text).unwrap(), name);
        }
        assert_eq!(serde_json::to_string(&FaultName::AppliedThenLost).unwrap(), "\"applied-then-lost\"");
        assert_eq!(serde_json::to_string(&FaultName::Status503Html).unwrap(), "\"status-503-html\"");
    }
}
