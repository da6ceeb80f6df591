//! Sends one request as one identity: tokens, ids, the exchange record, and the interpretation of the response.

use std::sync::Arc;

use azure_core::http::Url;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinspan_engine::{ActedAs, BoxFuture, FailureClass, Identity, Phase, StepCx, StepError, Wait, WaitKind};

use super::cloud::Service;
use super::grants::Grant;
use super::limits::{Lane, Quota, Sort};
use super::paging::{Page, Pages};
use super::party::Party;
use super::proof::About;
use super::reading::only_reads;
use super::record::Record;
use super::refusal::{self, Sender, Situation};
use super::shared_reads::{Concerns, Key};
use super::tokens::Token;
use super::wire::TransportFault;
use super::{Azure, pauses, redaction, references, request_id, unreachable, words};

/// The service refuses more auxiliary tokens than these.
const MOST_AUXILIARY: usize = 3;

/// An identity within one attempt.
pub(crate) struct Caller<'a> {
    /// What transcripts show in place of the request body, if the body contains a secret.
    pub(crate) shown: Option<Value>,
    pub(crate) azure: &'a Azure,
    pub(crate) cx: &'a StepCx<'a>,
    pub(crate) identity: &'a Identity,
    pub(crate) auxiliary: Vec<&'a Identity>,
    /// The paths that its reads are about.
    pub(super) concerns: Concerns,
}

/// A request, before it has tokens and ids.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) verb: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Value>,
    /// What the transcript shows in place of the body, if the body contains a secret.
    pub(crate) shown: Option<Value>,
    /// Whether the request may change state.
    pub(crate) write: bool,
    /// Whether to send `ConsistencyLevel: eventual`, which some filters of Microsoft Graph require.
    pub(crate) eventual: bool,
    /// The etag of the version that it replaces, if the service compares it.
    pub(crate) if_match: Option<String>,
}

/// A response of any status.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body, where it is JSON.
    pub(crate) json: Option<Arc<Value>>,
    /// The tokens of the request.
    tokens: Arc<Tokens>,
    /// The quota that counted it.
    lane: Lane,
}

struct Tokens {
    primary: Token,
    auxiliary: Vec<Token>,
}

impl Call {
    /// A request that only reads.
    pub(crate) fn read(service: Service, verb: Method, url: Url) -> Self {
        Call { service, verb, url, body: None, shown: None, write: false, eventual: false, if_match: None }
    }

    /// A request that may change state.
    pub(crate) fn write(service: Service, verb: Method, url: Url) -> Self {
        Call { write: true, ..Call::read(service, verb, url) }
    }

    pub(crate) fn body<B: Serialize>(mut self, body: &B) -> Result<Self, StepError> {
        let body = serde_json::to_value(body).map_err(|error| {
            StepError::new(
                FailureClass::Bug,
                format!("the body of {} {} cannot be written: {error}", self.verb, self.url.path()),
            )
        })?;
        self.body = Some(body);
        Ok(self)
    }

    pub(super) fn target(&self) -> String {
        match self.url.query() {
            Some(query) => redaction::target(&format!("{}?{query}", self.url.path())),
            None => redaction::target(self.url.path()),
        }
    }
}

impl Answer {
    pub(crate) fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the response says that the resource of `call` does not exist.
    pub(crate) fn is_absent(&self, call: &Call) -> bool {
        words::is_absent(self.status, call.url.path(), self.json.as_deref())
    }
}

impl<'a> Caller<'a> {
    pub(crate) fn party(&self) -> Result<Party<'a>, StepError> {
        Party::of(self.identity)
    }

    /// The name under which the limits count requests of this step.
    fn asker(&self) -> String {
        format!("{} {}", self.cx.run, self.cx.step)
    }

    /// The identity and its tenant, for messages.
    pub(super) fn who(&self) -> String {
        self.party().map_or_else(|_| self.identity.name.clone(), |party| party.to_string())
    }

    /// Sends `call`; the response may have any status.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, StepError> {
        let party = self.party()?;
        if !self.azure.cloud.owns(call.service, &call.url) {
            let host = call.url.host_str().unwrap_or("an unnamed host").to_owned();
            return Err(StepError::new(
                FailureClass::Bug,
                format!("a request as {party} to {host} was stopped: it is not {}", call.service.name()),
            ));
        }
        let tokens = Box::pin(self.tokens(call.service)).await?;
        if let Some(waits) = self.left_to_another(call, party, &tokens) {
            return Err(waits);
        }
        let lane = lane(call, party, &tokens);
        let begun = self.cx.log.has_begun(&format!("{lane:?}"));
        self.azure.limits.admit(&lane, &self.asker(), begun, self.cx.steady())?;
        let _writing = call.write.then(|| self.azure.shared_reads.writing(call.service, call.url.path()));
        if call.write {
            self.cx.log.take_write(&format!("{} {}", call.verb, call.target()))?;
            self.forget_operation();
        } else if !only_reads(&call.verb, call.url.path()) {
            return Err(StepError::new(
                FailureClass::Bug,
                format!("{} {} was sent as a read, and may change something", call.verb, call.target()),
            ));
        }
        let answer = Box::pin(self.once(call, party, &tokens)).await?;
        if call.write && call.service == Service::Arm {
            self.note_operation(call, &answer);
        }
        if !words::blames_token(answer.status, answer.json.as_deref()) {
            return Ok(answer);
        }
        // Drops all tokens: an expired auxiliary token fails the request with the same message.
        self.forget(call.service, &tokens, answer.status == 401).await;
        // A refused write had no effect; the engine repeats it as a new attempt.
        if call.write || !refusal::is_stale_token(answer.status, &answer.headers) {
            return Ok(answer);
        }
        let tokens = Box::pin(self.tokens(call.service)).await?;
        let answer = Box::pin(self.once(call, party, &tokens)).await?;
        if answer.status == 401 {
            self.forget(call.service, &tokens, true).await;
        }
        Ok(answer)
    }

    /// Sends a `call` that only reads, or reuses the response to the same call of another step.
    pub(crate) async fn look(&self, call: &Call) -> Result<Answer, StepError> {
        let what = format!("{} {}", call.verb, call.url);
        let answer = self.shared(call.service, what, Answer::succeeded, Box::pin(self.send(call))).await?;
        Ok((*answer).clone())
    }

    /// Reads with `fetch`, or reuses what another step has read. `what` identifies the read; `lasts`: whether the result may
    /// serve later steps, too.
    pub(super) async fn shared<T: Send + Sync + 'static>(
        &self,
        service: Service,
        what: String,
        lasts: impl Fn(&T) -> bool + Send,
        fetch: BoxFuture<'_, Result<T, StepError>>,
    ) -> Result<Arc<T>, StepError> {
        let own = std::iter::once(self.identity).chain(self.auxiliary.iter().copied());
        let senders = own.map(|identity| Party::of(identity).map(|party| party.key()));
        let key = Key { service, what, senders: senders.collect::<Result<_, _>>()? };
        self.azure.shared_reads.read(self.cx, &key, &self.concerns, lasts, fetch).await
    }

    /// The wait if another step was just refused because the roles of this principal are not effective yet: only one step retries
    /// for all.
    fn left_to_another(&self, call: &Call, party: Party<'_>, tokens: &Tokens) -> Option<StepError> {
        if self.cx.phase != Phase::Probe || call.write || call.service != Service::Arm {
            return None;
        }
        let (grants, now, scope) = (&self.azure.grants, self.cx.now(), call.url.path());
        let principal = tokens.primary.claims.oid.as_deref()?;
        let others = Grant::in_receipts(self.cx.needed_receipts);
        let given = grants.recent(&others, party.tenant, scope, principal, now)?;
        let asked = grants.left_to(party.tenant, principal, given, &self.asker(), now)?;
        let seen = format!("{} {} as {party} was not sent", call.verb, redaction::target(scope));
        let wait = Wait::remote(format!(
            "the role that was given to {} at {given} is not effective yet (up to 10 minutes; one step checks for all that wait for \
             this principal: at {asked})",
            party.person()
        ));
        Some(StepError::new(FailureClass::Propagation, seen).wait(wait))
    }

    /// Sends `call`; an error unless the response is a success.
    pub(crate) async fn accepted(&self, call: &Call) -> Result<Answer, StepError> {
        let answer = Box::pin(self.send(call)).await?;
        if answer.succeeded() { Ok(answer) } else { Err(self.refused(call, &answer)?) }
    }

    /// Reads the first page of a list, and whether there are more pages.
    pub(crate) async fn first_page<T: DeserializeOwned>(
        &self,
        call: Call,
        about: About<'_>,
    ) -> Result<(Vec<T>, bool), StepError> {
        let mut pages = Pages::from(&self.azure.cloud, call.service, self.party()?, &call.url);
        let answer = self.accepted(&call).await?;
        let page: Page<T> = self.decode(&call, &answer, about)?;
        Ok((page.value, pages.next(page.next.as_deref())?.is_some()))
    }

    /// Reads all pages of a list.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        mut call: Call,
        about: About<'_>,
    ) -> Result<Vec<T>, StepError> {
        let mut pages = Pages::from(&self.azure.cloud, call.service, self.party()?, &call.url);
        let mut all = Vec::new();
        loop {
            let answer = self.accepted(&call).await?;
            let page: Page<T> = self.decode(&call, &answer, about)?;
            all.extend(page.value);
            match pages.next(page.next.as_deref())? {
                Some(url) => call.url = url,
                None => return Ok(all),
            }
        }
    }

    /// The error for a response that is not a success.
    pub(crate) fn refused(&self, call: &Call, answer: &Answer) -> Result<StepError, StepError> {
        let auxiliary = self
            .auxiliary
            .iter()
            .zip(&answer.tokens.auxiliary)
            .map(|(identity, token)| Ok(sender(Party::of(identity)?, token)))
            .collect::<Result<Vec<_>, StepError>>()?;
        let situation = Situation {
            cloud: &self.azure.cloud,
            service: call.service,
            verb: call.verb.as_str(),
            path: call.url.path(),
            write: call.write,
            sender: sender(self.party()?, &answer.tokens.primary),
            auxiliary: &auxiliary,
            grants: &self.azure.grants,
            given: &Grant::in_receipts(self.cx.needed_receipts),
            now: self.cx.now(),
            asker: &self.asker(),
        };
        let mut error = refusal::refusal(&situation, answer.status, &answer.headers, answer.json.as_deref());
        if error.class == FailureClass::Throttled {
            let asker = self.asker();
            let until = self.azure.limits.refused(&answer.lane, &asker, error.retry_after, self.cx.steady());
            // The lane's next turn, never before the time that Azure gave. Without such a time the engine uses its own schedule.
            let wait = match error.retry_after {
                Some(_) => {
                    error.retry_after =
                        std::time::Duration::try_from(until.duration_since(self.cx.steady())).ok();
                    let mut wait = answer.lane.wait(until);
                    let asked = super::retry_after(&answer.headers, self.cx.now());
                    if let (_, Some(capped)) = pauses::believed(asked) {
                        wait.what.push_str(&format!("; {capped}"));
                    }
                    wait
                }
                None => Wait::new(WaitKind::Limit, error.message.clone()),
            };
            error = error.wait(wait);
        }
        Ok(error)
    }

    /// Decodes the response, if it matches the request. Errors do not quote its text, which may contain secrets.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        call: &Call,
        answer: &Answer,
        about: About<'_>,
    ) -> Result<T, StepError> {
        if answer.body.is_empty() {
            return Err(self.unreadable(call, answer, "", "it is empty"));
        }
        let Some(body) = answer.json.as_deref() else {
            return Err(self.unreadable(call, answer, "", "it is not JSON"));
        };
        if let Some(reason) = about.unproven(body) {
            return Err(self.unreadable(call, answer, "", &reason));
        }
        let error = match serde_path_to_error::deserialize(body) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let place = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!(" at `{path}`"),
        };
        let text = error.inner().to_string();
        let reason = match text.split_once(", expected ") {
            _ if text.starts_with("missing field") => text,
            Some((_, wanted)) => format!("expected {wanted}"),
            None => "it has an unexpected structure".to_owned(),
        };
        Err(self.unreadable(call, answer, &place, &reason))
    }

    fn unreadable(&self, call: &Call, answer: &Answer, place: &str, reason: &str) -> StepError {
        let seen = format!(
            "{} {} as {}: status {}, and the response cannot be read{place}: {reason}",
            call.verb,
            redaction::target(call.url.path()),
            self.who(),
            answer.status
        );
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let mut error = if !call.write && unreachable::is_page(kind, &answer.body) {
            unreachable::page_for_resource(&seen, call.url.host_str().unwrap_or_default())
        } else {
            StepError::new(FailureClass::Transient, seen)
        };
        error.references = references(&answer.headers);
        if call.write {
            self.forget_operation();
            error.unknown()
        } else {
            error
        }
    }

    async fn tokens(&self, service: Service) -> Result<Arc<Tokens>, StepError> {
        if self.auxiliary.len() > MOST_AUXILIARY {
            return Err(StepError::plan_wrong(format!(
                "{} auxiliary identities, and a request carries at most {MOST_AUXILIARY}",
                self.auxiliary.len()
            )));
        }
        let primary = self.azure.tokens.get(self.cx, self.identity, service).await?;
        let mut auxiliary = Vec::new();
        for identity in &self.auxiliary {
            auxiliary.push(self.azure.tokens.get(self.cx, identity, service).await?);
        }
        Ok(Arc::new(Tokens { primary, auxiliary }))
    }

    async fn forget(&self, service: Service, tokens: &Tokens, as_bad: bool) {
        self.azure.tokens.forget(self.identity, service, &tokens.primary, as_bad).await;
        for (identity, token) in self.auxiliary.iter().zip(&tokens.auxiliary) {
            self.azure.tokens.forget(identity, service, token, as_bad).await;
        }
    }

    async fn once(&self, call: &Call, party: Party<'_>, tokens: &Arc<Tokens>) -> Result<Answer, StepError> {
        let id = self.id(call);
        let request = self.request(call, tokens, &id.1)?;
        let mut record = Record::begin(self.cx, call, party, self.acted_as(tokens), id.clone());
        let answer = self.azure.wire.send(request, call.write).await;
        match answer {
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                let lane = lane(call, party, tokens);
                self.cx.log.begin(&format!("{lane:?}"));
                self.azure.limits.heard(&lane, &parts.headers, self.cx.steady());
                if parts.status.is_success()
                    && let Some(principal) = &tokens.primary.claims.oid
                {
                    self.azure.grants.let_in(party.tenant, call.url.path(), principal);
                }
                let json: Option<Arc<Value>> = serde_json::from_slice(&body).ok().map(Arc::new);
                record.answered(parts.status.as_u16(), &parts.headers, body.len(), json.as_ref());
                Ok(Answer {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body,
                    json,
                    tokens: Arc::clone(tokens),
                    lane,
                })
            }
            Err(fault) => {
                record.failed(&fault.to_string());
                let seen =
                    format!("{} {} as {party}: {fault}", call.verb, redaction::target(call.url.path()));
                let host = call.url.host_str().unwrap_or_default();
                let mut error = match fault {
                    TransportFault::Forbidden(_) => StepError::new(FailureClass::Bug, seen),
                    _ if call.write && fault.may_have_arrived() => {
                        StepError::new(FailureClass::Transient, seen).unknown()
                    }
                    _ => unreachable::error(seen, &fault, &self.azure.cloud, host),
                };
                error.references.push(id);
                Err(error)
            }
        }
    }

    /// The principals of the request's tokens, its own first.
    fn acted_as(&self, tokens: &Tokens) -> Vec<ActedAs> {
        let own = tokens.primary.claims.acted_as(&self.identity.name);
        let others = self.auxiliary.iter().zip(&tokens.auxiliary);
        let others = others.filter_map(|(identity, token)| token.claims.acted_as(&identity.name));
        own.into_iter().chain(others).collect()
    }

    /// The client request id: header and value. A write has the attempt's id, also after a crash.
    fn id(&self, call: &Call) -> (String, String) {
        let header = match call.service {
            Service::Arm => "x-ms-client-request-id",
            Service::Graph => "client-request-id",
        };
        let id = if call.write {
            self.cx.attempt_id().to_string()
        } else {
            request_id(self.cx, call.verb.as_str(), call.url.as_str())
        };
        (header.to_owned(), id)
    }

    fn request(&self, call: &Call, tokens: &Tokens, id: &str) -> Result<Request<Bytes>, StepError> {
        let bug = |what: &str| {
            StepError::new(FailureClass::Bug, format!("{} {}: {what}", call.verb, call.url.path()))
        };
        let secret = |text: &SecretString| {
            let mut value = HeaderValue::from_str(text.expose_secret())
                .map_err(|_| bug("the token cannot be put into a header"))?;
            value.set_sensitive(true);
            Ok::<_, StepError>(value)
        };
        let mut builder = Request::builder()
            .method(call.verb.clone())
            .uri(call.url.as_str())
            .header(header::AUTHORIZATION, secret(&tokens.primary.bearer())?)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("twinspan/", env!("CARGO_PKG_VERSION")));
        // The two services use different header names.
        builder = match call.service {
            Service::Arm => builder
                .header("x-ms-client-request-id", id)
                .header("x-ms-return-client-request-id", "true")
                .header("x-ms-correlation-request-id", self.cx.run.to_string()),
            Service::Graph => {
                builder.header("client-request-id", id).header("return-client-request-id", "true")
            }
        };
        if !tokens.auxiliary.is_empty() {
            let bearers: Vec<SecretString> = tokens.auxiliary.iter().map(Token::bearer).collect();
            let all: Vec<&str> = bearers.iter().map(ExposeSecret::expose_secret).collect();
            builder = builder.header("x-ms-authorization-auxiliary", secret(&all.join(", ").into())?);
        }
        if call.eventual {
            builder = builder.header("consistencylevel", "eventual");
        }
        if let Some(etag) = &call.if_match {
            builder = builder.header(header::IF_MATCH, etag);
        }
        let body = match &call.body {
            Some(body) => {
                builder = builder.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        builder.body(body).map_err(|_| bug("the request cannot be written"))
    }
}

/// The sender of `token`.
fn sender<'a>(party: Party<'a>, token: &Token) -> Sender<'a> {
    let (claims, credential) = (token.claims.clone(), token.credential.clone());
    Sender { party, claims, credential, same_token: token.same }
}

/// The quota and principal under which a request is counted.
fn lane(call: &Call, party: Party<'_>, tokens: &Tokens) -> Lane {
    let mut segments = call.url.path().split('/').skip_while(|segment| !segment.is_empty()).skip(1);
    let tenant = || party.tenant.to_ascii_lowercase();
    let quota = match (call.service, segments.next(), segments.next()) {
        (Service::Graph, ..) => Quota::Directory(tenant()),
        (Service::Arm, Some(first), Some(id)) if first.eq_ignore_ascii_case("subscriptions") => {
            Quota::Subscription { id: id.to_ascii_lowercase(), tenant: tenant() }
        }
        (Service::Arm, ..) => Quota::Tenant(tenant()),
    };
    let principal = tokens.primary.claims.oid.clone().unwrap_or_else(|| party.name.to_owned());
    Lane { quota, sort: Sort::of(&call.verb, call.write), principal }
}
