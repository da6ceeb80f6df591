//! Plans built by hand.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::json;
use twinspan_plans::expr::{Expr, Template};
use twinspan_plans::{
    ApprovalGate, BlockDef, Digest, EffectClass, Ensure, Need, Node, NodeId, NodeKind, Plan, RetryPolicy,
    StepDef, Type,
};

/// Builds a plan, parents before children.
#[derive(Default)]
pub(super) struct Draft {
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn output(node: NodeId, keys: Vec<Expr>) -> Expr {
    Expr::Output { node, keys, path: vec![twinspan_plans::expr::Segment::Field("id".to_owned())] }
}

pub(super) fn input(name: &str) -> Expr {
    Expr::Input { name: name.to_owned(), path: Vec::new() }
}

impl Draft {
    fn add(&mut self, id: &str, parent: Option<NodeId>, kind: NodeKind) -> NodeId {
        let node = NodeId(u32::try_from(self.nodes.len()).unwrap());
        self.nodes.push(Node {
            id: id.to_owned(),
            parent,
            title: None,
            note: None,
            needs: Vec::new(),
            when: None,
            for_each: None,
            kind,
        });
        match parent {
            None => self.roots.push(node),
            Some(parent) => match &mut self.nodes[parent.0 as usize].kind {
                NodeKind::Block(block) => block.children.push(node),
                NodeKind::Step(_) => panic!("a step has no children"),
            },
        }
        node
    }

    /// A step of a kind that is named after its effect class.
    pub(super) fn step(&mut self, id: &str, parent: Option<NodeId>, effect: EffectClass) -> NodeId {
        let step = StepDef {
            uses: format!("{effect:?}"),
            effect,
            undo_before: Vec::new(),
            identities: Vec::new(),
            auxiliary: None,
            with: Template::Map(vec![("name".to_owned(), Template::Expr(Expr::Literal(json!(id))))]),
            ensure: Ensure::Present,
            retry: RetryPolicy::default(),
            timeout: None,
            give_up_after: None,
            remind: None,
            approval: None,
            gate: false,
            barrier: false,
            required: Vec::new(),
            open: Vec::new(),
            places: Vec::new(),
            guards: false,
            check: twinspan_plans::ParamCheck::default(),
            outputs: Type::Record(vec![twinspan_plans::Field {
                name: "id".to_owned(),
                ty: Type::String,
                required: true,
                about: String::new(),
            }]),
        };
        self.add(id, parent, NodeKind::Step(Box::new(step)))
    }

    /// A step with `ensure: absent`.
    pub(super) fn removal(&mut self, id: &str, parent: Option<NodeId>, effect: EffectClass) -> NodeId {
        let step = self.step(id, parent, effect);
        self.def(step).ensure = Ensure::Absent;
        step
    }

    pub(super) fn block(&mut self, id: &str, parent: Option<NodeId>) -> NodeId {
        self.add(id, parent, NodeKind::Block(BlockDef::default()))
    }

    pub(super) fn node(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node.0 as usize]
    }

    pub(super) fn def(&mut self, node: NodeId) -> &mut StepDef {
        match &mut self.node(node).kind {
            NodeKind::Step(step) => step,
            NodeKind::Block(_) => panic!("not a step"),
        }
    }

    pub(super) fn limits(&mut self, node: NodeId) -> &mut BlockDef {
        match &mut self.node(node).kind {
            NodeKind::Block(block) => block,
            NodeKind::Step(_) => panic!("not a block"),
        }
    }

    pub(super) fn needs(&mut self, node: NodeId, needed: NodeId) {
        self.need(node, needed, Vec::new(), false);
    }

    pub(super) fn need(&mut self, node: NodeId, needed: NodeId, keys: Vec<Expr>, reads_output: bool) {
        self.node(node).needs.push(Need { node: needed, keys, reads_output, barrier: false });
    }

    /// The barrier `gate` is written before `node` in the same list.
    pub(super) fn behind(&mut self, node: NodeId, gate: NodeId) {
        self.node(node).needs.push(Need { node: gate, keys: Vec::new(), reads_output: false, barrier: true });
    }

    pub(super) fn approval(&mut self, node: NodeId, not_starter: bool) {
        self.def(node).approval = Some(ApprovalGate { by: vec!["boss".to_owned()], not_starter });
    }

    pub(super) fn plan(self) -> Arc<Plan> {
        Arc::new(Plan {
            name: "test".to_owned(),
            summary: String::new(),
            document: None,
            inputs: IndexMap::new(),
            identities: Vec::new(),
            nodes: self.nodes,
            roots: self.roots,
            digest: Digest::of(b"test"),
        })
    }
}

/// Steps that need each other in a row.
pub(super) fn chain(effects: &[EffectClass]) -> Arc<Plan> {
    let mut draft = Draft::default();
    let mut before = None;
    for (position, effect) in effects.iter().enumerate() {
        let step = draft.step(&format!("s{position}"), None, *effect);
        if let Some(before) = before {
            draft.needs(step, before);
        }
        before = Some(step);
    }
    draft.plan()
}
