//! The given inputs before they are checked; types are not known here.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use crate::yaml::{self, Node, Value};

use super::csv::{self, Table};

/// Reads a file that an inputs file names (`targets: { file: targets.csv }`), by its name as written. The error is
/// shown to the
/// operator.
pub type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// The given inputs before they are checked. Values added later override earlier ones.
#[derive(Clone, Debug, Default)]
pub struct RawInputs {
    pub(super) values: IndexMap<String, Given>,
}

/// One given value.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// From an inputs file.
    Node { source: Arc<Source>, name: std::ops::Range<usize>, node: Node },
    /// From `--input`, or from an environment variable; its meaning depends on the type.
    Text { name: Place, value: Place, variable: Option<String> },
    /// From a CSV file.
    Table { name: Place, table: Table },
}

impl Given {
    pub(super) fn name_place(&self) -> Place {
        match self {
            Given::Node { source, name, .. } => Place::new(source, name.clone()),
            Given::Text { name, .. } | Given::Table { name, .. } => name.clone(),
        }
    }
}

impl RawInputs {
    /// Without any value.
    pub fn new() -> Self {
        RawInputs::default()
    }

    /// Whether no value was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds `--input NAME=VALUE`.
    pub fn assignment(&mut self, text: &str) -> Result<(), Diagnostics> {
        let source = Arc::new(Source { name: "--input".to_owned(), text: text.to_owned() });
        let name = text.split('=').next().unwrap_or_default();
        if name.len() == text.len() || name.trim().is_empty() {
            return Err(Diagnostic::error("TS0408", "an input is given as NAME=VALUE")
                .at(Place::new(&source, 0..text.len()), "no name and `=`")
                .help("write, for example, --input identity=guest")
                .into());
        }
        let given = Given::Text {
            name: Place::new(&source, 0..name.len()),
            value: Place::new(&source, name.len() + 1..text.len()),
            variable: None,
        };
        self.values.insert(name.trim().to_owned(), given);
        Ok(())
    }

    /// Adds a value of `--input-env PREFIX`: an environment variable that sets the input `input`. Of a secret only the
    /// name of the
    /// variable is stored.
    pub fn variable(&mut self, input: &str, variable: &str, text: &str) {
        let whole = format!("{variable}={text}");
        let source = Arc::new(Source { name: "environment".to_owned(), text: whole });
        let given = Given::Text {
            name: Place::new(&source, 0..variable.len()),
            value: Place::new(&source, variable.len() + 1..source.text.len()),
            variable: Some(variable.to_owned()),
        };
        self.values.insert(input.to_owned(), given);
    }

    /// Adds `--inputs FILE`: YAML or JSON. `read` reads the CSV files that it names; no other file is read.
    pub fn file(&mut self, name: &str, text: &[u8], read: ReadFile<'_>) -> Result<(), Diagnostics> {
        let source = yaml::source(name, text)?;
        let Some(root) = yaml::read(&source)? else { return Ok(()) };
        let Value::Map(entries) = root.value else {
            return Err(Diagnostic::error("TS0403", "an inputs file is a mapping")
                .at(Place::new(&source, root.span.clone()), format!("this is {}", root.what()))
                .help("write `name: value` lines")
                .into());
        };
        let mut problems = Diagnostics::default();
        for entry in entries {
            let given = match table_of(&entry.value) {
                Some((file, span)) => match read(file) {
                    Ok(bytes) => match csv::read(file, &bytes) {
                        Ok(table) => Given::Table { name: Place::new(&source, entry.key_span), table },
                        Err(problem) => {
                            problems.push(problem);
                            continue;
                        }
                    },
                    Err(error) => {
                        let diagnostic =
                            Diagnostic::error("TS0409", format!("`{file}` cannot be read: {error}"))
                                .at(Place::new(&source, span), "named here")
                                .help("the path is relative to the inputs file");
                        problems.push(diagnostic);
                        continue;
                    }
                },
                None => Given::Node { source: Arc::clone(&source), name: entry.key_span, node: entry.value },
            };
            self.values.insert(entry.key, given);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Adds `--inputs NAME=FILE.csv`: the map input `input`; the first column is the key.
    pub fn csv(&mut self, input: &str, name: &str, text: &[u8]) -> Result<(), Diagnostics> {
        let table = csv::read(name, text)?;
        let source = Arc::new(Source { name: "--inputs".to_owned(), text: format!("{input}={name}") });
        let name = Place::new(&source, 0..input.len());
        self.values.insert(input.to_owned(), Given::Table { name, table });
        Ok(())
    }
}

/// The CSV file of `{ file: NAME.csv }`. Another extension means the file of a secret, which is not read here.
fn table_of(node: &Node) -> Option<(&str, std::ops::Range<usize>)> {
    let Value::Map(entries) = &node.value else { return None };
    match entries.as_slice() {
        [entry] if entry.key == "file" => match &entry.value.value {
            Value::Text(file) if file.to_lowercase().ends_with(".csv") => {
                Some((file, entry.value.span.clone()))
            }
            _ => None,
        },
        _ => None,
    }
}
