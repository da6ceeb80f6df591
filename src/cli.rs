//! What every command of a program needs: arguments, the environment, output, errors and exit codes. Nothing here reads
//! a plan or a journal, or sends a request.

pub(crate) mod arguments;
pub(crate) mod diagnostics;
pub(crate) mod environment;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod failures;
pub(crate) mod interrupts;
pub(crate) mod json;
pub(crate) mod panics;
pub(crate) mod suggest;
pub(crate) mod ui;
