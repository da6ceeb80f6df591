//! A compiled plan: names resolved, types checked, ready to be run with inputs.
//!
//! `compile` makes it from a [`crate::Document`] and a [`crate::Catalog`]; the engine reads it and nothing else of this
//! crate but [`crate::expr`]. It does not depend on the inputs: 1,000 runs of one plan share one `Arc<Plan>`.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::catalog::{EffectClass, Type};
use crate::diagnostic::Place;
use crate::digest::Digest;
use crate::expr::{Expr, Template};
use crate::params::ParamCheck;

/// Position of a node in [`Plan::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Position of an identity in [`Plan::identities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub u32);

/// A compiled plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plan's `name`.
    pub name: String,
    /// The plan's `summary`.
    pub summary: String,
    /// Link to the document that the plan follows.
    pub document: Option<String>,
    /// What the plan asks for, in the order written.
    pub inputs: IndexMap<String, InputDef>,
    /// Every identity, those of blocks included.
    pub identities: Vec<IdentityDef>,
    /// Every step and block, parents before children, siblings in the order written.
    pub nodes: Vec<Node>,
    /// The top level.
    pub roots: Vec<NodeId>,
    /// Root of the canonical form (`amend` compares it).
    pub digest: Digest,
}

/// An input that the plan declares.
#[derive(Clone, Debug)]
pub struct InputDef {
    /// Its type.
    pub ty: Type,
    /// Value when nothing is given; may refer to other inputs.
    pub default: Option<Template>,
    /// May stay absent.
    pub optional: bool,
    /// The value is a reference to a secret and is never stored resolved.
    pub secret: bool,
    /// Words for people.
    pub about: Option<String>,
}

/// Who does something: a name and what the plan says of it (`tenant`, `contact`). To the engine these are opaque.
#[derive(Clone, Debug)]
pub struct IdentityDef {
    /// Name that `as` uses.
    pub name: String,
    /// Block that declares it; `None` at the top.
    pub declared_in: Option<NodeId>,
    /// `tenant`, `contact` …: evaluated in the scope of the block that declares it.
    pub attributes: IndexMap<String, Expr>,
    /// Words for people.
    pub about: Option<String>,
}

/// A step or a block.
#[derive(Clone, Debug)]
pub struct Node {
    /// The `id` as written.
    pub id: String,
    /// The block around it.
    pub parent: Option<NodeId>,
    /// Words for people.
    pub title: Option<String>,
    /// Shown in rehearsal, run and report.
    pub note: Option<String>,
    /// What must be met before it begins: written in `needs`, implied by a data reference, or by a gate that is written
    /// before it; without repeats.
    pub needs: Vec<Need>,
    /// Not applicable when this is false.
    pub when: Option<Expr>,
    /// One instance for each element: a list of unique strings or a map.
    pub for_each: Option<Expr>,
    /// Step or block.
    pub kind: NodeKind,
}

/// Step or block.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Something that is done.
    Step(Box<StepDef>),
    /// A heading (without `for_each`) or a scope (with it).
    Block(BlockDef),
}

/// A block's own part.
#[derive(Clone, Debug, Default)]
pub struct BlockDef {
    /// Its nodes, in the order written.
    pub children: Vec<NodeId>,
    /// Instances that may have work in progress at the same time; `None`: no limit.
    pub parallel: Option<u32>,
    /// Failures after which no further instance begins.
    pub halt_after: Option<u32>,
}

/// A step's own part.
#[derive(Clone, Debug)]
pub struct StepDef {
    /// Kind, for example `avnm.scope-connection`.
    pub uses: String,
    /// Effect class of the kind, from the catalogue.
    pub effect: EffectClass,
    /// Kinds whose steps, where they need this one, are nevertheless taken back after it; from the catalogue.
    pub undo_before: Vec<String>,
    /// Who does it. The first acts; the others are for kinds that read in several places. Empty for `approval`, `delay`.
    pub identities: Vec<IdentityId>,
    /// Whose auxiliary token goes along.
    pub auxiliary: Option<IdentityId>,
    /// Parameters.
    pub with: Template,
    /// Parameters that must have a value when the step is applicable.
    pub required: Vec<String>,
    /// Parameters of any shape, which are held to rules also where a part of them is not known.
    pub open: Vec<String>,
    /// Where each parameter is written.
    pub places: Vec<(String, Place)>,
    /// Whether its kind has something to say before the run's first write, from the catalogue.
    pub guards: bool,
    /// What the kind says of parameters that are known, from the catalogue.
    pub check: ParamCheck,
    /// Present or absent.
    pub ensure: Ensure,
    /// Written `retry`; the engine has defaults for what is not written.
    pub retry: RetryPolicy,
    /// Of one attempt; `None`: the engine's default (5 min).
    pub timeout: Option<Duration>,
    /// How long a wait may last; `None`: the default of the kind of wait.
    pub give_up_after: Option<Duration>,
    /// How often a waiting person is reminded.
    pub remind: Option<Duration>,
    /// A gate before the step's write.
    pub approval: Option<ApprovalGate>,
    /// Its kind is a gate, from the catalogue.
    pub gate: bool,
    /// Every step written after it in the same list waits for it: a gate without `barrier: false`.
    pub barrier: bool,
    /// Type of the outputs: a record.
    pub outputs: Type,
}

/// `ensure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ensure {
    /// The resource is to be there.
    #[default]
    Present,
    /// The resource is to be gone.
    Absent,
}

/// `approval` on a step: who may let it write.
#[derive(Clone, Debug)]
pub struct ApprovalGate {
    /// Names of identities; empty: anyone.
    pub by: Vec<String>,
    /// The person who started the run may not approve.
    pub not_starter: bool,
}

/// `retry`: what is absent has the engine's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RetryPolicy {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// First delay.
    pub first: Option<Duration>,
    /// Longest delay.
    pub cap: Option<Duration>,
    /// No retry begins later than this after the first failure.
    pub within: Option<Duration>,
}

/// Something that must be met before a node begins.
///
/// `keys` choose instances of the `for_each` nodes that enclose `node` (or are `node`) and do not also enclose the
/// reader, outermost first. Fewer keys than such nodes: the collection itself is meant, all of its instances. So
/// `needs: [members]` has no key, `needs: ["prepare[x]"]` one, a sibling inside the same instance none.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// What is waited for.
    pub node: NodeId,
    /// Which instances.
    pub keys: Vec<Expr>,
    /// An output of it is read: skipping it then does not meet the need.
    pub reads_output: bool,
    /// `node` is a gate written before the reader, and nothing else makes this need. Undo pays no attention to it: nothing
    /// depends on what a gate made.
    pub barrier: bool,
}

impl Plan {
    /// Values of the top-level inputs that say which tenants and scopes the plan is for (types `tenant-id` and `scope`), in
    /// canonical form: without case, as Azure compares them. Lists, maps and secrets never count.
    pub fn targets(&self, inputs: &Inputs) -> BTreeMap<String, String> {
        let counts = |input: &&InputDef| matches!(input.ty, Type::TenantId | Type::Scope) && !input.secret;
        let named = self.inputs.iter().filter(|(_, input)| counts(input));
        let value = |(name, _): (&String, &InputDef)| {
            let text = inputs.0.get(name)?.as_str()?;
            Some((name.clone(), text.trim().trim_end_matches('/').to_lowercase()))
        };
        named.filter_map(value).collect()
    }

    /// The node at `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The identity at `id`.
    pub fn identity(&self, id: IdentityId) -> &IdentityDef {
        &self.identities[id.0 as usize]
    }

    /// The `for_each` nodes around `id`, itself included, outermost first.
    pub fn scopes(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut at = Some(id);
        while let Some(here) = at {
            if self.node(here).for_each.is_some() {
                found.push(here);
            }
            at = self.node(here).parent;
        }
        found.reverse();
        found
    }
}

impl Node {
    /// The step's part, unless it is a block.
    pub fn step(&self) -> Option<&StepDef> {
        match &self.kind {
            NodeKind::Step(step) => Some(step),
            NodeKind::Block(_) => None,
        }
    }

    /// The block's part, unless it is a step.
    pub fn block(&self) -> Option<&BlockDef> {
        match &self.kind {
            NodeKind::Block(block) => Some(block),
            NodeKind::Step(_) => None,
        }
    }
}

/// Inputs that were checked against the plan: what a run stores and references read. A secret stays a reference.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub IndexMap<String, Value>);
