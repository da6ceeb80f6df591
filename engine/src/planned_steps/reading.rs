//! What references read while looking ahead: inputs, elements, outputs that are there, foretold, or a hole.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};
use twinspan_plans::NodeId;
use twinspan_plans::elements::{ElementPath, find};
use twinspan_plans::expr::Scope;

use super::holds;
use crate::hand_over::{Variable, any_text, stand_in};
use crate::identity::Identity;
use crate::ids::{RunId, StepKey};
use crate::state::RunState;

/// What one step puts out.
pub(super) struct Outputs {
    pub(super) step: StepKey,
    pub(super) fields: Map<String, Value>,
    /// Who does it; `None` if it is done.
    pub(super) actor: Option<Identity>,
    /// Variables that doing it sets; none when it is done.
    pub(super) sets: BTreeSet<Variable>,
}

impl Outputs {
    /// Of a step that is done.
    pub(super) fn read(step: StepKey, fields: Map<String, Value>) -> Self {
        Outputs { step, fields, actor: None, sets: BTreeSet::new() }
    }
}

/// The outputs of the instances of one step: for each `for_each` around it one level.
#[derive(Default)]
enum Instances {
    /// Nothing is known: it was not visited, does not apply, or has no outputs.
    #[default]
    None,
    /// The elements.
    Elements(IndexMap<String, Instances>),
    /// The elements of this collection are not known yet; each has these outputs.
    Unknown { collection: StepKey, outputs: Vec<String> },
    /// One instance.
    One(Outputs),
}

impl Instances {
    /// The place of the instance in `path`.
    fn at(&mut self, path: &ElementPath) -> &mut Instances {
        let mut at = self;
        for (_, path) in path.levels() {
            let Some((key, _)) = path.each(0) else { continue };
            if !matches!(at, Instances::Elements(_)) {
                *at = Instances::Elements(IndexMap::new());
            }
            if let Instances::Elements(elements) = at {
                at = elements.entry(key.to_owned()).or_default();
            }
        }
        at
    }
}

/// The known outputs of the steps visited so far.
pub(super) struct KnownOutputs {
    run: String,
    outputs: BTreeMap<NodeId, Instances>,
    /// The placeholder of each hole, and the output that it stands for.
    holes: RefCell<BTreeMap<String, String>>,
    variables: RefCell<BTreeSet<Variable>>,
}

impl KnownOutputs {
    pub(super) fn new(run: RunId) -> Self {
        let (holes, variables) = (RefCell::default(), RefCell::default());
        KnownOutputs { run: run.to_string(), outputs: BTreeMap::new(), holes, variables }
    }

    pub(super) fn add(&mut self, node: NodeId, path: &ElementPath, outputs: Outputs) {
        *self.outputs.entry(node).or_default().at(path) = Instances::One(outputs);
    }

    /// The elements of a collection in `around` that contains `node` are known; so far there is none.
    pub(super) fn has_elements(&mut self, node: NodeId, around: &ElementPath) {
        let at = self.outputs.entry(node).or_default().at(around);
        if matches!(at, Instances::None) {
            *at = Instances::Elements(IndexMap::new());
        }
    }

    /// The elements of `collection`, which contains `node`, are not known yet.
    pub(super) fn lacks_elements(
        &mut self,
        node: NodeId,
        around: &ElementPath,
        collection: StepKey,
        outputs: Vec<String>,
    ) {
        *self.outputs.entry(node).or_default().at(around) = Instances::Unknown { collection, outputs };
    }

    /// The placeholder of an output that is not known yet.
    pub(super) fn hole(&self, step: &StepKey, output: &str) -> String {
        self.hole_for(format!("`{output}` of step {step}"))
    }

    /// The placeholder of the outputs of all elements of a collection.
    fn hole_of_all(&self, collection: &StepKey) -> String {
        self.hole_for(format!("every output of step {collection}"))
    }

    fn hole_for(&self, words: String) -> String {
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
    path: &'a ElementPath,
    actor: Option<&'a Identity>,
    met_a_hole: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        state: &'a RunState,
        known: &'a KnownOutputs,
        path: &'a ElementPath,
        actor: Option<&'a Identity>,
    ) -> Self {
        Reader { state, known, path, actor, met_a_hole: Cell::new(false) }
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

    /// One step's outputs, or a map of them by the keys of the elements.
    fn selected(&self, instances: &Instances, selected: &[Option<String>]) -> Option<Value> {
        match instances {
            Instances::None => None,
            Instances::One(outputs) => Some(self.fields(outputs)),
            Instances::Unknown { collection, outputs } => {
                self.met_a_hole.set(true);
                Some(match selected.iter().all(Option::is_some) {
                    true => {
                        let hole = |name: &String| Value::String(self.known.hole(collection, name));
                        outputs.iter().map(|name| (name.clone(), hole(name))).collect()
                    }
                    false => Value::String(self.known.hole_of_all(collection)),
                })
            }
            Instances::Elements(elements) => match selected.split_first()? {
                (Some(key), inner) => self.selected(find(elements, key)?, inner),
                (None, inner) => {
                    let all = elements
                        .iter()
                        .filter_map(|(key, instances)| Some((key.clone(), self.selected(instances, inner)?)));
                    Some(Value::Object(all.collect()))
                }
            },
        }
    }
}

impl Scope for Reader<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.state.inputs()?.0.get(name)
    }

    fn path(&self) -> &ElementPath {
        self.path
    }

    fn outputs(&self, node: NodeId, keys: &[String]) -> Option<Value> {
        let selected = self.state.plan().selection(node, self.path, keys);
        self.selected(self.known.outputs.get(&node)?, &selected)
    }

    fn run_id(&self) -> &str {
        &self.known.run
    }
}
