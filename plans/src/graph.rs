//! The order of a plan: which step waits for which, and why. Headings are transparent; a block with `for_each` is a
//! scope with
//! its own nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ids::NodeId;
use crate::plan::Plan;

/// In plans with more edges than this, all edges of barriers are kept: detecting redundant ones takes a walk through
/// the plan
/// for each edge.
const REDUCED: usize = 5_000;

/// Steps and scopes of a plan, and the edges between them.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Every step and every block with `for_each`, in the order written, parents before children.
    pub nodes: Vec<GraphNode>,
    /// The edges, sorted by the waiting node; redundant edges of barriers are left out.
    pub edges: Vec<Edge>,
}

/// A step, or a block with `for_each`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphNode {
    /// Its id in the plan.
    pub node: NodeId,
    /// `connect[].role`.
    pub path: String,
    /// The enclosing scope.
    pub scope: Option<NodeId>,
    /// Steps with the same number may run together; a step begins after the steps with lower numbers that it waits for.
    /// The number
    /// of a scope is that of its first step.
    pub stage: usize,
}

/// `to` waits for `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The node that is waited for.
    pub from: NodeId,
    /// The node that waits.
    pub to: NodeId,
    /// The reason.
    pub why: Why,
}

/// The reason of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The waiting step reads an output.
    Data,
    /// The waiting step names the other in `needs`.
    Needs,
    /// The waiting step is written after the other, a barrier.
    Gate,
}

impl Plan {
    /// The graph of the plan's order.
    pub fn graph(&self) -> Graph {
        let mut graph = Graph { nodes: Vec::new(), edges: Vec::new() };
        for root in &self.roots {
            self.add_to(&mut graph, *root, None);
        }
        let mut edges = BTreeMap::new();
        for (node, at) in self.nodes.iter().zip(0_u32..) {
            for need in &node.needs {
                let why = match (need.barrier, need.reads_output) {
                    (true, _) => Why::Gate,
                    (false, true) => Why::Data,
                    (false, false) => Why::Needs,
                };
                for from in self.shown(need.node) {
                    for to in self.shown(NodeId(at)) {
                        let known = edges.entry((to, from)).or_insert(why);
                        *known = why.min(*known);
                    }
                }
            }
        }
        graph.edges = edges.into_iter().map(|((to, from), why)| Edge { from, to, why }).collect();
        let before = self.before(&graph);
        self.leave_out_what_others_say(&mut graph, &before);
        self.number(&mut graph);
        graph
    }

    fn add_to(&self, graph: &mut Graph, id: NodeId, scope: Option<NodeId>) {
        let node = self.node(id);
        let shown = node.block().is_none() || node.for_each.is_some();
        if shown {
            graph.nodes.push(GraphNode { node: id, path: self.path(id), scope, stage: 0 });
        }
        let inside = if shown { Some(id) } else { scope };
        for child in node.block().map(|block| &block.children[..]).unwrap_or_default() {
            self.add_to(graph, *child, inside);
        }
    }

    /// The node itself, or the content of a heading.
    fn shown(&self, id: NodeId) -> Vec<NodeId> {
        let node = self.node(id);
        match node.block() {
            Some(block) if node.for_each.is_none() => {
                block.children.iter().flat_map(|child| self.shown(*child)).collect()
            }
            _ => vec![id],
        }
    }

    /// Collects a step, or all steps of a scope.
    fn steps_of(&self, id: NodeId, found: &mut Vec<NodeId>) {
        match self.node(id).block() {
            None => found.push(id),
            Some(block) => block.children.iter().for_each(|child| self.steps_of(*child, found)),
        }
    }

    /// For each step the steps that it waits for directly, by its own edges and those of enclosing scopes.
    fn before(&self, graph: &Graph) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
        let mut before: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for edge in &graph.edges {
            let (mut from, mut to) = (Vec::new(), Vec::new());
            self.steps_of(edge.from, &mut from);
            self.steps_of(edge.to, &mut to);
            for step in to {
                before.entry(step).or_default().extend(&from);
            }
        }
        before
    }

    /// Removes edges of barriers that the waiting node also reaches through other edges.
    fn leave_out_what_others_say(&self, graph: &mut Graph, before: &BTreeMap<NodeId, BTreeSet<NodeId>>) {
        if graph.edges.len() > REDUCED {
            return;
        }
        let waits = |reader: NodeId, gate: NodeId| {
            let mut steps = Vec::new();
            self.steps_of(reader, &mut steps);
            // The edge to a scope is redundant only if every step in it waits for the barrier otherwise.
            steps.iter().all(|step| {
                let mut seen = BTreeSet::new();
                let mut open: Vec<NodeId> =
                    before.get(step).into_iter().flatten().copied().filter(|first| *first != gate).collect();
                while let Some(here) = open.pop() {
                    if here == gate {
                        return true;
                    }
                    if seen.insert(here) {
                        open.extend(before.get(&here).into_iter().flatten());
                    }
                }
                false
            })
        };
        let kept = graph.edges.iter().filter(|edge| edge.why != Why::Gate || !waits(edge.to, edge.from));
        graph.edges = kept.copied().collect();
    }

    fn number(&self, graph: &mut Graph) {
        let before = self.before(graph);
        let steps: Vec<NodeId> =
            graph.nodes.iter().map(|node| node.node).filter(|id| self.node(*id).block().is_none()).collect();
        let mut stages: BTreeMap<NodeId, usize> = BTreeMap::new();
        // A stack instead of recursion, because a chain can be as long as the plan.
        let mut open: Vec<NodeId> = steps.iter().rev().copied().collect();
        while let Some(step) = open.last().copied() {
            let first: Vec<NodeId> = before.get(&step).into_iter().flatten().copied().collect();
            let missing: Vec<NodeId> =
                first.iter().filter(|first| !stages.contains_key(first)).copied().collect();
            if stages.contains_key(&step) || missing.is_empty() {
                open.pop();
                let stage =
                    first.iter().filter_map(|first| stages.get(first)).max().map_or(1, |last| last + 1);
                stages.entry(step).or_insert(stage);
            } else {
                open.extend(missing);
            }
        }
        for node in &mut graph.nodes {
            let mut inside = Vec::new();
            self.steps_of(node.node, &mut inside);
            node.stage = inside.iter().filter_map(|step| stages.get(step)).min().copied().unwrap_or(1);
        }
    }
}

impl Graph {
    /// The edges to a node, in the order of the plan.
    pub fn after(&self, id: NodeId) -> &[Edge] {
        let begin = self.edges.partition_point(|edge| edge.to < id);
        let end = self.edges.partition_point(|edge| edge.to <= id);
        &self.edges[begin..end]
    }

    /// A node by its id in the plan; `None` for headings.
    pub fn find(&self, id: NodeId) -> Option<&GraphNode> {
        // Nodes are sorted by id.
        let at = self.nodes.binary_search_by_key(&id, |node| node.node).ok()?;
        self.nodes.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compile, fixture, parse};

    #[test]
    fn says_who_waits_for_whom_and_why() {
        let steps = "  - { id: a, uses: command, with: { program: /a } }\n  - id: ask\n    steps:\n      - { id: g, uses: approval, with: { show: \"${{ steps.a.stdout }}\" } }\n  \
             - { id: b, uses: command, needs: [a], with: { program: /b } }\n  - { id: c, uses: command, needs: [b], with: { program: /c } }\n  - id: each\n    for_each: ${{ inputs.list }}\n    \
             steps:\n      - { id: d, uses: command, needs: [c], with: { program: /d } }\n      - { id: e, uses: command, with: { program: /e } }\n";
        let document = parse("plan.yaml", fixture::plan(steps).as_bytes()).unwrap();
        let plan = compile(&document, &fixture::catalog()).unwrap().plan;
        let graph = plan.graph();
        let path = |id: NodeId| plan.path(id);
        let edges: Vec<String> = graph
            .edges
            .iter()
            .map(|edge| format!("{} {:?} {}", path(edge.from), edge.why, path(edge.to)))
            .collect();
        // `c` waits for the barrier through `b`; in the block, `e` would not wait for it.
        let expected = ["a Data g", "a Needs b", "g Gate b", "b Needs c", "g Gate each", "c Needs each[].d"];
        assert_eq!(edges, expected);
        let stages: Vec<(String, usize)> =
            graph.nodes.iter().map(|node| (node.path.clone(), node.stage)).collect();
        let expected =
            [("a", 1), ("g", 2), ("b", 3), ("c", 4), ("each", 3), ("each[].d", 5), ("each[].e", 3)];
        assert_eq!(stages, expected.map(|(path, stage)| (path.to_owned(), stage)));
        assert_eq!(graph.find(graph.nodes[5].node).unwrap().scope, Some(graph.nodes[4].node));
    }
}
