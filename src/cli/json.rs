//! The JSON of every result: its version, and how it is written.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::error::CommandError;

/// Version of the JSON contract: the field `schema` of every document.
pub(crate) const SCHEMA: u32 = 1;

/// Pretty-printed JSON with a final line feed.
pub(crate) fn pretty<T: Serialize>(view: &T) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(view).map_err(unwritable)?;
    Ok(format!("{}\n", twinspan_encode::json::encoded(&text)))
}

/// JSON on one line, with a final line feed.
pub(crate) fn compact<T: Serialize>(view: &T) -> Result<String, CommandError> {
    let text = serde_json::to_string(view).map_err(unwritable)?;
    Ok(format!("{}\n", twinspan_encode::json::encoded(&text)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn unwritable(error: serde_json::Error) -> CommandError {
    CommandError::bug("the result cannot be written as JSON").cause(&error)
}

/// A JSON object with `"schema"` first, for results without a struct.
pub(crate) fn document(fields: Value) -> Value {
    let mut whole = json!({ "schema": SCHEMA });
    if let (Value::Object(whole), Value::Object(fields)) = (&mut whole, fields) {
        whole.extend(fields);
    }
    whole
}
