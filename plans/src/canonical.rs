//! The canonical form of a plan: its meaning, independent of its notation. Comments, order, titles, notes and texts for
//! people
//! are not part of it; digests are computed from it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::catalog::Type;
use crate::digest::Digest;
use crate::expr::{Expr, Segment, Template};
use crate::ids::{Ensure, IdentityId, NodeId};
use crate::plan::{Need, NodeKind, Plan};

impl Plan {
    /// The path of a node: `connect[].role` is the step `role` of each instance of `connect`. Headings are not part of
    /// it.
    pub fn path(&self, id: NodeId) -> String {
        let mut parts = vec![self.node(id).id.clone()];
        let mut at = self.node(id).parent;
        while let Some(here) = at {
            let node = self.node(here);
            if node.for_each.is_some() {
                parts.push(format!("{}[]", node.id));
            }
            at = node.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// The meaning of a node: kind, identities, parameters, needs, conditions and policy, as JSON with sorted keys.
    pub fn definition(&self, id: NodeId) -> Value {
        let node = self.node(id);
        let mut needs: Vec<Value> = node.needs.iter().map(|need| self.need_json(need)).collect();
        needs.sort_by_cached_key(Value::to_string);
        let mut form = json!({ "path": self.path(id), "needs": needs });
        let set = |form: &mut Value, key: &str, value: Option<Value>| {
            if let Some(value) = value {
                form[key] = value;
            }
        };
        set(&mut form, "in", node.parent.map(|parent| self.path(parent).into()));
        set(&mut form, "when", node.when.as_ref().map(|expr| self.expr_json(expr)));
        set(&mut form, "for_each", node.for_each.as_ref().map(|expr| self.expr_json(expr)));
        match &node.kind {
            NodeKind::Block(block) => {
                set(&mut form, "parallel", block.parallel.map(Value::from));
                set(&mut form, "halt_after", block.halt_after.map(Value::from));
            }
            NodeKind::Step(step) => {
                form["uses"] = step.uses.as_str().into();
                form["as"] = step.identities.iter().map(|id| self.identity_json(*id)).collect();
                form["with"] = self.template_json(&step.with);
                set(&mut form, "auxiliary", step.auxiliary.map(|id| self.identity_json(id)));
                set(&mut form, "ensure", (step.ensure == Ensure::Absent).then(|| "absent".into()));
                let retry = &step.retry;
                set(&mut form, "attempts", retry.attempts.map(Value::from));
                for (key, duration) in [
                    ("first", retry.first),
                    ("cap", retry.cap),
                    ("within", retry.within),
                    ("timeout", step.timeout),
                    ("give_up_after", step.give_up_after),
                    ("remind", step.remind),
                ] {
                    set(&mut form, key, duration.map(millis));
                }
                let approval = step.approval.as_ref();
                set(
                    &mut form,
                    "approval",
                    approval.map(|gate| json!({ "by": gate.by, "not_starter": gate.not_starter })),
                );
            }
        }
        sorted(form)
    }

    /// Digest of [`Plan::definition`].
    pub fn definition_digest(&self, id: NodeId) -> Digest {
        Digest::of(self.definition(id).to_string().as_bytes())
    }

    /// The canonical form of the whole plan.
    pub fn canonical(&self) -> Value {
        let inputs: Map<String, Value> = self
            .inputs
            .iter()
            .map(|(name, input)| {
                let default = input.default.as_ref().map(|default| self.template_json(default));
                let form = json!({
                    "type": type_json(&input.ty), "default": default, "optional": input.optional, "secret": input.secret,
                });
                (name.clone(), form)
            })
            .collect();
        let mut nodes: Vec<NodeId> =
            (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId).collect();
        nodes.sort_by_cached_key(|id| self.path(*id));
        sorted(json!({
            "twinspan": 1,
            "name": self.name,
            "inputs": inputs,
            "steps": nodes.into_iter().map(|id| self.definition(id)).collect::<Vec<_>>(),
        }))
    }

    pub(crate) fn canonical_digest(&self) -> Digest {
        Digest::of(self.canonical().to_string().as_bytes())
    }

    fn identity_json(&self, id: IdentityId) -> Value {
        let identity = self.identity(id);
        let attributes: Map<String, Value> =
            identity.attributes.iter().map(|(key, expr)| (key.clone(), self.expr_json(expr))).collect();
        json!({ "name": identity.name, "attributes": attributes })
    }

    fn need_json(&self, need: &Need) -> Value {
        let keys: Vec<Value> = need.keys.iter().map(|key| self.expr_json(key)).collect();
        json!([self.path(need.node), keys, need.reads_output, need.barrier])
    }

    fn template_json(&self, template: &Template) -> Value {
        match template {
            Template::Expr(expr) => self.expr_json(expr),
            Template::List(items) => {
                json!({ "list": items.iter().map(|item| self.template_json(item)).collect::<Vec<_>>() })
            }
            Template::Map(entries) => {
                let entries: Map<String, Value> =
                    entries.iter().map(|(key, entry)| (key.clone(), self.template_json(entry))).collect();
                json!({ "map": entries })
            }
            Template::Secret(input) => json!({ "secret": input }),
        }
    }

    fn expr_json(&self, expr: &Expr) -> Value {
        let all = |exprs: &[Expr]| exprs.iter().map(|expr| self.expr_json(expr)).collect::<Vec<_>>();
        match expr {
            Expr::Literal(value) => json!({ "is": value }),
            Expr::Input { name, path } => json!({ "input": name, "path": self.path_json(path) }),
            Expr::Output { node, keys, path } => {
                json!({ "output": self.path(*node), "keys": all(keys), "path": self.path_json(path) })
            }
            Expr::EachKey(depth) => json!({ "each_key": depth }),
            Expr::EachValue { depth, path } => json!({ "each_value": depth, "path": self.path_json(path) }),
            Expr::RunId => json!("run_id"),
            Expr::Or(exprs) => json!({ "or": all(exprs) }),
            Expr::And(exprs) => json!({ "and": all(exprs) }),
            Expr::Not(inner) => json!({ "not": self.expr_json(inner) }),
            Expr::Equal { left, right, negated } => {
                json!({ "equal": [self.expr_json(left), self.expr_json(right)], "negated": negated })
            }
            Expr::Concat(parts) => json!({ "concat": all(parts) }),
        }
    }

    fn path_json(&self, path: &[Segment]) -> Vec<Value> {
        path.iter()
            .map(|segment| match segment {
                Segment::Field(name) => json!(name),
                Segment::Key(key) => json!([self.expr_json(key)]),
            })
            .collect()
    }
}

fn millis(duration: Duration) -> Value {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}

fn type_json(ty: &Type) -> Value {
    match ty {
        Type::List(inner) => json!({ "list": type_json(inner) }),
        Type::Map(inner) => json!({ "map": type_json(inner) }),
        Type::Record(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .map(|field| {
                    (field.name.clone(), json!({ "type": type_json(&field.ty), "required": field.required }))
                })
                .collect();
            json!({ "record": fields })
        }
        other => other.to_string().into(),
    }
}

/// The value with the keys of every map sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
