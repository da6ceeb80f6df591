//! A folder for twinspan with a simulator: a `twinspan.toml` and the secret of every identity.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// The first line of a file that this command may overwrite, for new ports.
const OURS: &str = "# Written by `twinspan sim --configure`; written again at its next start.\n";

/// The `twinspan.toml` for the addresses and identities of `ready`.
fn configuration(ready: &Value) -> String {
    let field = |of: &Value, name: &str| toml::Value::String(text(of, name).to_owned());
    let mut words = format!(
        "{OURS}[cloud]\nname = \"custom\"\narm = {}\nlogin = {}\ngraph = {}\nroot_certificate = {}\n",
        field(ready, "arm"),
        field(ready, "login"),
        field(ready, "graph"),
        toml::Value::String(whole(text(ready, "ca_file"))),
    );
    for (name, identity) in identities(ready) {
        words.push_str(&format!(
            "\n[identities.{name}]\ncredential = \"client-secret\"\nclient_id = {}\nclient_secret = {{ file = {} }}\n",
            field(identity, "client_id"),
            toml::Value::String(format!("{name}.secret")),
        ));
    }
    words
}

/// The absolute path of a file.
fn whole(path: &str) -> String {
    fs::canonicalize(path).map_or_else(|_| path.to_owned(), |whole| whole.display().to_string())
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn identities(ready: &Value) -> impl Iterator<Item = (&String, &Value)> {
    ready.get("identities").and_then(Value::as_object).into_iter().flatten()
}

/// Writes a file that only its owner may read, and replaces an existing one.
fn write_private(path: &Path, content: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content.as_bytes())
}

/// Writes the configuration and the secrets into `folder`. A `twinspan.toml` with other content is not overwritten.
pub(super) fn write(folder: &Path, ready: &Value) -> Result<(), CommandError> {
    let refuse = |what, path: &Path, error: io::Error| CommandError::file(Exit::Failed, what, path, &error);
    fs::create_dir_all(folder).map_err(|error| refuse("the folder", folder, error))?;
    let path = folder.join("twinspan.toml");
    match fs::read_to_string(&path) {
        Ok(there) if !there.starts_with(OURS) => {
            return Err(CommandError::usage(format!("{} exists already", path.display()))
                .hint("--configure takes a folder without a twinspan.toml of your own"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refuse("the configuration", &path, error)),
    }
    for (name, identity) in identities(ready) {
        let secret = folder.join(format!("{name}.secret"));
        write_private(&secret, text(identity, "client_secret"))
            .map_err(|error| refuse("the secret", &secret, error))?;
    }
    fs::write(&path, configuration(ready)).map_err(|error| refuse("the configuration", &path, error))
}
