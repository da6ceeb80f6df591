//! The simulator's own certificate authority: a root certificate to be written to a file, and a server
//! certificate for loopback.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

use super::ListenError;

/// A new root certificate. Its key is not stored, so a client that trusts it trusts this process only.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    now: Timestamp,
}

impl Authority {
    pub(super) fn new(now: Timestamp) -> Result<Self, ListenError> {
        let mut params = CertificateParams::default();
        valid_around(&mut params, now)?;
        params.distinguished_name.push(DnType::CommonName, "twinspan simulator root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(fail)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(fail)?;
        let pem = issuer.pem();
        Ok(Authority { issuer, pem, now })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// The configuration of a server for localhost, 127.0.0.1 and ::1, with HTTP/2 and HTTP/1.1.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, ListenError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).map_err(fail)?;
        valid_around(&mut params, self.now)?;
        params.distinguished_name.push(DnType::CommonName, "twinspan simulator");
        // Strict verifiers (Python 3.13 and later) require the authority key identifier.
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(fail)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(fail)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // The provider is explicit, because the process default may be unset, and a library must not set it.
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(fail)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .map_err(fail)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

pub(crate) fn valid_around(params: &mut CertificateParams, now: Timestamp) -> Result<(), ListenError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let from = today.checked_sub(1.day()).map_err(fail)?;
    // Long enough for a long test run, short enough for verifiers that refuse long-lived server certificates.
    let until = today.checked_add(90.days()).map_err(fail)?;
    let [from, until] = [from, until]
        .map(|d| rcgen::date_time_ymd(i32::from(d.year()), d.month().unsigned_abs(), d.day().unsigned_abs()));
    params.not_before = from;
    params.not_after = until;
    Ok(())
}

fn fail(error: impl std::fmt::Display) -> ListenError {
    ListenError::Certificate(error.to_string())
}
