//! Messages of tests that pass. The test runner hides what `println!` prints in such a test, so that the number of
//! checks, or a skipped test, would go unnoticed.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// Writes a line to standard error, past the test runner.
pub(crate) fn say(line: &str) {
    // One write, so that lines of concurrent tests stay whole. An error is ignored: nothing reads this output.
    drop(std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

/// Reports that this test checks nothing, and why.
pub(crate) fn skipped(why: &str) {
    say(&format!("skipped: {}: {why}", std::thread::current().name().unwrap_or("a test")));
}

/// The folder with official specifications and recorded traffic; `None` if this machine has none.
pub(crate) fn azure_data() -> Option<PathBuf> {
    named("TWINSPAN_AZURE_DATA").map(PathBuf::from)
}

/// Reports that this test checks nothing without that folder.
pub(crate) fn no_azure_data() {
    skipped("TWINSPAN_AZURE_DATA is not set");
}

/// The value of an environment variable, if it is set and not empty.
pub(crate) fn named(variable: &str) -> Option<OsString> {
    std::env::vars_os().find(|(name, value)| name == variable && !value.is_empty()).map(|(_, value)| value)
}
