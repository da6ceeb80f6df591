//! A Mermaid flowchart: plain arrows for outputs that are read, dotted arrows for needs, thick arrows for barriers.

use std::fmt::Write;

use twinspan_plans::graph::{Graph, Why};
use twinspan_plans::{NodeId, Plan};

use super::encode::mermaid as encoded;
use super::{inside, is_gate, is_scope, lines};

pub(super) fn write(plan: &Plan, graph: &Graph) -> String {
    let mut text = "flowchart TD\n".to_owned();
    scope(plan, graph, None, 1, &mut text);
    for edge in &graph.edges {
        let arrow = match edge.why {
            Why::Data => "-->",
            Why::Needs => "-.->",
            Why::Gate => "==>",
        };
        put(&mut text, format_args!("  n{} {arrow} n{}\n", edge.from.0, edge.to.0));
    }
    text.push_str(
        "  %% arrows: plain, an output is read; dotted, `needs`; thick, written after this barrier\n",
    );
    text
}

fn scope(plan: &Plan, graph: &Graph, around: Option<NodeId>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for node in inside(graph, around) {
        let id = node.node.0;
        let label: Vec<String> = lines(plan, node).iter().map(|line| encoded(line)).collect();
        let label = label.join("<br/>");
        if is_scope(plan, node.node) {
            put(text, format_args!("{indent}subgraph n{id}[\"{label}\"]\n"));
            scope(plan, graph, Some(node.node), depth + 1, text);
            put(text, format_args!("{indent}end\n"));
        } else if is_gate(plan, node.node) {
            put(text, format_args!("{indent}n{id}{{{{\"{label}\"}}}}\n"));
        } else {
            put(text, format_args!("{indent}n{id}[\"{label}\"]\n"));
        }
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = text.write_fmt(line);
}
