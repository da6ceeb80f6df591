//! Interprets transport faults that a retry does not resolve: a proxy that intercepts TLS, a proxy that requires a sign-in, a
//! host that does not exist, a network's sign-in page. The error says at once which setting is needed.

use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::cloud::Cloud;
use super::wire::TransportFault;

/// The cause of such a fault, and what resolves it.
struct Definite {
    what: String,
    action: String,
}

/// The error of a request, or of a sign-in, without a response from `host`. `seen`: the request and its identity.
pub(super) fn error(seen: String, fault: &TransportFault, cloud: &Cloud, host: &str) -> StepError {
    match definite(fault, cloud, host) {
        Some(definite) => waiting(seen, definite),
        None => StepError::new(FailureClass::Transient, seen).hint(TransportFault::advice(host)),
    }
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
    let what = format!(
        "a web page was returned instead of a response of {host}: the network of this machine requires a sign-in, or a proxy intercepts the request"
    );
    let action = format!(
        "open https://{host} in a browser on this machine, sign in to the network, or set HTTPS_PROXY; then twinspan resume"
    );
    Definite { what, action }
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
pub(super) fn proxy_wants_sign_in(seen: String, host: &str) -> StepError {
    waiting(seen, proxy(host))
}

fn waiting(seen: String, definite: Definite) -> StepError {
    let Definite { what, action } = definite;
    let wait = Wait::new(WaitKind::Person, what).who("you, on this machine").action(action.clone());
    StepError::new(FailureClass::NeedsPerson, seen).hint(action).wait(wait)
}

fn proxy(host: &str) -> Definite {
    Definite {
        what: format!("the proxy between this machine and {host} requires a name and password (407)"),
        action: "export HTTPS_PROXY=http://NAME:PASSWORD@PROXY:PORT (or have the proxy let this machine through); then twinspan resume".to_owned(),
    }
}

fn definite(fault: &TransportFault, cloud: &Cloud, host: &str) -> Option<Definite> {
    let TransportFault::Refused(reason) = fault else { return None };
    let reason = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["proxy auth", "407"]) {
        return Some(proxy(host));
    }
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

    fn error_of(reason: &str, cloud: &str) -> StepError {
        let cloud = match cloud {
            "custom" => {
                Cloud::custom("https://arm.example", "https://login.example", "https://graph.example")
                    .unwrap()
            }
            name => Cloud::named(name).unwrap(),
        };
        error("GET x".to_owned(), &TransportFault::Refused(reason.to_owned()), &cloud, "arm.example")
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
