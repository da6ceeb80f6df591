//! Places for secrets: a secret must be the whole value of a field, in a parameter whose kind reads secrets when it
//! uses them.
//! Anywhere else the reference to the secret would be sent, compared or shown.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::catalog::KindSpec;
use crate::diagnostic::Diagnostic;
use crate::expr::{Expr, SECRET, Template, inputs_of_expr};
use crate::yaml::{Node as Yaml, Value};

use super::Checker;

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
            self.secrets_in(template, &node.value, takes, &what);
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
