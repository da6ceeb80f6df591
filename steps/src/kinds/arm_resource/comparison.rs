//! Compares a wanted body with the one that Azure returns. Azure may return enumerations, ids and regions in another case or
//! spelling, addresses in another notation, lists in another order, and may omit defaults.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Map, Value};
use twinspan_engine::Difference;

use super::paths::{Path, is_secret};
use super::secrets::reference;
use crate::avnm::same_path;
use crate::azure::merging::{field, key};

/// Fields that are not compared.
pub(super) struct Except<'a> {
    /// Declared by the plan.
    pub(super) paths: Vec<&'a Path>,
}

/// Fields that only deleting and creating the resource changes.
const IMMUTABLE: [&str; 1] = ["location"];

/// Every wanted field that has another value in `found`.
pub(super) fn differences(
    wanted: &Map<String, Value>,
    found: &Value,
    except: &Except<'_>,
) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(&mut Vec::new(), &Value::Object(wanted.clone()), Some(found), except, &mut all);
    all
}

/// A value as a difference shows it, shortened to 200 characters.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 200 { text.chars().take(197).chain("...".chars()).collect() } else { text }
}

fn compare(
    place: &mut Vec<String>,
    wanted: &Value,
    found: Option<&Value>,
    except: &Except<'_>,
    all: &mut Vec<Difference>,
) {
    // A secret is written and never read back, and is never shown.
    let secret = reference(wanted).is_some() || place.last().is_some_and(|name| is_secret(name, wanted));
    if secret || except.paths.iter().any(|path| path.names(place)) {
        return;
    }
    match (wanted, found) {
        (Value::Object(wanted), Some(Value::Object(found))) => {
            for (name, wanted) in wanted {
                place.push(name.clone());
                compare(place, wanted, field(found, name).map(|(_, found)| found), except, all);
                place.pop();
            }
        }
        (Value::Array(wanted), Some(Value::Array(found))) => lists(place, wanted, found, except, all),
        (wanted, None | Some(Value::Null)) if is_default(wanted) => {}
        // Azure omits the whole object: compare each of its fields with nothing.
        (Value::Object(wanted), None | Some(Value::Null)) => {
            for (name, wanted) in wanted {
                place.push(name.clone());
                compare(place, wanted, None, except, all);
                place.pop();
            }
        }
        (wanted, Some(found)) if same(place, wanted, found) => {}
        (wanted, found) => {
            all.push(differs(place, shown(wanted), found.map_or_else(|| "nothing".to_owned(), shown)))
        }
    }
}

fn differs(place: &[String], wanted: String, found: String) -> Difference {
    let mut field = String::new();
    for name in place {
        let separator = if field.is_empty() || name.starts_with('[') { "" } else { "." };
        field = format!("{field}{separator}{name}");
    }
    let difference = Difference::new(field, wanted, found);
    if let [only] = place
        && IMMUTABLE.iter().any(|name| name.eq_ignore_ascii_case(only))
    {
        return difference.immutable();
    }
    difference
}

/// Compares lists as wholes: each item must be in both. The order matters only where it has a meaning.
fn lists(
    place: &mut Vec<String>,
    wanted: &[Value],
    found: &[Value],
    except: &Except<'_>,
    all: &mut Vec<Difference>,
) {
    let ordered = place.last().is_some_and(|name| name.eq_ignore_ascii_case("dnsServers"));
    if ordered && wanted.len() == found.len() {
        for (at, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            place.push(format!("[{at}]"));
            compare(place, wanted, Some(found), except, all);
            place.pop();
        }
        return;
    }
    let mut left: Vec<&Value> = found.iter().collect();
    let mut unmatched = Vec::new();
    for (at, item) in wanted.iter().enumerate() {
        let mut probe = |other: &&Value| {
            let mut none = Vec::new();
            place.push(format!("[{at}]"));
            compare(place, item, Some(other), except, &mut none);
            place.pop();
            none.is_empty()
        };
        match left.iter().position(&mut probe) {
            Some(other) => {
                left.remove(other);
            }
            None => unmatched.push((at, item)),
        }
    }
    // An item with the same name is the same item, changed.
    for (at, item) in unmatched {
        let beside =
            key(item).and_then(|own| left.iter().position(|other| key(other).as_ref() == Some(&own)));
        let named = key(item).map_or_else(|| at.to_string(), |(_, name)| name);
        place.push(format!("[{named}]"));
        match beside {
            Some(other) => compare(place, item, Some(left.remove(other)), except, all),
            // Of two plain values that differ, report one as replaced by the other.
            None if !item.is_object() && !left.is_empty() => {
                all.push(differs(place, shown(item), shown(left.remove(0))))
            }
            None => all.push(differs(place, shown(item), "nothing".to_owned())),
        }
        place.pop();
    }
    for item in left {
        let named = key(item).map_or_else(|| shown(item), |(_, name)| name);
        place.push(format!("[{named}]"));
        if !except.paths.iter().any(|path| path.names(place)) {
            all.push(differs(place, "nothing".to_owned(), shown(item)));
        }
        place.pop();
    }
}

/// Whether Azure may omit this value.
fn is_default(wanted: &Value) -> bool {
    match wanted {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("false"),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(_) | Value::Bool(true) => false,
    }
}

fn same(place: &[String], wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::String(wanted), Value::String(found)) => same_text(place, wanted, found),
        // Some types return numbers and booleans as text, or text as numbers and booleans.
        (Value::String(text), Value::Bool(_) | Value::Number(_)) => {
            text.eq_ignore_ascii_case(&found.to_string())
        }
        (Value::Bool(_) | Value::Number(_), Value::String(text)) => {
            text.eq_ignore_ascii_case(&wanted.to_string())
        }
        (Value::Number(wanted), Value::Number(found)) => wanted == found || wanted.as_f64() == found.as_f64(),
        _ => wanted == found,
    }
}

fn same_text(place: &[String], wanted: &str, found: &str) -> bool {
    let is_id = |text: &str| {
        let text = text.trim_start_matches('/').to_ascii_lowercase();
        text.starts_with("subscriptions/") || text.starts_with("providers/")
    };
    let region = |text: &str| text.to_lowercase().replace(' ', "");
    let name = place.iter().rev().find(|name| !name.starts_with('[')).map(|name| name.to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let address = || {
        let net = |text: &str| text.parse::<IpNet>().ok();
        let host = |text: &str| text.parse::<IpAddr>().ok();
        (net(wanted).is_some() && net(wanted) == net(found))
            || (host(wanted).is_some() && host(wanted) == host(found))
    };
    let time = || {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        at(wanted).is_some() && at(wanted) == at(found)
    };
    wanted == found
        || (is_id(wanted) && same_path(wanted, found))
        || (name.contains("location") || name.contains("region")) && region(wanted) == region(found)
        || (is_word(place, &name, wanted) && wanted.eq_ignore_ascii_case(found))
        || address()
        || time()
}

/// Whether a text may be a value of an enumeration, which Azure returns in its own case. The case of free text matters.
fn is_word(place: &[String], name: &str, text: &str) -> bool {
    const WRITTEN: [&str; 14] = [
        "description",
        "displayname",
        "value",
        "path",
        "uri",
        "url",
        "content",
        "script",
        "command",
        "query",
        "data",
        "message",
        "text",
        "comment",
    ];
    let tags = place.first().is_some_and(|first| first.eq_ignore_ascii_case("tags"));
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    !tags && plain && !WRITTEN.iter().any(|written| name.contains(written))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(wanted: &Value, found: &Value, except: &[&str]) -> Vec<String> {
        let paths: Vec<Path> = except.iter().map(|path| path.parse().unwrap()).collect();
        let except = Except { paths: paths.iter().collect() };
        let all = differences(wanted.as_object().unwrap(), found, &except);
        all.into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn what_azure_gives_back_in_its_own_way_is_the_same() {
        for (wanted, found) in [
            (json!({ "connectionType": "ipsec" }), json!({ "connectionType": "IPsec" })),
            (json!({ "location": "West Europe" }), json!({ "location": "westeurope" })),
            (json!({ "p": { "regions": ["West US 2"] } }), json!({ "p": { "regions": ["westus2"] } })),
            (
                json!({ "vnet": { "id": "subscriptions/X/y" } }),
                json!({ "vnet": { "id": "/subscriptions/x/Y", "etag": "" } }),
            ),
            (json!({ "a": ["2001:DB8:ABCD::/48"] }), json!({ "a": ["2001:db8:abcd::/48"] })),
            (json!({ "a": "2001:db8:0:0::1" }), json!({ "a": "2001:db8::1" })),
            (
                json!({ "routes": [{ "name": "zz" }, { "name": "aa" }] }),
                json!({ "routes": [{ "name": "AA", "etag": "" }, { "name": "zz" }] }),
            ),
            (
                json!({ "accesses": ["Routing", "Connectivity"] }),
                json!({ "accesses": ["Connectivity", "Routing"] }),
            ),
            (
                json!({ "rules": [{ "port": 1 }, { "port": 2 }] }),
                json!({ "rules": [{ "port": 2 }, { "port": 1 }] }),
            ),
            (json!({ "flag": true, "count": 100 }), json!({ "flag": "True", "count": "100" })),
            (json!({ "flag": "true" }), json!({ "flag": true })),
            (
                json!({ "off": false, "none": null, "list": [], "text": "", "o": {}, "in": { "off": false } }),
                json!({}),
            ),
            (json!({ "at": "2026-01-01T00:00:00Z" }), json!({ "at": "2026-01-01T00:00:00.000Z" })),
            (json!({ "Name": "x" }), json!({ "name": "x", "more": 1 })),
            (json!({ "n": 1 }), json!({ "n": 1.0 })),
        ] {
            assert_eq!(fields(&wanted, &found, &[]), [] as [&str; 0], "{wanted} {found}");
        }
    }

    #[test]
    fn what_is_another_value_differs() {
        for (wanted, found, field) in [
            (json!({ "tags": { "a": "Prod" } }), json!({ "tags": { "a": "prod" } }), "tags.a"),
            (json!({ "description": "Yes" }), json!({ "description": "yes" }), "description"),
            (json!({ "access": "Allow" }), json!({ "access": "Deny" }), "access"),
            (json!({ "flag": true }), json!({ "flag": "False" }), "flag"),
            (json!({ "flag": true }), json!({}), "flag"),
            (json!({ "o": { "on": true } }), json!({}), "o.on"),
            (json!({ "n": 0 }), json!({ "n": 1 }), "n"),
            (json!({ "a": "10.0.0.0/16" }), json!({ "a": "10.0.0.0/17" }), "a"),
            (
                json!({ "routes": [{ "name": "a", "hop": "x" }] }),
                json!({ "routes": [{ "name": "a", "hop": "y" }] }),
                "routes[a].hop",
            ),
            (
                json!({ "routes": [{ "name": "a" }] }),
                json!({ "routes": [{ "name": "a" }, { "name": "b" }] }),
                "routes[b]",
            ),
            (
                json!({ "routes": [{ "name": "a" }, { "name": "b" }] }),
                json!({ "routes": [{ "name": "a" }] }),
                "routes[b]",
            ),
            (json!({ "l": ["a", "a"] }), json!({ "l": ["a", "b"] }), "l[1]"),
            (json!({ "l": ["a"] }), json!({ "l": ["a", "b"] }), "l[b]"),
            (json!({ "l": [] }), json!({ "l": ["b"] }), "l[b]"),
            (
                json!({ "dnsServers": ["10.0.0.4", "10.0.0.5"] }),
                json!({ "dnsServers": ["10.0.0.5", "10.0.0.4"] }),
                "dnsServers[0]",
            ),
            (json!({ "o": { "a": "x" } }), json!({ "o": "x" }), "o"),
        ] {
            let found = fields(&wanted, &found, &[]);
            assert_eq!(found.first().map(String::as_str), Some(field), "{wanted}: {found:?}");
        }
    }

    #[test]
    fn what_the_plan_excepts_and_secrets_are_not_compared() {
        let wanted = json!({ "properties": { "sharedKey": { "env": "PSK" }, "a": 1, "list": [{ "name": "x", "v": 1 }] } });
        let found = json!({ "properties": { "a": 2, "list": [{ "name": "x", "v": 2 }] } });
        assert_eq!(fields(&wanted, &found, &[]), ["properties.a", "properties.list[x].v"]);
        assert_eq!(fields(&wanted, &found, &["/properties/a", "/properties/list/*/v"]), [] as [&str; 0]);
        assert_eq!(fields(&wanted, &found, &["/properties"]), [] as [&str; 0]);
    }
}
