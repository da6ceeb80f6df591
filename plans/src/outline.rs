//! The outline of a plan: headings and steps in the order written, for rehearsals and reports.

use crate::ids::NodeId;
use crate::plan::{NodeKind, Plan};

/// One line of a plan's outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineItem<'a> {
    /// The node.
    pub node: NodeId,
    /// Depth: 0 at the top level.
    pub depth: usize,
    /// Its id.
    pub id: &'a str,
    /// Its title.
    pub title: Option<&'a str>,
    /// Its note.
    pub note: Option<&'a str>,
    /// The kind of a step; `None` for a block.
    pub uses: Option<&'a str>,
    /// Whether it has one instance for each element.
    pub for_each: bool,
}

impl Plan {
    /// Every block and step, parents first, in the order written.
    pub fn outline(&self) -> Vec<OutlineItem<'_>> {
        let mut lines = Vec::with_capacity(self.nodes.len());
        let mut stack: Vec<(NodeId, usize)> = self.roots.iter().rev().map(|id| (*id, 0)).collect();
        while let Some((id, depth)) = stack.pop() {
            let node = self.node(id);
            lines.push(OutlineItem {
                node: id,
                depth,
                id: &node.id,
                title: node.title.as_deref(),
                note: node.note.as_deref(),
                uses: node.step().map(|step| step.uses.as_str()),
                for_each: node.for_each.is_some(),
            });
            if let NodeKind::Block(block) = &node.kind {
                stack.extend(block.children.iter().rev().map(|child| (*child, depth + 1)));
            }
        }
        lines
    }

    /// The enclosing blocks of a node, outermost first, and the node.
    pub fn line(&self, id: NodeId) -> Vec<NodeId> {
        let mut line = self.headings(id);
        line.push(id);
        line
    }

    /// The enclosing blocks of a node, outermost first.
    pub fn headings(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut at = self.node(id).parent;
        while let Some(here) = at {
            found.push(here);
            at = self.node(here).parent;
        }
        found.reverse();
        found
    }
}
