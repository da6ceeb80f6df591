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
use twinspan_plans::elements::ElementPath;
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
    pub(crate) path: ElementPath,
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
    /// Which of its instances, as [`Plan::selection`] says.
    pub(crate) selected: Vec<Option<String>>,
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
        let around = state.plan().collections(&outline.path).into_iter().rev();
        let around = around.map(|(name, _)| StepKey(name.into()));
        let of = std::iter::once(outline.key.clone()).chain(around).find_map(|key| state.find(&key));
        let waits_for = |item: crate::state::ItemView<'_>| item.waits_for().into_iter().cloned().collect();
        PlannedStep {
            after: of.map(waits_for).unwrap_or_default(),
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

/// A collection whose elements are not known yet.
struct Closed {
    /// The elements around it.
    around: ElementPath,
    key: StepKey,
    why: String,
}

impl Ahead<'_> {
    /// Every instance of one step of the plan.
    fn step(&mut self, node: NodeId, step: &StepDef) {
        for place in self.places(node, step) {
            match place {
                Ok(path) => self.instance(node, step, &path),
                Err(Closed { around, key, why }) => {
                    let identities = self.identities(step, &around);
                    if self.applies(node, &around) {
                        self.push(node, key, around, identities, Call::not_yet(None, why));
                    } else {
                        self.push_inapplicable(node, key, around, identities);
                    }
                }
            }
        }
    }

    /// The instances of the step: one, or one for each element of its own and the surrounding collections.
    fn places(&mut self, node: NodeId, step: &StepDef) -> Vec<Result<ElementPath, Closed>> {
        let mut places = vec![Ok(ElementPath::default())];
        for scope in self.plan.scopes(node) {
            let mut inner = Vec::with_capacity(places.len());
            for place in places {
                let around = match place {
                    Ok(around) => around,
                    Err(closed) => {
                        inner.push(Err(closed));
                        continue;
                    }
                };
                let elements = self.elements(scope, &around);
                // As in a run, a collection that does not apply has no outputs.
                if self.applies(scope, &around) {
                    match &elements {
                        Ok(_) => self.known.has_elements(node, &around),
                        Err(closed) => {
                            let outputs = output_names(step);
                            self.known.lacks_elements(node, &around, closed.key.clone(), outputs);
                        }
                    }
                }
                match elements {
                    Ok(elements) => inner.extend(elements.into_iter().map(Ok)),
                    Err(closed) => inner.push(Err(closed)),
                }
            }
            places = inner;
        }
        places
    }

    /// The elements of a collection: those of the run, or those that its value gives now.
    fn elements(&self, node: NodeId, around: &ElementPath) -> Result<Vec<ElementPath>, Closed> {
        let key = StepKey(self.plan.instance_name(node, around).into());
        if let Some(Role::Collection(collection)) =
            self.state.lookup(&key).map(|id| &self.state.item(id).role)
            && !collection.instances.is_empty()
        {
            let instances = collection.instances.values();
            return Ok(instances.map(|id| self.state.item(*id).path.clone()).collect());
        }
        let reader = Reader::new(self.state, &self.known, around, None);
        let definition = self.plan.node(node);
        let value = definition.for_each.as_ref().and_then(|over| over.eval(&reader).ok().flatten());
        if let Some(hole) = value.and_then(|value| reader.hole_in(&value)) {
            return Err(Closed {
                around: around.clone(),
                key,
                why: format!("how many they are says {hole}"),
            });
        }
        // The run reports what is wrong with them.
        let elements = definition.elements(&reader).unwrap_or_default();
        Ok(elements.into_iter().map(|element| around.inside(node, element)).collect())
    }

    fn instance(&mut self, node: NodeId, step: &StepDef, path: &ElementPath) {
        let key = StepKey(self.plan.instance_name(node, path).into());
        let item = self.state.find(&key);
        match item.and_then(|item| item.state()) {
            Some(StepState::Unchanged(_) | StepState::Done(_) | StepState::Skipped { .. }) => {
                if let Some(Value::Object(fields)) = item.and_then(|item| item.outputs()) {
                    let fields = fields.clone();
                    self.known.add(node, path, Outputs::read(key, fields));
                }
                return;
            }
            Some(StepState::Cancelled) if !self.cancelled => return,
            Some(StepState::ConditionFalse) => return,
            _ => {}
        }
        let identities = match item.map(|item| item.identities()) {
            Some(resolved) if !resolved.is_empty() => resolved.to_vec(),
            _ => self.identities(step, path),
        };
        if !self.applies(node, path) {
            return self.push_inapplicable(node, key, path.clone(), identities);
        }
        let call = self.call(step, path, &key, &identities);
        if let Some(fields) = self.glanced(&key, call.params.as_ref()) {
            self.known.add(node, path, Outputs::read(key.clone(), fields));
            self.push(node, key, path.clone(), identities, call);
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
        for output in output_names(step) {
            let hole = || Value::String(self.known.hole(&key, &output));
            fields.entry(output.clone()).or_insert_with(hole);
        }
        let actor = identities.first().cloned();
        self.known.add(node, path, Outputs { step: key.clone(), fields, actor, sets });
        self.push(node, key, path.clone(), identities, call);
    }

    fn push_inapplicable(
        &mut self,
        node: NodeId,
        key: StepKey,
        path: ElementPath,
        identities: Vec<Identity>,
    ) {
        let call = Call::not_yet(None, "it does not apply".to_owned());
        self.push(node, key, path, identities, call);
        if let Some(last) = self.steps.last_mut() {
            last.applies = false;
        }
    }

    fn push(&mut self, node: NodeId, key: StepKey, path: ElementPath, identities: Vec<Identity>, call: Call) {
        let others = self.others(node, &path, &identities);
        let needs = self.needs(node, &path, identities.first());
        let Call { auxiliary, params, permissions, planned_task, expected_wait } = call;
        let applies = true;
        let outline = StepOutline {
            key,
            node,
            path,
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

    /// Whether its own condition and those around it hold, each in its own elements. A condition that is not known yet may
    /// hold.
    fn applies(&self, node: NodeId, path: &ElementPath) -> bool {
        let line = self.plan.line(node).into_iter();
        line.flat_map(|here| {
            let at = self.plan.path_at(here, path);
            let definition = self.plan.node(here);
            let is_instance = at.depth() == self.plan.scopes(here).len();
            let one = definition.condition_of_one().filter(|_| is_instance);
            definition.condition_of_all().into_iter().chain(one).map(move |when| (when, at.clone()))
        })
        .all(|(when, at)| {
            let reader = Reader::new(self.state, &self.known, &at, None);
            !matches!(when.truth(&reader), Ok(false)) || reader.met_a_hole()
        })
    }

    fn identities(&self, step: &StepDef, path: &ElementPath) -> Vec<Identity> {
        step.identities.iter().map(|id| self.identity(*id, path)).collect()
    }

    fn identity(&self, id: IdentityId, path: &ElementPath) -> Identity {
        let definition = self.plan.identity(id);
        let path = self.plan.path_of_identity(definition, path);
        let reader = Reader::new(self.state, &self.known, &path, None);
        // An identity whose attributes cannot be evaluated is still known by its name.
        identity_of(definition, &reader)
            .unwrap_or_else(|_| Identity { name: definition.name.clone(), attributes: BTreeMap::new() })
    }

    fn needs(&self, node: NodeId, path: &ElementPath, actor: Option<&Identity>) -> Vec<NeedOf> {
        let needs = order::needed(self.plan, node).into_iter().map(|(node, need, of)| {
            let at = self.plan.path_at(of, path);
            let reader = Reader::new(self.state, &self.known, &at, actor);
            // A key that cannot be read yet may be any.
            let keys: Vec<String> = need.keys.iter().map_while(|key| key.eval_key(&reader).ok()).collect();
            let selected = self.plan.selection(node, &at, &keys);
            NeedOf { node, selected, reads_output: need.reads_output }
        });
        needs.collect()
    }

    /// Identities that a step here could act as, but for those that it does act as.
    fn others(&self, node: NodeId, path: &ElementPath, own: &[Identity]) -> Vec<Identity> {
        if own.is_empty() {
            return Vec::new();
        }
        let others = self.plan.visible_identities(node).map(|(id, _)| self.identity(id, path));
        others.filter(|identity| !own.contains(identity)).collect()
    }

    fn call(&self, step: &StepDef, path: &ElementPath, key: &StepKey, identities: &[Identity]) -> Call {
        let auxiliary = step.auxiliary.map(|id| self.identity(id, path));
        let reader = Reader::new(self.state, &self.known, path, identities.first());
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

/// The names of a step's outputs.
fn output_names(step: &StepDef) -> Vec<String> {
    match &step.outputs {
        Type::Record(outputs) => outputs.iter().map(|output| output.name.clone()).collect(),
        _ => Vec::new(),
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
