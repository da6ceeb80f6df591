//! A parsed request.

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::Value;

use crate::reply::Reply;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Decoded path, as the client wrote it.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When it arrived, on the sender's clock.
    pub(crate) arrived: Timestamp,
    /// When it arrived, on the world's clock.
    pub(crate) at: Timestamp,
}

impl Request {
    pub(crate) fn new(request: http::Request<Bytes>, arrived: Timestamp, at: Timestamp) -> Self {
        let (parts, body) = request.into_parts();
        Request {
            method: parts.method,
            path: decode(parts.uri.path(), false),
            query: parse_form(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body,
            arrived,
            at,
        }
    }

    /// Non-empty segments of the path.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|s| !s.is_empty()).collect()
    }

    /// A query parameter; its name ignores case.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn api_version(&self) -> Option<&str> {
        self.query("api-version")
    }

    pub(crate) fn client_request_id(&self) -> Option<&str> {
        self.header("x-ms-client-request-id").or_else(|| self.header("client-request-id"))
    }

    /// The body as JSON; an empty body is an empty object. Returns 400 for an unreadable one.
    pub(crate) fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Reply::error(
                400,
                "InvalidRequestContent",
                &format!("The request content was invalid and could not be deserialized: '{error}'."),
            )
        })
    }
}

/// Name-value pairs of a query string or a form.
pub(crate) fn parse_form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        })
        .collect()
}

/// Percent-decoding; invalid sequences are kept.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let pair = bytes.get(i + 1).zip(bytes.get(i + 2));
        let digits =
            pair.and_then(|(&a, &b)| Some((char::from(a).to_digit(16)?, char::from(b).to_digit(16)?)));
        match (byte, digits) {
            (b'%', Some((high, low))) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                i += 3;
                continue;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Percent-encoding of one query value.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_bad_escapes_survive() {
        assert_eq!(
            parse_form("a=1+2&b=%23EXT%23&c=100%&d"),
            [("a", "1 2"), ("b", "#EXT#"), ("c", "100%"), ("d", "")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
        assert_eq!(decode("%", true), "%");
        assert_eq!(decode(&encode("a b/ä"), true), "a b/ä");
    }
}
