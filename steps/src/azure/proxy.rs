//! The proxy between this machine and the cloud, as the environment names it.
//!
//! The HTTP library reads the same variables; it ignores a value that it cannot read, and its errors do not name the proxy.

use std::fmt;

use http::Uri;

/// A proxy, for messages. Its name and password are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    variable: &'static str,
    address: String,
}

/// A variable that does not name a proxy. The value may contain a password, so it is not shown.
#[derive(Debug, thiserror::Error)]
#[error("{variable} is not the address of a proxy, such as http://PROXY:PORT")]
pub struct ProxyError {
    variable: &'static str,
}

/// Variables that name the proxy for HTTPS, the first one that is set counts.
pub const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

impl Proxy {
    /// Parses the value of `variable`. An address without a scheme is one of an `http://` proxy.
    ///
    /// # Errors
    /// The value is one that the HTTP library would ignore: requests would go out directly.
    pub fn parse(variable: &'static str, value: &str) -> Result<Self, ProxyError> {
        let uri: Uri = value.trim().parse().map_err(|_| ProxyError { variable })?;
        let scheme = uri.scheme_str().unwrap_or("http");
        let host = uri.authority().map(|authority| {
            let text = authority.as_str();
            text.rsplit_once('@').map_or(text, |(_, host)| host)
        });
        match host {
            Some(host)
                if !host.is_empty()
                    && ["http", "https", "socks4", "socks4a", "socks5", "socks5h"].contains(&scheme) =>
            {
                Ok(Proxy { variable, address: format!("{scheme}://{host}") })
            }
            _ => Err(ProxyError { variable }),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} ({})", self.address, self.variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        for (value, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("http://me:hunter2@proxy.example:3128/", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ] {
            assert_eq!(
                Proxy::parse("HTTPS_PROXY", value).unwrap().to_string(),
                format!("the proxy {shown} (HTTPS_PROXY)")
            );
        }
        for value in ["notaurl::", "ftp://x", "http://", "/proxy", "http://pass word@x"] {
            let error = Proxy::parse("all_proxy", value).unwrap_err().to_string();
            assert!(error.starts_with("all_proxy is not") && !error.contains("pass word"), "{error}");
        }
    }
}
