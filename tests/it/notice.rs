//! What a test tells though it passes. The test runner keeps what `println!` says of such a test to itself, and then nobody
//! would see how much was checked, nor that nothing was.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// Says a line on standard error, past the test runner.
pub(crate) fn say(line: &str) {
    // One write, so that lines of tests that run at the same time stay whole. Where nobody listens, nobody misses it.
    drop(std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()));
}

/// Says that this test checks nothing, and why.
pub(crate) fn skipped(why: &str) {
    say(&format!("skipped: {}: {why}", std::thread::current().name().unwrap_or("a test")));
}

/// The folder with official specifications and recorded traffic; `None`: there is none on this machine.
pub(crate) fn azure_data() -> Option<PathBuf> {
    named("TWINSPAN_AZURE_DATA").map(PathBuf::from)
}

/// Says that this test checks nothing without that folder.
pub(crate) fn no_azure_data() {
    skipped("TWINSPAN_AZURE_DATA is not set");
}

/// What a variable of the environment says, where it says anything.
pub(crate) fn named(variable: &str) -> Option<OsString> {
    std::env::vars_os().find(|(name, value)| name == variable && !value.is_empty()).map(|(_, value)| value)
}
