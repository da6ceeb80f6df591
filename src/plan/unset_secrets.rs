//! Secrets that are to come from environment variables which are not set: an error, because waiting does not change the
//! environment of a process.

use serde_json::Value;
use twinspan_plans::{Inputs, Plan};
use twinspan_steps::{Credential, Credentials, SecretRef};

use crate::cli::error::CommandError;
use crate::host::app::App;
use crate::host::secrets::Secrets;
use crate::plan::identities::PlanIdentities;

/// Refuses a plan whose inputs or identities read such a variable.
pub(crate) fn refuse(app: &App, plan: &Plan, inputs: &Inputs) -> Result<(), CommandError> {
    let missing = missing(app, plan, inputs)?;
    let Some(((variable, whose), others)) = missing.split_first() else { return Ok(()) };
    let mut error =
        CommandError::usage(format!("the environment variable {variable} is not set: it supplies {whose}"))
            .hint(format!("export {variable}, or name a file or a program that gives {whose}"));
    for (variable, whose) in others {
        error = error.hint(format!("{variable} is not set either: it supplies {whose}"));
    }
    Err(error)
}

/// Variables that are not set, each once, and what they supply.
fn missing(app: &App, plan: &Plan, inputs: &Inputs) -> Result<Vec<(String, String)>, CommandError> {
    let mut missing: Vec<(String, String)> = Vec::new();
    let mut want = |variable: &str, whose: String| {
        let known = missing.iter().any(|(known, _)| known == variable);
        if !known && app.environment.get(variable).is_none() {
            missing.push((variable.to_owned(), whose));
        }
    };
    for (name, def) in &plan.inputs {
        let reference = inputs.0.get(name).filter(|_| def.secret);
        if let Some(Value::String(variable)) = reference.and_then(|reference| reference.get("env")) {
            want(variable, format!("the input `{name}`"));
        }
    }
    let secrets = std::sync::Arc::new(Secrets::new(app.environment.clone()));
    let credentials = Credentials::new(app.configuration()?.identities.clone(), secrets);
    for identity in PlanIdentities::of(plan, inputs).known {
        let Some(tenant) = identity.attributes.get("tenant") else { continue };
        let (place, what) = match credentials.of(&identity.name, tenant) {
            Ok(Credential::ClientSecret { client_secret, .. }) => (client_secret, "client secret"),
            Ok(Credential::AzurePipelines { system_access_token, .. }) => {
                (system_access_token, "access token of the pipeline")
            }
            _ => continue,
        };
        if let SecretRef::Env(variable) = place {
            want(&variable, format!("the {what} of the identity `{}`", identity.name));
        }
    }
    Ok(missing)
}
