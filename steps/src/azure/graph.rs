//! Microsoft Graph v1.0.

use serde::Serialize;
use serde::de::DeserializeOwned;
use twinspan_engine::{Identity, StepCx, StepError};

use super::Azure;
use super::arm::Deletion;

/// Microsoft Graph, as one identity, within one attempt. Paths are below `/v1.0` and begin with `/`.
pub struct Graph<'a> {
    _azure: &'a Azure,
    _cx: &'a StepCx<'a>,
    _identity: &'a Identity,
}

impl<'a> Graph<'a> {
    pub(super) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, identity: &'a Identity) -> Self {
        Graph { _azure: azure, _cx: cx, _identity: identity }
    }

    /// GET of one object with query parameters (unencoded); `None`: not there.
    pub async fn get<T: DeserializeOwned>(
        &self,
        _path: &str,
        _query: &[(&str, &str)],
    ) -> Result<Option<T>, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// GET of a collection with query parameters (unencoded), all pages.
    pub async fn list<T: DeserializeOwned>(
        &self,
        _path: &str,
        _query: &[(&str, &str)],
    ) -> Result<Vec<T>, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// POST: the one write of an attempt.
    pub async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        _path: &str,
        _body: &B,
    ) -> Result<T, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }

    /// DELETE: the one write of an attempt.
    pub async fn delete(&self, _path: &str) -> Result<Deletion, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }
}
