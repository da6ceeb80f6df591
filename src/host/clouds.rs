//! The Azure clients that the configuration describes.

use std::sync::Arc;

use twinspan_steps::{Azure, Cloud, Credentials, PROXY_VARIABLES, Proxy, Wire};

use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::host::configuration::{CloudName, CloudSettings, Configuration};
use crate::host::secrets::Secrets;

/// Clients over sockets, to the configured cloud. Nothing is sent yet.
pub(crate) fn live(
    configuration: &Configuration,
    environment: &Environment,
) -> Result<Arc<Azure>, CommandError> {
    clients(configuration, environment, |wire| wire)
}

/// The same clients, restricted to reads.
pub(crate) fn reading(
    configuration: &Configuration,
    environment: &Environment,
) -> Result<Arc<Azure>, CommandError> {
    clients(configuration, environment, Wire::reads_only)
}

fn clients(
    configuration: &Configuration,
    environment: &Environment,
    restrict: impl FnOnce(Wire) -> Wire,
) -> Result<Arc<Azure>, CommandError> {
    let cloud = cloud(&configuration.cloud)?;
    let cloud = match proxy(environment)? {
        Some(proxy) => cloud.through(proxy),
        None => cloud,
    };
    let wire = Wire::sockets(&cloud)
        .map_err(|error| CommandError::usage("the configured cloud cannot be reached").cause(&error))?;
    let secrets = Arc::new(Secrets::new(environment.clone()));
    let credentials = Credentials::new(configuration.identities.clone(), secrets);
    Ok(Arc::new(Azure::new(cloud, credentials, restrict(wire))))
}

/// The proxy that the environment names.
fn proxy(environment: &Environment) -> Result<Option<Proxy>, CommandError> {
    let mut given = PROXY_VARIABLES.into_iter().filter_map(|name| Some((name, environment.get(name)?)));
    let Some((name, value)) = given.next() else { return Ok(None) };
    let proxy = Proxy::parse(name, &value).map_err(|error| {
        CommandError::usage("the proxy cannot be used")
            .cause(&error)
            .hint(format!("correct {name}, or unset it if this machine reaches Azure directly"))
    })?;
    Ok(Some(proxy))
}

/// The configured cloud.
pub(crate) fn cloud(settings: &CloudSettings) -> Result<Cloud, CommandError> {
    let name = match settings.name {
        None | Some(CloudName::Public) => "public",
        Some(CloudName::UsGovernment) => "us-government",
        Some(CloudName::China) => "china",
        Some(CloudName::Custom) => "custom",
    };
    let refuse = |error| {
        CommandError::usage("the configured cloud cannot be used")
            .cause(&error as &twinspan_steps::CloudError)
    };
    let cloud = if name == "custom" {
        let given = |key: &str, value: &Option<String>| {
            value.clone().ok_or_else(|| CommandError::usage(format!("cloud \"custom\" needs `{key}`")))
        };
        let arm = given("arm", &settings.arm)?;
        let login = given("login", &settings.login)?;
        let graph = given("graph", &settings.graph)?;
        Cloud::custom(&arm, &login, &graph).map_err(refuse)?
    } else {
        Cloud::named(name).map_err(refuse)?
    };
    match &settings.root_certificate {
        None => Ok(cloud),
        Some(path) => {
            let pem = std::fs::read(path)
                .map_err(|error| CommandError::file(Exit::Usage, "the root certificate", path, &error))?;
            Ok(cloud.root_certificate(pem))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_proxy_that_would_be_ignored_is_refused() {
        let given = |name: &str, value: &str| {
            let variables = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            proxy(&Environment::Memory(variables))
        };
        assert_eq!(given("HTTPS_PROXY", "").unwrap(), None);
        assert!(given("https_proxy", "http://proxy.example:3128").unwrap().is_some());
        for name in PROXY_VARIABLES {
            let error = given(name, "notaurl::").unwrap_err();
            assert!(format!("{error:?}").contains(name), "{error:?}");
        }
    }

    #[test]
    fn the_cloud_that_is_configured_is_the_one_that_is_used() {
        for (name, wanted, login) in [
            (None, "public", "https://login.microsoftonline.com"),
            (Some(CloudName::Public), "public", "https://login.microsoftonline.com"),
            (Some(CloudName::UsGovernment), "us-government", "https://login.microsoftonline.us"),
            (Some(CloudName::China), "china", "https://login.partner.microsoftonline.cn"),
            (Some(CloudName::Custom), "custom", "https://login.example"),
        ] {
            let custom = (name == Some(CloudName::Custom)).then_some(());
            let address = |host: &str| custom.map(|()| format!("https://{host}.example"));
            let settings = CloudSettings {
                name,
                arm: address("arm"),
                login: address("login"),
                graph: address("graph"),
                root_certificate: None,
            };
            let cloud = cloud(&settings).unwrap();
            assert_eq!((cloud.name(), cloud.login()), (wanted, login));
        }
        // Values from environment variables, which the reader of the file has not checked.
        let settings = CloudSettings {
            name: Some(CloudName::Custom),
            arm: Some("https://arm.example".to_owned()),
            login: Some("http://login.example".to_owned()),
            ..CloudSettings::default()
        };
        let error = cloud(&settings).unwrap_err();
        assert_eq!((error.exit, error.message.as_str()), (Exit::Usage, "cloud \"custom\" needs `graph`"));
        let settings = CloudSettings { graph: Some("https://graph.example".to_owned()), ..settings };
        let error = cloud(&settings).unwrap_err();
        assert!(
            error.causes[0].contains("login = \"http://login.example\" must begin with https://"),
            "{error:?}"
        );
    }
}
