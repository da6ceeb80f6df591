//! The three services, and their hosts.

use http::Uri;

/// One of the three services of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sign-in: tokens.
    Login,
    /// Microsoft Graph: users and applications.
    Graph,
    /// Azure Resource Manager.
    Arm,
}

/// Base URLs of the services, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// Azure Resource Manager.
    pub arm: String,
    /// Sign-in.
    pub login: String,
    /// Microsoft Graph.
    pub graph: String,
}

impl Default for Hosts {
    /// The public cloud's hosts, for an in-process client.
    fn default() -> Self {
        Hosts {
            arm: "https://management.azure.com".to_owned(),
            login: "https://login.microsoftonline.com".to_owned(),
            graph: "https://graph.microsoft.com".to_owned(),
        }
    }
}

impl Hosts {
    /// The service behind `authority` (`host` or `host:port`).
    pub(crate) fn service_of(&self, authority: &str) -> Option<Service> {
        let wanted = canonical_authority(authority);
        [(&self.arm, Service::Arm), (&self.login, Service::Login), (&self.graph, Service::Graph)]
            .into_iter()
            .find(|(base, _)| authority_of(base).is_some_and(|own| own == wanted))
            .map(|(_, service)| service)
    }

    /// The path of a URL of the sign-in host, in lower case and without a slash at the end.
    pub(crate) fn login_path(&self, address: &str) -> Option<String> {
        let uri: Uri = address.parse().ok()?;
        let at_login = self.service_of(uri.authority()?.as_str()) == Some(Service::Login);
        at_login.then(|| uri.path().trim_end_matches('/').to_ascii_lowercase())
    }

    /// Whether `audience` is `service`, in any of the spellings that clients use.
    pub(crate) fn is_audience(&self, audience: &str, service: Service) -> bool {
        let (base, others): (&str, &[&str]) = match service {
            Service::Arm => (
                &self.arm,
                &[
                    "https://management.azure.com",
                    "https://management.core.windows.net",
                    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
                ],
            ),
            Service::Graph => {
                (&self.graph, &["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"])
            }
            Service::Login => return false,
        };
        let wanted = canonical_base(audience);
        wanted == canonical_base(base) || others.contains(&wanted.as_str())
    }
}

/// Lower case, no slash at the end, and one name for loopback.
fn canonical_base(base: &str) -> String {
    base.trim_end_matches('/').to_ascii_lowercase().replace("://localhost", "://127.0.0.1")
}

fn authority_of(base: &str) -> Option<String> {
    base.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| canonical_authority(a.as_str())))
}

fn canonical_authority(authority: &str) -> String {
    let lower = authority.to_ascii_lowercase();
    let plain = lower.strip_suffix(":443").unwrap_or(&lower);
    match plain.strip_prefix("localhost") {
        Some(rest) => format!("127.0.0.1{rest}"),
        None => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audience_matches_in_every_spelling_that_clients_use() {
        let hosts = Hosts { arm: "https://127.0.0.1:8443".into(), ..Hosts::default() };
        for spelling in ["https://127.0.0.1:8443", "https://127.0.0.1:8443/", "https://localhost:8443//"] {
            assert!(hosts.is_audience(spelling, Service::Arm), "{spelling}");
        }
        assert!(!hosts.is_audience("https://127.0.0.1:8444/", Service::Arm));
        assert!(!hosts.is_audience("https://graph.microsoft.com", Service::Arm));
    }

    #[test]
    fn service_is_found_by_host_and_port() {
        let hosts = Hosts::default();
        assert_eq!(hosts.service_of("management.azure.com"), Some(Service::Arm));
        assert_eq!(hosts.service_of("login.microsoftonline.com:443"), Some(Service::Login));
        assert_eq!(hosts.service_of("example.org"), None);
    }
}
