//! Tables: a header, then one row for each element of a map. Cells keep their positions.
//!
//! Cells are separated by `,`, `;` or a tab, as spreadsheets write them depending on the locale; the separator is
//! detected from the
//! header.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place, Source};
use crate::yaml;

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) source: Arc<Source>,
    pub(super) header: Vec<Cell>,
    pub(super) rows: Vec<Row>,
    /// The separator of cells.
    pub(super) separator: Separator,
}

/// The separator of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Comma,
    Semicolon,
    Tab,
}

impl Separator {
    const ALL: [Separator; 3] = [Separator::Comma, Separator::Semicolon, Separator::Tab];

    fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        }
    }

    /// The name in messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Separator::Comma => "`,`",
            Separator::Semicolon => "`;`",
            Separator::Tab => "a tab",
        }
    }

    /// The separators of list items in one cell.
    pub(super) fn of_lists(self) -> &'static [char] {
        match self {
            Separator::Comma => &[';'],
            Separator::Semicolon | Separator::Tab => &[';', '|'],
        }
    }

    /// The separator of the line `sep=;`, which some spreadsheets write first.
    fn said(line: &str) -> Option<Self> {
        let word = line.trim_end_matches(['\r', '\n']).strip_prefix("sep=")?;
        Separator::ALL.into_iter().find(|separator| word.as_bytes() == [separator.byte()])
    }

    /// The separator that occurs most often in a header.
    fn of_header(line: &str) -> Self {
        let mut quoted = false;
        let mut counts = [0_usize; 3];
        for byte in line.bytes() {
            quoted ^= byte == b'"';
            for (count, separator) in counts.iter_mut().zip(Separator::ALL) {
                *count += usize::from(!quoted && byte == separator.byte());
            }
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        let found = counts.iter().zip(Separator::ALL).find(|(count, _)| **count == most);
        found.map_or(Separator::Comma, |(_, separator)| separator)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Row number as a spreadsheet counts: the header is row 1.
    pub(super) number: usize,
    pub(super) cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// Reads a table, with quotes as in RFC 4180; empty rows are skipped.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Table, Diagnostic> {
    let source = yaml::source(name, bytes).map_err(|problem| match problem.code {
        "TS0002" => problem.help("split the table, and start a run for each part"),
        // Excel's `Unicode Text` is UTF-16, its plain `CSV` an old code page.
        "TS0003" => problem.help("save it as UTF-8; in Excel as `CSV UTF-8 (Comma delimited)`"),
        _ => problem,
    })?;
    let text = source.text.as_str();
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    let (separator, begin) = match Separator::said(first) {
        Some(separator) => (separator, first.len()),
        None => {
            let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            (Separator::of_header(header), 0)
        }
    };
    let mut rows = rows(&source, separator, begin)?;
    drop_empty_columns(&mut rows);
    let mut rows = rows.into_iter();
    let Some(header) = rows.next() else {
        return Err(Diagnostic::error("TS0407", "the table is empty")
            .at(Place::new(&source, 0..0), "")
            .help("the first row names the columns; the first column is the key"));
    };
    Ok(Table { header: header.cells, rows: rows.collect(), separator, source })
}

/// Drops the empty columns at the end, which a spreadsheet saves for cells that were cleared or only formatted, and the
/// empty cells of a row after its header.
fn drop_empty_columns(rows: &mut [Row]) {
    let filled = |row: &Row| row.cells.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |at| at + 1);
    let Some(all) = rows.iter().map(filled).max() else { return };
    let header = rows.first().map_or(0, |header| header.cells.len().min(all));
    for row in rows {
        let keep = filled(row).max(header);
        row.cells.truncate(keep);
    }
}

/// Reads the rows from byte `at` on.
fn rows(source: &Arc<Source>, separator: Separator, mut at: usize) -> Result<Vec<Row>, Diagnostic> {
    let text = source.text.as_str();
    let bytes = text.as_bytes();
    let separator = separator.byte();
    let ends_cell = |byte: &u8| *byte == separator || matches!(byte, b'\n' | b'\r');
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    let mut number = if at == 0 { 1 } else { 2 };
    while at < bytes.len() {
        let start = at;
        let cell = if bytes[at] == b'"' {
            let (value, end) = quoted(text, at).ok_or_else(|| {
                Diagnostic::error("TS0407", format!("row {number}: a quote is not closed"))
                    .at(Place::new(source, start..start + 1), "opened here")
                    .help("end the cell with `\"`; a quote inside is written twice")
            })?;
            at = end;
            if bytes.get(at).is_some_and(|byte| !ends_cell(byte)) {
                return Err(Diagnostic::error(
                    "TS0407",
                    format!("row {number}: text follows a closed quote"),
                )
                .at(Place::new(source, at..at + 1), "here")
                .help("write a quote inside a cell twice"));
            }
            value
        } else {
            at += bytes[at..].iter().take_while(|byte| !ends_cell(byte)).count();
            text[start..at].trim().to_owned()
        };
        cells.push(Cell { text: cell, span: start..at });
        if bytes.get(at) == Some(&separator) {
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

/// The quoted text that begins at `open`, and its end.
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
        assert_eq!(cells("a,\nx,y"), [["a", ""], ["x", "y"]]);
    }

    #[test]
    fn empty_columns_at_the_end_are_ignored() {
        let expected = [vec!["key", "name"], vec!["x", "n"], vec!["y", ""]];
        for text in [
            "key,name,,\nx,n,,\ny,,,\n",
            "key,name,,\nx,n\ny,\n",
            "key,name\nx,n,,,\ny,,\n",
            "key,name,\"\"\nx,n, \ny,,\n,,\n",
        ] {
            assert_eq!(cells(text), expected, "{text:?}");
        }
        assert_eq!(cells("key,,\nx,,v\n"), [["key", "", ""], ["x", "", "v"]], "not empty in every row");
        assert_eq!(cells("key,name\nx,n,,v\n")[1].len(), 4, "more than the header");
    }

    #[test]
    fn cells_are_separated_as_the_header_is() {
        let expected = [vec!["key", "ids"], vec!["é", "a;b, c"]];
        for text in ["key;ids\né;\"a;b, c\"\n", "key\tids\né\ta;b, c\n", "key,ids\né,\"a;b, c\"\n"] {
            assert_eq!(cells(text), expected, "{text:?}");
            let said = format!("sep={}\r\n{text}", &text[3..4]);
            assert_eq!(cells(&said), expected, "{said:?}");
        }
        assert_eq!(
            cells("\"a;b;c\",d\nx,y\n"),
            [["a;b;c", "d"], ["x", "y"]],
            "what is quoted separates nothing"
        );
        let table = read("t.csv", b"sep=;\nkey;a\n\nx;y\n").unwrap();
        assert_eq!(table.rows[0].number, 4, "rows are counted as the spreadsheet counts them");
    }

    #[test]
    fn says_the_row_of_a_bad_quote() {
        let message = |text: &str| read("t.csv", text.as_bytes()).unwrap_err().message;
        assert_eq!(message("a\nb\n\"c"), "row 3: a quote is not closed");
        assert_eq!(message("a\n\"b\"c"), "row 2: text follows a closed quote");
        assert_eq!(message("\n\n"), "the table is empty");
    }
}
