//! An Azure with scripted responses, for tests of the clients and of step kinds. It records the requests. Token requests
//! succeed by default.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::base64;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use twinspan_engine::{
    AttemptLog, BoxFuture, Clock, Ensure, Exchange, Identity, Phase, RunId, StepCx, StepError, StepKey,
};
use uuid::Uuid;

use super::{Azure, Cloud, Credentials, InProcess, Reply, SecretReader, SecretRef, TransportFault, Wire};

/// Tenant of identity `central`.
pub(crate) const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
/// Tenant of identity `target`.
pub(crate) const TARGET: &str = "22222222-0000-0000-0000-00000000000f";
/// The secret of every application; it may occur in token requests only.
pub(crate) const SECRET: &str = "CANARY-secret";
/// Part of every token.
pub(crate) const IN_TOKENS: &str = "CANARYtoken";

static NOTHING_STATED: BTreeMap<String, Value> = BTreeMap::new();

type Answered = Result<Response<Bytes>, TransportFault>;

/// A response that waits for its request.
struct Scripted {
    answered: Answered,
    here: Here,
}

/// Whether a response gets the requested id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Never,
    WhereSilent,
    Always,
}

/// `body` with the id of the resource requested at `path`.
fn located(mut body: Value, path: &str, here: Here) -> Value {
    fn says(item: &Value, here: Here) -> bool {
        item.get("id").is_some_and(Value::is_string) && here == Here::WhereSilent
    }
    let place = |item: &mut Value, id: String| {
        let Some(fields) = item.as_object_mut() else { return };
        if here == Here::Always && id.contains("/providers/") {
            fields.insert("name".to_owned(), json!(id.rsplit('/').next()));
        }
        fields.insert("id".to_owned(), json!(id));
        if id.contains("/providers/") {
            fields.entry("properties").or_insert_with(|| json!({}));
        }
    };
    match body.get_mut("value").and_then(Value::as_array_mut) {
        Some(_) if path.ends_with("/permissions") => {}
        Some(items) => {
            for (at, item) in items.iter_mut().enumerate().filter(|(_, item)| !says(item, here)) {
                let name =
                    item.get("name").and_then(Value::as_str).map_or_else(|| at.to_string(), str::to_owned);
                place(item, format!("{path}/{name}"));
            }
        }
        None => {
            if !says(&body, here) {
                place(&mut body, path.to_owned());
            }
        }
    }
    body
}

/// The scripted responses, in order, and the recorded requests.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    token_answers: Mutex<VecDeque<Answered>>,
    requests: Mutex<Vec<Request<Bytes>>>,
    token_requests: Mutex<Vec<Request<Bytes>>>,
}

/// A recorded request, for tests.
#[derive(Debug)]
pub(crate) struct SentRequest {
    pub(crate) verb: String,
    pub(crate) address: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

impl Script {
    /// Adds a response with a JSON body. A resource without an id gets that of the request, and so do the items of a
    /// list.
    pub(crate) fn answer(&self, status: u16, body: &Value) -> &Self {
        let reply =
            Scripted { answered: Ok(response(status, &[], &body.to_string())), here: Here::WhereSilent };
        self.answers.lock().unwrap().push_back(reply);
        self
    }

    /// Adds a response about another resource, with the id and name of the requested one.
    pub(crate) fn answer_here(&self, status: u16, headers: &[(&str, &str)], body: &Value) -> &Self {
        let reply =
            Scripted { answered: Ok(response(status, headers, &body.to_string())), here: Here::Always };
        self.answers.lock().unwrap().push_back(reply);
        self
    }

    /// Adds a response with headers and an unchanged body.
    pub(crate) fn answer_with(&self, status: u16, headers: &[(&str, &str)], body: &str) -> &Self {
        let reply = Scripted { answered: Ok(response(status, headers, body)), here: Here::Never };
        self.answers.lock().unwrap().push_back(reply);
        self
    }

    /// Adds a fault of the transport.
    pub(crate) fn fault(&self, fault: TransportFault) -> &Self {
        self.answers.lock().unwrap().push_back(Scripted { answered: Err(fault), here: Here::Never });
        self
    }

    /// Adds a response to a token request; after the last one, token requests succeed.
    pub(crate) fn token_answer(&self, status: u16, headers: &[(&str, &str)], body: &str) -> &Self {
        self.token_answers.lock().unwrap().push_back(Ok(response(status, headers, body)));
        self
    }

    /// Adds a transport fault to a token request.
    pub(crate) fn token_fault(&self, fault: TransportFault) -> &Self {
        self.token_answers.lock().unwrap().push_back(Err(fault));
        self
    }

    /// The requests, without those for tokens.
    pub(crate) fn requests(&self) -> Vec<SentRequest> {
        self.requests.lock().unwrap().iter().map(SentRequest::of).collect()
    }

    /// The token requests, as `TENANT SCOPE`.
    pub(crate) fn token_requests(&self) -> Vec<String> {
        let requests = self.token_requests.lock().unwrap();
        requests.iter().map(|request| format!("{} {}", tenant_of(request), scope_of(request))).collect()
    }

    /// Scheme and host of the token requests.
    pub(crate) fn token_hosts(&self) -> Vec<String> {
        let requests = self.token_requests.lock().unwrap();
        let host = |request: &Request<Bytes>| {
            format!("{}://{}", request.uri().scheme_str().unwrap(), request.uri().authority().unwrap())
        };
        requests.iter().map(host).collect()
    }

    /// Bodies of the token requests.
    pub(crate) fn token_bodies(&self) -> Vec<String> {
        let requests = self.token_requests.lock().unwrap();
        requests.iter().map(|request| String::from_utf8_lossy(request.body()).into_owned()).collect()
    }

    pub(crate) fn reply(&self, request: Request<Bytes>) -> Answered {
        if request.uri().path().ends_with("/oauth2/v2.0/token") {
            let scripted = self.token_answers.lock().unwrap().pop_front();
            let mut requests = self.token_requests.lock().unwrap();
            let number = requests.len() + 1;
            let token = token(&request, number);
            requests.push(request);
            return scripted.unwrap_or_else(|| Ok(response(200, &[], &token.to_string())));
        }
        let (method, path) = (request.method().clone(), request.uri().path().replace("%20", " "));
        self.requests.lock().unwrap().push(request);
        let reply = self.answers.lock().unwrap().pop_front();
        let Some(Scripted { answered, here }) = reply else {
            panic!("nothing is scripted for {method} {path}")
        };
        let mut answered = answered?;
        let named = method == Method::GET || method == Method::PUT;
        if named && here != Here::Never && answered.status().is_success() {
            let body = serde_json::from_slice(answered.body()).map(|body| located(body, &path, here));
            *answered.body_mut() = body.unwrap().to_string().into();
        }
        Ok(answered)
    }
}

impl InProcess for Script {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Answered> {
        let answer = self.reply(request);
        Box::pin(async move {
            // As on a socket, the response is never there at once: other tasks run in between.
            tokio::task::yield_now().await;
            answer
        })
    }
}

impl SentRequest {
    fn of(request: &Request<Bytes>) -> Self {
        SentRequest {
            verb: request.method().to_string(),
            address: request.uri().to_string(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: serde_json::from_slice(request.body()).unwrap_or(Value::Null),
        }
    }

    /// Number and tenant of the token in this header; `None` without one.
    pub(crate) fn token(&self, header: &str) -> Option<(u64, String)> {
        let value = self.headers.get(header)?.strip_prefix("Bearer ")?;
        let payload = base64::decode_url_safe(value.split('.').nth(1)?).unwrap();
        let claims: Value = serde_json::from_slice(&payload).unwrap();
        Some((claims["n"].as_u64().unwrap(), claims["tid"].as_str().unwrap().to_owned()))
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut builder = Response::builder().status(status).header("x-ms-request-id", "request-1");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Bytes::from(body.to_owned())).unwrap()
}

fn tenant_of(request: &Request<Bytes>) -> String {
    request.uri().path().split('/').nth(1).unwrap_or_default().to_owned()
}

fn scope_of(request: &Request<Bytes>) -> String {
    let body = String::from_utf8_lossy(request.body());
    let scope = body.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
    scope.replace("%3A", ":").replace("%2F", "/")
}

fn token(request: &Request<Bytes>, number: usize) -> Value {
    let tenant = tenant_of(request);
    let claims = json!({"n": number, "tid": tenant, "oid": format!("oid-in-{tenant}"), "appid": "app", "idtyp": "app"});
    let payload = base64::encode_url_safe(claims.to_string());
    // A signature that tests search for where it must not occur.
    let token = format!("eyJhbGciOiJub25lIn0.{payload}.{IN_TOKENS}{number}");
    json!({"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token})
}

/// A clock that tests advance.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::try_from(self.now().duration_since(Timestamp::UNIX_EPOCH)).unwrap()
    }

    fn steady(&self) -> Timestamp {
        self.now()
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        panic!("only the driver sleeps")
    }
}

struct Secrets;

impl SecretReader for Secrets {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
        Box::pin(async move {
            match secret {
                SecretRef::Env(name) if name == "MISSING" => Err("it is not set".to_owned()),
                SecretRef::File(path) => {
                    std::fs::read_to_string(path).map(Into::into).map_err(|error| error.to_string())
                }
                _ => Ok(SECRET.to_owned().into()),
            }
        })
    }
}

/// A scripted Azure, with all that an attempt needs.
pub(crate) struct Bench {
    pub(crate) script: Arc<Script>,
    pub(crate) azure: Arc<Azure>,
    pub(crate) clock: TestClock,
    pub(crate) central: Identity,
    pub(crate) target: Identity,
    run: RunId,
    step: StepKey,
}

impl Bench {
    /// The public cloud; every identity is an application with a secret.
    pub(crate) fn new() -> Self {
        Bench::with(json!({
            "default": {"credential": "client-secret", "client_id": "app", "client_secret": {"env": "SECRET"}},
        }))
    }

    /// The public cloud with these credentials.
    pub(crate) fn with(credentials: Value) -> Self {
        let script = Arc::new(Script::default());
        let wire = Wire::in_process(Arc::clone(&script) as Arc<dyn InProcess>);
        Bench::of(script, Cloud::named("public").unwrap(), wire, credentials)
    }

    /// Another cloud and wire.
    pub(crate) fn of(script: Arc<Script>, cloud: Cloud, wire: Wire, credentials: Value) -> Self {
        let credentials = Credentials::new(serde_json::from_value(credentials).unwrap(), Arc::new(Secrets));
        let identity = |name: &str, tenant: &str| Identity {
            name: name.to_owned(),
            attributes: BTreeMap::from([
                ("tenant".to_owned(), tenant.to_owned()),
                ("contact".to_owned(), "nina@contoso.example".to_owned()),
            ]),
        };
        Bench {
            azure: Arc::new(Azure::new(cloud, credentials, wire)),
            script,
            clock: TestClock(Mutex::new("2026-11-23T08:00:00Z".parse().unwrap())),
            central: identity("central", CENTRAL),
            target: identity("target", TARGET),
            run: RunId(Uuid::from_u128(7)),
            step: "step".into(),
        }
    }

    /// The context of an attempt in `phase`.
    pub(crate) fn cx<'a>(&'a self, phase: Phase, log: &'a AttemptLog) -> StepCx<'a> {
        StepCx {
            run: self.run,
            owner: self.run,
            step: &self.step,
            phase,
            ensure: Ensure::Present,
            attempt: 1,
            timeout: Duration::from_secs(300),
            identities: std::slice::from_ref(&self.central),
            others: &[],
            auxiliary: Some(&self.target),
            since: self.clock.now(),
            waited: Duration::ZERO,
            earlier: None,
            overwrites: false,
            created: &[],
            written: None,
            reads_from: Timestamp::MAX,
            approval: None,
            receipt: None,
            needed_receipts: &[],
            stated: &NOTHING_STATED,
            unknown: &[],
            clock: &self.clock,
            log,
        }
    }

    /// GET of `/x` as `central`.
    pub(crate) async fn get(&self) -> (Result<Option<Value>, StepError>, Vec<Exchange>) {
        let log = AttemptLog::new(Phase::Probe);
        let cx = self.cx(Phase::Probe, &log);
        let result = self.azure.arm(&cx, &self.central).get("/subscriptions/s", "2022-12-01").await;
        (result, log.into_exchanges())
    }

    /// PUT of `/x` as `central`.
    pub(crate) async fn put(&self) -> (Result<Reply<Value>, StepError>, Vec<Exchange>) {
        let log = AttemptLog::new(Phase::Apply);
        let cx = self.cx(Phase::Apply, &log);
        let result =
            self.azure.arm(&cx, &self.central).put("/subscriptions/s/x", "1", &json!({"a": 1})).await;
        (result, log.into_exchanges())
    }
}
