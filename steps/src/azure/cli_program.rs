//! Runs the program `az` with the configured accounts, and drops output that is not JSON.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Map, Value};

/// Error text if the output contains no token.
pub(super) const NO_JSON: &str = "the output of the Azure CLI contains no token in JSON";

/// Runs `program` with the settings that make the Azure CLI quiet.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[&OsStr],
    config_dir: Option<&Path>,
) -> io::Result<Output> {
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .env("AZURE_CORE_NO_COLOR", "true")
        .env("AZURE_CORE_ONLY_SHOW_ERRORS", "true")
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(folder) = config_dir {
        command.env("AZURE_CONFIG_DIR", folder);
    }
    command.output().await
}

/// Reduces a successful `output` to the object that contains a token.
pub(super) fn token_only(mut output: Output) -> io::Result<Output> {
    if output.status.success() {
        let found = objects(&output.stdout).find(|object| object.contains_key("accessToken"));
        let found = found.ok_or_else(|| io::Error::other(NO_JSON))?;
        output.stdout = Value::Object(found).to_string().into_bytes();
    }
    Ok(output)
}

/// The user that `az account list` shows for `tenant`, otherwise for the default subscription.
pub(super) fn account(printed: &[u8], tenant: &str) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    let list = text.match_indices('[').find_map(|(at, _)| {
        let mut values =
            serde_json::Deserializer::from_str(&text[at..]).into_iter::<Vec<Map<String, Value>>>();
        values.next()?.ok()
    })?;
    let is =
        |account: &Map<String, Value>, key: &str| account.get(key).and_then(Value::as_str) == Some(tenant);
    let found = list.iter().find(|account| is(account, "tenantId"));
    let found =
        found.or_else(|| list.iter().find(|account| account.get("isDefault") == Some(&Value::Bool(true))))?;
    Some(super::redaction::line(found.get("user")?.get("name")?.as_str()?))
}

/// Every JSON object in `printed`, at any offset.
fn objects(printed: &[u8]) -> impl Iterator<Item = Map<String, Value>> {
    let places = printed.iter().enumerate().filter(|(_, byte)| **byte == b'{').map(|(at, _)| at);
    places.filter_map(|at| {
        serde_json::Deserializer::from_slice(&printed[at..]).into_iter::<Map<String, Value>>().next()?.ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> io::Result<String> {
        let output =
            Output { status: std::process::ExitStatus::default(), stdout: text.into(), stderr: Vec::new() };
        token_only(output).map(|output| String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn what_stands_around_the_token_is_left_out() {
        let token = "{\"accessToken\":\"t\",\"expires_on\":1}";
        for text in [
            token.to_owned(),
            format!("{token}\n\u{1b}[0m"),
            format!("/usr/lib/x.py:109: Warning: urllib3 {{2.0}} does not match!\n{token}\r\n"),
            format!("{{\"note\": 1}}\n{token}{{"),
        ] {
            assert_eq!(printed(&text).unwrap(), token, "{text}");
        }
        for text in ["", "{}", "{\"accessToken\":", "[]"] {
            assert!(printed(text).unwrap_err().to_string().contains(NO_JSON), "{text}");
        }
    }

    #[test]
    fn the_account_of_the_tenant_is_named() {
        let list = br#"WARNING [x]
            [{"tenantId":"a","isDefault":true,"user":{"name":"one@a.example"}},{"tenantId":"b","user":{"name":"two@b.example"}}]"#;
        assert_eq!(account(list, "b").as_deref(), Some("two@b.example"));
        assert_eq!(account(list, "c").as_deref(), Some("one@a.example"));
        assert_eq!(account(b"[]", "a"), None);
        assert_eq!(account(b"ERROR", "a"), None);
    }
}
