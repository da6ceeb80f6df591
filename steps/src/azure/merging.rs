//! Builds the body of a PUT over an existing resource: the PUT replaces the whole resource, so properties that the plan does
//! not set must be sent as they were read.

use serde_json::{Map, Value};

/// Fields that only Azure writes, at any depth.
const READ_ONLY: [&str; 5] = ["provisioningState", "resourceGuid", "etag", "systemData", "crossTenantScopes"];
/// Fields of the envelope that a request must not contain.
const ENVELOPE: [&str; 3] = ["id", "name", "type"];
/// Fields that identify an element of a list; the first one that an element has counts.
pub(crate) const KEYS: [&str; 5] = ["name", "networkGroupId", "resourceId", "id", "key"];

/// Merges `wanted` into `found`. Lists at the paths in `union` keep their other elements; other lists have exactly the
/// elements of `wanted`. An element keeps the fields that `wanted` does not set.
pub(crate) fn over(found: &Map<String, Value>, wanted: &Value, union: &[&str]) -> Value {
    let mut found = found.clone();
    found.retain(|name, _| !ENVELOPE.iter().any(|own| own.eq_ignore_ascii_case(name)));
    merged(&Value::Object(found), wanted, "", union)
}

/// The value of a field; the name ignores case.
pub(crate) fn field<'v>(of: &'v Map<String, Value>, name: &str) -> Option<(&'v String, &'v Value)> {
    of.get_key_value(name).or_else(|| of.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)))
}

/// The identity of a list element.
pub(crate) fn key(item: &Value) -> Option<(&'static str, String)> {
    let fields = item.as_object()?;
    KEYS.iter().find_map(|name| {
        let (_, value) = field(fields, name)?;
        Some((*name, value.as_str()?.trim_matches('/').to_ascii_lowercase()))
    })
}

fn merged(found: &Value, wanted: &Value, path: &str, union: &[&str]) -> Value {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let mut all = Map::new();
            for (name, value) in found {
                let own = READ_ONLY.iter().any(|own| own.eq_ignore_ascii_case(name));
                if !own && field(wanted, name).is_none() {
                    all.insert(name.clone(), without_read_only(value));
                }
            }
            for (name, value) in wanted {
                let there = field(found, name).map_or(&Value::Null, |(_, there)| there);
                all.insert(name.clone(), merged(there, value, &format!("{path}/{name}"), union));
            }
            Value::Object(all)
        }
        (Value::Array(found), Value::Array(wanted)) => {
            let beside = |item: &Value| match key(item) {
                Some(own) => found.iter().find(|there| key(there).as_ref() == Some(&own)),
                None => None,
            };
            let mut all: Vec<Value> = wanted
                .iter()
                .map(|item| merged(beside(item).unwrap_or(&Value::Null), item, path, union))
                .collect();
            if union.contains(&path) {
                let same = |one: &Value, other: &Value| match (one.as_str(), other.as_str()) {
                    (Some(one), Some(other)) => {
                        one.trim_matches('/').eq_ignore_ascii_case(other.trim_matches('/'))
                    }
                    _ => key(one).is_some() && key(one) == key(other),
                };
                let more: Vec<Value> =
                    found.iter().filter(|there| !all.iter().any(|item| same(item, there))).cloned().collect();
                all.extend(more);
            }
            Value::Array(all)
        }
        (_, wanted) => wanted.clone(),
    }
}

fn without_read_only(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept =
                fields.iter().filter(|(name, _)| !READ_ONLY.iter().any(|own| own.eq_ignore_ascii_case(name)));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_read_only(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_read_only).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(found: Value, wanted: Value, union: &[&str]) -> Value {
        over(found.as_object().unwrap(), &wanted, union)
    }

    #[test]
    fn what_the_plan_does_not_speak_of_is_sent_as_it_was_read() {
        let found = json!({
            "id": "/x", "name": "vnet", "type": "T", "etag": "W/1", "location": "westeurope", "tags": { "owner": "net" },
            "systemData": {}, "properties": {
                "provisioningState": "Succeeded", "resourceGuid": "g", "enableDdosProtection": true,
                "addressSpace": { "addressPrefixes": ["10.0.0.0/16", "10.9.0.0/16"] },
                "subnets": [
                    { "name": "A", "id": "/x/subnets/A", "etag": "W/2", "properties": {
                        "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": { "id": "/nsg" }, "provisioningState": "Succeeded" } },
                    { "name": "b", "properties": {} },
                ] } });
        let wanted = json!({ "tags": { "ticket": "7" }, "properties": {
            "AddressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
            "subnets": [{ "name": "a", "properties": { "addressPrefix": "10.0.1.0/24" } }] } });
        assert_eq!(
            sent(found, wanted, &[]),
            json!({ "location": "westeurope", "tags": { "owner": "net", "ticket": "7" }, "properties": {
                "enableDdosProtection": true, "AddressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
                "subnets": [{ "id": "/x/subnets/A", "name": "a", "properties": {
                    "networkSecurityGroup": { "id": "/nsg" }, "addressPrefix": "10.0.1.0/24" } }] } })
        );
    }

    #[test]
    fn lists_that_others_add_to_keep_what_they_hold() {
        let found = json!({ "s": { "subscriptions": ["subscriptions/A", "/subscriptions/b"], "crossTenantScopes": [1] } });
        let wanted = json!({ "s": { "subscriptions": ["/subscriptions/a", "/subscriptions/c"] } });
        assert_eq!(
            sent(found.clone(), wanted.clone(), &["/s/subscriptions"]),
            json!({ "s": { "subscriptions": ["/subscriptions/a", "/subscriptions/c", "/subscriptions/b"] } })
        );
        assert_eq!(sent(found, wanted.clone(), &[]), wanted);
    }

    #[test]
    fn items_of_a_list_are_told_apart_by_name_or_id() {
        let found = json!({ "g": [{ "networkGroupId": "/NG/1", "isGlobal": "True" }, { "networkGroupId": "/ng/2", "isGlobal": "True" }] });
        let wanted = json!({ "g": [{ "networkGroupId": "ng/2", "useHubGateway": "False" }, { "x": 1 }] });
        assert_eq!(
            sent(found, wanted, &[]),
            json!({ "g": [{ "isGlobal": "True", "networkGroupId": "ng/2", "useHubGateway": "False" }, { "x": 1 }] })
        );
    }
}
