//! The one step kind of the benchmark, and a plan of such steps.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, EffectClass, Identities, KindMeta, Marker, Observed, Registry, Step, StepCx,
    StepError, Undone, WriteMeta,
};
use twinspan_plans::{Plan, compile, parse};

use crate::Failure;
use crate::effects::{Effect, Effects};

/// Name of the input with the number of the run's workflow.
pub(crate) const WORKFLOW: &str = "workflow";

/// Appends a record to the file of effects; probe and verify read it back.
struct Record(Arc<Effects>);

/// Parameters of `record`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
struct Params {
    /// Number of the workflow.
    workflow: u32,
    /// Number of the step in it.
    step: u32,
}

/// Outputs of `record`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Output {
    /// The record exists.
    ok: bool,
}

impl From<&Params> for Effect {
    fn from(params: &Params) -> Self {
        Effect { workflow: params.workflow, step: params.step }
    }
}

impl Step for Record {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        retain_on_undo: Some("the file of effects only grows"),
        ..KindMeta::writes(
            "record",
            "Append a record to the file of effects",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::ZERO,
                request_window: Duration::ZERO,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { workflow: 0, step: 0 }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn check(&self, _cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        Ok(if self.0.contains(params.into()) {
            Observed::Present { output: Output { ok: true }, marker: Marker::NoPlace }
        } else {
            Observed::Absent
        })
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        cx.log.take_write("a record")?;
        self.0.append(params.into()).map_err(|error| {
            StepError::plan_wrong(format!("the file of effects cannot be written: {error}")).unknown()
        })?;
        Ok(Applied::default())
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("the file of effects only grows".to_owned()))
    }
}

/// The step kinds of the benchmark.
pub(crate) fn registry(effects: Arc<Effects>) -> Arc<Registry> {
    Arc::new(Registry::new().with(Record(effects)))
}

/// A plan of `steps` records in a row; each needs the one before it.
pub(crate) fn plan(registry: &Registry, steps: u32) -> Result<(Arc<Plan>, Arc<str>), Failure> {
    let mut text = "twinspan: 1\nname: benchmark\nsummary: Records in a row\n\
                    inputs:\n  workflow: { type: int, about: Number of the workflow }\nsteps:\n"
        .to_owned();
    for number in 0..steps {
        text.push_str(&format!("  - id: s{number}\n    uses: record\n"));
        if let Some(before) = number.checked_sub(1) {
            text.push_str(&format!("    needs: [s{before}]\n"));
        }
        text.push_str(&format!("    with: {{ workflow: \"${{{{ inputs.workflow }}}}\", step: {number} }}\n"));
    }
    let compiled = parse("benchmark.yaml", text.as_bytes())
        .and_then(|document| compile(&document, registry.catalog()))
        .map_err(|errors| errors.render(false))?;
    Ok((Arc::new(compiled.plan), text.into()))
}
