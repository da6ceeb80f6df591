//! The client of Azure Resource Manager.

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

/// API version of every request to `Microsoft.Network`.
pub(crate) const NETWORK_API: &str = "2024-10-01";

/// Azure Resource Manager, as one identity, within one attempt.
///
/// Paths begin with `/` and have no query; `api` is the API version.
pub struct Arm<'a> {
    caller: Caller<'a>,
}

/// The response to a DELETE. None of them proves that the resource is deleted: only a read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// 200, or 204, which some services return if the resource did not exist.
    Accepted,
    /// 202: a long-running operation continues.
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

    /// Adds the token of `identity` as an auxiliary token (`x-ms-authorization-auxiliary`).
    #[must_use]
    pub fn auxiliary(mut self, identity: &'a Identity) -> Self {
        self.caller.auxiliary.push(identity);
        self
    }

    /// Sets what transcripts show in place of the request body, if the body contains a secret.
    #[must_use]
    pub(crate) fn shown(mut self, shown: Option<Value>) -> Self {
        self.caller.shown = shown;
        self
    }

    /// The clients, and the identity of this one.
    pub(crate) fn sender(&self) -> (&'a Azure, &'a Identity) {
        (self.caller.azure, self.caller.identity)
    }

    /// States which paths the reads are about: what another step has read of them is reused, regardless of writes to other paths
    /// since.
    #[must_use]
    pub(crate) fn about<'p>(mut self, paths: impl IntoIterator<Item = &'p str>) -> Self {
        self.caller.concerns = Concerns::Paths(paths.into_iter().map(str::to_owned).collect());
        self
    }

    /// Reads with `fetch`, or reuses what another step has read; `what` identifies the read.
    pub(crate) async fn shared<T: Send + Sync + 'static>(
        &self,
        what: String,
        fetch: BoxFuture<'_, Result<T, StepError>>,
    ) -> Result<Arc<T>, StepError> {
        self.caller.shared(Service::Arm, what, |_| true, fetch).await
    }

    /// The first page of a list, and whether there are more pages; shared between steps like [`shared_list`](Self::shared_list).
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

    /// A [`list`](Self::list) that is shared by all steps that read the same collection.
    pub(crate) async fn shared_list<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        path: &str,
        api: &str,
    ) -> Result<Arc<Vec<T>>, StepError> {
        self.shared(format!("GET {path}?{api}"), Box::pin(self.list(path, api, &[]))).await
    }

    /// GET; `None` on either form of 404.
    ///
    /// A subscription that is not found is an error: Azure returns the same to a caller without a role on it.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, api: &str) -> Result<Option<T>, StepError> {
        Ok(self.get_dated(path, api).await?.map(|(found, _)| found))
    }

    /// GET, with the time of the response by the service's clock. Times in the resource are compared with that, not with this
    /// machine's clock.
    pub(crate) async fn get_dated<T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
    ) -> Result<Option<(T, Timestamp)>, StepError> {
        let call = Call::read(Service::Arm, Method::GET, self.address(path, api, &[])?);
        let answer = self.caller.look(&call).await?;
        if answer.is_absent(&call) {
            // The accepted operation of the step's own write may have failed.
            return self.caller.failed_operation().await.map_or(Ok(None), Err);
        }
        if !answer.succeeded() {
            return Err(self.caller.refused(&call, &answer)?);
        }
        let at = dated(&answer.headers).unwrap_or_else(|| self.caller.cx.now());
        self.caller.decode(&call, &answer, About::Resource(path)).map(|found| Some((found, at)))
    }

    /// GET of a list with extra query parameters (unencoded); reads all pages.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        let call = Call::read(Service::Arm, Method::GET, self.address(path, api, query)?);
        self.caller.pages(call, About::Collection(path)).await
    }

    /// PUT: the one write of an attempt. A response that is not the resource makes the write uncertain; only 202 may have no
    /// body.
    pub(crate) async fn put<B: Serialize + Sync>(
        &self,
        path: &str,
        api: &str,
        body: &B,
    ) -> Result<Reply<Value>, StepError> {
        self.put_if(path, api, body, None).await
    }

    /// PUT over an existing resource: properties that `body` does not contain are sent as just read. Lists at the paths in
    /// `union` keep their other elements.
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
            // The body may describe the operation.
            202 => About::Action,
            _ => About::Resource(path),
        };
        let body = self.caller.decode(&call, &answer, about)?;
        Ok(Reply::of(&answer, body, sent, self.caller.cx.now()))
    }

    /// POST that changes state: the one write of an attempt. The response may have no body.
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
    /// Sends a DELETE. The resource was read just before, so a 404 is not reliable; another read follows.
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
                "{} {} as {}: {}, the resource does not exist, but it did a moment ago",
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

/// Whether the service supports optimistic concurrency (If-Match) for the resource at `path`. The etag of network managers and
/// their children changes without a write, so it is not sent for them.
fn compares_versions(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("/providers/microsoft.network/") && !path.contains("/microsoft.network/networkmanager")
}

/// The URL of `path` with `query`; encodes the values.
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

/// Percent-encodes a query value. A space is `%20`: not every service decodes `+`.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            // Readable in logs, and without a special meaning in a value.
            b'$' | b'(' | b')' | b',' | b':' | b'/' | b'@' | b'*' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
