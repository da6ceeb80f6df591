//! An Azure CLI that is no program, as [`Wire::in_process`](super::Wire::in_process) is an Azure without sockets.

use std::fmt;

use twinspan_engine::BoxFuture;

/// Answers for the Azure CLI.
pub trait AzureCli: Send + Sync + fmt::Debug {
    /// Runs a command line that begins with `az`: its standard output, or what it says of its failure.
    fn run<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<String, String>>;
}
