//! Which credential serves which identity of a plan: the operator's configuration, read and looked up.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use twinspan_engine::BoxFuture;

/// Where a secret is. The secret itself is read when it is used, and never kept in a file of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; white space at its end does not count.
    File(PathBuf),
    /// A program and its arguments; its standard output.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
            SecretRef::File(path) => write!(f, "file {}", path.display()),
            // Arguments may name a vault entry; the program is enough to find it.
            SecretRef::Command(words) => write!(f, "command {}", words.first().map_or("", String::as_str)),
        }
    }
}

/// Reads secrets. The program owns environment, files and processes, so it implements this.
pub trait SecretReader: Send + Sync {
    /// The secret, or why it could not be read (without any of it).
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>>;
}

/// Kind of credential, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// The account signed in to the Azure CLI.
    AzureCli,
    /// An application and its secret.
    ClientSecret,
    /// An application and its certificate.
    ClientCertificate,
    /// A federated token that the platform puts in a file.
    WorkloadIdentity,
    /// The identity of the machine.
    ManagedIdentity,
    /// A service connection of Azure Pipelines.
    AzurePipelines,
    /// None on this machine: its steps wait.
    None,
}

/// One table of the configuration: `[identities.NAME]` or `[identities.NAME."TENANT"]`. What a tenant's table does not
/// say, the identity's table says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CredentialSettings {
    /// Which kind.
    pub credential: Option<CredentialKind>,
    /// The application, or the user-assigned identity.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<SecretRef>,
    /// The application's certificate and key, PEM.
    pub certificate: Option<PathBuf>,
    /// The file with the federated token.
    pub token_file: Option<PathBuf>,
    /// The service connection.
    pub service_connection: Option<String>,
    /// The pipeline's own token.
    pub system_access_token: Option<SecretRef>,
}

/// Everything that is configured for one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IdentitySettings {
    /// For every tenant.
    #[serde(flatten)]
    pub everywhere: CredentialSettings,
    /// For one tenant, by its id.
    #[serde(flatten)]
    pub tenants: BTreeMap<String, CredentialSettings>,
}

/// A credential, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The account signed in to the Azure CLI.
    AzureCli,
    /// An application and its secret.
    ClientSecret {
        /// The application.
        client_id: String,
        /// Where its secret is.
        client_secret: SecretRef,
    },
    /// A federated token that the platform puts in a file. What is not given comes from the platform's variables.
    WorkloadIdentity {
        /// The application.
        client_id: Option<String>,
        /// The file with the token.
        token_file: Option<PathBuf>,
    },
    /// The identity of the machine, or a user-assigned one.
    ManagedIdentity {
        /// The user-assigned identity.
        client_id: Option<String>,
    },
    /// None on this machine.
    None,
}

impl Credential {
    /// The application that it signs in as, where the configuration says it.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Credential::ClientSecret { client_id, .. } => Some(client_id),
            Credential::WorkloadIdentity { client_id, .. } | Credential::ManagedIdentity { client_id } => {
                client_id.as_deref()
            }
            Credential::AzureCli | Credential::None => None,
        }
    }
}

/// Why there is no complete credential for an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nothing is configured, for it or by default.
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
    /// Known, and not supported by this version.
    #[error("identity {identity}: credential {kind} is not supported yet")]
    NotYet {
        /// The identity.
        identity: String,
        /// Kind of credential.
        kind: &'static str,
    },
}

/// Credentials of every identity, and how secrets are read.
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
    /// Credentials by the identity's name in the plan; `default` serves every other name.
    pub fn new(identities: BTreeMap<String, IdentitySettings>, secrets: Arc<dyn SecretReader>) -> Self {
        Credentials { identities, secrets }
    }

    pub(crate) fn secrets(&self) -> &dyn SecretReader {
        self.secrets.as_ref()
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
        let missing = |kind, key| CredentialError::Missing { identity: identity.to_owned(), kind, key };
        let not_yet = |kind| CredentialError::NotYet { identity: identity.to_owned(), kind };
        match kind {
            CredentialKind::AzureCli => Ok(Credential::AzureCli),
            CredentialKind::ClientSecret => Ok(Credential::ClientSecret {
                client_id: merged.client_id.ok_or_else(|| missing("client-secret", "client_id"))?,
                client_secret: merged
                    .client_secret
                    .ok_or_else(|| missing("client-secret", "client_secret"))?,
            }),
            CredentialKind::WorkloadIdentity => Ok(Credential::WorkloadIdentity {
                client_id: merged.client_id,
                token_file: merged.token_file,
            }),
            CredentialKind::ManagedIdentity => {
                Ok(Credential::ManagedIdentity { client_id: merged.client_id })
            }
            CredentialKind::ClientCertificate => Err(not_yet("client-certificate")),
            CredentialKind::AzurePipelines => Err(not_yet("azure-pipelines")),
            CredentialKind::None => Ok(Credential::None),
        }
    }
}

impl CredentialSettings {
    /// What `self` does not say, `under` says.
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
        assert_eq!(credentials.of("target", "t"), Ok(Credential::AzureCli));
        assert_eq!(
            credentials.of("central", "t"),
            Err(CredentialError::NotConfigured { identity: "central".into() })
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let credentials = credentials(json!({
            "central": {"credential": "client-secret", "client_id": "app"},
            "target": {"credential": "client-certificate"},
        }));
        let message = |identity| credentials.of(identity, "t").unwrap_err().to_string();
        assert_eq!(message("central"), "identity central: credential client-secret needs client_secret");
        assert_eq!(message("target"), "identity target: credential client-certificate is not supported yet");
        assert_eq!(message("nobody"), "no credential is configured for identity nobody");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let settings = serde_json::from_value::<IdentitySettings>(json!({"clinet_id": "app"}));
        assert!(settings.is_err());
    }
}
