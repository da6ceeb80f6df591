//! Validates the properties of bodies: JSON types, and the enumerations in Microsoft's OpenAPI files.

use serde_json::{Map, Value};

use super::call::Call;
use crate::reply::Reply;

/// The type of one property.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Texts,
    List,
    Object,
    Number(i64, i64),
    /// One of these texts, ignoring case.
    OneOf(&'static [&'static str]),
    /// A list of these texts.
    SomeOf(&'static [&'static str]),
}

/// Kinds of configurations: the features of a manager, and the types of commits.
pub(super) const CONFIGURATIONS: &[&str] = &["SecurityAdmin", "Connectivity", "SecurityUser", "Routing"];

/// Returns 400 if a given property is not valid. `null` counts as absent.
pub(super) fn check(given: &Map<String, Value>, properties: &[(&str, Type)]) -> Result<(), Reply> {
    for (name, kind) in properties {
        let Some(value) = given.get(*name).filter(|value| !value.is_null()) else { continue };
        fits(name, value, *kind)?;
    }
    Ok(())
}

/// The same for a body without `properties`.
pub(super) fn check_whole(body: &Value, properties: &[(&str, Type)]) -> Result<(), Reply> {
    match body.as_object() {
        Some(given) => check(given, properties),
        None => Err(Call::bad_request("Cannot parse the request: the body must be an object.")),
    }
}

fn fits(name: &str, value: &Value, kind: Type) -> Result<(), Reply> {
    let is_texts = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let right = match kind {
        Type::Text | Type::OneOf(_) => value.is_string(),
        Type::Texts | Type::SomeOf(_) => is_texts(value),
        Type::List => value.is_array(),
        Type::Object => value.is_object(),
        Type::Number(..) => value.is_i64(),
    };
    if !right {
        // The text of the service's JSON reader is longer; it names the property in the same way.
        return Err(Call::bad_request(&format!("Error converting value {value} of property '{name}'.")));
    }
    match kind {
        Type::OneOf(choices) => one_of(value.as_str().unwrap_or_default(), choices, name).map(|_| ()),
        Type::SomeOf(choices) => {
            let mut given = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            given.try_for_each(|text| one_of(text, choices, name).map(|_| ()))
        }
        Type::Number(least, most) if !value.as_i64().is_some_and(|n| (least..=most).contains(&n)) => {
            Err(Call::bad_request(&format!("The value [{value}] of '{name}' is not from {least} to {most}.")))
        }
        _ => Ok(()),
    }
}

/// The choice that a text names, in the spelling of the list; 400 if it names none.
pub(super) fn one_of(given: &str, choices: &[&'static str], name: &str) -> Result<&'static str, Reply> {
    choices.iter().find(|c| c.eq_ignore_ascii_case(given)).copied().ok_or_else(|| {
        Call::bad_request(&format!("The value [{given}] of '{name}' is none of [{}].", choices.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_property_of_another_type_or_outside_its_list_is_refused() {
        let properties: &[(&str, Type)] = &[
            ("text", Type::Text),
            ("texts", Type::Texts),
            ("list", Type::List),
            ("object", Type::Object),
            ("number", Type::Number(4, 30)),
            ("choice", Type::OneOf(&["One", "Two"])),
            ("choices", Type::SomeOf(&["One", "Two"])),
        ];
        let ask = |body: Value| check(body.as_object().unwrap(), properties).is_ok();
        for right in [
            json!({}),
            json!({ "text": null, "choices": null, "other": 1 }),
            json!({ "text": "", "texts": ["a"], "list": [1], "object": {}, "number": 4, "choice": "two", "choices": [] }),
        ] {
            assert!(ask(right.clone()), "{right}");
        }
        for wrong in [
            json!({ "text": 1 }),
            json!({ "texts": "a" }),
            json!({ "texts": [1] }),
            json!({ "list": {} }),
            json!({ "object": [] }),
            json!({ "number": 3 }),
            json!({ "number": "4" }),
            json!({ "choice": "Three" }),
            json!({ "choice": "" }),
            json!({ "choice": ["One"] }),
            json!({ "choices": ["One", "Three"] }),
            json!({ "choices": "One" }),
        ] {
            assert!(!ask(wrong.clone()), "{wrong}");
        }
    }
}
