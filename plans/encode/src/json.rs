//! JSON text that may be printed to a terminal. JSON requires escapes for C0 only; here all other active characters are
//! escaped,
//! too, which changes no value.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::characters::is_active;

/// `json`, a whole JSON text, with `\u009b` for each active character. Only the line feeds between values are kept.
pub fn encoded(json: &str) -> Cow<'_, str> {
    // Outside of strings JSON is ASCII, and in strings the serializer has already escaped C0.
    let acts = |c: char| is_active(c) && c != '\n';
    if !json.contains(acts) {
        return Cow::Borrowed(json);
    }
    let mut encoded = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(encoded, "\\u{unit:04x}");
            }
        } else {
            encoded.push(c);
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_stays_the_same() {
        let text = "{\n  \"a\": \"ü \u{9b}31m\u{7f}\u{202e}\u{e0041}\"\n}\n";
        assert_eq!(encoded(text), "{\n  \"a\": \"ü \\u009b31m\\u007f\\u202e\\udb40\\udc41\"\n}\n");
        assert!(matches!(encoded("{\"a\":\"\\u001b\"}"), Cow::Borrowed(_)));
    }
}
