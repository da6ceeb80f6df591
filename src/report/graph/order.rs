//! The order as text: one line per step, with the steps that it waits for.

use serde::Serialize;
use twinspan_plans::Plan;
use twinspan_plans::graph::{Graph, GraphNode, Why};

use super::{is_gate, repeated};
use crate::report::view::Page;
use crate::text::{DIM, STRONG, Text, Width};

/// The order of a plan.
pub(crate) struct OrderView {
    pub(crate) steps: Vec<OrderedStep>,
}

/// A step or a block with `for_each`, and the steps that it waits for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OrderedStep {
    /// `connect[].role`
    step: String,
    /// Steps with the same number may run together, each after the steps that it waits for.
    stage: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Whether every step written after it waits for it (a barrier), unless the plan says `barrier: false`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_each: Option<String>,
    after: Vec<After>,
}

/// A step that is waited for, and why.
#[derive(Clone, Debug, Serialize)]
struct After {
    step: String,
    why: Why,
}

impl OrderView {
    pub(crate) fn new(plan: &Plan) -> Self {
        let graph = plan.graph();
        let mut nodes: Vec<&GraphNode> = graph.nodes.iter().collect();
        nodes.sort_by_key(|node| node.stage);
        OrderView { steps: nodes.into_iter().map(|node| OrderedStep::new(plan, &graph, node)).collect() }
    }

    pub(crate) fn text(&self, width: Width) -> Text {
        OrderView::text_of(&self.steps, width)
    }

    pub(crate) fn text_of(steps: &[OrderedStep], width: Width) -> Text {
        let mut page = Page::new(width);
        page.line(
            0,
            &format!("{STRONG}order{STRONG:#}  {DIM}steps with the same number run together, each after those it waits for{DIM:#}"),
        );
        let names = steps.iter().map(|step| step.step.chars().count()).max().unwrap_or(0).min(40);
        for step in steps {
            let mut words = Vec::new();
            words.extend(step.kind.clone());
            words.extend(step.for_each.clone());
            if step.gate {
                words.push("barrier".to_owned());
            }
            let line = format!(
                "{:>3}  {:names$}  {}{}",
                step.stage,
                step.step,
                words.join(", "),
                step.after_words()
            );
            page.line(names + 7, &line);
        }
        page.into_text()
    }
}

impl OrderedStep {
    fn new(plan: &Plan, graph: &Graph, node: &GraphNode) -> Self {
        let definition = plan.node(node.node);
        let path = |id| graph.find(id).map(|node| node.path.clone()).unwrap_or_default();
        OrderedStep {
            step: node.path.clone(),
            stage: node.stage,
            kind: definition.step().map(|step| step.uses.clone()),
            gate: is_gate(plan, node.node),
            for_each: definition.for_each.as_ref().map(|_| repeated(plan, node.node)),
            after: graph
                .after(node.node)
                .iter()
                .map(|edge| After { step: path(edge.from), why: edge.why })
                .collect(),
        }
    }

    /// `; after a, b, the barrier go`
    fn after_words(&self) -> String {
        if self.after.is_empty() {
            return String::new();
        }
        let word = |after: &After| match after.why {
            Why::Gate => format!("the barrier {}", after.step),
            Why::Data | Why::Needs => after.step.clone(),
        };
        format!("; after {}", self.after.iter().map(word).collect::<Vec<_>>().join(", "))
    }
}
