//! The order of undo: a step is undone only after everything that depends on it. The plan's graph of needs is walked
//! backwards, through blocks and through steps that created nothing.
//!
//! ```text
//! forward   target ─▶ reader          block opens ─▶ its items ─▶ block closes
//! undo      reader before target      (the same edges, reversed)
//! ```
//!
//! A kind can reverse one edge: [`crate::kind_meta::KindMeta::undo_before`] says that its steps are undone *before* certain kinds that
//! need them. Then everything that needs the later step is undone before both.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use twinspan_plans::Ensure;

use crate::ids::Seq;
use crate::state::RunState;
use crate::state::graph::Task;
use crate::state::item::{BlockState, Item, ItemId, Role, Verdict};
use crate::state::moment::Moment;
use crate::state::step_state::{Change, Direction, StepState};
use crate::state::view::ItemView;

/// The steps that undo still has to process.
#[derive(Debug, Default)]
pub(crate) struct UndoOrder {
    graph: Graph,
    /// Steps whose turn has come and whose undo has not begun: newest first.
    turn: BTreeSet<(Reverse<Seq>, ItemId)>,
    /// Steps that are not undone yet.
    left: BTreeSet<ItemId>,
}

impl UndoOrder {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The order for `left`; `begun` returns when an item's needs were met.
    fn new(graph: Graph, left: BTreeSet<ItemId>, begun: impl Fn(ItemId) -> Seq) -> Self {
        let free = graph.free();
        let mut order = UndoOrder { graph, turn: BTreeSet::new(), left };
        order.let_go(free, begun);
        order
    }

    /// Releases these nodes: a step that must be undone gets its turn, every other node is finished at once.
    fn let_go(&mut self, mut free: Vec<u32>, begun: impl Fn(ItemId) -> Seq) {
        while let Some(node) = free.pop() {
            let id = ItemId(node / 2);
            if node == closing(id) && self.left.contains(&id) {
                self.turn.insert((Reverse(begun(id)), id));
            } else {
                free.extend(self.graph.gone(node));
            }
        }
    }

    /// Removes a step from the order: it is undone, kept, or owes nothing.
    fn leave(&mut self, id: ItemId, begun: impl Fn(ItemId) -> Seq) {
        if self.left.remove(&id) {
            let free = self.graph.gone(closing(id));
            self.let_go(free, begun);
        }
    }
}

/// The edges of undo. Every item has two nodes, its opening and its closing. Undo reaches the closing first: there a step is
/// undone.
#[derive(Debug, Default)]
struct Graph {
    /// Nodes that may be released once this one is finished.
    behind: Vec<Vec<u32>>,
    /// Number of nodes that must finish before this one.
    ahead: Vec<u32>,
}

impl Graph {
    fn of_items(count: usize) -> Self {
        Graph { behind: vec![Vec::new(); 2 * count], ahead: vec![0; 2 * count] }
    }

    /// Adds an edge: forward, `later` comes after `earlier`; undo finishes it first.
    fn add(&mut self, earlier: u32, later: u32) {
        self.behind[later as usize].push(earlier);
        self.ahead[earlier as usize] += 1;
    }

    /// Finishes a node; returns the nodes that are released by it.
    fn gone(&mut self, node: u32) -> Vec<u32> {
        let behind = std::mem::take(&mut self.behind[node as usize]);
        let mut free = Vec::new();
        for earlier in behind {
            let ahead = &mut self.ahead[earlier as usize];
            *ahead = ahead.saturating_sub(1);
            if *ahead == 0 {
                free.push(earlier);
            }
        }
        free
    }

    /// Nodes that come before this one on the way forward.
    fn before(&self, node: u32) -> BTreeSet<u32> {
        let mut seen = BTreeSet::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            open.extend(self.behind[node as usize].iter().copied().filter(|earlier| seen.insert(*earlier)));
        }
        seen
    }

    /// Nodes without unfinished predecessors.
    fn free(&self) -> Vec<u32> {
        let nodes = self.ahead.iter().zip(0_u32..);
        nodes.filter(|(ahead, _)| **ahead == 0).map(|(_, node)| node).collect()
    }

    /// Whether every node is eventually released.
    fn is_acyclic(&self) -> bool {
        let mut rest = Graph { behind: self.behind.clone(), ahead: self.ahead.clone() };
        let mut open = rest.free();
        let mut seen = 0;
        while let Some(node) = open.pop() {
            seen += 1;
            open.extend(rest.gone(node));
        }
        seen == self.ahead.len()
    }
}

fn opening(id: ItemId) -> u32 {
    2 * id.0
}

fn closing(id: ItemId) -> u32 {
    2 * id.0 + 1
}

impl RunState {
    pub(crate) fn ids(&self) -> impl Iterator<Item = ItemId> + use<> {
        (0..u32::try_from(self.items.len()).unwrap_or(u32::MAX)).map(ItemId)
    }

    fn undo_graph(&self) -> Graph {
        let turned = self.turned();
        let graph = self.graph_with(&turned);
        // A plan can be written so that the rule of a kind contradicts its needs; then the needs win.
        if turned.is_empty() || graph.is_acyclic() { graph } else { self.graph_with(&HashMap::new()) }
    }

    /// Steps with a reversed edge, and the needed steps that are undone before them.
    fn turned(&self) -> HashMap<ItemId, Vec<ItemId>> {
        let mut turned: HashMap<ItemId, Vec<ItemId>> = HashMap::new();
        for id in self.ids() {
            let Some(later) = self.plan().node(self.item(id).node).step() else { continue };
            if self.item(id).step().is_none() {
                continue;
            }
            for target in &self.item(id).targets {
                let Some(earlier) = self.plan().node(self.item(*target).node).step() else { continue };
                if self.item(*target).step().is_some() && earlier.undo_before.contains(&later.uses) {
                    turned.entry(id).or_default().push(*target);
                }
            }
        }
        turned
    }

    fn graph_with(&self, turned: &HashMap<ItemId, Vec<ItemId>>) -> Graph {
        let mut graph = Graph::of_items(self.items.len());
        for id in self.ids() {
            let item = self.item(id);
            graph.add(opening(id), closing(id));
            if let Some(parent) = item.parent {
                graph.add(opening(parent), opening(id));
                graph.add(closing(id), closing(parent));
            }
            for target in &item.targets {
                let first = turned.get(target).into_iter().flatten();
                for before in first.filter(|before| **before != id) {
                    graph.add(closing(*before), opening(id));
                }
                if turned.get(&id).is_some_and(|before| before.contains(target)) {
                    graph.add(closing(id), opening(*target));
                } else {
                    graph.add(closing(*target), opening(id));
                }
            }
            // An item that needs the block around the later step depends on both.
            for before in turned.get(&id).into_iter().flatten() {
                let around = self.blocks_around(*before);
                for block in self.blocks_around(id).into_iter().filter(|block| !around.contains(block)) {
                    graph.add(closing(*before), closing(block));
                }
            }
        }
        graph
    }

    /// Items in levels by the plan's needs: an item needs only items of earlier levels.
    pub(crate) fn levels(&self) -> Vec<Vec<ItemId>> {
        let mut graph = self.graph_with(&HashMap::new());
        let mut levels = Vec::new();
        let mut free = graph.free();
        while !free.is_empty() {
            let closed = free.iter().map(|node| ItemId(node / 2)).filter(|id| free.contains(&closing(*id)));
            let mut level: Vec<ItemId> = closed.collect();
            level.sort_unstable();
            level.dedup();
            levels.push(level);
            free = free.into_iter().flat_map(|node| graph.gone(node)).collect();
        }
        levels.reverse();
        levels
    }

    /// Everything that must be done before each of `ids` begins.
    pub(crate) fn needed_by(&self, ids: &[ItemId]) -> Vec<BTreeSet<ItemId>> {
        let graph = self.graph_with(&HashMap::new());
        let closed = |node: &u32| (*node == closing(ItemId(node / 2))).then_some(ItemId(node / 2));
        ids.iter().map(|id| graph.before(opening(*id)).iter().filter_map(closed).collect()).collect()
    }

    fn blocks_around(&self, id: ItemId) -> Vec<ItemId> {
        let mut around = Vec::new();
        let mut at = self.item(id).parent;
        while let Some(block) = at {
            around.push(block);
            at = self.item(block).parent;
        }
        around
    }

    /// Determines what undo has to process; cancels everything else.
    pub(crate) fn begin_undo(&mut self, at: Moment) {
        let mut left = BTreeSet::new();
        for id in self.ids() {
            self.recorded(id);
            let Some(record) = self.item(id).step() else { continue };
            if record.ownership.owed {
                left.insert(id);
            } else {
                // A step that may have sent something is owed, so nothing open is cancelled here.
                let _fits = self.change(id, Change::NothingToTakeBack, at);
            }
        }
        self.undo = UndoOrder::new(self.undo_graph(), left, |id| begun(&self.items, id));
    }

    /// Steps that go forward again when the undo is called off: deleted, kept, stopped or cancelled by it.
    pub(crate) fn undone_items(&self) -> Vec<ItemId> {
        let back = |id: &ItemId| {
            self.item(*id).step().is_some_and(|record| match &record.state {
                StepState::Undone(_)
                | StepState::Kept { .. }
                | StepState::UndoStopped { .. }
                | StepState::Cancelled => true,
                state => state.direction() == Some(Direction::Undo),
            })
        };
        self.ids().filter(back).collect()
    }

    /// Calls the undo off: no further delete. Steps that could not begin during the undo may begin now.
    pub(crate) fn call_undo_off(&mut self) {
        self.undo = UndoOrder::default();
        // Their resources exist again only once they are done again: their dependents wait.
        self.reopened.extend(self.undone_items());
        let items: Vec<ItemId> = self.ids().collect();
        for id in items.into_iter().rev() {
            let item = self.item(id);
            if item.verdict.is_some() {
                continue;
            }
            match (&item.role, item.begun) {
                (_, None) if item.unmet == 0 => self.todo.push(Task::Begin(id)),
                (Role::Collection(collection), Some(_)) if collection.state == BlockState::Closed => {
                    self.judge(id, Verdict::Expand);
                }
                (Role::Collection(_), Some(_)) => drop(self.pumps.insert(id)),
                _ => {}
            }
        }
    }

    /// Begins the undo of these steps only, in a run that has ended; no other step moves.
    pub(crate) fn begin_undo_of(&mut self, steps: BTreeSet<ItemId>) {
        let owed = |id: &ItemId| {
            self.item(*id)
                .step()
                .is_some_and(|record| record.ownership.owed && !matches!(record.state, StepState::Undone(_)))
        };
        let left = steps.into_iter().filter(owed).collect();
        self.undo = UndoOrder::new(self.undo_graph(), left, |id| begun(&self.items, id));
    }

    /// Starts the undo of every step whose turn has come.
    pub(crate) fn pump_undo(&mut self, at: Moment) {
        loop {
            let ready = self.undo.turn.iter().copied().find(|(_, id)| {
                // A write of unknown outcome must be verified before its step is undone.
                self.item(*id).step().is_some_and(|record| !is_sent(&record.state))
            });
            let Some(turn) = ready else { return };
            self.undo.turn.remove(&turn);
            let id = turn.1;
            let owed = self.item_mut(id).step_mut().is_some_and(|record| {
                if record.ownership.owed {
                    record.begin_back(at);
                }
                record.ownership.owed
            });
            let removes =
                self.plan().node(self.item(id).node).step().is_some_and(|step| step.ensure == Ensure::Absent);
            if owed && removes {
                let _fits = self.change(id, Change::StaysRemoved, at);
                self.leave_undo(id);
            } else if owed {
                let _fits = self.change(id, Change::TakeBack, at);
            } else {
                let _fits = self.change(id, Change::NothingToTakeBack, at);
                self.leave_undo(id);
            }
        }
    }

    /// Updates the order after a step changed during undo.
    pub(crate) fn undo_moved(&mut self, id: ItemId) {
        let ended = self
            .item(id)
            .step()
            .is_some_and(|record| matches!(record.state, StepState::Undone(_) | StepState::Kept { .. }));
        if ended {
            self.leave_undo(id);
        }
    }

    fn leave_undo(&mut self, id: ItemId) {
        let items = &self.items;
        self.undo.leave(id, |id| begun(items, id));
    }

    /// The steps that undo has to probe, in its order where that is fixed; otherwise the newest first.
    pub fn undo_plan(&self) -> Vec<ItemView<'_>> {
        let owed = self.ids().filter(|id| {
            self.item(*id).step().is_some_and(|record| {
                record.ownership.owed
                    && !matches!(record.state, StepState::Undone(_) | StepState::Kept { .. })
            })
        });
        let begun = |id| begun(&self.items, id);
        let mut order = UndoOrder::new(self.undo_graph(), owed.collect(), begun);
        let mut plan = Vec::new();
        while let Some((_, id)) = order.turn.pop_first() {
            plan.push(self.view(id));
            order.leave(id, begun);
        }
        plan
    }
}

/// When the needs of an item were met.
fn begun(items: &[Item], id: ItemId) -> Seq {
    items[id.0 as usize].begun.map_or(Seq(0), |(_, seq)| seq)
}

/// Sent with unknown outcome: it must be verified before the step is undone.
fn is_sent(state: &StepState) -> bool {
    matches!(
        state,
        StepState::Intended { direction: Direction::Forward, .. }
            | StepState::Uncertain { direction: Direction::Forward, .. }
    )
}
