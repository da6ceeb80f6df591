//! The claims of a token, for messages and for the sign-in check. The services alone validate them.

use std::collections::BTreeMap;

use azure_core::base64;
use serde::Deserialize;
use twinspan_engine::ActedAs;

use super::redaction;

/// The claims that twinspan reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub(crate) oid: Option<String>,
    pub(crate) tid: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    upn: Option<String>,
    unique_name: Option<String>,
    preferred_username: Option<String>,
    idtyp: Option<String>,
    scp: Option<String>,
}

impl Claims {
    /// Parses the claims of `token`; all empty if it is not a JSON web token.
    pub(crate) fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).unwrap_or_default();
        base64::decode_url_safe(payload.trim_end_matches('='))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    pub(crate) fn application(&self) -> Option<&str> {
        self.appid.as_deref().or(self.azp.as_deref())
    }

    pub(crate) fn account(&self) -> Option<&str> {
        self.upn.as_deref().or(self.unique_name.as_deref()).or(self.preferred_username.as_deref())
    }

    /// The principal of the token, as the run records it; `None` if the token does not state it.
    pub(crate) fn acted_as(&self, identity: &str) -> Option<ActedAs> {
        let ids: BTreeMap<String, String> = [
            ("object_id", self.oid.as_deref()),
            ("tenant", self.tid.as_deref()),
            ("application", self.application()),
        ]
        .into_iter()
        .filter_map(|(name, id)| Some((name.to_owned(), redaction::line(id?))))
        .collect();
        (!ids.is_empty()).then(|| ActedAs { identity: identity.to_owned(), ids })
    }

    /// Type of the principal, as role assignments name it; `None` if the token does not state it.
    pub(crate) fn principal_type(&self) -> Option<&'static str> {
        match self.idtyp.as_deref() {
            Some("app") => Some("ServicePrincipal"),
            Some("user") => Some("User"),
            _ if self.scp.is_some() => Some("User"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_rubbish_has_none() {
        let payload = base64::encode_url_safe(r#"{"oid":"o","tid":"t","appid":"a","idtyp":"app"}"#);
        let claims = Claims::of(&format!("e30.{payload}.x"));
        assert_eq!((claims.oid.as_deref(), claims.tid.as_deref()), (Some("o"), Some("t")));
        assert_eq!((claims.application(), claims.principal_type()), (Some("a"), Some("ServicePrincipal")));
        let payload = base64::encode_url_safe(r#"{"unique_name":"nina@contoso.example","scp":"x"}"#);
        let claims = Claims::of(&format!("e30.{payload}.x"));
        assert_eq!((claims.account(), claims.principal_type()), (Some("nina@contoso.example"), Some("User")));
        assert_eq!(Claims::of("opaque"), Claims::default());
        assert_eq!(Claims::of("a.%%%.c"), Claims::default());
    }
}
