//! The readable view of a run: its outline in plan order, each step's state and history, counts, waits.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use twinspan_plans::{Digest, Ensure, Inputs, Node, NodeId, Plan};

use crate::event::{Origin, Outcome};
use crate::failure::StepError;
use crate::identity::{ActedAs, Identity};
use crate::ids::ClaimKey;
use crate::ids::{Epoch, RunId, Seq, StepKey};
use crate::observation::Evidence;
use crate::signal::Actor;
use crate::signal::Approval;
use crate::state::item::{Item, ItemId, Role};
use crate::state::record::{Stated, StepRecord};
use crate::state::step_state::{Direction, Proof, StepState};
use crate::state::{BlockState, Control, RunState};
use crate::wait::Wait;

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A step, or one element of a `for_each` step.
    Step,
    /// A block without `for_each`.
    Heading,
    /// A `for_each`, around its elements.
    Collection,
    /// One element of a `for_each` block.
    Element,
}

/// A read-only view of one item.
#[derive(Clone, Copy, Debug)]
pub struct ItemView<'a> {
    state: &'a RunState,
    id: ItemId,
    depth: usize,
}

/// Number of steps by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that are known (elements of a `for_each` only once it is expanded).
    pub steps: usize,
    /// With an unmet need.
    pub pending: usize,
    /// Continuing by themselves.
    pub working: usize,
    /// Waiting for something outside the run.
    pub waiting: usize,
    /// In need of a decision.
    pub undecided: usize,
    /// Unchanged: found as wanted, or only read.
    pub unchanged: usize,
    /// Done: the effect is proven.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped by an operator.
    pub skipped: usize,
    /// Skipped because the condition is false.
    pub condition_false: usize,
    /// Cancelled.
    pub cancelled: usize,
    /// Undone.
    pub undone: usize,
    /// Kept by undo.
    pub kept: usize,
    /// Undo stopped.
    pub undo_stopped: usize,
    /// Writes whose outcome is not proven (also counted above).
    pub uncertain: usize,
}

/// An open wait.
#[derive(Clone, Copy, Debug)]
pub struct OpenWait<'a> {
    /// The step that waits.
    pub step: ItemView<'a>,
    /// What it waits for, and who can end it.
    pub wait: &'a Wait,
    /// Since when.
    pub since: Timestamp,
    /// When the next check is due.
    pub next_check: Timestamp,
    /// When the wait times out; `None`: never.
    pub deadline: Option<Timestamp>,
}

impl RunState {
    /// Its plan.
    pub fn plan(&self) -> &std::sync::Arc<Plan> {
        &self.plan
    }

    /// Its id; `None` before its first event.
    pub fn run(&self) -> Option<RunId> {
        self.head.as_ref().map(|head| head.started.run)
    }

    /// The plan's name, as it was when the run began.
    pub fn name(&self) -> &str {
        self.head.as_ref().map_or(&self.plan.name, |head| &head.started.name)
    }

    /// Who started it.
    pub fn starter(&self) -> Option<&Actor> {
        self.head.as_ref().map(|head| &head.started.starter)
    }

    /// Digest of the plan's text.
    pub fn plan_digest(&self) -> Option<Digest> {
        self.head.as_ref().map(|head| head.started.plan)
    }

    /// Its inputs; secrets are references.
    pub fn inputs(&self) -> Option<&Inputs> {
        self.head.as_ref().map(|head| &head.started.inputs)
    }

    /// Seed of every random choice.
    pub fn seed(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.started.seed)
    }

    /// When it was created.
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// When its last event happened.
    pub fn changed(&self) -> Option<Timestamp> {
        self.changed
    }

    /// Position of its last event.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Number of drivers that have taken it so far.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Host and process of its last driver.
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// Version of the program that drove it last.
    pub fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }

    /// The operator's instructions.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Whether it is being undone and has not ended.
    pub fn is_undone_now(&self) -> bool {
        self.control.goal == crate::state::Goal::Undo && self.outcome.is_none()
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// All items in the order of the plan, blocks before their contents.
    pub fn outline(&self) -> Vec<ItemView<'_>> {
        let mut all = Vec::with_capacity(self.items.len());
        let mut open: Vec<(ItemId, usize)> = self.roots.iter().rev().map(|id| (*id, 0)).collect();
        while let Some((id, depth)) = open.pop() {
            all.push(ItemView { state: self, id, depth });
            match &self.item(id).role {
                Role::Step(_) => {}
                Role::Group { children, .. } => {
                    open.extend(children.iter().rev().map(|child| (*child, depth + 1)));
                }
                Role::Collection(collection) => {
                    open.extend(collection.instances.values().rev().map(|child| (*child, depth + 1)));
                }
            }
        }
        all
    }

    /// Every step, in the order of the plan.
    pub fn steps(&self) -> impl Iterator<Item = ItemView<'_>> {
        self.outline().into_iter().filter(|item| item.kind() == ItemKind::Step)
    }

    /// The step or block of this name.
    pub fn find(&self, key: &StepKey) -> Option<ItemView<'_>> {
        self.lookup(key).map(|id| self.view(id))
    }

    pub(crate) fn view(&self, id: ItemId) -> ItemView<'_> {
        let mut depth = 0;
        let mut at = self.item(id).parent;
        while let Some(parent) = at {
            depth += 1;
            at = self.item(parent).parent;
        }
        ItemView { state: self, id, depth }
    }

    /// All open waits, in the order of the plan.
    pub fn waits(&self) -> Vec<OpenWait<'_>> {
        self.steps().filter_map(ItemView::open_wait).collect()
    }

    /// Number of steps by state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in self.items.iter().filter_map(Item::step) {
            counts.steps += 1;
            counts.uncertain += usize::from(record.state.is_open_attempt());
            let place = match &record.state {
                StepState::Pending => &mut counts.pending,
                StepState::ConditionFalse => &mut counts.condition_false,
                state if state.is_working() => &mut counts.working,
                state if state.wait().is_some() => &mut counts.waiting,
                StepState::NeedsDecision { .. } => &mut counts.undecided,
                StepState::Unchanged(_) => &mut counts.unchanged,
                StepState::Done(_) => &mut counts.done,
                StepState::Failed { .. } => &mut counts.failed,
                StepState::Skipped { .. } => &mut counts.skipped,
                StepState::Cancelled => &mut counts.cancelled,
                StepState::Undone(_) => &mut counts.undone,
                StepState::Kept { .. } => &mut counts.kept,
                StepState::UndoStopped { .. } => &mut counts.undo_stopped,
                _ => &mut counts.working,
            };
            *place += 1;
        }
        counts
    }
}

impl<'a> ItemView<'a> {
    fn item(self) -> &'a Item {
        self.state.item(self.id)
    }

    pub(crate) fn record(self) -> Option<&'a StepRecord> {
        self.item().step()
    }

    /// Its name in the run.
    pub fn key(self) -> &'a StepKey {
        &self.item().key
    }

    /// Its nesting depth; the top level is 0.
    pub fn depth(self) -> usize {
        self.depth
    }

    /// Its kind.
    pub fn kind(self) -> ItemKind {
        match &self.item().role {
            Role::Step(_) => ItemKind::Step,
            Role::Collection(_) => ItemKind::Collection,
            Role::Group { .. } if self.item().is_element => ItemKind::Element,
            Role::Group { .. } => ItemKind::Heading,
        }
    }

    /// Its node in the plan.
    pub fn node_id(self) -> NodeId {
        self.item().node
    }

    /// Its definition in the plan.
    pub fn node(self) -> &'a Node {
        self.state.plan.node(self.item().node)
    }

    /// Its title, else its id.
    pub fn title(self) -> &'a str {
        let node = self.node();
        node.title.as_deref().unwrap_or(&node.id)
    }

    /// The step kind (`uses`); `None` for blocks.
    pub fn uses(self) -> Option<&'a str> {
        match self.kind() {
            ItemKind::Step => self.node().step().map(|step| step.uses.as_str()),
            _ => None,
        }
    }

    /// The block that contains it.
    pub fn parent(self) -> Option<ItemView<'a>> {
        self.item().parent.map(|parent| self.state.view(parent))
    }

    /// Key and value, for an element of a `for_each`.
    pub fn element(self) -> Option<(&'a str, &'a Value)> {
        let item = self.item();
        item.path.each(0).filter(|_| item.is_element)
    }

    /// A step's state; `None` for blocks.
    pub fn state(self) -> Option<&'a StepState> {
        self.item().step().map(|record| &record.state)
    }

    /// A block's state; `None` for steps.
    pub fn block_state(self) -> Option<&'a BlockState> {
        self.item().block_state()
    }

    /// Whether it, or everything in it, is done.
    pub fn is_met(self) -> bool {
        self.item().met.is_some()
    }

    /// When its needs were met.
    pub fn since(self) -> Option<Timestamp> {
        self.item().begun.map(|(at, _)| at)
    }

    /// The unmet needs that prevent it from beginning: its own and those of the blocks around it.
    pub fn waits_for(self) -> Vec<&'a StepKey> {
        let open = |id: &&ItemId| self.state.item(**id).met.is_none() || self.state.reopened.contains(id);
        let mut found: Vec<ItemId> = Vec::new();
        let mut at = Some(self.item());
        while let Some(item) = at.filter(|item| item.block_state() != Some(&BlockState::Open)) {
            found.extend(item.targets.iter().chain(&item.gates).filter(open).copied());
            at = item.parent.map(|parent| self.state.item(parent));
        }
        let mut seen = BTreeSet::new();
        found.retain(|id| seen.insert(*id));
        found.into_iter().map(|id| &self.state.item(id).key).collect()
    }

    /// The `for_each` block whose slot (`parallel`, `halt_after`) it waits for, if it waits for nothing else.
    pub fn waits_for_slot_of(self) -> Option<&'a StepKey> {
        self.state.slot_of(self.id)
    }

    /// Number of writes intended so far.
    pub fn attempts(self) -> u32 {
        self.item().step().map_or(0, |record| record.attempts)
    }

    /// Number of failures in a row.
    pub fn failures(self) -> u32 {
        self.item().step().map_or(0, |record| record.failures.count)
    }

    /// Its outputs, as others read them; kept after undo.
    pub fn outputs(self) -> Option<&'a Value> {
        let record = self.item().step()?;
        record.output().or_else(|| record.proof.as_ref().map(|proof| &proof.output))
    }

    /// The last proof of its effect; kept after undo.
    pub fn proof(self) -> Option<&'a Proof> {
        self.item().step()?.proof.as_deref()
    }

    /// Who created the resource.
    pub fn origin(self) -> Option<&'a Origin> {
        match self.created_by() {
            Some(_) => Some(&Origin::EarlierRun),
            None => self.proof().map(|proof| &proof.origin),
        }
    }

    /// The ended run of the same key that created the proven resource and keeps it.
    pub fn created_by(self) -> Option<RunId> {
        let record = self.item().step()?;
        let (by, proof) = (record.created_earlier.as_ref()?, record.proof.as_ref()?);
        let found = matches!(proof.origin, Origin::PreExisting | Origin::EarlierRun);
        let there = self.node().step()?.ensure == Ensure::Present;
        (found && by.keeps(&proof.evidence.marker) && there).then_some(by.run)
    }

    /// The later run of the same key that updated what this step created.
    pub fn updated_since(self) -> Option<RunId> {
        self.item().step()?.updated_since
    }

    /// The proof of its state; after undo, the proof of absence.
    pub fn evidence(self) -> Option<&'a Evidence> {
        match self.state()? {
            StepState::Undone(evidence) => Some(evidence),
            _ => self.proof().map(|proof| &proof.evidence),
        }
    }

    /// The last error, unless the step has succeeded since.
    pub fn last_error(self) -> Option<&'a StepError> {
        let record = self.item().step();
        match (record, self.item().block_state()) {
            (Some(record), _) if !record.state.is_met() => record.last_error.as_deref(),
            (None, Some(BlockState::Failed(error))) => Some(error),
            _ => None,
        }
    }

    /// The approval that was given.
    pub fn approval(self) -> Option<&'a Approval> {
        self.item().step()?.approval.as_ref()
    }

    /// What only the response to its own write carried. Sensitive: shown, never exported.
    pub fn receipt(self) -> Option<&'a Value> {
        self.item().step()?.receipt.as_ref()
    }

    /// Its resolved parameters; `None`: a need is not met.
    pub fn params(self) -> Option<&'a Value> {
        self.item().step()?.call.as_ref().map(|call| &*call.params)
    }

    /// Its resolved identities; empty until its needs are met.
    pub fn identities(self) -> &'a [Identity] {
        let call = self.item().step().and_then(|record| record.call.as_ref());
        call.map_or(&[], |call| &call.identities)
    }

    /// Its claims against other runs.
    pub fn claims(self) -> &'a [ClaimKey] {
        self.item().step().map_or(&[], |record| &record.claims)
    }

    /// Whether the outcome of its last write is still unknown.
    pub fn is_unsettled(self) -> bool {
        self.item().step().is_some_and(|record| record.unsettled)
    }

    /// Whether undo has to probe it.
    pub fn is_owed(self) -> bool {
        self.item().step().is_some_and(|record| record.ownership.owed)
    }

    /// The identities that wrote and proved it, each once.
    pub fn acted_as(self) -> &'a [ActedAs] {
        self.item().step().map_or(&[], |record| &record.acted_as)
    }

    /// Outputs that a person stated: claims, until the step is proven.
    pub fn stated(self) -> Option<&'a BTreeMap<String, Stated>> {
        self.item().step().map(|record| &record.provided)
    }

    /// Observations during the step, oldest first.
    pub fn seen(self) -> &'a [(Timestamp, String)] {
        self.item().step().map_or(&[], |record| &record.seen)
    }

    /// When its next check or retry is due.
    pub fn next_look(self) -> Option<Timestamp> {
        self.state()?.due()
    }

    /// While absence is being confirmed: the reason, where more is known than that nothing was found.
    pub fn absence(self) -> Option<&'a str> {
        self.item().step()?.doubt.as_deref()
    }

    /// Whether this run sent a delete request for it that was accepted or has no known response.
    pub fn is_deleted(self) -> bool {
        self.item().step().is_some_and(|record| {
            record.ownership.removal_accepted || record.requests.last_delete().is_some()
        })
    }

    /// Whether its resource carries this run's marker without an intent in the journal.
    pub fn is_lost(self) -> bool {
        self.item().step().is_some_and(|record| record.lost)
    }

    /// Whether it is being undone, or was.
    pub fn is_back(self) -> bool {
        match self.state() {
            Some(StepState::Undone(_) | StepState::Kept { .. } | StepState::UndoStopped { .. }) => true,
            Some(state) => state.direction() == Some(Direction::Undo),
            None => false,
        }
    }

    /// Its open wait.
    pub fn open_wait(self) -> Option<OpenWait<'a>> {
        let state = self.state()?;
        let wait = state.wait()?;
        let (since, next_check, deadline) = match state {
            StepState::Waiting(waiting) => (waiting.since, waiting.next_check, waiting.deadline),
            StepState::Uncertain { ended, next_check, .. } => (*ended, *next_check, None),
            _ => return None,
        };
        Some(OpenWait { step: self, wait, since, next_check, deadline })
    }
}
