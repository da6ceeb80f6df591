//! The Azure clients that the configuration describes.

use std::sync::Arc;

use twinspan_steps::{Azure, Cloud, Credentials, Wire};

use crate::configuration::{CloudName, CloudSettings, Configuration};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::secrets::Secrets;

/// Clients over sockets, to the configured cloud. Nothing is sent yet.
pub(crate) fn live(
    configuration: &Configuration,
    environment: &Environment,
) -> Result<Arc<Azure>, CommandError> {
    let cloud = cloud(&configuration.cloud)?;
    let wire = Wire::sockets(&cloud)
        .map_err(|error| CommandError::usage("the configured cloud cannot be reached").cause(&error))?;
    let secrets = Arc::new(Secrets::new(environment.clone()));
    let credentials = Credentials::new(configuration.identities.clone(), secrets);
    Ok(Arc::new(Azure::new(cloud, credentials, wire)))
}

fn cloud(settings: &CloudSettings) -> Result<Cloud, CommandError> {
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
