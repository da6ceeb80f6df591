//! Paths into a body: fields that the plan excludes from comparison, and fields that hold secrets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secrets::reference;
use crate::azure::merging::field;
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

/// Whether a field of this name holds a secret, which Azure accepts and does not return.
pub(super) fn is_secret(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "sharedkey",
        "presharedkey",
        "psk",
        "password",
        "adminpassword",
        "administratorloginpassword",
        "pwd",
        "passphrase",
        "clientsecret",
        "secret",
        "secretvalue",
        "connectionstring",
        "primarykey",
        "secondarykey",
        "accesskey",
        "accountkey",
        "apikey",
        "privatekey",
        "sastoken",
        "sharedaccesskey",
        "authorizationkey",
        "radiusserversecret",
    ];
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    NAMES.contains(&name.as_str())
        || name.ends_with("password")
        || name.ends_with("secret")
        || name.ends_with("connectionstring")
}

/// Whether an object has the form in which inputs refer to a secret.
fn refers(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| ["env", "file", "command"].contains(&name.as_str()))
}

/// The first path in `body` at which a secret is written as text.
pub(super) fn written_secret(body: &Map<String, Value>) -> Option<String> {
    fn find(value: &Value, place: &str) -> Option<String> {
        match value {
            Value::Object(fields) => fields.iter().find_map(|(name, value)| {
                let place = format!("{place}/{name}");
                match value {
                    value if reference(value).is_some() => None,
                    Value::String(text) if !text.is_empty() && is_secret(name) => Some(place),
                    // A reference outside `$secret` would be sent to Azure as it is.
                    Value::Object(fields) if fields.len() == 1 && is_secret(name) && refers(fields) => {
                        Some(place)
                    }
                    value => find(value, &place),
                }
            }),
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(at, item)| find(item, &format!("{place}/{at}")))
            }
            _ => None,
        }
    }
    find(&Value::Object(body.clone()), "")
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
    fn a_secret_that_is_written_out_is_found_by_its_name() {
        for (body, place) in [
            (json!({ "properties": { "sharedKey": "abc" } }), Some("/properties/sharedKey")),
            (
                json!({ "properties": { "osProfile": { "adminPassword": "abc" } } }),
                Some("/properties/osProfile/adminPassword"),
            ),
            (json!({ "l": [{}, { "client_secret": "abc" }] }), Some("/l/1/client_secret")),
            (
                json!({ "properties": { "storageConnectionString": "abc" } }),
                Some("/properties/storageConnectionString"),
            ),
            (json!({ "properties": { "sharedKey": { "$secret": { "env": "PSK" } } } }), None),
            (json!({ "properties": { "sharedKey": { "env": "PSK" } } }), Some("/properties/sharedKey")),
            (
                json!({ "properties": { "sharedKey": "", "secretUri": "https://vault", "passwordPolicy": "x", "keyVaultId": "y" } }),
                None,
            ),
        ] {
            assert_eq!(written_secret(body.as_object().unwrap()).as_deref(), place, "{body}");
        }
    }
}
