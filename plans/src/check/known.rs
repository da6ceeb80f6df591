//! Checks constant parameters of the plan with the kind's own rules, before any inputs are known.

use indexmap::IndexMap;
use serde_json::Map;

use crate::catalog::{KindSpec, Type};
use crate::diagnostic::Diagnostic;
use crate::document::StepDecl;
use crate::expr::{Expr, Template};
use crate::ids::{Ensure, NodeId};
use crate::params::{GivenParams, ParamMisfit};
use crate::yaml::{Node as Yaml, Value};

use super::Checker;

impl<'d> Checker<'d> {
    /// Reports constants that the kind does not accept. `certain`: the step is part of every run.
    pub(super) fn constants(
        &mut self,
        id: &'d str,
        step: &'d StepDecl,
        kind: &'d KindSpec,
        with: &Template,
        certain: bool,
    ) {
        let (Template::Map(entries), Some(written)) = (with, &step.with) else { return };
        let mut values = Map::new();
        let mut unknown = Vec::new();
        for (name, template) in entries {
            match constant(template) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None if matches!(template, Template::Map(_))
                    && kind.params.iter().any(|field| field.name == *name && field.ty == Type::Any) =>
                {
                    values.insert(name.clone(), with_holes(template));
                }
                None => unknown.push(name.as_str()),
            }
        }
        let given = GivenParams { values: &values, unknown: &unknown, ensure: step.ensure };
        let misfits = kind.check.misfits(&given);
        let fits = misfits.is_empty();
        for misfit in misfits {
            let node = written_at(written, &misfit.path);
            let diagnostic = misfit_of(&misfit, id, &kind.name).at(self.place(&node.span), "not accepted");
            self.problem(diagnostic);
        }
        if fits && certain && kind.check.is_joint() && step.ensure == Ensure::Present {
            self.compared.push(Compared { id, kind, values, written });
        }
    }

    /// Whether a node has no condition, nor anything around it.
    pub(super) fn is_certain(&self, node: NodeId) -> bool {
        let mut at = Some(node);
        while let Some(node) = at {
            let named = self.names.node(node);
            if named.decl.when.is_some() {
                return false;
            }
            at = named.parent;
        }
        true
    }

    /// Says which steps of one kind do not go together, as far as their parameters are constants. The inputs tell the rest.
    pub(super) fn together(&mut self) {
        let compared = std::mem::take(&mut self.compared);
        for steps in groups(&compared, |step| &step.kind.name) {
            let all: Vec<&Map<String, serde_json::Value>> = steps.iter().map(|step| &step.values).collect();
            let Some(first) = steps.first() else { continue };
            for clash in first.kind.check.clashes(&all) {
                let (Some(step), Some(other)) = (steps.get(clash.step), steps.get(clash.other)) else {
                    continue;
                };
                let misfit = ParamMisfit { path: clash.path, why: clash.why };
                let at = self.place(&written_at(step.written, &misfit.path).span);
                let other_at = self.place(&written_at(other.written, &clash.other_path).span);
                let diagnostic = misfit_of(&misfit, step.id, &step.kind.name)
                    .at(at, "not taken")
                    .and_at(other_at, format!("of the step `{}`", other.id));
                self.problem(diagnostic);
            }
        }
    }
}

/// A step whose constants are compared with those of other steps of its kind.
pub(super) struct Compared<'d> {
    id: &'d str,
    kind: &'d KindSpec,
    values: Map<String, serde_json::Value>,
    written: &'d Yaml,
}

/// The same elements by name, in their order.
pub(crate) fn groups<'a, T>(all: &'a [T], name: impl Fn(&'a T) -> &'a String) -> Vec<Vec<&'a T>> {
    let mut groups: IndexMap<&String, Vec<&T>> = IndexMap::new();
    for one in all {
        groups.entry(name(one)).or_default().push(one);
    }
    groups.into_values().collect()
}

/// The diagnostic for a value that the kind of step instance `step` does not accept.
pub(crate) fn misfit_of(misfit: &ParamMisfit, step: &str, kind: &str) -> Diagnostic {
    Diagnostic::error("TS0414", format!("`{}` of the step `{step}`: {}", misfit.place(), misfit.why))
        .help(format!("change the value; `twinspan steps {kind}` describes the parameter"))
}

/// The innermost existing value on the way to `path`.
pub(super) fn written_at<'y>(mut at: &'y Yaml, path: &[String]) -> &'y Yaml {
    for part in path {
        let next = match &at.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == *part).map(|entry| &entry.value),
            Value::List(items) => part.parse::<usize>().ok().and_then(|position| items.get(position)),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// Parameters of type `any`.
pub(super) fn open(kind: &KindSpec) -> Vec<String> {
    let open = kind.params.iter().filter(|field| field.ty == Type::Any);
    open.map(|field| field.name.clone()).collect()
}

/// The constant value of a template, with null for its other parts.
fn with_holes(template: &Template) -> serde_json::Value {
    match template {
        Template::Expr(Expr::Literal(value)) => value.clone(),
        Template::Expr(_) | Template::Secret(_) => serde_json::Value::Null,
        Template::List(items) => items.iter().map(with_holes).collect(),
        Template::Map(entries) => {
            entries.iter().map(|(key, entry)| (key.clone(), with_holes(entry))).collect()
        }
    }
}

fn constant(template: &Template) -> Option<serde_json::Value> {
    match template {
        Template::Expr(Expr::Literal(value)) => Some(value.clone()),
        Template::Expr(_) | Template::Secret(_) => None,
        Template::List(items) => items.iter().map(constant).collect(),
        Template::Map(entries) => {
            entries.iter().map(|(key, entry)| Some((key.clone(), constant(entry)?))).collect()
        }
    }
}
