//! The elements of a `for_each`, and their keys.
//!
//! Names in Azure are not case-sensitive, so keys are not either: `connect[FABRIKAM]` and `connect[fabrikam]` would be
//! one resource.
//! The key of a resource id is its last segment with 8 digits of its digest, because ids are long and names repeat.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::digest::Digest;

/// The character that stands for any text where `decide` takes several steps: `decide RUN 'connect[*]' adopt`. A key with it
/// could not be named alone.
pub(crate) const PATTERN: char = '*';

/// An element: the key that names its instance, and its value.
pub type Element = (String, Value);

/// Why a value cannot be used in `for_each`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ElementsError {
    /// An item of a list is not text.
    #[error("`for_each` takes a map or a list of text, but the list contains {0}")]
    NotText(Value),
    /// The value is neither a map nor a list.
    #[error("`for_each` takes a map or a list of text, not {0}")]
    NotACollection(Value),
    /// The key of an element contains [`PATTERN`].
    #[error("`for_each` cannot have the element `{0}`: in `decide`, `*` stands for every instance")]
    Pattern(String),
    /// Two elements are the same.
    #[error("`for_each` has `{second}` twice{}", if first == second { String::new() } else { format!(" (also as `{first}`: names in Azure are not case-sensitive)") })]
    Twice {
        /// The first notation.
        first: String,
        /// The second notation.
        second: String,
    },
}

/// The elements of a `for_each` value; an absent value (an optional input, an output of a skipped step) has none.
pub fn elements(value: Option<Value>) -> Result<Vec<Element>, ElementsError> {
    let elements: Vec<Element> = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map.into_iter().collect(),
        Some(Value::Array(list)) => {
            let keyed = list.into_iter().map(|element| match &element {
                Value::String(text) => Ok((element_key(text), element)),
                _ => Err(ElementsError::NotText(element)),
            });
            keyed.collect::<Result<_, _>>()?
        }
        Some(other) => return Err(ElementsError::NotACollection(other)),
    };
    let mut known: HashMap<String, usize> = HashMap::with_capacity(elements.len());
    for (at, (key, value)) in elements.iter().enumerate() {
        if key.contains(PATTERN) {
            return Err(ElementsError::Pattern(key.clone()));
        }
        if let Some(first) = known.insert(folded(key), at) {
            let written = |key: &String, value: &Value| value.as_str().unwrap_or(key).to_owned();
            let (first_key, first_value) = &elements[first];
            return Err(ElementsError::Twice {
                first: written(first_key, first_value),
                second: written(key, value),
            });
        }
    }
    Ok(elements)
}

/// The key of an element: a map's key or a string unchanged; for a resource id its last segment and 8 digits of its
/// digest.
pub fn element_key(text: &str) -> String {
    let id = text.trim_end_matches('/');
    match id.rsplit_once('/') {
        Some((_, last)) if id.starts_with('/') => {
            let digest = Digest::of(folded(id).as_bytes()).to_string();
            format!("{last}-{}", &digest[..8])
        }
        _ => text.to_owned(),
    }
}

/// The form in which keys, ids and elements are compared.
pub fn folded(text: &str) -> String {
    let id = if text.starts_with('/') { text.trim_end_matches('/') } else { text };
    id.to_lowercase()
}

/// Whether `wanted` names the element `key`: literally, as the key of a resource id, or without regard to case.
pub fn names(wanted: &str, key: &str) -> bool {
    is_same(wanted, key) || (wanted.starts_with('/') && is_same(&element_key(wanted), key))
}

/// Whether two keys are the same. Plain ASCII keys are compared without a copy.
fn is_same(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() && !one.ends_with('/') && !other.ends_with('/') {
        return one.eq_ignore_ascii_case(other);
    }
    folded(one) == folded(other)
}

/// The entry named by `wanted`.
pub fn find<'a, T>(entries: &'a IndexMap<String, T>, wanted: &str) -> Option<&'a T> {
    let exact = entries.get(wanted).or_else(|| entries.get(&element_key(wanted)));
    exact.or_else(|| entries.iter().find(|(key, _)| names(wanted, key)).map(|(_, entry)| entry))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const VNET: &str = "/subscriptions/b/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/Hub";

    fn keys(value: Value) -> Result<Vec<String>, String> {
        let elements = elements(Some(value)).map_err(|error| error.to_string())?;
        Ok(elements.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn maps_lists_and_what_is_absent() {
        assert_eq!(elements(None), Ok(Vec::new()));
        assert_eq!(keys(json!({ "b": 1, "a": 2 })).unwrap(), ["b", "a"], "in the order given");
        let found = keys(json!(["x", VNET])).unwrap();
        assert_eq!(found[0], "x");
        assert!(found[1].starts_with("Hub-") && found[1].len() == 12, "{}", found[1]);
        assert!(keys(json!([1])).unwrap_err().contains("the list contains 1"));
        assert!(keys(json!("x")).unwrap_err().contains("not \"x\""));
        for pattern in [json!(["*"]), json!({ "a*": 1 })] {
            assert!(keys(pattern).unwrap_err().contains("`*` stands for every instance"));
        }
    }

    #[test]
    fn the_same_element_is_found_whatever_its_case_or_its_last_slash() {
        assert_eq!(keys(json!(["x", "y", "x"])).unwrap_err(), "`for_each` has `x` twice");
        let cased = keys(json!(["Fabrikam", "FABRIKAM"])).unwrap_err();
        assert!(
            cased.contains("`FABRIKAM` twice (also as `Fabrikam`: names in Azure are not case-sensitive)"),
            "{cased}"
        );
        assert!(keys(json!({ "Fabrikam": 1, "fabrikam": 2 })).is_err());
        assert!(keys(json!([VNET, format!("{VNET}/")])).is_err());
        assert!(keys(json!([VNET, VNET.to_uppercase()])).is_err());
        assert!(keys(json!(["Straße", "STRASSE"])).is_ok(), "folding adds no letters");
        assert!(keys(json!(["É", "é"])).is_err());
    }

    #[test]
    fn a_key_is_found_as_a_person_writes_it() {
        let hub = element_key(VNET);
        let known = IndexMap::from([("Prod".to_owned(), 1), (hub.clone(), 2)]);
        for wanted in ["Prod", "prod", "PROD"] {
            assert_eq!(find(&known, wanted), Some(&1), "{wanted}");
        }
        for wanted in [VNET.to_owned(), VNET.to_lowercase(), format!("{VNET}/"), hub.to_uppercase()] {
            assert_eq!(find(&known, &wanted), Some(&2), "{wanted}");
        }
        assert_eq!(find(&known, "pro"), None);
    }
}
