//! The ready file: tells other processes that the simulator is serving, and where.

use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::ListenError;

/// Writes `content` to `path` atomically: into a temporary file, then renamed.
pub fn write_ready(path: &Path, content: &Value) -> Result<(), ListenError> {
    let fail = |source| ListenError::Write { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let mut text = content.to_string();
    text.push('\n');
    // It contains the secrets of the identities.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside).and_then(|mut file| file.write_all(text.as_bytes())).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}
