//! An Azure CLI without a program, for use with [`Wire::in_process`](super::Wire::in_process).

use std::fmt;

use twinspan_engine::BoxFuture;

/// Responds in place of the Azure CLI.
pub trait AzureCli: Send + Sync + fmt::Debug {
    /// Runs a command line that begins with `az`; returns its standard output, or its error message.
    fn run<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<String, String>>;
}
