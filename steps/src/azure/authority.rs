//! The HTTP client of `azure_identity` for one token request. It keeps the responses, because that library drops the
//! status of an error that is not JSON and measures a token's lifetime with the machine's clock. It sends secrets only
//! to the cloud's own sign-in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Url};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::Notify;

use super::unreachable;
use super::wire::{TransportFault, Wire};

/// Longest lifetime of a token that is accepted, in seconds.
const LONGEST_LIFE: u64 = 7 * 24 * 3600;

/// The requests for one token.
#[derive(Debug)]
pub(crate) struct Authority {
    wire: Wire,
    /// Address of the cloud's sign-in.
    login: Url,
    /// Whether requests may go to the identity service of the platform, which has its own address.
    platform: bool,
    request_id: String,
    seen: Mutex<Vec<TokenExchange>>,
    refused: Notify,
}

/// The service that responded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantAuthority {
    /// The cloud's sign-in.
    Login,
    /// The identity service of the machine or of the pipeline.
    Platform,
}

/// The result of one token request.
#[derive(Clone, Debug)]
pub(crate) struct TokenExchange {
    pub(crate) place: TenantAuthority,
    pub(crate) verb: &'static str,
    /// Scheme, host and port.
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) end: Result<Reply, TransportFault>,
}

/// A response, without the token.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body of an error response.
    pub(crate) refusal: Option<Value>,
    /// The token's lifetime, as the authority states it.
    pub(crate) life: Option<Duration>,
    /// Whether the body is an HTML page.
    pub(crate) page: bool,
}

impl Authority {
    pub(crate) fn new(wire: Wire, login: Url, platform: bool, request_id: String) -> Self {
        Authority { wire, login, platform, request_id, seen: Mutex::default(), refused: Notify::new() }
    }

    /// Every request, oldest first.
    pub(crate) fn seen(&self) -> Vec<TokenExchange> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns once a request has failed.
    pub(crate) async fn refused(&self) {
        self.refused.notified().await;
    }

    fn remember(&self, request: &Request, place: TenantAuthority, end: Result<Reply, TransportFault>) {
        let yes = end.as_ref().is_ok_and(|reply| (200..300).contains(&reply.status));
        let url = request.url();
        let seen = TokenExchange {
            place,
            verb: request.method().as_str(),
            host: url.origin().ascii_serialization(),
            target: url.path().to_owned(),
            end,
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        if !yes {
            self.refused.notify_one();
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Authority {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let not_ours = |what: &'static str| Error::with_message(ErrorKind::Other, what);
        let Body::Bytes(body) = request.body() else {
            return Err(not_ours("a token request has no stream"));
        };
        let place = if request.url().origin() == self.login.origin() {
            TenantAuthority::Login
        } else {
            TenantAuthority::Platform
        };
        // The secret is in the body: it is sent only to the cloud's own sign-in.
        if place == TenantAuthority::Platform && !(self.platform && body.is_empty()) {
            return Err(not_ours("a token request to a host that is not the cloud's sign-in was stopped"));
        }
        let mut builder = http::Request::builder()
            .method(request.method().as_str())
            .uri(request.url().as_str())
            .header("client-request-id", &self.request_id)
            .header("return-client-request-id", "true");
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let sent = builder.body(body.clone()).map_err(|_| not_ours("the token request has a bad header"))?;
        match self.wire.send(sent, false).await {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let reply = Reply::of(parts.status.as_u16(), &parts.headers, &body);
                let unbelievable = parts.status.is_success() && reply.life.is_none() && claims_a_life(&body);
                self.remember(request, place, Ok(reply));
                if unbelievable {
                    return Err(Error::with_message(
                        ErrorKind::DataConversion,
                        "the token's life is not believed",
                    ));
                }
                let mut headers = Headers::new();
                for (name, value) in &parts.headers {
                    if let Ok(value) = value.to_str() {
                        headers.insert(
                            HeaderName::from(name.as_str().to_owned()),
                            HeaderValue::from(value.to_owned()),
                        );
                    }
                }
                Ok(AsyncRawResponse::from_bytes(parts.status.as_u16().into(), headers, body))
            }
            Err(fault) => {
                let kind = if fault.may_have_arrived() { ErrorKind::Io } else { ErrorKind::Connection };
                let text = fault.to_string();
                self.remember(request, place, Err(fault));
                Err(Error::with_message(kind, text))
            }
        }
    }
}

impl Reply {
    fn of(status: u16, headers: &HeaderMap, body: &Bytes) -> Self {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let success = (200..300).contains(&status);
        let life = json
            .as_ref()
            .filter(|_| success)
            // The machine's identity service writes numbers as text.
            .and_then(|json| {
                let life = json.get("expires_in")?;
                life.as_u64().or_else(|| life.as_str()?.parse().ok())
            })
            .filter(|seconds| *seconds <= LONGEST_LIFE)
            .map(Duration::from_secs);
        let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let page =
            json.is_none() && (success || (300..400).contains(&status)) && unreachable::is_page(kind, body);
        Reply { status, headers: headers.clone(), refusal: json.filter(|_| !success), life, page }
    }
}

/// Whether the response states a lifetime as a number; a machine's identity service may state an expiry time instead.
fn claims_a_life(body: &Bytes) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|json| json.get("expires_in").is_some_and(Value::is_number))
}
