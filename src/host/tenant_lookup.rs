//! Looks up the tenant of a domain that was given in place of a tenant id, for commands that send requests anyway.

use twinspan_steps::Azure;

use crate::cli::error::CommandError;

/// `error` with the tenant id of each domain in it.
pub(crate) async fn explained(azure: &Azure, mut error: CommandError) -> CommandError {
    for domain in std::mem::take(&mut error.domains) {
        error = error.hint(match azure.tenant_of_domain(&domain).await {
            Ok(Some(tenant)) => format!("{domain} is a domain of tenant {tenant}: write that id"),
            Ok(None) => format!("{domain} is not a domain of any tenant in this cloud"),
            Err(reason) => format!("the tenant of {domain} could not be looked up: {reason}"),
        });
    }
    error
}
