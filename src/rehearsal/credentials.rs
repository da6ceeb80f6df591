//! Who the plan's identities are in the simulated world.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use twinspan_engine::BoxFuture;
use twinspan_plans::{Inputs, Plan};
use twinspan_sim::{SignIn, World};
use twinspan_steps::{
    CredentialKind, CredentialSettings, Credentials, IdentitySettings, SecretReader, SecretRef,
};

/// Credentials of every identity of the plan that the world knows; the others wait for one.
pub(super) fn of(world: &World, plan: &Plan, inputs: &Inputs) -> Credentials {
    let tenants = guids(inputs);
    let application = world.application().filter(|application| tenants.contains(&application.client_id));
    let mut settings: BTreeMap<String, IdentitySettings> = BTreeMap::new();
    let mut secrets = Secrets::default();
    for identity in &plan.identities {
        let entry = settings.entry(identity.name.clone()).or_default();
        entry.everywhere.credential = Some(CredentialKind::None);
        for tenant in &tenants {
            let Some(sign_in) = acting(world, application.as_ref(), &identity.name, tenant) else { continue };
            let special = CredentialSettings {
                credential: Some(CredentialKind::ClientSecret),
                client_id: Some(sign_in.client_id.clone()),
                client_secret: Some(SecretRef::Env(sign_in.client_id.clone())),
                ..CredentialSettings::default()
            };
            entry.tenants.insert(tenant.clone(), special);
            secrets.0.insert(sign_in.client_id, sign_in.client_secret);
        }
    }
    Credentials::new(settings, Arc::new(secrets))
}

/// Who acts as `identity` in `tenant`. Where the inputs name the application, it takes the place of guests, that is of
/// people who are at home somewhere else.
fn acting(world: &World, application: Option<&SignIn>, identity: &str, tenant: &str) -> Option<SignIn> {
    let person = world.sign_in(identity, tenant);
    match (&person, application) {
        (Some(someone), Some(application)) if !someone.home.eq_ignore_ascii_case(tenant) => {
            Some(application.clone())
        }
        (None, Some(application)) => Some(application.clone()),
        _ => person,
    }
}

/// Every GUID in the inputs: among them are all tenants, and the application where there is one.
fn guids(inputs: &Inputs) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in inputs.0.values() {
        texts(value, &mut |text| {
            if uuid::Uuid::try_parse(text).is_ok() && !found.iter().any(|known| known == text) {
                found.push(text.to_owned());
            }
        });
    }
    found
}

/// Visits every text in a value.
pub(super) fn texts(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The world's own secrets, by client id; they are worth nothing anywhere else.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl SecretReader for Secrets {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
        Box::pin(async move {
            match secret {
                SecretRef::Env(client_id) => self
                    .0
                    .get(client_id)
                    .map(|secret| SecretString::from(secret.clone()))
                    .ok_or_else(|| format!("the simulated world has no client {client_id}")),
                SecretRef::File(_) | SecretRef::Command(_) => {
                    Err("a rehearsal uses the simulated world's secrets only".to_owned())
                }
            }
        })
    }
}
