//! Errors of a sign-in that this machine cannot try, or that its own platform refuses: what is missing, and who
//! provides it.

use std::time::Duration;

use jiff::Timestamp;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepCx, StepError, Wait, WaitKind};

use super::authority::TokenExchange;
use super::cloud::Cloud;
use super::credentials::{Credential, CredentialError};
use super::party::Party;
use super::wire::TransportFault;
use super::{cli_faults, cli_program, redaction, retry_after};

/// The error for `credential = "none"`.
pub(crate) fn none(cx: &StepCx<'_>, party: Party<'_>) -> StepError {
    let what = format!("this machine has no credential for {party}");
    let action = format!("twinspan hand-over {} --as {}", cx.run, sh::word(party.name));
    let wait = Wait::new(WaitKind::Credential, what.clone())
        .who(format!("a person with the credential of {party}"))
        .action(action.clone())
        .otherwise(format!(
            "twinspan resume on a machine that has the credential, or set [identities.{}] in twinspan.toml",
            party.name
        ));
    StepError::new(FailureClass::Credential, what).hint(action).wait(wait)
}

/// The error for an incomplete credential.
pub(crate) fn not_usable(party: Party<'_>, error: &CredentialError) -> StepError {
    let name = party.name;
    let action = match error {
        CredentialError::NotConfigured { .. } => {
            format!("add [identities.{name}] with `credential = \"azure-cli\"` or another to twinspan.toml")
        }
        CredentialError::Missing { key, .. } => format!("add {key} to [identities.{name}] in twinspan.toml"),
    };
    let mut unusable = configuration(party, &format!("{error} (tenant {})", party.tenant), action);
    if let (CredentialError::NotConfigured { .. }, Some(wait)) = (error, &mut unusable.wait) {
        // As with "none": no sign-in was tried, and another machine may have a credential.
        wait.refused = false;
    }
    unusable
}

/// The error for a complete configuration that does not work on this machine.
pub(crate) fn configuration(party: Party<'_>, what: &str, action: String) -> StepError {
    waiting(party, redaction::line(what), action)
}

/// The error for a token of another tenant than the requested one: only a managed identity returns that.
pub(crate) fn other_tenant(party: Party<'_>, credential: &Credential, issued_by: &str) -> StepError {
    let what = match credential {
        Credential::ManagedIdentity { .. } => format!(
            "the managed identity of this machine belongs to tenant {issued_by} and signs in to no other; {party} acts in \
             tenant {}",
            party.tenant
        ),
        _ => format!(
            "asked for a token of tenant {} as {party}, but received one of tenant {issued_by}",
            party.tenant
        ),
    };
    let action = format!(
        "set another credential for [identities.{}.\"{}\"] in twinspan.toml: client-certificate or workload-identity of \
         a multi-tenant application",
        party.name, party.tenant
    );
    waiting(party, what, action)
}

/// The error of the Azure CLI itself, with its message.
pub(crate) fn azure_cli(
    party: Party<'_>,
    credential: &Credential,
    cloud: &Cloud,
    account: Option<&str>,
    text: &str,
) -> StepError {
    let said = redaction::line(text);
    let lower = said.to_ascii_lowercase();
    let sign_in = cloud.az_login(party.tenant, credential.azure_config_dir());
    let asked_as = account.map(|account| format!("; it is signed in as {account}")).unwrap_or_default();
    if text.contains(cli_program::NO_JSON) {
        return waiting_for(
            party.you(),
            format!("sign-in as {party}: {}", cli_program::NO_JSON),
            format!(
                "check what is printed besides the JSON: az account get-access-token --tenant {} --output json",
                sh::word(party.tenant)
            ),
        );
    }
    if lower.contains("not found on path") || lower.contains("no such file") {
        return waiting_for(
            party.you(),
            format!("sign-in as {party}: the Azure CLI is not installed, or not on PATH"),
            format!("install the Azure CLI (https://aka.ms/azure-cli), then {sign_in}"),
        );
    }
    let seen = format!("sign-in as {party} through the Azure CLI: {said}");
    if let Some(error) = cli_faults::error(text, cloud, seen.clone()) {
        return error;
    }
    waiting_for(party.you(), format!("{seen}{asked_as}"), sign_in)
}

/// The error if the identity service of the machine, or of the pipeline, returns no token.
pub(crate) fn platform(
    party: Party<'_>,
    credential: &Credential,
    seen: &TokenExchange,
    now: Timestamp,
) -> StepError {
    let name = party.name;
    let host = &seen.host;
    let pipeline = match credential {
        Credential::AzurePipelines { service_connection, .. } => Some(service_connection),
        _ => None,
    };
    let reply = match &seen.end {
        Ok(reply) => reply,
        Err(fault) if pipeline.is_some() => {
            return StepError::new(
                FailureClass::Transient,
                format!("sign-in as {party}: the identity service of Azure Pipelines at {host}: {fault}"),
            )
            .hint(TransportFault::advice(host));
        }
        Err(fault) => {
            return waiting(
                party,
                format!(
                    "sign-in as {party}: no identity service of Azure responds on this machine ({host}: {fault})"
                ),
                format!(
                    "run twinspan resume on an Azure machine that has a managed identity, or set another credential in \
                     [identities.{name}]"
                ),
            );
        }
    };
    let status = reply.status;
    let (what, action) = match (status, pipeline, credential.client_id()) {
        (429, ..) => {
            let mut error = StepError::new(
                FailureClass::Throttled,
                format!("sign-in as {party}: the identity service at {host} is throttling requests"),
            );
            error.retry_after = retry_after(&reply.headers, now).or(Some(Duration::from_secs(5)));
            return error;
        }
        // A page instead of a token means that the request was not signed in.
        (200..400 | 401, Some(_), _) => (
            format!("Azure Pipelines does not accept the pipeline's own token (status {status})"),
            "map SYSTEM_ACCESSTOKEN: $(System.AccessToken) into the environment of the pipeline's step; it expires with the \
             job, so continue in a new job with twinspan resume"
                .to_owned(),
        ),
        (400..500, Some(connection), _) => (
            format!("Azure Pipelines gives no token for service connection {connection} (status {status})"),
            format!(
                "check the id of service connection {connection}, and let this pipeline use it: Project settings, Service \
                 connections, Security"
            ),
        ),
        (400 | 403, None, Some(client)) => (
            format!("the user-assigned identity {client} is not assigned to this machine (status {status})"),
            format!(
                "az vm identity assign --resource-group GROUP --name MACHINE --identities RESOURCE-ID-OF-{client}, or \
                 correct client_id in [identities.{name}]"
            ),
        ),
        (400 | 403, None, None) => (
            format!("this machine has no system-assigned identity (status {status})"),
            format!(
                "az vm identity assign --resource-group GROUP --name MACHINE, or set client_id of a user-assigned one in \
                 [identities.{name}]"
            ),
        ),
        (401 | 404 | 405, None, _) => (
            format!("the service at {host} is not an identity service of Azure (status {status})"),
            format!(
                "run twinspan resume on an Azure machine that has a managed identity, or set another credential in \
                 [identities.{name}]"
            ),
        ),
        _ => {
            return StepError::new(
                FailureClass::Transient,
                format!("sign-in as {party}: the identity service at {host} returned status {status}"),
            );
        }
    };
    let mut error = waiting(party, format!("sign-in as {party}: {what}"), action);
    error.references = super::references(&reply.headers);
    error
}

fn waiting(party: Party<'_>, what: String, action: String) -> StepError {
    waiting_for(format!("a person with the credential of {}", party.person()), what, action)
}

fn waiting_for(who: String, what: String, action: String) -> StepError {
    let wait = Wait::new(WaitKind::Credential, what.clone()).who(who).action(action.clone()).refused();
    StepError::new(FailureClass::Credential, what).hint(action).wait(wait)
}
