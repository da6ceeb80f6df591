//! The encodings in which a server may repeat a secret: JSON, percent encoding, HTML, base64.

use azure_core::base64;
use twinspan_encode::html;

/// Characters besides letters and digits that percent encodings leave as they are: of RFC 3986, of forms, of JavaScript's
/// `encodeURIComponent`, of Python's `quote`.
const KEPT: [&str; 4] = ["-._~", "*-._", "-._~!*'()", "-._~/"];

/// The secret and its encoded forms, the longest first, so that none is replaced in part.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned(), secret.split_whitespace().collect::<Vec<_>>().join(" ")];
    let json = json(secret);
    all.push(json.replace('/', "\\/"));
    all.push(ascii(&json));
    all.push(json);
    all.push(html::text(secret));
    for kept in KEPT {
        let upper = percent(secret, kept, false);
        for encoded in [percent(secret, kept, true), upper] {
            all.push(encoded.replace("%20", "+"));
            all.push(encoded);
        }
    }
    for offset in 0..3 {
        all.extend(within_base64(secret, offset));
    }
    for encoded in [base64::encode(secret), base64::encode_url_safe(secret)] {
        let plain = encoded.trim_end_matches('=');
        all.push(plain.replace('-', "+").replace('_', "/"));
        all.push(plain.replace('+', "-").replace('/', "_"));
        all.push(encoded);
    }
    // In a URL or in JSON, a form in base64 may be encoded again.
    let again: Vec<String> = all
        .iter()
        .filter(|form| form.contains(['+', '/', '=']))
        .map(|form| percent(form, "-._~", false))
        .collect();
    all.extend(again);
    all.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    all.dedup();
    all
}

/// The inside of the secret as a string of JSON.
fn json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// JSON as a writer that is restricted to ASCII writes it: `ä` is `\u00e4`.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

fn percent(secret: &str, kept: &str, lower: bool) -> String {
    let mut text = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else if lower {
            text.push_str(&format!("%{byte:02x}"));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The characters of base64 that depend on the secret alone if `offset` bytes (modulo 3) precede it, as in `name:secret`.
fn within_base64(secret: &str, offset: usize) -> Vec<String> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(secret.as_bytes());
    let standard = base64::encode(&bytes);
    // A character has six bits.
    let (first, end) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
    let Some(inside) =
        standard.get(first..end).filter(|inside| inside.len() >= super::redaction::SHORTEST_SECRET)
    else {
        return Vec::new();
    };
    vec![inside.replace('+', "-").replace('/', "_"), inside.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_encoding() {
        let secret = "correct-\"horse/+bat teryÄ~?>";
        let forms = forms(secret);
        for form in [
            secret.to_owned(),
            r#"correct-\"horse/+bat teryÄ~?>"#.to_owned(),
            r#"correct-\"horse\/+bat teryÄ~?>"#.to_owned(),
            r#"correct-\"horse/+bat tery\u00c4~?>"#.to_owned(),
            "correct-%22horse%2F%2Bbat+tery%C3%84%7E%3F%3E".to_owned(),
            "correct-%22horse%2F%2Bbat%20tery%C3%84~%3F%3E".to_owned(),
            "correct-%22horse%2f%2bbat%20tery%c3%84~%3f%3e".to_owned(),
            "correct-%22horse/%2Bbat%20tery%C3%84~%3F%3E".to_owned(),
            html::text(secret),
            base64::encode(secret),
            base64::encode_url_safe(secret),
            base64::encode(secret).trim_end_matches('=').to_owned(),
            base64::encode_url_safe(secret).trim_end_matches('=').to_owned(),
        ] {
            assert!(forms.contains(&form), "{form}");
        }
        assert!(forms.windows(2).all(|pair| pair[0].len() >= pair[1].len()), "{forms:?}");
        for around in ["", "a:", "me:", "nina:"] {
            let header = base64::encode(format!("{around}{secret}!"));
            assert!(forms.iter().any(|form| header.contains(form)), "{around}");
        }
        assert_eq!(super::forms("abcdefgh1234").iter().filter(|form| form.contains('%')).count(), 0);
    }
}
