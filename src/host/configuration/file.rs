//! Reads one `twinspan.toml`: every mistake in one pass, each with its line and column, and no secret in any message.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use twinspan_steps::{CredentialSettings, IdentitySettings, SecretRef};

use super::ownership::Trust;
use super::{CREDENTIALS, CloudName, Configuration, GroupSetting};
use crate::text::Text;

/// A mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn text(&self) -> Text {
        Text::line(&format!("{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message))
    }
}

/// Reads `text`, the content of `path`.
pub(super) fn read(path: &Path, text: &str, trust: Trust) -> Result<Configuration, Vec<Finding>> {
    let mut reader = Reader { path, text, trust, findings: Vec::new(), ignored: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.add(error.span().unwrap_or(0..0), error.message().to_owned());
    }
    let mut configuration =
        if errors.is_empty() { reader.top(table.get_ref()) } else { Configuration::default() };
    // In the order of the text, whatever the order of the tables.
    configuration.ignored = std::mem::take(&mut reader.ignored);
    reader.findings.sort_by_key(|finding| (finding.line, finding.column));
    if reader.findings.is_empty() { Ok(configuration) } else { Err(reader.findings) }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    trust: Trust,
    findings: Vec<Finding>,
    ignored: Vec<String>,
}

/// Required location of settings that run a program or name a host.
const OWN: &str = "is read only from your own twinspan.toml (~/.config/twinspan/twinspan.toml) or from a file that you name with --config";

type Entry<'a, 'i> = &'a Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn add(&mut self, at: Range<usize>, message: impl Into<String>) {
        let (line, column) = self.place(&at);
        self.findings.push(Finding { file: self.path.to_owned(), line, column, message: message.into() });
    }

    /// Line and column, counted from 1.
    fn place(&self, at: &Range<usize>) -> (usize, usize) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn unknown(&mut self, at: Range<usize>, key: &str, within: &str, known: &[&str]) {
        self.add(at, format!("unknown key `{key}` in {within}; known are {}", known.join(", ")));
    }

    fn top(&mut self, table: &DeTable<'_>) -> Configuration {
        let mut configuration = Configuration::default();
        for (key, value) in table {
            match &**key.get_ref() {
                "journal" => self.journal(value, &mut configuration),
                "identities" => {
                    for (name, settings) in self.table(value, "identities").into_iter().flatten() {
                        let name = name.get_ref().to_string();
                        let settings = self.identity(&name, settings);
                        configuration.identities.insert(name, settings);
                    }
                }
                "cloud" => configuration.cloud = self.cloud(value),
                "command" => {
                    for (key, value) in self.table(value, "command").into_iter().flatten() {
                        match &**key.get_ref() {
                            "allow" => {
                                let programs = self.programs(value);
                                configuration.command_allow = self.allowed(key.span(), programs);
                            }
                            other => self.unknown(key.span(), other, "[command]", &["allow"]),
                        }
                    }
                }
                other => self.unknown(
                    key.span(),
                    other,
                    "the configuration",
                    &["journal", "identities", "cloud", "command"],
                ),
            }
        }
        configuration
    }

    /// A path, or a table with further settings.
    fn journal(&mut self, value: Entry<'_, '_>, configuration: &mut Configuration) {
        let Some(table) = value.get_ref().as_table() else {
            configuration.journal = self.path_value(value);
            return;
        };
        for (key, value) in table {
            match &**key.get_ref() {
                "path" => configuration.journal = self.path_value(value),
                "lease" => {
                    let text = self.string(value, "lease");
                    configuration.journal_lease = text.as_deref().and_then(super::lease);
                    if text.is_some() && configuration.journal_lease.is_none() {
                        self.add(value.span(), super::LEASE_FORM);
                    }
                }
                "group" => {
                    let name = self.string(value, "group").filter(|name| !name.is_empty());
                    configuration.journal_group = name.and_then(|name| self.group(key.span(), name));
                }
                other => self.unknown(key.span(), other, "[journal]", &["path", "lease", "group"]),
            }
        }
    }

    fn identity(&mut self, name: &str, value: Entry<'_, '_>) -> IdentitySettings {
        let mut settings = IdentitySettings::default();
        for (key, value) in self.table(value, &format!("identities.{name}")).into_iter().flatten() {
            let key_text = key.get_ref().to_string();
            // A table under an identity is a tenant, unless it is the source of a secret.
            if value.get_ref().is_table() && !SECRET_KEYS.contains(&key_text.as_str()) {
                if !is_tenant(&key_text) {
                    self.add(
                        key.span(),
                        format!("`{key_text}` is not a tenant's id; write [identities.{name}.\"TENANT-ID\"]"),
                    );
                }
                let mut special = CredentialSettings::default();
                for (key, value) in self.table(value, &key_text).into_iter().flatten() {
                    self.credential(&mut special, key, value, &format!("[identities.{name}.\"{key_text}\"]"));
                }
                settings.tenants.insert(key_text.to_ascii_lowercase(), special);
            } else {
                self.credential(&mut settings.everywhere, key, value, &format!("[identities.{name}]"));
            }
        }
        settings
    }

    fn credential(
        &mut self,
        settings: &mut CredentialSettings,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: Entry<'_, '_>,
        within: &str,
    ) {
        match &**key.get_ref() {
            "credential" => settings.credential = self.choice(value, &CREDENTIALS),
            "client_id" => settings.client_id = self.string(value, "client_id"),
            "client_secret" => settings.client_secret = self.secret(value, "client_secret"),
            "certificate" => settings.certificate = self.path_value(value),
            // The folder may contain extensions of the Azure CLI, which are programs.
            "azure_config_dir" if !self.trust.is_full() => {
                self.add(key.span(), format!("azure_config_dir may hold programs (extensions): that {OWN}"));
            }
            "azure_config_dir" => settings.azure_config_dir = self.path_value(value),
            "token_file" => settings.token_file = self.path_value(value),
            "service_connection" => {
                settings.service_connection = self.string(value, "service_connection");
            }
            "system_access_token" => {
                settings.system_access_token = self.secret(value, "system_access_token");
            }
            other => self.unknown(
                key.span(),
                other,
                within,
                &[
                    "credential",
                    "client_id",
                    "client_secret",
                    "certificate",
                    "token_file",
                    "service_connection",
                    "system_access_token",
                    "azure_config_dir",
                ],
            ),
        }
    }

    fn cloud(&mut self, value: Entry<'_, '_>) -> super::CloudSettings {
        let mut cloud = super::CloudSettings::default();
        let Some(table) = self.table(value, "cloud") else { return cloud };
        for (key, value) in table {
            match &**key.get_ref() {
                "name" => cloud.name = self.choice(value, &CloudName::NAMES),
                "arm" => cloud.arm = self.address(value, "arm"),
                "login" => cloud.login = self.address(value, "login"),
                "graph" => cloud.graph = self.address(value, "graph"),
                "root_certificate" => cloud.root_certificate = self.path_value(value),
                other => self.unknown(
                    key.span(),
                    other,
                    "[cloud]",
                    &["name", "arm", "login", "graph", "root_certificate"],
                ),
            }
        }
        let addressed = cloud.arm.is_some() || cloud.login.is_some() || cloud.graph.is_some();
        match cloud.name {
            Some(CloudName::Custom) => {
                for (name, address) in [("arm", &cloud.arm), ("login", &cloud.login), ("graph", &cloud.graph)]
                {
                    if address.is_none() {
                        self.add(value.span(), format!("cloud \"custom\" needs `{name}`"));
                    }
                }
            }
            _ if addressed => {
                self.add(value.span(), "addresses are only for name = \"custom\"");
            }
            _ => {}
        }
        cloud
    }

    fn table<'v, 'i>(&mut self, value: Entry<'v, 'i>, what: &str) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.add(value.span(), format!("`{what}` must be a table, not {}", article(value)));
        }
        table
    }

    fn string(&mut self, value: Entry<'_, '_>, what: &str) -> Option<String> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.add(value.span(), format!("`{what}` must be text, not {}", article(value)));
        }
        text.map(str::to_owned)
    }

    fn choice<T: Copy>(&mut self, value: Entry<'_, '_>, names: &[(&'static str, T)]) -> Option<T> {
        let known = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let Some(text) = value.get_ref().as_str() else {
            self.add(value.span(), format!("must be one of {}, not {}", known(), article(value)));
            return None;
        };
        let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.add(value.span(), format!("\"{text}\" is not known here; known are {}", known()));
        }
        found
    }

    fn address(&mut self, value: Entry<'_, '_>, what: &str) -> Option<String> {
        let text = self.string(value, what)?;
        if !text.starts_with("https://") {
            self.add(
                value.span(),
                format!("`{what}` must begin with https:// (sign-in is refused over http)"),
            );
            return None;
        }
        if !self.trust.is_full() && !is_on_this_machine(&text) {
            self.add(
                value.span(),
                format!("`{what}` names a host that would get tokens and secrets: that {OWN}"),
            );
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    /// A path; a relative path is relative to the folder of the configuration.
    fn path_value(&mut self, value: Entry<'_, '_>) -> Option<PathBuf> {
        let text = self.string(value, "a path")?;
        Some(self.relative(&text))
    }

    fn relative(&self, text: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(text)
    }

    /// The group that may read the journal. A file from a checkout may not set it; without it the journal stays
    /// private.
    fn group(&mut self, at: Range<usize>, name: String) -> Option<GroupSetting> {
        let (line, column) = self.place(&at);
        let place = format!("{}:{line}:{column}", self.path.display());
        if self.trust.is_full() {
            return Some(GroupSetting { name, place });
        }
        self.ignored.push(format!("{place}: journal.group {OWN}"));
        None
    }

    /// Programs that `command` steps may run. A file without that authority allows none; the setting is then ignored
    /// and reported,
    /// so that commands which only read still work.
    fn allowed(&mut self, at: Range<usize>, programs: Option<Vec<PathBuf>>) -> Option<Vec<PathBuf>> {
        if self.trust.is_full() || programs.as_ref().is_none_or(Vec::is_empty) {
            return programs;
        }
        let (line, column) = self.place(&at);
        self.ignored.push(format!("{}:{line}:{column}: [command] allow {OWN}", self.path.display()));
        None
    }

    fn programs(&mut self, value: Entry<'_, '_>) -> Option<Vec<PathBuf>> {
        let Some(list) = value.get_ref().as_array() else {
            self.add(value.span(), format!("`allow` must be a list of paths, not {}", article(value)));
            return None;
        };
        let mut programs = Vec::new();
        for item in list.iter() {
            let Some(text) = self.string(item, "allow") else { continue };
            let path = PathBuf::from(&text);
            if !path.is_absolute() {
                self.add(item.span(), format!("`{text}` must be an absolute path"));
            }
            programs.push(path);
        }
        Some(programs)
    }

    /// Reads the source of a secret. A secret itself is neither allowed in a configuration nor repeated in a message.
    fn secret(&mut self, value: Entry<'_, '_>, what: &str) -> Option<SecretRef> {
        let form = format!(
            "{what} = {{ env = \"NAME\" }}, {{ file = \"PATH\" }} or {{ command = [\"PROGRAM\", …] }}"
        );
        let Some(table) = value.get_ref().as_table() else {
            self.add(value.span(), format!("a secret is never written here; write {form}"));
            return None;
        };
        let mut entries = table.iter();
        let (Some((key, inner)), None) = (entries.next(), entries.next()) else {
            self.add(value.span(), format!("exactly one of env, file, command; write {form}"));
            return None;
        };
        match &**key.get_ref() {
            "env" => self.string(inner, "env").map(SecretRef::Env),
            "file" => self.string(inner, "file").map(|text| SecretRef::File(self.relative(&text))),
            "command" if !self.trust.is_full() => {
                self.add(key.span(), format!("{what} = {{ command = … }} runs a program: that {OWN}"));
                None
            }
            "command" => {
                let Some(list) = inner.get_ref().as_array() else {
                    self.add(inner.span(), "`command` must be a list: the program, then its arguments");
                    return None;
                };
                let words: Vec<String> =
                    list.iter().filter_map(|item| self.string(item, "command")).collect();
                if words.is_empty() {
                    self.add(inner.span(), "`command` needs a program");
                }
                Some(SecretRef::Command(words))
            }
            other => {
                self.add(key.span(), format!("unknown source `{other}` of a secret; write {form}"));
                None
            }
        }
    }
}

/// Whether an address is on this machine, as the addresses of `twinspan sim` are.
fn is_on_this_machine(address: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    plain && matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

const SECRET_KEYS: [&str; 2] = ["client_secret", "system_access_token"];

fn is_tenant(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok() && text.len() == 36
}

fn article(value: Entry<'_, '_>) -> String {
    let kind = value.get_ref().type_str();
    if kind.starts_with(['a', 'i']) { format!("an {kind}") } else { format!("a {kind}") }
}

#[cfg(test)]
mod tests {
    use twinspan_steps::CredentialKind;

    use super::*;

    fn findings(text: &str) -> Vec<String> {
        found_by(Trust::Own, text)
    }

    fn found_by(trust: Trust, text: &str) -> Vec<String> {
        let found = read(Path::new("twinspan.toml"), text, trust).err().unwrap_or_default();
        found.iter().map(|finding| finding.text().plain()).collect()
    }

    #[test]
    fn reads_the_documented_form() {
        let text = r#"
            [identities.central]
            credential = "azure-cli"
            [identities.target]
            credential = "client-secret"
            client_id = "app"
            client_secret = { env = "TARGET_SECRET" }
            [identities.target."22222222-0000-0000-0000-00000000000F"]
            client_secret = { file = "fabrikam.secret" }
            [identities.default]
            credential = "none"
            [cloud]
            name = "custom"
            arm = "https://localhost:1/"
            login = "https://localhost:2"
            graph = "https://localhost:3"
            root_certificate = "ca.pem"
            [command]
            allow = ["/usr/bin/true"]
        "#;
        let configuration = read(Path::new("/conf/twinspan.toml"), text, Trust::Own).unwrap();
        let target = &configuration.identities["target"];
        assert_eq!(target.everywhere.credential, Some(CredentialKind::ClientSecret));
        let fabrikam = &target.tenants["22222222-0000-0000-0000-00000000000f"];
        assert_eq!(fabrikam.client_secret, Some(SecretRef::File("/conf/fabrikam.secret".into())));
        assert_eq!(configuration.identities["default"].everywhere.credential, Some(CredentialKind::None));
        assert_eq!(configuration.cloud.arm.as_deref(), Some("https://localhost:1"));
        assert_eq!(configuration.cloud.root_certificate, Some("/conf/ca.pem".into()));
        assert_eq!(configuration.command_allow, Some(vec!["/usr/bin/true".into()]));
    }

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        let found = findings("[identities.target]\nclient_secret = \"hunter2-canary\"\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("twinspan.toml:2:17: a secret is never written here"), "{found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }

    #[test]
    fn every_mistake_is_found_in_one_pass() {
        let found = findings(
            "colour = 1\n[identities.a]\ncredential = \"password\"\n[identities.a.prod]\nclient_id = \"x\"\n\
             [cloud]\nname = \"custom\"\narm = \"http://x\"\n[command]\nallow = [\"true\"]\n",
        );
        let expected = [
            "1:1: unknown key `colour`",
            "3:14: \"password\" is not known here",
            "4:15: `prod` is not a tenant's id",
            "8:7: `arm` must begin with https://",
            "needs `arm`",
            "needs `login`",
            "needs `graph`",
            "10:10: `true` must be an absolute path",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for wanted in expected {
            assert!(found.iter().any(|text| text.contains(wanted)), "{wanted}: {found:#?}");
        }
    }

    #[test]
    fn what_came_with_a_checkout_runs_nothing_and_names_no_host() {
        let runs = "[identities.a]\nclient_secret = { command = [\"/bin/sh\"] }\n";
        let names = |host: &str| {
            format!(
                "[cloud]\nname = \"custom\"\narm = \"https://{host}\"\nlogin = \"https://{host}\"\ngraph = \"https://{host}\"\n"
            )
        };
        for (text, place) in [
            (runs.to_owned(), ":2:19: client_secret = { command"),
            (
                "[identities.a]\nazure_config_dir = \"az\"\n".to_owned(),
                ":2:1: azure_config_dir may hold programs",
            ),
            (names("login.example"), ":4:9: `login` names a host"),
            (names("localhost@login.example:1"), ":4:9: `login` names a host"),
            (names("localhost.login.example"), ":4:9: `login` names a host"),
        ] {
            let found = found_by(Trust::Found, &text);
            assert!(
                found.iter().any(|found| found.contains(place) && found.contains("--config")),
                "{found:?}"
            );
            assert_eq!(findings(&text), Vec::<String>::new());
        }
        // The simulator's own folder works wherever it is.
        assert_eq!(found_by(Trust::Found, &names("localhost:44300")), Vec::<String>::new());
        let said = read(Path::new("t"), "[command]\nallow = [\"/p\"]\n", Trust::Found).unwrap();
        assert_eq!((said.command_allow, said.ignored.len()), (None, 1));
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        let found = findings("[cloud]\nname = \n");
        assert!(found[0].starts_with("twinspan.toml:2:"), "{found:?}");
    }
}
