//! All resources of the provider, by id.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::operations::Operation;
use super::resource::{Kind, Resource};
use crate::hierarchy::key;

/// One commit: what the regions were told to have.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    /// Key of the manager.
    pub(crate) manager: String,
    pub(crate) region: String,
    /// `Connectivity` and so on, as spelled.
    pub(crate) kind: String,
    pub(crate) configurations: Vec<String>,
    pub(crate) committed: Timestamp,
    /// Ends in failure, with this message.
    pub(crate) fails: Option<String>,
}

/// Everything of this provider.
#[derive(Clone, Default)]
pub(crate) struct Network {
    /// By id in lower case.
    resources: IndexMap<String, Resource>,
    /// By the last segment of their address.
    pub(super) operations: IndexMap<String, Operation>,
    /// In the order of their commits.
    pub(super) deployments: Vec<Deployment>,
    /// Regions in which commits fail from now on, with their messages.
    pub(crate) failing: IndexMap<String, String>,
    /// Scopes in lower case in which no manager can be made any more.
    pub(super) poisoned: Vec<String>,
    /// Managers in lower case, with the time at which one of their connections was last deleted.
    pub(super) disconnected: IndexMap<String, Timestamp>,
}

impl Network {
    /// Commits to this region fail from now on, with this message; `None`: no longer.
    pub(crate) fn fail_deployments(&mut self, region: &str, message: Option<&str>) {
        let region = super::commits::normal(region);
        match message {
            Some(message) => self.failing.insert(region, message.to_owned()),
            None => self.failing.shift_remove(&region),
        };
    }

    /// The resource with this id, unless it is on its way out.
    pub(crate) fn get(&self, id: &str) -> Option<&Resource> {
        self.seen(id).filter(|r| r.gone.is_none())
    }

    /// The resource with this id, as a read finds it: also when it is on its way out.
    pub(crate) fn seen(&self, id: &str) -> Option<&Resource> {
        self.resources.get(&key(id))
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Resource> {
        self.resources.get_mut(&key(id))
    }

    pub(crate) fn insert(&mut self, resource: Resource) {
        self.resources.insert(key(&resource.id), resource);
    }

    /// All resources of a kind directly or indirectly below `scope`, in the order of their making.
    pub(crate) fn below(&self, scope: &str, kind: Kind) -> impl Iterator<Item = &Resource> {
        let prefix = format!("{}/", key(scope).trim_end_matches('/'));
        self.resources.iter().filter(move |(k, r)| r.kind == kind && k.starts_with(&prefix)).map(|(_, r)| r)
    }

    /// Those of a kind that are not on their way out, wherever they are.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.resources.values().filter(move |r| r.kind == kind && r.gone.is_none())
    }

    /// Keys of this resource and of all below it.
    pub(super) fn tree(&self, id: &str) -> Vec<String> {
        let own = key(id);
        let prefix = format!("{own}/");
        self.resources.keys().filter(|k| **k == own || k.starts_with(&prefix)).cloned().collect()
    }

    /// Forgets what is gone by then.
    pub(super) fn purge(&mut self, at: Timestamp) {
        self.resources.retain(|_, r| r.exists(at));
    }

    /// What exists and what the regions were last told to have, in an order that does not depend on the order of making.
    pub(super) fn snapshot(&self) -> Value {
        let resources: BTreeMap<&String, Value> = self
            .resources
            .iter()
            .filter(|(_, r)| r.gone.is_none())
            .map(|(key, r)| {
                let mut shown = json!({
                    "type": r.kind.name(),
                    "location": r.location,
                    "tags": r.tags,
                    "properties": r.properties,
                });
                if r.kind.is_half() {
                    shown["connectionState"] = json!(r.link.name());
                }
                (key, shown)
            })
            .collect();
        let mut deployed: BTreeMap<String, &Vec<String>> = BTreeMap::new();
        for d in &self.deployments {
            deployed.insert(format!("{} {} {}", d.manager, d.region, d.kind), &d.configurations);
        }
        deployed.retain(|_, configurations| !configurations.is_empty());
        json!({ "resources": resources, "deployed": deployed, "poisoned": self.poisoned })
    }

    /// Ids, as spelled, of what lies below `id`.
    pub(crate) fn ids_below(&self, id: &str) -> Vec<String> {
        let prefix = format!("{}/", key(id));
        self.resources.iter().filter(|(k, _)| k.starts_with(&prefix)).map(|(_, r)| r.id.clone()).collect()
    }
}
