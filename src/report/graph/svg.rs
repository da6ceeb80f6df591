//! The order as SVG: boxes in rows, arrows behind them, and a legend.

use std::fmt::Write;

use twinspan_plans::graph::{Edge, Graph, Why};
use twinspan_plans::{NodeId, Plan};

use super::encode::xml as encoded;
use super::layout::{LETTERS, LINE, Layout, PAD, Rect};
use super::{is_gate, is_scope, lines, why_word};

const LEGEND: [Why; 3] = [Why::Data, Why::Needs, Why::Gate];

pub(super) fn write(plan: &Plan, graph: &Graph) -> String {
    let layout = Layout::new(plan, graph);
    let width = layout.width.max(520);
    let height = layout.height + 2 * LINE + PAD;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" \
         refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#444\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
        encoded(&format!("Order of the plan {}", plan.name))
    );
    // Scopes first, then arrows, then steps: later elements cover earlier ones.
    for node in graph.nodes.iter().filter(|node| is_scope(plan, node.node)) {
        let Some(place) = layout.boxes.get(&node.node) else { continue };
        boxed(&mut text, place, "#f4f6fa", "6 3", &lines(plan, node), Label::Top);
    }
    for edge in &graph.edges {
        arrow(&mut text, &layout, edge, plan);
    }
    for node in graph.nodes.iter().filter(|node| !is_scope(plan, node.node)) {
        let Some(place) = layout.boxes.get(&node.node) else { continue };
        let fill = if is_gate(plan, node.node) { "#fff1d6" } else { "#e8f1ff" };
        boxed(&mut text, place, fill, "", &lines(plan, node), Label::Middle);
    }
    legend(&mut text, layout.height + LINE);
    text.push_str("</svg>\n");
    text
}

#[derive(Clone, Copy)]
enum Label {
    Top,
    Middle,
}

fn boxed(text: &mut String, place: &Rect, fill: &str, dashes: &str, label: &[String], at: Label) {
    let Rect { x, y, width, height } = *place;
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    put(
        text,
        format_args!(
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"5\" fill=\"{fill}\" \
             stroke=\"#667\"{dashes}/>",
            encoded(&label.join(", "))
        ),
    );
    let tall = LINE * u32::try_from(label.len()).unwrap_or(0);
    let top = match at {
        Label::Top => y + PAD,
        Label::Middle => y + height.saturating_sub(tall) / 2,
    };
    let middle = x + width / 2;
    for (line, words) in (0_u32..).zip(label) {
        let baseline = top + LINE * line + 12;
        let weight = if line == 0 { " font-weight=\"bold\"" } else { "" };
        put(
            text,
            format_args!(
                "<text x=\"{middle}\" y=\"{baseline}\" text-anchor=\"middle\"{weight}>{}</text>",
                encoded(&cut(words))
            ),
        );
    }
    text.push_str("</g>\n");
}

/// The line, cut off to the width of a box.
fn cut(line: &str) -> String {
    if line.chars().count() <= LETTERS {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(LETTERS - 1).collect();
    short.push('…');
    short
}

fn arrow(text: &mut String, layout: &Layout, edge: &Edge, plan: &Plan) {
    let (Some(from), Some(to)) = (layout.boxes.get(&edge.from), layout.boxes.get(&edge.to)) else { return };
    let (x1, y1) = (from.x + from.width / 2, from.y + from.height);
    let (x2, y2) = (to.x + to.width / 2, to.y);
    let bend = (y2.max(y1) - y1.min(y2)).max(40) / 2;
    let id = |node: NodeId| plan.node(node).id.as_str();
    let words = format!("{}: {} {}", id(edge.to), why_word(edge.why), id(edge.from));
    put(
        text,
        format_args!(
            "<path d=\"M{x1} {y1} C{x1} {} {x2} {} {x2} {y2}\" fill=\"none\"{} marker-end=\"url(#arrow)\"><title>{}</title></path>\n",
            y1 + bend,
            y2.saturating_sub(bend),
            stroke(edge.why),
            encoded(&words)
        ),
    );
}

fn stroke(why: Why) -> &'static str {
    match why {
        Why::Data => " stroke=\"#444\"",
        Why::Needs => " stroke=\"#444\" stroke-dasharray=\"5 4\"",
        Why::Gate => " stroke=\"#b36b00\" stroke-width=\"2.5\"",
    }
}

fn legend(text: &mut String, y: u32) {
    for (at, why) in (0_u32..).zip(LEGEND) {
        let x = PAD + 165 * at;
        put(
            text,
            format_args!(
                "<path d=\"M{x} {y} h36\" fill=\"none\"{} marker-end=\"url(#arrow)\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
                stroke(why),
                x + 44,
                y + 4,
                why_word(why)
            ),
        );
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = text.write_fmt(line);
}
