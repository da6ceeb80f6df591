//! Interprets transport faults that a retry does not resolve: a proxy that intercepts TLS, a proxy that requires a sign-in, a
//! host that does not exist, a network's sign-in page. The error says at once which setting is needed.

use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::cloud::Cloud;
use super::wire::TransportFault;

/// The cause of such a fault, and what resolves it.
pub(super) struct Definite {
    pub(super) what: String,
    pub(super) action: String,
}

/// The error of a request, or of a sign-in, without a response from `host`, which may be an address. `seen`: the request and its
/// identity.
pub(super) fn error(seen: String, fault: &TransportFault, cloud: &Cloud, host: &str) -> StepError {
    let host = without_scheme(host);
    if let Some(definite) = definite(fault, cloud, host) {
        return waiting(seen, definite);
    }
    if is_of_proxy(fault) {
        let proxy = proxy_of(cloud);
        return StepError::new(
            FailureClass::Transient,
            format!("{seen}; the connection goes through {proxy}"),
        )
        .hint(TransportFault::advice(&proxy));
    }
    StepError::new(FailureClass::Transient, seen).hint(TransportFault::advice(host))
}

/// The error if the sign-in of `host` returned an HTML page: the network requires a sign-in, or a proxy responded.
pub(super) fn page(seen: String, host: &str) -> StepError {
    waiting(seen, of_page(host))
}

/// The same for a resource. A gateway with a transient fault returns a page, too, so the request is retried.
pub(super) fn page_for_resource(seen: &str, host: &str) -> StepError {
    let Definite { what, action } = of_page(host);
    StepError::new(FailureClass::Transient, format!("{seen}; {what}")).hint(action)
}

fn of_page(host: &str) -> Definite {
    let host = without_scheme(host);
    let what = format!(
        "a web page was returned instead of a response of {host}: the network of this machine requires a sign-in, or a proxy intercepts the request"
    );
    let action = format!(
        "open https://{host} in a browser on this machine, sign in to the network, or set HTTPS_PROXY; then twinspan resume"
    );
    Definite { what, action }
}

/// Host and port of an address: callers have one or the other.
fn without_scheme(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    host.trim_end_matches('/')
}

/// Whether a body is an HTML page.
pub(super) fn is_page(content_type: Option<&str>, body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("text/html"))
        || begins("<!doctype html")
        || begins("<html")
}

/// The error for a 407: a proxy responded in place of the host.
pub(super) fn proxy_wants_sign_in(seen: String, cloud: &Cloud, host: &str) -> StepError {
    waiting(seen, proxy_sign_in(&proxy_of(cloud), without_scheme(host)))
}

/// The error for a fault of this machine or its network that only a person resolves.
pub(super) fn waiting(seen: String, definite: Definite) -> StepError {
    let Definite { what, action } = definite;
    let wait = Wait::new(WaitKind::Person, what).who("you, on this machine").action(action.clone());
    StepError::new(FailureClass::NeedsPerson, seen).hint(action).wait(wait)
}

/// The proxy in messages.
fn proxy_of(cloud: &Cloud) -> String {
    cloud.proxy().map_or_else(|| "the proxy of this machine".to_owned(), ToString::to_string)
}

/// Whether the fault is one of the connection to the proxy, or of the proxy itself.
fn is_of_proxy(fault: &TransportFault) -> bool {
    matches!(fault, TransportFault::Refused(reason) if reason.contains("tunnel error"))
}

/// A proxy that requires a name and password.
pub(super) fn proxy_sign_in(proxy: &str, host: &str) -> Definite {
    Definite {
        what: format!("{proxy}, between this machine and {host}, requires a name and password (407)"),
        action: "export HTTPS_PROXY=http://NAME:PASSWORD@PROXY:PORT (or have the proxy let this machine through); then twinspan resume".to_owned(),
    }
}

/// A proxy that does not connect to the host.
pub(super) fn proxy_refuses(proxy: &str, host: &str) -> Definite {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    Definite {
        what: format!("{proxy} refuses to connect to {host}"),
        action: format!(
            "have the administrator of the proxy permit {host}, or, if this machine reaches it directly, export NO_PROXY={name}; then \
             twinspan resume"
        ),
    }
}

fn definite(fault: &TransportFault, cloud: &Cloud, host: &str) -> Option<Definite> {
    let TransportFault::Refused(reason) = fault else { return None };
    let reason = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["proxy auth", "407"]) {
        return Some(proxy_sign_in(&proxy_of(cloud), host));
    }
    if says(&["unsupported scheme", "socks"]) {
        return Some(Definite {
            what: format!("{} cannot be used: twinspan connects through http:// and https:// proxies", proxy_of(cloud)),
            action: "export HTTPS_PROXY=http://PROXY:PORT, or unset it if this machine reaches Azure directly; then twinspan resume"
                .to_owned(),
        });
    }
    // The HTTP library does not tell the status of the proxy's response. A wait is checked again by itself, so a proxy that
    // recovers ends it, too.
    if says(&["tunnel error: unsuccessful"]) {
        return Some(proxy_refuses(&proxy_of(cloud), host));
    }
    let proxy = is_of_proxy(fault).then(|| proxy_of(cloud));
    let host = proxy.as_deref().unwrap_or(host);
    if says(&["certificate"]) {
        let what = format!("the certificate of {host} is not trusted here ({})", fault.reason());
        let action = if says(&["expired", "notvalidyet", "not valid yet"]) {
            "set this machine's clock right (timedatectl), or have the certificate renewed; then twinspan resume".to_owned()
        } else if says(&["not valid for name", "notvalidforname"]) {
            "correct the addresses in [cloud] of twinspan.toml, or bypass the proxy; then twinspan resume"
                .to_owned()
        } else {
            "set root_certificate in [cloud] of twinspan.toml to the PEM file of the authority with which your network intercepts TLS; \
             then twinspan resume"
                .to_owned()
        };
        return Some(Definite { what, action });
    }
    // In other clouds, a name that is not found may be a transient network fault.
    if cloud.name() == "custom"
        && proxy.is_none()
        && says(&[
            "name or service not known",
            "no such host",
            "nodename nor servname",
            "no address associated",
        ])
    {
        return Some(Definite {
            what: format!("there is no host {host}"),
            action: "correct arm, login and graph in [cloud] of twinspan.toml; then twinspan resume"
                .to_owned(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::proxy::Proxy;

    fn error_of(reason: &str, cloud: &str) -> StepError {
        let cloud = match cloud {
            "custom" => {
                Cloud::custom("https://arm.example", "https://login.example", "https://graph.example")
                    .unwrap()
            }
            name => Cloud::named(name).unwrap(),
        };
        let cloud =
            cloud.through(Proxy::parse("HTTPS_PROXY", "http://me:hunter2@proxy.example:3128").unwrap());
        error("GET x".to_owned(), &TransportFault::Refused(reason.to_owned()), &cloud, "https://arm.example")
    }

    #[test]
    fn a_fault_of_the_proxy_names_the_proxy_and_the_setting() {
        let proxy = "the proxy http://proxy.example:3128 (HTTPS_PROXY)";
        for (reason, wanted) in [
            ("client error (Connect): tunnel error: unsuccessful", "NO_PROXY=arm.example;"),
            ("tunnel error: proxy authorization required", "NAME:PASSWORD@PROXY:PORT"),
            (
                "tunnel error: failed to create underlying connection: unsupported scheme socks5",
                "HTTPS_PROXY=http://",
            ),
            (
                "tunnel error: failed to create underlying connection: invalid peer certificate: UnknownIssuer",
                "root_certificate",
            ),
        ] {
            let error = error_of(reason, "public");
            assert_eq!(error.class, FailureClass::NeedsPerson, "{reason}");
            let wait = error.wait.unwrap();
            assert!(wait.what.contains(proxy) && !wait.what.contains("hunter2"), "{wait:?}");
            assert!(wait.action.unwrap().contains(wanted), "{reason}");
        }
        for reason in [
            "tunnel error: failed to create underlying connection: tcp connect error: Connection refused (os error 111)",
            "tunnel error: failed to create underlying connection: dns error: Name or service not known",
            "tunnel error: unexpected end of file",
        ] {
            let error = error_of(reason, "custom");
            assert_eq!(error.class, FailureClass::Transient, "{reason}");
            assert!(error.message.contains(proxy) && error.hint.unwrap().contains(proxy), "{reason}");
        }
    }

    #[test]
    fn an_address_is_opened_with_one_scheme() {
        for host in ["https://login.example:8443/", "login.example:8443"] {
            let action = page("x".to_owned(), host).wait.unwrap().action.unwrap();
            assert!(action.starts_with("open https://login.example:8443 in a browser"), "{action}");
        }
    }

    #[test]
    fn what_another_try_does_not_change_is_said_at_once_with_what_to_set() {
        for (reason, cloud, wanted) in [
            ("invalid peer certificate: UnknownIssuer", "public", "root_certificate"),
            ("invalid peer certificate: certificate expired: x", "public", "timedatectl"),
            ("invalid peer certificate: certificate not valid for name \"x\"", "public", "[cloud]"),
            ("tunnel error: proxy authorization required", "public", "HTTPS_PROXY"),
            (
                "dns error: failed to lookup address information: Name or service not known",
                "custom",
                "arm, login and graph",
            ),
        ] {
            let error = error_of(reason, cloud);
            assert_eq!(error.class, FailureClass::NeedsPerson, "{reason}");
            let wait = error.wait.unwrap();
            assert!(wait.action.clone().unwrap().contains(wanted), "{reason}: {wait:?}");
            assert!(
                wait.action.unwrap().contains("twinspan resume") && wait.what.contains("arm.example"),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        for (reason, cloud) in [
            ("tcp connect error: Connection refused", "custom"),
            (
                "dns error: failed to lookup address information: Temporary failure in name resolution",
                "custom",
            ),
            ("dns error: failed to lookup address information: Name or service not known", "public"),
        ] {
            let error = error_of(reason, cloud);
            assert_eq!(error.class, FailureClass::Transient, "{reason}");
            assert!(error.hint.unwrap().contains("arm.example"));
        }
    }

    #[test]
    fn a_page_for_people_is_known() {
        assert!(is_page(Some("text/html; charset=utf-8"), b"x"));
        assert!(is_page(None, b"\n <!DOCTYPE html><html>"));
        assert!(!is_page(Some("application/json"), b"{}"));
        assert!(!is_page(None, b""));
    }
}
