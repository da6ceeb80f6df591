//! Values against types, from YAML, from a command line, from a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::catalog::{Field, Type};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use crate::lattice::{Misfit, article, check_text, is_text};
use crate::plan::InputDef;
use crate::reference::has_reference;
use crate::yaml::{self, Node, Value};

use super::csv::Table;
use super::given::Given;

/// A key that must be one of a map input.
pub(super) struct KeyUse {
    pub(super) map: String,
    pub(super) key: String,
    pub(super) place: Place,
    /// Row and column of a table.
    pub(super) where_: String,
}

/// Reads values and gathers what is wrong with them. `None`: something was.
pub(super) struct Reader<'a> {
    pub(super) problems: &'a mut Diagnostics,
    pub(super) keys: &'a mut Vec<KeyUse>,
}

impl Reader<'_> {
    pub(super) fn given(&mut self, name: &str, def: &InputDef, given: &Given) -> Option<Json> {
        match given {
            Given::Node { source, node, .. } if def.secret => self.secret(name, source, node),
            Given::Node { source, node, .. } => self.node(&format!("`{name}`"), &def.ty, source, node),
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

    /// Text of a command line: text as it is, anything else as YAML.
    fn text(&mut self, name: &str, def: &InputDef, place: &Place) -> Option<Json> {
        let text = &place.source.text[place.span.clone()];
        let what = format!("`{name}`");
        if is_text(&def.ty) && !def.secret {
            return self.checked_text(&what, &def.ty, text, place.clone(), "");
        }
        let source = Arc::new(Source { name: format!("--input {name}"), text: text.to_owned() });
        match yaml::read(&source) {
            // The parser's own words would show the text.
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

    /// A secret is said where it lies, never itself.
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
            Diagnostic::error("TS0406", format!("`{name}` is a secret: say where it lies, not what it is"))
                .at(Place::hidden(source, node.span.clone()), "not shown here")
                .help(format!(
                    "write `{name}: {{ env: VARIABLE }}`, `{{ file: PATH }}` or `{{ command: [program, argument] }}`"
                )),
        );
        None
    }

    fn node(&mut self, what: &str, ty: &Type, source: &Arc<Source>, node: &Node) -> Option<Json> {
        let place = Place::new(source, node.span.clone());
        match (ty, &node.value) {
            (Type::Any, _) => Some(node.to_json()),
            (ty, Value::Text(text)) if is_text(ty) => self.checked_text(what, ty, text, place, ""),
            (Type::Boolean, Value::Bool(_)) => Some(node.to_json()),
            (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                Some(node.to_json())
            }
            (Type::List(inner), Value::List(items)) => {
                // Every item is looked at, also after a wrong one.
                let items: Vec<Option<Json>> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.node(&format!("item {} of {what}", at + 1), inner, source, item))
                    .collect();
                items.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
            }
            (Type::Map(inner), Value::Map(entries)) => {
                let entries: Vec<Option<(String, Json)>> = entries
                    .iter()
                    .map(|entry| {
                        let place = Place::new(source, entry.key_span.clone());
                        let good = self.map_key(&entry.key, place);
                        let value = self.node(&format!("`{}`", entry.key), inner, source, &entry.value)?;
                        good.then(|| (entry.key.clone(), value))
                    })
                    .collect();
                entries.into_iter().collect::<Option<Map<String, Json>>>().map(Json::Object)
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
                    match self.node(&format!("`{}` of {what}", field.name), &field.ty, source, &entry.value) {
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
                                .at(Place::new(source, start), "missing in what begins here")
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
        if has_reference(text) {
            self.problems.push(
                Diagnostic::error("TS0403", format!("{what}{where_} holds a reference"))
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

    /// Keys name instances: `connect[KEY].role` must be readable.
    fn map_key(&mut self, key: &str, place: Place) -> bool {
        let good = !key.is_empty()
            && key.chars().count() <= 128
            && !key.chars().any(|c| c.is_control() || c.is_whitespace() || "[]'\"${}".contains(c));
        if !good {
            self.problems.push(
                Diagnostic::error("TS0403", format!("the key {key:?} cannot name an instance"))
                    .at(place, "this key")
                    .help("use up to 128 characters without blanks, quotes, brackets and `$`"),
            );
        }
        good
    }

    fn table(&mut self, inner: &Type, table: &Table) -> Option<Json> {
        let source = &table.source;
        let whole;
        let fields: &[Field] = match inner {
            Type::Record(fields) => fields,
            single => {
                let name = table.header.get(1).map_or("value", |cell| cell.text.as_str()).to_owned();
                whole = [Field { name, ty: single.clone(), required: true, about: String::new() }];
                &whole
            }
        };
        let mut good = true;
        let mut columns: Vec<Option<&Field>> = Vec::new();
        for (at, cell) in table.header.iter().enumerate().skip(1) {
            let place = Place::new(source, cell.span.clone());
            let field = fields.iter().find(|field| field.name == cell.text);
            let twice = table.header[1..at].iter().any(|earlier| earlier.text == cell.text);
            if field.is_none() {
                self.problems.push(unknown_field("the table", &cell.text, fields).at(place, "not known"));
                good = false;
            } else if twice {
                let message = format!("the column `{}` is there twice", cell.text);
                self.problems
                    .push(Diagnostic::error("TS0407", message).at(place, "second time").help("remove one"));
                good = false;
            }
            columns.push(field);
        }
        for field in fields.iter().filter(|field| field.required) {
            if !columns.iter().flatten().any(|column| column.name == field.name) {
                let span = table.header.first().map_or(0..0, |cell| cell.span.clone());
                self.problems.push(
                    Diagnostic::error("TS0407", format!("the table has no column `{}`", field.name))
                        .at(Place::new(source, span), "in this row of names")
                        .help(format!("add it: {}", field.ty)),
                );
                good = false;
            }
        }
        if !good {
            return None;
        }
        let mut map = Map::new();
        let mut seen = BTreeSet::new();
        for row in &table.rows {
            let Some(key) = row.cells.first() else { continue };
            let place = Place::new(source, key.span.clone());
            if row.cells.len() > table.header.len() {
                let extra =
                    row.cells.get(table.header.len()).map_or(key.span.clone(), |cell| cell.span.clone());
                self.problems.push(
                    Diagnostic::error("TS0407", format!("row {} has more cells than the header", row.number))
                        .at(Place::new(source, extra), "one too many")
                        .help("quote a cell that holds `,`; items of a list are separated by `;`"),
                );
                good = false;
                continue;
            }
            good &= self.map_key(&key.text, place.clone());
            if !seen.insert(key.text.as_str()) {
                self.problems.push(
                    Diagnostic::error(
                        "TS0407",
                        format!("row {}: the key `{}` is there twice", row.number, key.text),
                    )
                    .at(place, "second time")
                    .help("keys name the instances: each must be unique"),
                );
                good = false;
                continue;
            }
            match self.row(row, &columns, source) {
                None => good = false,
                Some(record) => {
                    let value = match inner {
                        Type::Record(_) => Json::Object(record),
                        _ => record.into_iter().next().map_or(Json::Null, |(_, value)| value),
                    };
                    map.insert(key.text.clone(), value);
                }
            }
        }
        good.then_some(Json::Object(map))
    }

    fn row(
        &mut self,
        row: &super::csv::Row,
        columns: &[Option<&Field>],
        source: &Arc<Source>,
    ) -> Option<Map<String, Json>> {
        let mut record = Map::new();
        let mut good = true;
        for (at, field) in columns.iter().enumerate() {
            let Some(field) = field else { continue };
            let where_ = format!(" (row {}, column `{}`)", row.number, field.name);
            let cell = row.cells.get(at + 1);
            let text = cell.map_or("", |cell| cell.text.as_str());
            let span = cell.or(row.cells.last()).map_or(0..0, |cell| cell.span.clone());
            let place = Place::new(source, span);
            if text.is_empty() {
                if field.required && !matches!(field.ty, Type::String | Type::List(_)) {
                    self.problems.push(
                        Diagnostic::error("TS0407", format!("`{}` is empty{where_}", field.name))
                            .at(place, "empty")
                            .help(format!("write a {}", field.ty)),
                    );
                    good = false;
                    continue;
                }
                if !field.required {
                    continue;
                }
            }
            match self.cell(&field.name, &field.ty, text, &place, &where_) {
                Some(value) => {
                    record.insert(field.name.clone(), value);
                }
                None => good = false,
            }
        }
        good.then_some(record)
    }

    fn cell(&mut self, name: &str, ty: &Type, text: &str, place: &Place, where_: &str) -> Option<Json> {
        let what = format!("`{name}`");
        match ty {
            Type::List(inner) => {
                let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
                let items: Vec<Option<Json>> =
                    items.map(|item| self.cell(name, inner, item, place, where_)).collect();
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
    /// The label was made before the place was known.
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
    diagnostic
}

fn unknown_field(what: &str, name: &str, fields: &[Field]) -> Diagnostic {
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

/// Whether a computed value fits; says why not.
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
        (ty, value) => Err(format!("{value} is no {ty}")),
    }
}
