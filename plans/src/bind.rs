//! Inputs: what was given, checked against what the plan declares.

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{Inputs, Plan};

/// Brings the content of a file that an inputs file names (`targets: { file: targets.csv }`), by its name as written.
/// The error is said to the operator.
pub type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// What was given, before it is checked. What is added later wins.
#[derive(Clone, Debug, Default)]
pub struct RawInputs {
    values: IndexMap<String, Value>,
}

impl RawInputs {
    /// Nothing given.
    pub fn new() -> Self {
        RawInputs::default()
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `--input NAME=VALUE`.
    pub fn assignment(&mut self, text: &str) -> Result<(), Diagnostics> {
        let _ = text;
        Err(Diagnostic::error("TS0001", "inputs cannot be read yet").into())
    }

    /// `--inputs FILE`: YAML or JSON. `read` brings the CSV files that it names.
    pub fn file(&mut self, name: &str, text: &[u8], read: ReadFile<'_>) -> Result<(), Diagnostics> {
        let _ = (name, text, read);
        Err(Diagnostic::error("TS0001", "inputs cannot be read yet").into())
    }

    /// `--inputs NAME=FILE.csv`: the map input `input`; the first column is the key.
    pub fn csv(&mut self, input: &str, name: &str, text: &[u8]) -> Result<(), Diagnostics> {
        let _ = (input, name, text);
        Err(Diagnostic::error("TS0001", "inputs cannot be read yet").into())
    }
}

impl Plan {
    /// Checks what was given, fills in defaults, and says everything that is missing or wrong at once.
    pub fn bind(&self, given: &RawInputs) -> Result<Inputs, Diagnostics> {
        let _ = given;
        Err(Diagnostic::error("TS0001", "inputs cannot be read yet").into())
    }
}
