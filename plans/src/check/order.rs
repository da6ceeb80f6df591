//! Detection of cycles. A block is done when its content is done, and its content begins after the needs of the block.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place};
use crate::ids::NodeId;

use super::{Checker, PlacedNeed};

/// A vertex of the graph: the begin or the end of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Begin(NodeId),
    End(NodeId),
}

/// The origin of a need.
#[derive(Clone)]
struct Written {
    place: Place,
    /// Whether a barrier implies it; the place is then that of the waiting step.
    barrier: bool,
}

impl Written {
    fn of(placed: &PlacedNeed) -> Self {
        Written { place: placed.place.clone(), barrier: placed.need.barrier }
    }
}

/// An edge of a cycle: `from` waits for `to`.
struct Link {
    from: NodeId,
    to: NodeId,
    written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    White,
    Grey,
    Black,
}

impl Checker<'_> {
    /// Reports every cycle that a walk over the needs finds, once for each set of nodes. Returns whether there is none.
    pub(super) fn order(&mut self, needs: &[Vec<PlacedNeed>]) -> bool {
        let count = self.names.nodes.len();
        let mut colours = vec![Colour::White; 2 * count];
        let mut said = BTreeSet::new();
        let index = |point: Point| match point {
            Point::Begin(id) => 2 * id.0 as usize,
            Point::End(id) => 2 * id.0 as usize + 1,
        };
        for start in self.names.ids().collect::<Vec<_>>() {
            let start = Point::End(start);
            if colours[index(start)] != Colour::White {
                continue;
            }
            // Depth first without recursion, because a plan may contain a chain of thousands of steps.
            let mut stack = vec![(start, self.before(start, needs), 0_usize)];
            colours[index(start)] = Colour::Grey;
            while let Some((point, before, next)) = stack.last_mut() {
                let Some((other, _)) = before.get(*next).cloned() else {
                    colours[index(*point)] = Colour::Black;
                    stack.pop();
                    continue;
                };
                *next += 1;
                match colours[index(other)] {
                    Colour::Black => {}
                    Colour::White => {
                        colours[index(other)] = Colour::Grey;
                        let before = self.before(other, needs);
                        stack.push((other, before, 0));
                    }
                    Colour::Grey => {
                        let from = stack.iter().position(|(point, ..)| *point == other).unwrap_or(0);
                        // Each link: the waiting node, the node that it waits for, and the place of the need.
                        let links: Vec<Link> = stack[from..]
                            .iter()
                            .filter_map(|(point, before, next)| {
                                let (other, written) = before.get(next.checked_sub(1)?)?;
                                let written = written.clone()?;
                                Some(Link { from: node_of(*point), to: node_of(*other), written })
                            })
                            .collect();
                        self.cycle(links, &mut said);
                    }
                }
            }
        }
        said.is_empty()
    }

    /// The predecessors of a vertex, each with the place of its need.
    fn before(&self, point: Point, needs: &[Vec<PlacedNeed>]) -> Vec<(Point, Option<Written>)> {
        match point {
            Point::End(id) => {
                let children = self.names.node(id).children.iter().map(|child| (Point::End(*child), None));
                std::iter::once((Point::Begin(id), None)).chain(children).collect()
            }
            Point::Begin(id) => {
                let parent = self.names.node(id).parent.map(|parent| (Point::Begin(parent), None));
                let needs = needs[id.0 as usize]
                    .iter()
                    .map(|placed| (Point::End(placed.need.node), Some(Written::of(placed))));
                parent.into_iter().chain(needs).collect()
            }
        }
    }

    fn cycle(&mut self, mut links: Vec<Link>, said: &mut BTreeSet<Vec<NodeId>>) {
        let mut nodes: Vec<NodeId> = links.iter().flat_map(|link| [link.from, link.to]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        if !said.insert(nodes) {
            return;
        }
        let Some(barrier) = links.iter().position(|link| link.written.barrier) else {
            return self.circle(&links);
        };
        // Rotate: first the barrier, last the step that is written after it.
        links.rotate_left(barrier + 1);
        self.gate_needs_later(&links);
    }

    /// Reports a barrier that needs a step written after it: that step would wait for the barrier.
    fn gate_needs_later(&mut self, links: &[Link]) {
        let [needs @ .., Link { from: later, to: gate, .. }] = links else { return };
        let id = |node: NodeId| self.names.node(node).decl.id.value.clone();
        let (gate_id, later_id) = (id(*gate), id(*later));
        let mut labels = needs.iter().map(|link| {
            let what = if link.written.barrier {
                format!("`{}` is written after the barrier `{}`", id(link.from), id(link.to))
            } else {
                format!("`{}` needs `{}`", id(link.from), id(link.to))
            };
            (link.written.place.clone(), what)
        });
        let message = format!("the barrier `{gate_id}` needs `{later_id}`, which is written after it");
        let mut diagnostic = Diagnostic::error("TS0314", message).help(format!(
            "every step after a barrier waits for it: move `{gate_id}` behind `{later_id}`, or write `barrier: false` \
             on `{gate_id}`; then it holds back only the steps that name it in `needs`"
        ));
        diagnostic = match labels.next() {
            Some((place, what)) => diagnostic.at(place, what),
            None => diagnostic.at(self.place(&self.names.node(*gate).decl.id.span), "this barrier"),
        };
        for (place, what) in labels {
            diagnostic = diagnostic.and_at(place, what);
        }
        let written = self.place(&self.names.node(*later).decl.id.span);
        let diagnostic = diagnostic.and_at(written, format!("written after `{gate_id}`"));
        self.problem(diagnostic);
    }

    fn circle(&mut self, links: &[Link]) {
        let id = |node: NodeId| self.names.node(node).decl.id.value.clone();
        let mut places = links.iter();
        let Some(Link { from, to, written }) = places.next() else { return };
        if links.len() == 1 {
            let diagnostic = if from == to {
                Diagnostic::error("TS0309", format!("`{}` needs itself", id(*from)))
                    .at(written.place.clone(), "refers to its own step")
                    .help("refer to another step, or remove this")
            } else {
                Diagnostic::error(
                    "TS0309",
                    format!("`{}` needs `{}`, which waits for it", id(*from), id(*to)),
                )
                .at(written.place.clone(), "would wait for itself")
                .help("need other steps, not the enclosing block")
            };
            self.problem(diagnostic);
            return;
        }
        let mut chain = vec![id(*from)];
        let mut diagnostic = Diagnostic::error("TS0307", String::new())
            .at(written.place.clone(), format!("`{}` needs `{}`", id(*from), id(*to)))
            .help("remove one of these needs; a reference to an output is a need, too");
        chain.push(id(*to));
        for Link { from, to, written } in places {
            if chain.last() != Some(&id(*from)) {
                chain.push(id(*from));
            }
            chain.push(id(*to));
            diagnostic =
                diagnostic.and_at(written.place.clone(), format!("`{}` needs `{}`", id(*from), id(*to)));
        }
        if chain.first() != chain.last() {
            chain.push(chain[0].clone());
        }
        diagnostic.message = format!("steps need each other in a circle: {}", chain.join(" → "));
        self.problem(diagnostic);
    }
}

fn node_of(point: Point) -> NodeId {
    match point {
        Point::Begin(id) | Point::End(id) => id,
    }
}
