//! JSON Schema of plan files, for editors.

use serde_json::{Value, json};

use crate::catalog::Catalog;

/// The JSON Schema of plan files that use the kinds of `catalog`.
pub fn schema(catalog: &Catalog) -> Value {
    let _ = catalog;
    json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object" })
}
