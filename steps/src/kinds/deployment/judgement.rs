//! Judges the deployment status of a region for this step.

use jiff::{SignedDuration, Timestamp};
use twinspan_engine::{Decision, Difference, FailureClass, Marker, Observed, Phase, StepCx, StepError, Wait};

use super::{Configuration, Output, Params, Receipt};
use crate::avnm::deployment::{Goal, Status};
use crate::ids::ResourceId;

/// Deployments have no field for a marker.
const MARKER: Marker = Marker::NoPlace;

/// A configuration that was changed after it was deployed.
pub(super) struct Edit {
    name: String,
    written: Timestamp,
    committed: String,
}

impl Edit {
    pub(super) fn after(goal: &Goal, id: &Configuration, written: Option<Timestamp>) -> Option<Self> {
        // Both times are from Azure; one of them may be in whole seconds.
        const ROUNDED: SignedDuration = SignedDuration::from_secs(1);
        let (written, committed) = (written?, goal.committed()?);
        (written.duration_since(committed) > ROUNDED).then(|| Edit {
            name: id.name().to_owned(),
            written,
            committed: goal.commit_time.clone(),
        })
    }
}

fn output(params: &Params, goal: &Goal) -> Output {
    Output {
        id: format!("{}: {} in {}", params.network_manager, params.kind.as_str(), params.region()),
        network_manager: params.network_manager.clone(),
        region: params.region(),
        configurations: goal.configuration_ids.clone(),
        committed_at: goal.commit_time.clone(),
    }
}

/// Names of this step's configurations.
fn names(params: &Params) -> String {
    let names: Vec<&str> = params.configurations.iter().map(ResourceId::name).collect();
    names.join(", ")
}

fn has_all(params: &Params, goal: &Goal) -> bool {
    params.configurations.iter().all(|id| goal.names(id.path()))
}

/// A wait for a deployment, with the usual duration.
fn patiently(what: String) -> Wait {
    Wait::remote(what).who("Azure: 15 to 20 minutes are usual").otherwise(
        "see the deployments of the network manager in the portal, or ask Azure support with its id",
    )
}

pub(super) fn on_the_way_forward(params: &Params, goal: &Goal, edited: Vec<Edit>) -> Observed<Output> {
    if !has_all(params, goal) {
        return Observed::Absent;
    }
    let region = params.region();
    match &goal.deployment_status {
        Status::Deployed if edited.is_empty() => {
            Observed::Present { output: output(params, goal), marker: MARKER }
        }
        Status::Deployed => Observed::Differs {
            output: output(params, goal),
            differences: edited
                .into_iter()
                .map(|edit| {
                    Difference::new(
                        format!("configuration {}", edit.name),
                        format!("as it was written at {}", edit.written),
                        format!("as it was when it was committed at {}", edit.committed),
                    )
                })
                .collect(),
            marker: MARKER,
        },
        Status::Failed => {
            let decision = Decision {
                what: format!("the deployment of {} to {region} failed: {}", names(params), goal.why()),
                advice: "correct what Azure names, then overwrite (it is committed again), or retry to check again; adopt leaves \
                         it as it is"
                    .to_owned(),
                differences: Vec::new(),
            };
            Observed::Broken { output: output(params, goal), decision, marker: MARKER }
        }
        status @ (Status::Underway(_) | Status::Unsaid) => {
            let what = format!("the deployment of {} to {region} is {status}", names(params));
            Observed::Converging { wait: patiently(what), marker: MARKER }
        }
    }
}

/// Judges for undo: whether the region still has a configuration of this step, or is still withdrawing it.
pub(super) fn on_the_way_back(
    cx: &StepCx<'_>,
    params: &Params,
    receipt: &Receipt,
    goal: &Goal,
) -> Result<Observed<Output>, StepError> {
    if params.own(receipt).iter().any(|id| goal.names(id)) {
        return Ok(Observed::Present { output: output(params, goal), marker: MARKER });
    }
    let (region, proving) = (params.region(), cx.phase == Phase::UndoVerify);
    match &goal.deployment_status {
        // The goal does not contain the configurations, but the region still has them.
        Status::Failed if proving => Err(StepError::new(
            FailureClass::ReplicationLag,
            format!("withdrawing {} from {region} failed: {}", names(params), goal.why()),
        )
        .hint("correct what Azure names, then retry the step: it is committed again")),
        Status::Failed => Ok(Observed::Present { output: output(params, goal), marker: MARKER }),
        status @ (Status::Underway(_) | Status::Unsaid) if proving => {
            Ok(withdrawing(params, &format!("the deployment is {status}")))
        }
        _ => Ok(Observed::Absent),
    }
}

/// Judges for undo where Azure lists no goal for the region.
pub(super) fn still_in_force(
    cx: &StepCx<'_>,
    params: &Params,
    receipt: &Receipt,
    active: Vec<String>,
) -> Observed<Output> {
    let goal = Goal { configuration_ids: active, ..Goal::default() };
    if !params.own(receipt).iter().any(|id| goal.names(id)) {
        return Observed::Absent;
    }
    if cx.phase == Phase::UndoVerify {
        return withdrawing(params, "the deployment is not listed yet");
    }
    Observed::Present { output: output(params, &goal), marker: MARKER }
}

fn withdrawing(params: &Params, how_far: &str) -> Observed<Output> {
    let what = format!("{} is being withdrawn from {}: {how_far}", names(params), params.region());
    Observed::Converging { wait: patiently(what), marker: MARKER }
}
