//! An application's certificate and key, and the client assertions signed with them.
//!
//! The format is that of Microsoft's "Application authentication certificate credentials": RSA with PSS padding, the
//! certificate identified by its SHA-256 thumbprint.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use azure_core::base64;
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Lifetime of an assertion. It is used at once; Entra allows at most ten minutes.
const SECONDS: i64 = 300;

/// A certificate with its private key.
pub(crate) struct Certificate {
    key: RsaKeyPair,
    /// Base64url of the SHA-256 digest of the certificate.
    thumbprint: String,
    /// When the certificate expires, if that can be read.
    pub(crate) ends: Option<Timestamp>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads PEM text with the key and its certificate, and possibly a chain. The error describes the problem without
    /// quoting the text.
    pub(crate) fn read(pem: &SecretString) -> Result<Self, &'static str> {
        let pem = pem.expose_secret().as_bytes();
        let key = match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            Ok(_) => return Err("its key is not an RSA key, and Entra accepts no other"),
            Err(_) if is_encrypted(pem) => {
                return Err(
                    "its key is encrypted; decrypt it (openssl pkey) or use the secret store's own file",
                );
            }
            Err(_) => return Err("it contains no private key in PEM form"),
        };
        let key = key.map_err(|_| "its key is not an RSA key of 2048 to 8192 bits")?;
        let public = key.public_key();
        let mut certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).peekable();
        if certificates.peek().is_none() {
            return Err("it contains no certificate in PEM form");
        }
        let own = certificates
            .find(|certificate| holds(certificate.as_ref(), public.as_ref()))
            .ok_or("its certificate belongs to another key")?;
        Ok(Certificate {
            key,
            thumbprint: url_safe(Sha256::digest(own.as_ref())),
            ends: not_after(own.as_ref()),
        })
    }

    /// A client assertion of application `client_id` for `audience`. `id` must be unique.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        id: &str,
        now: Timestamp,
    ) -> Option<SecretString> {
        let now = now.as_second();
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": id,
            "iat": now, "nbf": now, "exp": now + SECONDS,
        });
        let text = format!("{}.{}", url_safe(header.to_string()), url_safe(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
        Some(format!("{text}.{}", url_safe(&signature)).into())
    }
}

/// The end of a certificate's validity. Skips the fields before it: version, serial number, algorithm and issuer (RFC
/// 5280, section 4.1).
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    const UTC: u8 = 0x17;
    const GENERALIZED: u8 = 0x18;
    let (_, signed, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(signed).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let (VERSION, _, rest) = element(fields)? {
        fields = rest;
    }
    for _ in ["serial number", "algorithm", "issuer"] {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, text, _) = element(element(validity)?.2)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // A two-digit year, up to 2049.
        UTC => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED => text.to_owned(),
        _ => return None,
    };
    jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?.in_tz("UTC").ok().map(|at| at.timestamp())
}

/// Tag and content of the first DER element, and the rest after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // No certificate has a longer length field.
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Base64url without padding, as in a JSON web token.
fn url_safe(bytes: impl AsRef<[u8]>) -> String {
    base64::encode_url_safe(bytes).trim_end_matches('=').to_owned()
}

fn is_encrypted(pem: &[u8]) -> bool {
    String::from_utf8_lossy(pem).lines().any(|line| line.contains("ENCRYPTED"))
}

/// Whether a certificate contains this public key, in RSA's DER form.
fn holds(certificate: &[u8], public: &[u8]) -> bool {
    certificate.windows(public.len()).any(|part| part == public)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outer fields of a certificate around this validity.
    fn certificate(validity: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut element = vec![tag, 0x82, 0, u8::try_from(content.len()).unwrap()];
            element.extend_from_slice(content);
            element
        };
        let fields = [
            wrap(0xa0, &[2, 1, 2]),
            wrap(2, &[7]),
            wrap(0x30, &[]),
            wrap(0x30, &[5, 0]),
            wrap(0x30, validity),
        ];
        wrap(0x30, &wrap(0x30, &fields.concat()))
    }

    #[test]
    fn the_end_is_read_in_both_forms_and_nothing_else_is_one() {
        let begin = [&[0x17, 13][..], b"250101000000Z"].concat();
        let utc = [&begin[..], &[0x17, 13], b"261231235959Z"].concat();
        let generalized = [&begin[..], &[0x18, 15], b"20500101000000Z"].concat();
        for (validity, end) in [(&utc, "2026-12-31T23:59:59Z"), (&generalized, "2050-01-01T00:00:00Z")] {
            let whole = certificate(validity);
            assert_eq!(not_after(&whole), Some(end.parse().unwrap()));
            for length in 0..whole.len() {
                assert_eq!(not_after(&whole[..length]), None, "cut off after {length} bytes");
            }
        }
        let other = [&begin[..], &[0x04, 13], b"261231235959Z"].concat();
        assert_eq!(not_after(&certificate(&other)), None);
    }
}
