//! In the text of a preview, a GUID stands for each value that is known only after a step is done, and the preview's
//! own run id
//! for the id of a run. Readers see words in place of both.

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{RunId, Variable};

use crate::cli::error::CommandError;

/// Pairs of a stand-in and its replacement.
pub(crate) struct Words(Vec<(String, String)>);

impl Words {
    pub(super) fn new(run: RunId, variables: &[Variable]) -> Self {
        let mut pairs = vec![(run.to_string(), "RUN".to_owned()), (run.short(), "RUN".to_owned())];
        pairs.extend(
            variables.iter().map(|variable| (variable.stand_in.clone(), format!("<{}>", variable.words))),
        );
        Words(pairs)
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (stand_in, words)| text.replace(stand_in, words))
    }

    /// `view` as JSON, with the stand-ins replaced.
    pub(crate) fn data(&self, view: &impl Serialize) -> Result<Value, CommandError> {
        let mut data = serde_json::to_value(view)
            .map_err(|error| CommandError::bug("the preview cannot be written as JSON").cause(&error))?;
        self.put(&mut data);
        Ok(data)
    }

    fn put(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.put(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
