//! The checks of inputs before a run: the elements of every `for_each` over inputs, the steps that apply, and whether
//! these have the inputs that they need.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::check::{groups, misfit_of};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::elements::ElementPath;
use crate::expr::{EvalError, Expr, Segment, Template};
use crate::ids::{Ensure, NodeId};
use crate::instance::{ExpansionError, InputScope};
use crate::params::{GivenParams, ParamMisfit};
use crate::plan::{Inputs, Node, NodeKind, Plan, StepDef};

use super::inputs_of;
use super::places::{GivenAt, Places, ValuePath};

pub(super) fn check(
    plan: &Plan,
    inputs: &IndexMap<String, Json>,
    places: &Places,
    problems: &mut Diagnostics,
) {
    NeededInputs::new(plan, inputs, places, problems).all();
}

/// Parameters of an applicable step, as far as the inputs alone give their values.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownParams {
    /// The step.
    pub node: NodeId,
    /// The instance, as a run names it: `connect[prod].role`.
    pub instance: String,
    /// Whether the step is certainly part of the run.
    pub certain: bool,
    /// The elements around it.
    pub path: ElementPath,
    /// The values, by name; values that are known only during the run are missing.
    pub values: IndexMap<String, Json>,
}

impl Plan {
    /// The known parameters of each step and instance before the run.
    pub fn known_params(&self, inputs: &Inputs) -> Vec<KnownParams> {
        let (mut problems, places) = (Diagnostics::default(), Places::default());
        NeededInputs::new(self, &inputs.0, &places, &mut problems).all()
    }
}

/// The enclosing elements of a node.
#[derive(Clone, Default)]
struct Around {
    path: ElementPath,
    /// The origin of each element in the inputs, innermost first.
    origins: Vec<Option<ValuePath>>,
    /// Whether an enclosing `when` is known only during the run.
    uncertain: bool,
}

struct NeededInputs<'a> {
    plan: &'a Plan,
    inputs: &'a IndexMap<String, Json>,
    places: &'a Places,
    problems: &'a mut Diagnostics,
    said: BTreeSet<String>,
    known: Vec<KnownParams>,
    /// Steps that are held against others of their kind.
    compared: Vec<Compared<'a>>,
}

/// One instance of a step that is certainly part of the run.
struct Compared<'a> {
    step: &'a StepDef,
    around: Around,
    name: String,
    values: Map<String, Json>,
}

impl<'a> NeededInputs<'a> {
    fn new(
        plan: &'a Plan,
        inputs: &'a IndexMap<String, Json>,
        places: &'a Places,
        problems: &'a mut Diagnostics,
    ) -> Self {
        NeededInputs {
            plan,
            inputs,
            places,
            problems,
            said: BTreeSet::new(),
            known: Vec::new(),
            compared: Vec::new(),
        }
    }

    fn all(mut self) -> Vec<KnownParams> {
        for root in &self.plan.roots {
            self.node(*root, &Around::default());
        }
        self.together();
        self.known
    }

    /// Checks a node; a `for_each` over outputs is not checked further.
    fn node(&mut self, id: NodeId, around: &Around) {
        let node = self.plan.node(id);
        let Some(collection) = &node.for_each else {
            return self.instance(id, around);
        };
        let Some(around) = self.around(node.condition_of_all(), around) else { return };
        if collection.depends_on_run() {
            return;
        }
        let found = match node.elements(&self.scope(&around)) {
            Ok(found) => found,
            Err(ExpansionError::NoValue(error)) => return self.no_value(&node.id, "for_each", &error),
            Err(ExpansionError::Elements(error)) => {
                let message = format!("`{}` has one instance for each element: {error}", node.id);
                let help = "each element names an instance: remove or rename one of them in the inputs";
                return self.say(Diagnostic::error("TS0410", message).help(help));
            }
        };
        let origin = self.origin(collection, &around);
        let is_list = matches!(collection.eval(&self.scope(&around)), Ok(Some(Json::Array(_))));
        for (position, element) in found.into_iter().enumerate() {
            let part = if is_list { position.to_string() } else { element.0.clone() };
            let mut inner = Around { path: around.path.inside(id, element), ..around.clone() };
            inner.origins.insert(0, origin.as_ref().map(|origin| origin.below(&part)));
            self.instance(id, &inner);
        }
    }

    fn instance(&mut self, id: NodeId, around: &Around) {
        let node = self.plan.node(id);
        let Some(inside) = self.around(node.condition_of_one(), around) else { return };
        match &node.kind {
            NodeKind::Block(block) => {
                block.children.iter().for_each(|child| self.node(*child, &inside));
            }
            NodeKind::Step(step) => {
                let (certain, path) = (!inside.uncertain, inside.path.clone());
                let instance = self.plan.instance_name(id, &path);
                let values = self.params(node, step, &inside, &instance, certain);
                self.known.push(KnownParams { node: id, instance, certain, path, values });
            }
        }
    }

    /// What is inside a node with this condition; `None`: it certainly does not apply.
    fn around(&self, when: Option<&Expr>, around: &Around) -> Option<Around> {
        let uncertain = around.uncertain || when.is_some_and(Expr::depends_on_run);
        self.applies(when, around).then(|| Around { uncertain, ..around.clone() })
    }

    fn scope(&self, around: &Around) -> InputScope<'a> {
        InputScope::of(self.inputs, around.path.clone())
    }

    /// The known parameters of a step; reports what is wrong with them.
    fn params(
        &mut self,
        node: &Node,
        step: &'a StepDef,
        around: &Around,
        name: &str,
        certain: bool,
    ) -> IndexMap<String, Json> {
        let mut values = IndexMap::new();
        let Template::Map(entries) = &step.with else { return values };
        let mut checked = Map::new();
        let mut unknown = Vec::new();
        for (parameter, template) in entries {
            let scope = self.scope(around);
            if template_depends_on_run(template) {
                // A body is checked as far as it is known.
                if matches!(template, Template::Map(_)) && step.open.iter().any(|open| open == parameter) {
                    checked.insert(parameter.clone(), with_holes(template, &scope));
                    continue;
                }
                unknown.push(parameter.as_str());
                // Some items of a list may be known.
                if let Some(part) = known_items(template)
                    && let Ok(Some(Json::Array(items))) = part.resolve(&scope)
                    && !items.is_empty()
                {
                    checked.insert(parameter.clone(), Json::Array(items));
                }
                continue;
            }
            match template.resolve(&scope) {
                Ok(Some(value)) => {
                    checked.insert(parameter.clone(), value.clone());
                    values.insert(parameter.clone(), value);
                }
                Ok(None) if step.required.contains(parameter) => {
                    let read = inputs_of(template);
                    let names: Vec<String> = read
                        .into_iter()
                        .filter(|name| !self.inputs.contains_key(*name))
                        .map(str::to_owned)
                        .collect();
                    self.missing(&node.id, parameter, &names);
                }
                Ok(None) => {}
                Err(error) => self.no_value(&node.id, parameter, &error),
            }
        }
        let given = GivenParams { values: &checked, unknown: &unknown, ensure: step.ensure };
        let misfits = step.check.misfits(&given);
        for misfit in &misfits {
            self.misfit(misfit, step, around, name, None);
        }
        if certain && misfits.is_empty() && step.check.is_joint() && step.ensure == Ensure::Present {
            let (around, name) = (around.clone(), name.to_owned());
            self.compared.push(Compared { step, around, name, values: checked });
        }
        values
    }

    /// Reports steps of one kind whose parameters do not fit together.
    fn together(&mut self) {
        let compared = std::mem::take(&mut self.compared);
        for steps in groups(&compared, |step| &step.step.uses) {
            let all: Vec<&Map<String, Json>> = steps.iter().map(|step| &step.values).collect();
            let Some(first) = steps.first() else { continue };
            for clash in first.step.check.clashes(&all) {
                let (Some(step), Some(other)) = (steps.get(clash.step), steps.get(clash.other)) else {
                    continue;
                };
                let misfit = ParamMisfit { path: clash.path, why: clash.why };
                let (given, used) = self.places_of(&clash.other_path, other.step, &other.around);
                let place = given.map(|given| given.place).or(used);
                let place = place.map(|place| (place, format!("of the step `{}`", other.name)));
                self.misfit(&misfit, step.step, &step.around, &step.name, place);
            }
        }
    }

    /// Where in the inputs the value at `path` was given, and where the plan uses it.
    fn places_of(
        &self,
        path: &[String],
        step: &StepDef,
        around: &Around,
    ) -> (Option<GivenAt>, Option<Place>) {
        let parameter = path.first().map_or("", String::as_str);
        let template = match &step.with {
            Template::Map(entries) => entries.iter().find(|(name, _)| name == parameter),
            _ => None,
        };
        let origin = template
            .and_then(|(_, template)| self.origin_at(template, path.get(1..).unwrap_or_default(), around));
        let given = origin.and_then(|origin| self.places.nearest(&origin)).cloned();
        let used = step.places.iter().find(|(name, _)| name == parameter).map(|(_, place)| place.clone());
        (given, used)
    }

    /// Said where the value was given, and where the plan uses it.
    fn misfit(
        &mut self,
        misfit: &ParamMisfit,
        step: &StepDef,
        around: &Around,
        name: &str,
        other: Option<(Place, String)>,
    ) {
        let (given, used) = self.places_of(&misfit.path, step, around);
        let mut diagnostic = misfit_of(misfit, name, &step.uses);
        match given {
            Some(given) => {
                diagnostic.message.push_str(&given.where_);
                diagnostic = diagnostic.at(given.place, "given here");
                if let Some(used) = used {
                    diagnostic = diagnostic.and_at(used, "used here");
                }
            }
            None => {
                if let Some(used) = used {
                    diagnostic = diagnostic.at(used, "used here");
                }
            }
        }
        if let Some((place, label)) = other {
            diagnostic = diagnostic.and_at(place, label);
        }
        self.say(diagnostic);
    }

    /// The origin in the inputs of the value of `template` at `path`.
    fn origin_at(&self, template: &Template, path: &[String], around: &Around) -> Option<ValuePath> {
        let (first, rest) = match path.split_first() {
            Some((first, rest)) => (Some(first.as_str()), rest),
            None => (None, path),
        };
        match (template, first) {
            (Template::Expr(expr), _) => {
                let mut origin = self.origin(expr, around)?;
                path.iter().for_each(|part| origin.push(part));
                Some(origin)
            }
            (Template::Map(entries), Some(first)) => {
                let (_, entry) = entries.iter().find(|(name, _)| name == first)?;
                self.origin_at(entry, rest, around)
            }
            (Template::List(items), Some(first)) => {
                let mut position: usize = first.parse().ok()?;
                for item in items {
                    let scope = self.scope(around);
                    let spliced = match (item, item.resolve(&scope).ok().flatten()) {
                        (Template::Expr(expr), Some(Json::Array(inner)))
                            if !matches!(expr, Expr::Literal(_)) =>
                        {
                            Some(inner.len())
                        }
                        (_, Some(_)) => None,
                        (_, None) => continue,
                    };
                    match spliced {
                        Some(count) if position < count => {
                            let mut path = vec![position.to_string()];
                            path.extend_from_slice(rest);
                            return self.origin_at(item, &path, around);
                        }
                        Some(count) => position -= count,
                        None if position == 0 => return self.origin_at(item, rest, around),
                        None => position -= 1,
                    }
                }
                None
            }
            (Template::List(_) | Template::Map(_), None) | (Template::Secret(_), _) => None,
        }
    }

    /// The origin in the inputs of the value of `expr`.
    fn origin(&self, expr: &Expr, around: &Around) -> Option<ValuePath> {
        let scope = self.scope(around);
        let along = |mut origin: ValuePath, path: &[Segment]| {
            for segment in path {
                match segment {
                    Segment::Field(name) => origin.push(name),
                    Segment::Key(key) => origin.push(&key.eval_key(&scope).ok()?),
                }
            }
            Some(origin)
        };
        let element = |depth: u32| around.origins.get(usize::try_from(depth).ok()?)?.clone();
        match expr {
            Expr::Input { name, path } => along(ValuePath::of(name), path),
            Expr::EachValue { depth, path } => along(element(*depth)?, path),
            Expr::EachKey(depth) => element(*depth).map(|element| element.key()),
            Expr::Or(all) => {
                let present = all.iter().find(|part| matches!(part.eval(&scope), Ok(Some(_))))?;
                self.origin(present, around)
            }
            Expr::Concat(parts) => parts.iter().find_map(|part| self.origin(part, around)),
            _ => None,
        }
    }

    /// Whether the step may apply; `false` only if that is certain before the run.
    fn applies(&self, when: Option<&Expr>, around: &Around) -> bool {
        let Some(when) = when else { return true };
        let scope = self.scope(around);
        // One false part of `and` is enough.
        let parts = match when {
            Expr::And(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        !parts.iter().any(|part| !part.depends_on_run() && part.truth(&scope) == Ok(false))
    }

    fn missing(&mut self, step: &str, parameter: &str, names: &[String]) {
        let diagnostic = match names {
            [] => Diagnostic::error("TS0405", format!("`{parameter}` of the step `{step}` has no value"))
                .help("give the optional field that it refers to in every element that this step applies to"),
            names => {
                let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
                let give = names.first().map_or("", String::as_str);
                Diagnostic::error("TS0405", format!("the step `{step}` needs the input {list}"))
                    .help(format!("give --input {give}=VALUE: with these inputs the step is applicable (its `{parameter}`)"))
            }
        };
        self.say(diagnostic);
    }

    fn no_value(&mut self, step: &str, parameter: &str, error: &EvalError) {
        self.say(
            Diagnostic::error("TS0404", format!("`{parameter}` of the step `{step}`: {error}"))
                .help("correct the key in the inputs, or the reference in the plan"),
        );
    }

    /// Reports a diagnostic once for all instances, and once for each place.
    fn say(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.primary.as_ref().map(|label| format!("{:?}", label.place));
        // For a value in the plan one instance is enough.
        let said = match place {
            Some(place) => {
                format!("{place} {}", diagnostic.message.split_once(": ").map_or("", |(_, why)| why))
            }
            None => diagnostic.message.clone(),
        };
        if self.said.insert(said) {
            self.problems.push(diagnostic);
        }
    }
}

fn template_depends_on_run(template: &Template) -> bool {
    match template {
        Template::Expr(expr) => expr.depends_on_run(),
        Template::List(items) => items.iter().any(template_depends_on_run),
        Template::Map(entries) => entries.iter().any(|(_, entry)| template_depends_on_run(entry)),
        Template::Secret(_) => false,
    }
}

/// The items of a list that do not depend on the run.
fn known_items(template: &Template) -> Option<Template> {
    let Template::List(items) = template else { return None };
    let known: Vec<Template> = items.iter().filter(|item| !template_depends_on_run(item)).cloned().collect();
    (!known.is_empty()).then_some(Template::List(known))
}

/// The value of a template, with null for values that are known only during the run.
fn with_holes(template: &Template, scope: &InputScope<'_>) -> Json {
    match template {
        Template::Map(entries) => {
            entries.iter().map(|(key, entry)| (key.clone(), with_holes(entry, scope))).collect()
        }
        Template::List(items) => items.iter().map(|item| with_holes(item, scope)).collect(),
        known if !template_depends_on_run(known) => known.resolve(scope).ok().flatten().unwrap_or_default(),
        _ => Json::Null,
    }
}
