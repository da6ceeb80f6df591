//! Checks the configuration and its credentials: complete, and readable where configured. No sign-in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use twinspan_steps::{
    CredentialError, CredentialKind, CredentialSettings, Credentials, IdentitySettings, SecretReader as _,
    SecretRef,
};

use super::Check;
use crate::host::app::App;
use crate::host::clouds;
use crate::host::configuration::kind_name;
use crate::host::secrets::Secrets;

/// Whether the configuration can be read.
pub(super) fn check(app: &App, checks: &mut Vec<Check>) -> bool {
    let layers = match app.layers() {
        Ok(layers) => layers,
        Err(error) => {
            checks.push(Check::failed("configuration", &error));
            return false;
        }
    };
    let mut files = Vec::new();
    files.extend(layers.project.as_ref().map(|(path, _)| format!("project {}", path.display())));
    files.extend(layers.user.as_ref().map(|(path, _)| format!("user {}", path.display())));
    checks.push(match files[..] {
        [] => Check::note("configuration", "no twinspan.toml: `twinspan init` writes one"),
        _ => Check::ok("configuration", files.join(", ")),
    });
    let cloud = app.configuration().and_then(|settings| clouds::live(settings, &app.environment));
    if let Err(error) = cloud {
        checks.push(Check::failed("cloud", &error));
    }
    true
}

/// Checks the credential of each configured identity, and of each identity in an open run.
pub(super) async fn check_credentials(app: &App, of_runs: &BTreeSet<String>, checks: &mut Vec<Check>) {
    let Ok(configuration) = app.configuration() else { return };
    let mut names: BTreeSet<&str> = configuration.identities.keys().map(String::as_str).collect();
    names.extend(of_runs.iter().map(String::as_str));
    let nothing = IdentitySettings::default();
    let secrets = Arc::new(Secrets::new(app.environment.clone()));
    let credentials = Credentials::new(configuration.identities.clone(), secrets);
    for name in names {
        let identities = &configuration.identities;
        let settings = identities.get(name).or_else(|| identities.get("default")).unwrap_or(&nothing);
        // If tenants have their own tables, the table of the identity may be incomplete.
        if settings.tenants.is_empty() || credentials.of(name, "").is_ok() {
            checks.push(credential(app, &credentials, name, None, &settings.everywhere).await);
        }
        for (tenant, special) in &settings.tenants {
            let whole = special.clone().over(&settings.everywhere);
            checks.push(credential(app, &credentials, name, Some(tenant), &whole).await);
        }
    }
}

async fn credential(
    app: &App,
    credentials: &Credentials,
    name: &str,
    tenant: Option<&str>,
    settings: &CredentialSettings,
) -> Check {
    const CHECK: &str = "credential";
    let whose = match tenant {
        Some(tenant) => format!("{name} in {tenant}"),
        None => name.to_owned(),
    };
    let table = match tenant {
        Some(tenant) => format!("[identities.{name}.\"{tenant}\"]"),
        None => format!("[identities.{name}]"),
    };
    match credentials.of(name, tenant.unwrap_or_default()) {
        Err(CredentialError::NotConfigured { .. }) => {
            return Check::note(CHECK, format!("{whose}: none is configured; its steps wait for one"));
        }
        Err(error) => {
            return Check::wrong(CHECK, error.to_string(), format!("correct {table} in twinspan.toml"));
        }
        Ok(_) => {}
    }
    let Some(kind) = settings.credential else {
        return Check::note(CHECK, format!("{whose}: none is configured; its steps wait for one"));
    };
    match kind {
        CredentialKind::None => {
            return Check::note(
                CHECK,
                format!("{whose}: none on this machine; its steps wait, and twinspan checks their effect"),
            );
        }
        CredentialKind::AzureCli if !on_path(app, "az") => {
            let action = "install the Azure CLI (https://aka.ms/azure-cli)";
            return Check::wrong(CHECK, format!("{whose}: azure-cli, and `az` is not on PATH"), action);
        }
        _ => {}
    }
    let secrets = Secrets::new(app.environment.clone());
    let mut places = Vec::new();
    for secret in [&settings.client_secret, &settings.system_access_token].into_iter().flatten() {
        match there(&secrets, secret).await {
            Ok(words) => places.push(words),
            Err(error) => {
                return Check::wrong(
                    CHECK,
                    format!("{whose}: {error}"),
                    format!("create it, or change {table}"),
                );
            }
        }
    }
    for file in [&settings.certificate, &settings.token_file].into_iter().flatten() {
        match readable(file) {
            Ok(()) => places.push(format!("file {}", file.display())),
            Err(error) => {
                let seen = format!("{whose}: file {} cannot be read: {error}", file.display());
                return Check::wrong(CHECK, seen, format!("create it, or change {table}"));
            }
        }
    }
    let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
    Check::ok(CHECK, format!("{whose}: {}{places}; sign-in not tried", kind_name(kind)))
}

/// Checks that a secret exists where configured. A secret command is not run.
async fn there(secrets: &Secrets, secret: &SecretRef) -> Result<String, String> {
    match secret {
        SecretRef::Env(_) | SecretRef::File(_) => secrets.read(secret).await.map(|_| secret.to_string()),
        SecretRef::Command(_) => Ok(format!("{secret}, run at use")),
    }
}

fn readable(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path).map(drop)
}

fn on_path(app: &App, program: &str) -> bool {
    let path = app.environment.path("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
