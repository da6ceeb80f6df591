//! Compiles parameters and defaults: literals are checked, references are typed, lists are spliced.

use std::ops::Range;

use serde_json::Value as Json;

use crate::catalog::{Field, Type};
use crate::diagnostic::Diagnostic;
use crate::expr::{Expr, Template};
use crate::lattice::{Misfit, article, check_text, is_text};
use crate::reference::{Piece, has_reference, pieces};
use crate::yaml::{Node, Value};

use super::expression::{Absent, Origin, Typed};
use super::{Checker, PlacedNeed, Reader};

impl Checker<'_> {
    /// Compiles a value of type `wanted`; `what` names the place in messages.
    pub(super) fn template(
        &mut self,
        reader: Reader,
        node: &Node,
        wanted: &Type,
        what: &str,
        needs: &mut Vec<PlacedNeed>,
    ) -> Template {
        match &node.value {
            Value::Text(text) if has_reference(text) => {
                let typed = self.text_with_references(reader, text, &node.span, needs);
                self.must_fit(&typed, wanted, &node.span, what);
                Template::Expr(typed.expr)
            }
            Value::Text(text) => {
                if let Err(misfit) = check_text(text, wanted) {
                    self.misfit(node, wanted, what, misfit);
                }
                Template::Expr(Expr::Literal(text.as_str().into()))
            }
            Value::List(items) => self.list_template(reader, node, items, wanted, what, needs),
            Value::Map(entries) => match wanted {
                Type::Record(fields) => self.record_template(reader, node, fields, what, needs),
                Type::Map(inner) => {
                    let each = entries.iter().map(|entry| {
                        (entry.key.clone(), self.template(reader, &entry.value, inner, what, needs))
                    });
                    Template::Map(each.collect())
                }
                Type::Any => {
                    let each = entries.iter().map(|entry| {
                        (entry.key.clone(), self.template(reader, &entry.value, &Type::Any, what, needs))
                    });
                    Template::Map(each.collect())
                }
                _ => self.wrong_shape(node, wanted, what),
            },
            Value::Null if *wanted != Type::Any => self.wrong_shape(node, wanted, what),
            Value::Bool(_) if !matches!(wanted, Type::Boolean | Type::Any) => {
                self.wrong_shape(node, wanted, what)
            }
            Value::Number(number) => match wanted {
                Type::Any => Template::Expr(Expr::Literal(Json::Number(number.clone()))),
                Type::Integer if number.is_i64() || number.is_u64() => {
                    Template::Expr(Expr::Literal(Json::Number(number.clone())))
                }
                _ => self.wrong_shape(node, wanted, what),
            },
            Value::Null | Value::Bool(_) => Template::Expr(Expr::Literal(node.to_json())),
        }
    }

    fn list_template(
        &mut self,
        reader: Reader,
        node: &Node,
        items: &[Node],
        wanted: &Type,
        what: &str,
        needs: &mut Vec<PlacedNeed>,
    ) -> Template {
        let inner = match wanted {
            Type::List(inner) => (**inner).clone(),
            Type::Any => Type::Any,
            _ => return self.wrong_shape(node, wanted, what),
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            // An item that is a single reference to a list is spliced in.
            if let Value::Text(text) = &item.value
                && has_reference(text)
            {
                let typed = self.text_with_references(reader, text, &item.span, needs);
                let element = match &typed.ty {
                    Type::List(element) if !matches!(inner, Type::List(_)) => {
                        Some(Typed { ty: (**element).clone(), ..typed.clone() })
                    }
                    _ => None,
                };
                self.must_fit(element.as_ref().unwrap_or(&typed), &inner, &item.span, what);
                list.push(Template::Expr(typed.expr));
            } else {
                list.push(self.template(reader, item, &inner, what, needs));
            }
        }
        Template::List(list)
    }

    /// Compiles named fields: `with`, and records inside it.
    pub(super) fn record_template(
        &mut self,
        reader: Reader,
        node: &Node,
        fields: &[Field],
        what: &str,
        needs: &mut Vec<PlacedNeed>,
    ) -> Template {
        let Value::Map(entries) = &node.value else {
            return self.wrong_shape(node, &Type::Record(fields.to_vec()), what);
        };
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let mut map = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                let help = if known.is_empty() {
                    "it has no parameters".to_owned()
                } else {
                    format!("known: {}", known.join(", "))
                };
                let diagnostic =
                    Diagnostic::error("TS0302", format!("{what} has no parameter `{}`", entry.key))
                        .at(self.place(&entry.key_span), "not known")
                        .help(help)
                        .did_you_mean(&entry.key, known.iter().copied());
                self.problem(diagnostic);
                // Its references are checked anyway.
                self.template(reader, &entry.value, &Type::Any, what, needs);
                continue;
            };
            let whose = format!("`{}`", field.name);
            let before = self.problems.0.len();
            let value = self.template(reader, &entry.value, &field.ty, &whose, needs);
            if field.required && self.problems.0.len() == before {
                self.may_be_absent(reader, entry, needs);
            }
            map.push((entry.key.clone(), value));
        }
        let missing: Vec<&Field> = fields
            .iter()
            .filter(|field| field.required && !entries.iter().any(|entry| entry.key == field.name))
            .collect();
        for field in missing {
            self.missing_parameter(field, &node.span, what);
        }
        Template::Map(map)
    }

    pub(super) fn missing_parameter(&mut self, field: &Field, span: &Range<usize>, what: &str) {
        let about = if field.about.is_empty() { String::new() } else { format!(" ({})", field.about) };
        let start = span.start..span.start + 1;
        let diagnostic = Diagnostic::error("TS0303", format!("{what} needs the parameter `{}`", field.name))
            .at(self.place(&start), "missing in the mapping that begins here")
            .help(format!("add `{}:`, {}{about}", field.name, article(&field.ty)));
        self.problem(diagnostic);
    }

    /// Warns of a required parameter that reads an output which is not always present.
    fn may_be_absent(&mut self, reader: Reader, entry: &crate::yaml::Entry, needs: &[PlacedNeed]) {
        let Value::Text(text) = &entry.value.value else { return };
        if needs.is_empty() || !has_reference(text) {
            return;
        }
        // Compiled a second time only for this question; its diagnostics are dropped.
        let problems = self.problems.0.len();
        let guarded = self.guarded.len();
        let typed = self.text_with_references(reader, text, &entry.value.span, &mut Vec::new());
        self.problems.0.truncate(problems);
        self.guarded.truncate(guarded);
        if let Some(Absent::Output(step)) = typed.absent {
            let message = format!("`{}` is needed, but `{step}` does not always have this output", entry.key);
            let diagnostic = Diagnostic::warning("TS0211", message)
                .at(self.place(&entry.value.span), "may be absent")
                .help("add an alternative with `or`");
            self.problem(diagnostic);
        }
    }

    /// Compiles text with at least one reference: to that reference if it is the whole text, else to a concatenation.
    pub(super) fn text_with_references(
        &mut self,
        reader: Reader,
        text: &str,
        span: &Range<usize>,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let origin = Origin::new(&self.document.source.text, span, text);
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(errors) => {
                self.syntax_errors(errors, &origin);
                return Typed::unknown();
            }
        };
        if let [Piece::Reference(reference)] = pieces.as_slice() {
            return self.expression(reader, reference, &origin, needs);
        }
        let mut parts = Vec::with_capacity(pieces.len());
        let mut absent = None;
        for piece in &pieces {
            match piece {
                Piece::Text(text) => parts.push(Expr::Literal(text.as_str().into())),
                Piece::Reference(reference) => {
                    let typed = self.expression(reader, reference, &origin, needs);
                    if matches!(typed.ty, Type::List(_) | Type::Map(_) | Type::Record(_)) {
                        let diagnostic = Diagnostic::error("TS0207", "this cannot be part of a text")
                            .at(self.place(&origin.span(&reference.span)), format!("of type {}", typed.ty))
                            .help("refer to one value, or make the reference the whole text");
                        self.problem(diagnostic);
                    }
                    absent = absent.or(typed.absent);
                    parts.push(typed.expr);
                }
            }
        }
        Typed { expr: Expr::Concat(parts), ty: Type::String, literal: None, built: true, absent }
    }

    fn must_fit(&mut self, typed: &Typed, wanted: &Type, span: &Range<usize>, what: &str) {
        if let Some(why) = typed.misfit(wanted) {
            let diagnostic = Diagnostic::error("TS0207", format!("{what} must be {}", article(wanted)))
                .at(self.place(span), why)
                .help("refer to a value of the right type");
            self.problem(diagnostic);
        }
    }

    fn misfit(&mut self, node: &Node, wanted: &Type, what: &str, misfit: Misfit) {
        let mut diagnostic = Diagnostic::error("TS0311", format!("{what} must be {}", article(wanted)))
            .at(self.place(&node.span), misfit.why)
            .help(misfit.help);
        diagnostic.suggestion = misfit.suggestion;
        diagnostic.domain = misfit.domain.map(Into::into);
        self.problem(diagnostic);
    }

    fn wrong_shape(&mut self, node: &Node, wanted: &Type, what: &str) -> Template {
        let written = self.document.source.text.get(node.span.clone()).unwrap_or_default();
        let help = match (&node.value, wanted) {
            (Value::Number(_) | Value::Bool(_), wanted) if is_text(wanted) => {
                format!("write it in quotes: \"{written}\"")
            }
            (Value::Null, _) => "write a value, or remove the key".to_owned(),
            (_, Type::List(_)) => "write a list: `[ … ]`, or one line `- …` for each".to_owned(),
            (_, Type::Record(fields)) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                format!("write a mapping with {}", names.join(", "))
            }
            _ => format!("write a value of type {wanted}"),
        };
        let label = if matches!(node.value, Value::Null) {
            "empty".to_owned()
        } else {
            format!("this is {}", node.what())
        };
        let diagnostic = Diagnostic::error("TS0311", format!("{what} must be {}", article(wanted)))
            .at(self.place(&node.span), label)
            .help(help);
        self.problem(diagnostic);
        Template::Expr(Expr::Literal(Json::Null))
    }
}
