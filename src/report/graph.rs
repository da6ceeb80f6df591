//! The order of a plan's steps, for `graph`, `validate` and `preview`.
//!
//! ```text
//! Plan::graph ─┬─▶ OrderView ─▶ JSON, text
//!              └─▶ mermaid, dot, layout ─▶ svg        each with the encoder of its format
//! ```

mod dot;
mod encode;
mod layout;
mod mermaid;
mod order;
mod svg;

pub(crate) use order::{OrderView, OrderedStep};

use twinspan_plans::graph::{Graph, GraphNode, Why};
use twinspan_plans::{NodeId, Plan};

/// The output formats of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One line per step, in the order in which the steps run
    #[default]
    Text,
    /// A Mermaid flowchart
    Mermaid,
    /// A graph for Graphviz
    Dot,
    /// A picture
    Svg,
}

/// The order as a picture, or as the source of one; `None` for text.
pub(crate) fn drawn(plan: &Plan, format: Format) -> Option<String> {
    let graph = plan.graph();
    match format {
        Format::Text => None,
        Format::Mermaid => Some(mermaid::write(plan, &graph)),
        Format::Dot => Some(dot::write(plan, &graph)),
        Format::Svg => Some(svg::write(plan, &graph)),
    }
}

/// The lines in a box: the title, then the id and the kind.
fn lines(plan: &Plan, node: &GraphNode) -> Vec<String> {
    let definition = plan.node(node.node);
    let mut lines: Vec<String> = definition.title.iter().cloned().collect();
    let kind = match definition.step() {
        Some(step) => format!(" ({})", step.uses),
        None => String::new(),
    };
    lines.push(format!("{}{kind}", definition.id));
    if definition.for_each.is_some() {
        lines.push(repeated(plan, node.node));
    }
    lines
}

/// `once for each element, 20 at a time, halts after 5 failures`
fn repeated(plan: &Plan, node: NodeId) -> String {
    let mut words = vec!["once for each element".to_owned()];
    if let Some(block) = plan.node(node).block() {
        words.extend(block.parallel.map(|parallel| format!("{parallel} at a time")));
        words.extend(block.halt_after.map(|failures| {
            let word = if failures == 1 { "failure" } else { "failures" };
            format!("halts after {failures} {word}")
        }));
    }
    words.join(", ")
}

fn is_gate(plan: &Plan, node: NodeId) -> bool {
    plan.node(node).step().is_some_and(|step| step.gate)
}

fn is_scope(plan: &Plan, node: NodeId) -> bool {
    plan.node(node).block().is_some()
}

/// The nodes directly in a scope, or at the top level.
fn inside(graph: &Graph, scope: Option<NodeId>) -> impl Iterator<Item = &GraphNode> {
    graph.nodes.iter().filter(move |node| node.scope == scope)
}

/// The reason for an edge, in words.
fn why_word(why: Why) -> &'static str {
    match why {
        Why::Data => "reads an output",
        Why::Needs => "needs",
        Why::Gate => "written after this barrier",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::step_kinds;
    use crate::text::Width;

    fn compiled(text: &[u8]) -> Plan {
        let registry = step_kinds::described().unwrap();
        let document = twinspan_plans::parse("plan.yaml", text).unwrap();
        twinspan_plans::compile(&document, registry.catalog())
            .unwrap_or_else(|found| panic!("{}", found.render(false)))
            .plan
    }

    fn shipped() -> Vec<(String, Plan)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/library");
        let mut plans: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
            .filter(|path| !path.to_string_lossy().ends_with(".inputs.yaml"))
            .map(|path| {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                (name, compiled(&std::fs::read(&path).unwrap()))
            })
            .collect();
        plans.sort_by(|one, other| one.0.cmp(&other.0));
        assert!(plans.len() >= 6);
        plans
    }

    /// The plan as if barriers held back only the steps that name them.
    fn without_gates(plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for node in &mut plan.nodes {
            node.needs.retain(|need| !need.barrier);
        }
        plan
    }

    #[test]
    fn the_order_of_each_shipped_plan() {
        let mut all = String::new();
        for (name, plan) in shipped() {
            let order = |plan: &Plan| OrderView::new(plan).text(Width::WHOLE).plain();
            let (now, before) = (order(&plan), order(&without_gates(&plan)));
            let mut differences = String::new();
            for line in before.lines().filter(|line| !now.lines().any(|other| other == *line)) {
                differences.push_str(&format!("- {line}\n"));
            }
            for line in now.lines().filter(|line| !before.lines().any(|other| other == *line)) {
                differences.push_str(&format!("+ {line}\n"));
            }
            if differences.is_empty() {
                differences.push_str("none\n");
            }
            all.push_str(&format!("## {name}\n{now}what barriers change:\n{differences}\n"));
        }
        insta::assert_snapshot!("shipped_orders", all);
    }

    const HOSTILE: &str = "twinspan: 1\nname: hostile\ninputs:\n  list: { type: list, of: string, default: [a, b] }\nsteps:\n  \
         - { id: a, title: \"quote \\\" ] } <script>alert('&')</script> #1; \\\\ \\n é \\e[31m \\u202e `x`\", uses: command, with: { program: /a } }\n  \
         - { id: g, title: \"Ask: yes?\", uses: approval, needs: [a], with: {} }\n  - id: each\n    title: \"Each | of [them]\"\n    for_each: ${{ inputs.list }}\n    parallel: 2\n    halt_after: 1\n    \
         steps:\n      - { id: b, uses: command, with: { program: /b, args: [\"${{ steps.a.stdout }}\"] } }\n      - { id: c, uses: command, needs: [b], with: { program: /c } }\n  \
         - { id: last, uses: command, needs: [each], with: { program: /d } }\n";

    #[test]
    fn every_format_of_a_plan_with_hostile_titles() {
        let plan = compiled(HOSTILE.as_bytes());
        let mut all = String::new();
        for format in [Format::Mermaid, Format::Dot, Format::Svg] {
            let text = drawn(&plan, format).unwrap();
            assert_eq!(drawn(&plan, format).unwrap(), text, "the same plan gives the same picture");
            let control = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{format:?}");
            assert!(!text.contains('\u{202e}'), "{format:?}: {text}");
            // In a quoted DOT string `<` has no special meaning.
            assert!(format == Format::Dot || !text.contains("<script"), "{format:?}: {text}");
            all.push_str(&format!("## {format:?}\n{text}\n"));
        }
        insta::assert_snapshot!("hostile", all);
    }

    #[test]
    fn boxes_of_each_shipped_plan_lie_beside_each_other() {
        for (name, plan) in shipped() {
            let graph = plan.graph();
            let laid = layout::Layout::new(&plan, &graph);
            for (one, first) in &laid.boxes {
                for (other, second) in laid.boxes.iter().filter(|(other, _)| *other > one) {
                    let around = |inner: NodeId, outer: NodeId| {
                        std::iter::successors(graph.find(inner).and_then(|node| node.scope), |scope| {
                            graph.find(*scope).and_then(|node| node.scope)
                        })
                        .any(|scope| scope == outer)
                    };
                    let nested = around(*one, *other) || around(*other, *one);
                    assert_eq!(first.overlaps(second), nested, "{name}: {first:?} {second:?}");
                }
            }
        }
    }
}
