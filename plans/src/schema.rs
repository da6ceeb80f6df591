//! JSON Schema of plan files, for editors. It helps while writing; `compile` checks the plan.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Field, Identities, KindSpec, Type};
use crate::document::TYPE_NAMES;

/// The pattern of a value that is or contains a reference.
const REFERENCE: &str = r"\$\{\{.*\}\}";

/// The JSON Schema of plan files that use the kinds of `catalog`.
pub fn schema(catalog: &Catalog) -> Value {
    let kinds: Vec<&str> = catalog.kinds.keys().map(String::as_str).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "twinspan plan",
        "type": "object",
        "additionalProperties": false,
        "required": ["twinspan", "name", "steps"],
        "properties": {
            "twinspan": { "const": 1, "description": "Version of the plan format" },
            "name": { "$ref": "#/$defs/id", "description": "Name of the plan" },
            "summary": text("What the plan does, in one line"),
            "document": text("Link to the document that the plan follows"),
            "inputs": {
                "description": "Inputs of the plan",
                "type": "object",
                "propertyNames": { "$ref": "#/$defs/id" },
                "additionalProperties": { "$ref": "#/$defs/input" },
            },
            "identities": { "$ref": "#/$defs/identities" },
            "steps": { "$ref": "#/$defs/steps" },
        },
        "$defs": {
            "id": { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$" },
            "reference": { "type": "string", "pattern": REFERENCE },
            "duration": { "type": "string", "pattern": duration_pattern(), "description": "30s, 10m, 24h, 2d, 1h30m" },
            "texts": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "type": type_definition(&["default", "secret"]),
            "input": type_definition(&[]),
            "of": {
                "anyOf": [
                    { "type": "string" },
                    { "$ref": "#/$defs/type" },
                    { "type": "object", "additionalProperties": { "$ref": "#/$defs/type" } },
                ],
            },
            "identities": {
                "description": "Identities that act",
                "type": "object",
                "propertyNames": { "$ref": "#/$defs/id" },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "tenant": text("Tenant in which it acts"),
                        "contact": text("Contact person"),
                        "about": text("Description for people"),
                    },
                },
            },
            "steps": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/node" } },
            "node": {
                "type": "object",
                "required": ["id"],
                "if": { "required": ["steps"] },
                "then": { "$ref": "#/$defs/block" },
                "else": { "$ref": "#/$defs/step" },
            },
            "block": block(),
            "step": step(catalog, &kinds),
        },
    })
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn duration_pattern() -> &'static str {
    "^(0|([0-9]+(ms|s|m|min|h|d|w) ?)+)$"
}

fn type_definition(without: &[&str]) -> Value {
    let mut properties = json!({
        "type": { "enum": TYPE_NAMES, "description": "Type of the value" },
        "of": {
            "description": "Words of a choice, type of the items of a list or map, type of a resource, map of a key",
            "anyOf": [{ "$ref": "#/$defs/of" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        },
        "default": { "description": "Value when nothing is given; may refer to other inputs" },
        "optional": { "type": "boolean", "description": "May stay absent" },
        "secret": { "type": "boolean", "description": "Given as a reference to a secret, never as the secret itself" },
        "about": text("Description for people"),
    });
    if let Some(map) = properties.as_object_mut() {
        map.retain(|key, _| !without.contains(&key.as_str()));
    }
    json!({ "type": "object", "additionalProperties": false, "required": ["type"], "properties": properties })
}

/// The properties of both steps and blocks.
fn shared() -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| {
        properties.insert(name.to_owned(), schema);
    };
    add(
        "id",
        json!({ "$ref": "#/$defs/id", "description": "Unique in the plan, or in the block with for_each around it" }),
    );
    add("title", text("Title for people"));
    add("note", text("Shown in rehearsal, run and report"));
    add("needs", json!({ "$ref": "#/$defs/texts", "description": "What must be met before it begins" }));
    add(
        "when",
        json!({ "description": "Skipped when false", "anyOf": [{ "type": "boolean" }, { "$ref": "#/$defs/reference" }] }),
    );
    add(
        "for_each",
        json!({
            "description": "One instance for each element of a map, or of a list of unique texts",
            "anyOf": [{ "$ref": "#/$defs/reference" }, { "type": "array", "items": { "type": "string" }, "uniqueItems": true }],
        }),
    );
    properties
}

fn block() -> Value {
    let mut properties = shared();
    properties.insert("identities".to_owned(), json!({ "$ref": "#/$defs/identities" }));
    properties.insert(
        "parallel".to_owned(),
        json!({ "type": "integer", "minimum": 1, "description": "Instances with work in progress at the same time" }),
    );
    properties.insert(
        "halt_after".to_owned(),
        json!({ "type": "integer", "minimum": 1, "description": "Failures after which no further instance begins" }),
    );
    properties.insert("steps".to_owned(), json!({ "$ref": "#/$defs/steps" }));
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "steps"],
        "properties": properties,
        "dependentRequired": { "identities": ["for_each"], "parallel": ["for_each"], "halt_after": ["for_each"] },
    })
}

fn step(catalog: &Catalog, kinds: &[&str]) -> Value {
    let mut properties = shared();
    let duration = |about: &str| json!({ "$ref": "#/$defs/duration", "description": about });
    let mut add = |name: &str, schema: Value| {
        properties.insert(name.to_owned(), schema);
    };
    add("uses", json!({ "enum": kinds, "description": "Kind of step" }));
    add(
        "as",
        json!({ "$ref": "#/$defs/texts", "description": "Identities: the first acts, others are for kinds that read in several tenants" }),
    );
    add("auxiliary", text("Identity whose token is sent in addition"));
    add("with", json!({ "type": "object", "description": "Parameters" }));
    add(
        "ensure",
        json!({ "enum": ["present", "absent"], "description": "Whether the resource is to exist, or to be deleted" }),
    );
    add("timeout", duration("Timeout of one attempt"));
    add("give_up_after", duration("Maximum duration of a wait"));
    add("remind", duration("Interval of reminders to a person who is waited for"));
    add(
        "retry",
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "attempts": { "type": "integer", "minimum": 1, "description": "Maximum number of attempts" },
                "first": duration("First delay"),
                "cap": duration("Longest delay"),
                "within": duration("No retry begins later than this after the first failure"),
            },
        }),
    );
    add(
        "approval",
        json!({
            "description": "Approval needed before the step's write",
            "anyOf": [
                { "type": "boolean" },
                { "type": "string" },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "by": { "$ref": "#/$defs/texts" }, "not": { "const": "starter" } },
                },
            ],
        }),
    );
    add(
        "barrier",
        json!({
            "type": "boolean",
            "description": "For a barrier (approval, delay): whether every step written after it waits for it; default true",
        }),
    );
    let by_kind: Vec<Value> = catalog.kinds.values().map(kind).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "uses"],
        "properties": properties,
        "allOf": by_kind,
    })
}

fn kind(kind: &KindSpec) -> Value {
    let mut properties = json!({ "uses": { "description": kind.summary }, "with": fields(&kind.params) });
    let mut required = Vec::new();
    match kind.identities {
        Identities::None => properties["as"] = json!(false),
        Identities::One => {
            properties["as"] = json!({ "anyOf": [{ "type": "string" }, { "type": "array", "maxItems": 1 }] });
            required.push("as");
        }
        Identities::Several => required.push("as"),
    }
    if !kind.auxiliary {
        properties["auxiliary"] = json!(false);
    }
    if kind.params.iter().any(|param| param.required) {
        required.push("with");
    }
    json!({
        "if": { "properties": { "uses": { "const": kind.name } }, "required": ["uses"] },
        "then": { "properties": properties, "required": required },
    })
}

fn fields(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = of_type(&field.ty);
        if !field.about.is_empty() {
            schema["description"] = field.about.as_str().into();
        }
        properties.insert(field.name.clone(), schema);
    }
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

/// The schema of a value of a type, or of a reference to one.
fn of_type(ty: &Type) -> Value {
    let plain = match ty {
        Type::Any => return json!({}),
        Type::Integer => json!({ "type": "integer" }),
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Duration => json!({ "type": "string", "pattern": duration_pattern() }),
        Type::ResourceId(_) | Type::Scope => json!({ "type": "string", "pattern": "^/" }),
        Type::TenantId | Type::Guid => {
            json!({ "type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" })
        }
        Type::Email => json!({ "type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$" }),
        Type::Url => json!({ "type": "string", "pattern": "^https?://" }),
        Type::String | Type::Name | Type::KeyOf(_) => return json!({ "type": "string" }),
        Type::Choice(words) => json!({ "enum": words }),
        Type::List(inner) => json!({ "type": "array", "items": of_type(inner) }),
        Type::Map(inner) => json!({ "type": "object", "additionalProperties": of_type(inner) }),
        Type::Record(inner) => fields(inner),
    };
    json!({ "anyOf": [plain, { "$ref": "#/$defs/reference" }] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn knows_every_kind_and_its_parameters() {
        let schema = schema(&fixture::catalog());
        let kinds = &schema["$defs"]["step"]["properties"]["uses"]["enum"];
        assert_eq!(kinds.as_array().map(Vec::len), Some(fixture::catalog().kinds.len()));
        let by_kind = schema["$defs"]["step"]["allOf"].as_array();
        let delay = by_kind
            .and_then(|all| all.iter().find(|kind| kind["if"]["properties"]["uses"]["const"] == "delay"))
            .map(|kind| &kind["then"]);
        let delay = delay.map_or(&Value::Null, |delay| delay);
        assert_eq!(delay["properties"]["with"]["required"], json!(["for"]));
        assert_eq!(delay["properties"]["as"], json!(false));
    }
}
