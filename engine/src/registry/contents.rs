//! Reads the contents of a resource before a delete.

use twinspan_plans::EffectClass;

use crate::decision::Difference;
use crate::failure::StepError;
use crate::ids::ClaimKey;
use crate::observation::{Marker, Observed, Phase};
use crate::step::{Step, StepCx};

/// Adds foreign contents as a difference to `observed`, where a delete may follow. In the forward direction, where a person may
/// decide to recreate the resource or has done so (`recreates`), a resource that is as wanted stays so.
pub(crate) async fn with_contents<S: Step>(
    kind: &S,
    cx: &StepCx<'_>,
    params: &S::Params,
    observed: Observed<S::Output>,
    recreates: bool,
) -> Result<(Observed<S::Output>, Option<Difference>), StepError> {
    let found = match (cx.phase, &observed) {
        _ if S::META.effect == EffectClass::Read => None,
        (Phase::UndoProbe, Observed::Present { output, .. })
        | (
            Phase::Probe | Phase::UndoProbe,
            Observed::Differs { output, .. } | Observed::Broken { output, .. },
        ) => Some(output),
        (Phase::Probe, Observed::Present { output, marker }) if recreates || is_foreign(cx, marker) => {
            Some(output)
        }
        _ => None,
    };
    let Some(found) = found else { return Ok((observed, None)) };
    let undoing = cx.phase == Phase::UndoProbe;
    let Some(contents) = kind.contents(cx, params, found).await? else {
        return Ok((if undoing { Observed::Absent } else { observed }, None));
    };
    let container: Vec<ClaimKey> = kind.claims(cx, params).into_iter().map(ClaimKey::folded).collect();
    let foreign = contents.foreign(cx.created, &container);
    let Some(difference) = foreign.clone().filter(|_| undoing) else { return Ok((observed, foreign)) };
    let observed = match observed {
        Observed::Present { output, marker } | Observed::Broken { output, marker, .. } => {
            Observed::Differs { output, differences: vec![difference], marker }
        }
        Observed::Differs { output, mut differences, marker } => {
            differences.push(difference);
            Observed::Differs { output, differences, marker }
        }
        other => other,
    };
    Ok((observed, None))
}

/// Whether a marker names neither this run nor an ended run of its key: a person decides, and may decide to recreate.
fn is_foreign(cx: &StepCx<'_>, marker: &Marker) -> bool {
    let earlier = |run: &str| cx.earlier.is_some_and(|earlier| earlier.contains(run));
    matches!(marker, Marker::Of(run) if *run != cx.run.short() && !earlier(run))
}
