//! Resolves paths of references to inputs, outputs of steps, and elements.

use crate::catalog::{Field, Type};
use crate::diagnostic::{Diagnostic, Place};
use crate::expr::{Expr, Segment};
use crate::ids::NodeId;
use crate::lattice::is_text;
use crate::plan::Need;
use crate::reference::{Part, Path, Reference, Word};

use super::expression::{Absent, Origin, Typed};
use super::names::ScopeId;
use super::{Checker, GuardedRead, PlacedNeed, Reader};

impl Checker<'_> {
    pub(super) fn path(
        &mut self,
        reader: Reader,
        path: &Path,
        whole: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        match path.root.text.as_str() {
            "inputs" => self.input_path(reader, path, whole, origin, needs),
            "steps" => self.step_path(reader, path, whole, origin, needs),
            "each" => self.each_path(reader, path, whole, origin, needs),
            "run" => match path.parts.as_slice() {
                [Part::Field(word)] if word.text == "id" => Typed::of(Expr::RunId, Type::Guid),
                _ => {
                    let diagnostic = Diagnostic::error("TS0204", "`run` has only the field `id`")
                        .at(self.place(&origin.span(&whole.span)), "")
                        .help("write `${{ run.id }}`");
                    self.problem(diagnostic);
                    Typed::unknown()
                }
            },
            other => {
                let mut diagnostic = Diagnostic::error("TS0202", format!("`{other}` is not known"))
                    .at(self.place(&origin.span(&path.root.span)), "not known")
                    .help("references begin with `inputs.`, `steps.`, `each.` or `run.`; text is written in '…'")
                    .did_you_mean(other, ["inputs", "steps", "each", "run"]);
                if diagnostic.suggestion.is_none()
                    && self.document.inputs.iter().any(|i| i.name.value == other)
                {
                    diagnostic.suggestion = Some(format!("inputs.{other}"));
                }
                self.problem(diagnostic);
                Typed::unknown()
            }
        }
    }

    fn input_path(
        &mut self,
        reader: Reader,
        path: &Path,
        whole: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let Some(Part::Field(name)) = path.parts.first() else {
            return self.incomplete(whole, origin, "write `inputs.NAME`");
        };
        let document = self.document;
        let Some(decl) = document.inputs.iter().find(|input| input.name.value == name.text) else {
            let known: Vec<&str> = document.inputs.iter().map(|input| input.name.value.as_str()).collect();
            let diagnostic = Diagnostic::error("TS0203", format!("there is no input `{}`", name.text))
                .at(self.place(&origin.span(&name.span)), "not declared")
                .help("declare it under `inputs:`")
                .did_you_mean(&name.text, known);
            self.problem(diagnostic);
            return Typed::unknown();
        };
        self.used_inputs.borrow_mut().insert(name.text.clone());
        let absent = (decl.optional && decl.default.is_none()).then_some(Absent::Input);
        let (segments, ty, below) =
            self.walk(reader, &decl.ty, &path.parts[1..], Some(&name.text), origin, needs);
        let expr = Expr::Input { name: name.text.clone(), path: segments };
        Typed { absent: absent.or(below.then_some(Absent::Input)), ..Typed::of(expr, ty) }
    }

    fn each_path(
        &mut self,
        reader: Reader,
        path: &Path,
        whole: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let outers = path
            .parts
            .iter()
            .take_while(|part| matches!(part, Part::Field(word) if word.text == "outer"))
            .count();
        let collection = reader.each.and_then(|node| self.names.collections(node).nth(outers));
        let Some(collection) = collection else {
            let (message, help) = if outers == 0 {
                (
                    "`each` is known only inside a `for_each`",
                    "use it in a step or block with `for_each`, or in what such a block holds",
                )
            } else {
                ("there is no `for_each` that far out", "remove an `.outer`")
            };
            let diagnostic =
                Diagnostic::error("TS0205", message).at(self.place(&origin.span(&whole.span)), "").help(help);
            self.problem(diagnostic);
            return Typed::unknown();
        };
        let depth = u32::try_from(outers).unwrap_or(u32::MAX);
        let element = self.elements.get(collection.0 as usize).cloned().flatten().unwrap_or(Type::Any);
        match &path.parts[outers..] {
            [Part::Field(word)] if word.text == "key" => Typed::of(Expr::EachKey(depth), Type::Name),
            [Part::Field(word), rest @ ..] if word.text == "value" => {
                let (segments, ty, below) = self.walk(reader, &element, rest, None, origin, needs);
                let expr = Expr::EachValue { depth, path: segments };
                Typed { absent: below.then_some(Absent::Input), ..Typed::of(expr, ty) }
            }
            [Part::Field(word), ..] => {
                let diagnostic = Diagnostic::error("TS0204", format!("`each` has no `{}`", word.text))
                    .at(self.place(&origin.span(&word.span)), "not known")
                    .help("write `each.key`, `each.value` or `each.outer`")
                    .did_you_mean(&word.text, ["key", "value", "outer"]);
                self.problem(diagnostic);
                Typed::unknown()
            }
            _ => self.incomplete(whole, origin, "write `each.key` or `each.value`"),
        }
    }

    fn incomplete(&mut self, whole: &Reference, origin: &Origin, help: &str) -> Typed {
        let diagnostic = Diagnostic::error("TS0204", "the reference names no value")
            .at(self.place(&origin.span(&whole.span)), "incomplete")
            .help(help);
        self.problem(diagnostic);
        Typed::unknown()
    }

    fn step_path(
        &mut self,
        reader: Reader,
        path: &Path,
        whole: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let Some(node) = reader.node.filter(|_| reader.steps) else {
            let diagnostic = Diagnostic::error("TS0209", "outputs of steps cannot be used here")
                .at(self.place(&origin.span(&whole.span)), "known only while the plan runs")
                .help("defaults and identities refer to inputs only");
            self.problem(diagnostic);
            return Typed::unknown();
        };
        let Some(Part::Field(name)) = path.parts.first() else {
            return self.incomplete(whole, origin, "write `steps.ID.OUTPUT`");
        };
        let scope = self.names.node(node).scope;
        let Some(mut at) = self.named(scope, name, origin, "TS0202") else { return Typed::unknown() };
        let mut parts = &path.parts[1..];
        let mut keys = Vec::new();
        while self.names.node(at).is_block() {
            let id = self.names.node(at).decl.id.value.clone();
            let Some(inner) = self.names.node(at).inner else {
                let diagnostic = Diagnostic::error(
                    "TS0204",
                    format!("`{id}` is a heading and has no outputs"),
                )
                .at(self.place(&origin.span(&whole.span)), "")
                .help("ids inside a heading are plan-wide: write `steps.ID.OUTPUT` with the step's own id");
                self.problem(diagnostic);
                return Typed::unknown();
            };
            if self.names.holds(at, node) {
                let diagnostic = Diagnostic::error("TS0210", format!("this is inside `{id}` itself"))
                    .at(self.place(&origin.span(&whole.span)), "")
                    .help("steps of the same instance are read directly: `steps.ID.OUTPUT`");
                self.problem(diagnostic);
                return Typed::unknown();
            }
            match parts {
                [Part::Key(key), Part::Field(next), rest @ ..] => {
                    keys.push(self.key(reader, key, origin, needs));
                    let Some(found) = self.names.within(inner, &next.text) else {
                        let known = self.names.names_within(inner);
                        let diagnostic = Diagnostic::error(
                            "TS0202",
                            format!("the block `{id}` has no step `{}`", next.text),
                        )
                        .at(self.place(&origin.span(&next.span)), "not known")
                        .help(format!("it has: {}", known.join(", ")))
                        .did_you_mean(&next.text, known);
                        self.problem(diagnostic);
                        return Typed::unknown();
                    };
                    at = found;
                    parts = rest;
                }
                [Part::Key(_)] | [] => {
                    return self.incomplete(whole, origin, &format!("write `steps.{id}[KEY].ID.OUTPUT`"));
                }
                [Part::Key(_), ..] => {
                    return self.incomplete(whole, origin, &format!("write `steps.{id}[KEY].ID.OUTPUT`"));
                }
                [Part::Field(next), ..] => {
                    let message = format!("`{id}` has one instance for each element: a key is missing");
                    let diagnostic = Diagnostic::error("TS0206", message)
                        .at(self.place(&origin.span(&next.span)), "which instance?")
                        .help(format!("write `steps.{id}[KEY].{}`, where KEY may be a reference", next.text));
                    self.problem(diagnostic);
                    return Typed::unknown();
                }
            }
        }
        self.output(reader, node, at, keys, parts, whole, origin, needs)
    }

    #[expect(clippy::too_many_arguments, reason = "the last part of one long path, split for reading")]
    fn output(
        &mut self,
        reader: Reader,
        node: NodeId,
        at: NodeId,
        mut keys: Vec<Expr>,
        mut parts: &[Part],
        whole: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let outputs = self.outputs(at);
        let id = self.names.node(at).decl.id.value.clone();
        let mut ty = outputs.map_or(Type::Any, Type::Record);
        let is_any = ty == Type::Any;
        if self.names.node(at).is_collection() {
            if let [Part::Key(key), rest @ ..] = parts {
                keys.push(self.key(reader, key, origin, needs));
                parts = rest;
            } else {
                ty = Type::Map(Box::new(ty));
            }
        }
        let place = self.place(&origin.span(&whole.span));
        let need = Need { node: at, keys: keys.clone(), reads_output: true, barrier: false };
        needs.push(PlacedNeed { need, place: place.clone() });
        if self.is_removed(at) {
            let diagnostic =
                Diagnostic::error("TS0213", format!("`{id}` deletes a resource and has no outputs"))
                    .at(place, "no output to read")
                    .help(format!(
                        "read the step that found or created it; to wait for `{id}`, name it in `needs`"
                    ));
            self.problem(diagnostic);
            return Typed::unknown();
        }
        if at == node {
            // The later check of the order reports that a step needs itself.
            return Typed::unknown();
        }
        if parts.is_empty() && matches!(ty, Type::Record(_)) {
            let known: Vec<String> = match &ty {
                Type::Record(fields) => fields.iter().map(|field| field.name.clone()).collect(),
                _ => Vec::new(),
            };
            return self.incomplete(
                whole,
                origin,
                &format!("name an output: `steps.{id}.OUTPUT`; there are: {}", known.join(", ")),
            );
        }
        let (segments, ty, below) = self.walk(reader, &ty, parts, None, origin, needs);
        let mut absent = (below && !is_any).then_some(Absent::Output(id));
        if self.has_condition(at) {
            if reader.lenient {
                absent = Some(Absent::Condition);
            } else {
                let own_condition = reader.own_condition;
                self.guarded.push(GuardedRead { reader: node, read: at, place, own_condition });
            }
        }
        let expr = Expr::Output { node: at, keys, path: segments };
        Typed { absent, ..Typed::of(expr, ty) }
    }

    /// The output fields of a step; `None` if the kind is unknown, which is reported elsewhere.
    fn outputs(&self, node: NodeId) -> Option<Vec<Field>> {
        let crate::document::Body::Step(step) = &self.names.node(node).decl.body else { return None };
        self.catalog.kinds.get(&step.uses.value).map(|kind| kind.outputs.clone())
    }

    /// Whether a step has `ensure: absent`.
    fn is_removed(&self, node: NodeId) -> bool {
        let crate::document::Body::Step(step) = &self.names.node(node).decl.body else { return false };
        step.ensure == crate::ids::Ensure::Absent
    }

    fn has_condition(&self, node: NodeId) -> bool {
        self.names.ancestry(node).any(|id| self.names.node(id).decl.when.is_some())
    }

    /// Resolves a name as seen from `scope`; reports an error if it is unknown.
    pub(super) fn named(
        &mut self,
        scope: ScopeId,
        name: &Word,
        origin: &Origin,
        code: &'static str,
    ) -> Option<NodeId> {
        if let Some(found) = self.names.find(scope, &name.text) {
            return Some(found);
        }
        let place = self.place(&origin.span(&name.span));
        let diagnostic = match self.names.hidden_in(&name.text) {
            Some(block) => {
                let block = self.names.node(block).decl.id.value.clone();
                let message = format!("`{}` is inside the `for_each` block `{block}`", name.text);
                Diagnostic::error("TS0206", message)
                    .at(place, "which instance?")
                    .help(format!("write `{block}[KEY].{}`, where KEY may be a reference", name.text))
            }
            None => Diagnostic::error(code, format!("there is no step or block `{}`", name.text))
                .at(place, "not known")
                .help("ids are those written as `id:`")
                .did_you_mean(&name.text, self.names.visible(scope)),
        };
        self.problem(diagnostic);
        None
    }

    /// Compiles the key of an instance or of a map element.
    pub(super) fn key(
        &mut self,
        reader: Reader,
        key: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Expr {
        let typed = self.expression(Reader { lenient: false, ..reader }, key, origin, needs);
        if !is_text(&typed.ty) && typed.ty != Type::Any {
            let diagnostic = Diagnostic::error("TS0210", "a key is text")
                .at(self.place(&origin.span(&key.span)), format!("of type {}", typed.ty))
                .help("name the key in '…', or refer to text");
            self.problem(diagnostic);
        }
        typed.expr
    }

    /// Resolves a path within a type. The flag says whether a part of the path may be absent.
    fn walk(
        &mut self,
        reader: Reader,
        ty: &Type,
        parts: &[Part],
        map_input: Option<&str>,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> (Vec<Segment>, Type, bool) {
        let mut at = ty.clone();
        let mut segments = Vec::new();
        let mut absent = false;
        for (index, part) in parts.iter().enumerate() {
            let place: Place = self.place(&origin.span(&part.span()));
            let problem = match (&at, part) {
                (Type::Any, Part::Field(word)) => {
                    segments.push(Segment::Field(word.text.clone()));
                    continue;
                }
                (Type::Any, Part::Key(key)) => {
                    segments.push(Segment::Key(Box::new(self.key(reader, key, origin, needs))));
                    continue;
                }
                (Type::Record(fields), Part::Field(word)) => {
                    match fields.iter().find(|field| field.name == word.text) {
                        Some(field) => {
                            segments.push(Segment::Field(word.text.clone()));
                            absent |= !field.required;
                            at = field.ty.clone();
                            continue;
                        }
                        None => {
                            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                            let help = if known.is_empty() {
                                "it has no fields".to_owned()
                            } else {
                                format!("there are: {}", known.join(", "))
                            };
                            Diagnostic::error("TS0204", format!("there is no `{}` here", word.text))
                                .at(place, "not known")
                                .help(help)
                                .did_you_mean(&word.text, known)
                        }
                    }
                }
                (Type::Map(inner), Part::Key(key)) => {
                    let inner = (**inner).clone();
                    let typed = self.expression(Reader { lenient: false, ..reader }, key, origin, needs);
                    segments.push(Segment::Key(Box::new(typed.expr.clone())));
                    let wrong_map = match (&typed.ty, map_input) {
                        (Type::KeyOf(map), Some(input)) if index == 0 && map != input => Some(map.clone()),
                        _ => None,
                    };
                    at = inner;
                    if let Some(map) = wrong_map {
                        Diagnostic::error("TS0207", format!("this is a key of `{map}`, not of this map"))
                            .at(place, format!("key of {map}"))
                            .help(format!("write `inputs.{map}[…]`"))
                    } else if is_text(&typed.ty) || typed.ty == Type::Any {
                        continue;
                    } else {
                        Diagnostic::error("TS0210", "a key is text")
                            .at(place, format!("of type {}", typed.ty))
                            .help("name the key in '…', or refer to text")
                    }
                }
                (Type::Map(_), Part::Field(word)) => {
                    Diagnostic::error("TS0210", "an element of a map is chosen by its key in brackets")
                        .at(place, "a map by key")
                        .help(format!("write `['{}']`, or `[each.key]`", word.text))
                }
                (Type::Record(_), Part::Key(_)) => Diagnostic::error("TS0210", "this has fields, not keys")
                    .at(place, "a key is not expected here")
                    .help("write `.FIELD`; a key belongs to a map or to something with `for_each`"),
                (Type::List(_), _) => Diagnostic::error(
                    "TS0210",
                    "items of a list cannot be chosen, because positions can change",
                )
                .at(place, "a list")
                .help("use `for_each`, or a map input"),
                (other, _) => Diagnostic::error("TS0204", format!("a value of type {other} has no parts"))
                    .at(place, "no parts")
                    .help("remove this part"),
            };
            self.problem(problem);
            return (segments, Type::Any, false);
        }
        (segments, at, absent)
    }
}
