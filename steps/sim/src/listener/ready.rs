//! The ready file: tells other processes that the simulator answers, and where.

use std::path::Path;

use serde_json::Value;

use super::ListenError;

/// Writes `content` to `path` so that whoever sees the file sees all of it: beside it first, then renamed.
pub fn write_ready(path: &Path, content: &Value) -> Result<(), ListenError> {
    let fail = |source| ListenError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let mut text = content.to_string();
    text.push('\n');
    std::fs::write(&beside, text).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}
