//! A cloud: the addresses of its services, the scopes of its tokens, and the hosts that may receive them.

use std::path::Path;

use azure_core::http::Url;
use twinspan_encode::sh;

use super::proxy::Proxy;

/// A cloud: the public one, a sovereign one, or one from the operator's configuration (such as the simulator's).
#[derive(Clone, Debug)]
pub struct Cloud {
    name: String,
    arm: Url,
    login: Url,
    graph: Url,
    root_certificate: Option<Vec<u8>>,
    proxy: Option<Proxy>,
}

/// The service that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Graph.
    Graph,
}

/// Why the description of a cloud is not valid.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A value is not an address.
    #[error("{key} = {value:?} is not an address: {reason}")]
    NotAnAddress {
        /// Key of the configuration.
        key: &'static str,
        /// Its value.
        value: String,
        /// The reason.
        reason: String,
    },
    /// An address is not encrypted.
    #[error("{key} = {value:?} must begin with https://")]
    NotEncrypted {
        /// Key of the configuration.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The name of the cloud is not known.
    #[error("there is no cloud {0:?}: it is public, us-government, china or custom")]
    Unknown(String),
}

impl Service {
    /// The name of the service in messages.
    pub fn name(self) -> &'static str {
        match self {
            Service::Arm => "Azure Resource Manager",
            Service::Graph => "Microsoft Graph",
        }
    }
}

impl Cloud {
    /// The cloud with the name `public`, `us-government` or `china`.
    pub fn named(name: &str) -> Result<Self, CloudError> {
        let (arm, login, graph) = match name {
            "public" => (
                "https://management.azure.com",
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
            ),
            "us-government" => (
                "https://management.usgovcloudapi.net",
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
            ),
            "china" => (
                "https://management.chinacloudapi.cn",
                "https://login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn",
            ),
            other => return Err(CloudError::Unknown(other.to_owned())),
        };
        let mut cloud = Cloud::custom(arm, login, graph)?;
        name.clone_into(&mut cloud.name);
        Ok(cloud)
    }

    /// A cloud at these addresses. Sign-in must be encrypted; the other two may be unencrypted on the loopback interface.
    pub fn custom(arm: &str, login: &str, graph: &str) -> Result<Self, CloudError> {
        Ok(Cloud {
            name: "custom".to_owned(),
            arm: address("arm", arm, true)?,
            login: address("login", login, false)?,
            graph: address("graph", graph, true)?,
            root_certificate: None,
            proxy: None,
        })
    }

    /// Trusts this root certificate (PEM) in addition to those of the machine.
    #[must_use]
    pub fn root_certificate(mut self, pem: Vec<u8>) -> Self {
        self.root_certificate = Some(pem);
        self
    }

    /// The same cloud, reached through `proxy`: for messages, as the HTTP library chooses the proxy itself.
    #[must_use]
    pub fn through(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The proxy through which it is reached.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// `public`, `us-government`, `china` or `custom`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Address of the sign-in, without a slash at the end.
    pub fn login(&self) -> &str {
        self.login.as_str().trim_end_matches('/')
    }

    /// The addresses to which requests, tokens and secrets are sent, with the names of their services.
    pub fn addresses(&self) -> [(&'static str, &str); 3] {
        [
            (Service::Arm.name(), self.arm.as_str()),
            ("sign-in", self.login.as_str()),
            (Service::Graph.name(), self.graph.as_str()),
        ]
        .map(|(service, address)| (service, address.trim_end_matches('/')))
    }

    pub(crate) fn login_url(&self) -> &Url {
        &self.login
    }

    /// Address of the token endpoint of `tenant`.
    pub(crate) fn token_address(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.login())
    }

    /// The command that signs in to `tenant`, with the Azure CLI's accounts in `config_dir` if one is given.
    pub(crate) fn az_login(&self, tenant: &str, config_dir: Option<&Path>) -> String {
        self.az_login_with(tenant, config_dir, "")
    }

    /// The same with further `options`, each with a space before it. The last option is necessary for a guest user without a
    /// role, who sees no subscription: without it the Azure CLI would not keep the sign-in.
    pub(crate) fn az_login_with(&self, tenant: &str, config_dir: Option<&Path>, options: &str) -> String {
        let place = config_dir
            .map(|folder| format!("export AZURE_CONFIG_DIR={}; ", sh::word(&folder.display().to_string())));
        let place = place.unwrap_or_default();
        let cloud = match self.name.as_str() {
            "us-government" => "az cloud set --name AzureUSGovernment && ",
            "china" => "az cloud set --name AzureChinaCloud && ",
            _ => "",
        };
        format!("{place}{cloud}az login --tenant {}{options} --allow-no-subscriptions", sh::word(tenant))
    }

    pub(crate) fn trusted_root(&self) -> Option<&[u8]> {
        self.root_certificate.as_deref()
    }

    pub(crate) fn base(&self, service: Service) -> &Url {
        match service {
            Service::Arm => &self.arm,
            Service::Graph => &self.graph,
        }
    }

    /// Host of `service`, for messages.
    pub(crate) fn host(&self, service: Service) -> &str {
        self.base(service).host_str().unwrap_or_default()
    }

    /// The scope of a token for `service`.
    pub(crate) fn scope(&self, service: Service) -> String {
        format!("{}/.default", self.base(service).as_str().trim_end_matches('/'))
    }

    /// Whether a token for `service` may be sent to `url`: same scheme, host and port, and no user name in the URL.
    pub(crate) fn owns(&self, service: Service, url: &Url) -> bool {
        url.origin() == self.base(service).origin() && url.username().is_empty() && url.password().is_none()
    }
}

fn address(key: &'static str, value: &str, plain_on_loopback: bool) -> Result<Url, CloudError> {
    let refuse =
        |reason: &str| CloudError::NotAnAddress { key, value: value.to_owned(), reason: reason.to_owned() };
    let url = Url::parse(value).map_err(|error| refuse(&error.to_string()))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if plain_on_loopback && loopback => {}
        _ => return Err(CloudError::NotEncrypted { key, value: value.to_owned() }),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("it names no host"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must end after the host and port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it must not contain a name or password"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_hosts_and_scopes() {
        for (name, arm, graph) in [
            ("public", "https://management.azure.com/.default", "https://graph.microsoft.com/.default"),
            (
                "us-government",
                "https://management.usgovcloudapi.net/.default",
                "https://graph.microsoft.us/.default",
            ),
            (
                "china",
                "https://management.chinacloudapi.cn/.default",
                "https://microsoftgraph.chinacloudapi.cn/.default",
            ),
        ] {
            let cloud = Cloud::named(name).unwrap();
            assert_eq!((cloud.scope(Service::Arm), cloud.scope(Service::Graph)), (arm.into(), graph.into()));
            assert_eq!(cloud.name(), name);
        }
        assert!(matches!(Cloud::named("germany"), Err(CloudError::Unknown(_))));
    }

    #[test]
    fn sign_in_is_never_plain_and_the_rest_only_on_the_loopback() {
        let custom = |arm, login| Cloud::custom(arm, login, "https://graph.example");
        assert!(custom("http://127.0.0.1:8080", "https://localhost:8443").is_ok());
        assert!(matches!(
            custom("https://arm.example", "http://127.0.0.1:8080"),
            Err(CloudError::NotEncrypted { key: "login", .. })
        ));
        assert!(matches!(
            custom("http://arm.example", "https://login.example"),
            Err(CloudError::NotEncrypted { key: "arm", .. })
        ));
        assert!(custom("https://arm.example/prefix", "https://login.example").is_err());
        assert!(custom("https://user:word@arm.example", "https://login.example").is_err());
    }

    #[test]
    fn a_token_goes_to_its_own_service_only() {
        let cloud = Cloud::named("public").unwrap();
        let owns = |service, url: &str| cloud.owns(service, &Url::parse(url).unwrap());
        assert!(owns(Service::Arm, "https://MANAGEMENT.azure.com/subscriptions?$skipToken=x"));
        assert!(!owns(Service::Arm, "https://graph.microsoft.com/v1.0/users"));
        assert!(!owns(Service::Arm, "http://management.azure.com/subscriptions"));
        assert!(!owns(Service::Arm, "https://management.azure.com:8443/subscriptions"));
        assert!(!owns(Service::Arm, "https://management.azure.com@evil.example/subscriptions"));
        assert!(!owns(Service::Arm, "https://management.azure.com.evil.example/subscriptions"));
    }
}
