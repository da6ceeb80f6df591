//! What references read while looking ahead: inputs, elements, outputs that are there, foretold, or a hole.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use twinspan_plans::elements::names;
use twinspan_plans::expr::Scope;
use twinspan_plans::{NodeId, Plan};

use super::holds;
use crate::hand_over::{Variable, any_text, stand_in};
use crate::identity::Identity;
use crate::ids::{RunId, StepKey};
use crate::state::RunState;

/// In which elements a step lies, outermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements(Vec<(NodeId, String, Value)>);

impl Elements {
    pub(super) fn inside(&self, node: NodeId, key: String, value: Value) -> Elements {
        let mut inner = self.clone();
        inner.0.push((node, key, value));
        inner
    }

    /// The element that it lies in, of what `node` is repeated over.
    pub(crate) fn element(&self, node: NodeId) -> Option<&str> {
        self.0.iter().find(|(scope, ..)| *scope == node).map(|(_, key, _)| key.as_str())
    }

    /// Every `for_each` that it lies in, outermost first.
    pub(crate) fn collections(&self, plan: &Plan) -> Vec<StepKey> {
        let each = self.0.iter().enumerate();
        each.map(|(depth, (node, ..))| self.outermost(depth).key(plan, *node)).collect()
    }

    /// The element of `collection` that it lies in.
    pub(crate) fn element_of(&self, plan: &Plan, collection: &StepKey) -> Option<(&str, &Value)> {
        let each = self.0.iter().enumerate();
        let mut of =
            each.filter(|(depth, (node, ..))| self.outermost(*depth).key(plan, *node) == *collection);
        of.next().map(|(_, (_, key, value))| (key.as_str(), value))
    }

    pub(super) fn outermost(&self, depth: usize) -> Elements {
        Elements(self.0.iter().take(depth).cloned().collect())
    }

    /// Around the innermost element.
    pub(super) fn outside(&self) -> Elements {
        self.outermost(self.0.len().saturating_sub(1))
    }

    /// The name of `node`'s instance here, as the run names it.
    pub(super) fn key(&self, plan: &Plan, node: NodeId) -> StepKey {
        let mut text = String::new();
        for (scope, key, _) in &self.0 {
            let id = &plan.node(*scope).id;
            if *scope == node {
                return StepKey(format!("{text}{id}[{key}]").into());
            }
            text = format!("{text}{id}[{key}].");
        }
        StepKey(format!("{text}{}", plan.node(node).id).into())
    }
}

/// What one step puts out.
pub(super) struct Outputs {
    /// Keys of the elements that it lies in.
    keys: Vec<String>,
    step: StepKey,
    fields: Map<String, Value>,
    /// Who does it.
    actor: Option<Identity>,
    /// Variables that doing it sets; none when it is done.
    sets: BTreeSet<Variable>,
}

impl Outputs {
    /// Of a step that is done.
    pub(super) fn read(place: &Elements, step: StepKey, fields: Map<String, Value>) -> Self {
        Outputs::foretold(place, step, fields, None, BTreeSet::new())
    }

    /// Of a step that is still to be done.
    pub(super) fn foretold(
        place: &Elements,
        step: StepKey,
        fields: Map<String, Value>,
        actor: Option<Identity>,
        sets: BTreeSet<Variable>,
    ) -> Self {
        Outputs { keys: place.0.iter().map(|(_, key, _)| key.clone()).collect(), step, fields, actor, sets }
    }
}

/// The known outputs of the steps visited so far.
pub(super) struct KnownOutputs {
    run: String,
    outputs: BTreeMap<NodeId, Vec<Outputs>>,
    /// The placeholder of each hole, and the output that it stands for.
    holes: RefCell<BTreeMap<String, String>>,
    variables: RefCell<BTreeSet<Variable>>,
}

impl KnownOutputs {
    pub(super) fn new(run: RunId) -> Self {
        let (holes, variables) = (RefCell::default(), RefCell::default());
        KnownOutputs { run: run.to_string(), outputs: BTreeMap::new(), holes, variables }
    }

    pub(super) fn add(&mut self, node: NodeId, outputs: Outputs) {
        self.outputs.entry(node).or_default().push(outputs);
    }

    /// The placeholder of an output that is not known yet.
    pub(super) fn hole(&self, step: &StepKey, output: &str) -> String {
        let words = format!("`{output}` of step {step}");
        let text = stand_in(&format!("{}/hole/{words}", self.run));
        self.holes.borrow_mut().insert(text.clone(), words);
        text
    }

    pub(super) fn remember(&self, variables: BTreeSet<Variable>) {
        self.variables.borrow_mut().extend(variables);
    }

    pub(super) fn variables(&self) -> Vec<Variable> {
        self.variables.borrow().iter().cloned().collect()
    }
}

/// Evaluates expressions for one step and its acting identity.
pub(super) struct Reader<'a> {
    state: &'a RunState,
    known: &'a KnownOutputs,
    place: &'a Elements,
    actor: Option<&'a Identity>,
    met_a_hole: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        state: &'a RunState,
        known: &'a KnownOutputs,
        place: &'a Elements,
        actor: Option<&'a Identity>,
    ) -> Self {
        Reader { state, known, place, actor, met_a_hole: Cell::new(false) }
    }

    /// Whether outputs were read that are not known yet.
    pub(super) fn met_a_hole(&self) -> bool {
        self.met_a_hole.get()
    }

    /// The first output in `value` that is not known yet.
    pub(super) fn hole_in(&self, value: &Value) -> Option<String> {
        let holes = self.known.holes.borrow();
        let mut found = None;
        any_text(value, &mut |text| {
            let hole = holes.iter().find(|(hole, _)| text.contains(hole.as_str()));
            found = hole.map(|(_, words)| words.clone());
            found.is_some()
        });
        found
    }

    /// What one step puts out, as far as it serves this reader: what another person's work sets is a hole here.
    fn fields(&self, outputs: &Outputs) -> Value {
        let own = outputs.actor.as_ref() == self.actor;
        let fields = outputs.fields.iter().map(|(name, value)| {
            let value = if own || !holds(value, &outputs.sets) {
                value.clone()
            } else {
                Value::String(self.known.hole(&outputs.step, name))
            };
            (name.clone(), value)
        });
        let fields = Value::Object(fields.collect());
        if self.hole_in(&fields).is_some() {
            self.met_a_hole.set(true);
        }
        fields
    }

    /// One step's outputs, or a map of them by the keys that are left.
    fn by_key(&self, found: &[&Outputs], depth: usize) -> Option<Value> {
        if let [one] = found
            && one.keys.len() <= depth
        {
            return Some(self.fields(one));
        }
        let mut map = Map::new();
        for name in found.iter().filter_map(|outputs| outputs.keys.get(depth)) {
            if !map.contains_key(name) {
                let named = |outputs: &&&Outputs| outputs.keys.get(depth) == Some(name);
                let inner: Vec<&Outputs> = found.iter().filter(named).copied().collect();
                map.insert(name.clone(), self.by_key(&inner, depth + 1)?);
            }
        }
        (!map.is_empty()).then_some(Value::Object(map))
    }
}

impl Scope for Reader<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.state.inputs()?.0.get(name).filter(|value| !value.is_null())
    }

    fn each(&self, depth: u32) -> Option<(&str, &Value)> {
        let (_, key, value) = self.place.0.iter().rev().nth(usize::try_from(depth).ok()?)?;
        Some((key, value))
    }

    fn outputs(&self, node: NodeId, keys: &[String]) -> Option<Value> {
        let scopes = self.state.plan().scopes(node);
        // The reader is in the elements around it; keys choose what is further in.
        let around = scopes.iter().zip(&self.place.0).take_while(|(scope, (own, ..))| *scope == own);
        let mut path: Vec<String> = around.map(|(_, (_, key, _))| key.clone()).collect();
        path.extend(keys.iter().cloned());
        let fits = |outputs: &&Outputs| {
            let mut pairs = path.iter().zip(&outputs.keys);
            pairs.all(|(wanted, key)| names(wanted, key))
        };
        let found: Vec<&Outputs> = self.known.outputs.get(&node)?.iter().filter(fits).collect();
        self.by_key(&found, path.len())
    }

    fn run_id(&self) -> &str {
        &self.known.run
    }
}
