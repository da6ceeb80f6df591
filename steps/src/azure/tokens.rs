//! Gets and caches tokens with `azure_identity`; the only file that uses that library.
//!
//! Each token request has its own credential object: the library's cache uses the machine's clock, this one the
//! engine's. Tokens are cached by identity, tenant and service, because no two identities share one and a token is valid
//! in one tenant only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::http::{ClientMethodOptions, ClientOptions, HttpClient, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzurePipelinesCredential, AzurePipelinesCredentialOptions,
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, Executor, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use twinspan_engine::{FailureClass, Identity, StepCx, StepError};
use uuid::Uuid;

use super::arrivals::Arrivals;
use super::authority::{Authority, TokenExchange};
use super::azure_cli::AzureCli;
use super::certificate::Certificate;
use super::claims::Claims;
use super::cli_program;
use super::cloud::{Cloud, Service};
use super::credentials::{Credential, Credentials, SecretRef};
use super::limits::{Lane, Limits, Quota, Sort};
use super::no_credential::{configuration, none, not_usable, other_tenant};
use super::party::Party;
use super::redaction;
use super::sign_in_record::exchanges;
use super::wire::Wire;

/// A token is renewed when it expires in less than this, as the Azure CLI does.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// A token with its claims.
#[derive(Clone)]
pub(crate) struct Token {
    secret: SecretString,
    /// By the monotonic clock.
    renew_at: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) claims: Claims,
    /// The credential that obtained it.
    pub(crate) credential: Credential,
    /// Whether the same token was refused before and returned again, from a cache outside of this process.
    pub(crate) same: bool,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

impl Token {
    /// The value of the authorization header; it is never stored.
    pub(crate) fn bearer(&self) -> SecretString {
        format!("Bearer {}", self.secret.expose_secret()).into()
    }
}

type Key = (String, String, Service);
type Slot = Arc<Mutex<Held>>;

/// The cached token for one key.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// The last token that was refused as invalid.
    refused: Option<SecretString>,
}

impl Held {
    fn keep(&mut self, mut token: Token) -> Token {
        token.same = self.refused.as_ref().is_some_and(|refused| is_same(refused, &token.secret));
        self.token = Some(token.clone());
        token
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// The token cache of this process.
pub(crate) struct Tokens {
    pub(super) cloud: Cloud,
    credentials: Credentials,
    wire: Wire,
    /// Runs the Azure CLI; `None` for the library's own way.
    executor: Option<Arc<dyn Executor>>,
    slots: StdMutex<BTreeMap<Key, Slot>>,
    limits: Arc<Limits>,
    pub(super) arrivals: Arrivals,
}

impl Tokens {
    pub(crate) fn new(cloud: Cloud, credentials: Credentials, wire: Wire, limits: Arc<Limits>) -> Self {
        Tokens {
            cloud,
            credentials,
            wire,
            executor: None,
            slots: StdMutex::default(),
            limits,
            arrivals: Arrivals::default(),
        }
    }

    /// Uses `cli` instead of the program `az`.
    pub(crate) fn ask_instead(&mut self, cli: Arc<dyn AzureCli>) {
        self.executor = Some(Arc::new(NoProgram(cli)));
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// A token that is valid for at least a few minutes. Concurrent callers with the same key share one request.
    pub(crate) async fn get(
        &self,
        cx: &StepCx<'_>,
        identity: &Identity,
        service: Service,
    ) -> Result<Token, StepError> {
        let party = Party::of(identity)?;
        let slot = self.slot(party, service);
        let mut held = slot.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| cx.steady() < token.renew_at) {
            return Ok(token.clone());
        }
        let token = self.request(cx, party, service).await?;
        Ok(held.keep(token))
    }

    /// Whether there is a complete credential.
    pub(crate) fn serves(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<(), StepError> {
        let party = Party::of(identity)?;
        match self.credentials.of(party.name, party.tenant) {
            Ok(Credential::None) => Err(none(cx, party)),
            Ok(_) => Ok(()),
            Err(error) => Err(not_usable(party, &error)),
        }
    }

    /// A new token, regardless of the cache: only new tokens contain recently assigned roles.
    pub(crate) async fn fresh(
        &self,
        cx: &StepCx<'_>,
        identity: &Identity,
        service: Service,
    ) -> Result<Token, StepError> {
        let party = Party::of(identity)?;
        let slot = self.slot(party, service);
        let mut held = slot.lock().await;
        let token = self.request(cx, party, service).await?;
        Ok(held.keep(token))
    }

    /// Drops a refused token, unless another step has already replaced it. `as_bad`: the token itself was invalid,
    /// rather than without a permission.
    pub(crate) async fn forget(&self, identity: &Identity, service: Service, refused: &Token, as_bad: bool) {
        let Ok(party) = Party::of(identity) else { return };
        let slot = self.slot(party, service);
        let mut held = slot.lock().await;
        if held.token.take_if(|held| is_same(&held.secret, &refused.secret)).is_some() && as_bad {
            held.refused = Some(refused.secret.clone());
        }
    }

    fn slot(&self, party: Party<'_>, service: Service) -> Slot {
        let (name, tenant) = party.key();
        let key = (name, tenant, service);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// Requests a token, unless the sign-in limit of the tenant requires a delay.
    async fn request(&self, cx: &StepCx<'_>, party: Party<'_>, service: Service) -> Result<Token, StepError> {
        let quota = Quota::SignIn(party.tenant.to_ascii_lowercase());
        let lane = Lane { quota, sort: Sort::Reads, principal: party.name.to_owned() };
        // The identity service of a machine does not count against the tenant's limit.
        let credential = self.credentials.of(party.name, party.tenant);
        if matches!(credential, Ok(Credential::ManagedIdentity { .. } | Credential::AzurePipelines { .. })) {
            return self.ask(cx, party, service).await;
        }
        let asker = format!("{} {}", cx.run, cx.step);
        self.limits.admit(&lane, &asker, false, cx.steady())?;
        let mut result = self.ask(cx, party, service).await;
        if let Err(error) = &mut result
            && error.class == FailureClass::Throttled
        {
            let until = self.limits.refused(&lane, &asker, error.retry_after, cx.steady());
            if error.retry_after.is_some() {
                error.wait = Some(Box::new(lane.wait(until)));
                error.retry_after = Duration::try_from(until.duration_since(cx.steady())).ok();
            }
        }
        result
    }

    async fn ask(&self, cx: &StepCx<'_>, party: Party<'_>, service: Service) -> Result<Token, StepError> {
        let credential =
            self.credentials.of(party.name, party.tenant).map_err(|error| not_usable(party, &error))?;
        let began = cx.now();
        let scope = self.cloud.scope(service);
        let request_id = super::request_id(cx, "token", &format!("{}/{}/{scope}", party.name, party.tenant));
        let on_platform =
            matches!(credential, Credential::ManagedIdentity { .. } | Credential::AzurePipelines { .. });
        let authority = Arc::new(Authority::new(
            self.wire.clone(),
            self.cloud.login_url().clone(),
            on_platform,
            request_id.clone(),
        ));
        let source = self.source(cx, &credential, party, &authority, &request_id, began).await?;
        // The library retries a machine's identity service for a minute of the machine's clock. Retries are the
        // engine's, so this stops it at the first refusal.
        let scopes = [scope.as_str()];
        let result = tokio::select! {
            biased;
            result = source.get_token(&scopes, None) => result.map_err(|error| outermost(&error)),
            () = authority.refused() => Err("the identity service returned no token".to_owned()),
        };
        let seen = authority.seen();
        let token = result.map(|token| keep((cx.now(), cx.steady()), &token, &credential, seen.last()));
        let outcome = token.as_ref().map(|token| &token.claims).map_err(String::as_str);
        for exchange in exchanges(cx, began, party, &credential, &scope, &seen, outcome) {
            cx.log.record(exchange);
        }
        let token = match token {
            Ok(token) => token,
            Err(text) => {
                let account = self.account(party, &credential).await;
                return Err(self.refused(cx.now(), party, &credential, seen.last(), &text, account));
            }
        };
        match &token.claims.tid {
            Some(issued_by) if is_another(issued_by, party.tenant) => {
                Err(other_tenant(party, &credential, issued_by))
            }
            _ => Ok(token),
        }
    }

    async fn source(
        &self,
        cx: &StepCx<'_>,
        credential: &Credential,
        party: Party<'_>,
        authority: &Arc<Authority>,
        request_id: &str,
        now: Timestamp,
    ) -> Result<Arc<dyn TokenCredential>, StepError> {
        let options = || {
            let mut custom = CustomConfiguration::default();
            self.cloud.login().clone_into(&mut custom.authority_host);
            ClientOptions {
                cloud: Some(Arc::new(custom.into())),
                transport: Some(Transport::new(Arc::clone(authority) as Arc<dyn HttpClient>)),
                retry: RetryOptions::none(),
                ..ClientOptions::default()
            }
        };
        let with_assertion = || ClientAssertionCredentialOptions { client_options: options() };
        let made: azure_core::Result<Arc<dyn TokenCredential>> = match credential {
            Credential::None => return Err(none(cx, party)),
            Credential::AzureCli { .. } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: Some(party.tenant.to_owned()),
                executor: Some(self.cli(credential)),
                ..AzureCliCredentialOptions::default()
            }))
            .map(|made| made as _),
            Credential::ClientSecret { client_id, client_secret } => {
                let what = format!("the secret of application {client_id}");
                let secret = self.secret(party, client_secret, &what).await?;
                ClientSecretCredential::new(
                    party.tenant,
                    client_id.clone(),
                    Secret::new(secret.expose_secret().to_owned()),
                    Some(ClientSecretCredentialOptions { client_options: options() }),
                )
                .map(|made| made as _)
            }
            Credential::ClientCertificate { client_id, certificate: path } => {
                let what = format!("the certificate of application {client_id} and its key, in PEM form,");
                let pem = self.secret(party, &SecretRef::File(path.clone()), &what).await?;
                let unusable = |reason: &str| {
                    configuration(
                        party,
                        &format!(
                            "the certificate of {party} in file {} cannot be used: {reason}",
                            path.display()
                        ),
                        format!("put {what} into file {}", path.display()),
                    )
                };
                let certificate = Certificate::read(&pem).map_err(unusable)?;
                if let Some(ends) = certificate.ends.filter(|ends| *ends <= now) {
                    return Err(unusable(&format!("it expired at {ends}")));
                }
                let audience = self.cloud.token_address(party.tenant);
                let assertion = certificate
                    .assertion(client_id, &audience, request_id, now)
                    .ok_or_else(|| unusable("signing with its key failed"))?;
                ClientAssertionCredential::new(
                    party.tenant.to_owned(),
                    client_id.clone(),
                    Assertion(assertion),
                    Some(with_assertion()),
                )
                .map(|made| made as _)
            }
            Credential::WorkloadIdentity { client_id, token_file } => {
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: with_assertion(),
                    client_id: client_id.clone(),
                    tenant_id: Some(party.tenant.to_owned()),
                    token_file_path: token_file.clone(),
                }))
                .map(|made| made as _)
            }
            Credential::ManagedIdentity { client_id } => {
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                    client_options: options(),
                }))
                .map(|made| made as _)
            }
            Credential::AzurePipelines { client_id, service_connection, system_access_token } => {
                let secret = self.secret(party, system_access_token, "the pipeline's own token").await?;
                AzurePipelinesCredential::new(
                    party.tenant.to_owned(),
                    client_id.clone(),
                    service_connection,
                    secret.expose_secret().to_owned(),
                    Some(AzurePipelinesCredentialOptions { credential_options: with_assertion() }),
                )
                .map(|made| made as _)
            }
        };
        made.map_err(|error| {
            configuration(
                party,
                &format!(
                    "credential {} of {party} cannot be used: {}",
                    credential.kind().name(),
                    outermost(&error)
                ),
                format!("check [identities.{}] in twinspan.toml", party.name),
            )
        })
    }

    /// When the certificate of an identity expires, if it has one and that can be read.
    pub(crate) async fn certificate_ends(&self, party: Party<'_>) -> Option<Timestamp> {
        let Ok(Credential::ClientCertificate { certificate, .. }) =
            self.credentials.of(party.name, party.tenant)
        else {
            return None;
        };
        let pem = self.credentials.secrets().read(&SecretRef::File(certificate)).await.ok()?;
        Certificate::read(&pem).ok()?.ends
    }

    /// The executor that runs the Azure CLI for a token.
    fn cli(&self, credential: &Credential) -> Arc<dyn Executor> {
        let config_dir = credential.azure_config_dir().map(Path::to_owned);
        Arc::new(Program { instead: self.executor.clone(), config_dir })
    }

    /// The signed-in account of the Azure CLI for `party`, which a refusal does not state.
    async fn account(&self, party: Party<'_>, credential: &Credential) -> Option<String> {
        if !matches!(credential, Credential::AzureCli { .. }) {
            return None;
        }
        let (shell, command) = (OsStr::new("/bin/sh"), "cd /bin && az account list --all --output json");
        let arguments = [OsStr::new("-c"), OsStr::new(command)];
        let output = match &self.executor {
            Some(instead) => instead.run(shell, &arguments).await,
            None => cli_program::run(shell, &arguments, credential.azure_config_dir()).await,
        };
        cli_program::account(&output.ok().filter(|output| output.status.success())?.stdout, party.tenant)
    }

    async fn secret(
        &self,
        party: Party<'_>,
        place: &SecretRef,
        what: &str,
    ) -> Result<SecretString, StepError> {
        let secret = self.credentials.secrets().read(place).await.map_err(|reason| {
            configuration(
                party,
                &format!("the credential of {party} cannot be read from {place}: {reason}"),
                format!("put {what} into {place}"),
            )
        })?;
        // A server may repeat the secret in any field; it must not get into a record.
        redaction::remember(secret.expose_secret());
        Ok(secret)
    }
}

/// The program `az` with the settings of one credential, or its replacement.
#[derive(Debug)]
struct Program {
    instead: Option<Arc<dyn Executor>>,
    config_dir: Option<PathBuf>,
}

#[async_trait::async_trait]
impl Executor for Program {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> std::io::Result<Output> {
        let output = match &self.instead {
            Some(instead) => instead.run(program, args).await?,
            None => cli_program::run(program, args, self.config_dir.as_deref()).await?,
        };
        cli_program::token_only(output)
    }
}

/// Replaces the library's way to run a program.
#[derive(Debug)]
struct NoProgram(Arc<dyn AzureCli>);

#[async_trait::async_trait]
impl Executor for NoProgram {
    async fn run(&self, _: &OsStr, args: &[&OsStr]) -> std::io::Result<Output> {
        let shell = args.last().map(|arg| arg.to_string_lossy()).unwrap_or_default();
        let command = shell.find("az account").and_then(|at| shell.get(at..)).unwrap_or_default();
        let stdout = self.0.run(command).await.map_err(std::io::Error::other)?.into_bytes();
        Ok(Output { status: ExitStatus::default(), stdout, stderr: Vec::new() })
    }
}

/// A client assertion for one request.
struct Assertion(SecretString);

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion")
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Assertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.expose_secret().to_owned())
    }
}

/// Whether a token is of another tenant than the requested one; a tenant given as a domain cannot be compared.
fn is_another(issued_by: &str, tenant: &str) -> bool {
    Uuid::try_parse(tenant).is_ok() && !issued_by.eq_ignore_ascii_case(tenant)
}

fn keep(
    (now, steady): (Timestamp, Timestamp),
    token: &AccessToken,
    credential: &Credential,
    seen: Option<&TokenExchange>,
) -> Token {
    let life = match seen.and_then(|seen| seen.end.as_ref().ok()?.life) {
        Some(life) => life,
        // The Azure CLI and some machines state the expiry time by the machine's clock, which is the engine's as well.
        None => {
            let seconds = token.expires_on.unix_timestamp().saturating_sub(now.as_second());
            Duration::from_secs(seconds.try_into().unwrap_or(0))
        }
    };
    let early = RENEW_BEFORE.min(life / 2);
    Token {
        renew_at: steady.checked_add(life - early).unwrap_or(steady),
        expires: now.checked_add(life).unwrap_or(now),
        claims: Claims::of(token.token.secret()),
        secret: token.token.secret().to_owned().into(),
        credential: credential.clone(),
        same: false,
    }
}

/// The message of an error of the library. Its debug form contains the raw response and is never used.
fn outermost(error: &azure_core::Error) -> String {
    let text = error.to_string();
    let text = text.split("\nTo troubleshoot").next().unwrap_or_default();
    text.split_once("authentication failed.").map_or(text, |(_, rest)| rest).trim().to_owned()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use serde_json::json;
    use twinspan_engine::{AttemptLog, Exchange, Phase};

    use super::*;
    use crate::azure::scripted::{Bench, CENTRAL};

    /// An Azure CLI with a constant response.
    #[derive(Debug)]
    struct Cli {
        code: i32,
        stdout: String,
        stderr: &'static str,
        commands: StdMutex<Vec<String>>,
    }

    #[async_trait::async_trait]
    impl Executor for Cli {
        async fn run(&self, _: &OsStr, args: &[&OsStr]) -> std::io::Result<Output> {
            let command = args.last().map(|arg| arg.to_string_lossy().into_owned());
            self.commands.lock().unwrap().extend(command);
            Ok(Output {
                status: ExitStatus::from_raw(self.code << 8),
                stdout: self.stdout.clone().into_bytes(),
                stderr: self.stderr.as_bytes().to_vec(),
            })
        }
    }

    async fn ask(
        bench: &Bench,
        code: i32,
        stdout: String,
        stderr: &'static str,
        times: usize,
    ) -> (Result<Token, StepError>, Vec<String>, Vec<Exchange>) {
        let cli = Arc::new(Cli { code, stdout, stderr, commands: StdMutex::default() });
        let mut tokens = Tokens::new(
            Cloud::named("public").unwrap(),
            bench.azure.tokens.credentials.clone(),
            bench.azure.wire.clone(),
            Arc::default(),
        );
        tokens.executor = Some(Arc::clone(&cli) as Arc<dyn Executor>);
        let log = AttemptLog::new(Phase::Probe);
        let cx = bench.cx(Phase::Probe, &log);
        let mut result = tokens.get(&cx, &bench.central, Service::Arm).await;
        for _ in 1..times {
            result = tokens.get(&cx, &bench.central, Service::Arm).await;
        }
        let commands = cli.commands.lock().unwrap().clone();
        (result, commands, log.into_exchanges())
    }

    fn bench() -> Bench {
        Bench::with(json!({"default": {"credential": "azure-cli"}}))
    }

    #[tokio::test]
    async fn a_token_of_the_azure_cli_is_asked_for_once_and_kept() {
        let bench = bench();
        let until = bench.cx(Phase::Probe, &AttemptLog::default()).now().as_second() + 3600;
        let stdout =
            json!({"accessToken": "eyJ.CANARY.x", "expires_on": until, "tokenType": "Bearer"}).to_string();
        let (token, commands, exchanges) = ask(&bench, 0, stdout, "", 3).await;
        let token = token.unwrap();
        assert_eq!(token.renew_at.as_second(), until - 300);
        let [command] = commands.as_slice() else {
            panic!("the CLI is slow, so it is called once: {commands:?}")
        };
        assert!(
            command.ends_with(&format!(
                "az account get-access-token -o json --scope https://management.azure.com/.default --tenant {CENTRAL}"
            )),
            "{command}"
        );
        assert_eq!(exchanges[0].verb, "az");
        assert!(!format!("{exchanges:?} {token:?}").contains("CANARY"));
    }

    #[tokio::test]
    async fn what_the_azure_cli_says_is_classed() {
        let sign_in = format!("az login --tenant {CENTRAL} --allow-no-subscriptions");
        for (code, stderr, class, next) in [
            (1, "ERROR: Please run 'az login' to setup account.", FailureClass::Credential, sign_in.as_str()),
            (127, "sh: az: not found", FailureClass::Credential, "install the Azure CLI"),
            (
                1,
                "ERROR: AADSTS50078: Presented multi-factor authentication has expired. Trace ID: t Correlation ID: c \
                 Timestamp: 2026-11-23 08:31:07Z",
                FailureClass::NeedsPerson,
                sign_in.as_str(),
            ),
            (
                1,
                "HTTPSConnectionPool(host='login.microsoftonline.com'): Max retries exceeded",
                FailureClass::Transient,
                "",
            ),
            (1, "something else\nin two lines", FailureClass::Credential, sign_in.as_str()),
        ] {
            let (result, ..) = ask(&bench(), code, String::new(), stderr, 1).await;
            let error = result.unwrap_err();
            assert_eq!(error.class, class, "{error:?}");
            assert!(!error.message.contains('\n') && error.message.contains(CENTRAL), "{}", error.message);
            assert!(error.hint.clone().unwrap_or_default().contains(next), "{error:?}");
            assert_eq!(error.wait.is_some(), class != FailureClass::Transient);
        }
    }
}
