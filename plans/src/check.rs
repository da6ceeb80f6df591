//! From a document to a plan: names resolved, types checked. Every error in one pass.
//!
//! ```text
//! document ─names─▶ arena with scopes ─expression, template─▶ nodes, needs ─order─▶ no cycle ─▶ Plan
//! ```

mod expression;
mod names;
mod order;
mod step;
mod template;

use std::cell::RefCell;
use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::catalog::{Catalog, Type};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::Document;
use crate::expr::Expr;
use crate::plan::{IdentityDef, InputDef, Need, NodeId, Plan};

use names::Names;

/// A plan, and what is odd about it but no error.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Checks a document against the kinds that exist. All errors at once.
pub fn compile(document: &Document, catalog: &Catalog) -> Result<Compiled, Diagnostics> {
    let mut problems = document.problems.clone();
    let names = Names::gather(document, &mut problems);
    let mut checker = Checker {
        document,
        catalog,
        names,
        problems,
        used_inputs: RefCell::default(),
        elements: Vec::new(),
        guarded: Vec::new(),
    };
    let inputs = checker.inputs();
    let identities = checker.identities_of_top();
    let plan = checker.plan(inputs, identities);
    checker.unused_inputs();
    let problems = checker.problems.sorted();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Compiled { plan, warnings: problems })
}

/// All that is known while a document is checked.
struct Checker<'d> {
    document: &'d Document,
    catalog: &'d Catalog,
    names: Names<'d>,
    problems: Diagnostics,
    used_inputs: RefCell<BTreeSet<String>>,
    /// By node: type of the elements of its `for_each`.
    elements: Vec<Option<Type>>,
    /// Outputs read without `or`; looked at when every `when` is known.
    guarded: Vec<GuardedRead>,
}

/// An output that is read where it must be present.
struct GuardedRead {
    reader: NodeId,
    read: NodeId,
    place: Place,
    /// Whether the place is the reader's own `when` or `for_each`: then its `when` guards nothing.
    own_condition: bool,
}

/// Who reads: what names and `each` mean depends on it.
#[derive(Clone, Copy)]
struct Reader {
    /// The node whose parts are read; `None`: outside of steps.
    node: Option<NodeId>,
    /// `for_each` nodes are counted from here outwards, this one included.
    each: Option<NodeId>,
    /// Whether outputs of steps may be read.
    steps: bool,
    /// Inside `or`: an absent output is nothing bad.
    lenient: bool,
    /// In the node's `when` or `for_each`.
    own_condition: bool,
}

impl Reader {
    /// Defaults of inputs, and identities at the top.
    const TOP: Reader = Reader { node: None, each: None, steps: false, lenient: false, own_condition: false };

    /// The parts of a node, its own element included.
    fn node(node: NodeId) -> Self {
        Reader { node: Some(node), each: Some(node), steps: true, lenient: false, own_condition: false }
    }
}

/// A need and the place that makes it.
#[derive(Clone)]
struct PlacedNeed {
    need: Need,
    place: Place,
}

impl<'d> Checker<'d> {
    fn place(&self, span: &std::ops::Range<usize>) -> Place {
        Place::new(&self.document.source, span.clone())
    }

    fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    fn inputs(&mut self) -> IndexMap<String, InputDef> {
        let document = self.document;
        let mut defaults_read: Vec<BTreeSet<String>> = Vec::new();
        let mut inputs = IndexMap::new();
        for decl in &document.inputs {
            let outside = std::mem::take(&mut *self.used_inputs.borrow_mut());
            let default = decl.default.as_ref().map(|node| {
                let what = format!("the default of `{}`", decl.name.value);
                self.template(Reader::TOP, node, &decl.ty, &what, &mut Vec::new())
            });
            let read = std::mem::replace(&mut *self.used_inputs.borrow_mut(), outside);
            self.used_inputs.borrow_mut().extend(read.iter().cloned());
            defaults_read.push(read);
            key_of_maps(&decl.ty, &mut |map| {
                self.used_inputs.borrow_mut().insert(map.to_owned());
            });
            let def = InputDef {
                ty: decl.ty.clone(),
                default,
                optional: decl.optional,
                secret: decl.secret,
                about: decl.about.clone(),
            };
            inputs.insert(decl.name.value.clone(), def);
        }
        self.circular_defaults(&defaults_read);
        inputs
    }

    fn circular_defaults(&mut self, reads: &[BTreeSet<String>]) {
        let document = self.document;
        let position = |name: &str| document.inputs.iter().position(|input| input.name.value == name);
        for (at, decl) in document.inputs.iter().enumerate() {
            let mut seen = BTreeSet::from([at]);
            let mut next: Vec<usize> = reads[at].iter().filter_map(|name| position(name)).collect();
            while let Some(other) = next.pop() {
                if other == at {
                    let diagnostic = Diagnostic::error(
                        "TS0307",
                        format!("the default of `{}` refers to itself", decl.name.value),
                    )
                    .at(self.place(&decl.name.span), "directly or through other defaults")
                    .help("give one of these inputs a default without a reference");
                    self.problem(diagnostic);
                    break;
                }
                if seen.insert(other) {
                    next.extend(reads[other].iter().filter_map(|name| position(name)));
                }
            }
        }
    }

    fn identities_of_top(&mut self) -> Vec<IdentityDef> {
        let document = self.document;
        document.identities.iter().map(|decl| self.identity(decl, None)).collect()
    }

    fn unused_inputs(&mut self) {
        let used = self.used_inputs.take();
        for decl in &self.document.inputs {
            if !used.contains(&decl.name.value) {
                let diagnostic =
                    Diagnostic::warning("TS0310", format!("the input `{}` is not used", decl.name.value))
                        .at(self.place(&decl.name.span), "nothing refers to it")
                        .help("remove it, or refer to it as `${{ inputs.… }}`");
                self.problem(diagnostic);
            }
        }
    }
}

fn key_of_maps(ty: &Type, found: &mut dyn FnMut(&str)) {
    match ty {
        Type::KeyOf(map) => found(map),
        Type::List(inner) | Type::Map(inner) => key_of_maps(inner, found),
        Type::Record(fields) => fields.iter().for_each(|field| key_of_maps(&field.ty, found)),
        _ => {}
    }
}

/// The parts of a condition that must all be true.
fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    match condition {
        Expr::And(all) => all.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn shipped_plans_compile() {
        for name in ["cross-tenant-connection", "hello-durable"] {
            let path = format!("{}/library/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read(path).unwrap();
            let document = crate::parse(name, &text).unwrap();
            let compiled = compile(&document, &fixture::catalog());
            let compiled =
                compiled.map_err(|found| found.render(false)).unwrap_or_else(|text| panic!("{text}"));
            assert_eq!(compiled.warnings.render(false), "");
        }
    }
}
