//! Which steps a step needs, and an order in which all of them can be done.

use std::collections::BTreeSet;

use twinspan_plans::{Need, NodeId, Plan};

/// Steps after everything that they need.
pub(super) fn ordered(plan: &Plan) -> Vec<NodeId> {
    let mut written = Vec::new();
    plan.roots.iter().for_each(|root| steps_in(plan, *root, &mut written));
    let (mut order, mut begun) = (Vec::new(), BTreeSet::new());
    // A list instead of recursion: a chain of needs can be as long as the plan.
    let mut open: Vec<(NodeId, bool)> = written.iter().rev().map(|node| (*node, false)).collect();
    while let Some((node, needs_placed)) = open.pop() {
        if needs_placed {
            order.push(node);
        } else if begun.insert(node) {
            open.push((node, true));
            let needed = needed(plan, node);
            open.extend(needed.into_iter().rev().map(|(node, ..)| (node, false)));
        }
    }
    order
}

fn steps_in(plan: &Plan, node: NodeId, all: &mut Vec<NodeId>) {
    match plan.node(node).block() {
        Some(block) => block.children.iter().for_each(|child| steps_in(plan, *child, all)),
        None => all.push(node),
    }
}

/// What `node` and the blocks around it need: each step of it, the need that names it, and the node that has the need.
pub(super) fn needed(plan: &Plan, node: NodeId) -> Vec<(NodeId, &Need, NodeId)> {
    let mut needed = Vec::new();
    for here in plan.line(node).into_iter().rev() {
        for need in &plan.node(here).needs {
            let mut steps = Vec::new();
            steps_in(plan, need.node, &mut steps);
            needed.extend(steps.into_iter().map(|step| (step, need, here)));
        }
    }
    needed
}
