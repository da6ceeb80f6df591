//! Looks ahead: every step that is not done yet, with the parameters that it will have as far as that can be known.
//!
//! Steps are taken in the order of their needs. What a step will put out comes from its kind, or from a look at what is
//! there already; what nobody can know yet is a hole, and a step whose parameters have a hole in them says what it waits for
//! instead of what to do.

mod order;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use twinspan_plans::{IdentityId, NodeId, Plan, StepDef, Type};

use crate::clock::Clock;
use crate::decide::limits::TIMEOUT;
use crate::failure::StepError;
use crate::hand_over::{Act, HandOver, Variable, any_text};
use crate::ids::{RunId, StepKey};
use crate::permission::Permission;
use crate::registry::Registry;
use crate::state::item::Role;
use crate::state::scope::identity_of;
use crate::state::{RunState, StepState};
use crate::step::{AttemptLog, Identity, Phase, StepCx};
use crate::wait::Wait;

pub(crate) use reading::Elements;
use reading::{KnownOutputs, Outputs, Reader};

/// A step that is not done.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The step; a `for_each` whose elements are not known yet counts as one.
    pub key: StepKey,
    /// Its place in the plan.
    pub node: NodeId,
    /// Who does it; the first acts.
    pub identities: Vec<Identity>,
    /// What has to be done before it, and is not.
    pub after: Vec<StepKey>,
    /// What there is to say of it.
    pub planned_task: PlannedTask,
}

/// What there is to say of a step that is not done.
#[derive(Clone, Debug)]
pub enum PlannedTask {
    /// Its parameters are known, but for variables.
    Known(Box<HandOver>),
    /// It cannot be said yet, and why.
    NotYet(String),
}

/// A step, seen from before the run.
#[derive(Clone, Debug)]
pub(crate) struct StepOutline {
    pub(crate) key: StepKey,
    pub(crate) node: NodeId,
    /// In which elements it lies; less than the plan says where those are not known.
    pub(crate) place: Elements,
    pub(crate) identities: Vec<Identity>,
    /// The plan's other identities that a step here could act as.
    pub(crate) others: Vec<Identity>,
    pub(crate) auxiliary: Option<Identity>,
    /// Whether it is part of the run; where that cannot be told yet, it is.
    pub(crate) applies: bool,
    /// With what it acts; `None`: part of it is known only when a step before it is done.
    pub(crate) params: Option<Value>,
    /// What whoever acts has to be allowed to do.
    pub(crate) permissions: Vec<Permission>,
    pub(crate) planned_task: PlannedTask,
    /// For whom it will wait, whatever is not known yet.
    pub(crate) planned_steps: Option<Wait>,
    pub(crate) needs: Vec<NeedOf>,
}

/// A step of the plan that a step needs.
#[derive(Clone, Debug)]
pub(crate) struct NeedOf {
    pub(crate) node: NodeId,
    /// Which elements, of what is repeated around it and not around the one that needs it; none: all of them.
    pub(crate) keys: Vec<String>,
    pub(crate) reads_output: bool,
}

/// What was read of a step without any run.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    /// With what it was looked at: with others the look counts for nothing.
    pub(crate) params: Value,
    /// Outputs, where the thing is there.
    pub(crate) outputs: Option<Map<String, Value>>,
}

/// What was read of steps so far.
pub(crate) type Glances = BTreeMap<StepKey, Glance>;

/// Every step that is not done, in an order in which they can be done.
pub fn foresee(state: &RunState, registry: &Registry, clock: &dyn Clock) -> Vec<PlannedStep> {
    let (sights, _) = sights(state, registry, clock, &Glances::new(), false);
    let ahead = sights.into_iter().filter(|sight| sight.applies).map(|sight| {
        // An element that the run does not have yet waits for what its collection waits for.
        let of = match state.find(&sight.key) {
            Some(_) => sight.key.clone(),
            None => sight.place.outside().key(state.plan(), sight.node),
        };
        let waits_for = |item: crate::state::ItemView<'_>| item.waits_for().into_iter().cloned().collect();
        PlannedStep {
            after: state.find(&of).map(waits_for).unwrap_or_default(),
            key: sight.key,
            node: sight.node,
            identities: sight.identities,
            planned_task: sight.planned_task,
        }
    });
    ahead.collect()
}

/// Every step that is not done, in an order in which they can be done, and every value that something stands in for.
/// `cancelled`: those that were cancelled, too.
pub(crate) fn sights(
    state: &RunState,
    registry: &Registry,
    clock: &dyn Clock,
    glances: &Glances,
    cancelled: bool,
) -> (Vec<StepOutline>, Vec<Variable>) {
    let plan = std::sync::Arc::clone(state.plan());
    let Some(run) = state.run() else { return (Vec::new(), Vec::new()) };
    let (known, steps) = (KnownOutputs::new(run), Vec::new());
    let mut ahead = Ahead { state, plan: &plan, registry, clock, run, glances, cancelled, known, steps };
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
    glances: &'a Glances,
    cancelled: bool,
    known: KnownOutputs,
    steps: Vec<StepOutline>,
}

/// With what a step acts, and what there is to say of it.
struct Call {
    auxiliary: Option<Identity>,
    params: Option<Value>,
    permissions: Vec<Permission>,
    planned_task: PlannedTask,
    planned_steps: Option<Wait>,
}

impl Call {
    fn not_yet(auxiliary: Option<Identity>, why: String) -> Self {
        Call {
            auxiliary,
            params: None,
            permissions: Vec::new(),
            planned_task: PlannedTask::NotYet(why),
            planned_steps: None,
        }
    }
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
                    let place = Elements::default();
                    let identities = self.identities(step, &place);
                    let call = Call::not_yet(None, why);
                    self.push(node, key, place, identities, call);
                }
            }
        }
    }

    /// Where the step has instances: one place, or one for each element of what is around it and of itself.
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
            // What is wrong with them, the run says.
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
        self.push(node, key, place.clone(), identities, call);
    }

    fn push(&mut self, node: NodeId, key: StepKey, place: Elements, identities: Vec<Identity>, call: Call) {
        let others = self.others(node, &place, &identities);
        let needs = self.needs(node, &place, identities.first());
        let Call { auxiliary, params, permissions, planned_task, planned_steps } = call;
        let applies = true;
        let sight = StepOutline {
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
            planned_steps,
            needs,
        };
        self.steps.push(sight);
    }

    /// Outputs of what is there already, if that was read with these very parameters.
    fn glanced(&self, key: &StepKey, params: Option<&Value>) -> Option<Map<String, Value>> {
        let glance = self.glances.get(key)?;
        glance.outputs.clone().filter(|_| params == Some(&glance.params))
    }

    /// Whether its own condition and those around it hold. One that cannot be told yet may hold.
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
        // An identity speaks of the block that declares it, not of the step that uses it.
        let depth = definition.declared_in.map_or(0, |block| self.plan.scopes(block).len());
        let outer = place.outermost(depth);
        let reader = Reader::new(self.state, &self.known, &outer, None);
        // One that cannot be read is still somebody: its name says who.
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
            let unneeded = |name: &str| kind.only_checked.contains(&name);
            fields.retain(|name, value| !unneeded(name) || reader.hole_in(value).is_none());
        }
        if let Some(hole) = reader.hole_in(&params) {
            let why = format!("it takes {hole}, which is known only when that step is done");
            let kind = self.registry.kind(&step.uses);
            let planned_steps =
                identities.first().and_then(|identity| kind.and_then(|kind| kind.planned_steps(identity)));
            return Call { planned_steps, ..Call::not_yet(auxiliary, why) };
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
            planned_steps: None,
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
