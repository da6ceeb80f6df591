//! A kind together with the remote. Where this machine has no credential for the step's identity, another identity of
//! the same home checks whether a person has done the work, and the step writes nothing.

use std::sync::Arc;

use twinspan_plans::{Ensure, Identities};

use crate::failure::{FailureClass, StepError};
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::observation::{Observed, Readiness};
use crate::remote::Remote;
use crate::step::{Step, StepCx};

/// A kind as it is registered.
pub(super) struct Registered<S> {
    pub(super) step: S,
    /// `None`: the kind is never checked as another identity.
    remote: Option<Arc<dyn Remote>>,
}

impl<S: Step> Registered<S> {
    pub(super) fn new(step: S, remote: Option<&Arc<dyn Remote>>) -> Self {
        let falls_back = S::META.checked_by_others && S::META.identities != Identities::None;
        Registered { step, remote: remote.filter(|_| falls_back).map(Arc::clone) }
    }

    /// [`Step::check`], as the acting identity or another one.
    pub(super) async fn check(
        &self,
        cx: &StepCx<'_>,
        params: &S::Params,
    ) -> Result<Observed<S::Output>, StepError> {
        let Some(remote) = &self.remote else { return self.step.check(cx, params).await };
        match remote.serves(cx, cx.identity()?) {
            // The futures of kinds are large, and only one of the two is needed.
            Ok(()) => Box::pin(self.step.check(cx, params)).await,
            Err(missing) => Box::pin(self.check_as_others(&**remote, cx, params, missing)).await,
        }
    }

    /// [`Step::precondition`]: without the credential nothing is begun.
    pub(super) async fn precondition(
        &self,
        cx: &StepCx<'_>,
        params: &S::Params,
    ) -> Result<Readiness, StepError> {
        if let Some(remote) = &self.remote {
            remote.serves(cx, cx.identity()?)?;
        }
        self.step.precondition(cx, params).await
    }

    /// [`Step::hand_over`]: of the create, or of the delete that the plan orders.
    pub(super) fn hand_over(&self, cx: &StepCx<'_>, params: &S::Params) -> Result<HandOver, StepError> {
        let said = self.step.hand_over(cx, params)?;
        match &self.remote {
            Some(remote) if cx.ensure == Ensure::Absent => remote.hand_over_of_delete(cx, said),
            _ => Ok(said),
        }
    }

    /// Checks as each other identity of the same home in turn. If none can read the resource, the step waits for the
    /// credential.
    async fn check_as_others(
        &self,
        remote: &dyn Remote,
        cx: &StepCx<'_>,
        params: &S::Params,
        mut missing: StepError,
    ) -> Result<Observed<S::Output>, StepError> {
        let home = |identity: &Identity| identity.attributes.get(remote.home()).cloned();
        let own = home(cx.identity()?);
        let others = cx.others.iter().filter(|other| home(other) == own);
        for other in others.filter(|other| remote.serves(cx, other).is_ok()) {
            let mut identities: Vec<Identity> = cx.identities.to_vec();
            if let Some(first) = identities.first_mut() {
                first.clone_from(other);
            }
            match self.step.check(&StepCx { identities: &identities, ..*cx }, params).await {
                // A failure of the other identity is not this step's failure: the step still waits for its own credential.
                Err(error)
                    if matches!(
                        error.class,
                        FailureClass::Permission | FailureClass::NeedsPerson | FailureClass::Credential
                    ) =>
                {
                    if let Some(wait) = &mut missing.wait {
                        let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
                        wait.what = format!(
                            "{}; identity {} cannot verify whether it was done{code}",
                            wait.what, other.name
                        );
                    }
                }
                seen => return seen,
            }
        }
        Err(missing)
    }
}
