//! Clients of Azure Resource Manager and Microsoft Graph for steps: typed requests in, typed responses or a classified
//! [`StepError`] out. Every request goes through one [`Wire`], and every exchange is recorded in the attempt's log.
//!
//! ```text
//! step kind ─▶ Arm, Graph ─▶ Caller ─▶ Wire ─▶ sockets | in process
//!                              │  └─▶ Tokens ─▶ azure_identity ─▶ Authority ─▶ Wire
//!                              └─ no success ─▶ refusal, entra: who must act, and how
//! ```
//! The only retry here is that of one read after its token was found stale; all others are the engine's.

mod absence;
mod arm;
mod arrivals;
mod authority;
mod azure_cli;
mod caller;
mod certificate;
mod claims;
mod cli_faults;
mod cli_program;
mod cloud;
mod created;
mod credentials;
mod disallowed;
mod encoded;
mod entra;
mod facts;
mod forbidden;
mod grants;
mod graph;
mod limits;
pub(crate) mod merging;
mod no_credential;
mod no_token;
mod operations;
mod paging;
mod party;
mod pauses;
pub(crate) mod people;
mod permission;
mod proof;
mod proxy;
mod reading;
mod record;
mod redaction;
mod refusal;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod secret_text;
mod shared_reads;
mod sign_in_record;
mod sign_in_refusal;
mod skip_token;
mod tenant_lookup;
#[cfg(test)]
mod tests;
mod tokens;
mod unauthorized;
mod unreachable;
mod wire;
mod words;

pub(crate) use arm::NETWORK_API;
pub use arm::{Arm, Deletion};
pub use azure_cli::AzureCli;
pub use cloud::{Cloud, CloudError, Service};
pub(crate) use created::Reply;
pub(crate) use created::unproven;
pub use credentials::{
    Credential, CredentialError, CredentialKind, CredentialSettings, Credentials, IdentitySettings,
    SecretReader, SecretRef,
};
pub use graph::Graph;
pub(crate) use party::Party;
pub(crate) use permission::{READS_GROUPS, assignable};
pub use proxy::{PROXY_VARIABLES, Proxy, ProxyError};
pub(crate) use redaction::{remember as never_show, scrub};
pub use wire::{InProcess, TransportFault, Wire, WireError};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use facts::Facts;
pub(crate) use grants::Grant;
use grants::Grants;
use http::HeaderMap;
use jiff::Timestamp;
use limits::Limits;
use operations::Operations;
use serde_json::Value;
use shared_reads::SharedReads;
use tokens::Tokens;
use twinspan_engine::{Identity, StepCx, StepError};
use uuid::Uuid;

/// Clients of one cloud. One instance serves a whole process, so that tokens and connections are shared.
pub struct Azure {
    cloud: Cloud,
    wire: Wire,
    tokens: Tokens,
    limits: Arc<Limits>,
    grants: Grants,
    operations: Operations,
    shared_reads: SharedReads,
    facts: Facts,
}

/// The request window of Azure Resource Manager. The value is twinspan's choice, not a documented limit: it covers a gateway
/// that has accepted the request after the client is gone.
pub(crate) const ARM_REQUEST_WINDOW: Duration = Duration::from_secs(90);

/// The request window of Microsoft Graph, whose gateways have shorter timeouts.
pub(crate) const GRAPH_REQUEST_WINDOW: Duration = Duration::from_secs(60);

/// The claims of a token about its principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// `oid`: object id in the tenant that issued the token.
    pub object_id: Option<String>,
    /// `tid`
    pub tenant: Option<String>,
    /// `appid` or `azp`
    pub application: Option<String>,
    /// `upn` or `unique_name` or `preferred_username`
    pub account: Option<String>,
    /// Type of the principal, as role assignments name it: `User` or `ServicePrincipal`.
    pub principal_type: Option<&'static str>,
    /// Kind of the credential.
    pub credential: CredentialKind,
    /// When the token expires; it is renewed before.
    pub expires: Timestamp,
    /// When the certificate of the credential expires; it is not renewed automatically.
    pub certificate_ends: Option<Timestamp>,
    /// The configuration folder of the Azure CLI that signed in, if it is not the default one.
    pub azure_config_dir: Option<PathBuf>,
}

impl Azure {
    /// Creates clients of `cloud` for the identities in `credentials`, over `wire`.
    ///
    /// `wire` is [`Wire::sockets`] of the same cloud, or [`Wire::in_process`]. An identity acts in the tenant of its
    /// attribute `tenant`; its attribute `contact` is the person whom messages address. Sends no request.
    pub fn new(cloud: Cloud, credentials: Credentials, wire: Wire) -> Self {
        let limits = Arc::new(Limits::default());
        let tokens = Tokens::new(cloud.clone(), credentials, wire.clone(), Arc::clone(&limits));
        let (grants, operations) = (Grants::default(), Operations::default());
        let (shared_reads, facts) = (SharedReads::default(), Facts::default());
        Azure { cloud, wire, tokens, limits, grants, operations, shared_reads, facts }
    }

    /// Uses `cli` instead of the program `az`.
    #[must_use]
    pub fn with_azure_cli(mut self, cli: Arc<dyn AzureCli>) -> Self {
        self.tokens.ask_instead(cli);
        self
    }

    /// The cloud.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The client of Azure Resource Manager, as `identity`.
    pub fn arm<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Arm<'a> {
        Arm::new(self, cx, identity)
    }

    /// The client of Microsoft Graph, as `identity`.
    pub fn graph<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Graph<'a> {
        Graph::new(self, cx, identity)
    }

    /// Records that `principal` was given a role at `scope`, as `identity`: until the role is effective, a refusal does not
    /// mean that it is missing. Returns the receipt that informs dependent steps in any process. `unproven`: why the role
    /// assignment may be pre-existing.
    pub(crate) fn granted(
        &self,
        cx: &StepCx<'_>,
        identity: &Identity,
        scope: &str,
        principal: &str,
        to_group: bool,
        unproven: Option<String>,
    ) -> Option<Value> {
        let party = Party::of(identity).ok()?;
        self.grants.given(party.tenant, scope, principal, to_group, unproven, cx.now())
    }

    /// Records that `application` was given a service principal in the tenant of `identity`: until Entra has replicated it, a
    /// refusal does not mean that it is missing.
    pub(crate) fn arrived(&self, cx: &StepCx<'_>, identity: &Identity, application: &str) {
        if let Ok(party) = Party::of(identity) {
            self.tokens.arrivals.came(party.tenant, application, cx.steady());
        }
    }

    /// A fact about the tenant of `identity` that [`remember`](Self::remember) stored.
    pub(crate) fn known<T: Clone + 'static>(&self, identity: &Identity, about: &str) -> Option<T> {
        self.facts.get(Party::of(identity).ok()?.tenant, about)
    }

    /// Stores, for the life of this process, a fact about the tenant of `identity` that never changes.
    pub(crate) fn remember<T: Send + Sync + 'static>(&self, identity: &Identity, about: &str, fact: T) {
        if let Ok(party) = Party::of(identity) {
            self.facts.keep(party.tenant, about, fact);
        }
    }

    /// Whether this machine has a credential for `identity`; sends no request.
    pub(crate) fn serves(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<(), StepError> {
        self.tokens.serves(cx, identity)
    }

    /// Signs in as `identity` with a fresh token and returns the token's claims.
    pub async fn sign_in(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<SignedIn, StepError> {
        let party = Party::of(identity)?;
        let token = self.tokens.fresh(cx, identity, Service::Arm).await?;
        let credential = self.credentials().of(party.name, party.tenant);
        let claims = token.claims;
        Ok(SignedIn {
            application: claims.application().map(str::to_owned),
            account: claims.account().map(str::to_owned),
            principal_type: claims.principal_type(),
            object_id: claims.oid,
            tenant: claims.tid,
            credential: credential.as_ref().map_or(CredentialKind::None, |credential| credential.kind()),
            azure_config_dir: credential
                .ok()
                .and_then(|credential| credential.azure_config_dir().map(Path::to_owned)),
            expires: token.expires,
            certificate_ends: self.tokens.certificate_ends(party).await,
        })
    }

    /// The configured credentials.
    pub fn credentials(&self) -> &Credentials {
        self.tokens.credentials()
    }
}

/// Id of a read request, the same in a replay: derived from the request, the attempt and the time.
fn request_id(cx: &StepCx<'_>, verb: &str, target: &str) -> String {
    let name = format!("{:?} {verb} {target} {}", cx.phase, cx.now());
    Uuid::new_v5(&cx.attempt_id(), name.as_bytes()).to_string()
}

/// The delay that the remote requests before the next request.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(milliseconds) = text(name).and_then(|text| text.trim().parse().ok()) {
            return Some(Duration::from_millis(milliseconds));
        }
    }
    let value = text("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Ids that identify a request in the remote's logs.
fn references(headers: &HeaderMap) -> Vec<(String, String)> {
    const NAMES: [&str; 6] = [
        "x-ms-request-id",
        "x-ms-correlation-request-id",
        "x-ms-routing-request-id",
        "request-id",
        "client-request-id",
        "x-ms-failure-cause",
    ];
    NAMES
        .into_iter()
        .filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.to_owned(), redaction::line(value)))
        })
        .collect()
}
