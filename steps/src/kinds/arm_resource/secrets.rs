//! Secrets in a body. The body holds references, which are read when the body is sent. Neither a secret nor the value that Azure
//! returns in its place is stored.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use twinspan_engine::SECRET;
use twinspan_engine::{FailureClass, StepError};

use crate::azure::merging::field;
use crate::azure::{Azure, SecretRef, never_show};

/// The reference, where `value` is a placeholder for a secret.
pub(super) fn reference(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(fields) if fields.len() == 1 => fields.get(SECRET),
        _ => None,
    }
}

/// Whether `body` refers to any secret.
pub(super) fn holds_any(body: &Map<String, Value>) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            value if reference(value).is_some() => true,
            Value::Object(fields) => fields.values().any(any),
            Value::Array(items) => items.iter().any(any),
            _ => false,
        }
    }
    body.values().any(any)
}

/// Replaces each reference in `body` by its secret, for sending.
pub(super) async fn revealed(
    azure: &Azure,
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, StepError> {
    let mut references = Vec::new();
    gather(&Value::Object(body.clone()), &mut references);
    let mut secrets = Vec::with_capacity(references.len());
    for reference in references {
        let secret_ref = secret_ref(&reference).ok_or_else(|| {
            StepError::new(FailureClass::Bug, "the reference to a secret in `body` cannot be read")
        })?;
        let secret = azure.credentials().secrets().read(&secret_ref).await.map_err(|why| {
            StepError::new(FailureClass::PlanWrong, format!("a secret of `body` cannot be read: {why}"))
                .hint("make it readable for this process, then retry the step; nothing was sent")
        })?;
        never_show(secret.expose_secret());
        secrets.push((reference, secret));
    }
    let reveal = |reference: &Value| {
        let found = secrets.iter().find(|(known, _)| known == reference);
        found.map_or(Value::Null, |(_, secret)| Value::String(secret.expose_secret().to_owned()))
    };
    match replaced(&Value::Object(body.clone()), &reveal) {
        Value::Object(body) => Ok(body),
        _ => Ok(body.clone()),
    }
}

/// Removes from `found` each field for which `wanted` has a secret.
pub(super) fn without(wanted: &Value, found: &mut Value) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, wanted) in wanted {
                let Some(name) = field(found, name).map(|(name, _)| name.clone()) else { continue };
                if reference(wanted).is_some() {
                    found.remove(&name);
                } else if let Some(found) = found.get_mut(&name) {
                    without(wanted, found);
                }
            }
        }
        // Azure may return a list in another order, so a list that contains secrets is cleared.
        (Value::Array(wanted), Value::Array(found)) => {
            let mut references = Vec::new();
            wanted.iter().for_each(|item| gather(item, &mut references));
            if !references.is_empty() {
                found.clear();
            }
        }
        _ => {}
    }
}

fn gather(value: &Value, all: &mut Vec<Value>) {
    if let Some(reference) = reference(value) {
        if !all.contains(reference) {
            all.push(reference.clone());
        }
        return;
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| gather(value, all)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, all)),
        _ => {}
    }
}

fn replaced(value: &Value, reveal: &dyn Fn(&Value) -> Value) -> Value {
    if let Some(reference) = reference(value) {
        return reveal(reference);
    }
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), replaced(value, reveal))).collect()
        }
        Value::Array(items) => items.iter().map(|item| replaced(item, reveal)).collect(),
        other => other.clone(),
    }
}

fn secret_ref(reference: &Value) -> Option<SecretRef> {
    let (kind, value) = reference.as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
    match (kind.as_str(), value) {
        ("env", Value::String(name)) => Some(SecretRef::Env(name.clone())),
        ("file", Value::String(path)) => Some(SecretRef::File(path.into())),
        ("command", Value::String(program)) => Some(SecretRef::Command(vec![program.clone()])),
        ("command", Value::Array(words)) => {
            let words = words.iter().map(|word| word.as_str().map(str::to_owned));
            words.collect::<Option<Vec<String>>>().map(SecretRef::Command)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body() -> Value {
        json!({ "location": "x", "properties": { "sharedKey": { SECRET: { "env": "PSK" } },
            "users": [{ "name": "a", "password": { SECRET: { "file": "p" } } }], "tags": ["t"] } })
    }

    #[test]
    fn where_a_secret_stands_nothing_of_azures_reply_is_kept() {
        let mut found = json!({ "id": "x", "properties": { "SharedKey": "hunter2hunter2", "users": [{ "password": "p" }],
            "tags": ["t"] } });
        without(&body(), &mut found);
        assert_eq!(found, json!({ "id": "x", "properties": { "users": [], "tags": ["t"] } }));
        assert!(holds_any(body().as_object().unwrap()) && !holds_any(found.as_object().unwrap()));
    }

    #[test]
    fn references_are_read_in_each_form_and_nothing_else_is_one() {
        assert_eq!(secret_ref(&json!({ "env": "PSK" })), Some(SecretRef::Env("PSK".into())));
        assert_eq!(secret_ref(&json!({ "command": "p" })), Some(SecretRef::Command(vec!["p".into()])));
        assert_eq!(
            secret_ref(&json!({ "command": ["p", "a"] })),
            Some(SecretRef::Command(vec!["p".into(), "a".into()]))
        );
        for wrong in
            [json!({ "env": 1 }), json!({ "url": "x" }), json!("PSK"), json!({ "env": "A", "file": "b" })]
        {
            assert_eq!(secret_ref(&wrong), None, "{wrong}");
        }
        assert!(reference(&json!({ SECRET: {}, "more": 1 })).is_none());
    }
}
