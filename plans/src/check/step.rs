//! Compiles steps, blocks and identities to the nodes that the engine reads.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::catalog::{EffectClass, Type};
use crate::diagnostic::{Diagnostic, Place};
use crate::digest::Digest;
use crate::document::{Body, IdentityDecl, StepDecl, Text};
use crate::elements::{ElementsError, compared, element_key, names_an_instance};
use crate::expr::{Expr, Template};
use crate::ids::{Ensure, IdentityId, NodeId};
use crate::lattice::is_text;
use crate::plan::{ApprovalGate, BlockDef, IdentityDef, InputDef, Need, Node, NodeKind, Plan, StepDef};
use crate::reference::{has_reference, need};
use crate::yaml::{Node as Yaml, Value};

use super::barriers::is_barrier;
use super::expression::Origin;
use super::names::ScopeId;
use super::{Checker, PlacedNeed, Reader, conjuncts};

impl<'d> Checker<'d> {
    pub(super) fn plan(
        &mut self,
        inputs: IndexMap<String, InputDef>,
        mut identities: Vec<IdentityDef>,
    ) -> Plan {
        let mut nodes = Vec::with_capacity(self.names.nodes.len());
        let mut needs: Vec<Vec<PlacedNeed>> = Vec::with_capacity(self.names.nodes.len());
        for id in self.names.ids().collect::<Vec<_>>() {
            let (node, placed) = self.node(id);
            nodes.push(node);
            needs.push(placed);
            // Identities of blocks follow those of the plan, in the order of the blocks, as in `Names`.
            let decl = self.names.node(id).decl;
            if let (Body::Block(block), Some(_)) = (&decl.body, self.names.node(id).inner) {
                for identity in &block.identities {
                    let identity = self.identity(identity, Some(id));
                    identities.push(identity);
                }
            }
        }
        self.guarded_reads(&nodes);
        if self.order(&needs) {
            self.barriers(&mut needs);
            self.order(&needs);
        }
        for (node, placed) in nodes.iter_mut().zip(needs) {
            node.needs = merged(placed);
        }
        let document = self.document;
        let mut plan = Plan {
            name: document.name.clone(),
            summary: document.summary.clone(),
            document: document.link.clone(),
            inputs,
            identities,
            roots: self.names.ids().filter(|id| self.names.node(*id).parent.is_none()).collect(),
            nodes,
            digest: Digest([0; 32]),
        };
        plan.digest = plan.canonical_digest();
        plan
    }

    fn node(&mut self, id: NodeId) -> (Node, Vec<PlacedNeed>) {
        let named = self.names.node(id);
        let (decl, scope, parent, children) = (named.decl, named.scope, named.parent, named.children.clone());
        let mut needs = Vec::new();
        let for_each = decl.for_each.as_ref().map(|node| {
            let expr = self.for_each(id, node, &mut needs);
            self.no_secret(&expr, &node.span, "what `for_each` names");
            expr
        });
        while self.elements.len() <= id.0 as usize {
            self.elements.push(None);
        }
        let reader = Reader::node(id);
        let when = decl.when.as_ref().map(|node| {
            let expr = self.when(reader, node, &mut needs);
            self.no_secret(&expr, &node.span, "a condition");
            expr
        });
        for text in &decl.needs {
            self.need(reader, id, scope, text, &mut needs);
        }
        let kind = match &decl.body {
            Body::Step(step) => NodeKind::Step(Box::new(self.step(reader, scope, decl, step, &mut needs))),
            Body::Block(block) => {
                NodeKind::Block(BlockDef { children, parallel: block.parallel, halt_after: block.halt_after })
            }
        };
        let node = Node {
            id: decl.id.value.clone(),
            parent,
            title: decl.title.clone(),
            note: decl.note.clone(),
            needs: Vec::new(),
            when,
            for_each,
            kind,
        };
        (node, needs)
    }

    fn for_each(&mut self, id: NodeId, node: &Yaml, needs: &mut Vec<PlacedNeed>) -> Expr {
        // The collection is evaluated outside of its own elements, so `each` is that of the enclosing block.
        let around = self.names.node(id).parent;
        let reader = Reader { each: around, own_condition: true, ..Reader::node(id) };
        let problem = |checker: &mut Self, label: String| {
            let diagnostic = Diagnostic::error("TS0207", "`for_each` needs a map or a list of texts")
                .at(checker.place(&node.span), label)
                .help("refer to a map or list, for example `${{ inputs.target_virtual_networks }}`");
            checker.problem(diagnostic);
            (Expr::Literal(Json::Null), Type::Any)
        };
        let (expr, element) = match &node.value {
            Value::Text(text) if has_reference(text) => {
                let typed = self.text_with_references(reader, text, &node.span, needs);
                match &typed.ty {
                    Type::List(inner) if is_text(inner) || **inner == Type::Any => {
                        (typed.expr, (**inner).clone())
                    }
                    Type::Map(inner) => (typed.expr, (**inner).clone()),
                    Type::Any if !typed.built => (typed.expr, Type::Any),
                    other => problem(self, format!("of type {other}")),
                }
            }
            Value::List(items) => {
                let mut seen = BTreeSet::new();
                for item in items {
                    match &item.value {
                        Value::Text(text) if has_reference(text) => {
                            let diagnostic =
                                Diagnostic::error("TS0209", "references cannot be used in this list")
                                    .at(self.place(&item.span), "")
                                    .help("declare a list input, and write `for_each: ${{ inputs.NAME }}`");
                            self.problem(diagnostic);
                        }
                        Value::Text(text) if !names_an_instance(&element_key(text)) => {
                            let message = ElementsError::BadKey(element_key(text)).to_string();
                            let diagnostic = Diagnostic::error("TS0410", message)
                                .at(self.place(&item.span), "names an instance")
                                .help("rename it");
                            self.problem(diagnostic);
                        }
                        Value::Text(text) if !seen.insert(compared(text)) => {
                            let diagnostic =
                                Diagnostic::error("TS0410", format!("`{text}` is in the list twice"))
                                    .at(self.place(&item.span), "second time")
                                    .help("each item names an instance: remove one");
                            self.problem(diagnostic);
                        }
                        Value::Text(_) => {}
                        _ => {
                            problem(self, format!("this item is {}", item.what()));
                        }
                    }
                }
                (Expr::Literal(node.to_json()), Type::String)
            }
            _ => problem(self, format!("this is {}", node.what())),
        };
        self.elements.resize(id.0 as usize, None);
        self.elements.push(Some(element));
        expr
    }

    fn when(&mut self, reader: Reader, node: &Yaml, needs: &mut Vec<PlacedNeed>) -> Expr {
        let reader = Reader { own_condition: true, ..reader };
        match &node.value {
            Value::Bool(truth) => return Expr::Literal((*truth).into()),
            Value::Text(text) if has_reference(text) => {
                let before = self.problems.0.len();
                let typed = self.text_with_references(reader, text, &node.span, needs);
                let condition = matches!(typed.ty, Type::Boolean | Type::Any) && !typed.built;
                if condition || self.problems.0.len() > before {
                    return typed.expr;
                }
                let diagnostic = Diagnostic::error("TS0207", "`when` needs a condition")
                    .at(self.place(&node.span), format!("of type {}, not true or false", typed.ty))
                    .help("compare it: `${{ … == 'value' }}`, the whole condition inside one `${{ }}`");
                self.problem(diagnostic);
            }
            Value::Text(text) => {
                let diagnostic = Diagnostic::error("TS0207", "`when` needs a condition")
                    .at(self.place(&node.span), "this is plain text")
                    .help(format!("write `${{{{ {text} }}}}`"));
                self.problem(diagnostic);
            }
            _ => {
                let diagnostic = Diagnostic::error("TS0207", "`when` needs a condition")
                    .at(self.place(&node.span), format!("this is {}", node.what()))
                    .help("write, for example, `${{ inputs.identity == 'guest' }}`");
                self.problem(diagnostic);
            }
        }
        Expr::Literal(true.into())
    }

    /// Compiles an entry of `needs`.
    fn need(&mut self, reader: Reader, id: NodeId, scope: ScopeId, text: &Text, needs: &mut Vec<PlacedNeed>) {
        let origin = Origin::new(&self.document.source.text, &text.span, &text.value);
        let path = match need(&text.value) {
            Ok(path) => path,
            Err(error) => return self.syntax_errors(vec![error], &origin),
        };
        let place = self.place(&text.span);
        let mut at = None;
        let mut keys = Vec::new();
        for (index, name) in path.names.iter().enumerate() {
            let found = match at {
                None => self.named(scope, &name.word, &origin, "TS0308"),
                Some(block) => self.need_within(block, name, &path.names[index - 1].key.is_some(), &origin),
            };
            let Some(found) = found else { return };
            if let Some(key) = &name.key {
                if !self.names.node(found).is_collection() {
                    let message = format!("`{}` has no instances: it takes no key", name.word.text);
                    let diagnostic = Diagnostic::error("TS0210", message)
                        .at(self.place(&origin.span(&key.span)), "not a collection")
                        .help("remove the brackets, or add `for_each` there");
                    return self.problem(diagnostic);
                }
                keys.push(self.key(reader, key, &origin, needs));
            }
            at = Some(found);
        }
        keys.iter().for_each(|key| self.no_secret(key, &text.span, "a key"));
        let Some(node) = at else { return };
        if self.names.holds(node, id) && node != id {
            let block = &self.names.node(node).decl.id.value;
            let diagnostic = Diagnostic::error("TS0309", format!("this is inside `{block}`"))
                .at(place, "would wait for itself")
                .help("need other steps, not the enclosing block");
            return self.problem(diagnostic);
        }
        if self.names.holds(id, node) && node != id {
            let inside = &self.names.node(node).decl.id.value;
            let diagnostic = Diagnostic::error("TS0309", format!("`{inside}` is inside this block"))
                .at(place, "would wait for itself")
                .help("a block can wait only for steps outside of it; put the need on the step that has it");
            return self.problem(diagnostic);
        }
        needs.push(PlacedNeed { need: Need { node, keys, reads_output: false, barrier: false }, place });
    }

    fn need_within(
        &mut self,
        block: NodeId,
        name: &crate::reference::NeedName,
        has_key: &bool,
        origin: &Origin,
    ) -> Option<NodeId> {
        let id = self.names.node(block).decl.id.value.clone();
        let place = self.place(&origin.span(&name.word.span));
        let diagnostic = match self.names.node(block).inner {
            None => Diagnostic::error("TS0308", format!("`{id}` is not a block with `for_each`"))
                .at(place, "no instances")
                .help("ids inside a heading are plan-wide: write the id alone"),
            Some(_) if !has_key => Diagnostic::error("TS0206", format!("a key of `{id}` is missing"))
                .at(place, "which instance?")
                .help(format!("write `{id}[KEY].{}`, or `{id}` for all instances", name.word.text)),
            Some(inner) => match self.names.within(inner, &name.word.text) {
                Some(found) => return Some(found),
                None => {
                    Diagnostic::error("TS0308", format!("the block `{id}` has no step `{}`", name.word.text))
                        .at(place, "not known")
                        .help(format!("it has: {}", self.names.names_within(inner).join(", ")))
                        .did_you_mean(&name.word.text, self.names.names_within(inner))
                }
            },
        };
        self.problem(diagnostic);
        None
    }

    fn step(
        &mut self,
        reader: Reader,
        scope: ScopeId,
        decl: &'d crate::document::NodeDecl,
        step: &'d StepDecl,
        needs: &mut Vec<PlacedNeed>,
    ) -> StepDef {
        let catalog = self.catalog;
        let kind = catalog.kinds.get(&step.uses.value);
        let all: Vec<IdentityId> =
            step.identities.iter().filter_map(|name| self.identity_name(scope, name)).collect();
        let auxiliary = step.auxiliary.as_ref().and_then(|name| self.identity_name(scope, name));
        let approval = step.approval.as_ref().map(|gate| {
            for name in &gate.by {
                self.identity_name(scope, name);
            }
            ApprovalGate {
                by: gate.by.iter().map(|name| name.value.clone()).collect(),
                not_starter: gate.not_starter,
            }
        });
        let gate = kind.is_some_and(|kind| kind.gate);
        let mut required = Vec::new();
        let before = self.problems.0.len();
        let mut with = match kind {
            None => {
                let known: Vec<&str> = catalog.kinds.keys().map(String::as_str).collect();
                let diagnostic =
                    Diagnostic::error("TS0301", format!("there is no kind `{}`", step.uses.value))
                        .at(self.place(&step.uses.span), "not known")
                        .help("`twinspan steps` lists every kind")
                        .did_you_mean(&step.uses.value, known);
                self.problem(diagnostic);
                match &step.with {
                    Some(node) => self.template(reader, node, &Type::Any, "the step", needs),
                    None => Template::Map(Vec::new()),
                }
            }
            Some(kind) => {
                self.who(decl, step, kind);
                self.removable(step, kind);
                self.barrier_of_gate(step, kind);
                let form = self.form(decl, step, kind);
                required = super::kind::required(kind, form);
                let what = format!("`{}`", kind.name);
                match &step.with {
                    Some(node) => self.record_template(reader, node, &kind.params, &what, needs),
                    None => {
                        for field in kind.params.iter().filter(|field| field.required) {
                            self.missing_parameter(field, &decl.id.span, &what);
                        }
                        Template::Map(Vec::new())
                    }
                }
            }
        };
        if let Some(written) = &step.with {
            self.secrets_of_step(kind, written, &mut with);
        }
        if let Some(kind) = kind
            && self.problems.0.len() == before
        {
            let certain = reader.node.is_some_and(|node| self.is_certain(node));
            self.constants(&decl.id.value, step, kind, &with, certain);
        }
        StepDef {
            open: kind.map(super::known::open).unwrap_or_default(),
            places: self.places_of(step),
            guards: kind.is_some_and(|kind| kind.guards),
            check: kind.map(|kind| kind.check.clone()).unwrap_or_default(),
            uses: step.uses.value.clone(),
            effect: kind.map_or(EffectClass::Read, |kind| super::kind::effect(step, kind)),
            undo_before: kind.map(|kind| kind.undo_before.clone()).unwrap_or_default(),
            identities: all,
            auxiliary,
            with,
            required,
            ensure: step.ensure,
            retry: step.retry,
            timeout: step.timeout,
            give_up_after: step.give_up_after,
            remind: step.remind,
            approval,
            gate,
            barrier: gate && is_barrier(step),
            outputs: Type::Record(match step.ensure {
                Ensure::Present => kind.map(|kind| kind.outputs.clone()).unwrap_or_default(),
                Ensure::Absent => Vec::new(),
            }),
        }
    }

    /// The place of each parameter.
    fn places_of(&self, step: &StepDecl) -> Vec<(String, Place)> {
        let Some(Yaml { value: Value::Map(entries), .. }) = &step.with else { return Vec::new() };
        entries.iter().map(|entry| (entry.key.clone(), self.place(&entry.value.span))).collect()
    }

    fn identity_name(&mut self, scope: ScopeId, name: &Text) -> Option<IdentityId> {
        let found = self.names.identity(scope, &name.value);
        if found.is_none() {
            let known = self.names.visible_identities(scope);
            let help = if known.is_empty() {
                "declare it under `identities:`".to_owned()
            } else {
                format!("declare it under `identities:`; there are: {}", known.join(", "))
            };
            let diagnostic = Diagnostic::error("TS0304", format!("there is no identity `{}`", name.value))
                .at(self.place(&name.span), "not declared")
                .help(help)
                .did_you_mean(&name.value, known);
            self.problem(diagnostic);
        }
        found
    }

    pub(super) fn identity(&mut self, decl: &IdentityDecl, block: Option<NodeId>) -> IdentityDef {
        let reader = Reader { each: block, ..Reader::TOP };
        let mut attributes = IndexMap::new();
        for (key, value) in &decl.attributes {
            let wanted = if key.value == "tenant" { Type::TenantId } else { Type::Email };
            let what = format!("`{}`", key.value);
            let node = Yaml { span: value.span.clone(), value: Value::Text(value.value.clone()) };
            if let Template::Expr(expr) = self.template(reader, &node, &wanted, &what, &mut Vec::new()) {
                self.no_secret(&expr, &value.span, &what);
                attributes.insert(key.value.clone(), expr);
            }
        }
        IdentityDef {
            name: decl.name.value.clone(),
            declared_in: block,
            attributes,
            about: decl.about.clone(),
        }
    }

    /// Checks that an output of a step with `when` is read with `or`, or by a step with the same `when`.
    fn guarded_reads(&mut self, nodes: &[Node]) {
        for read in std::mem::take(&mut self.guarded) {
            let around: Vec<NodeId> = self.names.ancestry(read.reader).collect();
            let same_each = self.names.collections(read.reader).eq(self.names.collections(read.read));
            let conditions =
                |id: &NodeId| nodes[id.0 as usize].when.iter().flat_map(conjuncts).collect::<Vec<_>>();
            let known: Vec<&Expr> = around
                .iter()
                .filter(|id| !(read.own_condition && **id == read.reader))
                .flat_map(conditions)
                .collect();
            let open = self.names.ancestry(read.read).filter(|id| !around.contains(id)).find(|id| {
                conditions(id)
                    .iter()
                    .any(|condition| !known.contains(condition) || (mentions_each(condition) && !same_each))
            });
            if let Some(conditional) = open {
                let conditional = self.names.node(conditional).decl;
                let id = &self.names.node(read.read).decl.id.value;
                let span =
                    conditional.when.as_ref().map_or(conditional.id.span.clone(), |when| when.span.clone());
                let diagnostic =
                    Diagnostic::error("TS0208", format!("`{id}` may be skipped (condition false)"))
                        .at(read.place, "then this has no value")
                        .and_at(self.place(&span), "its condition")
                        .help("add an alternative with `or`, or give this step the same `when`");
                self.problem(diagnostic);
            }
        }
    }
}

/// Needs without duplicates; a need that reads an output takes precedence over one that does not.
fn merged(placed: Vec<PlacedNeed>) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::with_capacity(placed.len());
    for PlacedNeed { need, .. } in placed {
        match needs.iter_mut().find(|known| known.node == need.node && known.keys == need.keys) {
            Some(known) => {
                known.reads_output |= need.reads_output;
                known.barrier &= need.barrier;
            }
            None => needs.push(need),
        }
    }
    needs
}

fn mentions_each(expr: &Expr) -> bool {
    use crate::expr::Segment;
    let path = |path: &[Segment]| {
        path.iter().any(|segment| matches!(segment, Segment::Key(key) if mentions_each(key)))
    };
    match expr {
        Expr::EachKey(_) | Expr::EachValue { .. } => true,
        Expr::Literal(_) | Expr::RunId => false,
        Expr::Input { path: segments, .. } => path(segments),
        Expr::Output { keys, path: segments, .. } => keys.iter().any(mentions_each) || path(segments),
        Expr::Or(all) | Expr::And(all) | Expr::Concat(all) => all.iter().any(mentions_each),
        Expr::Not(inner) => mentions_each(inner),
        Expr::Equal { left, right, .. } => mentions_each(left) || mentions_each(right),
    }
}
