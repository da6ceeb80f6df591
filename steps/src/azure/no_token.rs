//! Builds the error for a missing token from the response of Entra, of the platform or of the Azure CLI, or
//! from a transport fault.

use jiff::Timestamp;
use twinspan_engine::{FailureClass, StepError};

use super::authority::{TenantAuthority, TokenExchange};
use super::credentials::Credential;
use super::no_credential::{azure_cli, configuration, platform};
use super::party::Party;
use super::sign_in_refusal::Refusal;
use super::tokens::Tokens;
use super::{entra, pauses, redaction, retry_after, unreachable};

impl Tokens {
    /// Uses the recorded response if there is one; the Azure CLI leaves only its text.
    pub(super) fn refused(
        &self,
        now: Timestamp,
        party: Party<'_>,
        credential: &Credential,
        seen: Option<&TokenExchange>,
        text: &str,
        account: Option<String>,
    ) -> StepError {
        let login = self.cloud.login();
        let came = credential.client_id().and_then(|client| self.arrivals.recent(party.tenant, client, now));
        let seen = match seen {
            Some(seen) if seen.place == TenantAuthority::Login => seen,
            Some(seen) => return platform(party, credential, seen, now),
            None => {
                return match Refusal::from_cli(text) {
                    Some(refusal) => {
                        let refusal = Refusal { account, ..refusal };
                        entra::refused(party, credential, &self.cloud, &refusal, came)
                    }
                    None if matches!(credential, Credential::AzureCli { .. }) => {
                        azure_cli(party, credential, &self.cloud, account.as_deref(), text)
                    }
                    None => configuration(
                        party,
                        &format!("sign-in as {party}: {}", redaction::line(text)),
                        format!("check [identities.{}] in twinspan.toml", party.name),
                    ),
                };
            }
        };
        let reply = match &seen.end {
            Ok(reply) => reply,
            // A token request changes nothing, so it does not matter whether it arrived.
            Err(fault) => {
                let seen = format!("sign-in as {party} at {login}: {fault}");
                return unreachable::error(seen, fault, &self.cloud, login);
            }
        };
        let wait = retry_after(&reply.headers, now);
        let refusal = reply.refusal.as_ref().and_then(|body| Refusal::from_json(reply.status, body));
        if let Some(mut refusal) = refusal {
            refusal.retry_after = wait;
            return entra::refused(party, credential, &self.cloud, &refusal, came);
        }
        let status = reply.status;
        let seen =
            format!("sign-in as {party} at {login}: status {status}, without an error of Entra in the body");
        if status == 407 {
            return unreachable::proxy_wants_sign_in(seen, &self.cloud, login);
        }
        if reply.page {
            return unreachable::page(seen, login);
        }
        let class = match status {
            429 => FailureClass::Throttled,
            _ => FailureClass::Transient,
        };
        let mut error = StepError::new(class, seen).hint(format!(
            "a proxy or firewall between this machine and {login} may have sent this response"
        ));
        error.retry_after = pauses::believed(wait).0;
        error
    }
}
