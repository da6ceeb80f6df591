//! Stores all resources of the provider, by id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::handshake;
use super::operations::Operation;
use super::resource::{Kind, Link, Resource};
use crate::hierarchy::key;

/// One commit for a region.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    /// Key of the manager.
    pub(crate) manager: String,
    pub(crate) region: String,
    /// `Connectivity` and so on, as written.
    pub(crate) kind: String,
    pub(crate) configurations: Vec<String>,
    pub(crate) committed: Timestamp,
    /// It fails with this message.
    pub(crate) fails: Option<String>,
}

/// The state of this provider.
#[derive(Clone, Default)]
pub(crate) struct Network {
    /// By id in lower case.
    resources: IndexMap<String, Resource>,
    /// Keys of each kind, in the order of their creation.
    kinds: HashMap<Kind, IndexSet<String>>,
    /// Keys of Pending or Connected sides of connections, by scope and manager.
    links: HashMap<(String, String), BTreeSet<String>>,
    /// Keys of Pending sides of connections.
    pending: BTreeSet<String>,
    /// Earliest time at which a deleted resource disappears.
    first_gone: Option<Timestamp>,
    /// By the last segment of their URL.
    pub(super) operations: IndexMap<String, Operation>,
    /// In the order of their commits.
    pub(super) deployments: Vec<Deployment>,
    /// Regions in which commits fail, with the messages.
    pub(crate) failing: IndexMap<String, String>,
    /// Scopes in lower case for which no manager can be created any more.
    pub(super) poisoned: Vec<String>,
    /// Managers in lower case, with the time at which one of their connections was last deleted.
    pub(super) disconnected: IndexMap<String, Timestamp>,
}

impl Network {
    /// Makes commits to this region fail with this message; `None` ends that.
    pub(crate) fn fail_deployments(&mut self, region: &str, message: Option<&str>) {
        let region = crate::regions::normal(region);
        match message {
            Some(message) => self.failing.insert(region, message.to_owned()),
            None => self.failing.shift_remove(&region),
        };
    }

    /// The resource with this id, unless its deletion has begun.
    pub(crate) fn get(&self, id: &str) -> Option<&Resource> {
        self.seen(id).filter(|r| r.gone.is_none())
    }

    /// The resource with this id, as a read finds it: also while it is being deleted.
    pub(crate) fn seen(&self, id: &str) -> Option<&Resource> {
        self.resources.get(&key(id))
    }

    /// Changes the resource with this id, if it exists.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Resource)) {
        let key = key(id);
        let Some(mut resource) = self.resources.get(&key).cloned() else { return };
        change(&mut resource);
        self.insert(resource);
    }

    pub(crate) fn insert(&mut self, resource: Resource) {
        let key = key(&resource.id);
        if let Some(before) = self.resources.get(&key).filter(|before| before.kind.is_half()) {
            let about = (handshake::scope_of(before), handshake::manager_of(before));
            self.unlink(&key, &about);
        }
        if resource.kind.is_half() && resource.gone.is_none() {
            let about = (handshake::scope_of(&resource), handshake::manager_of(&resource));
            if matches!(resource.link, Link::Pending | Link::Connected) {
                self.links.entry(about).or_default().insert(key.clone());
            }
            if resource.link == Link::Pending {
                self.pending.insert(key.clone());
            }
        }
        if let Some(gone) = resource.gone {
            self.first_gone = Some(self.first_gone.map_or(gone, |first| first.min(gone)));
        }
        self.kinds.entry(resource.kind).or_default().insert(key.clone());
        self.resources.insert(key, resource);
    }

    fn unlink(&mut self, key: &str, about: &(String, String)) {
        self.pending.remove(key);
        if let Some(linked) = self.links.get_mut(about) {
            linked.remove(key);
            if linked.is_empty() {
                self.links.remove(about);
            }
        }
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&String, &Resource)> {
        let keys = self.kinds.get(&kind).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.resources.get(key)?)))
    }

    /// All resources of a kind directly or indirectly below `scope`, in the order of their creation.
    pub(crate) fn below(&self, scope: &str, kind: Kind) -> impl Iterator<Item = &Resource> {
        let prefix = format!("{}/", key(scope).trim_end_matches('/'));
        self.of_kind(kind).filter(move |(key, _)| key.starts_with(&prefix)).map(|(_, resource)| resource)
    }

    /// All resources of a kind whose deletion has not begun.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.of_kind(kind).map(|(_, resource)| resource).filter(|resource| resource.gone.is_none())
    }

    /// All Pending sides of connections.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Resource> {
        self.pending.iter().filter_map(|key| self.resources.get(key))
    }

    /// Pending or Connected sides of a kind, for this scope and manager.
    pub(super) fn linked(
        &self,
        scope: String,
        manager: String,
        kind: Kind,
    ) -> impl Iterator<Item = &Resource> {
        let keys = self.links.get(&(scope, manager)).into_iter().flatten();
        keys.filter_map(|key| self.resources.get(key)).filter(move |half| half.kind == kind)
    }

    /// Keys of this resource and all its children.
    pub(super) fn tree(&self, id: &str) -> Vec<String> {
        let own = key(id);
        let prefix = format!("{own}/");
        self.resources.keys().filter(|k| **k == own || k.starts_with(&prefix)).cloned().collect()
    }

    /// Removes resources that have disappeared by then.
    pub(super) fn purge(&mut self, at: Timestamp) {
        if self.first_gone.is_none_or(|first| first > at) {
            return;
        }
        self.resources.retain(|_, resource| resource.exists(at));
        let left = &self.resources;
        self.kinds.values_mut().for_each(|keys| keys.retain(|key| left.contains_key(key)));
        self.first_gone = self.resources.values().filter_map(|resource| resource.gone).min();
    }

    /// Existing resources and last commits, in an order that does not depend on the order of creation.
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

    /// Ids, as written, of the resources below `id`.
    pub(crate) fn ids_below(&self, id: &str) -> Vec<String> {
        let prefix = format!("{}/", key(id));
        self.resources.iter().filter(|(k, _)| k.starts_with(&prefix)).map(|(_, r)| r.id.clone()).collect()
    }
}
