//! Checks values from YAML, from a command line and from a table against types.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::catalog::{Field, Type};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use crate::elements::{PATTERN, compared, folded, names_an_instance};
use crate::lattice::{Misfit, article, check_text, is_text};
use crate::plan::InputDef;
use crate::reference::has_reference;
use crate::yaml::{self, Node, Value};

use super::given::Given;
use super::places::{Places, ValuePath};

/// A key that must be one of a map input.
pub(super) struct KeyUse {
    pub(super) map: String,
    pub(super) key: String,
    pub(super) place: Place,
    /// Row and column of a table.
    pub(super) where_: String,
}

/// Reads values and collects errors. `None`: the value has an error.
pub(super) struct Reader<'a> {
    pub(super) problems: &'a mut Diagnostics,
    pub(super) keys: &'a mut Vec<KeyUse>,
    /// The separators of list items in a table cell.
    pub(super) lists: &'static [char],
    /// The path of the current value.
    pub(super) path: ValuePath,
    /// The places of the values.
    pub(super) places: &'a mut Places,
}

impl Reader<'_> {
    /// Reads a value inside the current one.
    pub(super) fn below<R>(&mut self, part: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(part);
        let value = read(self);
        self.path.pop();
        value
    }

    pub(super) fn given(&mut self, name: &str, def: &InputDef, given: &Given) -> Option<Json> {
        match given {
            Given::Node { source, node, .. } if def.secret => self.secret(name, source, node),
            Given::Node { source, node, .. } => self.node(&format!("`{name}`"), &def.ty, source, node),
            Given::Text { variable: Some(variable), .. } if def.secret => {
                Some(serde_json::json!({ "env": variable }))
            }
            Given::Text { value, .. } => self.text(name, def, value),
            Given::Table { name: place, table } => match &def.ty {
                Type::Map(inner) => self.table(inner, table),
                other => {
                    let message = format!("`{name}` is {}: only a map is read from a table", article(other));
                    self.problems.push(
                        Diagnostic::error("TS0407", message)
                            .at(place.clone(), "given as a table")
                            .help("give its value itself"),
                    );
                    None
                }
            },
        }
    }

    /// A value from the command line: plain text for a type of text, else YAML.
    fn text(&mut self, name: &str, def: &InputDef, place: &Place) -> Option<Json> {
        let text = &place.source.text[place.span.clone()];
        let what = format!("`{name}`");
        if is_text(&def.ty) && !def.secret {
            return self.checked_text(&what, &def.ty, text, place.clone(), "");
        }
        let source = Arc::new(Source { name: format!("--input {name}"), text: text.to_owned() });
        match yaml::read(&source) {
            // The parser's error message would show the text.
            Err(_) if def.secret => {
                let node = Node { span: 0..text.len(), value: Value::Text(text.to_owned()) };
                self.secret(name, &source, &node)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
            Ok(None) => {
                self.problems.push(
                    Diagnostic::error("TS0403", format!("{what} is empty"))
                        .at(place.clone(), "no value")
                        .help(format!("write --input {name}=VALUE, a {}", def.ty)),
                );
                None
            }
            Ok(Some(node)) if def.secret => self.secret(name, &source, &node),
            Ok(Some(node)) => self.node(&what, &def.ty, &source, &node),
        }
    }

    /// A secret, which is given by its source and never by its value.
    fn secret(&mut self, name: &str, source: &Arc<Source>, node: &Node) -> Option<Json> {
        let one = match &node.value {
            Value::Map(entries) => match entries.as_slice() {
                [entry] => Some(entry),
                _ => None,
            },
            _ => None,
        };
        let good = one.is_some_and(|entry| match (entry.key.as_str(), &entry.value.value) {
            ("env" | "file" | "command", Value::Text(text)) => !text.is_empty(),
            ("command", Value::List(words)) => {
                !words.is_empty() && words.iter().all(|word| matches!(word.value, Value::Text(_)))
            }
            _ => false,
        });
        if good {
            return Some(node.to_json());
        }
        self.problems.push(
            Diagnostic::error("TS0406", format!("`{name}` is a secret: give its source, not its value"))
                .at(Place::hidden(source, node.span.clone()), "not shown here")
                .help(format!(
                    "write `{name}: {{ env: VARIABLE }}`, `{{ file: PATH }}` or `{{ command: [program, argument] }}`"
                )),
        );
        None
    }

    fn node(&mut self, what: &str, ty: &Type, source: &Arc<Source>, node: &Node) -> Option<Json> {
        let place = Place::new(source, node.span.clone());
        self.places.put(&self.path, &place, "");
        match (ty, &node.value) {
            (Type::Any, _) => Some(node.to_json()),
            (ty, Value::Text(text)) if is_text(ty) => self.checked_text(what, ty, text, place, ""),
            (Type::Boolean, Value::Bool(_)) => Some(node.to_json()),
            (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                Some(node.to_json())
            }
            (Type::List(inner), Value::List(items)) => {
                // Check every item, also after an error.
                let items: Vec<Option<Json>> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| {
                        let what = format!("item {} of {what}", at + 1);
                        self.below(&at.to_string(), |reader| reader.node(&what, inner, source, item))
                    })
                    .collect();
                items.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
            }
            (Type::Map(inner), Value::Map(entries)) => {
                let distinct = self.distinct_keys(source, entries);
                let entries: Vec<Option<(String, Json)>> = entries
                    .iter()
                    .map(|entry| {
                        let place = Place::new(source, entry.key_span.clone());
                        let good = self.map_key(&entry.key, place, "");
                        let what = format!("`{}`", entry.key);
                        let value =
                            self.below(&entry.key, |reader| reader.node(&what, inner, source, &entry.value))?;
                        good.then(|| (entry.key.clone(), value))
                    })
                    .collect();
                let map = entries.into_iter().collect::<Option<Map<String, Json>>>()?;
                self.same_scopes(inner, &map);
                distinct.then_some(Json::Object(map))
            }
            (Type::Record(fields), Value::Map(entries)) => {
                let mut record = Map::new();
                let mut good = true;
                for entry in entries {
                    let Some(field) = fields.iter().find(|field| field.name == entry.key) else {
                        self.problems.push(
                            unknown_field(what, &entry.key, fields)
                                .at(Place::new(source, entry.key_span.clone()), "not known"),
                        );
                        good = false;
                        continue;
                    };
                    let what = format!("`{}` of {what}", field.name);
                    let read = |reader: &mut Self| reader.node(&what, &field.ty, source, &entry.value);
                    match self.below(&entry.key, read) {
                        Some(value) => {
                            record.insert(entry.key.clone(), value);
                        }
                        None => good = false,
                    }
                }
                for field in fields.iter().filter(|field| field.required) {
                    if !entries.iter().any(|entry| entry.key == field.name) {
                        good = false;
                        let start = place.span.start..place.span.start + 1;
                        self.problems.push(
                            Diagnostic::error("TS0403", format!("{what} has no `{}`", field.name))
                                .at(Place::new(source, start), "missing in the mapping that begins here")
                                .help(format!("add `{}:`, a {}", field.name, field.ty)),
                        );
                    }
                }
                good.then_some(Json::Object(record))
            }
            (ty, Value::Number(_) | Value::Bool(_)) if is_text(ty) => {
                let written = &source.text[place.span.clone()];
                let help = format!("write it in quotes: \"{written}\"");
                self.problems.push(
                    Diagnostic::error("TS0403", format!("{what} must be {}", article(ty)))
                        .at(place, format!("this is {}", node.what()))
                        .help(help),
                );
                None
            }
            (ty, _) => {
                self.problems.push(
                    Diagnostic::error("TS0403", format!("{what} must be {}", article(ty)))
                        .at(place, format!("this is {}", node.what()))
                        .help(example(ty)),
                );
                None
            }
        }
    }

    fn checked_text(
        &mut self,
        what: &str,
        ty: &Type,
        text: &str,
        place: Place,
        where_: &str,
    ) -> Option<Json> {
        self.places.put(&self.path, &place, where_);
        if has_reference(text) {
            self.problems.push(
                Diagnostic::error("TS0403", format!("{what}{where_} contains a reference"))
                    .at(place, "inputs are values; references belong in the plan")
                    .help("write the value itself"),
            );
            return None;
        }
        if let Err(misfit) = check_text(text, ty) {
            self.problems.push(misfit_of(what, ty, misfit, where_).at_place(place));
            return None;
        }
        if let Type::KeyOf(map) = ty {
            self.keys.push(KeyUse {
                map: map.clone(),
                key: text.to_owned(),
                place,
                where_: where_.to_owned(),
            });
        }
        Some(text.into())
    }

    /// Checks that keys are distinct without regard to case, as names in Azure are: keys name instances.
    fn distinct_keys(&mut self, source: &Arc<Source>, entries: &[yaml::Entry]) -> bool {
        let mut seen: HashMap<String, &yaml::Entry> = HashMap::new();
        let mut distinct = true;
        for entry in entries {
            let Some(first) = seen.insert(compared(&entry.key), entry) else { continue };
            let message = format!("the keys `{}` and `{}` are the same name in Azure", first.key, entry.key);
            self.problems.push(
                Diagnostic::error("TS0410", message)
                    .at(Place::new(source, entry.key_span.clone()), "second time")
                    .and_at(Place::new(source, first.key_span.clone()), "first time")
                    .help("keys name the instances, without regard to case: rename or remove one"),
            );
            distinct = false;
        }
        distinct
    }

    /// Warns of two elements with the same subscription or management group, which is likely a copying error.
    pub(super) fn same_scopes(&mut self, inner: &Type, map: &Map<String, Json>) {
        let Type::Record(fields) = inner else { return };
        for field in fields.iter().filter(|field| field.ty == Type::Scope) {
            let mut seen: HashMap<String, &str> = HashMap::new();
            for (key, value) in map {
                let Some(scope) = value.get(&field.name).and_then(Json::as_str) else { continue };
                let Some(first) = seen.insert(folded(scope), key) else { continue };
                let message = format!("`{first}` and `{key}` have the same `{}`: {scope}", field.name);
                self.problems.push(Diagnostic::warning("TS0411", message).help(
                    "each is an instance, and both change the same scope: remove one unless this is intended",
                ));
            }
        }
    }

    /// Checks a key that names an instance: `connect[KEY].role` must be readable, and must not be a pattern.
    pub(super) fn map_key(&mut self, key: &str, place: Place, where_: &str) -> bool {
        self.places.put(&self.path.below(key).key(), &place, where_);
        if key.contains(PATTERN) {
            self.problems.push(
                Diagnostic::error("TS0403", format!("the key {key:?}{where_} cannot name an instance"))
                    .at(place, "this key")
                    .help("remove `*`: in `decide` it stands for every instance"),
            );
            return false;
        }
        // In addition, a person can write it on a command line without thinking of a shell.
        let good = names_an_instance(key)
            && key.chars().count() <= 128
            && !key.chars().any(|c| c.is_whitespace() || "'\"${}".contains(c));
        if !good {
            self.problems.push(
                Diagnostic::error("TS0403", format!("the key {key:?} cannot name an instance"))
                    .at(place, "this key")
                    .help("use up to 128 characters without blanks, quotes, brackets and `$`"),
            );
        }
        good
    }

    pub(super) fn cell(
        &mut self,
        name: &str,
        ty: &Type,
        text: &str,
        place: &Place,
        where_: &str,
    ) -> Option<Json> {
        let what = format!("`{name}`");
        match ty {
            Type::List(inner) => {
                let items = text.split(self.lists).map(str::trim).filter(|item| !item.is_empty());
                let items: Vec<Option<Json>> = items
                    .enumerate()
                    .map(|(at, item)| {
                        let read = |reader: &mut Self| reader.cell(name, inner, item, place, where_);
                        self.below(&at.to_string(), read)
                    })
                    .collect();
                items.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
            }
            Type::Boolean if matches!(text, "true" | "false") => Some((text == "true").into()),
            Type::Integer if text.parse::<i64>().is_ok() => text.parse::<i64>().ok().map(Json::from),
            Type::Any => Some(text.into()),
            ty => self.checked_text(&what, ty, text, place.clone(), where_),
        }
    }
}

trait AtPlace {
    fn at_place(self, place: Place) -> Self;
}

impl AtPlace for Diagnostic {
    /// Sets the place of a diagnostic whose label was created before the place was known.
    fn at_place(mut self, place: Place) -> Self {
        let label = self.primary.take().map(|label| label.text).unwrap_or_default();
        self.at(place, label)
    }
}

fn misfit_of(what: &str, ty: &Type, misfit: Misfit, where_: &str) -> Diagnostic {
    let nowhere = Arc::new(Source { name: String::new(), text: String::new() });
    let mut diagnostic = Diagnostic::error("TS0403", format!("{what} must be {}{where_}", article(ty)))
        .at(Place::new(&nowhere, 0..0), misfit.why)
        .help(misfit.help);
    diagnostic.suggestion = misfit.suggestion;
    diagnostic.domain = misfit.domain.map(Into::into);
    diagnostic
}

pub(super) fn unknown_field(what: &str, name: &str, fields: &[Field]) -> Diagnostic {
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    Diagnostic::error("TS0403", format!("{what} has no field `{name}`"))
        .help(format!("fields: {}", known.join(", ")))
        .did_you_mean(name, known)
}

fn example(ty: &Type) -> String {
    match ty {
        Type::List(_) => "write a list: `[ … ]`, or one line `- …` for each item".to_owned(),
        Type::Map(_) => "write `key: …` lines, one for each element, or `{ file: FILE.csv }`".to_owned(),
        Type::Record(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            format!("write a mapping with {}", names.join(", "))
        }
        Type::Boolean => "write `true` or `false`".to_owned(),
        Type::Integer => "write a whole number".to_owned(),
        other => format!("write a value of type {other}"),
    }
}

/// Checks a computed value against a type; the error says why it does not fit.
pub(super) fn check_json(ty: &Type, value: &Json) -> Result<(), String> {
    match (ty, value) {
        (Type::Any, _) | (Type::Boolean, Json::Bool(_)) => Ok(()),
        (Type::Integer, Json::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
        (ty, Json::String(text)) if is_text(ty) => {
            check_text(text, ty).map_err(|misfit| format!("{text:?} is {}", misfit.why))
        }
        (Type::List(inner), Json::Array(items)) => items.iter().try_for_each(|item| check_json(inner, item)),
        (Type::Map(inner), Json::Object(map)) => map.values().try_for_each(|item| check_json(inner, item)),
        (Type::Record(fields), Json::Object(map)) => {
            fields.iter().try_for_each(|field| match map.get(&field.name) {
                Some(value) => check_json(&field.ty, value),
                None if field.required => Err(format!("`{}` is missing", field.name)),
                None => Ok(()),
            })
        }
        (ty, value) => Err(format!("{value} is not of type {ty}")),
    }
}
