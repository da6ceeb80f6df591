//! Maps a kind's JSON Schema to the types of plans. A property can name its type with `x-twinspan-type`; otherwise it is
//! derived from the schema; if that fails, it is a problem of the kind.

use serde_json::{Map, Value};
use twinspan_plans::{Field, Type};

/// The keyword with which a property names its type.
const KEYWORD: &str = "x-twinspan-type";

/// References followed before a schema counts as recursive.
const DEEPEST: usize = 32;

/// The fields of a record's schema, and what could not be mapped, each with its path.
pub(crate) fn fields(schema: &Value) -> (Vec<Field>, Vec<String>) {
    let mut mapper = Mapper { root: schema, problems: Vec::new() };
    let fields = match mapper.resolve(schema, 0) {
        Some(Value::Object(record)) => mapper.record(record, "", 0),
        _ => {
            mapper.problems.push("is not a record".to_owned());
            Vec::new()
        }
    };
    (fields, mapper.problems)
}

struct Mapper<'a> {
    root: &'a Value,
    problems: Vec<String>,
}

impl<'a> Mapper<'a> {
    /// Follows `$ref`, and unwraps optional types.
    fn resolve(&mut self, schema: &'a Value, depth: usize) -> Option<&'a Value> {
        if depth > DEEPEST {
            return None;
        }
        let Some(map) = schema.as_object() else { return Some(schema) };
        if map.contains_key(KEYWORD) {
            return Some(schema);
        }
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(reference.strip_prefix('#')?)?;
            return self.resolve(target, depth + 1);
        }
        for word in ["anyOf", "oneOf", "allOf"] {
            let Some(choices) = map.get(word).and_then(Value::as_array) else { continue };
            let mut real = choices.iter().filter(|choice| !is_null(choice));
            if let (Some(only), None) = (real.next(), real.next()) {
                return self.resolve(only, depth + 1);
            }
        }
        Some(schema)
    }

    fn record(&mut self, record: &'a Map<String, Value>, place: &str, depth: usize) -> Vec<Field> {
        let required: Vec<&str> = record
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let Some(properties) = record.get("properties").and_then(Value::as_object) else {
            return Vec::new();
        };
        let mut fields = Vec::with_capacity(properties.len());
        for (name, schema) in properties {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            let about = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            let ty = self.map(schema, &place, depth + 1);
            fields.push(Field { name: name.clone(), ty, required: required.contains(&name.as_str()), about });
        }
        fields
    }

    fn map(&mut self, schema: &'a Value, place: &str, depth: usize) -> Type {
        let Some(resolved) = self.resolve(schema, depth) else {
            return self.problem(place, "refers to itself, or to a definition that is not there");
        };
        let Some(map) = resolved.as_object() else {
            return self.problem(place, "may be anything; say x-twinspan-type = \"any\" if that is meant");
        };
        let list = names_type(map, "array");
        if let Some(text) = map.get(KEYWORD) {
            return match text.as_str().and_then(Type::parse) {
                // On a list, the keyword names the type of the items, unless it names a list itself.
                Some(ty) if list && !matches!(ty, Type::List(_) | Type::Any) => Type::List(Box::new(ty)),
                Some(ty) => ty,
                None => self.problem(place, &format!("names the unknown type {text}")),
            };
        }
        if let Some(words) = choice(map) {
            return Type::Choice(words);
        }
        if list {
            return match map.get("items") {
                Some(items) => Type::List(Box::new(self.map(items, &format!("{place}[]"), depth + 1))),
                None => self.problem(place, "is a list of anything"),
            };
        }
        if names_type(map, "object") {
            if map.contains_key("properties") {
                return Type::Record(self.record(map, place, depth));
            }
            return match map.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    Type::Map(Box::new(self.map(values, &format!("{place}.*"), depth + 1)))
                }
                Some(Value::Bool(false)) => Type::Record(Vec::new()),
                _ => self.problem(place, "is a map of anything"),
            };
        }
        if names_type(map, "string") {
            return Type::String;
        }
        if names_type(map, "integer") {
            return Type::Integer;
        }
        if names_type(map, "boolean") {
            return Type::Boolean;
        }
        self.problem(place, "has no type that plans know; say it with x-twinspan-type")
    }

    fn problem(&mut self, place: &str, what: &str) -> Type {
        self.problems.push(format!("{place} {what}"));
        Type::Any
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Whether the schema's `type` is `name`, or `name` or null.
fn names_type(map: &Map<String, Value>, name: &str) -> bool {
    match map.get("type") {
        Some(Value::String(ty)) => ty == name,
        Some(Value::Array(types)) => {
            types.iter().any(|ty| ty == name) && types.iter().all(|ty| ty == name || ty == "null")
        }
        _ => false,
    }
}

/// The values of an enumeration, in any of its schema forms.
fn choice(map: &Map<String, Value>) -> Option<Vec<String>> {
    if let Some(word) = map.get("const").and_then(Value::as_str) {
        return Some(vec![word.to_owned()]);
    }
    if let Some(words) = map.get("enum").and_then(Value::as_array) {
        return words
            .iter()
            .filter(|word| !word.is_null())
            .map(|word| word.as_str().map(str::to_owned))
            .collect();
    }
    let variants = map.get("oneOf").or_else(|| map.get("anyOf"))?.as_array()?;
    let mut words = Vec::new();
    for variant in variants.iter().filter(|variant| !is_null(variant)) {
        words.extend(choice(variant.as_object()?)?);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    #![expect(dead_code, reason = "only the schemas of these types are looked at")]

    use std::collections::BTreeMap;

    use schemars::{JsonSchema, schema_for};

    use super::*;

    #[derive(JsonSchema)]
    struct Inner {
        /// How many.
        count: u32,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Word {
        /// The first.
        FirstWord,
        /// The second.
        Second,
    }

    #[derive(JsonSchema)]
    struct Good {
        /// Which manager.
        #[schemars(extend("x-twinspan-type" = "resource-id(Microsoft.Network/networkManagers)"))]
        manager: String,
        #[schemars(extend("x-twinspan-type" = "guid"))]
        maybe: Option<String>,
        #[schemars(extend("x-twinspan-type" = "resource-id"))]
        networks: Vec<String>,
        word: Word,
        maybe_word: Option<Word>,
        inner: Option<Inner>,
        map: BTreeMap<String, Vec<Inner>>,
        flag: bool,
        text: String,
        #[schemars(extend("x-twinspan-type" = "any"))]
        body: Value,
    }

    #[derive(JsonSchema)]
    struct Bad {
        anything: Value,
        number: f64,
        #[schemars(extend("x-twinspan-type" = "nonsense"))]
        nonsense: String,
        list: Vec<Value>,
    }

    fn ty<'a>(fields: &'a [Field], name: &str) -> &'a Type {
        &fields.iter().find(|field| field.name == name).unwrap().ty
    }

    #[test]
    fn every_shape_has_its_type() {
        let (fields, problems) = fields(schema_for!(Good).as_value());
        assert_eq!(problems, Vec::<String>::new());
        let words = Type::Choice(vec!["first-word".into(), "second".into()]);
        assert_eq!(
            *ty(&fields, "manager"),
            Type::ResourceId(Some("Microsoft.Network/networkManagers".into()))
        );
        assert_eq!(*ty(&fields, "maybe"), Type::Guid);
        assert_eq!(*ty(&fields, "networks"), Type::List(Box::new(Type::ResourceId(None))));
        assert_eq!(*ty(&fields, "word"), words);
        assert_eq!(*ty(&fields, "maybe_word"), words);
        assert!(matches!(ty(&fields, "inner"), Type::Record(inner) if inner[0].ty == Type::Integer));
        assert!(matches!(ty(&fields, "map"), Type::Map(of) if matches!(**of, Type::List(_))));
        assert_eq!(*ty(&fields, "flag"), Type::Boolean);
        assert_eq!(*ty(&fields, "text"), Type::String);
        assert_eq!(*ty(&fields, "body"), Type::Any);
        let manager = fields.iter().find(|field| field.name == "manager").unwrap();
        assert!(manager.required);
        assert_eq!(manager.about, "Which manager.");
        assert!(!fields.iter().find(|field| field.name == "maybe").unwrap().required);
    }

    #[test]
    fn what_cannot_be_mapped_is_named_with_its_place() {
        let (_, problems) = fields(schema_for!(Bad).as_value());
        assert_eq!(problems.len(), 4, "{problems:?}");
        for place in ["anything ", "number ", "nonsense ", "list[] "] {
            assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place} in {problems:?}");
        }
    }
}
