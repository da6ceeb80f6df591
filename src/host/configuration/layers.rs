//! Finds the files and the environment variables, and merges the layers.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use twinspan_steps::{CredentialSettings, SecretRef};

use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::text::Text;

use super::file::{self, Finding};
use super::ownership::{self, Trust};
use super::{CREDENTIALS, CloudName, CloudSettings, Configuration, GroupSetting};

/// Name of the configuration file, in the project and in the user's configuration folder.
const FILE_NAME: &str = "twinspan.toml";

/// The sources of the configuration.
pub(crate) struct Sources<'a> {
    pub(crate) environment: &'a Environment,
    /// `--config`.
    pub(crate) explicit: Option<&'a Path>,
    /// The project's file is searched here and in the parent folders.
    pub(crate) folder: &'a Path,
}

/// The content of each layer; the files with their paths, if they exist.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub(crate) environment: Configuration,
    pub(crate) project: Option<(PathBuf, Configuration)>,
    pub(crate) user: Option<(PathBuf, Configuration)>,
}

impl Layers {
    /// All layers merged.
    pub(crate) fn merged(self) -> Configuration {
        let said = |layer: Option<(PathBuf, Configuration)>| layer.map(|(_, said)| said).unwrap_or_default();
        self.environment.over(said(self.project).over(said(self.user)))
    }
}

/// Loads all layers except the flags.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Layers, CommandError> {
    let mut findings = Vec::new();
    let project = match project_file(sources) {
        Some((path, trust)) => read(sources, &path, trust, &mut findings)?.map(|said| (path, said)),
        None => None,
    };
    let user = match sources.environment.configuration_folder().map(|folder| folder.join(FILE_NAME)) {
        Some(path) => read(sources, &path, Trust::Own, &mut findings)?.map(|said| (path, said)),
        None => None,
    };
    let files = Layers { environment: Configuration::default(), project, user };
    let environment = from_environment(sources.environment, &files.clone().merged(), &mut findings);
    if findings.is_empty() {
        return Ok(Layers { environment, ..files });
    }
    let mut text = Text::default();
    findings.iter().for_each(|finding| text.push(&finding.text()));
    let count = findings.len();
    let message =
        format!("the configuration has {count} {}", if count == 1 { "mistake" } else { "mistakes" });
    Err(CommandError::usage(message).findings(text, serde_json::to_value(findings).unwrap_or_default()))
}

fn project_file(sources: &Sources<'_>) -> Option<(PathBuf, Trust)> {
    let named = sources.explicit.map(Path::to_owned).or_else(|| sources.environment.path("TWINSPAN_CONFIG"));
    if let Some(path) = named {
        return Some((path, Trust::Named));
    }
    let folders = [sources.environment.path("HOME"), sources.environment.configuration_folder()];
    let whole = |folder: &Path| folder.canonicalize().ok();
    let found = sources.folder.ancestors().find(|folder| folder.join(FILE_NAME).is_file())?;
    let own =
        folders.iter().flatten().any(|folder| whole(folder).is_some_and(|own| whole(found) == Some(own)));
    Some((found.join(FILE_NAME), if own { Trust::Own } else { Trust::Found }))
}

/// Reads a file; `None`: it does not exist.
fn read(
    sources: &Sources<'_>,
    path: &Path,
    trust: Trust,
    findings: &mut Vec<Finding>,
) -> Result<Option<Configuration>, CommandError> {
    let refuse = |error: io::Error| CommandError::file(Exit::Usage, "the configuration", path, &error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && sources.explicit != Some(path) => {
            return Ok(None);
        }
        Err(error) => return Err(refuse(error)),
    };
    if trust != Trust::Named {
        ownership::check(path, &file, sources.environment)?;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(refuse)?;
    Ok(Some(file::read(path, &text, trust).unwrap_or_else(|found| {
        findings.extend(found);
        Configuration::default()
    })))
}

/// Reads `TWINSPAN_*`. The name of an identity cannot be derived from a variable, so each identity of the files (and
/// `default`) is looked up by name.
fn from_environment(
    environment: &Environment,
    files: &Configuration,
    findings: &mut Vec<Finding>,
) -> Configuration {
    let mut found = Configuration {
        journal: environment.path("TWINSPAN_JOURNAL"),
        journal_lease: environment.get("TWINSPAN_JOURNAL_LEASE").and_then(|text| {
            let lease = super::lease(&text);
            if lease.is_none() {
                findings.push(of_variable("TWINSPAN_JOURNAL_LEASE", super::LEASE_FORM.to_owned()));
            }
            lease
        }),
        journal_group: environment
            .get("TWINSPAN_JOURNAL_GROUP")
            .map(|name| GroupSetting { name, place: "TWINSPAN_JOURNAL_GROUP".to_owned() }),
        cloud: CloudSettings {
            name: choice(environment, "TWINSPAN_CLOUD_NAME", &CloudName::NAMES, findings),
            arm: environment.get("TWINSPAN_CLOUD_ARM"),
            login: environment.get("TWINSPAN_CLOUD_LOGIN"),
            graph: environment.get("TWINSPAN_CLOUD_GRAPH"),
            root_certificate: environment.path("TWINSPAN_CLOUD_ROOT_CERTIFICATE"),
        },
        command_allow: environment
            .get("TWINSPAN_COMMAND_ALLOW")
            .map(|list| std::env::split_paths(&list).collect()),
        ..Configuration::default()
    };
    let names = files.identities.keys().map(String::as_str).chain(["default"]);
    for name in names {
        let variable = |field: &str| {
            format!("TWINSPAN_IDENTITIES_{}_{field}", name.to_ascii_uppercase().replace('-', "_"))
        };
        // The secret is read from the variable at use, and never stored here.
        let secret = |field| {
            let name = variable(field);
            environment.get(&name).map(|_| SecretRef::Env(name))
        };
        let settings = CredentialSettings {
            credential: choice(environment, &variable("CREDENTIAL"), &CREDENTIALS, findings),
            client_id: environment.get(&variable("CLIENT_ID")),
            client_secret: secret("CLIENT_SECRET"),
            certificate: environment.path(&variable("CERTIFICATE")),
            token_file: environment.path(&variable("TOKEN_FILE")),
            service_connection: environment.get(&variable("SERVICE_CONNECTION")),
            system_access_token: secret("SYSTEM_ACCESS_TOKEN"),
            azure_config_dir: environment.path(&variable("AZURE_CONFIG_DIR")),
        };
        if settings != CredentialSettings::default() {
            found.identities.entry(name.to_owned()).or_default().everywhere = settings;
        }
    }
    found
}

fn choice<T: Copy>(
    environment: &Environment,
    variable: &str,
    names: &[(&'static str, T)],
    findings: &mut Vec<Finding>,
) -> Option<T> {
    let text = environment.get(variable)?;
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let known = names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        findings.push(of_variable(variable, format!("\"{text}\" is not known here; known are {known}")));
    }
    found
}

/// A mistake in an environment variable.
fn of_variable(variable: &str, message: String) -> Finding {
    Finding { file: PathBuf::from(variable), line: 1, column: 1, message }
}

#[cfg(test)]
mod tests {
    use twinspan_steps::CredentialKind;

    use super::*;

    #[test]
    fn environment_over_project_over_user() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("home/.config/twinspan");
        let project = folder.path().join("project/deep");
        std::fs::create_dir_all(&user).unwrap();
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(
            user.join(FILE_NAME),
            "journal = \"u.db\"\n[identities.central]\ncredential = \"azure-cli\"\nclient_id = \"u\"\n",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("project").join(FILE_NAME),
            "[identities.central]\nclient_id = \"p\"\n[command]\nallow = [\"/p\"]\n",
        )
        .unwrap();
        let home = folder.path().join("home").display().to_string();
        let environment = Environment::Memory(
            [
                ("HOME", home.as_str()),
                ("TWINSPAN_IDENTITIES_CENTRAL_CREDENTIAL", "client-certificate"),
                ("TWINSPAN_IDENTITIES_CENTRAL_CERTIFICATE", "/keys/app.pem"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        );
        let sources = Sources { environment: &environment, explicit: None, folder: &project };
        let configuration = load(&sources).unwrap().merged();
        let central = &configuration.identities["central"].everywhere;
        assert_eq!(central.credential, Some(CredentialKind::ClientCertificate));
        assert_eq!(central.certificate, Some("/keys/app.pem".into()));
        assert_eq!(central.client_id.as_deref(), Some("p"));
        assert_eq!(configuration.journal, Some(user.join("u.db")));
        // A found file cannot allow programs; a named file can.
        assert_eq!(configuration.command_allow, None);
        assert!(
            configuration.ignored[0].contains("twinspan.toml:4:1: [command] allow is read only from"),
            "{configuration:?}"
        );
        let named = folder.path().join("project").join(FILE_NAME);
        let sources = Sources { explicit: Some(&named), ..sources };
        let configuration = load(&sources).unwrap().merged();
        assert_eq!((configuration.command_allow, configuration.ignored), (Some(vec!["/p".into()]), vec![]));
    }

    #[test]
    fn the_home_folder_is_the_operators_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), "[command]\nallow = [\"/p\"]\n").unwrap();
        let home = folder.path().display().to_string();
        let environment = Environment::Memory([("HOME".to_owned(), home)].into());
        let sources = Sources { environment: &environment, explicit: None, folder: folder.path() };
        assert_eq!(load(&sources).unwrap().merged().command_allow, Some(vec!["/p".into()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_change_is_refused_with_what_mends_it() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let file = folder.path().join("a").join(FILE_NAME);
        std::fs::write(&file, "journal = \"j.db\"\n").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let environment = Environment::Memory([].into());
        let load = |folder: &Path, explicit: Option<&Path>| {
            load(&Sources { environment: &environment, explicit, folder }).map(|_| ())
        };
        load(&inner, None).unwrap();
        mode(&file, 0o666);
        let error = load(&inner, None).unwrap_err();
        assert!(
            error.message.contains("a/twinspan.toml may be changed by others")
                && error.message.contains("mode 0666"),
            "{error:?}"
        );
        assert_eq!(error.hints[0], format!("chmod go-w {}", file.display()));
        load(&inner, Some(&file)).unwrap();
        // A link to the file is checked like the file.
        let elsewhere = folder.path().join("c");
        std::fs::create_dir(&elsewhere).unwrap();
        symlink(&file, elsewhere.join(FILE_NAME)).unwrap();
        assert!(load(&elsewhere, None).is_err());
        // Other accounts must not be able to replace the file.
        mode(&file, 0o644);
        mode(&folder.path().join("a"), 0o777);
        assert!(load(&inner, None).unwrap_err().message.contains("the folder"));
        assert!(load(&elsewhere, None).is_err());
        mode(&folder.path().join("a"), 0o1777);
        load(&inner, None).unwrap();
        load(&elsewhere, None).unwrap();
    }

    #[test]
    fn mistakes_of_all_layers_are_reported_together() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), "colour = 1\n").unwrap();
        let environment = Environment::Memory([("TWINSPAN_CLOUD_NAME".to_owned(), "mars".to_owned())].into());
        let error = load(&Sources { environment: &environment, explicit: None, folder: folder.path() });
        let error = error.unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        let text = error.findings.unwrap().text.plain();
        assert!(text.contains("colour") && text.contains("\"mars\" is not known"), "{text}");
    }
}
