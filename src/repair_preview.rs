//! The preview of a repair, step by step, with the owner of each resource, for the confirmation.

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    Choice, Identity, ItemView, Mend, Origin, RunId, RunState, Standing, StepKey, StepState,
};

use crate::error::CommandError;
use crate::ui::{DIM, STRONG, Text, WAIT, Width};
use crate::view::{FindingView, Page, SCHEMA, id_of};

/// What `repair` shows before the confirmation.
#[derive(Serialize)]
pub(crate) struct RepairView {
    schema: u32,
    r#type: &'static str,
    run: String,
    short: String,
    step: String,
    mends: Vec<MendView>,
}

/// The repair of one step.
#[derive(Serialize)]
struct MendView {
    step: String,
    /// `look`, `make`, `overwrite`, `recreate`, `remove`, `decide`.
    act: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<FindingView>,
    /// The identity that acts; its owner may have made the change on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Whether the change may be intended, so that the owner should be asked before the repair.
    ask_owner: bool,
    /// Whether this run created the resource.
    ours: bool,
}

impl RepairView {
    pub(crate) fn new(run: RunId, state: &RunState, step: &StepKey, mends: &[Mend]) -> Self {
        let mends = mends.iter().filter_map(|mend| Some(MendView::new(state.find(&mend.step)?, mend)));
        RepairView {
            schema: SCHEMA,
            r#type: "repair",
            run: run.to_string(),
            short: run.short(),
            step: step.to_string(),
            mends: mends.collect(),
        }
    }

    /// Whether anything is deleted, created or overwritten.
    pub(crate) fn changes_something(&self) -> bool {
        self.mends.iter().any(|mend| mend.act != "look")
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
        for mend in &self.mends {
            mend.write(&mut page);
        }
        page.into_text()
    }
}

impl MendView {
    fn new(item: ItemView<'_>, mend: &Mend) -> Self {
        let found = item.standing().map(|(_, standing)| standing).filter(|standing| standing.is_drift());
        let act = match (mend.choice, found) {
            (Some(Choice::Recreate), _) => "recreate",
            (Some(Choice::Overwrite), _) => "overwrite",
            (_, Some(Standing::Vanished { .. })) if is_written(item) => "make",
            (_, Some(Standing::Taken { .. })) => "decide",
            (_, Some(_)) if wants_gone(item) => "remove",
            _ => "look",
        };
        MendView {
            step: item.key().to_string(),
            act,
            id: id_of(item.outputs()).unwrap_or("-").to_owned(),
            found: found.map(FindingView::from).or_else(|| undecided(item)),
            owner: item.identities().first().map(owner),
            ask_owner: act != "look",
            ours: matches!(item.origin(), Some(Origin::Made)),
        }
    }

    fn write(&self, page: &mut Page) {
        let words = match self.act {
            "recreate" => "delete and create again",
            "overwrite" => "overwrite",
            "make" => "create again",
            "remove" => "delete again",
            "decide" => "check, and leave to a decision",
            _ => "check again",
        };
        let id = if self.act == "look" { String::new() } else { format!("  {DIM}{}{DIM:#}", self.id) };
        page.line(4, &format!("  {WAIT}{words}{WAIT:#}  {STRONG}{}{STRONG:#}{id}", self.step));
        if let Some(found) = &self.found {
            page.line(6, &format!("      {}: {}", found.standing, found.what));
            for change in &found.changes {
                page.line(
                    6,
                    &format!("      {}: proven {}, found {}", change.field, change.proven, change.found),
                );
            }
        }
        if self.act == "look" {
            return;
        }
        if let Some(owner) = &self.owner {
            page.line(
                6,
                &format!("      it belongs to {owner}, who may intend the change: ask before the repair"),
            );
        }
        if self.act == "recreate" && !self.ours {
            page.line(6, "      this run did not create the resource that would be deleted");
        }
    }
}

/// The decision that an unproven step needs, as a finding.
fn undecided(item: ItemView<'_>) -> Option<FindingView> {
    let Some(StepState::NeedsDecision { decision, .. }) = item.state() else { return None };
    Some(FindingView::from(&Standing::Broken { decision: (**decision).clone() }))
}

/// Whether the step writes; other steps only read.
fn is_written(item: ItemView<'_>) -> bool {
    item.node().step().is_some_and(|step| step.effect != twinspan_engine::EffectClass::Read)
}

/// Whether the plan wants the resource deleted.
fn wants_gone(item: ItemView<'_>) -> bool {
    item.node().step().is_some_and(|step| step.ensure == twinspan_plans::Ensure::Absent)
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
