//! Configuration: `twinspan.toml` (project, then user) and `TWINSPAN_*`.
//!
//! ```text
//! flag > environment > project > user > default
//! ```
//!
//! A file found in the working folder or above has less authority than the operator's own file or a file given by name:
//! content
//! of a checkout must not run a program or name a host that gets a secret.
//!
//! `file` reads one file and finds every mistake in it; `layers` finds the files and merges the layers; `settings`
//! gives the
//! source of each value in force; `ownership` refuses files that other accounts may change.

mod file;
mod layers;
mod ownership;
mod settings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use twinspan_steps::{CredentialKind, IdentitySettings};

pub(crate) use layers::{Layers, Sources, load};
pub(crate) use settings::{Origin, Setting, kind_name, settings, variable};

/// Everything that can be configured; absent fields were not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Configuration {
    /// Path of the journal.
    pub(crate) journal: Option<PathBuf>,
    /// Time without a heartbeat of the driver after which other processes take its runs over.
    pub(crate) journal_lease: Option<Duration>,
    /// The group whose accounts may read the journal and send signals.
    pub(crate) journal_group: Option<GroupSetting>,
    /// Credentials by the plan's identity names; `default` is for every other name.
    pub(crate) identities: BTreeMap<String, IdentitySettings>,
    pub(crate) cloud: CloudSettings,
    /// Programs that `command` steps may run.
    pub(crate) command_allow: Option<Vec<PathBuf>>,
    /// Settings that the file may not set and that are ignored, with file and position.
    pub(crate) ignored: Vec<String>,
}

/// A group of accounts, and where it was configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupSetting {
    pub(crate) name: String,
    /// File, line and column, or the environment variable.
    pub(crate) place: String,
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

/// The Azure cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloudName {
    Public,
    UsGovernment,
    China,
    Custom,
}

/// Names of the credentials in the configuration.
const CREDENTIALS: [(&str, CredentialKind); 7] = [
    ("azure-cli", CredentialKind::AzureCli),
    ("client-secret", CredentialKind::ClientSecret),
    ("client-certificate", CredentialKind::ClientCertificate),
    ("workload-identity", CredentialKind::WorkloadIdentity),
    ("managed-identity", CredentialKind::ManagedIdentity),
    ("azure-pipelines", CredentialKind::AzurePipelines),
    ("none", CredentialKind::None),
];

impl CloudName {
    const NAMES: [(&'static str, CloudName); 4] = [
        ("public", CloudName::Public),
        ("us-government", CloudName::UsGovernment),
        ("china", CloudName::China),
        ("custom", CloudName::Custom),
    ];
}

/// The error message for a lease.
const LEASE_FORM: &str = "the lease must be a time from 1s to 24h, such as 2m";

/// Parses the duration of a lease.
fn lease(text: &str) -> Option<Duration> {
    let lease = twinspan_engine::parse_duration(text)?;
    (Duration::from_secs(1)..=Duration::from_secs(24 * 3600)).contains(&lease).then_some(lease)
}

impl Configuration {
    /// Merges `self` over `lower`: values of `self` win.
    fn over(mut self, lower: Configuration) -> Configuration {
        for (name, settings) in lower.identities {
            let upper = self.identities.remove(&name).unwrap_or_default();
            self.identities.insert(name, laid_over(upper, settings));
        }
        Configuration {
            journal: self.journal.or(lower.journal),
            journal_lease: self.journal_lease.or(lower.journal_lease),
            journal_group: self.journal_group.or(lower.journal_group),
            identities: self.identities,
            cloud: self.cloud.over(lower.cloud),
            command_allow: self.command_allow.or(lower.command_allow),
            ignored: self.ignored.into_iter().chain(lower.ignored).collect(),
        }
    }
}

fn laid_over(mut upper: IdentitySettings, lower: IdentitySettings) -> IdentitySettings {
    for (tenant, settings) in lower.tenants {
        let special = upper.tenants.remove(&tenant).unwrap_or_default();
        upper.tenants.insert(tenant, special.over(&settings));
    }
    IdentitySettings { everywhere: upper.everywhere.over(&lower.everywhere), tenants: upper.tenants }
}

impl CloudSettings {
    fn over(self, lower: CloudSettings) -> CloudSettings {
        // Addresses belong to the name of their cloud: addresses of another cloud must not be merged in.
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
