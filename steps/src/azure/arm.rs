//! Azure Resource Manager.

use std::sync::Arc;

use azure_core::http::Url;
use http::Method;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use twinspan_engine::{BoxFuture, FailureClass, Identity, StepCx, StepError};

use super::caller::{Answer, Call, Caller};
use super::cloud::{Cloud, Service};
use super::created::{Reply, dated};
use super::proof::About;
use super::shared_reads::Concerns;
use super::{Azure, merging, redaction, references};

/// Azure Resource Manager, as one identity, within one attempt.
///
/// Paths begin with `/` and carry no query; `api` is the api-version.
pub struct Arm<'a> {
    caller: Caller<'a>,
}

/// How a DELETE was answered. None of them proves that the thing is gone: only a read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// 200, and 204, which some services say when there was nothing: accepted.
    Accepted,
    /// 202: goes on in the background.
    Started,
}

impl<'a> Arm<'a> {
    pub(super) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, identity: &'a Identity) -> Self {
        Arm {
            caller: Caller {
                azure,
                cx,
                identity,
                auxiliary: Vec::new(),
                shown: None,
                concerns: Concerns::default(),
            },
        }
    }

    /// Sends `identity`'s token along (`x-ms-authorization-auxiliary`).
    #[must_use]
    pub fn auxiliary(mut self, identity: &'a Identity) -> Self {
        self.caller.auxiliary.push(identity);
        self
    }

    /// What transcripts say of the body that it writes, where that holds a secret.
    #[must_use]
    pub(crate) fn shown(mut self, shown: Option<Value>) -> Self {
        self.caller.shown = shown;
        self
    }

    /// The clients, and as whom they act here.
    pub(crate) fn sender(&self) -> (&'a Azure, &'a Identity) {
        (self.caller.azure, self.caller.identity)
    }

    /// Its reads are to tell what lies at these paths: what another step has read serves this one as well, whatever was
    /// written elsewhere since.
    #[must_use]
    pub(crate) fn about<'p>(mut self, paths: impl IntoIterator<Item = &'p str>) -> Self {
        self.caller.concerns = Concerns::Paths(paths.into_iter().map(str::to_owned).collect());
        self
    }

    /// Reads by `fetch`, or takes what another step has read by it; `what` says what is read.
    pub(crate) async fn shared<T: Send + Sync + 'static>(
        &self,
        what: String,
        fetch: BoxFuture<'_, Result<T, StepError>>,
    ) -> Result<Arc<T>, StepError> {
        self.caller.shared(Service::Arm, what, |_| true, fetch).await
    }

    /// The first page of a list, and whether there are more; one serves all steps, as of a [`list`](Self::list).
    pub(crate) async fn shared_page<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        path: &str,
        api: &str,
    ) -> Result<Arc<(Vec<T>, bool)>, StepError> {
        let call = Call::read(Service::Arm, Method::GET, self.address(path, api, &[])?);
        self.shared(
            format!("GET {path}?{api} first page"),
            Box::pin(self.caller.first_page(call, About::Collection(path))),
        )
        .await
    }

    /// A [`list`](Self::list) of which one serves all steps that look at the same collection.
    pub(crate) async fn shared_list<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        path: &str,
        api: &str,
    ) -> Result<Arc<Vec<T>>, StepError> {
        self.shared(format!("GET {path}?{api}"), Box::pin(self.list(path, api, &[]))).await
    }

    /// GET; `None`: not there (either maker of 404).
    ///
    /// A subscription that is not found is an error: a caller without any role on it is told the same.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, api: &str) -> Result<Option<T>, StepError> {
        Ok(self.get_dated(path, api).await?.map(|(found, _)| found))
    }

    /// GET, and when the service says that it answered: what it says of its own times is compared with that, not with
    /// this machine's clock.
    pub(crate) async fn get_dated<T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
    ) -> Result<Option<(T, Timestamp)>, StepError> {
        let call = Call::read(Service::Arm, Method::GET, self.address(path, api, &[])?);
        let answer = self.caller.look(&call).await?;
        if answer.is_absent(&call) {
            // What the step's own write was accepted for is not there.
            return self.caller.failed_operation().await.map_or(Ok(None), Err);
        }
        if !answer.succeeded() {
            return Err(self.caller.refused(&call, &answer)?);
        }
        let at = dated(&answer.headers).unwrap_or_else(|| self.caller.cx.now());
        self.caller.decode(&call, &answer, About::Resource(path)).map(|found| Some((found, at)))
    }

    /// GET of a list with extra query parameters (unencoded), all pages.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        let call = Call::read(Service::Arm, Method::GET, self.address(path, api, query)?);
        self.caller.pages(call, About::Collection(path)).await
    }

    /// PUT: the one write of an attempt. A reply that is not the resource leaves it uncertain whether the request arrived; only
    /// 202 may be without a body.
    pub(crate) async fn put<B: Serialize + Sync>(
        &self,
        path: &str,
        api: &str,
        body: &B,
    ) -> Result<Reply<Value>, StepError> {
        self.put_if(path, api, body, None).await
    }

    /// PUT over what exists: what `body` does not speak of is sent as it was read just now. Lists at the paths in `union` keep what
    /// they hold besides.
    pub(crate) async fn put_over<B: Serialize + Sync>(
        &self,
        path: &str,
        api: &str,
        body: &B,
        union: &[&str],
    ) -> Result<Reply<Value>, StepError> {
        let wanted = serde_json::to_value(body).map_err(|error| {
            StepError::new(FailureClass::Bug, format!("the body of PUT {path} cannot be written: {error}"))
        })?;
        let Some(found) = self.get::<Map<String, Value>>(path, api).await? else {
            return self.put(path, api, &wanted).await;
        };
        let etag = found.get("etag").and_then(Value::as_str).filter(|etag| !etag.is_empty());
        let etag = etag.filter(|_| compares_versions(path)).map(str::to_owned);
        self.put_if(path, api, &merging::over(&found, &wanted, union), etag).await
    }

    async fn put_if<B: Serialize + Sync>(
        &self,
        path: &str,
        api: &str,
        body: &B,
        if_match: Option<String>,
    ) -> Result<Reply<Value>, StepError> {
        let mut call = Call::write(Service::Arm, Method::PUT, self.address(path, api, &[])?).body(body)?;
        call.if_match = if_match;
        call.shown.clone_from(&self.caller.shown);
        let sent = self.caller.cx.now();
        let answer = self.caller.accepted(&call).await?;
        let about = match answer.status {
            202 if answer.body.is_empty() => {
                return Ok(Reply::of(&answer, Value::Null, sent, self.caller.cx.now()));
            }
            // It may be about the operation.
            202 => About::Action,
            _ => About::Resource(path),
        };
        let body = self.caller.decode(&call, &answer, about)?;
        Ok(Reply::of(&answer, body, sent, self.caller.cx.now()))
    }

    /// POST that changes something: the one write of an attempt. The answer's body may be empty.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
        body: Option<&B>,
    ) -> Result<Option<T>, StepError> {
        let mut call = Call::write(Service::Arm, Method::POST, self.address(path, api, &[])?);
        if let Some(body) = body {
            call = call.body(body)?;
        }
        let answer = self.caller.accepted(&call).await?;
        if answer.body.is_empty() {
            return Ok(None);
        }
        self.caller.decode(&call, &answer, About::Action).map(Some)
    }

    /// POST that only reads (Resource Graph, `listDeploymentStatus` …).
    pub async fn query<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
        body: &B,
    ) -> Result<T, StepError> {
        let call = Call::read(Service::Arm, Method::POST, self.address(path, api, &[])?).body(body)?;
        let answer = self.caller.accepted(&call).await?;
        self.caller.decode(&call, &answer, About::Query(path))
    }

    /// DELETE: the one write of an attempt.
    pub async fn delete(&self, path: &str, api: &str, query: &[(&str, &str)]) -> Result<Deletion, StepError> {
        let call = Call::write(Service::Arm, Method::DELETE, self.address(path, api, query)?);
        self.caller.deleted(&call).await
    }

    fn address(&self, path: &str, api: &str, query: &[(&str, &str)]) -> Result<Url, StepError> {
        let mut all = Vec::with_capacity(query.len() + 1);
        all.extend_from_slice(query);
        all.push(("api-version", api));
        address(&self.caller.azure.cloud, Service::Arm, path, &all)
    }
}

impl Caller<'_> {
    /// Sends a DELETE. What is to be removed was read just before: that it is not there is no answer to rely on, so
    /// another look follows.
    pub(super) async fn deleted(&self, call: &Call) -> Result<Deletion, StepError> {
        let answer = self.send(call).await?;
        match answer.status {
            202 => Ok(Deletion::Started),
            _ if answer.is_absent(call) => Err(self.nothing_there(call, &answer)),
            _ if answer.succeeded() => Ok(Deletion::Accepted),
            _ => Err(self.refused(call, &answer)?),
        }
    }

    fn nothing_there(&self, call: &Call, answer: &Answer) -> StepError {
        let mut error = StepError::new(
            FailureClass::ReplicationLag,
            format!(
                "{} {} as {}: {}, there is nothing to remove, and a moment ago there was",
                call.verb,
                redaction::target(call.url.path()),
                self.who(),
                answer.status
            ),
        );
        error.references = references(&answer.headers);
        error
    }
}

/// Whether the service compares the version of what lies at `path` with that in the request. In network managers the version
/// moves by itself.
fn compares_versions(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("/providers/microsoft.network/") && !path.contains("/microsoft.network/networkmanager")
}

/// The address of `path` with `query`, each value encoded here.
pub(super) fn address(
    cloud: &Cloud,
    service: Service,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Url, StepError> {
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if !path.starts_with('/') || path.starts_with("//") || path.split(['/', '\\']).any(dots) {
        return Err(StepError::plan_wrong(format!("{path:?} is not the path of a resource")));
    }
    let mut url = cloud.base(service).clone();
    url.set_path(path);
    if !query.is_empty() {
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        url.set_query(Some(&pairs.join("&")));
    }
    Ok(url)
}

/// Percent-encodes a value of a query. A space is `%20`: not every service reads `+` as one.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            // Readable in logs, and of no meaning in a value.
            b'$' | b'(' | b')' | b',' | b':' | b'/' | b'@' | b'*' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
