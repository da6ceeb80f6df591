//! The ownership rule: whether undo deletes a resource, by who created it.
//!
//! ```text
//! probe of an undo ─Origin─▶ UndoRule ◀─Origin─ proof in the journal, for the preview of an undo
//! ```

use std::collections::HashSet;

use twinspan_plans::Ensure;

use crate::event::Origin;
use crate::ids::StepKey;
use crate::registry::Registry;
use crate::state::{ItemView, RunState, StepState};

/// What undo does with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoRule {
    /// It deletes it: this run created it.
    Delete,
    /// It asks for a decision: it is not proven that this run created it.
    Ask,
    /// It keeps it.
    Keep(KeepReason),
}

/// Why undo keeps a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepReason {
    /// Undo keeps every resource of this kind; the kind says why.
    Kind(&'static str),
    /// It is pre-existing.
    PreExisting,
    /// It is pre-existing, and this run updated it.
    Updated,
    /// An ended run of the same key created it and keeps it.
    EarlierRun,
    /// The plan wanted it absent, and this run deleted it.
    Deleted,
    /// The plan wants it absent, and this run sent its delete request.
    DeleteSent,
    /// This run wrote nothing: it was only read, or stated by a person.
    NothingWritten,
    /// It was undone.
    AlreadyUndone,
}

impl UndoRule {
    /// The rule for a resource of this origin; `kind_keeps` is the reason of its kind to keep what the run wrote.
    pub fn of(origin: &Origin, kind_keeps: Option<&'static str>) -> Self {
        let written = |or: UndoRule| kind_keeps.map_or(or, |why| UndoRule::Keep(KeepReason::Kind(why)));
        match origin {
            Origin::Created => written(UndoRule::Delete),
            Origin::Updated => written(UndoRule::Keep(KeepReason::Updated)),
            Origin::PreExisting => UndoRule::Keep(KeepReason::PreExisting),
            Origin::EarlierRun => UndoRule::Keep(KeepReason::EarlierRun),
            Origin::Unproven => UndoRule::Ask,
            Origin::Deleted => UndoRule::Keep(KeepReason::Deleted),
            Origin::Observed | Origin::Claimed => UndoRule::Keep(KeepReason::NothingWritten),
        }
    }
}

/// What an undo would do with one step, as far as the journal tells.
#[derive(Clone, Copy, Debug)]
pub struct PlannedUndo<'a> {
    /// The step.
    pub item: ItemView<'a>,
    /// What undo would do.
    pub rule: UndoRule,
    /// Whether it is proven who created the resource; otherwise undo searches for it.
    pub is_proven: bool,
}

impl RunState {
    /// What an undo would do: first what it probes, in its order, then the other steps that have a resource. The undo reads
    /// each resource again and applies the rule to what it finds.
    pub fn planned_undo(&self, registry: &Registry) -> Vec<PlannedUndo<'_>> {
        let probed = self.undo_plan();
        let known: HashSet<&StepKey> = probed.iter().map(|item| item.key()).collect();
        let others = self.steps().filter(|item| !known.contains(item.key()));
        let steps = probed.iter().copied().chain(others);
        steps.filter_map(|item| planned(item, registry)).collect()
    }
}

/// What undo would do with a step; `None`: it has nothing that undo is concerned with.
fn planned<'a>(item: ItemView<'a>, registry: &Registry) -> Option<PlannedUndo<'a>> {
    let step = item.node().step()?;
    let kind_keeps = registry.kind(&step.uses).and_then(|kind| kind.rules().keeps);
    let origin = item.origin();
    let rule = match origin {
        _ if matches!(item.state(), Some(StepState::Undone(_))) => UndoRule::Keep(KeepReason::AlreadyUndone),
        Some(Origin::Created) | None if !item.is_owed() => return None,
        None if step.ensure == Ensure::Absent => UndoRule::Keep(KeepReason::DeleteSent),
        // What was sent may have created it.
        None => UndoRule::of(&Origin::Created, kind_keeps),
        Some(origin) => UndoRule::of(origin, kind_keeps),
    };
    let concerned = rule != UndoRule::Keep(KeepReason::NothingWritten);
    concerned.then_some(PlannedUndo { item, rule, is_proven: origin.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_deletes_only_what_this_run_created_and_the_kind_does_not_keep() {
        let all = [
            (Origin::Created, UndoRule::Delete),
            (Origin::Updated, UndoRule::Keep(KeepReason::Updated)),
            (Origin::PreExisting, UndoRule::Keep(KeepReason::PreExisting)),
            (Origin::EarlierRun, UndoRule::Keep(KeepReason::EarlierRun)),
            (Origin::Unproven, UndoRule::Ask),
            (Origin::Deleted, UndoRule::Keep(KeepReason::Deleted)),
            (Origin::Observed, UndoRule::Keep(KeepReason::NothingWritten)),
            (Origin::Claimed, UndoRule::Keep(KeepReason::NothingWritten)),
        ];
        for (origin, rule) in all {
            assert_eq!(UndoRule::of(&origin, None), rule);
            let written = matches!(origin, Origin::Created | Origin::Updated);
            let kept = if written { UndoRule::Keep(KeepReason::Kind("why")) } else { rule };
            assert_eq!(UndoRule::of(&origin, Some("why")), kept, "a kind keeps what the run wrote");
        }
    }
}
