//! Cycles. A block is done when all it holds is done, and what it holds begins after what the block needs.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place};
use crate::plan::NodeId;

use super::{Checker, PlacedNeed};

/// Beginning and end of every node are points of the graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Begin(NodeId),
    End(NodeId),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    White,
    Grey,
    Black,
}

impl Checker<'_> {
    /// Says every cycle that a walk over the needs meets; one for each set of nodes.
    pub(super) fn order(&mut self, needs: &[Vec<PlacedNeed>]) {
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
            // Depth first without recursion: a plan may hold thousands of steps in one chain.
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
                        // Each link: who waits, for whom, and where that is written.
                        let links: Vec<(NodeId, NodeId, Place)> = stack[from..]
                            .iter()
                            .filter_map(|(point, before, next)| {
                                let (other, place) = before.get(next.checked_sub(1)?)?;
                                Some((node_of(*point), node_of(*other), place.clone()?))
                            })
                            .collect();
                        self.cycle(links, &mut said);
                    }
                }
            }
        }
    }

    /// What must be before a point, and where that is written.
    fn before(&self, point: Point, needs: &[Vec<PlacedNeed>]) -> Vec<(Point, Option<Place>)> {
        match point {
            Point::End(id) => {
                let children = self.names.node(id).children.iter().map(|child| (Point::End(*child), None));
                std::iter::once((Point::Begin(id), None)).chain(children).collect()
            }
            Point::Begin(id) => {
                let parent = self.names.node(id).parent.map(|parent| (Point::Begin(parent), None));
                let needs = needs[id.0 as usize]
                    .iter()
                    .map(|placed| (Point::End(placed.need.node), Some(placed.place.clone())));
                parent.into_iter().chain(needs).collect()
            }
        }
    }

    fn cycle(&mut self, links: Vec<(NodeId, NodeId, Place)>, said: &mut BTreeSet<Vec<NodeId>>) {
        let mut nodes: Vec<NodeId> = links.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        nodes.sort_unstable();
        nodes.dedup();
        if !said.insert(nodes) {
            return;
        }
        let id = |node: NodeId| self.names.node(node).decl.id.value.clone();
        let mut places = links.iter();
        let Some((from, to, place)) = places.next() else { return };
        if links.len() == 1 {
            let diagnostic = if from == to {
                Diagnostic::error("TS0309", format!("`{}` needs itself", id(*from)))
                    .at(place.clone(), "refers to its own step")
                    .help("refer to another step, or remove this")
            } else {
                Diagnostic::error(
                    "TS0309",
                    format!("`{}` needs `{}`, which waits for it", id(*from), id(*to)),
                )
                .at(place.clone(), "would wait for itself")
                .help("need steps beside it, not the block around it")
            };
            self.problem(diagnostic);
            return;
        }
        let mut chain = vec![id(*from)];
        let mut diagnostic = Diagnostic::error("TS0307", String::new())
            .at(place.clone(), format!("`{}` needs `{}`", id(*from), id(*to)))
            .help("remove one of these needs; a reference to an output is a need, too");
        chain.push(id(*to));
        for (from, to, place) in places {
            if chain.last() != Some(&id(*from)) {
                chain.push(id(*from));
            }
            chain.push(id(*to));
            diagnostic = diagnostic.and_at(place.clone(), format!("`{}` needs `{}`", id(*from), id(*to)));
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
