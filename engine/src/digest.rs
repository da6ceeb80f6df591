//! Digests of JSON values.

use serde_json::Value;
use twinspan_plans::Digest;

/// Digest of a value in its canonical form: keys sorted, no blanks.
pub(crate) fn digest_of(value: &Value) -> Digest {
    let mut text = Vec::with_capacity(128);
    canonical(value, &mut text);
    Digest::of(&text)
}

fn canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            text.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                canonical(item, text);
            }
            text.push(b']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            text.push(b'{');
            for (position, (key, item)) in entries.into_iter().enumerate() {
                if position > 0 {
                    text.push(b',');
                }
                plain(key, text);
                text.push(b':');
                canonical(item, text);
            }
            text.push(b'}');
        }
        scalar => plain(scalar, text),
    }
}

fn plain(value: impl serde::Serialize, text: &mut Vec<u8>) {
    let written = serde_json::to_writer(text, &value);
    debug_assert!(written.is_ok(), "a text or a number can always be written into memory");
}
