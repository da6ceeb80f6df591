//! `approval`: a gate that a named person opens.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, EffectClass, Identities, Marker, Observed, Readiness, Step, StepCx, StepError, Undone,
    Wait, WaitKind,
};

use crate::people;

/// `approval`
pub(crate) struct Approval;

/// Parameters of `approval`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What the person reads before approving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<String>,
    /// Who approves: an identity of the plan, or a person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Who may not: the person who started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not: Option<NotBy>,
}

/// Who may not approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(starter)"))]
pub(crate) enum NotBy {
    /// Who started the run.
    Starter,
}

/// Outputs of `approval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Who approved.
    by: String,
    /// When, in UTC.
    at: String,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn wait(cx: &StepCx<'_>, params: &Params) -> Wait {
    let step = people::shell_word(&cx.step.0).into_owned();
    let run = cx.run;
    let what = match &params.show {
        Some(show) => format!("approval: {show}"),
        None => "approval".to_owned(),
    };
    let who = match (&params.by, params.not) {
        (Some(by), None) => by.clone(),
        (Some(by), Some(NotBy::Starter)) => format!("{by} (not who started the run)"),
        (None, Some(NotBy::Starter)) => "anybody but who started the run".to_owned(),
        (None, None) => "anybody who may use this journal".to_owned(),
    };
    Wait::new(WaitKind::Approval, what)
        .who(who)
        .action(format!("twinspan approve {run} {step}"))
        .otherwise(format!("twinspan reject {run} {step} --reason TEXT"))
}

impl Step for Approval {
    const KIND: &'static str = "approval";
    const SUMMARY: &'static str = "Wait until a named person approves";
    const EFFECT: EffectClass = EffectClass::Read;
    const SETTLE: Duration = Duration::ZERO;
    const IDENTITIES: Identities = Identities::None;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            show: Some("two virtual networks join the group".to_owned()),
            by: None,
            not: Some(NotBy::Starter),
        }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        Ok(match cx.approval {
            Some(given) => Observed::Present {
                output: Output {
                    by: given.by.clone(),
                    at: given.at.to_string(),
                    reason: given.reason.clone(),
                },
                marker: Marker::NoPlace,
            },
            None => Observed::Converging { wait: wait(cx, params), marker: Marker::NoPlace },
        })
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        Err(people::never_writes(Self::KIND))
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("an approval stays in the record".to_owned()))
    }
}
