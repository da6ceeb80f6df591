//! Where a run stands: folded from its events, never stored as a second truth.
//!
//! ```text
//! RunStarted ─▶ items (steps, headings, collections) with counts of unmet needs
//!     event ──▶ StepState::next, notes ──▶ graph: who may begin now ──▶ agenda: what is due and when
//! ```

pub(crate) mod agenda;
mod folding;
pub(crate) mod graph;
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
use crate::ids::{Epoch, RunId, Seq, SignalId, StepKey};
use crate::rollout::{CreatedBy, Rollout, resource};
use crate::signal::Actor;
use crate::state::agenda::Agenda;
use crate::state::graph::Task;
use crate::state::item::{Item, ItemId};
use crate::state::moment::Moment;
use crate::state::requests::Requests;
use crate::state::status::Tally;
use crate::state::undo_order::UndoOrder;
use crate::step::{ClaimKey, Marker};

pub use crate::state::folding::fold;
pub use crate::state::item::BlockState;
pub use crate::state::record::Stated;
pub use crate::state::slots::HaltedBlock;
pub use crate::state::status::RunStatus;
pub use crate::state::step_state::{Absence, Proof, StepState, Waiting, Way};
pub use crate::state::verified::Verified;
pub use crate::state::view::{Counts, ItemKind, ItemView, OpenWait};

/// How many phases of one run are performed at the same time, unless told otherwise.
const PERFORMS: usize = 16;

/// Where a run stands.
#[derive(Debug)]
pub struct RunState {
    plan: Arc<Plan>,
    head: Option<Head>,
    control: Control,
    epoch: Epoch,
    driver: Option<String>,
    program: Option<String>,
    seq: Seq,
    /// The boot-time clock at the last event, since this driver took the run; zero while a journal is read.
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
    /// Items at the top that are not met.
    roots_left: usize,
    agenda: Agenda,
    tally: Tally,
    todo: Vec<Task>,
    /// Collections that may have a slot to give.
    pumps: BTreeSet<ItemId>,
    signals: HashSet<SignalId>,
    undo: UndoOrder,
    search: Search,
    /// When something of this run was last proven gone.
    removed: Option<Moment>,
    /// Since when it moves: a driver took it, or a pause ended.
    awake: Option<Moment>,
    foreign: HashMap<ClaimKey, RunId>,
    /// Steps of this run by what they claim.
    claimants: HashMap<ClaimKey, Vec<ItemId>>,
    /// What ended runs of the same key created, by kind and claims; the newest run wins.
    earlier: HashMap<(String, Vec<ClaimKey>), CreatedBy>,
    /// Their names in markers.
    earlier_runs: Arc<HashSet<String>>,
    performs: usize,
    /// Steps that are being repaired and do not stand again.
    reopened: BTreeSet<ItemId>,
    /// Single steps are being undone: how the run had ended before.
    pruning: Option<(Goal, Outcome)>,
    /// Something was sent, or was about to be.
    wrote: bool,
    /// The last look at everything that is in place.
    verified: Option<Verified>,
    /// Steps that it found drifted, and that were not proven since.
    drifted: BTreeSet<ItemId>,
}

/// How the run began.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) started: RunStarted,
    pub(crate) run_id: String,
    /// Guards of the steps that were not done when this process first asked.
    pub(crate) guards: OnceLock<Arc<[Guard]>>,
}

/// What the operator wants, apart from what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Where the run is to go.
    pub goal: Goal,
    /// Nothing more is sent, until resumed.
    pub pause: Option<Pause>,
    /// Pause or cancel is in force since this was acknowledged: the writes that were on their way then.
    pub fence: Option<BTreeSet<StepKey>>,
    /// The run had been cancelled when its undo was asked for: there is no way forward from there.
    pub cancelled: bool,
}

/// Where a run is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// To the plan's end.
    #[default]
    Finish,
    /// To an early end: nothing begins any more.
    Cancel,
    /// Back.
    Undo,
}

/// The search before an undo.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Search {
    /// There was none, as every step is accounted for.
    #[default]
    None,
    /// Nothing is undone before it.
    Due,
    /// Steps that could not be checked, and why.
    Done(Vec<(StepKey, String)>),
}

/// Who paused a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An event does not fit the state: the journal is damaged, or a rule has a mistake.
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
    /// What must hold before its first write.
    pub(crate) fn guards(&self) -> Option<Guards> {
        let all = self.head.as_ref()?.guards.get_or_init(|| crate::guards::of(self));
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

    /// Sets how many phases may be performed at the same time.
    #[must_use]
    pub fn with_performs(mut self, performs: usize) -> Self {
        self.performs = performs.max(1);
        self
    }

    /// What other live runs claim. It is not part of the journal of this run: the driver sets it whenever the table
    /// of claims has changed, before it calls [`crate::decide`] or [`crate::interpret`]; a step that would claim one of
    /// them waits. Two drivers can still race for a claim: then the journal refuses the commit of `Intended`, and the
    /// driver appends the event of [`crate::claim_clash`] instead.
    pub fn set_foreign_claims(&mut self, claims: HashMap<ClaimKey, RunId>) {
        self.foreign = claims;
    }

    /// Another step of this run that has sent a change of one of these, and has not proven it yet.
    pub(crate) fn claimed_within(&self, claims: &[ClaimKey], by: &StepKey) -> Option<&StepKey> {
        let holds = |id: &ItemId| {
            let item = self.item(*id);
            let state = item.step().map(|record| &record.state)?;
            (item.key != *by && state.is_changing()).then_some(&item.key)
        };
        claims.iter().filter_map(|claim| self.claimants.get(claim)).flatten().find_map(holds)
    }

    /// Whether a step of this run that changes one of these has sent something, as far as the journal knows.
    pub(crate) fn has_written(&self, claims: &[ClaimKey]) -> bool {
        let items = claims.iter().filter_map(|claim| self.claimants.get(claim)).flatten();
        items.filter_map(|id| self.item(*id).step()).any(|record| record.attempts > 0 && !record.lost)
    }

    /// Whether nothing may be undone before the search.
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

    /// Requests that may still take effect on one of these, of steps of this run other than `by`.
    pub(crate) fn requests_on<'s>(
        &'s self,
        claims: impl Iterator<Item = &'s ClaimKey> + 's,
        by: &'s StepKey,
    ) -> impl Iterator<Item = &'s Requests> + 's {
        let others = claims.filter_map(|claim| self.claimants.get(claim)).flatten();
        let items = others.map(|id| self.item(*id)).filter(move |item| item.key != *by);
        items.filter_map(|item| Some(&item.step()?.requests))
    }

    /// Everything that this run claims against others, now.
    pub fn claims(&self) -> impl Iterator<Item = &ClaimKey> {
        self.items.iter().filter_map(Item::step).flat_map(|record| record.claims.iter())
    }

    pub(crate) fn foreign_claim(&self, claims: &[ClaimKey]) -> Option<RunId> {
        claims.iter().find_map(|claim| self.foreign.get(claim).copied())
    }

    /// When something of this run was last proven gone.
    pub(crate) fn removed_at(&self) -> Option<Duration> {
        self.removed.map(|at| at.boot)
    }

    /// Since when this run moves; what happened to other runs while it did not, it has not seen.
    pub(crate) fn awake_since(&self) -> Option<Duration> {
        self.awake.map(|at| at.boot)
    }

    /// How many phases may be performed at the same time.
    pub(crate) fn performs(&self) -> usize {
        self.performs
    }

    /// Items about which something is to be recorded.
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
    pub(crate) fn intents(&self) -> impl Iterator<Item = (&StepKey, Way, u32)> {
        self.tally.intended.iter().filter_map(|id| {
            let item = self.item(*id);
            match &item.step()?.state {
                StepState::Intended { way, attempt, .. } => Some((&item.key, *way, *attempt)),
                _ => None,
            }
        })
    }

    /// Normalised ids of what this run created, as far as its writes found nothing there.
    pub(crate) fn created(&self) -> Vec<ClaimKey> {
        let records = self.items.iter().filter_map(|item| item.step());
        let records = records.filter(|record| record.ownership.owed && record.ownership.was_absent);
        records.flat_map(|record| record.claims.iter().cloned()).collect()
    }

    /// Items that are not at rest: what moves, waits, has failed, or needs a person.
    pub(crate) fn restless(&self) -> Vec<ItemId> {
        let tally = &self.tally;
        let sets = [&tally.working, &tally.waiting, &tally.failed, &tally.undecided, &tally.stopped];
        sets.into_iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Steps that are under way and have no write whose outcome is open, once what was not sent is withdrawn.
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

    /// Steps that were left out without outputs which others read.
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

    /// Whether only single steps of a run that had ended are being undone, and how it had ended.
    pub fn pruning(&self) -> Option<Outcome> {
        self.pruning.map(|(_, outcome)| outcome)
    }

    pub(crate) fn knows_signal(&self, id: SignalId) -> bool {
        self.signals.contains(&id)
    }

    /// Whether new work may begin or be sent.
    pub(crate) fn may_send(&self) -> bool {
        self.outcome.is_none() && self.control.pause.is_none() && self.control.goal != Goal::Cancel
    }
}

impl Event {
    /// Its name: stable, for machines. For a step's event: that event's name.
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
