//! Checks constant parameters of the plan with the kind's own rules, before any inputs are known.

use serde_json::Map;

use crate::catalog::{KindSpec, Type};
use crate::diagnostic::Diagnostic;
use crate::document::StepDecl;
use crate::expr::{Expr, Template};
use crate::params::{GivenParams, ParamMisfit};
use crate::yaml::{Node as Yaml, Value};

use super::Checker;

impl Checker<'_> {
    /// Reports constants that the kind does not accept.
    pub(super) fn constants(&mut self, id: &str, step: &StepDecl, kind: &KindSpec, with: &Template) {
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
        for misfit in kind.check.misfits(&given) {
            let node = written_at(written, &misfit.path);
            let diagnostic = misfit_of(&misfit, id, &kind.name).at(self.place(&node.span), "not accepted");
            self.problem(diagnostic);
        }
    }
}

/// The diagnostic for a value that the kind of step instance `step` does not accept.
pub(crate) fn misfit_of(misfit: &ParamMisfit, step: &str, kind: &str) -> Diagnostic {
    Diagnostic::error("TS0414", format!("`{}` of the step `{step}`: {}", misfit.place(), misfit.why))
        .help(format!("change the value; `twinspan steps {kind}` describes the parameter"))
}

/// The innermost existing value on the way to `path`.
fn written_at<'y>(mut at: &'y Yaml, path: &[String]) -> &'y Yaml {
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
