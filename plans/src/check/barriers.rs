//! Barriers: steps written after one in the same list of steps wait for it.
//!
//! A heading is transparent: a barrier inside it also holds back everything written after it in the enclosing list. A
//! block with
//! `for_each` is not: its barriers act within the instance. A barrier before a block holds back the whole block.

use crate::catalog::KindSpec;
use crate::diagnostic::Diagnostic;
use crate::document::{Body, StepDecl};
use crate::ids::NodeId;
use crate::plan::Need;

use super::{Checker, PlacedNeed};

/// Maximum number of preceding barriers in the needs of a step: the nearest ones. Earlier barriers are met when these
/// are, because
/// each waits for the one before it; this differs only if all of the nearest barriers are skipped before an earlier one
/// is met.
/// The bound keeps a plan that is one long list of barriers linear.
const NEAREST: usize = 16;

/// Whether a step of a barrier kind acts as one; `barrier: false` says that it does not.
pub(super) fn is_barrier(step: &StepDecl) -> bool {
    step.barrier.as_ref().is_none_or(|(barrier, _)| *barrier)
}

impl Checker<'_> {
    /// Adds the needs that barriers imply to every step and block.
    pub(super) fn barriers(&self, needs: &mut [Vec<PlacedNeed>]) {
        let roots: Vec<NodeId> =
            self.names.ids().filter(|id| self.names.node(*id).parent.is_none()).collect();
        self.list(&roots, needs);
    }

    /// Adds the needs of one list of steps; returns the barriers for what follows in the enclosing list.
    fn list(&self, nodes: &[NodeId], needs: &mut [Vec<PlacedNeed>]) -> Vec<NodeId> {
        let mut gates: Vec<NodeId> = Vec::new();
        for id in nodes {
            let node = self.names.node(*id);
            for gate in gates.iter().rev().take(NEAREST) {
                let need = Need { node: *gate, keys: Vec::new(), reads_output: false, barrier: true };
                let place = self.place(&node.decl.id.span);
                needs[id.0 as usize].push(PlacedNeed { need, place });
            }
            match &node.decl.body {
                Body::Step(step) => {
                    let gate = self.catalog.kinds.get(&step.uses.value).is_some_and(|kind| kind.gate);
                    if gate && is_barrier(step) {
                        gates.push(*id);
                    }
                }
                Body::Block(_) => {
                    let inside = self.list(&node.children, needs);
                    if !node.is_collection() {
                        gates.extend(inside);
                    }
                }
            }
        }
        gates
    }

    /// Reports `barrier` on a step that cannot be a barrier.
    pub(super) fn barrier_of_gate(&mut self, step: &StepDecl, kind: &KindSpec) {
        let (false, Some((_, span))) = (kind.gate, &step.barrier) else { return };
        let gates: Vec<&str> =
            self.catalog.kinds.values().filter(|kind| kind.gate).map(|kind| kind.name.as_str()).collect();
        let diagnostic = Diagnostic::error("TS0109", format!("`{}` is not a barrier", kind.name))
            .at(self.place(span), "has no effect here")
            .help(format!(
                "remove it; `barrier` belongs to {}, and other steps wait for this one by `needs`",
                gates.join(" and ")
            ));
        self.problem(diagnostic);
    }
}

#[cfg(test)]
mod tests {
    use crate::ids::NodeId;
    use crate::plan::Plan;
    use crate::{compile, fixture, parse};

    fn plan(steps: &str) -> Plan {
        let document = parse("plan.yaml", fixture::plan(steps).as_bytes()).unwrap();
        compile(&document, &fixture::catalog()).unwrap_or_else(|found| panic!("{}", found.render(false))).plan
    }

    /// `id: needs`, with `|` before the name of a barrier that is implied by the order only.
    fn needs(plan: &Plan) -> String {
        let ids = (0..u32::try_from(plan.nodes.len()).unwrap()).map(NodeId);
        let line = |id: NodeId| {
            let needs = plan.node(id).needs.iter().map(|need| {
                let bar = if need.barrier { "|" } else { "" };
                format!(" {bar}{}", plan.path(need.node))
            });
            format!("{}:{}", plan.path(id), needs.collect::<String>())
        };
        ids.map(line).collect::<Vec<_>>().join("\n")
    }

    fn command(id: &str, rest: &str) -> String {
        format!("- {{ id: {id}, uses: command, {rest}with: {{ program: /a }} }}\n")
    }

    fn gate(id: &str, rest: &str) -> String {
        format!("- {{ id: {id}, uses: approval, {rest}with: {{}} }}\n")
    }

    #[test]
    fn what_is_written_after_a_gate_waits_for_it() {
        let steps = [
            command("a", ""),
            gate("g", ""),
            command("b", ""),
            "- { id: d, uses: delay, with: { for: 1s } }\n".to_owned(),
            command("c", "needs: [g], "),
        ];
        let plan = plan(&steps.map(|line| format!("  {line}")).concat());
        assert_eq!(needs(&plan), "a:\ng:\nb: |g\nd: |g\nc: g |d");
    }

    #[test]
    fn a_gate_with_barrier_false_holds_back_only_what_names_it() {
        let steps = [gate("g", "barrier: false, "), command("a", ""), command("b", "needs: [g], ")];
        let plan = plan(&steps.map(|line| format!("  {line}")).concat());
        assert_eq!(needs(&plan), "g:\na:\nb: g");
    }

    #[test]
    fn a_heading_is_transparent_and_an_instance_is_not() {
        let inside = |id: &str, each: &str, steps: &[String]| {
            let steps: String = steps.iter().map(|line| format!("      {line}")).collect();
            format!("  - id: {id}\n{each}    steps:\n{steps}")
        };
        let each = "    for_each: ${{ inputs.list }}\n";
        let steps = [
            inside("h", "", &[gate("g", ""), command("a", "")]),
            inside("each", each, &[command("b", ""), gate("in", ""), command("c", "")]),
            format!("  {}", command("d", "")),
            inside("later", "", &[command("e", "")]),
        ];
        assert_eq!(
            needs(&plan(&steps.concat())),
            "h:\ng:\na: |g\neach: |g\neach[].b:\neach[].in:\neach[].c: |each[].in\nd: |g\nlater: |g\ne:"
        );
    }

    #[test]
    fn the_needs_of_a_long_list_of_gates_are_bounded() {
        let steps: String = (0..2_000).map(|at| format!("  {}", gate(&format!("g{at}"), ""))).collect();
        let plan = plan(&steps);
        assert!(plan.nodes.iter().all(|node| node.needs.len() <= super::NEAREST));
        assert_eq!(plan.node(NodeId(1_999)).needs[0].node, NodeId(1_998));
    }
}
