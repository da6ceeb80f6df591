//! A graph for Graphviz: plain edges for outputs that are read, dashed edges for needs, bold edges for barriers.

use std::fmt::Write;

use twinspan_plans::graph::{Edge, Graph, Why};
use twinspan_plans::{NodeId, Plan};

use super::encode::dot as encoded;
use super::{inside, is_gate, is_scope, lines, why_word};

pub(super) fn write(plan: &Plan, graph: &Graph) -> String {
    let mut text = format!("digraph \"{}\" {{\n", encoded(&plan.name));
    text.push_str("  graph [rankdir=TB, compound=true, fontname=\"sans-serif\"]\n");
    text.push_str("  node [shape=box, fontname=\"sans-serif\"]\n");
    scope(plan, graph, None, 1, &mut text);
    for edge in &graph.edges {
        put(&mut text, format_args!("  {}\n", line(plan, graph, edge)));
    }
    text.push_str("}\n");
    text
}

/// Graphviz has edges between nodes only: the first step of a scope represents it, and the edge ends at the scope's
/// border.
fn line(plan: &Plan, graph: &Graph, edge: &Edge) -> String {
    let end = |id: NodeId, border: &str| {
        let mut step = id;
        while is_scope(plan, step) {
            let Some(first) = inside(graph, Some(step)).next() else { break };
            step = first.node;
        }
        let border = if step == id { String::new() } else { format!(", {border}=cluster_n{}", id.0) };
        (format!("n{}", step.0), border)
    };
    let (from, tail) = end(edge.from, "ltail");
    let (to, head) = end(edge.to, "lhead");
    let style = match edge.why {
        Why::Data => "solid",
        Why::Needs => "dashed",
        Why::Gate => "bold",
    };
    format!("{from} -> {to} [style={style}, tooltip=\"{}\"{tail}{head}]", why_word(edge.why))
}

fn scope(plan: &Plan, graph: &Graph, around: Option<NodeId>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for node in inside(graph, around) {
        let id = node.node.0;
        let label: Vec<String> = lines(plan, node).iter().map(|line| encoded(line)).collect();
        let label = label.join("\\n");
        if is_scope(plan, node.node) {
            put(text, format_args!("{indent}subgraph cluster_n{id} {{\n{indent}  label=\"{label}\"\n"));
            scope(plan, graph, Some(node.node), depth + 1, text);
            put(text, format_args!("{indent}}}\n"));
        } else {
            let shape = if is_gate(plan, node.node) { ", shape=hexagon" } else { "" };
            put(text, format_args!("{indent}n{id} [label=\"{label}\"{shape}]\n"));
        }
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = text.write_fmt(line);
}
