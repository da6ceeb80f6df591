//! Differences between a plan file with its inputs, and a run. Values of secrets are never shown.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::RunState;
use twinspan_plans::{Digest, Inputs, NodeId, Plan};

/// Maximum number of names in one line.
const NAMES: usize = 10;

/// The differences; empty if there are none.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct PlanChanges {
    /// Steps and blocks that only the plan contains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    added: Vec<String>,
    /// Steps and blocks that only the run contains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    /// Steps and blocks with different definitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
    /// Inputs that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<InputChange>,
    /// Whether only the declarations of the plan's inputs differ.
    declarations: bool,
}

/// One input that differs.
#[derive(Debug, PartialEq, Serialize)]
struct InputChange {
    input: String,
    what: String,
}

impl PlanChanges {
    /// Compares a run with a plan and its inputs. Texts for people (titles, notes) are ignored.
    pub(crate) fn of(run: &RunState, plan: &Plan, inputs: &Inputs) -> Self {
        let mut changes = PlanChanges::default();
        if run.plan().digest != plan.digest {
            changes.plan(run.plan(), plan);
        }
        let none = Inputs::default();
        changes.inputs(run.inputs().unwrap_or(&none), inputs, plan);
        changes
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == PlanChanges::default()
    }

    fn plan(&mut self, before: &Plan, now: &Plan) {
        let (old, new) = (nodes(before), nodes(now));
        self.added = new.keys().filter(|path| !old.contains_key(*path)).cloned().collect();
        self.removed = old.keys().filter(|path| !new.contains_key(*path)).cloned().collect();
        let changed = new.iter().filter(|(path, digest)| old.get(*path).is_some_and(|old| old != *digest));
        self.changed = changed.map(|(path, _)| path.clone()).collect();
        self.declarations = self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty();
    }

    fn inputs(&mut self, before: &Inputs, now: &Inputs, plan: &Plan) {
        let names: std::collections::BTreeSet<&String> = before.0.keys().chain(now.0.keys()).collect();
        for name in names {
            let (old, new) = (before.0.get(name), now.0.get(name));
            let secret = plan.inputs.get(name).is_some_and(|input| input.secret);
            let what = match (old, new) {
                (Some(old), Some(new)) if same(old, new) => continue,
                (Some(_), Some(_)) if secret => "another secret".to_owned(),
                (Some(old), Some(new)) => difference(old, new),
                (None, _) => "not given to the run".to_owned(),
                (_, None) => "given to the run, but not now".to_owned(),
            };
            self.inputs.push(InputChange { input: name.clone(), what });
        }
    }

    /// One line for each kind of difference.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut steps = |what: &str, paths: &[String]| {
            if !paths.is_empty() {
                lines.push(format!("{what}: {}", listed(paths)));
            }
        };
        steps("only in the plan file", &self.added);
        steps("only in the run", &self.removed);
        steps("defined differently", &self.changed);
        lines.extend(self.inputs.iter().map(|change| format!("input {}: {}", change.input, change.what)));
        if self.declarations {
            lines.push("the plan declares its inputs differently".to_owned());
        }
        lines
    }
}

/// Every step and block, by path, with the digest of its definition.
fn nodes(plan: &Plan) -> BTreeMap<String, Digest> {
    let ids = (0..u32::try_from(plan.nodes.len()).unwrap_or(u32::MAX)).map(NodeId);
    ids.map(|id| (plan.path(id), plan.definition_digest(id))).collect()
}

/// Whether two values are equal: keys are unordered, and ids that Azure compares without case are compared without
/// case.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            let folds = one.starts_with('/') || uuid::Uuid::try_parse(one).is_ok();
            one == other || folds && one.eq_ignore_ascii_case(other)
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other,
    }
}

/// `2 added (sub-004, sub-005)`; for a single value: `a in the run, b now`.
fn difference(old: &Value, new: &Value) -> String {
    let (old_keys, new_keys) = match (old, new) {
        (Value::Object(old), Value::Object(new)) => (keys(old), keys(new)),
        (Value::Array(old), Value::Array(new)) => (elements(old), elements(new)),
        (old, new) => return format!("{} in the run, {} now", shown(old), shown(new)),
    };
    let added: Vec<String> = new_keys.keys().filter(|key| !old_keys.contains_key(*key)).cloned().collect();
    let removed: Vec<String> = old_keys.keys().filter(|key| !new_keys.contains_key(*key)).cloned().collect();
    let differs = |(key, value): (&String, &&Value)| {
        new_keys.get(key).is_some_and(|new| !same(value, new)).then(|| key.clone())
    };
    let changed: Vec<String> = old_keys.iter().filter_map(differs).collect();
    let mut parts = Vec::new();
    for (what, keys) in [("added", &added), ("removed", &removed), ("changed", &changed)] {
        if !keys.is_empty() {
            parts.push(format!("{} {what} ({})", keys.len(), listed(keys)));
        }
    }
    if parts.is_empty() { "in another order".to_owned() } else { parts.join(", ") }
}

fn keys(map: &serde_json::Map<String, Value>) -> BTreeMap<String, &Value> {
    map.iter().map(|(key, value)| (key.clone(), value)).collect()
}

fn elements(list: &[Value]) -> BTreeMap<String, &Value> {
    list.iter().map(|value| (shown(value), value)).collect()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn listed(names: &[String]) -> String {
    match names.len() {
        count if count <= NAMES => names.join(", "),
        count => format!("{}, … ({} more)", names[..NAMES].join(", "), count - NAMES),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: Value, now: Value) -> Vec<String> {
        let inputs = |value: Value| Inputs(value.as_object().unwrap().clone().into_iter().collect());
        let text = "twinspan: 1\nname: p\nsummary: s\ninputs:\n  psk: { type: string, secret: true, optional: true }\n\
                    steps:\n  - { id: wait, uses: delay, with: { for: 1s } }\n";
        let registry = crate::host::step_kinds::described().unwrap();
        let document = twinspan_plans::parse("p.yaml", text.as_bytes()).unwrap();
        let plan = twinspan_plans::compile(&document, registry.catalog()).unwrap().plan;
        let mut changes = PlanChanges::default();
        changes.inputs(&inputs(before), &inputs(now), &plan);
        changes.lines()
    }

    #[test]
    fn what_differs_is_named_and_a_secret_is_not_shown() {
        let id = "22222222-0000-0000-0000-00000000000f";
        assert_eq!(changes(json!({"t": id}), json!({"t": id.to_uppercase()})), Vec::<String>::new());
        assert_eq!(
            changes(json!({"m": {"a": 1, "b": 2}}), json!({"m": {"b": 2, "a": 1}})),
            Vec::<String>::new()
        );
        assert_eq!(changes(json!({"n": "x"}), json!({"n": "X"})), ["input n: x in the run, X now"]);
        assert_eq!(
            changes(json!({"m": {"a": 1, "b": 2}}), json!({"m": {"b": 3, "c": 4}})),
            ["input m: 1 added (c), 1 removed (a), 1 changed (b)"]
        );
        assert_eq!(
            changes(json!({"l": ["a", "b"]}), json!({"l": ["b", "a"]})),
            ["input l: in another order"]
        );
        assert_eq!(changes(json!({}), json!({"n": 1})), ["input n: not given to the run"]);
        let lines = changes(json!({"psk": {"env": "OLD_NAME"}}), json!({"psk": {"env": "NEW_NAME"}}));
        assert_eq!(lines, ["input psk: another secret"]);
    }
}
