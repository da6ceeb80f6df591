//! Removes from requests and responses what must not be stored: tokens, secrets, redeem links, signatures
//! of URLs.

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::encoded;

/// Replaces removed text.
const REDACTED: &str = "[redacted]";

/// Longer strings in a body are shortened, in characters.
const LONGEST_STRING: usize = 1024;

/// Longer URLs are shortened, in characters.
const LONGEST_TARGET: usize = 512;

/// Of larger bodies only the size is stored, in bytes.
const BIGGEST_BODY: usize = 256 * 1024;

/// Parts of field names whose values are never stored, in lower case.
const SECRET_FIELDS: [&str; 9] = [
    "password",
    "secret",
    "assertion",
    "token",
    "inviteredeemurl",
    "connectionstring",
    "sharedkey",
    "privatekey",
    "protectedsettings",
];

/// Field names that match those parts but are no secrets.
const NOT_SECRET: [&str; 3] = ["skiptoken", "$skiptoken", "tokentype"];

/// The body without its secrets.
pub(crate) fn body(value: &Value) -> Value {
    let size = value.to_string().len();
    if size > BIGGEST_BODY { too_big(size) } else { redact(value) }
}

/// Like [`body`], for a shared body of `size` bytes: it is copied only if something must be removed, which is rare.
pub(super) fn shared_body(value: &Arc<Value>, size: usize) -> Arc<Value> {
    if size > BIGGEST_BODY {
        Arc::new(too_big(size))
    } else if is_clean(value) {
        Arc::clone(value)
    } else {
        Arc::new(redact(value))
    }
}

fn too_big(size: usize) -> Value {
    Value::String(format!("[{size} bytes, not kept]"))
}

/// Whether [`redact`] changes nothing.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| (value.is_null() || !is_secret(name)) && is_clean(value))
        }
        Value::Array(items) => items.iter().all(is_clean),
        Value::String(text) => text.len() <= LONGEST_STRING && is_plain(text),
        _ => true,
    }
}

fn redact(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let kept =
                        if is_secret(name) && !value.is_null() { REDACTED.into() } else { redact(value) };
                    (name.clone(), kept)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(redact).collect()),
        Value::String(text) => Value::String(shorten(&scrub(text), LONGEST_STRING)),
        other => other.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    /// `None`: the automaton could not be built, and every name is examined.
    static PARTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let parts = SECRET_FIELDS.into_iter().chain(["authorization"]);
        AhoCorasick::builder().ascii_case_insensitive(true).build(parts).ok()
    });
    if !name.contains('_') && PARTS.as_ref().is_some_and(|parts| !parts.is_match(name)) {
        return false;
    }
    let name = name.to_ascii_lowercase().replace('_', "");
    // An exact match: `authorizationSource` and similar fields are no secrets.
    name == "authorization"
        || (!NOT_SECRET.contains(&name.as_str()) && SECRET_FIELDS.iter().any(|part| name.contains(part)))
}

/// Path and query of a URL, without signatures.
pub(crate) fn target(path_and_query: &str) -> String {
    shorten(&scrub(path_and_query), LONGEST_TARGET)
}

/// Foreign text as one line: no line breaks, no tokens, limited length.
pub(crate) fn line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    shorten(&scrub(&without_json(&joined)), 600)
}

/// Replaces JSON in a message by the names and messages in it.
fn without_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['[', '{']) {
        let (before, json) = rest.split_at(start);
        plain.push_str(before);
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) if holds_object(&value) => {
                let mut all = Vec::new();
                names(&value, &mut all);
                plain.push_str(&all.join(", "));
                rest = json.get(values.byte_offset()..).unwrap_or_default();
            }
            _ => {
                plain.push_str(&json[..1]);
                rest = &json[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn holds_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(all) => all.iter().any(holds_object),
        _ => false,
    }
}

/// Collects every `name`, `displayName`, `code` and `message` in `value`, each once.
fn names(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let named =
                    ["name", "displayname", "code", "message"].contains(&key.to_ascii_lowercase().as_str());
                match value {
                    Value::String(text) if named && !all.contains(text) => all.push(text.clone()),
                    other => names(other, all),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, all)),
        _ => {}
    }
}

/// Query parameters that sign a URL or contain a secret.
const SIGNING: [&str; 6] = ["sig=", "&s=", "&c=", "&h=", "client_secret=", "access_token="];

/// The first characters of a JSON web token: its header is JSON in base64.
const TOKEN: &str = "eyJ";

/// Secrets that this process has read. Shorter ones are ignored, because they occur in ordinary text.
static KNOWN: RwLock<KnownSecrets> = RwLock::new(KnownSecrets { secrets: Vec::new(), suspicious: None });

struct KnownSecrets {
    secrets: Vec<SecretString>,
    /// Finds the secrets, tokens and signatures. `None`: not built yet.
    suspicious: Option<AhoCorasick>,
}

impl KnownSecrets {
    fn build(&mut self) {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret);
        let patterns = secrets.chain(SIGNING).chain([TOKEN]);
        self.suspicious = AhoCorasick::new(patterns).ok();
    }
}

/// Whether [`scrub`] removes nothing. This runs on every text of every response.
fn is_plain(text: &str) -> bool {
    let plain = |known: &KnownSecrets| known.suspicious.as_ref().map(|suspicious| !suspicious.is_match(text));
    if let Some(plain) = plain(&KNOWN.read().unwrap_or_else(PoisonError::into_inner)) {
        return plain;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.build();
    plain(&known).unwrap_or(false)
}

/// Length of the shortest secret that is removed.
pub(super) const SHORTEST_SECRET: usize = 8;

/// Removes `secret` from everything that is stored or shown from now on.
pub(crate) fn remember(secret: &str) {
    // Single lines of a file with a key and a certificate may be quoted.
    let parts = secret
        .lines()
        .map(str::trim)
        .filter(|part| part.len() >= SHORTEST_SECRET && !part.starts_with("-----"));
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for part in parts {
        for form in encoded::forms(part) {
            if !known.secrets.iter().any(|known| known.expose_secret() == form) {
                known.secrets.push(form.into());
                known.suspicious = None;
            }
        }
    }
    // Longer forms first: a shorter one may be a part of a longer one.
    known.secrets.sort_by_key(|form| std::cmp::Reverse(form.expose_secret().len()));
}

/// The text without known secrets.
fn without_known(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = text.to_owned();
    for secret in known.secrets.iter().map(ExposeSecret::expose_secret) {
        if clean.contains(secret) {
            clean = clean.replace(secret, REDACTED);
        }
    }
    clean
}

/// Removes tokens, signatures and known secrets from a text.
pub(crate) fn scrub(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let text = &without_known(text);
    let mut clean = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !is_token_character(c)) {
        let word = piece.trim_end_matches(|c: char| !is_token_character(c));
        if is_token(word) {
            clean.push_str(REDACTED);
            clean.push_str(&piece[word.len()..]);
        } else {
            clean.push_str(piece);
        }
    }
    for name in SIGNING {
        clean = without_parameter(&clean, name);
    }
    clean
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn is_token(word: &str) -> bool {
    word.starts_with(TOKEN) && word.len() > 20
}

fn without_parameter(text: &str, name: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = rest.split_at(at + name.len());
        clean.push_str(before);
        let end = after.find(|c: char| c == '&' || c == '"' || c.is_whitespace()).unwrap_or(after.len());
        if end > 0 {
            clean.push_str(REDACTED);
        }
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}

fn shorten(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let length = text.chars().count();
    if length <= longest {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest).collect();
    format!("{kept}… ({length} characters)")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_stand() {
        let kept = body(&json!({
            "inviteRedeemUrl": "https://login.example/redeem?rd=CANARY",
            "access_token": "CANARY",
            "nested": [{"client_secret": "CANARY", "adminPassword": "CANARY", "note": "Bearer eyJhbGciOiJub25lIn0.CANARYCANARY.x!"}],
            "location": "https://arm.example/operationResults/1?api-version=2&t=9&c=CANARY&s=CANARY&h=CANARY",
            "sas": "https://blob.example/?sv=1&sig=CANARY",
            "status": "PendingAcceptance",
            "skipToken": "page-2",
        }));
        let text = kept.to_string();
        assert!(!text.contains("CANARY"), "{text}");
        assert_eq!(kept["status"], "PendingAcceptance");
        assert_eq!(kept["skipToken"], "page-2");
        assert_eq!(kept["nested"][0]["note"], "Bearer [redacted]!");
    }

    #[test]
    fn a_secret_that_a_server_repeats_is_taken_out_in_whatever_field() {
        remember("h4rd+to/guess CANARY~77");
        remember("short");
        let kept = body(&json!({"note": "you sent h4rd+to/guess CANARY~77, short"})).to_string();
        assert!(!kept.contains("CANARY") && kept.contains("short"), "{kept}");
        assert_eq!(line("x h4rd+to/guess CANARY~77 y"), "x [redacted] y");
        assert!(!target("/x?echo=h4rd%2Bto%2Fguess+CANARY%7E77").contains("CANARY"));
        remember("qu\"oted/and CANARY\\78");
        for repeated in [
            r#"json: \"qu\\"oted/and CANARY\\78\""#.replace("\\\"", "\""),
            "qu%22oted%2Fand%20CANARY%5C78".to_owned(),
            "qu%22oted%2fand+CANARY%5c78".to_owned(),
            azure_core::base64::encode("qu\"oted/and CANARY\\78"),
            azure_core::base64::encode("name:qu\"oted/and CANARY\\78"),
        ] {
            assert!(scrub(&repeated).contains(REDACTED), "{repeated}");
        }
    }

    #[test]
    fn a_body_without_secrets_is_shared() {
        let plain = Arc::new(
            json!({"status": "Pending", "skipToken": "page-2", "token": null, "n": 1, "list": [true]}),
        );
        assert!(Arc::ptr_eq(&shared_body(&plain, 60), &plain));
        for secret in [
            json!({"a": [{"client_Secret": 1}]}),
            json!({"url": "x?sig=CANARY"}),
            json!("eyJhbGciOiJub25lIn0.CANARYCANARY"),
        ] {
            let secret = Arc::new(secret);
            let kept = shared_body(&secret, 60);
            assert_eq!(*kept, body(&secret));
            assert_ne!(kept, secret);
        }
        assert_eq!(*shared_body(&plain, BIGGEST_BODY + 1), json!("[262145 bytes, not kept]"));
    }

    #[test]
    fn long_things_are_cut_and_say_so() {
        assert_eq!(shorten("ääää", 2), "ää… (4 characters)");
        let kept = body(&json!({"a": "x".repeat(5000)}));
        assert!(kept.to_string().len() < 1200);
        let kept = body(&json!({"a": vec!["y".repeat(1000); 400]}));
        assert!(kept.as_str().is_some_and(|text| text.ends_with("bytes, not kept]")), "{kept}");
        assert!(target(&format!("/x?$skipToken={}", "z".repeat(4000))).len() < 600);
    }

    #[test]
    fn a_foreign_text_becomes_one_line() {
        assert_eq!(line("a\r\n  b\tc eyJhbGciOiJub25lIn0.e30.sig"), "a b c [redacted]");
    }
}
