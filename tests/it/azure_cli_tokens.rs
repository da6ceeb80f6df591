//! What the wait for a refused or too weak token relies on: the real Azure CLI and its own token cache.

use std::path::Path;
use std::process::Command;

use crate::{azure_cli, notice};

/// Sign-ins as the CLI's cache stores them, with the CLI's own scope text; prints which token the cache returns
/// after each.
const CACHE: &str = r#"
from azure.cli.core.auth.util import resource_to_scopes
from azure.cli.core.cloud import AZURE_PUBLIC_CLOUD
from msal.token_cache import TokenCache

cache = TokenCache()

def signs_in(scope, token):
    cache.add({
        "client_id": "cli", "scope": [scope], "params": {}, "data": {},
        "token_endpoint": "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
        "response": {
            "access_token": token, "expires_in": 3600, "token_type": "Bearer", "client_info": "eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ",
            "scope": scope.replace("/.default", "/user_impersonation") + " " + scope,
        },
    })

def given(scope):
    found = cache.find("AccessToken", target=[scope], query={
        "client_id": "cli", "environment": "login.microsoftonline.com", "realm": "tenant", "home_account_id": "u.t"})
    return [entry["secret"] for entry in found]

ours = "https://management.azure.com/.default"
[own] = resource_to_scopes(AZURE_PUBLIC_CLOUD.endpoints.active_directory_resource_id)
signs_in(ours, "refused")
print(given(ours))
signs_in(own, "by a plain az login")
print(given(ours))
signs_in(ours, "by az login --scope")
print(given(ours))
"#;

#[test]
fn the_azure_cli_replaces_a_token_only_by_a_sign_in_for_its_scope_and_takes_a_claims_challenge() {
    let Some(program) = azure_cli::program() else { return };
    let home = tempfile::tempdir().unwrap();
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .env("AZURE_CONFIG_DIR", home.path())
            .env("AZURE_CORE_COLLECT_TELEMETRY", "false")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let help = run(Path::new(&program), &["login", "--help"]);
    for option in ["--tenant", "--scope", "--claims-challenge", "--service-principal", "--username"] {
        assert!(help.contains(option), "az login has no {option}:\n{help}");
    }
    let python = Path::new(&program).with_file_name("python");
    if !python.exists() {
        return notice::skipped("there is no Python beside the Azure CLI");
    }
    let given = run(&python, &["-c", CACHE]);
    assert_eq!(given.lines().collect::<Vec<_>>(), ["['refused']", "['refused']", "['by az login --scope']"]);
}
