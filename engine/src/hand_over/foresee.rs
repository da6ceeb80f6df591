//! Looks ahead: every step that is not done yet, with the parameters that it will have as far as that can be known.
//!
//! Steps are taken in the order of their needs. What a step will put out comes from its kind; what nobody can know yet is a
//! hole, and a step whose parameters have a hole in them says what it waits for instead of what to do.

mod reading;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use twinspan_plans::{IdentityId, NodeId, Plan, StepDef, Type};

use crate::clock::Clock;
use crate::failure::StepError;
use crate::hand_over::{Act, HandOver, Variable, any_text};
use crate::ids::{RunId, StepKey};
use crate::registry::Registry;
use crate::state::item::{Role, element_key};
use crate::state::scope::identity_of;
use crate::state::{RunState, StepState};
use crate::step::{AttemptLog, Identity, Phase, StepCx};

use reading::{Known, Outputs, Place, Reader};

/// A step that is not done.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// The step; a `for_each` whose elements are not known yet counts as one.
    pub key: StepKey,
    /// Its place in the plan.
    pub node: NodeId,
    /// Who does it; the first acts.
    pub identities: Vec<Identity>,
    /// What has to be done before it, and is not.
    pub after: Vec<StepKey>,
    /// What there is to say of it.
    pub outlook: Outlook,
}

/// What there is to say of a step that is not done.
#[derive(Clone, Debug)]
pub enum Outlook {
    /// Its parameters are known, but for variables.
    Known(Box<HandOver>),
    /// It cannot be said yet, and why.
    NotYet(String),
}

/// Every step that is not done, in an order in which they can be done.
pub fn foresee(state: &RunState, registry: &Registry, clock: &dyn Clock) -> Vec<Foreseen> {
    let plan = std::sync::Arc::clone(state.plan());
    let Some(run) = state.run() else { return Vec::new() };
    let mut ahead =
        Ahead { state, plan: &plan, registry, clock, run, known: Known::new(run), steps: Vec::new() };
    for node in ordered(&plan) {
        if let Some(step) = plan.node(node).step() {
            ahead.step(node, step);
        }
    }
    ahead.steps
}

/// Steps after everything that they need.
fn ordered(plan: &Plan) -> Vec<NodeId> {
    let mut written = Vec::new();
    plan.roots.iter().for_each(|root| steps_in(plan, *root, &mut written));
    let (mut order, mut begun) = (Vec::new(), BTreeSet::new());
    // A list instead of recursion: a chain of needs can be as long as the plan.
    let mut open: Vec<(NodeId, bool)> = written.iter().rev().map(|node| (*node, false)).collect();
    while let Some((node, needs_placed)) = open.pop() {
        if needs_placed {
            order.push(node);
        } else if begun.insert(node) {
            open.push((node, true));
            let mut needed = Vec::new();
            let mut at = Some(node);
            while let Some(here) = at {
                plan.node(here).needs.iter().for_each(|need| steps_in(plan, need.node, &mut needed));
                at = plan.node(here).parent;
            }
            open.extend(needed.into_iter().rev().map(|node| (node, false)));
        }
    }
    order
}

fn steps_in(plan: &Plan, node: NodeId, all: &mut Vec<NodeId>) {
    match plan.node(node).block() {
        Some(block) => block.children.iter().for_each(|child| steps_in(plan, *child, all)),
        None => all.push(node),
    }
}

struct Ahead<'a> {
    state: &'a RunState,
    plan: &'a Plan,
    registry: &'a Registry,
    clock: &'a dyn Clock,
    run: RunId,
    known: Known,
    steps: Vec<Foreseen>,
}

/// A collection whose elements nobody can know yet: its name, and why.
type Closed = (StepKey, String);

impl Ahead<'_> {
    /// Every instance of one step of the plan.
    fn step(&mut self, node: NodeId, step: &StepDef) {
        for place in self.places(node) {
            match place {
                Ok(place) => self.instance(node, step, &place),
                Err((key, why)) => {
                    let identities = self.identities(step, &Place::default());
                    let (after, outlook) = (self.unmet(&key), Outlook::NotYet(why));
                    self.steps.push(Foreseen { key, node, identities, after, outlook });
                }
            }
        }
    }

    /// Where the step has instances: one place, or one for each element of what is around it and of itself.
    fn places(&self, node: NodeId) -> Vec<Result<Place, Closed>> {
        let mut places = vec![Ok(Place::default())];
        for scope in self.plan.scopes(node) {
            let inside = |place: Result<Place, Closed>| match place {
                Ok(place) => self.elements(scope, &place),
                closed => vec![closed],
            };
            places = places.into_iter().flat_map(inside).collect();
        }
        places
    }

    fn elements(&self, node: NodeId, around: &Place) -> Vec<Result<Place, Closed>> {
        let key = around.key(self.plan, node);
        let known = match self.state.lookup(&key).map(|id| &self.state.item(id).role) {
            Some(Role::Collection(collection)) => &collection.instances,
            _ => &indexmap::IndexMap::new(),
        };
        let mut elements: Vec<(String, Value)> = known
            .iter()
            .filter_map(|(name, id)| {
                Some((name.clone(), self.state.item(*id).element.as_ref()?.1.as_ref().clone()))
            })
            .collect();
        if elements.is_empty() {
            let reader = Reader::new(self.state, &self.known, around, None);
            let over = self.plan.node(node).for_each.as_ref();
            let value = over.and_then(|over| over.eval(&reader).ok().flatten());
            if let Some(hole) = value.as_ref().and_then(|value| reader.hole_in(value)) {
                return vec![Err((key, format!("how many they are says {hole}")))];
            }
            elements = match value {
                Some(Value::Object(map)) => map.into_iter().collect(),
                Some(Value::Array(list)) => {
                    list.into_iter().filter_map(|value| Some((element_key(value.as_str()?), value))).collect()
                }
                _ => Vec::new(),
            };
        }
        elements.into_iter().map(|(name, value)| Ok(around.inside(node, name, value))).collect()
    }

    fn instance(&mut self, node: NodeId, step: &StepDef, place: &Place) {
        let key = place.key(self.plan, node);
        let item = self.state.find(&key);
        match item.and_then(|item| item.state()) {
            Some(StepState::AlreadySo(_) | StepState::Done(_) | StepState::Skipped { .. }) => {
                if let Some(Value::Object(fields)) = item.and_then(|item| item.outputs()) {
                    let fields = fields.clone();
                    self.known.add(node, Outputs::read(place, key, fields));
                }
                return;
            }
            Some(StepState::NotApplicable | StepState::Cancelled) => return,
            _ => {}
        }
        if !self.applies(node, place) {
            return;
        }
        let identities = match item.map(|item| item.identities()) {
            Some(resolved) if !resolved.is_empty() => resolved.to_vec(),
            _ => self.identities(step, place),
        };
        let outlook = self.outlook(step, place, &key, &identities);
        let mut fields = Map::new();
        let mut sets = BTreeSet::new();
        if let Outlook::Known(said) = &outlook {
            fields.extend(said.outputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            sets = set_by(said);
        }
        // What a person stated counts before what a kind foretells.
        for (name, stated) in item.and_then(|item| item.stated()).into_iter().flatten() {
            fields.insert(name.clone(), stated.value.clone());
        }
        if let Type::Record(outputs) = &step.outputs {
            for output in outputs {
                let hole = || Value::String(self.known.hole(&key, &output.name));
                fields.entry(output.name.clone()).or_insert_with(hole);
            }
        }
        let actor = identities.first().cloned();
        self.known.add(node, Outputs::foretold(place, key.clone(), fields, actor, sets));
        // An element that the run does not have yet waits for what its collection waits for.
        let of = if item.is_some() { key.clone() } else { place.outside().key(self.plan, node) };
        self.steps.push(Foreseen { after: self.unmet(&of), key, node, identities, outlook });
    }

    fn unmet(&self, key: &StepKey) -> Vec<StepKey> {
        self.state.find(key).map(|item| item.waits_for().into_iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether its own condition and those around it hold. One that cannot be told yet may hold.
    fn applies(&self, node: NodeId, place: &Place) -> bool {
        let mut at = Some(node);
        while let Some(here) = at {
            if let Some(when) = &self.plan.node(here).when {
                let reader = Reader::new(self.state, &self.known, place, None);
                if matches!(when.truth(&reader), Ok(false)) && !reader.met_a_hole() {
                    return false;
                }
            }
            at = self.plan.node(here).parent;
        }
        true
    }

    fn identities(&self, step: &StepDef, place: &Place) -> Vec<Identity> {
        step.identities.iter().map(|id| self.identity(*id, place)).collect()
    }

    fn identity(&self, id: IdentityId, place: &Place) -> Identity {
        let definition = self.plan.identity(id);
        // An identity speaks of the block that declares it, not of the step that uses it.
        let depth = definition.declared_in.map_or(0, |block| self.plan.scopes(block).len());
        let outer = place.outermost(depth);
        let reader = Reader::new(self.state, &self.known, &outer, None);
        // One that cannot be read is still somebody: its name says who.
        identity_of(definition, &reader)
            .unwrap_or_else(|_| Identity { name: definition.name.clone(), attributes: BTreeMap::new() })
    }

    fn outlook(&self, step: &StepDef, place: &Place, key: &StepKey, identities: &[Identity]) -> Outlook {
        let reader = Reader::new(self.state, &self.known, place, identities.first());
        let mut params = match self.state.find(key).and_then(|item| item.params()) {
            Some(params) => params.clone(),
            None => match step.with.resolve(&reader) {
                Ok(params) => params.unwrap_or_else(|| Value::Object(Map::new())),
                Err(error) => return Outlook::NotYet(format!("`with`: {error}")),
            },
        };
        if let (Some(kind), Value::Object(fields)) = (self.registry.kind(&step.uses), &mut params) {
            let unneeded = |name: &str| kind.only_checked.contains(&name);
            fields.retain(|name, value| !unneeded(name) || reader.hole_in(value).is_none());
        }
        if let Some(hole) = reader.hole_in(&params) {
            return Outlook::NotYet(format!("it takes {hole}, which is known only when that step is done"));
        }
        let auxiliary = step.auxiliary.map(|id| self.identity(id, place));
        match self.ask(step, key, &params, identities, auxiliary.as_ref()) {
            Ok(said) => Outlook::Known(Box::new(said)),
            Err(error) => Outlook::NotYet(error.to_string()),
        }
    }

    fn ask(
        &self,
        step: &StepDef,
        key: &StepKey,
        params: &Value,
        identities: &[Identity],
        auxiliary: Option<&Identity>,
    ) -> Result<HandOver, StepError> {
        let Some(kind) = self.registry.kind(&step.uses) else {
            return Err(StepError::plan_wrong(format!("this program has no step kind {}", step.uses)));
        };
        let item = self.state.lookup(key).map(|id| self.state.item(id));
        let record = item.and_then(|item| item.step());
        let targets = item.into_iter().flat_map(|item| &item.targets);
        let receipts: Vec<Value> =
            targets.filter_map(|id| self.state.item(*id).step()?.receipt.clone()).collect();
        let (log, now) = (AttemptLog::new(Phase::Probe), self.clock.now());
        let variables = self.known.variables();
        let stated = record.map(|record| record.stated_values()).unwrap_or_default();
        let cx = StepCx {
            run: self.run,
            step: key,
            phase: Phase::Probe,
            ensure: step.ensure,
            attempt: record.map_or(1, |record| record.attempts + 1),
            identities,
            others: &[],
            auxiliary,
            since: record.and_then(|record| record.since).unwrap_or(now),
            approval: record.and_then(|record| record.approval.as_ref()),
            receipt: record.and_then(|record| record.receipt.as_ref()),
            needed_receipts: &receipts,
            stated: &stated,
            unknown: &variables,
            clock: self.clock,
            log: &log,
        };
        let said = kind.hand_over(&cx, params)?;
        self.known.remember(set_by(&said));
        Ok(said)
    }
}

/// Variables that the step's own acts set.
fn set_by(said: &HandOver) -> BTreeSet<Variable> {
    let acts = said.task.iter().flat_map(|task| &task.acts);
    acts.filter_map(|act| match act {
        Act::Learn { variable, .. } | Act::Name { variable, .. } => Some(variable.clone()),
        Act::Make(make) => make.yields.as_ref().map(|(variable, _)| variable.clone()),
        Act::Remove(removal) => removal.found.clone(),
        Act::Require { .. } | Act::Command(_) | Act::Person { .. } => None,
    })
    .collect()
}

/// Whether a value holds one of these variables.
fn holds(value: &Value, of: &BTreeSet<Variable>) -> bool {
    any_text(value, &mut |text| of.iter().any(|variable| text.contains(&variable.stand_in)))
}
