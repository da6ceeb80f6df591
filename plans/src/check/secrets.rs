//! Places for secrets: a secret must be the whole value of a field, in a parameter whose kind reads secrets when it
//! uses them.
//! Anywhere else the reference to the secret would be sent, compared or shown.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value as Json;

use crate::catalog::{KindSpec, Type};
use crate::diagnostic::Diagnostic;
use crate::expr::{Expr, SECRET, Template, inputs_of_expr};
use crate::params::ParamMisfit;
use crate::reference::has_reference;
use crate::yaml::{Node as Yaml, Value};

use super::Checker;
use super::known::written_at;

impl Checker<'_> {
    /// Reports a secret outside of parameters.
    pub(super) fn no_secret(&mut self, expr: &Expr, span: &Range<usize>, what: &str) {
        if let Some(name) = self.secret_of(expr) {
            self.refuse_secret(&name, span, &format!("{what} cannot be a secret"));
        }
    }

    /// Reports a secret in a default: defaults are stored with the inputs.
    pub(super) fn no_secret_in_default(&mut self, default: &Template, span: &Range<usize>, what: &str) {
        match default {
            Template::Expr(expr) => self.no_secret(expr, span, what),
            Template::List(items) => {
                items.iter().for_each(|item| self.no_secret_in_default(item, span, what));
            }
            Template::Map(entries) => {
                entries.iter().for_each(|(_, entry)| self.no_secret_in_default(entry, span, what));
            }
            Template::Secret(_) => {}
        }
    }

    /// Marks the secrets in a step's parameters, and reports those at wrong places.
    pub(super) fn secrets_of_step(&mut self, kind: Option<&KindSpec>, written: &Yaml, with: &mut Template) {
        let Template::Map(entries) = with else { return };
        let Value::Map(nodes) = &written.value else { return };
        for (name, template) in entries {
            let Some(node) = nodes.iter().find(|entry| entry.key == *name) else { continue };
            let takes = kind.is_some_and(|kind| kind.secrets.iter().any(|secret| secret == name));
            let what = match kind {
                Some(kind) => format!("`{name}` of `{}` takes no secret", kind.name),
                None => format!("`{name}` takes no secret"),
            };
            let before = self.problems.0.len();
            self.secrets_in(template, &node.value, takes, &what);
            if let Some(kind) = kind
                && takes
                && self.problems.0.len() == before
            {
                self.written_secrets(kind, name, template, &node.value);
            }
        }
    }

    /// Reports every field that holds a secret and has a text, or a reference to a value that is no secret: both would be stored.
    fn written_secrets(&mut self, kind: &KindSpec, parameter: &str, template: &Template, written: &Yaml) {
        for path in kind.check.written_secrets(&self.texts(template)) {
            let node = written_at(written, &path);
            let path = std::iter::once(parameter.to_owned()).chain(path).collect();
            let field = ParamMisfit { path, why: String::new() }.place();
            let referring = matches!(&node.value, Value::Text(text) if has_reference(text));
            let (message, label) = match referring {
                true => {
                    (format!("`{field}` is a secret, and refers to a value that is none"), "would be stored")
                }
                false => (
                    format!("`{field}` is a secret that is written in the plan"),
                    "stored, printed and shared",
                ),
            };
            let diagnostic = Diagnostic::error("TS0215", message).at(self.place(&node.span), label).help(
                "declare an input with `secret: true`, and refer to it as the whole value: `\"${{ inputs.NAME }}\"`",
            );
            self.problem(diagnostic);
        }
    }

    /// The value of a template with a text in place of each reference that may be a text, and null in place of the others.
    fn texts(&self, template: &Template) -> Json {
        match template {
            Template::Expr(Expr::Literal(value)) => value.clone(),
            Template::Expr(expr) if self.is_no_text(expr) => Json::Null,
            Template::Expr(_) => Json::String("${{ }}".to_owned()),
            Template::Secret(_) => Json::Null,
            Template::List(items) => items.iter().map(|item| self.texts(item)).collect(),
            Template::Map(entries) => {
                entries.iter().map(|(name, entry)| (name.clone(), self.texts(entry))).collect()
            }
        }
    }

    /// Whether the value is surely no text: a condition, or an input of another type.
    fn is_no_text(&self, expr: &Expr) -> bool {
        match expr {
            Expr::And(_) | Expr::Not(_) | Expr::Equal { .. } => true,
            Expr::Or(all) => all.iter().all(|expr| self.is_no_text(expr)),
            Expr::Input { name, path } if path.is_empty() => {
                let input = self.document.inputs.iter().find(|input| input.name.value == *name);
                // A named type of text, such as a resource id, may name the place of a secret, but holds none.
                input.is_some_and(|input| !matches!(input.ty, Type::Any | Type::String | Type::List(_)))
            }
            _ => false,
        }
    }

    fn secrets_in(&mut self, template: &mut Template, written: &Yaml, takes: bool, what: &str) {
        match template {
            Template::Expr(expr) => {
                let Some(name) = self.secret_of(expr) else { return };
                match expr {
                    Expr::Input { path, .. } if takes && path.is_empty() => {
                        *template = Template::Secret(name)
                    }
                    _ if takes => {
                        let what =
                            "a secret is the whole value of a field, not a part of a text or a condition";
                        self.refuse_secret(&name, &written.span, what);
                    }
                    _ => self.refuse_secret(&name, &written.span, what),
                }
            }
            Template::List(items) => {
                let Value::List(nodes) = &written.value else { return };
                for (item, node) in items.iter_mut().zip(nodes) {
                    self.secrets_in(item, node, takes, what);
                }
            }
            Template::Map(entries) => {
                let Value::Map(nodes) = &written.value else { return };
                for (key, entry) in entries {
                    let Some(node) = nodes.iter().find(|node| node.key == *key) else { continue };
                    if key == SECRET {
                        let diagnostic = Diagnostic::error(
                            "TS0214",
                            format!("`{SECRET}` is reserved"),
                        )
                        .at(self.place(&node.key_span), "cannot be the name of a field")
                        .help(
                            "declare an input with `secret: true`, and refer to it where the secret belongs",
                        );
                        self.problem(diagnostic);
                    }
                    self.secrets_in(entry, &node.value, takes, what);
                }
            }
            Template::Secret(_) => {}
        }
    }

    /// The first secret input that `expr` reads.
    fn secret_of(&self, expr: &Expr) -> Option<String> {
        let mut read = BTreeSet::new();
        inputs_of_expr(expr, &mut read);
        let is_secret =
            |name: &&str| self.document.inputs.iter().any(|input| input.secret && input.name.value == *name);
        read.into_iter().find(is_secret).map(str::to_owned)
    }

    fn refuse_secret(&mut self, name: &str, span: &Range<usize>, what: &str) {
        let takers: Vec<String> = self
            .catalog
            .kinds
            .values()
            .flat_map(|kind| kind.secrets.iter().map(|name| format!("`{name}` of `{}`", kind.name)))
            .collect();
        let help = match takers.as_slice() {
            [] => "no kind takes a secret: give a value that may be stored and shown".to_owned(),
            takers => format!(
                "a secret may be used in {}, as the whole value of a field: `\"${{{{ inputs.{name} }}}}\"`; give anything \
                 else as an input that is no secret",
                takers.join(" and ")
            ),
        };
        let diagnostic = Diagnostic::error("TS0214", format!("the input `{name}` is a secret: {what}"))
            .at(self.place(span), "would be stored, sent or shown as a reference")
            .help(help);
        self.problem(diagnostic);
    }
}
