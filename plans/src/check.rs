//! Compiles a document to a plan: resolves names and checks types. All errors are reported in one pass.
//!
//! ```text
//! document ─names─▶ arena with scopes ─expression, template─▶ nodes, needs ─order─▶ no cycle ─▶ Plan
//! ```

mod barriers;
mod expression;
mod kind;
mod known;
mod names;
mod order;
mod path;
mod secrets;
mod step;
mod template;

use std::cell::RefCell;
use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::catalog::{Catalog, Type};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::Document;
use crate::expr::Expr;
use crate::ids::NodeId;
use crate::plan::{IdentityDef, InputDef, Need, Plan};

pub(crate) use known::{groups, misfit_of};
use names::Names;

/// A compiled plan with its warnings.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Compiles a document with the kinds of `catalog`. All errors are reported at once.
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
        compared: Vec::new(),
    };
    let inputs = checker.inputs();
    let identities = checker.identities_of_top();
    let plan = checker.plan(inputs, identities);
    checker.together();
    checker.unused_inputs();
    let problems = checker.problems.sorted();
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Compiled { plan, warnings: problems })
}

/// The state of a check.
struct Checker<'d> {
    document: &'d Document,
    catalog: &'d Catalog,
    names: Names<'d>,
    problems: Diagnostics,
    used_inputs: RefCell<BTreeSet<String>>,
    /// By node: the element type of its `for_each`.
    elements: Vec<Option<Type>>,
    /// Outputs that are read without `or`; checked when every `when` is known.
    guarded: Vec<GuardedRead>,
    /// Steps whose constants are held against those of others.
    compared: Vec<known::Compared<'d>>,
}

/// An output that is read at a place where it must be present.
struct GuardedRead {
    reader: NodeId,
    read: NodeId,
    place: Place,
    /// Whether the place is the reader's own `when` or `for_each`, which its `when` does not guard.
    own_condition: bool,
}

/// The reader of a reference, which determines the meaning of names and of `each`.
#[derive(Clone, Copy)]
struct Reader {
    /// The node that contains the reference; `None`: outside of steps.
    node: Option<NodeId>,
    /// The node from which enclosing `for_each` nodes are counted outwards, inclusive.
    each: Option<NodeId>,
    /// Whether outputs of steps may be read.
    steps: bool,
    /// Whether the reference is inside `or`, where an output may be absent.
    lenient: bool,
    /// Whether the reference is in the node's own `when` or `for_each`.
    own_condition: bool,
}

impl Reader {
    /// The reader for defaults of inputs, and for identities at the top level.
    const TOP: Reader = Reader { node: None, each: None, steps: false, lenient: false, own_condition: false };

    /// The reader for parts of a node, including its own element.
    fn node(node: NodeId) -> Self {
        Reader { node: Some(node), each: Some(node), steps: true, lenient: false, own_condition: false }
    }
}

/// A need with its place.
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
                let default = self.template(Reader::TOP, node, &decl.ty, &what, &mut Vec::new());
                self.no_secret_in_default(&default, &node.span, &what);
                default
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

    /// Warns of inputs that nothing reads, if there is no error: what has an error may not have been read to its end, so an
    /// input that it uses would be reported as not used.
    fn unused_inputs(&mut self) {
        if self.problems.has_errors() {
            return;
        }
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
        for name in
            ["connect-many", "cross-tenant-connection", "hello-durable", "unattended-service-principal"]
        {
            let path = format!("{}/library/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read(path).unwrap();
            let document = crate::parse(name, &text).unwrap();
            let compiled = compile(&document, &fixture::catalog());
            let compiled =
                compiled.map_err(|found| found.render(false)).unwrap_or_else(|text| panic!("{text}"));
            assert_eq!(compiled.warnings.render(false), "");
        }
    }

    fn plan(text: &str) -> Plan {
        let document = crate::parse("plan.yaml", text.as_bytes()).unwrap();
        compile(&document, &fixture::catalog()).unwrap_or_else(|found| panic!("{}", found.render(false))).plan
    }

    fn find(plan: &Plan, path: &str) -> NodeId {
        let at = (0..plan.nodes.len()).find(|at| plan.path(NodeId(u32::try_from(*at).unwrap())) == path);
        NodeId(u32::try_from(at.unwrap()).unwrap())
    }

    const FLEET: &str = "  - { id: first, uses: approval, with: {} }\n  - id: prepare\n    for_each: ${{ inputs.tenants }}\n    steps:\n      - { id: app, uses: delay, with: { for: 1s } }\n      \
        - { id: after, uses: approval, with: { show: \"${{ steps.app.began }} ${{ steps.first.by }}\" } }\n  - id: heading\n    title: Words\n    steps:\n      - id: connect\n        for_each: ${{ inputs.list }}\n        \
        needs: [\"prepare[${{ each.value }}]\"]\n        parallel: 2\n        steps:\n          - { id: read, uses: approval, with: { show: \"${{ steps.prepare[each.value].app.over }}\" } }\n          \
        - id: many\n            for_each: ${{ inputs.list }}\n            uses: approval\n            with: { show: \"${{ each.outer.value }} ${{ each.value }}\" }\n      \
        - { id: all, uses: approval, barrier: false, needs: [connect, heading-2], with: {} }\n  - id: heading-2\n    steps:\n      - { id: last, uses: delay, with: { for: 1s } }\n";

    #[test]
    fn needs_choose_instances_as_the_engine_reads_them() {
        let plan = plan(&fixture::plan(FLEET));
        let needs = |path: &str| plan.node(find(&plan, path)).needs.clone();
        let each = |depth| Expr::EachValue { depth, path: Vec::new() };
        let prepare = find(&plan, "prepare");
        assert_eq!(
            needs("connect"),
            [Need { node: prepare, keys: vec![each(0)], reads_output: false, barrier: false }]
        );
        // A need of the same instance has no key, nor has a need outside of every block.
        let siblings = needs("prepare[].after");
        assert!(siblings.iter().all(|need| need.keys.is_empty() && need.reads_output));
        assert_eq!(siblings.len(), 2);
        let read = needs("connect[].read");
        assert_eq!(
            read,
            [Need {
                node: find(&plan, "prepare[].app"),
                keys: vec![each(0)],
                reads_output: true,
                barrier: false
            }]
        );
        let all: Vec<NodeId> = needs("all").iter().map(|need| need.node).collect();
        assert_eq!(all, [find(&plan, "connect"), find(&plan, "heading-2")]);
    }

    #[test]
    fn an_input_that_only_a_wrong_value_uses_is_not_called_unused() {
        let codes = |steps: &str| {
            let text = format!("twinspan: 1\nname: p\ninputs:\n  d: {{ type: string }}\nsteps:\n{steps}");
            let document = crate::parse("plan.yaml", text.as_bytes()).unwrap();
            let found =
                compile(&document, &fixture::catalog()).map_or_else(|found| found, |done| done.warnings);
            found.iter().map(|one| one.code).collect::<Vec<_>>()
        };
        for (code, step) in [
            ("TS0201", "uses: delay, when: '${{ inputs.d == \"1\" }}', with: { for: 1s }"),
            ("TS0202", "uses: approval, with: { show: '${{ d }}' }"),
            ("TS0203", "uses: approval, with: { show: '${{ inputs.dd }}' }"),
            ("TS0311", "uses: delay, with: { for: ['${{ inputs.d }}'] }"),
        ] {
            assert_eq!(codes(&format!("  - {{ id: a, {step} }}\n")), [code], "{step}");
        }
        assert_eq!(codes("  - { id: a, uses: delay, with: { for: 1s } }\n"), ["TS0310"]);
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let digest = |steps: &str| plan(&fixture::plan(steps)).digest;
        let one = digest(
            "  - { id: a, uses: command, with: { program: /a } }\n  - { id: b, uses: command, needs: [a], with: { program: /b } }\n",
        );
        let written_otherwise = digest(
            "  # a comment\n  - id: b\n    title: Second\n    needs: [a]\n    uses: command\n    with:\n      program: \"/b\"\n  - { id: a, uses: command, note: x, with: { program: /a } }\n",
        );
        assert_eq!(one, written_otherwise);
        for other in [
            "  - { id: a, uses: command, with: { program: /c } }\n  - { id: b, uses: command, needs: [a], with: { program: /b } }\n",
            "  - { id: a, uses: command, with: { program: /a } }\n  - { id: b, uses: command, with: { program: /b } }\n",
            "  - { id: a, uses: command, with: { program: /a } }\n  - { id: b, uses: command, needs: [a], give_up_after: 1h, with: { program: /b } }\n",
            "  - { id: a, uses: command, when: \"${{ inputs.flag }}\", with: { program: /a } }\n  - { id: b, uses: command, needs: [a], with: { program: /b } }\n",
        ] {
            assert_ne!(one, digest(other), "{other}");
        }
        // The steps that wait for a barrier are part of the meaning.
        let gated =
            "  - { id: g, uses: approval, with: {} }\n  - { id: a, uses: command, with: { program: /a } }\n";
        let beside =
            "  - { id: a, uses: command, with: { program: /a } }\n  - { id: g, uses: approval, with: {} }\n";
        assert_ne!(digest(gated), digest(beside));
        assert_eq!(digest(&gated.replace("with: {}", "barrier: false, with: {}")), digest(beside));
        let before = plan(&fixture::plan(FLEET));
        let after = plan(&fixture::plan(
            &FLEET.replace("{ for: 1s } }\n      - { id: after", "{ for: 2s } }\n      - { id: after"),
        ));
        let changed: Vec<String> = (0..u32::try_from(before.nodes.len()).unwrap())
            .map(NodeId)
            .filter(|id| before.definition_digest(*id) != after.definition_digest(*id))
            .map(|id| before.path(id))
            .collect();
        assert_eq!(changed, ["prepare[].app"], "one step changed, one digest changed");
    }

    #[test]
    fn a_reader_with_the_same_condition_may_read() {
        let guarded = "  - { id: a, uses: delay, when: \"${{ inputs.flag }}\", with: { for: 1s } }\n  - id: h\n    when: ${{ inputs.flag and inputs.word == 'x' }}\n    steps:\n      \
            - { id: b, uses: approval, with: { show: \"${{ steps.a.began }}\" } }\n  - { id: c, uses: approval, with: { show: \"${{ steps.a.began or 'never' }}\" } }\n";
        plan(&fixture::plan(guarded));
    }
}
