//! A compiled plan: names are resolved, types are checked, and it can be run with inputs.
//!
//! `compile` creates it from a [`crate::Document`] and a [`crate::Catalog`]; of this crate the engine reads only the
//! plan and
//! [`crate::expr`]. A plan does not depend on inputs: 1,000 runs of one plan share one `Arc<Plan>`.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::catalog::{EffectClass, Type};
use crate::diagnostic::Place;
use crate::digest::Digest;
use crate::expr::{Expr, Template};
use crate::ids::{Ensure, IdentityId, NodeId};
use crate::params::ParamCheck;

/// A compiled plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plan's `name`.
    pub name: String,
    /// The plan's `summary`.
    pub summary: String,
    /// Link to the document that the plan follows.
    pub document: Option<String>,
    /// The declared inputs, in the order written.
    pub inputs: IndexMap<String, InputDef>,
    /// Every identity, those of blocks included.
    pub identities: Vec<IdentityDef>,
    /// Every step and block, parents before children, siblings in the order written.
    pub nodes: Vec<Node>,
    /// The nodes of the top level.
    pub roots: Vec<NodeId>,
    /// Digest of the canonical form; two plans with the same meaning have the same digest.
    pub digest: Digest,
}

/// A declared input.
#[derive(Clone, Debug)]
pub struct InputDef {
    /// Its type.
    pub ty: Type,
    /// The value if none is given; may refer to other inputs.
    pub default: Option<Template>,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether the value is a reference to a secret, which is never stored resolved.
    pub secret: bool,
    /// Description for people.
    pub about: Option<String>,
}

/// An identity: a name with attributes of the plan (`tenant`, `contact`), which the engine does not interpret.
#[derive(Clone, Debug)]
pub struct IdentityDef {
    /// The name that `as` uses.
    pub name: String,
    /// The block that declares it; `None` at the top level.
    pub declared_in: Option<NodeId>,
    /// `tenant`, `contact` …: evaluated in the scope of the block that declares it.
    pub attributes: IndexMap<String, Expr>,
    /// Description for people.
    pub about: Option<String>,
}

impl IdentityDef {
    /// The value of an attribute as it is compared: a tenant id has no case, nor has the address of a contact. Two spellings
    /// would be two identities: a guard would not concern the writes of its own tenant, and one person would have two lists of
    /// waits.
    pub fn normal(attribute: &str, value: String) -> String {
        let is_address = || value.contains('@') && !value.contains(char::is_whitespace);
        match attribute {
            "tenant" => value.to_ascii_lowercase(),
            "contact" if is_address() => value.to_lowercase(),
            _ => value,
        }
    }
}

/// A step or a block.
#[derive(Clone, Debug)]
pub struct Node {
    /// The `id` as written.
    pub id: String,
    /// The enclosing block.
    pub parent: Option<NodeId>,
    /// Title for people.
    pub title: Option<String>,
    /// Shown in rehearsal, run and report.
    pub note: Option<String>,
    /// The needs that must be met before it begins: from `needs`, from references to outputs, and from barriers written
    /// before it;
    /// without duplicates.
    pub needs: Vec<Need>,
    /// Condition: if false, the node is skipped.
    pub when: Option<Expr>,
    /// One instance for each element: a list of unique strings or a map.
    pub for_each: Option<Expr>,
    /// Step or block.
    pub kind: NodeKind,
}

/// Step or block.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A step.
    Step(Box<StepDef>),
    /// A heading (without `for_each`) or a scope (with it).
    Block(BlockDef),
}

/// The part of a node that only a block has.
#[derive(Clone, Debug, Default)]
pub struct BlockDef {
    /// Its child nodes, in the order written.
    pub children: Vec<NodeId>,
    /// Maximum number of instances with work in progress; `None`: no limit.
    pub parallel: Option<u32>,
    /// Number of failures after which no further instance begins.
    pub halt_after: Option<u32>,
}

/// The part of a node that only a step has.
#[derive(Clone, Debug)]
pub struct StepDef {
    /// Kind, for example `avnm.scope-connection`.
    pub uses: String,
    /// Effect class of the kind, from the catalogue.
    pub effect: EffectClass,
    /// Kinds whose steps are undone after this one, although they need it; from the catalogue.
    pub undo_before: Vec<String>,
    /// The identities: the first acts; the others are for kinds that read in several tenants. Empty for `approval`,
    /// `delay`.
    pub identities: Vec<IdentityId>,
    /// The identity whose token is sent in addition.
    pub auxiliary: Option<IdentityId>,
    /// Parameters.
    pub with: Template,
    /// Parameters that must have a value if the step applies.
    pub required: Vec<String>,
    /// Parameters of type `any`, which are checked as far as their value is known.
    pub open: Vec<String>,
    /// The place of each parameter.
    pub places: Vec<(String, Place)>,
    /// Whether its kind checks something before the run's first write; from the catalogue.
    pub guards: bool,
    /// The kind's own check of known parameters; from the catalogue.
    pub check: ParamCheck,
    /// Whether the resource is to exist.
    pub ensure: Ensure,
    /// The values of `retry`; the engine has defaults for absent ones.
    pub retry: RetryPolicy,
    /// Timeout of one attempt; `None`: the engine's default (5 min).
    pub timeout: Option<Duration>,
    /// Maximum duration of a wait; `None`: the default of the kind of wait.
    pub give_up_after: Option<Duration>,
    /// Interval of reminders to a person who is waited for.
    pub remind: Option<Duration>,
    /// The approval that is needed before the step's write.
    pub approval: Option<ApprovalGate>,
    /// Whether its kind can be a barrier; from the catalogue.
    pub gate: bool,
    /// Whether every step written after it in the same list waits for it: not with `barrier: false`.
    pub barrier: bool,
    /// Type of the outputs: a record.
    pub outputs: Type,
}

/// `approval` on a step: who may approve its write.
#[derive(Clone, Debug)]
pub struct ApprovalGate {
    /// Names of the approvers; empty: any person.
    pub by: Vec<String>,
    /// Whether the person who started the run may not approve.
    pub not_starter: bool,
}

/// `retry`; absent values have the engine's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RetryPolicy {
    /// Maximum number of attempts.
    pub attempts: Option<u32>,
    /// First delay.
    pub first: Option<Duration>,
    /// Maximum delay.
    pub cap: Option<Duration>,
    /// Time after the first failure after which no retry begins.
    pub within: Option<Duration>,
}

/// A need that must be met before a node begins.
///
/// `keys` select instances of the `for_each` nodes that enclose `node` (or are `node`) and do not also enclose the
/// reader,
/// outermost first. With fewer keys than such nodes the need is the whole collection, that is all its instances. So
/// `needs: [members]` has no key, `needs: ["prepare[x]"]` has one, and a sibling in the same instance has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// The node that is waited for.
    pub node: NodeId,
    /// The keys of its instance.
    pub keys: Vec<Expr>,
    /// Whether an output of it is read: then a skipped step does not meet the need.
    pub reads_output: bool,
    /// Whether `node` is a barrier written before the reader, and nothing else implies this need. Undo ignores such
    /// needs, because
    /// nothing depends on what a barrier does.
    pub barrier: bool,
}

impl Plan {
    /// The top-level inputs that name the tenants and scopes of the plan (types `tenant-id` and `scope`), in canonical
    /// form: in lower
    /// case, because Azure compares them without case. Lists, maps and secrets are not included.
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

    /// The enclosing `for_each` nodes of `id`, itself included, outermost first.
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
    /// The step, unless the node is a block.
    pub fn step(&self) -> Option<&StepDef> {
        match &self.kind {
            NodeKind::Step(step) => Some(step),
            NodeKind::Block(_) => None,
        }
    }

    /// The block, unless the node is a step.
    pub fn block(&self) -> Option<&BlockDef> {
        match &self.kind {
            NodeKind::Block(block) => Some(block),
            NodeKind::Step(_) => None,
        }
    }
}

/// Inputs that were checked against the plan; a run stores them and references read them. A secret is stored as a
/// reference.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub IndexMap<String, Value>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_and_addresses_have_no_case() {
        let normal = |attribute: &str, value: &str| IdentityDef::normal(attribute, value.to_owned());
        assert_eq!(
            normal("tenant", "22222222-0000-0000-0000-00000000000F"),
            "22222222-0000-0000-0000-00000000000f"
        );
        assert_eq!(normal("contact", "Nina@Contoso.example"), "nina@contoso.example");
        assert_eq!(normal("contact", "The network team, floor 2"), "The network team, floor 2");
    }
}
