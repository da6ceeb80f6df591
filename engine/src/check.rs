//! The smaller interface of kinds that only read: a check, and no write to describe, prove or undo.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::future::Future;
use twinspan_plans::Ensure;

use crate::failure::{FailureClass, StepError};
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::ids::ClaimKey;
use crate::kind_meta::KindMeta;
use crate::observation::{Applied, Guarded, Observed, Undone};
use crate::permission::Permission;
use crate::step::{Misfit, Step, StepCx};
use crate::wait::Wait;

/// A step kind that only reads: it verifies a state, or waits for it. [`Registry::check`](crate::Registry::check)
/// registers it.
pub trait Check: Send + Sync + 'static {
    /// What the kind declares about itself, from [`KindMeta::reads`].
    const META: KindMeta;
    /// What undo says about a step of this kind.
    const KEPT: &'static str = "this step creates nothing";

    /// Parameters, after references are resolved.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Outputs that later steps read.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync;

    /// [`Step::example`]
    fn example() -> Self::Params;

    /// Reads the current state: [`Observed::Present`] ends the step, [`Observed::Converging`] waits, and any other
    /// needs a decision.
    fn check(
        &self,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Observed<Self::Output>, StepError>> + Send;

    /// [`Step::misfits`]
    fn misfits(params: &Self::Params) -> Vec<Misfit> {
        let _ = params;
        Vec::new()
    }

    /// [`Step::guard`]
    fn guard(
        &self,
        cx: &StepCx<'_>,
        known: &Value,
    ) -> impl Future<Output = Result<Guarded, StepError>> + Send {
        let _ = (cx, known);
        std::future::ready(Ok(Guarded::Met))
    }

    /// [`Step::hand_over`]
    fn hand_over(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<HandOver, StepError> {
        let _ = (cx, params);
        Ok(HandOver::default())
    }

    /// [`Step::expected_wait`]
    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        let _ = identity;
        None
    }

    /// [`Step::permissions`]
    fn permissions(&self, cx: &StepCx<'_>, params: &Self::Params) -> Result<Vec<Permission>, StepError> {
        let _ = (cx, params);
        Ok(Vec::new())
    }
}

/// A [`Check`] as a [`Step`]: it claims nothing, never writes, and undo leaves everything as it is.
#[derive(Clone, Copy, Debug)]
pub struct Reading<K>(pub K);

impl<K: Check> Step for Reading<K> {
    const META: KindMeta = K::META;

    type Params = K::Params;
    type Output = K::Output;

    fn example() -> K::Params {
        K::example()
    }

    fn misfits(params: &K::Params, _ensure: Ensure) -> Vec<Misfit> {
        K::misfits(params)
    }

    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        self.0.guard(cx, known).await
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &K::Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Observed<K::Output>, StepError> {
        self.0.check(cx, params).await
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &K::Params) -> Result<Applied, StepError> {
        Err(StepError::new(FailureClass::Bug, format!("{} only reads and was asked to write", K::META.name)))
    }

    async fn undo(
        &self,
        _cx: &StepCx<'_>,
        _params: &K::Params,
        _found: &K::Output,
    ) -> Result<Undone, StepError> {
        Ok(Undone::Kept(K::KEPT.to_owned()))
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<HandOver, StepError> {
        self.0.hand_over(cx, params)
    }

    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        self.0.expected_wait(identity)
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Vec<Permission>, StepError> {
        self.0.permissions(cx, params)
    }
}
