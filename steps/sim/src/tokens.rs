//! Access tokens: JSON web tokens that only this world can sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::caller::{Holder, PrincipalKind};

/// The claims of a token, with the names of real tokens (version 1.0).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) appid: String,
    pub(crate) idtyp: String,
    pub(crate) oid: String,
    pub(crate) sub: String,
    pub(crate) tid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upn: Option<String>,
    pub(crate) uti: String,
    pub(crate) ver: String,
    /// Authentication contexts that the sign-in satisfied; contains only those that were requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) acrs: Vec<String>,
}

/// The authentication context that Azure's own policy for writes requires (Azure/azure-cli#31778).
pub(crate) const SECOND_FACTOR: &str = "p1";

/// Issuer of the tokens of a tenant.
pub(crate) fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// Signs `claims`.
pub(crate) fn mint(key: Uuid, claims: &Claims) -> String {
    sign_json(key, claims)
}

/// Signs any claims.
pub(crate) fn sign_json(key: Uuid, claims: &impl Serialize) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"HS256","kid":"simulated"}"#);
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(sign(key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A parsed JSON web token of any signer, not verified.
pub(crate) struct Signed<'a> {
    /// The signed text.
    pub(crate) text: &'a str,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) signature: Vec<u8>,
}

impl<'a> Signed<'a> {
    pub(crate) fn read(token: &'a str) -> Option<Self> {
        let (text, signature) = token.trim().rsplit_once('.')?;
        let (header, payload) = text.split_once('.')?;
        Some(Signed {
            text,
            header: payload_of(header)?,
            claims: payload_of(payload)?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// Whether this world signed it with `key`.
pub(crate) fn is_signed_by(key: Uuid, signed: &Signed<'_>) -> bool {
    signed.signature == sign(key, signed.text.as_bytes())
}

/// Base64url without padding.
pub(crate) fn url_safe(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Why a token is not valid.
#[derive(Clone, Debug)]
pub(crate) enum Bad {
    /// Not a token, or not one of this world.
    Malformed,
    /// Expired.
    Expired(Box<Claims>),
    /// For another audience.
    Audience(Box<Claims>),
}

/// Verifies a token whose audience `is_audience` accepts.
pub(crate) fn verify(
    key: Uuid,
    token: &str,
    at: Timestamp,
    is_audience: impl Fn(&str) -> bool,
) -> Result<Claims, Bad> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Bad::Malformed)?;
    let (_, payload) = signed.split_once('.').ok_or(Bad::Malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Bad::Malformed)?;
    if signature != sign(key, signed.as_bytes()) {
        return Err(Bad::Malformed);
    }
    let claims: Claims = payload_of(payload).ok_or(Bad::Malformed)?;
    if claims.exp <= at.as_second() {
        return Err(Bad::Expired(Box::new(claims)));
    }
    if !is_audience(&claims.aud) {
        return Err(Bad::Audience(Box::new(claims)));
    }
    Ok(claims)
}

/// The claims of a token, without verification.
#[cfg(test)]
pub(crate) fn read_unproven(token: &str) -> Option<Value> {
    payload_of(token.split('.').nth(1)?)
}

fn payload_of<T: for<'de> Deserialize<'de>>(payload: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

impl Claims {
    /// The holder, for authorization.
    pub(crate) fn holder(&self) -> Holder {
        Holder {
            tenant: self.tid.to_ascii_lowercase(),
            object_id: self.oid.to_ascii_lowercase(),
            name: self.upn.clone().unwrap_or_else(|| self.appid.clone()),
            kind: if self.idtyp == "app" { PrincipalKind::ServicePrincipal } else { PrincipalKind::User },
            issued: Timestamp::from_second(self.iat).unwrap_or(Timestamp::UNIX_EPOCH),
            stepped_up: self.acrs.iter().any(|context| context == SECOND_FACTOR),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104).
fn sign(key: Uuid, message: &[u8]) -> [u8; 32] {
    let mut inner_key = [0x36_u8; 64];
    let mut outer_key = [0x5c_u8; 64];
    for ((inner, outer), byte) in inner_key.iter_mut().zip(outer_key.iter_mut()).zip(key.as_bytes()) {
        *inner ^= byte;
        *outer ^= byte;
    }
    let inner = Sha256::new().chain_update(inner_key).chain_update(message).finalize();
    Sha256::new().chain_update(outer_key).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            aud: "https://management.azure.com/".into(),
            iss: issuer("t"),
            iat: 100,
            nbf: 100,
            exp: 200,
            appid: "a".into(),
            idtyp: "user".into(),
            oid: "O".into(),
            sub: "O".into(),
            tid: "T".into(),
            upn: Some("n@contoso.example".into()),
            uti: "u".into(),
            ver: "1.0".into(),
            acrs: Vec::new(),
        }
    }

    #[test]
    fn good_until_it_expires_and_only_with_our_signature() {
        let key = Uuid::from_u128(7);
        let token = mint(key, &claims());
        let at = |s| Timestamp::from_second(s).unwrap();
        let holder = verify(key, &token, at(199), |_| true).unwrap().holder();
        assert_eq!((holder.tenant.as_str(), holder.object_id.as_str()), ("t", "o"));
        assert!(matches!(verify(key, &token, at(200), |_| true), Err(Bad::Expired(_))));
        assert!(matches!(verify(key, &token, at(199), |_| false), Err(Bad::Audience(_))));
        assert!(matches!(verify(Uuid::from_u128(8), &token, at(199), |_| true), Err(Bad::Malformed)));
        for bad in ["", "a", "a.b", "a.b.c", &token[..token.len() - 2]] {
            assert!(matches!(verify(key, bad, at(199), |_| true), Err(Bad::Malformed)), "{bad}");
        }
    }

    #[test]
    fn hmac_is_the_published_one() {
        // Reference value of HMAC-SHA-256 with a 16-byte key of zeros over the empty message.
        let hex: String = sign(Uuid::nil(), b"").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
}
