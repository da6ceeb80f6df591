//! Instances: every step, heading, collection and element of a run, as a tree of items with a graph of needs across it.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use twinspan_plans::NodeId;
use twinspan_plans::elements::ElementPath;

use crate::failure::StepError;
use crate::ids::{Seq, StepKey};
use crate::state::record::StepRecord;

/// Position of an item in its run's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ItemId(pub(crate) u32);

/// A step, a heading, a collection or one of its elements.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: StepKey,
    pub(crate) node: NodeId,
    pub(crate) parent: Option<ItemId>,
    /// The elements around it, and itself if it is one.
    pub(crate) path: ElementPath,
    /// Whether it is an element of a collection.
    pub(crate) is_element: bool,
    pub(crate) role: Role,
    /// Number of unmet needs, plus one for the enclosing block while it is not open.
    pub(crate) unmet: u32,
    /// Needs whose keys read outputs: resolved when everything else is met.
    pub(crate) late: Vec<usize>,
    /// What it needs directly, except barriers that are only written before it.
    pub(crate) targets: Vec<ItemId>,
    /// Barriers written before it that it has no other need for.
    pub(crate) gates: Vec<ItemId>,
    /// Items that need it, and whether they read an output.
    pub(crate) dependents: Vec<(ItemId, bool)>,
    /// When its needs were met.
    pub(crate) begun: Option<(Timestamp, Seq)>,
    /// When it met the needs of others.
    pub(crate) met: Option<Seq>,
    /// What `decide` must record about it.
    pub(crate) verdict: Option<(Verdict, u64)>,
    /// Of an element: number of its steps (itself included) that keep its slot.
    pub(crate) active: u32,
    /// Of an element: number of its steps (itself included) that failed or need a decision.
    pub(crate) failures: u32,
    /// Of an element of a limited collection: whether it has one of the slots.
    pub(crate) slot: Slot,
    /// Of an element: items in it (itself included) that continue when it gets a slot.
    pub(crate) held: Vec<ItemId>,
}

/// Whether an element has one of the slots of its collection (`parallel`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    /// It needs none: it has not begun, waits for people, or has ended.
    #[default]
    Unused,
    /// It is in the queue.
    Wanted,
    /// It has one.
    Taken,
}

/// The role of an item.
#[derive(Debug)]
pub(crate) enum Role {
    Step(Box<StepRecord>),
    /// A heading, or one element of a `for_each` block.
    Group {
        children: Vec<ItemId>,
        left: u32,
        state: BlockState,
    },
    /// A `for_each`.
    Collection(Box<Collection>),
}

/// A `for_each` and its elements.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) state: BlockState,
    pub(crate) instances: IndexMap<String, ItemId>,
    /// Elements that wait for a slot: those that had one before come first.
    pub(crate) queue: VecDeque<ItemId>,
    pub(crate) left: u32,
    /// Number of slots in use.
    pub(crate) taken: u32,
    /// Elements that may have released their slot.
    pub(crate) idle: Vec<ItemId>,
    /// Number of elements in which a step failed or needs a decision.
    pub(crate) failed: u32,
    /// Needs that wait for the elements to be known.
    pub(crate) blocked: Vec<Lookup>,
}

/// The state of a block or collection; the items in it have their own states.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BlockState {
    /// Its needs are not met yet.
    #[default]
    Closed,
    /// Its items may begin.
    Open,
    /// Its `when`, or that of a block around it, is false.
    ConditionFalse,
    /// Its elements or its condition cannot be evaluated.
    Failed(Box<StepError>),
}

/// What `decide` must record about an item.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    ConditionFalse,
    Expand,
    Wrong(StepError),
}

/// A lookup of the items that a need refers to, with its progress.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) reader: ItemId,
    pub(crate) reads_output: bool,
    /// A barrier implies the need.
    pub(crate) barrier: bool,
    /// Nodes from the top level to the needed one.
    pub(crate) line: Arc<[NodeId]>,
    /// How many of them have been resolved.
    pub(crate) depth: usize,
    /// The last of them.
    pub(crate) at: Option<ItemId>,
    /// What it selects in the collections that are not resolved yet, as [`twinspan_plans::Plan::selection`] says.
    pub(crate) selected: VecDeque<Option<String>>,
}

impl Item {
    pub(crate) fn step(&self) -> Option<&StepRecord> {
        match &self.role {
            Role::Step(record) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn step_mut(&mut self) -> Option<&mut StepRecord> {
        match &mut self.role {
            Role::Step(record) => Some(record),
            _ => None,
        }
    }

    pub(crate) fn collection_mut(&mut self) -> Option<&mut Collection> {
        match &mut self.role {
            Role::Collection(collection) => Some(collection),
            _ => None,
        }
    }

    pub(crate) fn block_state(&self) -> Option<&BlockState> {
        match &self.role {
            Role::Step(_) => None,
            Role::Group { state, .. } => Some(state),
            Role::Collection(collection) => Some(&collection.state),
        }
    }

    pub(crate) fn block_state_mut(&mut self) -> Option<&mut BlockState> {
        match &mut self.role {
            Role::Step(_) => None,
            Role::Group { state, .. } => Some(state),
            Role::Collection(collection) => Some(&mut collection.state),
        }
    }
}
