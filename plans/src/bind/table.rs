//! Converts a table to a map: the first column is the key, the other columns are fields.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::catalog::{Field, Type};
use crate::diagnostic::{Diagnostic, Place, Source};
use crate::elements::compared;

use super::csv::{Cell, Row, Separator, Table};
use super::value::{Reader, unknown_field};

impl Reader<'_> {
    /// The map of a table; `None` if the table has an error.
    pub(super) fn table(&mut self, inner: &Type, table: &Table) -> Option<Json> {
        let whole;
        let fields: &[Field] = match inner {
            Type::Record(fields) => fields,
            single => {
                let name = table.header.get(1).map_or("value", |cell| cell.text.as_str()).to_owned();
                whole = [Field { name, ty: single.clone(), required: true, about: String::new() }];
                &whole
            }
        };
        self.lists = table.separator.of_lists();
        let columns = self.columns(table, fields)?;
        self.say_how_lists_are_separated(table, &columns);
        let source = &table.source;
        let mut good = true;
        let mut map = Map::new();
        let mut seen: HashMap<String, &Row> = HashMap::new();
        for row in &table.rows {
            let Some(key) = row.cells.first() else { continue };
            let place = Place::new(source, key.span.clone());
            if row.cells.len() > table.header.len() {
                let extra =
                    row.cells.get(table.header.len()).map_or(key.span.clone(), |cell| cell.span.clone());
                let message = format!("row {} has more cells than the header", row.number);
                self.problems.push(
                    Diagnostic::error("TS0407", message).at(Place::new(source, extra), "one too many").help(
                        format!(
                            "cells are separated by {}: quote a cell that contains it; {}",
                            table.separator.word(),
                            lists_help(table.separator)
                        ),
                    ),
                );
                good = false;
                continue;
            }
            let column = match table.header.first() {
                Some(named) if !named.text.is_empty() => format!("column `{}`", named.text),
                _ => "the key".to_owned(),
            };
            good &= self.map_key(&key.text, place.clone(), &format!(" (row {}, {column})", row.number));
            // For what has no cell of its own, as an absent field.
            self.places.put(&self.path.below(&key.text), &place, &format!(" (row {})", row.number));
            if let Some(first) = seen.insert(compared(&key.text), row) {
                self.key_twice(source, first, row);
                good = false;
                continue;
            }
            let is_record = matches!(inner, Type::Record(_));
            match self.below(&key.text, |reader| reader.row(row, &columns, source, is_record)) {
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
        if table.rows.is_empty() {
            let place = Place::new(source, span_of(table.header.first()));
            self.problems.push(
                Diagnostic::warning("TS0412", format!("the table `{}` has no rows", source.name))
                    .at(place, "only this row of names")
                    .help("each further row is an element; without rows there are no elements"),
            );
        }
        self.same_scopes(inner, &map);
        good.then_some(Json::Object(map))
    }

    /// The field of each column after the first.
    fn columns<'f>(&mut self, table: &Table, fields: &'f [Field]) -> Option<Vec<&'f Field>> {
        let source = &table.source;
        let first = table.header.first();
        let key = first.map_or("", |cell| cell.text.as_str());
        let key_place = Place::new(source, span_of(first));
        if fields.iter().any(|field| field.name == key)
            && !table.header[1..].iter().any(|cell| cell.text == key)
        {
            self.problems.push(
                Diagnostic::error("TS0407", "the table has no column for the keys")
                    .at(key_place, format!("the first column is the key of each row, and `{key}` is a field"))
                    .help(
                        "add a first column `key` with a short name for each row, which names the instance",
                    ),
            );
            return None;
        }
        if let ([only], Some(sign)) = (&table.header[..], key.chars().find(|c| "|:^~".contains(*c)))
            && fields.iter().any(|field| field.required)
        {
            let message = format!("the table has one column, whose name contains `{sign}`");
            self.problems.push(
                Diagnostic::error("TS0407", message)
                    .at(Place::new(source, only.span.clone()), "one name")
                    .help("separate the cells by `,`, `;` or tabs"),
            );
            return None;
        }
        let mut good = true;
        let mut columns: Vec<&Field> = Vec::new();
        for (at, cell) in table.header.iter().enumerate().skip(1) {
            let place = Place::new(source, cell.span.clone());
            let twice = table.header[1..at].iter().any(|earlier| earlier.text == cell.text);
            match fields.iter().find(|field| field.name == cell.text) {
                None if cell.text.is_empty() => {
                    self.problems.push(unnamed_column(table, at));
                    good = false;
                }
                None => {
                    self.problems.push(unknown_field("the table", &cell.text, fields).at(place, "not known"));
                    good = false;
                }
                Some(_) if twice => {
                    let message = format!("the column `{}` is present twice", cell.text);
                    let diagnostic = Diagnostic::error("TS0407", message).at(place, "second time");
                    self.problems.push(diagnostic.help("remove one"));
                    good = false;
                }
                Some(field) => columns.push(field),
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            if !columns.iter().any(|column| column.name == field.name) {
                self.problems.push(
                    Diagnostic::error("TS0407", format!("the table has no column `{}`", field.name))
                        .at(key_place.clone(), "in this row of names")
                        .help(format!("add it: {}", field.ty)),
                );
                good = false;
            }
        }
        good.then_some(columns)
    }

    /// Warns if lists in a cell need another separator than `;`, because `;` or a tab separates cells.
    fn say_how_lists_are_separated(&mut self, table: &Table, columns: &[&Field]) {
        let list = columns.iter().position(|field| matches!(field.ty, Type::List(_)));
        let (Some(at), false) = (list, table.separator == Separator::Comma) else { return };
        let word = table.separator.word();
        let message = format!("in `{}` cells are separated by {word}", table.source.name);
        self.problems.push(
            Diagnostic::warning("TS0413", message)
                .at(
                    Place::new(&table.source, span_of(table.header.get(at + 1))),
                    "this column contains lists",
                )
                .help(lists_help(table.separator)),
        );
    }

    fn key_twice(&mut self, source: &Arc<Source>, first: &Row, again: &Row) {
        let key = |row: &Row| row.cells.first().map(|cell| cell.text.clone()).unwrap_or_default();
        let message = if key(first) == key(again) {
            format!("row {}: the key `{}` is present twice", again.number, key(again))
        } else {
            format!(
                "row {}: the key `{}` is `{}` of row {} in another case: Azure treats both as one name",
                again.number,
                key(again),
                key(first),
                first.number
            )
        };
        self.problems.push(
            Diagnostic::error("TS0407", message)
                .at(Place::new(source, span_of(again.cells.first())), "second time")
                .and_at(Place::new(source, span_of(first.cells.first())), "first time")
                .help("keys name the instances, without regard to case: rename or remove one"),
        );
    }

    /// The fields of a row. `is_record`: the element has fields; otherwise its value is that of the only column.
    fn row(
        &mut self,
        row: &Row,
        columns: &[&Field],
        source: &Arc<Source>,
        is_record: bool,
    ) -> Option<Map<String, Json>> {
        let mut record = Map::new();
        let mut good = true;
        for (at, field) in columns.iter().enumerate() {
            let where_ = format!(" (row {}, column `{}`)", row.number, field.name);
            let cell = row.cells.get(at + 1);
            let text = cell.map_or("", |cell| cell.text.as_str());
            let place = Place::new(source, span_of(cell.or(row.cells.last())));
            if text.is_empty() {
                if field.required && !matches!(field.ty, Type::List(_)) {
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
            let read = |reader: &mut Self| reader.cell(&field.name, &field.ty, text, &place, &where_);
            let value = if is_record { self.below(&field.name, read) } else { read(self) };
            match value {
                Some(value) => {
                    record.insert(field.name.clone(), value);
                }
                None => good = false,
            }
        }
        good.then_some(record)
    }
}

/// The error for a column with cells but without a name.
fn unnamed_column(table: &Table, at: usize) -> Diagnostic {
    let place = |cell| Place::new(&table.source, span_of(cell));
    // A spreadsheet shows letters in place of numbers.
    let letter = u8::try_from(at).ok().filter(|at| *at < 26).map(|at| char::from(b'A' + at));
    let letter = letter.map(|letter| format!(" ({letter})")).unwrap_or_default();
    let mut diagnostic = Diagnostic::error("TS0407", format!("column {}{letter} has no name", at + 1))
        .at(place(table.header.get(at)), "empty in this row of names")
        .help("name the column, or remove it with its cells");
    let cells = table.rows.iter().filter_map(|row| row.cells.get(at));
    if let Some(cell) = cells.into_iter().find(|cell| !cell.text.is_empty()) {
        diagnostic = diagnostic.and_at(place(Some(cell)), "a cell of this column");
    }
    diagnostic
}

fn span_of(cell: Option<&Cell>) -> std::ops::Range<usize> {
    cell.map_or(0..0, |cell| cell.span.clone())
}

fn lists_help(separator: Separator) -> &'static str {
    match separator {
        Separator::Comma => "items of a list are separated by `;`",
        Separator::Semicolon => "items of a list are separated by `|`, or by `;` in a cell in quotes",
        Separator::Tab => "items of a list are separated by `;` or `|`",
    }
}
