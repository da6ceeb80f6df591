//! The preview of a repair, step by step, with the owner of each resource, for the confirmation.

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    DriftState, Identity, ItemView, Origin, Repair, RepairAct, RunId, RunState, StepKey, StepState, id_of,
};

use crate::cli::error::CommandError;
use crate::cli::json::SCHEMA;
use crate::report::view::{FindingView, Page};
use crate::text::{DIM, STRONG, Text, WAIT, Width};

/// What `repair` shows before the confirmation.
#[derive(Serialize)]
pub(crate) struct RepairView {
    schema: u32,
    r#type: &'static str,
    run: String,
    short: String,
    step: String,
    repairs: Vec<RepairStepView>,
}

/// The repair of one step.
#[derive(Serialize)]
struct RepairStepView {
    step: String,
    act: RepairAct,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<FindingView>,
    /// The identity that acts; its owner may have made the change on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Whether the change may be intended, so that the owner should be asked before the repair.
    ask_owner: bool,
    /// Whether this run created the resource.
    owned: bool,
}

impl RepairView {
    pub(crate) fn new(run: RunId, state: &RunState, step: &StepKey, repairs: &[Repair]) -> Self {
        let repairs =
            repairs.iter().filter_map(|repair| Some(RepairStepView::new(state.find(&repair.step)?)));
        RepairView {
            schema: SCHEMA,
            r#type: "repair",
            run: run.to_string(),
            short: run.short(),
            step: step.to_string(),
            repairs: repairs.collect(),
        }
    }

    /// Whether anything is deleted, created or overwritten.
    pub(crate) fn changes_something(&self) -> bool {
        self.repairs.iter().any(|repair| repair.act != RepairAct::Check)
    }

    /// The preview as JSON.
    pub(crate) fn data(&self) -> Result<Value, CommandError> {
        serde_json::to_value(self).map_err(|error| {
            CommandError::bug("the preview of the repair cannot be written as JSON").cause(&error)
        })
    }

    pub(crate) fn text(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        page.line(0, &format!("{STRONG}repair of {} in run {} would{STRONG:#}", self.step, self.short));
        for repair in &self.repairs {
            repair.write(&mut page);
        }
        page.into_text()
    }
}

impl RepairStepView {
    fn new(item: ItemView<'_>) -> Self {
        let found = item.drift().map(|(_, drift)| drift).filter(|drift| drift.is_drift());
        let act = item.repair_act();
        RepairStepView {
            step: item.key().to_string(),
            act,
            id: id_of(item.outputs()).unwrap_or("-").to_owned(),
            found: found.map(FindingView::from).or_else(|| undecided(item)),
            owner: item.identities().first().map(owner),
            ask_owner: act != RepairAct::Check,
            owned: matches!(item.origin(), Some(Origin::Created)),
        }
    }

    fn write(&self, page: &mut Page) {
        let words = match self.act {
            RepairAct::Recreate => "delete and create again",
            RepairAct::Overwrite => "overwrite",
            RepairAct::Create => "create again",
            RepairAct::Delete => "delete again",
            RepairAct::Decide => "check, and leave to a decision",
            RepairAct::Check => "check again",
        };
        let id =
            if self.act == RepairAct::Check { String::new() } else { format!("  {DIM}{}{DIM:#}", self.id) };
        page.line(4, &format!("  {WAIT}{words}{WAIT:#}  {STRONG}{}{STRONG:#}{id}", self.step));
        if let Some(found) = &self.found {
            page.line(6, &format!("      {}: {}", found.drift, found.what));
            for change in &found.changes {
                page.line(
                    6,
                    &format!("      {}: proven {}, found {}", change.field, change.proven, change.found),
                );
            }
        }
        if self.act == RepairAct::Check {
            return;
        }
        if let Some(owner) = &self.owner {
            page.line(
                6,
                &format!("      it belongs to {owner}, who may intend the change: ask before the repair"),
            );
        }
        if self.act == RepairAct::Recreate && !self.owned {
            page.line(6, "      this run did not create the resource that would be deleted");
        }
    }
}

/// The decision that an unproven step needs, as a finding.
fn undecided(item: ItemView<'_>) -> Option<FindingView> {
    let Some(StepState::NeedsDecision { decision, .. }) = item.state() else { return None };
    Some(FindingView::from(&DriftState::Broken { decision: (**decision).clone() }))
}

/// The owner of an identity, as the plan names it.
fn owner(identity: &Identity) -> String {
    let says = |name: &str| identity.attributes.get(name).cloned();
    let who = says("contact").or_else(|| says("about")).unwrap_or_else(|| identity.name.clone());
    match says("tenant") {
        Some(tenant) => format!("{who}, tenant {tenant}"),
        None => who,
    }
}
