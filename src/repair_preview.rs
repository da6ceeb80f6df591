//! What a repair would do, step by step, with whose it is: nobody says yes to what was not shown.

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    Choice, Identity, ItemView, Mend, Origin, RunId, RunState, Standing, StepKey, StepState,
};

use crate::error::CommandError;
use crate::ui::{DIM, STRONG, Text, WAIT, Width};
use crate::view::{FindingView, Page, SCHEMA, id_of};

/// What `repair` shows before it asks.
#[derive(Serialize)]
pub(crate) struct RepairView {
    schema: u32,
    r#type: &'static str,
    run: String,
    short: String,
    step: String,
    mends: Vec<MendView>,
}

/// One step of it.
#[derive(Serialize)]
struct MendView {
    step: String,
    /// `look`, `make`, `overwrite`, `recreate`, `remove`, `decide`.
    act: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<FindingView>,
    /// Who acts there; its owner may have meant what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What was found may have been meant: its owner is to be asked before anything is changed.
    ask_owner: bool,
    /// This run made what is there.
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

    /// Whether anything is removed, made or written over.
    pub(crate) fn changes_something(&self) -> bool {
        self.mends.iter().any(|mend| mend.act != "look")
    }

    /// The same for programs.
    pub(crate) fn data(&self) -> Result<Value, CommandError> {
        serde_json::to_value(self).map_err(|error| {
            CommandError::bug("what would be repaired cannot be written as JSON").cause(&error)
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
            "recreate" => "remove and make anew",
            "overwrite" => "write ours over",
            "make" => "make anew",
            "remove" => "remove again",
            "decide" => "look at, and leave to a decision",
            _ => "look again at",
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
                &format!("      it belongs to {owner}, who may have meant it: ask before it is repaired"),
            );
        }
        if self.act == "recreate" && !self.ours {
            page.line(6, "      this run did not make what is there and would be removed");
        }
    }
}

/// What a step stopped at that was never proven.
fn undecided(item: ItemView<'_>) -> Option<FindingView> {
    let Some(StepState::NeedsDecision { decision, .. }) = item.state() else { return None };
    Some(FindingView::from(&Standing::Broken { decision: (**decision).clone() }))
}

/// Whether the step makes something; others only read.
fn is_written(item: ItemView<'_>) -> bool {
    item.node().step().is_some_and(|step| step.effect != twinspan_engine::EffectClass::Read)
}

/// Whether the plan wants it gone.
fn wants_gone(item: ItemView<'_>) -> bool {
    item.node().step().is_some_and(|step| step.ensure == twinspan_plans::Ensure::Absent)
}

/// Whose it is: as the plan says it.
fn owner(identity: &Identity) -> String {
    let says = |name: &str| identity.attributes.get(name).cloned();
    let who = says("contact").or_else(|| says("about")).unwrap_or_else(|| identity.name.clone());
    match says("tenant") {
        Some(tenant) => format!("{who}, tenant {tenant}"),
        None => who,
    }
}
