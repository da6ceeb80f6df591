//! Tables: a header, then one row for each element of a map. Cells keep their places.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Source};
use crate::yaml;

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) source: Arc<Source>,
    pub(super) header: Vec<Cell>,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// As a spreadsheet counts: the header is row 1.
    pub(super) number: usize,
    pub(super) cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// Reads a table; quotes as in RFC 4180, rows of nothing are left out.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Table, Diagnostic> {
    let source = yaml::source(name, bytes)?;
    let mut rows = rows(&source)?.into_iter();
    let Some(header) = rows.next() else {
        return Err(Diagnostic::error("TS0407", "the table is empty")
            .at(Place::new(&source, 0..0), "")
            .help("the first row names the columns; the first column is the key"));
    };
    Ok(Table { header: header.cells, rows: rows.collect(), source })
}

fn rows(source: &Arc<Source>) -> Result<Vec<Row>, Diagnostic> {
    let text = source.text.as_str();
    let bytes = text.as_bytes();
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    let mut number = 1;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let cell = if bytes[at] == b'"' {
            let (value, end) = quoted(text, at).ok_or_else(|| {
                Diagnostic::error("TS0407", format!("row {number}: a quote is not closed"))
                    .at(Place::new(source, start..start + 1), "opened here")
                    .help("end the cell with `\"`; a quote inside is written twice")
            })?;
            at = end;
            if at < bytes.len() && !matches!(bytes[at], b',' | b'\n' | b'\r') {
                return Err(Diagnostic::error(
                    "TS0407",
                    format!("row {number}: text follows a closed quote"),
                )
                .at(Place::new(source, at..at + 1), "here")
                .help("write a quote inside a cell twice"));
            }
            value
        } else {
            at += bytes[at..].iter().take_while(|byte| !matches!(byte, b',' | b'\n' | b'\r')).count();
            text[start..at].trim().to_owned()
        };
        cells.push(Cell { text: cell, span: start..at });
        if bytes.get(at) == Some(&b',') {
            at += 1;
            if at < bytes.len() {
                continue;
            }
            cells.push(Cell { text: String::new(), span: at..at });
        }
        if bytes.get(at) == Some(&b'\r') {
            at += 1;
        }
        if bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        finish(&mut rows, &mut cells, number);
        number += 1;
    }
    Ok(rows)
}

fn finish(rows: &mut Vec<Row>, cells: &mut Vec<Cell>, number: usize) {
    let cells = std::mem::take(cells);
    if cells.iter().any(|cell| !cell.text.is_empty()) {
        rows.push(Row { number, cells });
    }
}

/// The text in quotes at `open`, and where it ends.
fn quoted(text: &str, open: usize) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut at = open + 1;
    loop {
        let end = at + text[at..].find('"')?;
        value.push_str(&text[at..end]);
        if !text[end + 1..].starts_with('"') {
            return Some((value, end + 1));
        }
        value.push('"');
        at = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        let table = read("t.csv", text.as_bytes()).unwrap();
        std::iter::once(table.header)
            .chain(table.rows.into_iter().map(|row| row.cells))
            .map(|cells| cells.into_iter().map(|cell| cell.text).collect())
            .collect()
    }

    #[test]
    fn reads_quotes_line_ends_and_empty_cells() {
        assert_eq!(
            cells("\u{feff}a,b\r\n\"x, \"\"y\"\"\n z\",\r\n\r\n,q\n"),
            [vec!["a", "b"], vec!["x, \"y\"\n z", ""], vec!["", "q"]]
        );
        assert_eq!(cells("a,"), [["a", ""]]);
    }

    #[test]
    fn says_the_row_of_a_bad_quote() {
        let message = |text: &str| read("t.csv", text.as_bytes()).unwrap_err().message;
        assert_eq!(message("a\nb\n\"c"), "row 3: a quote is not closed");
        assert_eq!(message("a\n\"b\"c"), "row 2: text follows a closed quote");
        assert_eq!(message("\n\n"), "the table is empty");
    }
}
