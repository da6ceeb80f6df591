//! What a client has to know about a world: addresses, who can sign in and how.

use serde_json::{Map, Value, json};

use crate::world::World;

/// How to sign in as somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Client id.
    pub client_id: String,
    /// Its secret; of no worth outside this world.
    pub client_secret: String,
    /// Tenant where this person, or this application, is at home; anywhere else it is a guest.
    pub home: String,
}

/// A subscription by the name that the ready file gives it.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) tenant: String,
    pub(crate) subscription: String,
    pub(crate) resource_group: Option<String>,
    pub(crate) network_manager: Option<String>,
    pub(crate) virtual_networks: Vec<String>,
}

impl World {
    /// How the person signs in whom plans call `identity`; of several, the one at home in `tenant`.
    pub fn sign_in(&self, identity: &str, tenant: &str) -> Option<SignIn> {
        let person = self.directory.person_for(identity, Some(tenant))?;
        Some(SignIn {
            client_id: person.client_id.clone(),
            client_secret: person.client_secret.clone(),
            home: person.home.clone(),
        })
    }

    /// How the world's first application signs in.
    pub fn application(&self) -> Option<SignIn> {
        let first = self.directory.applications.first()?;
        Some(SignIn {
            client_id: first.app_id.clone(),
            client_secret: first.client_secret.clone(),
            home: first.home.clone(),
        })
    }

    /// The content of the ready file: what other processes need to reach this world.
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
