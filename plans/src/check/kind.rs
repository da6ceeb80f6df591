//! Checks of a step against its kind: identities, sets of parameters, `ensure`.

use std::ops::Range;

use crate::catalog::{EffectClass, Identities, KindSpec};
use crate::diagnostic::Diagnostic;
use crate::document::{NodeDecl, StepDecl};
use crate::ids::Ensure;
use crate::yaml::{Node as Yaml, Value};

use super::Checker;

impl Checker<'_> {
    /// Checks `as` and `auxiliary` against the kind.
    pub(super) fn who(&mut self, decl: &NodeDecl, step: &StepDecl, kind: &KindSpec) {
        let name = &kind.name;
        match (kind.identities, step.identities.as_slice()) {
            (Identities::None, [first, ..]) => {
                let diagnostic = Diagnostic::error("TS0305", format!("`{name}` takes no identity"))
                    .at(self.place(&first.span), "it uses no identity")
                    .help("remove `as`");
                self.problem(diagnostic);
            }
            (Identities::One, [_, second, ..]) => {
                let diagnostic = Diagnostic::error("TS0305", format!("`{name}` takes one identity"))
                    .at(self.place(&second.span), "one too many")
                    .help("keep the one that acts");
                self.problem(diagnostic);
            }
            (Identities::One | Identities::Several, []) => {
                let diagnostic = Diagnostic::error("TS0305", format!("`{name}` needs an identity"))
                    .at(self.place(&decl.id.span), "no identity for this step")
                    .help("add `as:` with the name of an identity");
                self.problem(diagnostic);
            }
            _ => {}
        }
        if let (Some(auxiliary), false) = (&step.auxiliary, kind.auxiliary) {
            let diagnostic = Diagnostic::error("TS0306", format!("`{name}` takes no `auxiliary` identity"))
                .at(self.place(&auxiliary.span), "its token would not be used")
                .help("remove `auxiliary`");
            self.problem(diagnostic);
        }
    }

    /// The kind's set of parameters that is given; reports an error if there is none.
    pub(super) fn form<'k>(
        &mut self,
        decl: &NodeDecl,
        step: &StepDecl,
        kind: &'k KindSpec,
    ) -> Option<&'k Vec<String>> {
        let in_a_form = |key: &str| kind.forms.iter().flatten().any(|name| name == key);
        let mut given: Vec<(&str, Range<usize>)> = Vec::new();
        if let Some(Yaml { value: Value::Map(entries), .. }) = &step.with {
            let known = entries.iter().filter(|entry| in_a_form(&entry.key));
            given.extend(known.map(|entry| (entry.key.as_str(), entry.key_span.clone())));
        }
        let found = kind.forms.iter().find(|form| {
            let whole = form.iter().all(|name| given.iter().any(|(key, _)| key == name));
            whole && given.iter().all(|(key, _)| form.iter().any(|name| name == key))
        });
        if found.is_none() && !kind.forms.is_empty() {
            let ways: Vec<String> = kind.forms.iter().map(|form| together(form)).collect();
            let what = match &given[..] {
                [] => "none of them is given".to_owned(),
                some => {
                    let names: Vec<String> = some.iter().map(|(key, _)| (*key).to_owned()).collect();
                    format!("given: {}", together(&names))
                }
            };
            let span = given.first().map_or(decl.id.span.clone(), |(_, span)| span.clone());
            let message = format!("`{}` takes {}", kind.name, ways.join(", or "));
            let diagnostic = Diagnostic::error("TS0313", message)
                .at(self.place(&span), what)
                .help("give exactly one of these sets, complete");
            self.problem(diagnostic);
        }
        found
    }

    /// Checks that the kind supports `ensure: absent`.
    pub(super) fn removable(&mut self, step: &StepDecl, kind: &KindSpec) {
        let (Ensure::Absent, false, Some(span)) = (step.ensure, kind.removable, &step.ensure_span) else {
            return;
        };
        let kinds = self.catalog.kinds.values().filter(|kind| kind.removable);
        let known: Vec<&str> = kinds.map(|kind| kind.name.as_str()).collect();
        let message = format!("`{}` creates nothing that can be deleted", kind.name);
        let diagnostic = Diagnostic::error("TS0312", message)
            .at(self.place(span), "not supported")
            .help(format!("remove `ensure`; kinds that take it: {}", known.join(", ")));
        self.problem(diagnostic);
    }
}

/// The behaviour of this step's write, which may depend on whether a parameter is given.
pub(super) fn effect(step: &StepDecl, kind: &KindSpec) -> EffectClass {
    let given = |name: &str| match &step.with {
        Some(Yaml { value: Value::Map(entries), .. }) => entries.iter().any(|entry| entry.key == name),
        _ => false,
    };
    match &kind.effect_without {
        Some((parameter, effect)) if !given(parameter) => *effect,
        _ => kind.effect,
    }
}

/// Parameters that must have a value: the required ones, and those of the given set.
pub(super) fn required(kind: &KindSpec, form: Option<&Vec<String>>) -> Vec<String> {
    let always = kind.params.iter().filter(|field| field.required).map(|field| field.name.clone());
    always.chain(form.into_iter().flatten().cloned()).collect()
}

/// "`a` and `b`"
fn together(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}
