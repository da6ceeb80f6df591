//! Erasure of a step's types: one private trait, one blanket implementation.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{FailureClass, StepError};
use crate::future::BoxFuture;
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::ids::ClaimKey;
use crate::job::Seen;
use crate::observation::Guarded;
use crate::observation::{Observed, Phase};
use crate::permission::Permission;
use crate::registry::contents::with_contents;
use crate::registry::fallback::Registered;
use crate::step::{Step, StepCx};
use crate::wait::Wait;

/// A step kind without its types.
pub(crate) trait DynStep: Send + Sync {
    /// `check`, and in a probe that did not find what is wanted, `precondition` too.
    /// `recreates`: a person has decided that what is there is deleted and created anew.
    fn look<'a>(
        &'a self,
        cx: &'a StepCx<'a>,
        params: &'a Value,
        recreates: bool,
    ) -> BoxFuture<'a, Result<Seen, StepError>>;
    /// The one write.
    fn apply<'a>(&'a self, cx: &'a StepCx<'a>, params: &'a Value) -> BoxFuture<'a, Result<Seen, StepError>>;
    /// Deletes `found`.
    fn undo<'a>(
        &'a self,
        cx: &'a StepCx<'a>,
        params: &'a Value,
        found: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Seen, StepError>>;
    /// What a person does instead.
    fn hand_over(&self, cx: &StepCx<'_>, params: &Value) -> Result<HandOver, StepError>;
    /// The wait that it will enter, whatever its parameters.
    fn expected_wait(&self, identity: &Identity) -> Option<Wait>;
    /// What must hold before the run's first write.
    fn guard<'a>(&'a self, cx: &'a StepCx<'a>, known: &'a Value)
    -> BoxFuture<'a, Result<Guarded, StepError>>;
    /// The permissions that it needs.
    fn permissions(&self, cx: &StepCx<'_>, params: &Value) -> Result<Vec<Permission>, StepError>;
}

impl<S: Step> DynStep for Registered<S> {
    fn look<'a>(
        &'a self,
        cx: &'a StepCx<'a>,
        params: &'a Value,
        recreates: bool,
    ) -> BoxFuture<'a, Result<Seen, StepError>> {
        Box::pin(async move {
            let params = decode_params::<S>(params)?;
            if cx.phase == Phase::Probe {
                fit::<S>(&params, cx)?;
            }
            let claims = self.step.claims(cx, &params).into_iter().map(ClaimKey::folded).collect();
            let observed = self.check(cx, &params).await?;
            let (observed, contents) = with_contents(&self.step, cx, &params, observed, recreates).await?;
            let missing = matches!(observed, Observed::Absent | Observed::Differs { .. });
            let readiness = if cx.phase == Phase::Probe && missing {
                Some(self.precondition(cx, &params).await?)
            } else {
                None
            };
            Ok(Seen::Checked { observed: erase::<S>(observed)?, contents, readiness, claims })
        })
    }

    fn apply<'a>(&'a self, cx: &'a StepCx<'a>, params: &'a Value) -> BoxFuture<'a, Result<Seen, StepError>> {
        Box::pin(async move {
            let params = decode_params::<S>(params)?;
            let applied = self.step.apply(cx, &params).await?;
            Ok(Seen::Applied { receipt: applied.receipt })
        })
    }

    fn undo<'a>(
        &'a self,
        cx: &'a StepCx<'a>,
        params: &'a Value,
        found: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Seen, StepError>> {
        Box::pin(async move {
            let params = decode_params::<S>(params)?;
            let found = found.ok_or_else(|| {
                StepError::new(FailureClass::Bug, format!("undo of {} was not told what to remove", cx.step))
            })?;
            let found = decode::<S::Output>(found).map_err(|(place, what)| {
                StepError::new(
                    FailureClass::Bug,
                    format!("output{place} of {} is not readable: {what}", S::META.name),
                )
            })?;
            Ok(Seen::Undone(self.step.undo(cx, &params, &found).await?))
        })
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Value) -> Result<HandOver, StepError> {
        self.hand_over(cx, &decode_params::<S>(params)?)
    }

    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        self.step.expected_wait(identity)
    }

    fn guard<'a>(
        &'a self,
        cx: &'a StepCx<'a>,
        known: &'a Value,
    ) -> BoxFuture<'a, Result<Guarded, StepError>> {
        Box::pin(self.step.guard(cx, known))
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Value) -> Result<Vec<Permission>, StepError> {
        self.step.permissions(cx, &decode_params::<S>(params)?)
    }
}

fn decode_params<S: Step>(params: &Value) -> Result<S::Params, StepError> {
    decode::<S::Params>(params).map_err(|(place, what)| {
        StepError::plan_wrong(format!("with{place} of {}: {what}", S::META.name))
            .hint(format!("`twinspan steps {}` lists the parameters", S::META.name))
    })
}

/// Checks values that were unknown before the run against the same rules.
fn fit<S: Step>(params: &S::Params, cx: &StepCx<'_>) -> Result<(), StepError> {
    let Some(misfit) = S::misfits(params, cx.ensure).into_iter().next() else { return Ok(()) };
    let place: String = misfit.about.iter().take(1).map(|name| format!(".{name}")).collect();
    let place = misfit.within.iter().fold(place, |place, part| format!("{place}.{part}"));
    Err(StepError::plan_wrong(format!("with{place} of {}: {}", S::META.name, misfit.why))
        .hint(format!("`twinspan steps {}` lists the parameters", S::META.name)))
}

/// Deserializes a value; on failure returns the path to the wrong place, and why.
pub(super) fn decode_at<T: DeserializeOwned>(value: &Value) -> Result<T, (Vec<String>, String)> {
    if let Ok(read) = T::deserialize(value) {
        return Ok(read);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let parts = error.path().iter().filter_map(|part| match part {
            serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
        });
        (parts.collect(), error.into_inner().to_string())
    })
}

fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, (String, String)> {
    // Tracking the path is expensive, so it is done only after a failure.
    if let Ok(read) = T::deserialize(value) {
        return Ok(read);
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(".{path}") };
        (place, error.into_inner().to_string())
    })
}

fn erase<S: Step>(observed: Observed<S::Output>) -> Result<Observed<Value>, StepError> {
    let plain = |output: S::Output| {
        serde_json::to_value(output).map_err(|error| {
            StepError::new(
                FailureClass::Bug,
                format!("output of {} cannot be written: {error}", S::META.name),
            )
        })
    };
    Ok(match observed {
        Observed::Absent => Observed::Absent,
        Observed::Converging { wait, marker } => Observed::Converging { wait, marker },
        Observed::Conflict(decision) => Observed::Conflict(decision),
        Observed::Broken { output, decision, marker } => {
            Observed::Broken { output: plain(output)?, decision, marker }
        }
        Observed::Differs { output, differences, marker } => {
            Observed::Differs { output: plain(output)?, differences, marker }
        }
        Observed::Present { output, marker } => Observed::Present { output: plain(output)?, marker },
    })
}
