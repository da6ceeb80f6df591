//! The simulated principals of the plan's identities.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use twinspan_engine::BoxFuture;
use twinspan_plans::{Inputs, Node, Plan, StepDef, nearest};
use twinspan_sim::{SignIn, World};
use twinspan_steps::{
    CredentialKind, CredentialSettings, Credentials, IdentitySettings, SecretReader, SecretRef,
};

use super::people;
use crate::cli::error::CommandError;
use crate::plan::identities::PlanIdentities;

/// Credentials of every identity of the plan. An identity that neither the world nor `chosen` names signs in as its
/// steps suggest.
pub(super) fn of(world: &World, plan: &Plan, inputs: &Inputs, chosen: &Roles) -> Credentials {
    let mut tenants = guids(inputs);
    // A plan may contain the id of a tenant itself.
    for identity in PlanIdentities::of(plan, inputs).known {
        let tenant = identity.attributes.get("tenant").filter(|tenant| !tenants.contains(tenant));
        tenants.extend(tenant.cloned());
    }
    let cast = Cast {
        world,
        plan,
        application: world.application().filter(|application| tenants.contains(&application.client_id)),
        guests: people::addresses(inputs).iter().filter_map(|mail| world.person_with_address(mail)).collect(),
        chosen,
    };
    let mut settings: BTreeMap<String, IdentitySettings> = BTreeMap::new();
    let mut secrets = Secrets::default();
    for identity in &plan.identities {
        let entry = settings.entry(identity.name.clone()).or_default();
        entry.everywhere.credential = Some(CredentialKind::None);
        for tenant in &tenants {
            let Some(sign_in) = cast.acting(&identity.name, tenant) else { continue };
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

/// The type of principal as which an identity of the plan signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A person.
    User,
    /// The world's application.
    App,
}

/// Roles by the name of an identity.
pub(crate) type Roles = BTreeMap<String, Role>;

/// Reads `NAME=user|app`; the names are those of the plan.
pub(crate) fn roles(given: &[String], plan: &Plan) -> Result<Roles, CommandError> {
    let names = || plan.identities.iter().map(|identity| identity.name.as_str());
    let mut roles = Roles::new();
    for text in given {
        let role = match text.split_once('=') {
            Some((name, "user")) => (name, Role::User),
            Some((name, "app")) => (name, Role::App),
            _ => {
                return Err(CommandError::usage(format!("--identity {text} is not NAME=user or NAME=app"))
                    .hint("for example --identity target=app"));
            }
        };
        if !names().any(|name| name == role.0) {
            let error = CommandError::usage(format!("the plan has no identity {}", role.0));
            return Err(match nearest(role.0, names()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
            });
        }
        roles.insert(role.0.to_owned(), role.1);
    }
    Ok(roles)
}

/// Kinds whose steps an administrator of the tenant does.
const ADMINISTRATION: [&str; 3] = ["entra.guest-user", "entra.service-principal", "azure.role-assignment"];

/// The principals that can sign in.
struct Cast<'a> {
    world: &'a World,
    plan: &'a Plan,
    /// The application, if the inputs name it.
    application: Option<SignIn>,
    /// Users whom the inputs name.
    guests: Vec<SignIn>,
    chosen: &'a Roles,
}

impl Cast<'_> {
    /// The principal that acts as `identity` in `tenant`.
    fn acting(&self, identity: &str, tenant: &str) -> Option<SignIn> {
        match self.chosen.get(identity) {
            Some(Role::App) => return self.world.application(),
            Some(Role::User) => {
                let known = self.world.sign_in(identity, tenant);
                let user = known.filter(|known| self.is_person(known));
                return user.or_else(|| self.person(identity, tenant));
            }
            None => {}
        }
        // If the inputs name the application, it replaces guests: users with another home tenant.
        match (self.world.sign_in(identity, tenant), &self.application) {
            (Some(known), Some(application)) if !known.home.eq_ignore_ascii_case(tenant) => {
                Some(application.clone())
            }
            (None, Some(application)) if !self.administers(identity) => Some(application.clone()),
            (None, _) => self.suggested(identity, tenant),
            (known, _) => known,
        }
    }

    fn is_person(&self, sign_in: &SignIn) -> bool {
        self.world.application().is_none_or(|application| application.client_id != sign_in.client_id)
    }

    /// The principal suggested by the steps of `identity`.
    fn suggested(&self, identity: &str, tenant: &str) -> Option<SignIn> {
        if self.administers(identity) || self.steps().any(|step| step.uses == "entra.guest-user") {
            return self.person(identity, tenant);
        }
        let application = || self.world.application_in(tenant);
        application().or_else(|| self.person(identity, tenant)).or_else(|| self.world.application())
    }

    /// A user: for an administrator a member of the tenant, otherwise a guest, if the inputs name one.
    fn person(&self, identity: &str, tenant: &str) -> Option<SignIn> {
        let at_home = self.world.person_at_home(tenant);
        if self.administers(identity) {
            return at_home;
        }
        self.guests.first().cloned().or(at_home)
    }

    fn steps(&self) -> impl Iterator<Item = &StepDef> {
        self.plan.nodes.iter().filter_map(Node::step)
    }

    fn administers(&self, identity: &str) -> bool {
        self.steps().any(|step| {
            let acts = step.identities.first().map(|id| self.plan.identity(*id).name.as_str());
            acts == Some(identity) && ADMINISTRATION.contains(&step.uses.as_str())
        })
    }
}

/// Every GUID in the inputs; they include all tenants, and the application if there is one.
fn guids(inputs: &Inputs) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in inputs.0.values() {
        texts(value, &mut |text| {
            let guid = text.to_ascii_lowercase();
            if uuid::Uuid::try_parse(text).is_ok() && !found.contains(&guid) {
                found.push(guid);
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

/// The secrets of the simulated world, by client id; they are valid nowhere else.
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
