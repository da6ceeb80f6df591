//! The information that a client needs about a world: URLs, identities and their secrets.

use serde_json::{Map, Value, json};

use crate::directory::{Application, Person};
use crate::world::World;

/// The credential of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Client id.
    pub client_id: String,
    /// Its secret, which is valid only in this world.
    pub client_secret: String,
    /// Home tenant of this person or application; in other tenants a person is a guest.
    pub home: String,
}

impl SignIn {
    fn person(person: &Person) -> Self {
        SignIn {
            client_id: person.client_id.clone(),
            client_secret: person.client_secret.clone(),
            home: person.home.clone(),
        }
    }

    fn application(application: &Application) -> Self {
        SignIn {
            client_id: application.app_id.clone(),
            client_secret: application.client_secret.clone(),
            home: application.home.clone(),
        }
    }
}

/// A subscription with a label in the ready file.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) tenant: String,
    pub(crate) subscription: String,
    pub(crate) resource_group: Option<String>,
    pub(crate) network_manager: Option<String>,
    pub(crate) virtual_networks: Vec<String>,
}

impl World {
    /// The credential of the identity `identity` in plans; of several people, the one whose home is
    /// `tenant`.
    pub fn sign_in(&self, identity: &str, tenant: &str) -> Option<SignIn> {
        let person = self.directory.person_for(identity, Some(tenant)).map(SignIn::person);
        let called = |application: &&Application| application.identities.iter().any(|name| name == identity);
        person.or_else(|| self.directory.applications.iter().find(called).map(SignIn::application))
    }

    /// The credential of a person whose home is `tenant`.
    pub fn person_at_home(&self, tenant: &str) -> Option<SignIn> {
        let people = &self.directory.people;
        people.iter().find(|person| person.home.eq_ignore_ascii_case(tenant)).map(SignIn::person)
    }

    /// The credential of the person with this address.
    pub fn person_with_address(&self, mail: &str) -> Option<SignIn> {
        let people = &self.directory.people;
        people.iter().find(|person| person.mail.eq_ignore_ascii_case(mail)).map(SignIn::person)
    }

    /// The credential of an application that has a service principal in `tenant`.
    pub fn application_in(&self, tenant: &str) -> Option<SignIn> {
        let tenant = self.directory.tenant(tenant)?;
        let known = |application: &&Application| {
            let is = |id: &str| application.app_id.eq_ignore_ascii_case(id);
            tenant.service_principals.values().any(|principal| is(&principal.app_id))
        };
        self.directory.applications.iter().find(known).map(SignIn::application)
    }

    /// The credential of the world's first application.
    pub fn application(&self) -> Option<SignIn> {
        self.directory.applications.first().map(SignIn::application)
    }

    /// The content of the ready file, with which other processes reach this world.
    pub fn introduction(&self, ca_file: &str) -> Value {
        let application = self.application();
        let mut identities = Map::new();
        for person in &self.directory.people {
            for identity in &person.identities {
                identities.entry(identity.clone()).or_insert_with(
                    || json!({ "client_id": person.client_id, "client_secret": person.client_secret }),
                );
            }
        }
        for application in &self.directory.applications {
            for identity in &application.identities {
                identities.entry(identity.clone()).or_insert_with(
                    || json!({ "client_id": application.app_id, "client_secret": application.client_secret }),
                );
            }
        }
        let tenants: Map<String, Value> = self
            .labels
            .iter()
            .map(|(name, label)| {
                let mut entry = json!({
                    "id": label.tenant,
                    "subscription": label.subscription,
                    "resource_group": label.resource_group,
                    "virtual_networks": label.virtual_networks,
                });
                if let Some(manager) = &label.network_manager {
                    entry["network_manager"] = json!(manager);
                }
                (name.clone(), entry)
            })
            .collect();
        json!({
            "arm": self.hosts().arm,
            "login": self.hosts().login,
            "graph": self.hosts().graph,
            "ca_file": ca_file,
            "client_id": application.as_ref().map(|a| &a.client_id),
            "client_secret": application.as_ref().map(|a| &a.client_secret),
            "identities": identities,
            "tenants": tenants,
        })
    }
}
