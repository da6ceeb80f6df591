//! The layout of a picture: rows from top to bottom, each box below the boxes that it waits for; the content of a
//! `for_each`
//! block in a box of its own. The same plan always gives the same picture.

use std::collections::{BTreeMap, BTreeSet};

use twinspan_plans::graph::Graph;
use twinspan_plans::{NodeId, Plan};

use super::{inside, is_scope, lines};

/// Width of a letter, in pixels.
const LETTER: u32 = 7;
/// Height of a line.
pub(super) const LINE: u32 = 16;
/// Space between the border of a box and its content.
pub(super) const PAD: u32 = 12;
/// Space between boxes of a row.
const GAP: u32 = 24;
/// Space between rows.
const ROW: u32 = 48;
/// Maximum number of letters in a line of a label; longer lines are cut off.
pub(super) const LETTERS: usize = 44;

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Rect {
    /// Whether two rectangles share more than a border.
    #[cfg(test)]
    pub(super) fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// The positions of all boxes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) boxes: BTreeMap<NodeId, Rect>,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Layout {
    pub(super) fn new(plan: &Plan, graph: &Graph) -> Self {
        let mut measured = Measured::default();
        let (width, height) = measured.scope(plan, graph, None);
        let mut layout = Layout { boxes: BTreeMap::new(), width: width + 2 * PAD, height: height + 2 * PAD };
        layout.place(&measured, None, PAD, PAD);
        layout
    }

    /// Places the content of a scope with its upper left corner at `x`, `y`.
    fn place(&mut self, measured: &Measured, scope: Option<NodeId>, x: u32, y: u32) {
        let rows = measured.rows.get(&scope).map(Vec::as_slice).unwrap_or_default();
        let widest = rows.iter().map(|row| measured.width(row)).max().unwrap_or(0);
        let mut top = y;
        for row in rows {
            let mut left = x + (widest - measured.width(row)) / 2;
            for node in row {
                let size = measured.size(*node);
                self.boxes.insert(*node, Rect { x: left, y: top, width: size.width, height: size.height });
                self.place(measured, Some(*node), left + PAD, top + size.head);
                left += size.width + GAP;
            }
            top += measured.height(row) + ROW;
        }
    }
}

/// The size of every node; each scope is measured once.
#[derive(Debug, Default)]
struct Measured {
    sizes: BTreeMap<NodeId, Size>,
    rows: BTreeMap<Option<NodeId>, Vec<Vec<NodeId>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    width: u32,
    height: u32,
    /// The height of its label.
    head: u32,
}

impl Measured {
    /// Measures the content of a scope, and returns its total size.
    fn scope(&mut self, plan: &Plan, graph: &Graph, scope: Option<NodeId>) -> (u32, u32) {
        for node in inside(graph, scope) {
            let label = lines(plan, node);
            let letters = label.iter().map(|line| line.chars().count().min(LETTERS)).max().unwrap_or(0);
            let text = LETTER * u32::try_from(letters).unwrap_or(0) + 2 * PAD;
            let head = LINE * u32::try_from(label.len()).unwrap_or(0) + 2 * PAD;
            let size = if is_scope(plan, node.node) {
                let (width, height) = self.scope(plan, graph, Some(node.node));
                Size { width: text.max(width + 2 * PAD), height: head + height + PAD, head }
            } else {
                Size { width: text, height: head, head }
            };
            self.sizes.insert(node.node, size);
        }
        let rows = rows(graph, scope);
        let width = rows.iter().map(|row| self.width(row)).max().unwrap_or(0);
        let heights: u32 = rows.iter().map(|row| self.height(row) + ROW).sum();
        self.rows.insert(scope, rows);
        (width, heights.saturating_sub(ROW))
    }

    fn size(&self, node: NodeId) -> Size {
        self.sizes.get(&node).copied().unwrap_or_default()
    }

    fn width(&self, row: &[NodeId]) -> u32 {
        let gaps = GAP * u32::try_from(row.len().saturating_sub(1)).unwrap_or(0);
        row.iter().map(|node| self.size(*node).width).sum::<u32>() + gaps
    }

    fn height(&self, row: &[NodeId]) -> u32 {
        row.iter().map(|node| self.size(*node).height).max().unwrap_or(0)
    }
}

/// The nodes directly in a scope, row by row; within a row each node is placed roughly below its predecessors.
fn rows(graph: &Graph, scope: Option<NodeId>) -> Vec<Vec<NodeId>> {
    let members: Vec<NodeId> = inside(graph, scope).map(|node| node.node).collect();
    let known: BTreeSet<NodeId> = members.iter().copied().collect();
    // An edge from or into an inner scope counts as an edge of that scope.
    let lifted = |mut id: NodeId| loop {
        if known.contains(&id) {
            return Some(id);
        }
        id = graph.find(id)?.scope?;
    };
    let mut before: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (lifted(edge.from), lifted(edge.to))
            && from != to
        {
            before.entry(to).or_default().insert(from);
        }
    }
    let mut row_of: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut rows: Vec<Vec<NodeId>> = Vec::new();
    let mut left = members;
    while !left.is_empty() {
        let free = |id: &NodeId| before.get(id).into_iter().flatten().all(|first| row_of.contains_key(first));
        let (mut row, rest): (Vec<NodeId>, Vec<NodeId>) = left.iter().copied().partition(|id| free(id));
        if row.is_empty() {
            // Two scopes that wait for parts of each other share a row.
            row = rest.clone();
        }
        left.retain(|id| !row.contains(id));
        row_of.extend(row.iter().map(|id| (*id, rows.len())));
        if let Some(above) = rows.last() {
            let place = |id: &NodeId| {
                let places = above
                    .iter()
                    .enumerate()
                    .filter(|(_, first)| before.get(id).is_some_and(|needed| needed.contains(first)));
                let (sum, count) = places.fold((0, 0), |(sum, count), (at, _)| (sum + at * 100, count + 1));
                sum.checked_div(count).unwrap_or(usize::MAX)
            };
            row.sort_by_key(|id| (place(id), *id));
        }
        rows.push(row);
    }
    rows
}
