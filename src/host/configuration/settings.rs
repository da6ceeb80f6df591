//! Each setting in force, its value and its source. Of a secret only the source is known here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};
use twinspan_steps::{CredentialKind, CredentialSettings, SecretRef};

use super::layers::Layers;
use super::{CREDENTIALS, CloudName, Configuration};

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setting {
    /// Name in `twinspan.toml`, with dots.
    pub(crate) key: String,
    /// For a secret its source, never the secret.
    pub(crate) value: Value,
    pub(crate) from: Origin,
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "layer")]
pub(crate) enum Origin {
    Flag { name: String },
    Environment { name: String },
    Project { file: PathBuf },
    User { file: PathBuf },
    Default,
}

impl Origin {
    pub(crate) fn text(&self) -> String {
        match self {
            Origin::Flag { name } => format!("flag {name}"),
            Origin::Environment { name } => format!("environment {name}"),
            Origin::Project { file } => format!("project {}", file.display()),
            Origin::User { file } => format!("user {}", file.display()),
            Origin::Default => "default".to_owned(),
        }
    }
}

/// Every setting of the files and the environment that is in force, by name.
pub(crate) fn settings(layers: &Layers) -> Vec<Setting> {
    let said = [
        layers.environment.values(),
        layers.project.as_ref().map(|(_, said)| said.values()).unwrap_or_default(),
        layers.user.as_ref().map(|(_, said)| said.values()).unwrap_or_default(),
    ];
    let origin = |key: &str, value: &Value| {
        let layer = said.iter().position(|said| said.get(key) == Some(value));
        match (layer, &layers.project, &layers.user) {
            (Some(0), _, _) => Origin::Environment { name: variable(key) },
            (Some(1), Some((file, _)), _) => Origin::Project { file: file.clone() },
            (Some(2), _, Some((file, _))) => Origin::User { file: file.clone() },
            _ => Origin::Default,
        }
    };
    let in_force = layers.clone().merged().values();
    in_force.into_iter().map(|(key, value)| Setting { from: origin(&key, &value), key, value }).collect()
}

/// The environment variable for `key`.
pub(crate) fn variable(key: &str) -> String {
    format!("TWINSPAN_{}", key.to_ascii_uppercase().replace(['.', '-'], "_"))
}

impl Configuration {
    /// All values that are set, by their names in `twinspan.toml`.
    fn values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.insert(key.to_owned(), value);
            }
        };
        put("journal", self.journal.as_ref().map(|path| json!(path)));
        put("journal.lease", self.journal_lease.map(|lease| json!(format!("{}s", lease.as_secs()))));
        put("journal.group", self.journal_group.as_ref().map(|group| json!(group.name)));
        let cloud = &self.cloud;
        put("cloud.name", cloud.name.map(|name| json!(name.name())));
        put("cloud.arm", cloud.arm.as_ref().map(|url| json!(url)));
        put("cloud.login", cloud.login.as_ref().map(|url| json!(url)));
        put("cloud.graph", cloud.graph.as_ref().map(|url| json!(url)));
        put("cloud.root_certificate", cloud.root_certificate.as_ref().map(|path| json!(path)));
        put("command.allow", self.command_allow.as_ref().map(|programs| json!(programs)));
        for (name, identity) in &self.identities {
            credential(&format!("identities.{name}"), &identity.everywhere, &mut put);
            for (tenant, special) in &identity.tenants {
                credential(&format!("identities.{name}.{tenant}"), special, &mut put);
            }
        }
        values
    }
}

fn credential(table: &str, settings: &CredentialSettings, put: &mut impl FnMut(&str, Option<Value>)) {
    let CredentialSettings {
        credential,
        client_id,
        client_secret,
        certificate,
        token_file,
        service_connection,
        system_access_token,
        azure_config_dir,
    } = settings;
    let mut field = |name: &str, value: Option<Value>| put(&format!("{table}.{name}"), value);
    field("credential", credential.map(|kind| json!(kind_name(kind))));
    field("client_id", client_id.as_ref().map(|id| json!(id)));
    field("client_secret", client_secret.as_ref().map(place));
    field("azure_config_dir", azure_config_dir.as_ref().map(|path| json!(path)));
    field("certificate", certificate.as_ref().map(|path| json!(path)));
    field("token_file", token_file.as_ref().map(|path| json!(path)));
    field("service_connection", service_connection.as_ref().map(|name| json!(name)));
    field("system_access_token", system_access_token.as_ref().map(place));
}

/// The source of a secret. Of a command only its program: an argument may be the secret itself.
fn place(secret: &SecretRef) -> Value {
    match secret {
        SecretRef::Env(name) => json!({ "env": name }),
        SecretRef::File(path) => json!({ "file": path }),
        SecretRef::Command(words) => json!({ "command": words.first() }),
    }
}

pub(crate) fn kind_name(kind: CredentialKind) -> &'static str {
    CREDENTIALS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name)
}

impl CloudName {
    fn name(self) -> &'static str {
        CloudName::NAMES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use twinspan_steps::IdentitySettings;

    use super::*;
    use crate::host::configuration::CloudSettings;

    fn said(settings: CredentialSettings) -> Configuration {
        Configuration {
            identities: [(
                "central".to_owned(),
                IdentitySettings { everywhere: settings, tenants: [].into() },
            )]
            .into(),
            ..Configuration::default()
        }
    }

    #[test]
    fn the_strongest_layer_that_says_it_is_named() {
        let project = said(CredentialSettings {
            client_id: Some("p".into()),
            client_secret: Some(SecretRef::Command(vec!["/bin/vault".into(), "canary-77aa".into()])),
            ..CredentialSettings::default()
        });
        let user = said(CredentialSettings {
            client_id: Some("u".into()),
            credential: Some(CredentialKind::ClientSecret),
            ..CredentialSettings::default()
        });
        let layers = Layers {
            environment: Configuration { journal: Some("/e.db".into()), ..Configuration::default() },
            project: Some(("p.toml".into(), project)),
            user: Some(("u.toml".into(), user)),
        };
        let settings = settings(&layers);
        let shown: Vec<String> = settings
            .iter()
            .map(|setting| format!("{} {} {}", setting.key, setting.value, setting.from.text()))
            .collect();
        assert_eq!(
            shown,
            [
                "identities.central.client_id \"p\" project p.toml",
                "identities.central.client_secret {\"command\":\"/bin/vault\"} project p.toml",
                "identities.central.credential \"client-secret\" user u.toml",
                "journal \"/e.db\" environment TWINSPAN_JOURNAL",
            ]
        );
    }

    #[test]
    fn addresses_that_another_cloud_overrules_are_not_in_force() {
        let custom = CloudSettings {
            name: Some(CloudName::Custom),
            arm: Some("https://localhost:1".into()),
            ..CloudSettings::default()
        };
        let public = CloudSettings { name: Some(CloudName::Public), ..CloudSettings::default() };
        let layers = Layers {
            environment: Configuration { cloud: public, ..Configuration::default() },
            project: None,
            user: Some(("u.toml".into(), Configuration { cloud: custom, ..Configuration::default() })),
        };
        let settings = settings(&layers);
        assert_eq!(settings.len(), 1, "{settings:?}");
        assert_eq!(settings[0].from, Origin::Environment { name: "TWINSPAN_CLOUD_NAME".to_owned() });
    }
}
