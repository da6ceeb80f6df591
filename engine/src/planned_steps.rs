//! Computes the steps that are not done, with their parameters as far as they are known before the run.
//!
//! Steps are visited in the order of their needs. The outputs of a step come from its kind, or from a read of the existing
//! resource. An output that is not known yet is a hole; a step with a hole in its parameters reports what it waits for instead of
//! a task.

mod order;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use twinspan_plans::{IdentityId, NodeId, Plan, StepDef, Type};

use crate::attempt_log::AttemptLog;
use crate::clock::Clock;
use crate::decide::limits::TIMEOUT;
use crate::failure::StepError;
use crate::hand_over::{Act, HandOver, Variable, any_text};
use crate::identity::Identity;
use crate::ids::{RunId, StepKey};
use crate::observation::Phase;
use crate::permission::Permission;
use crate::registry::Registry;
use crate::state::item::Role;
use crate::state::scope::identity_of;
use crate::state::{RunState, StepState};
use crate::step::StepCx;
use crate::wait::Wait;

pub(crate) use reading::Elements;
use reading::{KnownOutputs, Outputs, Reader};

/// A step that is not done.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The step; a `for_each` whose elements are not known yet counts as one.
    pub key: StepKey,
    /// Its node in the plan.
    pub node: NodeId,
    /// Its identities; the first one acts.
    pub identities: Vec<Identity>,
    /// Steps that it needs and that are not done.
    pub after: Vec<StepKey>,
    /// The task for a person.
    pub planned_task: PlannedTask,
}

/// The task of a step that is not done.
#[derive(Clone, Debug)]
pub enum PlannedTask {
    /// Its parameters are known, but for variables.
    Known(Box<HandOver>),
    /// The task is not known yet, and why.
    NotYet(String),
}

/// A step as known before the run.
#[derive(Clone, Debug)]
pub(crate) struct StepOutline {
    pub(crate) key: StepKey,
    pub(crate) node: NodeId,
    /// The elements of the blocks around it; fewer than in the plan if those are not known.
    pub(crate) place: Elements,
    pub(crate) identities: Vec<Identity>,
    /// The plan's other identities that a step here could act as.
    pub(crate) others: Vec<Identity>,
    pub(crate) auxiliary: Option<Identity>,
    /// Whether it is part of the run; true if that is not known yet.
    pub(crate) applies: bool,
    /// Its parameters; `None`: a part is known only when an earlier step is done.
    pub(crate) params: Option<Value>,
    /// The permissions that the acting identity needs.
    pub(crate) permissions: Vec<Permission>,
    pub(crate) planned_task: PlannedTask,
    /// The wait that is certain, independent of unknown values.
    pub(crate) expected_wait: Option<Wait>,
    pub(crate) needs: Vec<NeedOf>,
}

/// A step of the plan that a step needs.
#[derive(Clone, Debug)]
pub(crate) struct NeedOf {
    pub(crate) node: NodeId,
    /// Keys of the elements that are repeated around it and not around the step that needs it; empty: all.
    pub(crate) keys: Vec<String>,
    pub(crate) reads_output: bool,
}

/// The result of reading a step's resource without a run.
#[derive(Clone, Debug)]
pub(crate) struct KnownReading {
    /// The parameters of the read; the result is not valid for others.
    pub(crate) params: Value,
    /// Outputs, if the resource exists.
    pub(crate) outputs: Option<Map<String, Value>>,
}

/// Results of reading steps, by step.
pub(crate) type KnownReadings = BTreeMap<StepKey, KnownReading>;

/// Returns every step that is not done, in an order in which they can be done.
pub fn foresee(state: &RunState, registry: &Registry, clock: &dyn Clock) -> Vec<PlannedStep> {
    let (outlines, _) = outlines(state, registry, clock, &KnownReadings::new(), false);
    let ahead = outlines.into_iter().filter(|outline| outline.applies).map(|outline| {
        // An element that the run does not have yet waits for what its collection waits for.
        let of = match state.find(&outline.key) {
            Some(_) => outline.key.clone(),
            None => outline.place.outside().key(state.plan(), outline.node),
        };
        let waits_for = |item: crate::state::ItemView<'_>| item.waits_for().into_iter().cloned().collect();
        PlannedStep {
            after: state.find(&of).map(waits_for).unwrap_or_default(),
            key: outline.key,
            node: outline.node,
            identities: outline.identities,
            planned_task: outline.planned_task,
        }
    });
    ahead.collect()
}

/// Returns every step that is not done, in an order in which they can be done, and every value that a placeholder stands for.
/// `cancelled`: also the cancelled steps.
pub(crate) fn outlines(
    state: &RunState,
    registry: &Registry,
    clock: &dyn Clock,
    known_readings: &KnownReadings,
    cancelled: bool,
) -> (Vec<StepOutline>, Vec<Variable>) {
    let plan = std::sync::Arc::clone(state.plan());
    let Some(run) = state.run() else { return (Vec::new(), Vec::new()) };
    let (known, steps) = (KnownOutputs::new(run), Vec::new());
    let mut ahead =
        Ahead { state, plan: &plan, registry, clock, run, known_readings, cancelled, known, steps };
    for node in order::ordered(&plan) {
        if let Some(step) = plan.node(node).step() {
            ahead.step(node, step);
        }
    }
    let variables = ahead.known.variables();
    (ahead.steps, variables)
}

struct Ahead<'a> {
    state: &'a RunState,
    plan: &'a Plan,
    registry: &'a Registry,
    clock: &'a dyn Clock,
    run: RunId,
    known_readings: &'a KnownReadings,
    cancelled: bool,
    known: KnownOutputs,
    steps: Vec<StepOutline>,
}

/// The parameters and the task of a step.
struct Call {
    auxiliary: Option<Identity>,
    params: Option<Value>,
    permissions: Vec<Permission>,
    planned_task: PlannedTask,
    expected_wait: Option<Wait>,
}

impl Call {
    fn not_yet(auxiliary: Option<Identity>, why: String) -> Self {
        Call {
            auxiliary,
            params: None,
            permissions: Vec::new(),
            planned_task: PlannedTask::NotYet(why),
            expected_wait: None,
        }
    }
}

/// A collection whose elements are not known yet: its name, and why.
type Closed = (StepKey, String);

impl Ahead<'_> {
    /// Every instance of one step of the plan.
    fn step(&mut self, node: NodeId, step: &StepDef) {
        for place in self.places(node) {
            match place {
                Ok(place) => self.instance(node, step, &place),
                Err((key, why)) => {
                    let place = Elements::default();
                    let identities = self.identities(step, &place);
                    let call = Call::not_yet(None, why);
                    self.push(node, key, place, identities, call);
                }
            }
        }
    }

    /// The instances of the step: one, or one for each element of its own and the surrounding collections.
    fn places(&self, node: NodeId) -> Vec<Result<Elements, Closed>> {
        let mut places = vec![Ok(Elements::default())];
        for scope in self.plan.scopes(node) {
            let inside = |place: Result<Elements, Closed>| match place {
                Ok(place) => self.elements(scope, &place),
                closed => vec![closed],
            };
            places = places.into_iter().flat_map(inside).collect();
        }
        places
    }

    fn elements(&self, node: NodeId, around: &Elements) -> Vec<Result<Elements, Closed>> {
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
            // The run reports what is wrong with them.
            elements = twinspan_plans::elements::elements(value).unwrap_or_default();
        }
        elements.into_iter().map(|(name, value)| Ok(around.inside(node, name, value))).collect()
    }

    fn instance(&mut self, node: NodeId, step: &StepDef, place: &Elements) {
        let key = place.key(self.plan, node);
        let item = self.state.find(&key);
        match item.and_then(|item| item.state()) {
            Some(StepState::Unchanged(_) | StepState::Done(_) | StepState::Skipped { .. }) => {
                if let Some(Value::Object(fields)) = item.and_then(|item| item.outputs()) {
                    let fields = fields.clone();
                    self.known.add(node, Outputs::read(place, key, fields));
                }
                return;
            }
            Some(StepState::Cancelled) if !self.cancelled => return,
            Some(StepState::ConditionFalse) => return,
            _ => {}
        }
        let applies = self.applies(node, place);
        let identities = match item.map(|item| item.identities()) {
            Some(resolved) if !resolved.is_empty() => resolved.to_vec(),
            _ => self.identities(step, place),
        };
        if !applies {
            let call = Call::not_yet(None, "it does not apply".to_owned());
            self.push(node, key, place.clone(), identities, call);
            if let Some(last) = self.steps.last_mut() {
                last.applies = false;
            }
            return;
        }
        let call = self.call(step, place, &key, &identities);
        if let Some(fields) = self.glanced(&key, call.params.as_ref()) {
            self.known.add(node, Outputs::read(place, key.clone(), fields));
            self.push(node, key, place.clone(), identities, call);
            return;
        }
        let mut fields = Map::new();
        let mut sets = BTreeSet::new();
        if let PlannedTask::Known(said) = &call.planned_task {
            fields.extend(said.outputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            sets = set_by(said);
        }
        // An output that a person stated has priority over the kind's prediction.
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
        self.push(node, key, place.clone(), identities, call);
    }

    fn push(&mut self, node: NodeId, key: StepKey, place: Elements, identities: Vec<Identity>, call: Call) {
        let others = self.others(node, &place, &identities);
        let needs = self.needs(node, &place, identities.first());
        let Call { auxiliary, params, permissions, planned_task, expected_wait } = call;
        let applies = true;
        let outline = StepOutline {
            key,
            node,
            place,
            identities,
            others,
            auxiliary,
            applies,
            params,
            permissions,
            planned_task,
            expected_wait,
            needs,
        };
        self.steps.push(outline);
    }

    /// Outputs of the existing resource, if it was read with the same parameters.
    fn glanced(&self, key: &StepKey, params: Option<&Value>) -> Option<Map<String, Value>> {
        let known_reading = self.known_readings.get(key)?;
        known_reading.outputs.clone().filter(|_| params == Some(&known_reading.params))
    }

    /// Whether its own condition and those around it hold. A condition that is not known yet may hold.
    fn applies(&self, node: NodeId, place: &Elements) -> bool {
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

    fn identities(&self, step: &StepDef, place: &Elements) -> Vec<Identity> {
        step.identities.iter().map(|id| self.identity(*id, place)).collect()
    }

    fn identity(&self, id: IdentityId, place: &Elements) -> Identity {
        let definition = self.plan.identity(id);
        // Expressions of an identity refer to the block that declares it, not to the step that uses it.
        let depth = definition.declared_in.map_or(0, |block| self.plan.scopes(block).len());
        let outer = place.outermost(depth);
        let reader = Reader::new(self.state, &self.known, &outer, None);
        // An identity whose attributes cannot be evaluated is still known by its name.
        identity_of(definition, &reader)
            .unwrap_or_else(|_| Identity { name: definition.name.clone(), attributes: BTreeMap::new() })
    }

    fn needs(&self, node: NodeId, place: &Elements, actor: Option<&Identity>) -> Vec<NeedOf> {
        let reader = Reader::new(self.state, &self.known, place, actor);
        let needs = order::needed(self.plan, node).into_iter().map(|(node, need)| NeedOf {
            node,
            // A key that cannot be read yet may be any.
            keys: need.keys.iter().map_while(|key| key.eval_key(&reader).ok()).collect(),
            reads_output: need.reads_output,
        });
        needs.collect()
    }

    /// Identities that a step here could act as, but for those that it does act as.
    fn others(&self, node: NodeId, place: &Elements, own: &[Identity]) -> Vec<Identity> {
        if own.is_empty() {
            return Vec::new();
        }
        let around = order::around(self.plan, node);
        let all = self.plan.identities.iter().zip(0..);
        let seen = all.filter(|(known, _)| known.declared_in.is_none_or(|block| around.contains(&block)));
        let others = seen.map(|(_, at)| self.identity(IdentityId(at), place));
        others.filter(|identity| !own.contains(identity)).collect()
    }

    fn call(&self, step: &StepDef, place: &Elements, key: &StepKey, identities: &[Identity]) -> Call {
        let auxiliary = step.auxiliary.map(|id| self.identity(id, place));
        let reader = Reader::new(self.state, &self.known, place, identities.first());
        let mut params = match self.state.find(key).and_then(|item| item.params()) {
            Some(params) => params.clone(),
            None => match step.with.resolve(&reader) {
                Ok(params) => params.unwrap_or_else(|| Value::Object(Map::new())),
                Err(error) => return Call::not_yet(auxiliary, format!("`with`: {error}")),
            },
        };
        if let (Some(kind), Value::Object(fields)) = (self.registry.kind(&step.uses), &mut params) {
            let unneeded = |name: &str| kind.meta.read_only_params.contains(&name);
            fields.retain(|name, value| !unneeded(name) || reader.hole_in(value).is_none());
        }
        if let Some(hole) = reader.hole_in(&params) {
            let why = format!("it takes {hole}, which is known only when that step is done");
            let kind = self.registry.kind(&step.uses);
            let expected_wait =
                identities.first().and_then(|identity| kind.and_then(|kind| kind.expected_wait(identity)));
            return Call { expected_wait, ..Call::not_yet(auxiliary, why) };
        }
        let (permissions, planned_task) = match self.ask(step, key, &params, identities, auxiliary.as_ref()) {
            Ok((said, permissions)) => (permissions, PlannedTask::Known(Box::new(said))),
            Err(error) => (Vec::new(), PlannedTask::NotYet(error.to_string())),
        };
        let stands_in = holds(&params, &self.known.variables().into_iter().collect());
        Call {
            auxiliary,
            params: Some(params).filter(|_| !stands_in),
            permissions,
            planned_task,
            expected_wait: None,
        }
    }

    fn ask(
        &self,
        step: &StepDef,
        key: &StepKey,
        params: &Value,
        identities: &[Identity],
        auxiliary: Option<&Identity>,
    ) -> Result<(HandOver, Vec<Permission>), StepError> {
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
            owner: self.run,
            step: key,
            phase: Phase::Probe,
            ensure: step.ensure,
            attempt: record.map_or(1, |record| record.attempts + 1),
            timeout: step.timeout.unwrap_or(TIMEOUT),
            identities,
            others: &[],
            auxiliary,
            since: record.and_then(|record| record.since).map_or(now, |since| since.utc),
            waited: Duration::ZERO,
            earlier: None,
            overwrites: false,
            created: &[],
            written: None,
            reads_from: Timestamp::MAX,
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
        Ok((said, kind.permissions(&cx, params)?))
    }
}

/// Variables that the step's own acts set.
fn set_by(said: &HandOver) -> BTreeSet<Variable> {
    let acts = said.task.iter().flat_map(|task| &task.acts);
    acts.filter_map(|act| match act {
        Act::Learn { variable, .. } | Act::Name { variable, .. } => Some(variable.clone()),
        Act::Create(make) => make.yields.as_ref().map(|(variable, _)| variable.clone()),
        Act::Remove(removal) => removal.found.clone(),
        Act::Require { .. } | Act::Command(_) | Act::Person { .. } => None,
    })
    .collect()
}

/// Whether a value holds one of these variables.
fn holds(value: &Value, of: &BTreeSet<Variable>) -> bool {
    any_text(value, &mut |text| of.iter().any(|variable| text.contains(&variable.stand_in)))
}
