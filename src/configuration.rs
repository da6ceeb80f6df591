//! Configuration: `twinspan.toml` (project, then user) and `TWINSPAN_*`.
//!
//! ```text
//! flag > environment > project > user > default
//! ```
//!
//! `file` reads one file and finds every mistake in it; `layers` finds the files and lays the layers over each other.

mod file;
mod layers;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use layers::{Sources, load};

/// Everything that can be configured; what is absent was not said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configuration {
    /// Where the journal lies.
    pub(crate) journal: Option<PathBuf>,
    /// Credentials by the plan's identity names; `default` stands for every other.
    pub(crate) identities: BTreeMap<String, IdentitySettings>,
    pub(crate) cloud: CloudSettings,
    /// Programs that `command` steps may run.
    pub(crate) command_allow: Option<Vec<PathBuf>>,
}

/// `[identities.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IdentitySettings {
    pub(crate) everywhere: CredentialSettings,
    /// `[identities.NAME."TENANT"]`: laid over `everywhere` in that tenant.
    pub(crate) tenants: BTreeMap<String, CredentialSettings>,
}

/// How somebody signs in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CredentialSettings {
    pub(crate) credential: Option<CredentialKind>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<SecretRef>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) service_connection: Option<String>,
    pub(crate) system_access_token: Option<SecretRef>,
}

/// Which credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    AzureCli,
    ClientSecret,
    ClientCertificate,
    WorkloadIdentity,
    ManagedIdentity,
    AzurePipelines,
    None,
}

/// Where a secret is; never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; its last line feed does not count.
    File(PathBuf),
    /// What a program prints.
    Command(Vec<String>),
}

/// `[cloud]`
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CloudSettings {
    pub(crate) name: Option<CloudName>,
    pub(crate) arm: Option<String>,
    pub(crate) login: Option<String>,
    pub(crate) graph: Option<String>,
    pub(crate) root_certificate: Option<PathBuf>,
}

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloudName {
    Public,
    UsGovernment,
    China,
    Custom,
}

impl CredentialKind {
    pub(crate) const NAMES: [(&'static str, CredentialKind); 7] = [
        ("azure-cli", CredentialKind::AzureCli),
        ("client-secret", CredentialKind::ClientSecret),
        ("client-certificate", CredentialKind::ClientCertificate),
        ("workload-identity", CredentialKind::WorkloadIdentity),
        ("managed-identity", CredentialKind::ManagedIdentity),
        ("azure-pipelines", CredentialKind::AzurePipelines),
        ("none", CredentialKind::None),
    ];

    pub(crate) fn name(self) -> &'static str {
        named(&Self::NAMES, self)
    }
}

impl CloudName {
    pub(crate) const NAMES: [(&'static str, CloudName); 4] = [
        ("public", CloudName::Public),
        ("us-government", CloudName::UsGovernment),
        ("china", CloudName::China),
        ("custom", CloudName::Custom),
    ];
}

fn named<T: PartialEq + Copy>(names: &[(&'static str, T)], wanted: T) -> &'static str {
    names.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}

impl Configuration {
    /// Lays `self` over `lower`: what `self` says wins.
    fn over(mut self, lower: Configuration) -> Configuration {
        for (name, settings) in lower.identities {
            let upper = self.identities.remove(&name).unwrap_or_default();
            self.identities.insert(name, upper.over(settings));
        }
        Configuration {
            journal: self.journal.or(lower.journal),
            identities: self.identities,
            cloud: self.cloud.over(lower.cloud),
            command_allow: self.command_allow.or(lower.command_allow),
        }
    }

    /// How `identity` signs in to `tenant`; `None`: nothing is configured for it.
    pub(crate) fn credential(&self, identity: &str, tenant: &str) -> Option<CredentialSettings> {
        let settings = self.identities.get(identity).or_else(|| self.identities.get("default"))?;
        let own = settings.everywhere.clone();
        Some(match settings.tenants.get(tenant) {
            Some(special) => special.clone().over(own),
            None => own,
        })
    }
}

impl IdentitySettings {
    fn over(mut self, lower: IdentitySettings) -> IdentitySettings {
        for (tenant, settings) in lower.tenants {
            let upper = self.tenants.remove(&tenant).unwrap_or_default();
            self.tenants.insert(tenant, upper.over(settings));
        }
        IdentitySettings { everywhere: self.everywhere.over(lower.everywhere), tenants: self.tenants }
    }
}

impl CredentialSettings {
    fn over(self, lower: CredentialSettings) -> CredentialSettings {
        CredentialSettings {
            credential: self.credential.or(lower.credential),
            client_id: self.client_id.or(lower.client_id),
            client_secret: self.client_secret.or(lower.client_secret),
            certificate: self.certificate.or(lower.certificate),
            token_file: self.token_file.or(lower.token_file),
            service_connection: self.service_connection.or(lower.service_connection),
            system_access_token: self.system_access_token.or(lower.system_access_token),
        }
    }
}

impl CloudSettings {
    fn over(self, lower: CloudSettings) -> CloudSettings {
        // Addresses belong to the name beside them: those of another cloud must not slip under it.
        if self.name.is_some() && self.name != lower.name {
            return self;
        }
        CloudSettings {
            name: self.name.or(lower.name),
            arm: self.arm.or(lower.arm),
            login: self.login.or(lower.login),
            graph: self.graph.or(lower.graph),
            root_certificate: self.root_certificate.or(lower.root_certificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> CredentialSettings {
        CredentialSettings {
            credential: Some(CredentialKind::ClientSecret),
            client_id: Some("app".into()),
            client_secret: Some(SecretRef::Env(name.into())),
            ..CredentialSettings::default()
        }
    }

    #[test]
    fn a_tenants_own_secret_is_laid_over_the_identity() {
        let mut configuration = Configuration::default();
        let special = CredentialSettings {
            client_secret: Some(SecretRef::Env("F".into())),
            ..CredentialSettings::default()
        };
        configuration.identities.insert(
            "target".into(),
            IdentitySettings { everywhere: secret("ALL"), tenants: [("f".to_owned(), special)].into() },
        );
        assert_eq!(configuration.credential("target", "f"), Some(secret("F")));
        assert_eq!(configuration.credential("target", "g"), Some(secret("ALL")));
        assert_eq!(configuration.credential("central", "g"), None);
    }

    #[test]
    fn addresses_of_another_cloud_do_not_slip_under_a_name() {
        let upper = CloudSettings { name: Some(CloudName::Public), ..CloudSettings::default() };
        let lower = CloudSettings {
            name: Some(CloudName::Custom),
            arm: Some("https://localhost:1".into()),
            ..CloudSettings::default()
        };
        assert_eq!(upper.clone().over(lower), upper);
    }
}
