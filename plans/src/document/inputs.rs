//! The section `inputs`: declarations and their types.

use crate::catalog::{Field, Type};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Node, Value};

use super::decode::{Decoder, Fields, Text};
use super::{IdentityDecl, InputDecl};

/// The names of types.
pub(crate) const TYPE_NAMES: &[&str] = &[
    "tenant-id",
    "scope",
    "resource-id",
    "guid",
    "email",
    "url",
    "name",
    "string",
    "choice",
    "bool",
    "int",
    "duration",
    "list",
    "map",
    "key-of",
];

impl Decoder {
    pub(super) fn inputs(&mut self, node: &Node) -> Vec<InputDecl> {
        const KEYS: &[&str] = &["type", "of", "default", "optional", "about", "secret"];
        let mut inputs = Vec::new();
        for entry in self.entries(node, "`inputs`").unwrap_or_default() {
            let name = Text { value: entry.key.clone(), span: entry.key_span.clone() };
            self.check_identifier(&name, "the input");
            let Some(fields) = self.map(&entry.value, "an input", KEYS) else { continue };
            let ty = self.input_type(&fields);
            let optional = fields.get("optional").is_some_and(|node| self.boolean(node));
            let secret = fields.get("secret").is_some_and(|node| self.boolean(node));
            let about = fields.get("about").and_then(|node| self.string(node));
            let default = fields.get("default").cloned();
            if let (Some(default), true) = (&default, secret) {
                let diagnostic = Diagnostic::error("TS0406", "a secret has no default")
                    .at(self.hidden(&default.span), "would be stored in the plan")
                    .help("give it with the inputs, as `{ env: NAME }`, `{ file: PATH }` or `{ command: [...] }`");
                self.problem(diagnostic);
            }
            if secret && !matches!(ty, Type::String | Type::Any) {
                let diagnostic = Diagnostic::error("TS0107", "a secret is of type `string`")
                    .at(self.place(&name.span), "this input")
                    .help("write `type: string`");
                self.problem(diagnostic);
            }
            inputs.push(InputDecl { name, ty, default, optional, secret, about });
        }
        self.check_key_of(node, &inputs);
        inputs
    }

    /// Decodes `type` and `of`. An invalid type becomes `any`, so that it is reported only once.
    fn input_type(&mut self, fields: &Fields<'_>) -> Type {
        let of = fields.entry("of");
        let Some(node) = fields.get("type") else {
            self.missing(fields, "type", &format!("add `type:`, one of {}", TYPE_NAMES.join(", ")));
            return Type::Any;
        };
        let Some(name) = self.text(node) else { return Type::Any };
        let needs_of = |decoder: &mut Self, example: &str| {
            let diagnostic = Diagnostic::error("TS0107", format!("type `{}` needs `of`", name.value))
                .at(decoder.place(&name.span), "of what?")
                .help(format!("add `of`, for example {example}"));
            decoder.problem(diagnostic);
            Type::Any
        };
        match (name.value.as_str(), of) {
            ("choice", Some(of)) => {
                let words = self.list(&of.value, "`of` of a choice").unwrap_or_default();
                let words: Vec<String> =
                    words.iter().filter_map(|word| self.text(word)).map(|t| t.value).collect();
                if words.is_empty() {
                    return Type::Any;
                }
                Type::Choice(words)
            }
            ("choice", None) => needs_of(self, "`of: [guest, service-principal]`"),
            ("list", Some(of)) => Type::List(Box::new(self.element_type(&of.value))),
            ("list", None) => needs_of(self, "`of: resource-id`"),
            ("map", Some(of)) => Type::Map(Box::new(self.element_type(&of.value))),
            ("map", None) => needs_of(self, "`of: { scope: { type: scope } }`"),
            ("key-of", Some(of)) => self.text(&of.value).map_or(Type::Any, |map| Type::KeyOf(map.value)),
            ("key-of", None) => needs_of(self, "`of: tenants`, the name of a map input"),
            ("resource-id", Some(of)) => Type::ResourceId(self.text(&of.value).map(|of| of.value)),
            (simple, of) => {
                let ty = simple_type(simple);
                if ty.is_none() {
                    let diagnostic = Diagnostic::error("TS0107", format!("there is no type `{simple}`"))
                        .at(self.place(&name.span), "not a type")
                        .help(format!("types: {}", TYPE_NAMES.join(", ")))
                        .did_you_mean(simple, TYPE_NAMES.iter().copied());
                    self.problem(diagnostic);
                } else if let Some(of) = of {
                    let diagnostic = Diagnostic::error("TS0109", format!("type `{simple}` takes no `of`"))
                        .at(self.place(&of.key_span), "has no effect here")
                        .help("remove it; `of` belongs to choice, list, map, key-of and resource-id");
                    self.problem(diagnostic);
                }
                ty.unwrap_or(Type::Any)
            }
        }
    }

    /// Decodes the element type of a list or a map: the name of a type, `{ type: … }`, or named fields, each with a
    /// type.
    fn element_type(&mut self, node: &Node) -> Type {
        const KEYS: &[&str] = &["type", "of", "optional", "about"];
        let entries = match &node.value {
            Value::Text(name) => {
                return simple_type(name).unwrap_or_else(|| {
                    let diagnostic =
                        Diagnostic::error("TS0107", format!("there is no type `{name}` without `of`"))
                            .at(self.place(&node.span), "not a type")
                            .help(format!(
                                "write one of {}, or `{{ type: …, of: … }}`",
                                TYPE_NAMES.join(", ")
                            ))
                            .did_you_mean(name, TYPE_NAMES.iter().copied());
                    self.problem(diagnostic);
                    Type::Any
                });
            }
            Value::Map(entries) => entries,
            _ => {
                self.wrong(
                    node,
                    "`of` is a type or a mapping of fields",
                    "write `of: string`, or fields with types",
                );
                return Type::Any;
            }
        };
        // A field may be named `type`; then its value is a mapping.
        if entries.iter().any(|entry| entry.key == "type" && matches!(entry.value.value, Value::Text(_))) {
            return match self.map(node, "a type", KEYS) {
                Some(fields) => self.input_type(&fields),
                None => Type::Any,
            };
        }
        let mut record = Vec::new();
        for entry in entries {
            let name = Text { value: entry.key.clone(), span: entry.key_span.clone() };
            self.check_identifier(&name, "the field");
            let Some(fields) = self.map(&entry.value, "a field", KEYS) else { continue };
            record.push(Field {
                name: name.value,
                ty: self.input_type(&fields),
                required: !fields.get("optional").is_some_and(|node| self.boolean(node)),
                about: fields.get("about").and_then(|node| self.string(node)).unwrap_or_default(),
            });
        }
        if record.is_empty() {
            self.wrong(node, "`of` has no field", "name at least one field with its type");
            return Type::Any;
        }
        Type::Record(record)
    }

    /// Checks that `key-of` names a map input.
    fn check_key_of(&mut self, node: &Node, inputs: &[InputDecl]) {
        fn named<'a>(ty: &'a Type, found: &mut Vec<&'a str>) {
            match ty {
                Type::KeyOf(map) => found.push(map),
                Type::List(inner) | Type::Map(inner) => named(inner, found),
                Type::Record(fields) => fields.iter().for_each(|field| named(&field.ty, found)),
                _ => {}
            }
        }
        let maps: Vec<&str> =
            inputs.iter().filter(|i| matches!(i.ty, Type::Map(_))).map(|i| i.name.value.as_str()).collect();
        for input in inputs {
            let mut found = Vec::new();
            named(&input.ty, &mut found);
            for wanted in found.into_iter().filter(|wanted| !maps.contains(wanted)) {
                let span = find_text(node, wanted).unwrap_or(input.name.span.clone());
                let diagnostic = Diagnostic::error("TS0107", format!("there is no map input `{wanted}`"))
                    .at(self.place(&span), "`key-of` names a map input")
                    .help("declare that input with `type: map`")
                    .did_you_mean(wanted, maps.iter().copied());
                self.problem(diagnostic);
            }
        }
    }

    pub(super) fn identities(&mut self, node: &Node) -> Vec<IdentityDecl> {
        const KEYS: &[&str] = &["tenant", "contact", "about"];
        let mut identities = Vec::new();
        for entry in self.entries(node, "`identities`").unwrap_or_default() {
            let name = Text { value: entry.key.clone(), span: entry.key_span.clone() };
            self.check_identifier(&name, "the identity");
            let Some(fields) = self.map(&entry.value, "an identity", KEYS) else { continue };
            let mut attributes = Vec::new();
            for key in ["tenant", "contact"] {
                if let Some(found) = fields.entry(key)
                    && let Some(value) = self.text(&found.value)
                {
                    attributes.push((Text { value: key.to_owned(), span: found.key_span.clone() }, value));
                }
            }
            let about = fields.get("about").and_then(|node| self.string(node));
            identities.push(IdentityDecl { name, attributes, about });
        }
        identities
    }
}

/// Types that need no `of`.
fn simple_type(name: &str) -> Option<Type> {
    Some(match name {
        "tenant-id" => Type::TenantId,
        "scope" => Type::Scope,
        "resource-id" => Type::ResourceId(None),
        "guid" => Type::Guid,
        "email" => Type::Email,
        "url" => Type::Url,
        "name" => Type::Name,
        "string" => Type::String,
        "bool" => Type::Boolean,
        "int" => Type::Integer,
        "duration" => Type::Duration,
        _ => return None,
    })
}

/// The place of the value of an `of` anywhere below `node`.
fn find_text(node: &Node, wanted: &str) -> Option<std::ops::Range<usize>> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|entry| match &entry.value.value {
            Value::Text(text) if entry.key == "of" && text == wanted => Some(entry.value.span.clone()),
            _ => find_text(&entry.value, wanted),
        }),
        Value::List(items) => items.iter().find_map(|item| find_text(item, wanted)),
        _ => None,
    }
}
