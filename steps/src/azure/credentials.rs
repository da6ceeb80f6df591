//! Maps the identities of a plan to credentials: the operator's configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use twinspan_engine::BoxFuture;

/// Where a secret is. The secret is read when it is used, and twinspan never stores it in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; trailing white space is ignored.
    File(PathBuf),
    /// A program and its arguments; the secret is its standard output.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
            SecretRef::File(path) => write!(f, "file {}", path.display()),
            // Arguments may name a vault entry; the program alone is enough to identify the command.
            SecretRef::Command(words) => write!(f, "command {}", words.first().map_or("", String::as_str)),
        }
    }
}

/// Reads secrets. The executable implements this, because it owns environment, files and processes.
pub trait SecretReader: Send + Sync {
    /// Reads the secret. The error says why it cannot be read, without quoting it.
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>>;
}

/// Kind of a credential, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The account signed in to the Azure CLI.
    AzureCli,
    /// An application and its secret.
    ClientSecret,
    /// An application and its certificate.
    ClientCertificate,
    /// A federated token that the platform writes to a file.
    WorkloadIdentity,
    /// The identity of the machine.
    ManagedIdentity,
    /// A service connection of Azure Pipelines.
    AzurePipelines,
    /// None on this machine: steps of the identity wait.
    None,
}

/// One table of the configuration: `[identities.NAME]` or `[identities.NAME."TENANT"]`. Keys that a tenant's table
/// lacks come from the identity's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CredentialSettings {
    /// Kind of the credential.
    pub credential: Option<CredentialKind>,
    /// Client id of the application, or of the user-assigned identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<SecretRef>,
    /// File with the application's certificate and key, PEM.
    pub certificate: Option<PathBuf>,
    /// File with the federated token.
    pub token_file: Option<PathBuf>,
    /// Id of the service connection.
    pub service_connection: Option<String>,
    /// The pipeline's own token.
    pub system_access_token: Option<SecretRef>,
    /// `azure-cli`: the configuration folder of the Azure CLI for this identity.
    pub azure_config_dir: Option<PathBuf>,
}

/// The configuration of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IdentitySettings {
    /// The table for all tenants.
    #[serde(flatten)]
    pub everywhere: CredentialSettings,
    /// The tables for single tenants, by tenant id.
    #[serde(flatten)]
    pub tenants: BTreeMap<String, CredentialSettings>,
}

/// A complete credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The account signed in to the Azure CLI.
    AzureCli {
        /// The configuration folder of the Azure CLI (`AZURE_CONFIG_DIR`), if it is not the default one.
        config_dir: Option<PathBuf>,
    },
    /// An application and its secret.
    ClientSecret {
        /// Its client id.
        client_id: String,
        /// Where its secret is.
        client_secret: SecretRef,
    },
    /// An application and its certificate.
    ClientCertificate {
        /// Its client id.
        client_id: String,
        /// File with certificate and key, PEM.
        certificate: PathBuf,
    },
    /// A federated token that the platform writes to a file. Missing values come from the platform's variables.
    WorkloadIdentity {
        /// Client id of the application.
        client_id: Option<String>,
        /// The file with the token.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine, or a user-assigned one.
    ManagedIdentity {
        /// Client id of the user-assigned identity.
        client_id: Option<String>,
    },
    /// A service connection of Azure Pipelines.
    AzurePipelines {
        /// Client id of the application of the service connection.
        client_id: String,
        /// Its id in Azure DevOps.
        service_connection: String,
        /// Where the pipeline's own token is.
        system_access_token: SecretRef,
    },
    /// None on this machine.
    None,
}

/// The environment variable with a pipeline's own token.
const SYSTEM_ACCESS_TOKEN: &str = "SYSTEM_ACCESSTOKEN";

impl CredentialKind {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::AzureCli => "azure-cli",
            CredentialKind::ClientSecret => "client-secret",
            CredentialKind::ClientCertificate => "client-certificate",
            CredentialKind::WorkloadIdentity => "workload-identity",
            CredentialKind::ManagedIdentity => "managed-identity",
            CredentialKind::AzurePipelines => "azure-pipelines",
            CredentialKind::None => "none",
        }
    }
}

impl Credential {
    /// Kind of the credential.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Credential::AzureCli { .. } => CredentialKind::AzureCli,
            Credential::ClientSecret { .. } => CredentialKind::ClientSecret,
            Credential::ClientCertificate { .. } => CredentialKind::ClientCertificate,
            Credential::WorkloadIdentity { .. } => CredentialKind::WorkloadIdentity,
            Credential::ManagedIdentity { .. } => CredentialKind::ManagedIdentity,
            Credential::AzurePipelines { .. } => CredentialKind::AzurePipelines,
            Credential::None => CredentialKind::None,
        }
    }

    /// Client id of the application that it signs in as, if it is configured.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Credential::ClientSecret { client_id, .. }
            | Credential::ClientCertificate { client_id, .. }
            | Credential::AzurePipelines { client_id, .. } => Some(client_id),
            Credential::WorkloadIdentity { client_id, .. } | Credential::ManagedIdentity { client_id } => {
                client_id.as_deref()
            }
            Credential::AzureCli { .. } | Credential::None => None,
        }
    }

    /// The configuration folder of the Azure CLI for this credential, if it is not the default one.
    pub(crate) fn azure_config_dir(&self) -> Option<&Path> {
        match self {
            Credential::AzureCli { config_dir } => config_dir.as_deref(),
            _ => None,
        }
    }
}

/// Why an identity has no complete credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// No credential is configured for it, nor a default.
    #[error("no credential is configured for identity {identity}")]
    NotConfigured {
        /// The identity.
        identity: String,
    },
    /// A key is missing.
    #[error("identity {identity}: credential {kind} needs {key}")]
    Missing {
        /// The identity.
        identity: String,
        /// Kind of credential.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
}

/// The credentials of all identities, and the reader for their secrets.
#[derive(Clone)]
pub struct Credentials {
    identities: BTreeMap<String, IdentitySettings>,
    secrets: Arc<dyn SecretReader>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identities", &self.identities).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials by the identity's name in the plan; the entry `default` serves every other name.
    pub fn new(identities: BTreeMap<String, IdentitySettings>, secrets: Arc<dyn SecretReader>) -> Self {
        Credentials { identities, secrets }
    }

    pub(crate) fn secrets(&self) -> &dyn SecretReader {
        self.secrets.as_ref()
    }

    /// Names of the configured identities, with the tenants that have their own table.
    pub fn configured(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.identities
            .iter()
            .map(|(name, settings)| (name.as_str(), settings.tenants.keys().map(String::as_str).collect()))
    }

    /// The credential of `identity` in `tenant`.
    pub fn of(&self, identity: &str, tenant: &str) -> Result<Credential, CredentialError> {
        let not_configured = || CredentialError::NotConfigured { identity: identity.to_owned() };
        let settings = self
            .identities
            .get(identity)
            .or_else(|| self.identities.get("default"))
            .ok_or_else(not_configured)?;
        let here = settings
            .tenants
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(tenant))
            .map_or_else(CredentialSettings::default, |(_, here)| here.clone());
        let merged = here.over(&settings.everywhere);
        let kind = merged.credential.ok_or_else(not_configured)?;
        let missing =
            |key| CredentialError::Missing { identity: identity.to_owned(), kind: kind.name(), key };
        let client_id = || merged.client_id.clone().ok_or_else(|| missing("client_id"));
        match kind {
            CredentialKind::AzureCli => Ok(Credential::AzureCli { config_dir: merged.azure_config_dir }),
            CredentialKind::ClientSecret => Ok(Credential::ClientSecret {
                client_id: client_id()?,
                client_secret: merged.client_secret.clone().ok_or_else(|| missing("client_secret"))?,
            }),
            CredentialKind::ClientCertificate => Ok(Credential::ClientCertificate {
                client_id: client_id()?,
                certificate: merged.certificate.clone().ok_or_else(|| missing("certificate"))?,
            }),
            CredentialKind::WorkloadIdentity => Ok(Credential::WorkloadIdentity {
                client_id: merged.client_id,
                token_file: merged.token_file,
            }),
            CredentialKind::ManagedIdentity => {
                Ok(Credential::ManagedIdentity { client_id: merged.client_id })
            }
            CredentialKind::AzurePipelines => Ok(Credential::AzurePipelines {
                client_id: client_id()?,
                service_connection: merged
                    .service_connection
                    .clone()
                    .ok_or_else(|| missing("service_connection"))?,
                system_access_token: merged
                    .system_access_token
                    .clone()
                    .unwrap_or_else(|| SecretRef::Env(SYSTEM_ACCESS_TOKEN.to_owned())),
            }),
            CredentialKind::None => Ok(Credential::None),
        }
    }
}

impl CredentialSettings {
    /// Fills the values that `self` lacks from `under`.
    #[must_use]
    pub fn over(self, under: &CredentialSettings) -> CredentialSettings {
        let under = under.clone();
        CredentialSettings {
            credential: self.credential.or(under.credential),
            client_id: self.client_id.or(under.client_id),
            client_secret: self.client_secret.or(under.client_secret),
            certificate: self.certificate.or(under.certificate),
            token_file: self.token_file.or(under.token_file),
            service_connection: self.service_connection.or(under.service_connection),
            system_access_token: self.system_access_token.or(under.system_access_token),
            azure_config_dir: self.azure_config_dir.or(under.azure_config_dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct NoSecrets;

    impl SecretReader for NoSecrets {
        fn read<'a>(&'a self, _: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
            Box::pin(async { Err("there are none".to_owned()) })
        }
    }

    fn credentials(settings: serde_json::Value) -> Credentials {
        Credentials::new(serde_json::from_value(settings).unwrap(), Arc::new(NoSecrets))
    }

    #[test]
    fn a_tenants_table_adds_to_the_identitys_own() {
        let credentials = credentials(json!({
            "target": {
                "credential": "client-secret", "client_id": "app", "client_secret": {"env": "COMMON"},
                "2222AAAA-0000-0000-0000-00000000000F": {"client_secret": {"file": "fabrikam.secret"}},
                "33333333-0000-0000-0000-00000000000f": {"credential": "none"},
            }
        }));
        let secret = |client_secret| Credential::ClientSecret { client_id: "app".into(), client_secret };
        assert_eq!(credentials.of("target", "other"), Ok(secret(SecretRef::Env("COMMON".into()))));
        assert_eq!(
            credentials.of("target", "2222aaaa-0000-0000-0000-00000000000f"),
            Ok(secret(SecretRef::File("fabrikam.secret".into())))
        );
        assert_eq!(credentials.of("target", "33333333-0000-0000-0000-00000000000f"), Ok(Credential::None));
    }

    #[test]
    fn default_serves_names_that_are_not_configured_only() {
        let credentials = credentials(json!({
            "default": {"credential": "azure-cli"},
            "central": {"client_id": "app"},
        }));
        assert_eq!(credentials.of("target", "t"), Ok(Credential::AzureCli { config_dir: None }));
        assert_eq!(
            credentials.of("central", "t"),
            Err(CredentialError::NotConfigured { identity: "central".into() })
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let credentials = credentials(json!({
            "central": {"credential": "client-secret", "client_id": "app"},
            "target": {"credential": "client-certificate", "client_id": "app"},
            "ci": {"credential": "azure-pipelines", "client_id": "app"},
            "app": {"credential": "client-certificate", "certificate": "app.pem"},
        }));
        let message = |identity| credentials.of(identity, "t").unwrap_err().to_string();
        assert_eq!(message("central"), "identity central: credential client-secret needs client_secret");
        assert_eq!(message("target"), "identity target: credential client-certificate needs certificate");
        assert_eq!(message("ci"), "identity ci: credential azure-pipelines needs service_connection");
        assert_eq!(message("app"), "identity app: credential client-certificate needs client_id");
        assert_eq!(message("other"), "no credential is configured for identity other");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let settings = serde_json::from_value::<IdentitySettings>(json!({"clinet_id": "app"}));
        assert!(settings.is_err());
    }
}
