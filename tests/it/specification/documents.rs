//! The OpenAPI files on disk, and their schemas as JSON Schema: references followed, inheritance flattened, and
//! nothing allowed that is not described.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// Every file below `specification/`, by its path there.
pub(super) struct Documents {
    files: BTreeMap<String, Value>,
}

/// The direction of a body: read-only properties are not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Request,
    Response,
}

/// Part of a file.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// The file's path; references are relative to it.
    pub(super) file: &'a str,
    pub(super) value: &'a Value,
}

impl Documents {
    pub(super) fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "json") {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                    files.insert(name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap());
                }
            }
        }
        Documents { files }
    }

    /// Every file that describes operations.
    pub(super) fn apis(&self) -> impl Iterator<Item = Part<'_>> {
        let apis = self.files.iter().filter(|(_, value)| value["paths"].is_object());
        apis.map(|(file, value)| Part { file, value })
    }

    /// The target of `reference`, relative to `file`. `None` for an example that was not saved.
    pub(super) fn follow(&self, file: &str, reference: &str) -> Option<Part<'_>> {
        let (path, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let mut place: Vec<&str> = file.split('/').collect();
        if !path.is_empty() {
            place.pop();
            for step in path.split('/') {
                match step {
                    "." => {}
                    ".." => drop(place.pop()),
                    step => place.push(step),
                }
            }
        }
        let (file, whole) = self.files.get_key_value(&place.join("/"))?;
        Some(Part { file, value: whole.pointer(pointer)? })
    }

    /// The part itself, or the target of its reference.
    pub(super) fn resolved<'a>(&'a self, part: Part<'a>) -> Part<'a> {
        let mut part = part;
        while let Some(reference) = part.value["$ref"].as_str() {
            part = self
                .follow(part.file, reference)
                .unwrap_or_else(|| panic!("{}: {reference} leads nowhere", part.file));
        }
        part
    }

    /// A whole JSON Schema for `part`.
    pub(super) fn schema(&self, part: Part<'_>, direction: Direction) -> Value {
        let mut conversion =
            Conversion { documents: self, direction, names: BTreeMap::new(), definitions: Map::new() };
        let mut schema = conversion.convert(part);
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["$defs"] = Value::Object(conversion.definitions);
        schema
    }
}

struct Conversion<'a> {
    documents: &'a Documents,
    direction: Direction,
    /// Names of definitions, by file and pointer.
    names: BTreeMap<String, String>,
    definitions: Map<String, Value>,
}

/// The properties of an object with those that it inherits.
#[derive(Default)]
struct Fields {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// `additionalProperties`, if it is present.
    others: Option<Value>,
}

impl Conversion<'_> {
    fn convert(&mut self, part: Part<'_>) -> Value {
        if let Some(reference) = part.value["$ref"].as_str() {
            let target = self
                .documents
                .follow(part.file, reference)
                .unwrap_or_else(|| panic!("{}: {reference} leads nowhere", part.file));
            let pointer = reference.split_once('#').map_or("", |(_, pointer)| pointer);
            let key = format!("{}#{pointer}", target.file);
            if !self.names.contains_key(&key) {
                let name = format!("{}.{}", self.names.len(), pointer.rsplit('/').next().unwrap_or_default());
                self.names.insert(key.clone(), name.clone());
                let schema = self.one_of_its_kinds(target, pointer).unwrap_or_else(|| self.convert(target));
                self.definitions.insert(name, schema);
            }
            return json!({ "$ref": format!("#/$defs/{}", self.names[&key]) });
        }
        let described = part.value;
        let mut schema = if described["properties"].is_object() || described["allOf"].is_array() {
            self.object(part)
        } else {
            self.simple(part)
        };
        if described["x-nullable"] == true {
            schema = json!({ "anyOf": [{ "type": "null" }, schema] });
        }
        schema
    }

    /// A definition with a discriminator stands for each definition that inherits from it.
    fn one_of_its_kinds(&mut self, part: Part<'_>, pointer: &str) -> Option<Value> {
        let discriminator = part.value["discriminator"].as_str()?;
        let documents = self.documents;
        let parent = format!("#{pointer}");
        let own = documents.files[part.file]["definitions"].as_object()?;
        let heirs = own.iter().filter(|(_, heir)| {
            heir["allOf"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|inherited| inherited["$ref"] == parent.as_str())
        });
        let kinds: Vec<Value> = heirs
            .map(|(name, heir)| {
                let mut schema = self.object(Part { file: part.file, value: heir });
                let value = heir["x-ms-discriminator-value"].as_str().unwrap_or(name);
                schema["properties"][discriminator] = json!({ "const": value });
                schema
            })
            .collect();
        Some(json!({ "oneOf": kinds }))
    }

    fn simple(&mut self, part: Part<'_>) -> Value {
        const KEPT: [&str; 13] = [
            "type",
            "format",
            "enum",
            "pattern",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "uniqueItems",
            "multipleOf",
            "const",
        ];
        let mut schema = Map::new();
        for key in KEPT {
            if let Some(value) = part.value.get(key) {
                schema.insert(key.to_owned(), value.clone());
            }
        }
        // An object without any description means any value in these files (rows of Resource Graph are a list).
        if part.value["type"] == "object" && part.value.get("additionalProperties").is_none() {
            schema.remove("type");
        }
        if let Some(items) = part.value.get("items") {
            schema.insert("items".to_owned(), self.convert(Part { file: part.file, value: items }));
        }
        if let Some(others) = part.value.get("additionalProperties") {
            schema.insert("additionalProperties".to_owned(), self.others(part.file, others));
        }
        Value::Object(schema)
    }

    fn object(&mut self, part: Part<'_>) -> Value {
        let mut fields = Fields::default();
        self.gather(part, &mut fields);
        let others = fields.others.unwrap_or(json!(false));
        json!({
            "type": "object",
            "properties": fields.properties,
            "required": fields.required,
            "additionalProperties": others,
        })
    }

    fn others(&mut self, file: &str, others: &Value) -> Value {
        if others.is_object() { self.convert(Part { file, value: others }) } else { others.clone() }
    }

    fn gather(&mut self, part: Part<'_>, fields: &mut Fields) {
        let part = self.documents.resolved(part);
        for parent in part.value["allOf"].as_array().into_iter().flatten() {
            self.gather(Part { file: part.file, value: parent }, fields);
        }
        let mut unsent = Vec::new();
        for (name, property) in part.value["properties"].as_object().into_iter().flatten() {
            let property = Part { file: part.file, value: property };
            if self.direction == Direction::Request && self.is_read_only(property) {
                unsent.push(name.as_str());
                // An inherited property may be sent; one that is described again here as read-only may not.
                fields.properties.remove(name);
            } else {
                let schema = self.convert(property);
                fields.properties.insert(name.clone(), schema);
            }
        }
        for name in part.value["required"].as_array().into_iter().flatten() {
            if !unsent.contains(&name.as_str().unwrap()) && !fields.required.contains(name) {
                fields.required.push(name.clone());
            }
        }
        if let Some(others) = part.value.get("additionalProperties") {
            fields.others = Some(self.others(part.file, others));
        }
    }

    fn is_read_only(&self, property: Part<'_>) -> bool {
        let target = self.documents.resolved(property);
        let says = |value: &Value| {
            let mutability = value["x-ms-mutability"].as_array();
            value["readOnly"] == true || mutability.is_some_and(|may| may.iter().all(|one| one == "read"))
        };
        says(property.value) || says(target.value)
    }
}
