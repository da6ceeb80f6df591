//! The client of Microsoft Graph v1.0.

use azure_core::http::Url;
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use twinspan_engine::{Identity, StepCx, StepError};

use super::Azure;
use super::arm::{Deletion, address};
use super::caller::{Call, Caller};
use super::cloud::Service;
use super::created::Reply;
use super::proof::About;
use super::shared_reads::Concerns;

/// Microsoft Graph, as one identity, within one attempt. Paths are below `/v1.0` and begin with `/`.
pub struct Graph<'a> {
    caller: Caller<'a>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, identity: &'a Identity) -> Self {
        Graph {
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

    /// GET of one object with query parameters (unencoded); `None` if it does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, StepError> {
        let call = self.read(path, query)?;
        let answer = self.caller.look(&call).await?;
        if answer.is_absent(&call) {
            return Ok(None);
        }
        if !answer.succeeded() {
            return Err(self.caller.refused(&call, &answer)?);
        }
        self.caller.decode(&call, &answer, About::Object(path)).map(Some)
    }

    /// GET of a collection with query parameters (unencoded); reads all pages. With `$count` among them the advanced
    /// filters (`ne`, `not`, `endsWith`) work, too.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        self.caller.pages(self.read(path, query)?, About::Objects).await
    }

    /// POST: the one write of an attempt.
    pub(crate) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<Reply<T>, StepError> {
        let call = Call::write(Service::Graph, Method::POST, self.address(path, &[])?).body(body)?;
        let sent = self.caller.cx.now();
        let answer = self.caller.accepted(&call).await?;
        let body = self.caller.decode(&call, &answer, About::Object(""))?;
        Ok(Reply::of(&answer, body, sent, self.caller.cx.now()))
    }

    /// DELETE: the one write of an attempt.
    pub async fn delete(&self, path: &str) -> Result<Deletion, StepError> {
        let call = Call::write(Service::Graph, Method::DELETE, self.address(path, &[])?);
        self.caller.deleted(&call).await
    }

    fn read(&self, path: &str, query: &[(&str, &str)]) -> Result<Call, StepError> {
        let mut call = Call::read(Service::Graph, Method::GET, self.address(path, query)?);
        call.eventual = query.iter().any(|(name, _)| *name == "$count");
        Ok(call)
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, StepError> {
        address(&self.caller.azure.cloud, Service::Graph, &format!("/v1.0{path}"), query)
    }
}
