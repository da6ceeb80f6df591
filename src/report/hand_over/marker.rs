//! Removes the marker of a run from requests that people send.
//!
//! A marker proves that the run itself wrote the resource. A resource that a person creates for the run has no intent in the
//! journal; with the marker the run would conclude that its journal lost entries.

use serde_json::{Map, Value};
use twinspan_engine::{Act, Task};

/// `task` with requests that do not carry the marker of the run `short`.
pub(super) fn without(mut task: Task, short: &str) -> Task {
    for act in &mut task.acts {
        let request = match act {
            Act::Create(make) => &mut make.write,
            Act::Remove(removal) => &mut removal.request,
            Act::Learn { .. }
            | Act::Require { .. }
            | Act::Name { .. }
            | Act::Command(_)
            | Act::Person { .. } => {
                continue;
            }
        };
        request.body = request.body.take().map(|body| removed(&body, short));
    }
    task
}

/// `body` without the marker, which stands at the end of descriptions or in a tag.
pub(super) fn removed(body: &Value, short: &str) -> Value {
    match body {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| *value != short).filter_map(|(name, value)| {
                let value = removed(value, short);
                // A field that contained only the marker, or only its tag, is left out.
                let emptied = value == "" || value == Value::Object(Map::new());
                (!emptied || *fields.get(name)? == value).then(|| (name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(|item| removed(item, short)).collect(),
        Value::String(text) => Value::from(text.replace(&format!("[twinspan:{short}]"), "").trim_end()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_marker_is_removed_and_what_was_only_the_marker() {
        let body = json!({
            "location": "westeurope",
            "tags": { "owner": "net", "twinspan": "1a2b3c4d" },
            "properties": { "description": "spokes [twinspan:1a2b3c4d]", "empty": {}, "of": ["", "[twinspan:ffffffff]"] },
        });
        let bare = json!({
            "location": "westeurope",
            "tags": { "owner": "net" },
            "properties": { "description": "spokes", "empty": {}, "of": ["", "[twinspan:ffffffff]"] },
        });
        assert_eq!(removed(&body, "1a2b3c4d"), bare);
        let only = json!({ "tags": { "twinspan": "1a2b3c4d" }, "properties": { "description": "[twinspan:1a2b3c4d]", "x": "y" } });
        assert_eq!(removed(&only, "1a2b3c4d"), json!({ "properties": { "x": "y" } }));
    }
}
