//! `approval`: a barrier that a named person opens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_encode::sh;
use twinspan_engine::{
    Act, Approvers, Back, Check, HandOver, Identities, KindMeta, Marker, Observed, StepCx, StepError, Task,
    Wait,
};

/// `approval`
pub(crate) struct Approval;

/// Parameters of `approval`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What the person reads before approving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<String>,
    /// Who approves: an identity of the plan, or a person's name. The approver has this name as an account of the operating
    /// system, or states it with `--as`; the statement is recorded, and not proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Who must not approve: the person who started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not: Option<NotBy>,
}

/// Who must not approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(starter)"))]
pub(crate) enum NotBy {
    /// The person who started the run.
    Starter,
}

/// Outputs of `approval`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Who approved.
    by: String,
    /// The identity or person that the approver stated with `--as`.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    speaks_for: Option<String>,
    /// When the approval was given, in UTC.
    at: String,
    /// The reason that the approver gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn wait(cx: &StepCx<'_>, params: &Params) -> Wait {
    let step = sh::word(&cx.step.0);
    let run = cx.run;
    let what = match &params.show {
        Some(show) => format!("approval: {show}"),
        None => "approval".to_owned(),
    };
    // The approver must be the named person, or state with `--as` that they act for them.
    let speaks_for = params.by.as_deref().map(|by| format!(" --as {}", sh::word(by))).unwrap_or_default();
    let approvers = Approvers {
        by: params.by.iter().cloned().collect(),
        not_starter: params.not == Some(NotBy::Starter),
    };
    Wait::approval(what, approvers)
        .action(format!("twinspan approve {run} {step}{speaks_for}"))
        .otherwise(format!("twinspan reject {run} {step}"))
}

impl Check for Approval {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        gate: true,
        ..KindMeta::reads("approval", "Wait until a named person approves")
    };

    const KEPT: &'static str = "an approval stays in the journal";

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            show: Some("two virtual networks join the group".to_owned()),
            by: None,
            not: Some(NotBy::Starter),
        }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        Ok(match cx.approval {
            Some(given) => Observed::Present {
                output: Output {
                    by: given.by.clone(),
                    speaks_for: given.speaks_for.clone(),
                    at: given.at.to_string(),
                    reason: given.reason.clone(),
                },
                marker: Marker::NoPlace,
            },
            None => Observed::Converging { wait: wait(cx, params), marker: Marker::NoPlace },
        })
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let wait = wait(cx, params);
        let task = Task {
            what: match &params.show {
                Some(show) => format!("Approve or reject: {show}"),
                None => "Approve or reject this step".to_owned(),
            },
            privilege: wait.who.into_iter().collect(),
            acts: wait.action.map(Act::Command).into_iter().collect(),
            back: Back { words: "an approval stays in the journal".to_owned(), request: None },
            ..Task::default()
        };
        let proof = "the approval in the run's journal".to_owned();
        Ok(HandOver { task: Some(task), proof, actor: params.by.clone(), ..HandOver::default() })
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, wait};
    use twinspan_engine::Reading;
    use twinspan_engine::{Phase, WaitKind};

    #[tokio::test]
    async fn the_wait_names_who_and_the_exact_commands() {
        let bench = Bench::new();
        let wait = wait(
            Attempt::new(&bench, Phase::Probe).check(&Reading(Approval), &Approval::example()).await.unwrap(),
        );
        assert_eq!(wait.kind, WaitKind::Approval);
        assert_eq!(wait.what, "approval: two virtual networks join the group");
        assert_eq!(wait.who.as_deref(), Some("any person except the one who started the run"));
        assert_eq!(
            wait.action.as_deref(),
            Some("twinspan approve 00000000-0000-0000-0000-000000000007 step")
        );
    }

    #[tokio::test]
    async fn an_approval_that_was_given_opens_the_gate() {
        let bench = Bench::new();
        let given = twinspan_engine::Approval {
            by: "nina".to_owned(),
            speaks_for: None,
            at: bench_now(&bench),
            reason: None,
        };
        let log = twinspan_engine::AttemptLog::new(Phase::Probe);
        let cx = StepCx { approval: Some(&given), ..bench.cx(Phase::Probe, &log) };
        let seen = Approval.check(&cx, &Params::default()).await.unwrap();
        assert!(matches!(&seen, Observed::Present { output, .. } if output.by == "nina"), "{seen:?}");
    }

    fn bench_now(bench: &Bench) -> jiff::Timestamp {
        use twinspan_engine::Clock;
        bench.clock.now()
    }
}
