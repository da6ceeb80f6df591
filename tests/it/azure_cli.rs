//! The Azure CLI, as a user has it: its own configuration, pointed at the simulated Azure.

use std::process::Command;

use serde_json::Value;

use crate::azure::Azure;
use crate::program::{self, Home};

/// The Azure CLI that `TWINSPAN_AZ` names.
pub(crate) fn program() -> Option<String> {
    program::wanted("TWINSPAN_AZ", "the Azure CLI")?.into_string().ok()
}

/// The folder with the CLI's extensions, `virtual-network-manager` among them, that `TWINSPAN_AZ_EXTENSIONS` names.
pub(crate) fn extensions() -> Option<String> {
    program::wanted("TWINSPAN_AZ_EXTENSIONS", "the folder of the Azure CLI's extensions")?.into_string().ok()
}

/// The Azure CLI, pointed at the simulated Azure, in a folder of its own.
pub(crate) struct AzureCli<'a> {
    program: String,
    extensions: Option<String>,
    azure: &'a Azure,
    home: &'a Home,
}

impl<'a> AzureCli<'a> {
    /// Registers the simulated Azure as a cloud of the CLI.
    pub(crate) fn new(program: String, azure: &'a Azure, home: &'a Home) -> AzureCli<'a> {
        AzureCli::with_extensions(program, None, azure, home)
    }

    /// The same, with extensions.
    pub(crate) fn with_extensions(
        program: String,
        extensions: Option<String>,
        azure: &'a Azure,
        home: &'a Home,
    ) -> AzureCli<'a> {
        let cli = AzureCli { program, extensions, azure, home };
        let arm = azure.ready["arm"].as_str().unwrap();
        cli.az(&["cloud", "register", "-n", "sim", "--endpoint-resource-manager", arm]);
        cli.az(&["cloud", "set", "-n", "sim"]);
        cli
    }

    /// A command with `az` on its path.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.home.command(&[]);
        let own = std::path::Path::new(&self.program).parent().unwrap().to_str().unwrap().to_owned();
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).unwrap();
        let path = format!("{own}:{}", path.to_str().unwrap());
        command = Command::new(program);
        command
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", path)
            .env("AZURE_CONFIG_DIR", self.home.path().join("azure"))
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .env("REQUESTS_CA_BUNDLE", self.azure.ready["ca_file"].as_str().unwrap());
        if let Some(extensions) = &self.extensions {
            command.env("AZURE_EXTENSION_DIR", extensions);
        }
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}\nstdout:\n{out}\nstderr:\n{err}");
        format!("{out}{err}")
    }

    /// Signs in with an identity of the ready file, or as the application (`app`).
    pub(crate) fn sign_in(&self, identity: &str, tenant: &str) {
        let identity = self.azure.ready["identities"].get(identity).unwrap_or(&self.azure.ready);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, secret) = (text(&identity["client_id"]), text(&identity["client_secret"]));
        self.az(&["login", "--service-principal", "-u", &id, "-p", &secret, "--tenant", tenant]);
    }

    /// What the CLI prints; it must succeed.
    #[track_caller]
    pub(crate) fn az(&self, arguments: &[&str]) -> String {
        self.run(&self.program, arguments)
    }

    /// What the CLI prints as JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&self.program).args(arguments).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "az {arguments:?}\nstdout:\n{out}\nstderr:\n{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("az {arguments:?}: {error}:\n{out}"))
    }

    /// Standard error of a command that must fail.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(&self.program).args(arguments).output().unwrap();
        assert!(!output.status.success(), "az {arguments:?} was not refused: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}
