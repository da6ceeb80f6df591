//! Management groups, subscriptions and resource groups of all tenants, and their nesting.

use indexmap::IndexMap;
use jiff::Timestamp;

/// A resource id in the form for comparison: lower case, one slash in front, none at the end.
pub(crate) fn key(id: &str) -> String {
    format!("/{}", id.trim_matches('/').to_ascii_lowercase())
}

const MANAGEMENT_GROUPS: &str = "/providers/microsoft.management/managementgroups/";

/// The location that an id states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `/`
    Root,
    /// Name of a management group, lower case.
    ManagementGroup(String),
    /// In a subscription (lower case), perhaps in a resource group (lower case).
    Subscription { subscription: String, resource_group: Option<String> },
    /// Anything else.
    Elsewhere,
}

impl Place {
    /// The location of `id`.
    pub(crate) fn of(id: &str) -> Place {
        let key = key(id);
        if key == "/" {
            return Place::Root;
        }
        if let Some(rest) = key.strip_prefix(MANAGEMENT_GROUPS) {
            return Place::ManagementGroup(rest.split('/').next().unwrap_or_default().to_owned());
        }
        let parts: Vec<&str> = key.split('/').filter(|s| !s.is_empty()).collect();
        match parts.as_slice() {
            ["subscriptions", subscription, "resourcegroups", group, ..] => Place::Subscription {
                subscription: (*subscription).to_owned(),
                resource_group: Some((*group).to_owned()),
            },
            ["subscriptions", subscription, ..] => {
                Place::Subscription { subscription: (*subscription).to_owned(), resource_group: None }
            }
            _ => Place::Elsewhere,
        }
    }
}

/// The registration state of a provider, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    /// When it becomes `Registered` or `Unregistered`.
    pub(crate) done: Timestamp,
    pub(crate) leaving: bool,
}

impl Registration {
    pub(crate) fn registered(self, at: Timestamp) -> bool {
        !self.leaving && self.done <= at
    }

    pub(crate) fn state(self, at: Timestamp) -> &'static str {
        match (self.leaving, self.done <= at) {
            (false, false) => "Registering",
            (false, true) => "Registered",
            (true, false) => "Unregistering",
            (true, true) => "Unregistered",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ManagementGroup {
    pub(crate) name: String,
    pub(crate) display_name: String,
    /// Lower case.
    pub(crate) tenant: String,
    /// Key in [`Hierarchy::management_groups`]; none: the tenant's root group.
    pub(crate) parent: Option<String>,
    /// Namespace in lower case.
    pub(crate) registrations: IndexMap<String, Registration>,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// As shown; lower case.
    pub(crate) id: String,
    pub(crate) display_name: String,
    /// Lower case.
    pub(crate) tenant: String,
    /// `Enabled`, `Warned`, `PastDue`, `Disabled`, `Deleted`.
    pub(crate) state: String,
    /// Key of its management group.
    pub(crate) management_group: Option<String>,
    /// Namespace in lower case.
    pub(crate) registrations: IndexMap<String, Registration>,
    /// By name in lower case.
    pub(crate) resource_groups: IndexMap<String, ResourceGroup>,
}

#[derive(Clone, Debug)]
pub(crate) struct ResourceGroup {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: serde_json::Value,
}

/// The whole hierarchy.
#[derive(Clone, Default)]
pub(crate) struct Hierarchy {
    /// By name in lower case.
    pub(crate) management_groups: IndexMap<String, ManagementGroup>,
    /// By id in lower case.
    pub(crate) subscriptions: IndexMap<String, Subscription>,
}

impl Hierarchy {
    pub(crate) fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn management_group(&self, name: &str) -> Option<&ManagementGroup> {
        self.management_groups.get(&name.to_ascii_lowercase())
    }

    /// Tenant of the resource with this id.
    pub(crate) fn tenant_of(&self, id: &str) -> Option<&str> {
        match Place::of(id) {
            Place::ManagementGroup(name) => self.management_group(&name).map(|g| g.tenant.as_str()),
            Place::Subscription { subscription, .. } => {
                self.subscription(&subscription).map(|s| s.tenant.as_str())
            }
            Place::Root | Place::Elsewhere => None,
        }
    }

    /// Whether `inner` is `outer` or lies in it: resource, resource group, subscription, management group.
    pub(crate) fn within(&self, inner: &str, outer: &str) -> bool {
        let (inner, outer) = (inner.trim_matches('/'), outer.trim_matches('/'));
        if outer.is_empty() || is_below(inner, outer) {
            return true;
        }
        // This runs for every role of each sender, so it copies nothing before that is necessary.
        if !is_below(outer, MANAGEMENT_GROUPS.trim_matches('/')) {
            return false;
        }
        let Place::ManagementGroup(wanted) = Place::of(outer) else { return false };
        let mut at = match Place::of(inner) {
            Place::Subscription { subscription, .. } => {
                self.subscription(&subscription).and_then(|s| s.management_group.clone())
            }
            Place::ManagementGroup(name) => self.management_group(&name).and_then(|g| g.parent.clone()),
            Place::Root | Place::Elsewhere => None,
        };
        // Bounds a loop of parents in a world file.
        for _ in 0..=self.management_groups.len() {
            match at {
                None => return false,
                Some(name) if name == wanted => return true,
                Some(name) => at = self.management_group(&name).and_then(|g| g.parent.clone()),
            }
        }
        false
    }

    /// Registers `namespace` for a management group that must have registered it long ago.
    pub(crate) fn register_group(&mut self, name: &str, namespace: &str) {
        if let Some(group) = self.management_groups.get_mut(&name.to_ascii_lowercase()) {
            let always = Registration { done: Timestamp::UNIX_EPOCH, leaving: false };
            group.registrations.entry(namespace.to_ascii_lowercase()).or_insert(always);
        }
    }

    /// Whether `namespace` is registered for the subscription or management group of `id`.
    pub(crate) fn registered(&self, namespace: &str, id: &str, at: Timestamp) -> bool {
        let namespace = namespace.to_ascii_lowercase();
        let registrations = match Place::of(id) {
            Place::ManagementGroup(name) => self.management_group(&name).map(|g| &g.registrations),
            Place::Subscription { subscription, .. } => {
                self.subscription(&subscription).map(|s| &s.registrations)
            }
            Place::Root | Place::Elsewhere => None,
        };
        registrations.and_then(|r| r.get(&namespace)).is_some_and(|r| r.registered(at))
    }
}

/// Whether `inner` is `outer` or lies below it, by text comparison; neither begins with a slash.
fn is_below(inner: &str, outer: &str) -> bool {
    let start = inner.as_bytes().get(..outer.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(outer.as_bytes()))
        && matches!(inner.as_bytes().get(outer.len()), None | Some(b'/'))
}

/// Full id of a management group.
pub(crate) fn management_group_id(name: &str) -> String {
    format!("/providers/Microsoft.Management/managementGroups/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy() -> Hierarchy {
        let mut hierarchy = Hierarchy::default();
        for (name, parent) in [("root", None), ("mg-a", Some("root"))] {
            hierarchy.management_groups.insert(
                name.to_owned(),
                ManagementGroup {
                    name: name.to_owned(),
                    display_name: name.to_owned(),
                    tenant: "t".to_owned(),
                    parent: parent.map(str::to_owned),
                    registrations: IndexMap::new(),
                },
            );
        }
        hierarchy.subscriptions.insert(
            "s1".to_owned(),
            Subscription {
                id: "s1".to_owned(),
                display_name: "one".to_owned(),
                tenant: "t".to_owned(),
                state: "Enabled".to_owned(),
                management_group: Some("mg-a".to_owned()),
                registrations: IndexMap::new(),
                resource_groups: IndexMap::new(),
            },
        );
        hierarchy
    }

    #[test]
    fn a_subscription_lies_within_all_management_groups_above_it() {
        let h = hierarchy();
        let vnet = "/subscriptions/S1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
        for outer in [vnet, "/subscriptions/s1/RESOURCEGROUPS/rg", "subscriptions/s1", "/"] {
            assert!(h.within(vnet, outer), "{outer}");
        }
        for mg in ["mg-A", "root"] {
            assert!(h.within(vnet, &management_group_id(mg)), "{mg}");
        }
        assert!(!h.within("/subscriptions/s1", vnet));
        assert!(!h.within("/subscriptions/s10", "/subscriptions/s1"));
        assert!(!h.within(vnet, &management_group_id("other")));
    }

    #[test]
    fn parents_in_a_loop_end() {
        let mut h = hierarchy();
        h.management_groups["root"].parent = Some("mg-a".to_owned());
        assert!(!h.within("/subscriptions/s1", &management_group_id("elsewhere")));
    }
}
