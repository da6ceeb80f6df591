//! A domain where the id of a tenant is wanted: commands that reach the cloud anyway look the id up.

use twinspan_steps::Azure;

use crate::error::CommandError;

/// `error` with the tenant's id of each domain that it is about.
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
