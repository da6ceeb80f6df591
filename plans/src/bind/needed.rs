//! What can be known of a run before it begins: elements of every `for_each` over inputs, which steps apply, and
//! whether those have the inputs that they need.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::elements;
use crate::expr::{EvalError, Expr, Segment, Template};
use crate::plan::{Inputs, NodeId, NodeKind, Plan};

use super::{InputScope, inputs_of};

pub(super) fn check(plan: &Plan, inputs: &IndexMap<String, Json>, problems: &mut Diagnostics) {
    let mut look = Look { plan, inputs, problems, said: BTreeSet::new(), known: Vec::new() };
    for root in &plan.roots {
        look.node(*root, &[]);
    }
}

/// Parameters of applicable steps whose values the inputs give alone.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownParams {
    /// The step.
    pub node: NodeId,
    /// The values, by name; what is known only while the plan runs is not among them.
    pub values: IndexMap<String, Json>,
}

impl Plan {
    /// What is known of each step (of each instance of one) before the run.
    pub fn known_params(&self, inputs: &Inputs) -> Vec<KnownParams> {
        let mut problems = Diagnostics::default();
        let mut look = Look {
            plan: self,
            inputs: &inputs.0,
            problems: &mut problems,
            said: BTreeSet::new(),
            known: Vec::new(),
        };
        for root in &self.roots {
            look.node(*root, &[]);
        }
        look.known
    }
}

struct Look<'a> {
    plan: &'a Plan,
    inputs: &'a IndexMap<String, Json>,
    problems: &'a mut Diagnostics,
    said: BTreeSet<String>,
    known: Vec<KnownParams>,
}

impl Look<'_> {
    /// `elements`: those of the `for_each` around, innermost first. A `for_each` over outputs ends the look.
    fn node(&mut self, id: NodeId, elements: &[(String, Json)]) {
        let node = self.plan.node(id);
        let Some(collection) = &node.for_each else { return self.instance(id, elements) };
        if depends_on_run(collection) {
            return;
        }
        let scope = InputScope { inputs: self.inputs, elements };
        let found = match collection.eval(&scope) {
            Ok(value) => elements::elements(value),
            Err(error) => return self.no_value(&node.id, "for_each", &error),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let message = format!("`{}` is once for each element: {error}", node.id);
                let help = "each element names an instance: remove or rename one of them in the inputs";
                return self.say(Diagnostic::error("TS0410", message).help(help));
            }
        };
        for element in found {
            let mut inner = vec![element];
            inner.extend_from_slice(elements);
            self.instance(id, &inner);
        }
    }

    fn instance(&mut self, id: NodeId, elements: &[(String, Json)]) {
        let node = self.plan.node(id);
        if !self.applies(node.when.as_ref(), elements) {
            return;
        }
        match &node.kind {
            NodeKind::Block(block) => block.children.iter().for_each(|child| self.node(*child, elements)),
            NodeKind::Step(step) => {
                let Template::Map(entries) = &step.with else { return };
                let mut values = IndexMap::new();
                for (name, template) in entries {
                    if template_depends_on_run(template) {
                        continue;
                    }
                    let scope = InputScope { inputs: self.inputs, elements };
                    match template.resolve(&scope) {
                        Ok(Some(value)) => {
                            values.insert(name.clone(), value);
                        }
                        Ok(None) if step.required.contains(name) => {
                            let read = inputs_of(template);
                            let names: Vec<String> = read
                                .into_iter()
                                .filter(|name| !self.inputs.contains_key(*name))
                                .map(str::to_owned)
                                .collect();
                            self.missing(&node.id, name, &names);
                        }
                        Ok(None) => {}
                        Err(error) => self.no_value(&node.id, name, &error),
                    }
                }
                self.known.push(KnownParams { node: id, values });
            }
        }
    }

    /// False only if that is certain before the run.
    fn applies(&self, when: Option<&Expr>, elements: &[(String, Json)]) -> bool {
        let Some(when) = when else { return true };
        let scope = InputScope { inputs: self.inputs, elements };
        // One false part of `and` is enough, whatever the others will say.
        let parts = match when {
            Expr::And(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        !parts.iter().any(|part| !depends_on_run(part) && part.truth(&scope) == Ok(false))
    }

    fn missing(&mut self, step: &str, parameter: &str, names: &[String]) {
        let diagnostic = match names {
            [] => Diagnostic::error("TS0405", format!("`{parameter}` of the step `{step}` has no value"))
                .help("give the optional field that it refers to in every element that this step applies to"),
            names => {
                let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
                let give = names.first().map_or("", String::as_str);
                Diagnostic::error("TS0405", format!("the step `{step}` needs the input {list}"))
                    .help(format!("give --input {give}=VALUE: with these inputs the step is applicable (its `{parameter}`)"))
            }
        };
        self.say(diagnostic);
    }

    fn no_value(&mut self, step: &str, parameter: &str, error: &EvalError) {
        self.say(
            Diagnostic::error("TS0404", format!("`{parameter}` of the step `{step}`: {error}"))
                .help("mend the key in the inputs, or the reference in the plan"),
        );
    }

    /// Once for all instances.
    fn say(&mut self, diagnostic: Diagnostic) {
        if self.said.insert(diagnostic.message.clone()) {
            self.problems.push(diagnostic);
        }
    }
}

/// Whether its value is known only while the plan runs.
fn depends_on_run(expr: &Expr) -> bool {
    let path = |path: &[Segment]| {
        path.iter().any(|segment| matches!(segment, Segment::Key(key) if depends_on_run(key)))
    };
    match expr {
        Expr::Output { .. } | Expr::RunId => true,
        Expr::Literal(_) | Expr::EachKey(_) => false,
        Expr::Input { path: segments, .. } | Expr::EachValue { path: segments, .. } => path(segments),
        Expr::Or(all) | Expr::And(all) | Expr::Concat(all) => all.iter().any(depends_on_run),
        Expr::Not(inner) => depends_on_run(inner),
        Expr::Equal { left, right, .. } => depends_on_run(left) || depends_on_run(right),
    }
}

fn template_depends_on_run(template: &Template) -> bool {
    match template {
        Template::Expr(expr) => depends_on_run(expr),
        Template::List(items) => items.iter().any(template_depends_on_run),
        Template::Map(entries) => entries.iter().any(|(_, entry)| template_depends_on_run(entry)),
    }
}
