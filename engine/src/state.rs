//! The state of a run: folded from its events and never stored separately.
//!
//! ```text
//! RunStarted ─▶ items (steps, headings, collections) with counts of unmet needs
//!     event ──▶ StepState::next, notes ──▶ graph: who may begin now ──▶ agenda: what is due and when
//! ```

pub(crate) mod agenda;
mod folding;
pub(crate) mod graph;
mod guards;
pub(crate) mod item;
pub(crate) mod moment;
mod needs;
pub(crate) mod record;
mod reopening;
pub(crate) mod requests;
pub(crate) mod scope;
pub(crate) mod slots;
pub(crate) mod status;
pub(crate) mod step_state;
pub(crate) mod undo_order;
pub(crate) mod verified;
pub(crate) mod view;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use twinspan_plans::{NodeId, Plan};

use crate::event::{Event, Outcome, RunStarted};
use crate::guards::{Guard, Guards};
use crate::ids::ClaimKey;
use crate::ids::{Epoch, RunId, Seq, SignalId, StepKey};
use crate::observation::Marker;
use crate::rollout::{CreatedBy, Rollout, resource};
use crate::signal::Actor;
use crate::state::agenda::Agenda;
use crate::state::graph::Task;
use crate::state::item::{Item, ItemId};
use crate::state::moment::Moment;
use crate::state::requests::Requests;
use crate::state::status::Tally;
use crate::state::undo_order::UndoOrder;

pub use crate::state::folding::fold;
pub use crate::state::item::BlockState;
pub use crate::state::record::Stated;
pub use crate::state::slots::HaltedBlock;
pub use crate::state::status::RunStatus;
pub use crate::state::step_state::{Absence, Direction, Proof, StepState, Waiting};
pub use crate::state::verified::Verified;
pub use crate::state::view::{Counts, ItemKind, ItemView, OpenWait};

/// Default limit of phases of one run that are performed at the same time.
const PERFORMS: usize = 16;

/// The state of a run.
#[derive(Debug)]
pub struct RunState {
    plan: Arc<Plan>,
    head: Option<Head>,
    control: Control,
    epoch: Epoch,
    driver: Option<String>,
    program: Option<String>,
    seq: Seq,
    /// The boot-time clock at the last event, since this driver took the run; zero while a journal is only read.
    boot: Duration,
    /// When the last driver took the run.
    took: Option<(Seq, Timestamp)>,
    started: Option<Timestamp>,
    changed: Option<Timestamp>,
    outcome: Option<Outcome>,
    items: Vec<Item>,
    by_key: HashMap<StepKey, ItemId>,
    by_node: HashMap<(Option<ItemId>, NodeId), ItemId>,
    roots: Vec<ItemId>,
    /// Items of the top level that are not met.
    roots_left: usize,
    agenda: Agenda,
    tally: Tally,
    todo: Vec<Task>,
    /// Collections that may have a free slot.
    pumps: BTreeSet<ItemId>,
    signals: HashSet<SignalId>,
    undo: UndoOrder,
    search: Search,
    /// When a deletion of this run was last proven.
    removed: Option<Moment>,
    /// When the run became active: a driver took it, or a pause ended.
    awake: Option<Moment>,
    foreign: HashMap<ClaimKey, RunId>,
    /// Steps of this run by their claims.
    claimants: HashMap<ClaimKey, Vec<ItemId>>,
    /// What ended runs of the same key created, by kind and claims; the newest run wins.
    earlier: HashMap<(String, Vec<ClaimKey>), CreatedBy>,
    /// The short ids of those runs, as used in markers.
    earlier_runs: Arc<HashSet<String>>,
    performs: usize,
    /// Steps that are being repaired and are not done again.
    reopened: BTreeSet<ItemId>,
    /// The goal and outcome before single steps of an ended run are undone.
    pruning: Option<(Goal, Outcome)>,
    /// A write was sent, or was about to be sent.
    wrote: bool,
    /// The last verification of all proven steps.
    verified: Option<Verified>,
    /// Steps that it found drifted, and that were not proven since.
    drifted: BTreeSet<ItemId>,
}

/// The start of the run.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) started: RunStarted,
    pub(crate) run_id: String,
    /// Guards of the steps that were not done when this process first evaluated them.
    pub(crate) guards: OnceLock<Arc<[Guard]>>,
}

/// The operator's instructions, as opposed to the state of the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The goal of the run.
    pub goal: Goal,
    /// Set: no new request is sent until the run is resumed.
    pub pause: Option<Pause>,
    /// Set when a pause or cancel is acknowledged: the steps whose writes were in flight then.
    pub fence: Option<BTreeSet<StepKey>>,
    /// The run had been cancelled before its undo was requested: it cannot go forward again.
    pub cancelled: bool,
}

/// The goal of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// Reach the plan's end.
    #[default]
    Finish,
    /// End early: no further step begins.
    Cancel,
    /// Undo.
    Undo,
}

/// The search for unrecorded resources before an undo.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Search {
    /// Not needed: every step is accounted for.
    #[default]
    None,
    /// Nothing is undone before it is finished.
    Due,
    /// Finished; these steps could not be checked, and why.
    Done(Vec<(StepKey, String)>),
}

/// The pause of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An event does not fit the state: the journal is damaged, or a rule has a bug.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("event {event} is not possible for {item} in state {state}")]
pub struct IllegalTransition {
    /// The step or the run.
    pub item: String,
    /// Name of its state.
    pub state: &'static str,
    /// Name of the event.
    pub event: &'static str,
}

impl RunState {
    /// The guards that must hold before the run's first write.
    pub(crate) fn guards(&self) -> Option<Guards> {
        let all = self.head.as_ref()?.guards.get_or_init(|| guards::of(self));
        Some(Guards { all: Arc::clone(all), wrote: self.wrote })
    }

    /// A run of `plan` before its first event.
    pub fn new(plan: Arc<Plan>) -> Self {
        RunState {
            plan,
            head: None,
            control: Control::default(),
            epoch: Epoch::default(),
            driver: None,
            program: None,
            seq: Seq::default(),
            boot: Duration::ZERO,
            took: None,
            started: None,
            changed: None,
            outcome: None,
            items: Vec::new(),
            by_key: HashMap::new(),
            by_node: HashMap::new(),
            roots: Vec::new(),
            roots_left: 0,
            agenda: Agenda::default(),
            tally: Tally::default(),
            todo: Vec::new(),
            pumps: BTreeSet::new(),
            signals: HashSet::new(),
            undo: UndoOrder::default(),
            search: Search::default(),
            removed: None,
            awake: None,
            foreign: HashMap::new(),
            claimants: HashMap::new(),
            earlier: HashMap::new(),
            earlier_runs: Arc::default(),
            performs: PERFORMS,
            reopened: BTreeSet::new(),
            pruning: None,
            wrote: false,
            verified: None,
            drifted: BTreeSet::new(),
        }
    }

    /// Sets the limit of phases that are performed at the same time.
    #[must_use]
    pub fn with_performs(mut self, performs: usize) -> Self {
        self.performs = performs.max(1);
        self
    }

    /// Sets the claims of other live runs. They are not part of this run's journal: the driver sets them whenever the table
    /// of claims has changed, before it calls [`crate::decide`] or [`crate::interpret`]; a step that would claim one of them
    /// waits. Two drivers can still race for a claim: then the journal refuses the commit of `Intended`, and the driver
    /// begins again from the run's journal.
    pub fn set_foreign_claims(&mut self, claims: HashMap<ClaimKey, RunId>) {
        self.foreign = claims;
    }

    /// Another step of this run that has sent a change with one of these claims, not proven yet.
    pub(crate) fn claimed_within(&self, claims: &[ClaimKey], by: &StepKey) -> Option<&StepKey> {
        let holds = |id: &ItemId| {
            let item = self.item(*id);
            let state = item.step().map(|record| &record.state)?;
            (item.key != *by && state.is_changing()).then_some(&item.key)
        };
        claims.iter().filter_map(|claim| self.claimants.get(claim)).flatten().find_map(holds)
    }

    /// Whether a step of this run with one of these claims has sent something, as far as the journal knows.
    pub(crate) fn has_written(&self, claims: &[ClaimKey]) -> bool {
        let items = claims.iter().filter_map(|claim| self.claimants.get(claim)).flatten();
        items.filter_map(|id| self.item(*id).step()).any(|record| record.attempts > 0 && !record.lost)
    }

    /// Whether undo must wait for the search.
    pub(crate) fn search_is_due(&self) -> bool {
        self.search == Search::Due
    }

    /// Steps that the search before an undo could not check, and why.
    pub fn unchecked(&self) -> &[(StepKey, String)] {
        match &self.search {
            Search::Done(unchecked) => unchecked,
            Search::None | Search::Due => &[],
        }
    }

    /// Steps whose resource carries this run's marker without an intent in the journal: the journal lost its last entries.
    pub fn lost(&self) -> impl Iterator<Item = &StepKey> {
        self.items.iter().filter(|item| item.step().is_some_and(|record| record.lost)).map(|item| &item.key)
    }

    /// Unsettled requests on these claims, of steps of this run other than `by`.
    pub(crate) fn requests_on<'s>(
        &'s self,
        claims: impl Iterator<Item = &'s ClaimKey> + 's,
        by: &'s StepKey,
    ) -> impl Iterator<Item = &'s Requests> + 's {
        let others = claims.filter_map(|claim| self.claimants.get(claim)).flatten();
        let items = others.map(|id| self.item(*id)).filter(move |item| item.key != *by);
        items.filter_map(|item| Some(&item.step()?.requests))
    }

    /// All current claims of this run.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimKey> {
        self.items.iter().filter_map(Item::step).flat_map(|record| record.claims.iter())
    }

    pub(crate) fn foreign_claim(&self, claims: &[ClaimKey]) -> Option<RunId> {
        claims.iter().find_map(|claim| self.foreign.get(claim).copied())
    }

    /// When a deletion of this run was last proven.
    pub(crate) fn removed_at(&self) -> Option<Duration> {
        self.removed.map(|at| at.boot)
    }

    /// Since when this run is active. It does not know what happened to other runs before.
    pub(crate) fn awake_since(&self) -> Option<Duration> {
        self.awake.map(|at| at.boot)
    }

    /// How many phases may be performed at the same time.
    pub(crate) fn performs(&self) -> usize {
        self.performs
    }

    /// Items about which `decide` has something to record.
    pub(crate) fn records(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.agenda.records()
    }

    /// Steps that are due, in the order in which they became so.
    pub(crate) fn due(&self, now: Duration) -> impl Iterator<Item = ItemId> + '_ {
        self.agenda.due(now)
    }

    /// When the next step becomes due.
    pub(crate) fn next_due(&self, now: Duration) -> Option<Duration> {
        self.agenda.next_after(now)
    }

    /// Intents whose outcome is not known: step, direction, attempt.
    pub(crate) fn intents(&self) -> impl Iterator<Item = (&StepKey, Direction, u32)> {
        self.tally.intended.iter().filter_map(|id| {
            let item = self.item(*id);
            match &item.step()?.state {
                StepState::Intended { direction, attempt, .. } => Some((&item.key, *direction, *attempt)),
                _ => None,
            }
        })
    }

    /// Claim keys of what this run created: of writes whose probe found nothing.
    pub(crate) fn created(&self) -> Vec<ClaimKey> {
        let records = self.items.iter().filter_map(|item| item.step());
        let records = records.filter(|record| record.ownership.owed && record.ownership.was_absent);
        records.flat_map(|record| record.claims.iter().cloned()).collect()
    }

    /// Items that move, wait, have failed, or need a decision.
    pub(crate) fn restless(&self) -> Vec<ItemId> {
        let tally = &self.tally;
        let sets = [&tally.working, &tally.waiting, &tally.failed, &tally.undecided, &tally.stopped];
        sets.into_iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Steps in progress without a write of open outcome, once unsent intents are withdrawn.
    pub(crate) fn begun_without_write(&self, in_flight: &[StepKey]) -> Vec<ItemId> {
        let sent = |key: &StepKey| in_flight.contains(key);
        let tally = &self.tally;
        let sets = [&tally.working, &tally.waiting, &tally.undecided];
        let under_way = sets.into_iter().flatten().copied().collect::<BTreeSet<_>>();
        under_way
            .into_iter()
            .filter(|id| {
                let item = self.item(*id);
                item.step().is_some_and(|record| match &record.state {
                    StepState::Intended { .. } => !sent(&item.key),
                    state => !state.is_open_attempt(),
                })
            })
            .collect()
    }

    /// Skipped steps without outputs, although others read their outputs.
    pub(crate) fn withheld(&self) -> Vec<ItemId> {
        let ids = (0..self.items.len()).map(|index| ItemId(u32::try_from(index).unwrap_or(u32::MAX)));
        ids.filter(|id| {
            let item = self.item(*id);
            let skipped = matches!(
                item.step().map(|record| &record.state),
                Some(StepState::Skipped { output: None, .. })
            );
            skipped && !item.dependents.is_empty()
        })
        .collect()
    }

    pub(crate) fn rollout(&self) -> Option<&Rollout> {
        self.head.as_ref().map(|head| &head.started.rollout)
    }

    /// The ended run of the same key that created the resource with these claims.
    pub(crate) fn created_earlier(&self, kind: &str, claims: &[ClaimKey]) -> Option<&CreatedBy> {
        if self.earlier.is_empty() {
            return None;
        }
        self.earlier.get(&resource(kind, claims)?)
    }

    /// Whether a marker names an ended run of the same key.
    pub(crate) fn is_earlier_run(&self, short: &str) -> bool {
        self.earlier_runs.contains(short)
    }

    /// Ended runs of the same key, as markers name them.
    pub(crate) fn earlier_runs(&self) -> Arc<HashSet<String>> {
        Arc::clone(&self.earlier_runs)
    }

    pub(crate) fn is_earlier_marker(&self, marker: &Marker) -> bool {
        matches!(marker, Marker::Of(run) if self.is_earlier_run(run))
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    pub(crate) fn item(&self, id: ItemId) -> &Item {
        &self.items[id.0 as usize]
    }

    pub(crate) fn item_mut(&mut self, id: ItemId) -> &mut Item {
        &mut self.items[id.0 as usize]
    }

    pub(crate) fn lookup(&self, key: &StepKey) -> Option<ItemId> {
        self.by_key.get(key).copied()
    }

    /// How the run had ended, if only single steps of it are being undone now.
    pub fn pruning(&self) -> Option<Outcome> {
        self.pruning.map(|(_, outcome)| outcome)
    }

    pub(crate) fn knows_signal(&self, id: SignalId) -> bool {
        self.signals.contains(&id)
    }

    /// Whether steps may begin and requests may be sent.
    pub(crate) fn may_send(&self) -> bool {
        self.outcome.is_none() && self.control.pause.is_none() && self.control.goal != Goal::Cancel
    }
}

impl Event {
    /// The event's name, stable for machines; for a step's event, the name of that event.
    pub fn name(&self) -> &'static str {
        match self {
            Event::RunStarted(_) => "run-started",
            Event::DriverTook { .. } => "driver-took",
            Event::Expanded { .. } => "expanded",
            Event::ConditionFalse { .. } => "condition-false",
            Event::Step { event, .. } => event.name(),
            Event::SignalTaken { .. } => "signal-taken",
            Event::Acknowledged { .. } => "acknowledged",
            Event::Verified { .. } => "verified",
            Event::Searched { .. } => "searched",
            Event::RunEnded { .. } => "run-ended",
        }
    }
}
