//! `delay`: a timer that survives a restart.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Check, Identities, KindMeta, Marker, Observed, StepCx, StepError, Wait, WaitKind};

use crate::ids::HumanDuration;

/// `delay`
pub(crate) struct Delay;

/// Parameters of `delay`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// How long to wait after every step that this step needs is done.
    #[serde(rename = "for")]
    duration: HumanDuration,
}

/// Outputs of `delay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// When the delay began, in UTC.
    began: String,
    /// When the delay ended, in UTC.
    over: String,
}

impl Check for Delay {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        gate: true,
        ..KindMeta::reads("delay", "Wait for a set time")
    };

    const KEPT: &'static str = "a delay that has passed cannot be undone";

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { duration: HumanDuration::from(Duration::from_secs(600)) }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let over = cx.since.checked_add(params.duration.get()).map_err(|_| {
            StepError::plan_wrong(format!(
                "{} from {} is later than any date that can be computed",
                params.duration, cx.since
            ))
        })?;
        let marker = Marker::NoPlace;
        Ok(match params.duration.get().checked_sub(cx.waited) {
            Some(rest) if !rest.is_zero() => {
                let wait = Wait::new(
                    WaitKind::Timer,
                    format!("{} since {}, until {over}", params.duration, cx.since),
                )
                .next_check(rest);
                Observed::Converging { wait, marker }
            }
            _ => Observed::Present {
                output: Output { began: cx.since.to_string(), over: over.to_string() },
                marker,
            },
        })
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, wait};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    #[tokio::test]
    async fn the_rest_of_the_time_is_waited_for() {
        let bench = Bench::new();
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        attempt.waited = Duration::from_secs(599);
        let wait = wait(attempt.check(&Reading(Delay), &Delay::example()).await.unwrap());
        assert_eq!((wait.kind, wait.next_check), (WaitKind::Timer, Some(Duration::from_secs(1))));
        for waited in [600, 86_400] {
            attempt.waited = Duration::from_secs(waited);
            let seen = attempt.check(&Reading(Delay), &Delay::example()).await.unwrap();
            assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
        }
    }
}
