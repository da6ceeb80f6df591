//! Certificates of applications: reads a registered one, and creates new ones.

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use webpki::EndEntityCert;

use crate::world::World;

/// The certificate in `pem` as DER; `None` if there is none that can be read.
pub(crate) fn read(pem: &str) -> Option<Vec<u8>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    EndEntityCert::try_from(&der).ok()?;
    Some(der.as_ref().to_vec())
}

/// Why a certificate could not be created.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// The application does not exist.
    #[error("there is no application '{0}'")]
    NoApplication(String),
    /// The key could not be generated.
    #[error("the key cannot be generated: {0}")]
    NoKey(String),
}

impl World {
    /// Creates an RSA key and a certificate, registers the certificate with an application, and returns both as PEM.
    /// The key is not stored. Unlike everything else here it is random.
    pub fn new_certificate(&mut self, app_id: &str, now: Timestamp) -> Result<String, NoCertificate> {
        let now = self.time(now);
        let Some(application) = self.directory.application_mut(app_id) else {
            return Err(NoCertificate::NoApplication(app_id.to_owned()));
        };
        let fail = |error: rcgen::Error| NoCertificate::NoKey(error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, application.display_name.as_str());
        crate::listener::valid_around(&mut params, now)
            .map_err(|error| NoCertificate::NoKey(error.to_string()))?;
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(fail)?;
        let certificate = params.self_signed(&key).map_err(fail)?;
        application.certificates.push(certificate.der().as_ref().to_vec());
        Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
    }
}
