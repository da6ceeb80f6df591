//! Paths into a body: fields that the plan excludes from comparison, and fields that hold secrets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secrets::reference;
use crate::azure::merging::field;
use crate::azure::secret_text;
use crate::ids::NotValid;

/// A path into a body: `/properties/sharedKey`; `*` is every item of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Path(Vec<String>);

impl FromStr for Path {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        const WANTED: &str =
            "a place in the body, such as /properties/sharedKey or /properties/routes/*/name";
        let inner = text.strip_prefix('/').ok_or_else(|| NotValid::new(text, WANTED))?;
        let pieces: Vec<String> =
            inner.split('/').map(|piece| piece.replace("~1", "/").replace("~0", "~")).collect();
        if pieces.iter().any(|piece| piece.trim() != piece || piece.is_empty()) {
            return Err(NotValid::new(text, WANTED));
        }
        Ok(Path(pieces))
    }
}

impl TryFrom<String> for Path {
    type Error = NotValid;

    fn try_from(text: String) -> Result<Self, NotValid> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            write!(f, "/{}", piece.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

impl Path {
    /// Whether this path names `place` or one of its parents. Items of lists are in brackets.
    pub(super) fn names(&self, place: &[String]) -> bool {
        self.0.len() <= place.len()
            && self.0.iter().zip(place).all(|(piece, name)| match name.strip_prefix('[') {
                Some(item) => {
                    piece == "*"
                        || item.strip_suffix(']').is_some_and(|item| item.eq_ignore_ascii_case(piece))
                }
                None => piece.eq_ignore_ascii_case(name),
            })
    }

    /// Whether `body` has a field at this path.
    pub(super) fn is_in(&self, body: &Map<String, Value>) -> bool {
        fn reaches(value: &Value, rest: &[String]) -> bool {
            let Some((first, rest)) = rest.split_first() else { return true };
            match value {
                Value::Object(fields) => field(fields, first).is_some_and(|(_, value)| reaches(value, rest)),
                Value::Array(items) if first == "*" => items.iter().any(|item| reaches(item, rest)),
                Value::Array(items) => first
                    .parse::<usize>()
                    .ok()
                    .and_then(|at| items.get(at))
                    .is_some_and(|item| reaches(item, rest)),
                _ => false,
            }
        }
        reaches(&Value::Object(body.clone()), &self.0)
    }
}

/// Whether an object has the form in which inputs refer to a secret.
fn refers(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| ["env", "file", "command"].contains(&name.as_str()))
}

/// What is known of a value from the names around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nothing.
    Anything,
    /// A secret, if it is a text or a list of texts.
    Secret,
    /// Secrets only: every text at any depth.
    Secrets,
}

/// The path of every secret in `body` that is written as text.
pub(super) fn written_secrets(body: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    find(body, &mut Vec::new(), Expected::Anything, &mut all);
    all
}

fn find(value: &Value, place: &mut Vec<String>, expected: Expected, all: &mut Vec<Vec<String>>) {
    match value {
        value if reference(value).is_some() => {}
        Value::String(text) => {
            let by_name = expected != Expected::Anything && !text.is_empty() && !secret_text::refers(text);
            if by_name || secret_text::is_value(text) {
                all.push(place.clone());
            }
        }
        // A reference outside `$secret` would be sent to Azure as it is.
        Value::Object(fields) if expected != Expected::Anything && fields.len() == 1 && refers(fields) => {
            all.push(place.clone());
        }
        Value::Object(fields) => {
            let named = fields.iter().any(|(name, value)| {
                let names = ["name", "key"].iter().any(|word| name.eq_ignore_ascii_case(word));
                names && value.as_str().is_some_and(secret_text::is_name)
            });
            for (name, value) in fields {
                // `{ name: adminPassword, value: … }`, and `adminPassword: { value: … }` of a deployment.
                let holds = ["value", "defaultValue"].iter().any(|word| name.eq_ignore_ascii_case(word));
                let expected = match expected {
                    Expected::Secrets => Expected::Secrets,
                    _ if same_words(name, "protectedsettings") => Expected::Secrets,
                    _ if secret_text::is_name(name) => Expected::Secret,
                    Expected::Secret if holds => Expected::Secret,
                    _ if named && holds => Expected::Secret,
                    _ => Expected::Anything,
                };
                place.push(name.clone());
                find(value, place, expected, all);
                place.pop();
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                place.push(at.to_string());
                find(item, place, expected, all);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Whether the field `name` is written and never compared, because `wanted` is a secret by the field's name.
pub(super) fn is_secret(name: &str, wanted: &Value) -> bool {
    match wanted {
        Value::String(_) => secret_text::is_name(name),
        Value::Array(items) => {
            !items.is_empty() && items.iter().all(Value::is_string) && secret_text::is_name(name)
        }
        Value::Object(fields) => {
            same_words(name, "protectedsettings")
                || fields.len() == 1 && refers(fields) && secret_text::is_name(name)
        }
        _ => false,
    }
}

/// Whether a name consists of these words, without separators and in lower case.
fn same_words(name: &str, words: &str) -> bool {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().eq_ignore_ascii_case(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_written_as_a_json_pointer() {
        for text in ["/properties/sharedKey", "/a/*/b", "/a~1b/c~0d"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        for text in ["", "/", "properties", "properties.sharedKey", "/a//b", "/ a", "/a/"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
        let body = json!({ "properties": { "routes": [{ "name": "a" }, { "hop": "x" }] } });
        let body = body.as_object().unwrap();
        for (path, there) in [
            ("/properties/routes/*/hop", true),
            ("/Properties/Routes", true),
            ("/properties/routes/0/name", true),
            ("/properties/routes/*/other", false),
            ("/properties/route", false),
            ("/properties/routes/7", false),
        ] {
            assert_eq!(path.parse::<Path>().unwrap().is_in(body), there, "{path}");
        }
    }

    #[test]
    fn every_secret_that_is_written_as_text_is_found_at_its_place() {
        for (body, places) in [
            (json!({ "properties": { "sharedKey": "abc" } }), vec!["/properties/sharedKey"]),
            (
                json!({ "properties": { "osProfile": { "adminPassword": "abc" }, "token": "x", "list": [{}, { "client_secret": "y" }] } }),
                vec![
                    "/properties/osProfile/adminPassword",
                    "/properties/token",
                    "/properties/list/1/client_secret",
                ],
            ),
            (json!({ "properties": { "sharedKey": { "$secret": { "env": "PSK" } } } }), vec![]),
            (json!({ "properties": { "sharedKey": { "env": "PSK" } } }), vec!["/properties/sharedKey"]),
            (
                json!({ "properties": { "sharedKey": "", "secretUri": "https://vault", "passwordPolicy": "x", "keyVaultId": "y",
                    "password": true, "token": 5, "secret": null, "clientSecret": "/subscriptions/x/y" } }),
                vec![],
            ),
            (json!({ "a": [{ "name": "adminPassword", "value": "P4ss" }] }), vec!["/a/0/value"]),
            (
                json!({ "a": [{ "Key": "AzureWebJobsStorage", "Value": "x" }, { "name": "x", "value": "y" }] }),
                vec!["/a/0/Value"],
            ),
            (
                json!({ "a": [{ "name": "DB_PASSWORD", "value": "@Microsoft.KeyVault(SecretUri=x)" }] }),
                vec![],
            ),
            (
                json!({ "parameters": { "adminPassword": { "value": "x" }, "size": { "value": "y" } } }),
                vec!["/parameters/adminPassword/value"],
            ),
            (
                json!({ "parameters": { "adminPassword": { "type": "secureString", "reference": { "keyVault": { "id": "/subscriptions/x" }, "secretName": "s" } } } }),
                vec![],
            ),
            (json!({ "secrets": [{ "name": "a", "value": "b" }] }), vec!["/secrets/0/value"]),
            (json!({ "accessKeys": ["a", "b"] }), vec!["/accessKeys/0", "/accessKeys/1"]),
            (
                json!({ "protectedSettings": { "commandToExecute": "run x", "n": 1, "deep": { "a": ["b"] } } }),
                vec!["/protectedSettings/commandToExecute", "/protectedSettings/deep/a/0"],
            ),
            (json!({ "x": "https://s.blob.core.windows.net/c?sig=abc" }), vec!["/x"]),
        ] {
            let found: Vec<String> =
                written_secrets(&body).iter().map(|place| format!("/{}", place.join("/"))).collect();
            assert_eq!(found, places, "{body}");
        }
    }
}
