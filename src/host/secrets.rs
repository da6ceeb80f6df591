//! Reads secrets when they are used. No error contains any part of a secret.

use secrecy::SecretString;
use twinspan_engine::BoxFuture;
use twinspan_steps::{SecretReader, SecretRef};

use crate::cli::environment::Environment;

/// The secrets of this machine: environment, files, programs.
pub(crate) struct Secrets {
    environment: Environment,
}

impl Secrets {
    pub(crate) fn new(environment: Environment) -> Self {
        Secrets { environment }
    }
}

impl SecretReader for Secrets {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
        Box::pin(async move {
            let text = match secret {
                SecretRef::Env(name) => self
                    .environment
                    .get(name)
                    .ok_or_else(|| format!("environment variable {name} is not set"))?,
                SecretRef::File(path) => tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| format!("file {} cannot be read: {error}", path.display()))?,
                SecretRef::Command(words) => run(words).await?,
            };
            let text = text.trim_end();
            if text.is_empty() {
                return Err(format!("{secret} is empty"));
            }
            Ok(SecretString::from(text.to_owned()))
        })
    }
}

async fn run(words: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("the command is empty".to_owned()) };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(|error| format!("command {program} cannot be started: {error}"))?;
    if !output.status.success() {
        // The output may contain the secret.
        return Err(format!("command {program} ended with {}", output.status));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("command {program} printed something that is not text"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(Environment::Memory([("A_SECRET".to_owned(), "from env".to_owned())].into()))
    }

    #[tokio::test]
    async fn each_source_is_read_at_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "from file\n").unwrap();
        let command = ["/bin/sh", "-c", "echo from command"].map(str::to_owned).to_vec();
        for (source, text) in [
            (SecretRef::Env("A_SECRET".into()), "from env"),
            (SecretRef::File(path), "from file"),
            (SecretRef::Command(command), "from command"),
        ] {
            assert_eq!(secrets().read(&source).await.unwrap().expose_secret(), text);
        }
    }

    #[tokio::test]
    async fn a_failing_command_does_not_tell_what_it_printed() {
        let command = ["/bin/sh", "-c", "echo canary; echo canary >&2; exit 3"].map(str::to_owned).to_vec();
        let error = secrets().read(&SecretRef::Command(command)).await.unwrap_err();
        assert!(!error.contains("canary") && error.contains('3'), "{error}");
        assert!(secrets().read(&SecretRef::Env("NOT_SET".into())).await.unwrap_err().contains("NOT_SET"));
    }
}
