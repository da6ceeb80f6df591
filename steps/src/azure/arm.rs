//! Azure Resource Manager.

use serde::Serialize;
use serde::de::DeserializeOwned;
use twinspan_engine::{Identity, StepCx, StepError};

use super::Azure;

/// Azure Resource Manager, as one identity, within one attempt.
///
/// Paths begin with `/` and carry no query; `api` is the api-version.
pub struct Arm<'a> {
    _azure: &'a Azure,
    _cx: &'a StepCx<'a>,
    _identity: &'a Identity,
    auxiliary: Option<&'a Identity>,
}

/// How a DELETE was answered. None of them proves that the thing is gone: only a read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// 200: accepted.
    Accepted,
    /// 202: goes on in the background.
    Started,
    /// 204: there was nothing.
    NothingThere,
}

impl<'a> Arm<'a> {
    pub(super) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, identity: &'a Identity) -> Self {
        Arm { _azure: azure, _cx: cx, _identity: identity, auxiliary: None }
    }

    /// Sends `identity`'s token along (`x-ms-authorization-auxiliary`).
    #[must_use]
    pub fn auxiliary(mut self, identity: &'a Identity) -> Self {
        self.auxiliary = Some(identity);
        self
    }

    /// GET; `None`: not there (either maker of 404).
    pub async fn get<T: DeserializeOwned>(&self, _path: &str, _api: &str) -> Result<Option<T>, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// GET of a list with extra query parameters, all pages.
    pub async fn list<T: DeserializeOwned>(
        &self,
        _path: &str,
        _api: &str,
        _query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// PUT: the one write of an attempt.
    pub async fn put<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        _path: &str,
        _api: &str,
        _body: &B,
    ) -> Result<T, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// POST that changes something: the one write of an attempt. The answer's body may be empty.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        _path: &str,
        _api: &str,
        _body: Option<&B>,
    ) -> Result<Option<T>, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// POST that only reads (Resource Graph, `listDeploymentStatus` …).
    pub async fn query<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        _path: &str,
        _api: &str,
        _body: &B,
    ) -> Result<T, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// DELETE: the one write of an attempt.
    pub async fn delete(
        &self,
        _path: &str,
        _api: &str,
        _query: &[(&str, &str)],
    ) -> Result<Deletion, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }
}
