//! Client assertions: signed with an application's own certificate, or tokens of an issuer that the application trusts
//! (a cluster, a pipeline service). The world acts as those issuers, too.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, aws_lc_rs};

use crate::directory::{Application, Federated};
use crate::service::Hosts;
use crate::tokens::{self, Signed};
use crate::world::World;

/// A refusal: AADSTS code and text.
pub(super) type Refusal = (u32, String);

/// Largest allowed difference between the two clocks, in seconds.
const SKEW: i64 = 300;

/// Checks whether `assertion` proves that the caller is `application`, for a token of `tenant`.
pub(super) fn check(
    world: &World,
    application: &Application,
    assertion: &str,
    tenant: &str,
    at: Timestamp,
) -> Result<(), Refusal> {
    let signed =
        Signed::read(assertion).ok_or_else(|| (50027, "JWT token is invalid or malformed.".to_owned()))?;
    if claim(&signed.claims, "iss").eq_ignore_ascii_case(&application.app_id) {
        by_certificate(&world.hosts, application, &signed, tenant)?;
    } else {
        by_issuer(world, application, &signed)?;
    }
    in_time(&signed.claims, at)
}

/// Checks key, application and audience of an assertion that the application signed itself.
fn by_certificate(
    hosts: &Hosts,
    application: &Application,
    signed: &Signed<'_>,
    tenant: &str,
) -> Result<(), Refusal> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match claim(&signed.header, "alg") {
        "PS256" => aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        "RS256" => aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
        other => return Err((50027, format!("JWT token is invalid or malformed: algorithm '{other}'."))),
    };
    // An older client identifies its key by another digest, which this world does not store: then it tries every key.
    let named = claim(&signed.header, "x5t#S256");
    let mut candidates = application
        .certificates
        .iter()
        .filter(|der| named.is_empty() || tokens::url_safe(&Sha256::digest(der)) == named)
        .peekable();
    if candidates.peek().is_none() {
        return Err((
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. \
                 [Reason - The key was not found., Thumbprint of key used by client: '{named}']"
            ),
        ));
    }
    let verified = candidates.any(|der| {
        let der = CertificateDer::from(der.as_slice());
        EndEntityCert::try_from(&der).is_ok_and(|certificate| {
            certificate.verify_signature(algorithm, signed.text.as_bytes(), &signed.signature).is_ok()
        })
    });
    if !verified {
        return Err((
            700_027,
            "Client assertion failed signature validation. [Reason - The key used is expired or does not match.]"
                .to_owned(),
        ));
    }
    if !claim(&signed.claims, "sub").eq_ignore_ascii_case(&application.app_id) {
        return Err((
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.".to_owned(),
        ));
    }
    let endings = ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0", ""];
    let audience = hosts.login_path(claim(&signed.claims, "aud"));
    if !audience.is_some_and(|path| endings.iter().any(|ending| path == format!("/{tenant}{ending}"))) {
        return Err((700_023, "Client assertion audience claim does not match Realm issuer.".to_owned()));
    }
    Ok(())
}

/// Checks issuer, subject, audience and signature of a federated token.
fn by_issuer(world: &World, application: &Application, signed: &Signed<'_>) -> Result<(), Refusal> {
    let [issuer, subject, audience] = ["iss", "sub", "aud"].map(|name| claim(&signed.claims, name));
    let none = |code, what: &str, value: &str| {
        (
            code,
            format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. Check your \
                 federated identity credential Subject, Audience and Issuer against the presented assertion."
            ),
        )
    };
    let of_issuer: Vec<&Federated> = application.federated.iter().filter(|f| f.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(none(700_211, "issuer", issuer));
    }
    let of_subject: Vec<&Federated> = of_issuer.into_iter().filter(|f| f.subject == subject).collect();
    if of_subject.is_empty() {
        return Err(none(700_213, "subject", subject));
    }
    if !of_subject.iter().any(|f| f.audience == audience) {
        return Err(none(700_212, "audience", audience));
    }
    if !tokens::is_signed_by(world.issuer_key(issuer), signed) {
        return Err((50013, "Assertion failed signature validation.".to_owned()));
    }
    Ok(())
}

fn in_time(claims: &Value, at: Timestamp) -> Result<(), Refusal> {
    let second = |name: &str| claims.get(name).and_then(Value::as_i64);
    let now = at.as_second();
    let (from, until) = (second("nbf").or_else(|| second("iat")), second("exp"));
    if from.is_none_or(|from| from <= now + SKEW) && until.is_some_and(|until| until > now - SKEW) {
        return Ok(());
    }
    let said = |second: Option<i64>| {
        second
            .and_then(|second| Timestamp::from_second(second).ok())
            .map_or("none".to_owned(), |t| t.to_string())
    };
    Err((
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {at}, assertion valid from {}, expiry \
             time of assertion {}.",
            said(from),
            said(until)
        ),
    ))
}

fn claim<'a>(claims: &'a Value, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl World {
    /// A token of `issuer` for `subject`, with Entra as its audience, valid for an hour. Whether an application trusts
    /// it is independent of this.
    pub fn federated_token(&mut self, issuer: &str, subject: &str, audience: &str, now: Timestamp) -> String {
        let now = self.time(now).as_second();
        let claims = json!({
            "iss": issuer, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 3600,
        });
        tokens::sign_json(self.issuer_key(issuer), &claims)
    }

    /// The key that signs the tokens of `issuer`.
    fn issuer_key(&self, issuer: &str) -> uuid::Uuid {
        self.named(&format!("issuer {issuer}"))
    }

    /// Makes an application accept tokens of `issuer` about `subject` as client assertions. Returns false if the
    /// application does not exist.
    pub fn trust_issuer(&mut self, app_id: &str, issuer: &str, subject: &str, audience: &str) -> bool {
        let Some(application) = self.directory.application_mut(app_id) else { return false };
        let entry = Federated {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: audience.to_owned(),
        };
        if !application.federated.contains(&entry) {
            application.federated.push(entry);
        }
        true
    }
}
