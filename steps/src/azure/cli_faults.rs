//! Interprets faults of the Azure CLI that a sign-in does not resolve: of its network, its proxy, its certificates and its folder.
//! The CLI prints them as errors of Python's libraries, often followed by the advice to sign in.

use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError};

use super::cloud::Cloud;
use super::unreachable::{self, Definite};

/// Texts of faults of the network, in lower case.
const NETWORK: [&str; 20] = [
    "max retries exceeded",
    "httpsconnectionpool",
    "httpconnectionpool",
    "connectionerror",
    "connecttimeout",
    "readtimeout",
    "read timed out",
    "nameresolutionerror",
    "failed to resolve",
    "getaddrinfo failed",
    "name resolution",
    "name or service not known",
    "failed to establish",
    "network connection",
    "connection aborted",
    "connection reset",
    "connection refused",
    "remotedisconnected",
    "network is unreachable",
    "cannot connect to proxy",
];

/// Words that mean a fault of the network where the CLI does not ask for a sign-in.
const PERHAPS_NETWORK: [&str; 2] = ["connection", "timed out"];

/// The error for `text`, if the fault is one of this machine or its network. `seen`: the sign-in with the text, as it is shown.
pub(super) fn error(text: &str, cloud: &Cloud, seen: String) -> Option<StepError> {
    let lower = text.to_ascii_lowercase();
    if let Some(definite) = definite(text, &lower, cloud) {
        return Some(unreachable::waiting(seen, definite));
    }
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&NETWORK) || (!lower.contains("az login") && says(&PERHAPS_NETWORK)) {
        let proxy = cloud.proxy().filter(|_| lower.contains("proxy"));
        let way = proxy.map(|proxy| format!("; the connection goes through {proxy}")).unwrap_or_default();
        return Some(StepError::new(FailureClass::Transient, format!("{seen}{way}")));
    }
    None
}

fn definite(text: &str, lower: &str, cloud: &Cloud) -> Option<Definite> {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let host = host(text).unwrap_or_else(|| cloud.login_url().host_str().unwrap_or_default());
    let proxy = || cloud.proxy().map_or_else(|| "the proxy of this machine".to_owned(), ToString::to_string);
    let of = |what: String, action: &str| {
        Some(Definite { what, action: format!("{action}; then twinspan resume") })
    };
    if says(&["tls ca certificate bundle", "could not find a suitable tls"]) {
        return of(
            "the Azure CLI cannot read the file of authorities that REQUESTS_CA_BUNDLE names".to_owned(),
            "export REQUESTS_CA_BUNDLE=FILE with a PEM file that exists, or unset it",
        );
    }
    if says(&["certificate_verify_failed", "certificate verify failed", "sslcertverificationerror"]) {
        let what = format!("the Azure CLI does not trust the certificate of {host}");
        return if says(&["certificate has expired", "not yet valid"]) {
            of(what, "set this machine's clock right (timedatectl), or have the certificate renewed")
        } else {
            of(
                what,
                "export REQUESTS_CA_BUNDLE=FILE with a PEM file that contains the authority with which your network intercepts TLS, \
                 after those that the Azure CLI trusts already (certifi)",
            )
        };
    }
    if says(&["407", "proxy authentication required"]) && says(&["proxy", "tunnel"]) {
        return Some(unreachable::proxy_sign_in(&proxy(), host));
    }
    if says(&["tunnel connection failed"]) {
        return Some(unreachable::proxy_refuses(&proxy(), host));
    }
    if says(&[
        "invalidproxyurl",
        "failed to parse proxy",
        "proxy url had no scheme",
        "unable to determine socks version",
        "missing dependencies for socks",
    ]) {
        return of(
            format!("the Azure CLI cannot use {}", proxy()),
            "export HTTPS_PROXY=http://PROXY:PORT, or unset it if this machine reaches Azure directly",
        );
    }
    if says(&[
        "[errno 13]",
        "[errno 30]",
        "[errno 28]",
        "permissionerror",
        "permission denied",
        "read-only file system",
        "no space left",
    ]) {
        return Some(folder(text, lower));
    }
    None
}

/// A file of the Azure CLI that cannot be read or written.
fn folder(text: &str, lower: &str) -> Definite {
    let path = text
        .split(['\'', '"', ' ', '\n'])
        .map(|word| word.trim_end_matches([':', ',', '.']))
        .find(|word| word.len() > 1 && word.starts_with(['/', '~']));
    let Some(path) = path else {
        return Definite {
            what: "this account may not run the Azure CLI, or not use its folder".to_owned(),
            action: "give this account access to the program az and to ~/.azure (or to AZURE_CONFIG_DIR); then twinspan resume".to_owned(),
        };
    };
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    let action = if lower.contains("no space left") {
        format!("make room on the file system of {folder} (df -h {})", sh::word(folder))
    } else if lower.contains("read-only") {
        format!("make {folder} writable, or set azure_config_dir in twinspan.toml to a folder that is")
    } else {
        format!("sudo chown -R \"$(id -un)\" {0} && chmod -R u+rwX {0}", sh::word(folder))
    };
    Definite {
        what: format!("this account cannot read or write {path} of the Azure CLI"),
        action: format!("{action}; then twinspan resume"),
    }
}

/// The host in `HTTPSConnectionPool(host='…', port=443)`.
fn host(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("host='")?;
    let (host, _) = rest.split_once('\'')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (!host.is_empty() && host.chars().all(plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::proxy::Proxy;

    const POOL: &str =
        "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded";
    const SIGN_IN: &str = "Interactive authentication is needed. Please run:\naz login --tenant T";

    fn of(text: &str) -> Option<StepError> {
        let proxy = Proxy::parse("HTTPS_PROXY", "http://proxy.example:3128").unwrap();
        let cloud = Cloud::named("public").unwrap().through(proxy);
        error(text, &cloud, "sign-in".to_owned())
    }

    #[test]
    fn what_a_sign_in_does_not_change_is_said_with_what_does() {
        for (text, what, action) in [
            (
                format!(
                    "{POOL} (Caused by SSLError(SSLCertVerificationError(1, 'certificate verify failed: self signed certificate in certificate chain')))"
                ),
                "the certificate of login.microsoftonline.com",
                "export REQUESTS_CA_BUNDLE=FILE",
            ),
            (
                format!(
                    "{POOL} (Caused by SSLError(SSLCertVerificationError(1, 'certificate verify failed: certificate has expired')))"
                ),
                "login.microsoftonline.com",
                "timedatectl",
            ),
            (
                format!(
                    "{POOL} (Caused by ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required')))"
                ),
                "the proxy http://proxy.example:3128 (HTTPS_PROXY)",
                "NAME:PASSWORD@PROXY:PORT",
            ),
            (
                format!(
                    "{POOL} (Caused by ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403 Forbidden')))"
                ),
                "the proxy http://proxy.example:3128 (HTTPS_PROXY) refuses",
                "NO_PROXY=login.microsoftonline.com;",
            ),
            (
                "Missing dependencies for SOCKS support.".to_owned(),
                "cannot use the proxy",
                "HTTPS_PROXY=http://",
            ),
            (
                "Could not find a suitable TLS CA certificate bundle, invalid path: /x.pem".to_owned(),
                "REQUESTS_CA_BUNDLE",
                "unset it",
            ),
            (
                "[Errno 13] Permission denied: '/home/x/.azure/msal_token_cache.json'".to_owned(),
                "/home/x/.azure/msal_token_cache.json",
                "chmod -R u+rwX /home/x/.azure;",
            ),
            (
                "[Errno 30] Read-only file system: '/home/x/.azure/az.json'".to_owned(),
                "az.json",
                "azure_config_dir",
            ),
            ("[Errno 28] No space left on device: '/home/x/.azure/az.json'".to_owned(), "az.json", "df -h"),
            ("Permission denied (os error 13)".to_owned(), "may not run the Azure CLI", "program az"),
        ] {
            let error = of(&format!("{text} {SIGN_IN}")).unwrap();
            assert_eq!(error.class, FailureClass::NeedsPerson, "{text}");
            let wait = error.wait.unwrap();
            assert!(wait.what.contains(what), "{text}: {wait:?}");
            let said = wait.action.unwrap();
            assert!(said.contains(action) && said.ends_with("twinspan resume"), "{text}: {said}");
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_what_needs_a_sign_in_is_not() {
        for text in [
            format!(
                "Please ensure you have network connection. Error detail: {POOL} (NameResolutionError) {SIGN_IN}"
            ),
            format!("('Connection aborted.', RemoteDisconnected('x')) {SIGN_IN}"),
            "ConnectionError: x".to_owned(),
            "the request timed out".to_owned(),
        ] {
            assert_eq!(of(&text).unwrap().class, FailureClass::Transient, "{text}");
        }
        let proxy = of(&format!(
            "{POOL} (Caused by ProxyError('Cannot connect to proxy.', NewConnectionError('refused')))"
        ))
        .unwrap();
        assert_eq!(proxy.class, FailureClass::Transient);
        assert!(proxy.message.contains("the proxy http://proxy.example:3128"), "{proxy}");
        for text in [
            SIGN_IN,
            "The connection of your account has timed out. Run az login",
            "User 'nina' does not exist in MSAL token cache.",
        ] {
            assert!(of(text).is_none(), "{text}");
        }
    }
}
