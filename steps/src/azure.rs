//! Azure Resource Manager and Microsoft Graph, as steps use them: typed requests in, typed answers or a classed
//! [`StepError`] out. Everything goes through one [`Wire`]; every exchange is recorded in the attempt's log.
//!
//! ```text
//! step kind ─▶ Arm, Graph ─▶ Caller ─▶ Wire ─▶ sockets | in process
//!                              │  └─▶ Tokens ─▶ azure_identity ─▶ Authority ─▶ Wire
//!                              └─ no plain yes ─▶ refusal, entra: whose turn it is, and what to do
//! ```
//! Nothing is repeated here but one read after a token was found to be stale: retries are the engine's.

mod absence;
mod arm;
mod arrivals;
mod authority;
mod azure_cli;
mod caller;
mod certificate;
mod claims;
mod cli_program;
mod cloud;
mod created;
mod credentials;
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
mod permission;
mod proof;
mod reading;
mod record;
mod redaction;
mod refusal;
#[cfg(test)]
pub(crate) mod scripted;
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

/// Clients of one cloud. One object serves a whole process: tokens and connections are shared.
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

/// The time within which a request to Azure Resource Manager may still take effect when its response did not come: our
/// choice, not Azure's word. It covers a gateway that has taken the request and a client that is gone.
pub(crate) const ARM_REQUEST_WINDOW: Duration = Duration::from_secs(90);

/// The same of Microsoft Graph, whose gateways give up sooner.
pub(crate) const GRAPH_REQUEST_WINDOW: Duration = Duration::from_secs(60);

/// Who a token says it is for.
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
    /// As role assignments name what it is: `User` or `ServicePrincipal`.
    pub principal_type: Option<&'static str>,
    /// How it signed in.
    pub credential: CredentialKind,
    /// When the token ends; it is renewed before.
    pub expires: Timestamp,
    /// When the certificate ends that it signed in with; nobody renews that by itself.
    pub certificate_ends: Option<Timestamp>,
    /// Where the Azure CLI that signed in keeps its accounts, where that is not the usual folder.
    pub azure_config_dir: Option<PathBuf>,
}

impl Azure {
    /// Clients of `cloud`, as the identities in `credentials`, over `wire`.
    ///
    /// `wire` is [`Wire::sockets`] of the same cloud, or [`Wire::in_process`]. An identity acts in the tenant that its
    /// attribute `tenant` names; its attribute `contact` is the person whom messages address. Nothing is sent here.
    pub fn new(cloud: Cloud, credentials: Credentials, wire: Wire) -> Self {
        let limits = Arc::new(Limits::default());
        let tokens = Tokens::new(cloud.clone(), credentials, wire.clone(), Arc::clone(&limits));
        let (grants, operations) = (Grants::default(), Operations::default());
        let (shared_reads, facts) = (SharedReads::default(), Facts::default());
        Azure { cloud, wire, tokens, limits, grants, operations, shared_reads, facts }
    }

    /// Asks `cli` instead of the program `az`.
    #[must_use]
    pub fn with_azure_cli(mut self, cli: Arc<dyn AzureCli>) -> Self {
        self.tokens.ask_instead(cli);
        self
    }

    /// The cloud.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Azure Resource Manager, as `identity`.
    pub fn arm<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Arm<'a> {
        Arm::new(self, cx, identity)
    }

    /// Microsoft Graph, as `identity`.
    pub fn graph<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Graph<'a> {
        Graph::new(self, cx, identity)
    }

    /// Says that `principal` was given a role at `scope`, as `identity`: until that is effective, refusals are no lack of it.
    /// Gives the receipt by which the steps that need this one know of it, in whatever process. `unproven`: why it may have
    /// existed before.
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

    /// Says that `application` was given a service principal in the tenant of `identity`: until all of Entra knows it, that
    /// there is none is no lack of it.
    pub(crate) fn arrived(&self, cx: &StepCx<'_>, identity: &Identity, application: &str) {
        if let Ok(party) = Party::of(identity) {
            self.tokens.arrivals.came(party.tenant, application, cx.steady());
        }
    }

    /// Something that never changes in the tenant of `identity`, as [`remember`](Self::remember) was told.
    pub(crate) fn known<T: Clone + 'static>(&self, identity: &Identity, about: &str) -> Option<T> {
        self.facts.get(Party::of(identity).ok()?.tenant, about)
    }

    /// Remembers, as long as this process lasts, what never changes in the tenant of `identity`.
    pub(crate) fn remember<T: Send + Sync + 'static>(&self, identity: &Identity, about: &str, fact: T) {
        if let Ok(party) = Party::of(identity) {
            self.facts.keep(party.tenant, about, fact);
        }
    }

    /// Whether this machine has a credential for `identity`; nothing is sent.
    pub(crate) fn serves(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<(), StepError> {
        self.tokens.serves(cx, identity)
    }

    /// Signs in as `identity` with a fresh token and says who that is.
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

    /// Who signs in how, as configured.
    pub fn credentials(&self) -> &Credentials {
        self.tokens.credentials()
    }
}

/// Id of a request that changes nothing, the same in a replay: what it asks, in which attempt, when.
fn request_id(cx: &StepCx<'_>, verb: &str, target: &str) -> String {
    let name = format!("{:?} {verb} {target} {}", cx.phase, cx.now());
    Uuid::new_v5(&cx.attempt_id(), name.as_bytes()).to_string()
}

/// How long the other side asks us to stay away.
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

/// Ids that find a request in the other side's logs.
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
