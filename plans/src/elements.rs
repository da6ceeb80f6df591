//! The elements of a `for_each`, their keys, and the elements around an instance.
//!
//! Names in Azure are not case-sensitive, so keys are not either: `connect[FABRIKAM]` and `connect[fabrikam]` would be
//! one resource.
//! The key of a resource id is its last segment with 8 digits of its digest, because ids are long and names repeat.
//!
//! Every stage (binding, preview, run) calls this module and `instance.rs`, so that all have the same instances.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::digest::Digest;
use crate::ids::NodeId;

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
    /// The key of an element contains `*`.
    #[error("`for_each` cannot have the element `{0}`: in `decide`, `*` stands for every instance")]
    Pattern(String),
    /// The key cannot name an instance.
    #[error(
        "`for_each`: the key {0:?} cannot name an instance: it is empty, or contains a bracket or a control character"
    )]
    BadKey(String),
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
        if !names_an_instance(key) {
            return Err(ElementsError::BadKey(key.clone()));
        }
        if let Some(first) = known.insert(compared(key), at) {
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

/// The form in which texts and ids are compared: in lower case; an id without a slash at its end.
pub fn folded(text: &str) -> String {
    let id = if text.starts_with('/') { text.trim_end_matches('/') } else { text };
    id.to_lowercase()
}

/// The form in which keys are compared. A resource id and its key have the same: a map can have the id as its key, and
/// `needs` and references name an element by either.
pub(crate) fn compared(key: &str) -> String {
    if key.starts_with('/') { folded(&element_key(key)) } else { folded(key) }
}

/// Whether `wanted` names the element `key`: literally, as the key of a resource id, or without regard to case. At most
/// one of the elements that [`elements`] returns has this name.
pub fn names(wanted: &str, key: &str) -> bool {
    let plain = |text: &str| text.is_ascii() && !text.starts_with('/');
    // Keys are compared often, and most of them without a copy.
    if plain(wanted) && plain(key) {
        return wanted.eq_ignore_ascii_case(key);
    }
    compared(wanted) == compared(key)
}

/// The entry named by `wanted`.
pub fn find<'a, T>(entries: &'a IndexMap<String, T>, wanted: &str) -> Option<&'a T> {
    let exact = entries.get(wanted).or_else(|| entries.get(&element_key(wanted)));
    exact.or_else(|| {
        let wanted = compared(wanted);
        entries.iter().find(|(key, _)| names(&wanted, key)).map(|(_, entry)| entry)
    })
}

/// Whether a key can name an instance: with brackets, `connect[x].role` could be an instance of `role` and of `connect`.
pub(crate) fn names_an_instance(key: &str) -> bool {
    !key.is_empty() && !key.chars().any(|c| c.is_control() || matches!(c, '[' | ']'))
}

/// The elements that an instance lies in: one for each `for_each` around it. Clones share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementPath(Option<Arc<Inside>>);

/// The innermost element of a path.
#[derive(Debug, PartialEq)]
struct Inside {
    outer: ElementPath,
    /// The node with the `for_each`.
    node: NodeId,
    key: String,
    value: Value,
}

impl ElementPath {
    /// The path of an instance inside an element of `node`.
    #[must_use]
    pub fn inside(&self, node: NodeId, (key, value): Element) -> Self {
        ElementPath(Some(Arc::new(Inside { outer: self.clone(), node, key, value })))
    }

    /// The elements, innermost first.
    fn iter(&self) -> impl Iterator<Item = &Inside> {
        std::iter::successors(self.0.as_deref(), |inside| inside.outer.0.as_deref())
    }

    /// Key and value of the element that is `depth` levels out.
    pub fn each(&self, depth: u32) -> Option<(&str, &Value)> {
        let inside = self.iter().nth(usize::try_from(depth).ok()?)?;
        Some((&inside.key, &inside.value))
    }

    /// Key and value of the element of `node`.
    pub fn element_of(&self, node: NodeId) -> Option<(&str, &Value)> {
        let inside = self.iter().find(|inside| inside.node == node)?;
        Some((&inside.key, &inside.value))
    }

    /// Each node with a `for_each` and the path of its element, outermost first.
    pub fn levels(&self) -> Vec<(NodeId, ElementPath)> {
        let paths = std::iter::successors(Some(self), |path| Some(&path.0.as_ref()?.outer));
        let mut levels: Vec<(NodeId, ElementPath)> =
            paths.filter_map(|path| Some((path.0.as_ref()?.node, path.clone()))).collect();
        levels.reverse();
        levels
    }

    /// The path without its innermost element.
    #[must_use]
    pub fn outer(&self) -> Self {
        self.0.as_ref().map(|inside| inside.outer.clone()).unwrap_or_default()
    }

    /// The elements of these nodes, which are the nodes with `for_each` around another instance, outermost first.
    #[must_use]
    pub fn shared(&self, scopes: &[NodeId]) -> Self {
        let levels = self.levels();
        let shared = levels.into_iter().zip(scopes).take_while(|((node, _), scope)| node == *scope);
        shared.last().map(|((_, path), _)| path).unwrap_or_default()
    }

    /// The number of elements.
    pub fn depth(&self) -> usize {
        self.iter().count()
    }
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
    fn a_key_that_could_be_part_of_a_name_is_refused() {
        for key in ["", "a]", "[", "a].b[c", "a\nb"] {
            assert!(keys(json!([key])).unwrap_err().contains("cannot name an instance"), "{key:?}");
            assert!(keys(json!({ (key): 1 })).is_err(), "{key:?}");
        }
        assert_eq!(keys(json!(["a b", "a.b", "it's", "x;y"])).unwrap(), ["a b", "a.b", "it's", "x;y"]);
    }

    #[test]
    fn a_path_knows_its_elements_from_inside_and_from_outside() {
        let (outer, inner) = (NodeId(1), NodeId(4));
        let around = ElementPath::default().inside(outer, ("a".to_owned(), json!(1)));
        let path = around.inside(inner, ("b".to_owned(), json!(2)));
        assert_eq!(path.each(0), Some(("b", &json!(2))), "the inner element hides the outer one");
        assert_eq!(path.each(1), Some(("a", &json!(1))));
        assert_eq!(path.each(2), None);
        assert_eq!(path.element_of(outer), Some(("a", &json!(1))));
        assert_eq!(path.levels(), [(outer, around.clone()), (inner, path.clone())]);
        assert_eq!(path.outer(), around);
        for (scopes, wanted) in [
            (&[outer, inner][..], &path),
            (&[outer, NodeId(7)], &around),
            (&[outer], &around),
            (&[NodeId(7), inner], &ElementPath::default()),
        ] {
            assert_eq!(&path.shared(scopes), wanted, "{scopes:?}");
        }
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
        let by_id = IndexMap::from([(VNET.to_owned(), 3)]);
        for wanted in [VNET.to_uppercase(), format!("{VNET}/"), hub] {
            assert_eq!(find(&by_id, &wanted), Some(&3), "{wanted}: a map can have ids as keys");
        }
    }
}
