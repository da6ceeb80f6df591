//! The REST types of Azure Virtual Network Manager: lenient when read, exact when written.
//!
//! Reading accepts what the service really returns: empty strings for unset values, null lists, undocumented states, and
//! ids in another letter case.

pub(crate) mod addresses;
pub(crate) mod child;
pub(crate) mod configuration;
mod connection;
pub(crate) mod deployment;
pub(crate) mod network;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use twinspan_engine::{Difference, Marker, Observed, Wait};

pub(crate) use connection::{ConnectionSide, ConnectionState, NamesManager, NamesScope, RecreatedBy};

use crate::enumeration::known;
use crate::ids::{ConnectionScope, Guid, TenantId};

pub(crate) use crate::azure::NETWORK_API as API;

/// A resource as Azure returns it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, bound = "P: Default + Deserialize<'de>")]
pub(crate) struct Found<P: Default> {
    /// Name.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    /// Region.
    #[serde(deserialize_with = "or_default")]
    pub(crate) location: String,
    /// Tags.
    #[serde(deserialize_with = "or_default")]
    pub(crate) tags: BTreeMap<String, String>,
    /// Properties of the resource type.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: P,
    /// When it was last written.
    #[serde(rename = "systemData", deserialize_with = "or_default")]
    pub(crate) system_data: SystemData,
}

/// When a resource was last written, by the service's clock. Resources of an old version lack it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SystemData {
    /// Time of the last write. `createdAt` would be no better: an update resets it too.
    #[serde(deserialize_with = "or_default")]
    last_modified_at: String,
}

impl SystemData {
    /// Time of the last write.
    pub(crate) fn last_modified(&self) -> Option<Timestamp> {
        self.last_modified_at.parse().ok()
    }

    /// Time since the last write, at `now` of the same clock; `None` if it is not known, or if the time lies further in
    /// the future than the service's clocks can disagree.
    pub(crate) fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        const SKEW: SignedDuration = SignedDuration::from_secs(5);
        let written = self.last_modified()?;
        Some(now.duration_since(written)).filter(|age| *age > -SKEW)
    }
}

/// Deserializes null like a missing field.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Properties of a network manager.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Manager {
    /// The scopes that it manages.
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_manager_scopes: Scopes,
    /// The features that it has.
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_manager_scope_accesses: Vec<String>,
    /// State of the last write.
    #[serde(deserialize_with = "or_default")]
    pub(crate) provisioning_state: Provisioning,
}

/// The scopes that a network manager manages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Scopes {
    /// Management groups of its own tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) management_groups: Vec<String>,
    /// Subscriptions of its own tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) subscriptions: Vec<String>,
    /// Scopes of other tenants that it manages: the only proof that a connection is in force.
    #[serde(deserialize_with = "or_default")]
    pub(crate) cross_tenant_scopes: Vec<CrossTenantScope>,
}

/// The scopes that a network manager manages in one other tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct CrossTenantScope {
    /// The tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) tenant_id: String,
    /// Its management groups.
    #[serde(deserialize_with = "or_default")]
    pub(crate) management_groups: Vec<String>,
    /// Its subscriptions.
    #[serde(deserialize_with = "or_default")]
    pub(crate) subscriptions: Vec<String>,
}

impl Scopes {
    /// Whether it manages `scope` of the other tenant `tenant`.
    pub(crate) fn holds_across(&self, tenant: TenantId, scope: &ConnectionScope) -> bool {
        self.cross_tenant_scopes.iter().filter(|held| held.tenant_id.parse() == Ok(tenant)).any(|held| {
            held.subscriptions.iter().chain(&held.management_groups).any(|id| same_path(id, scope.path()))
        })
    }

    /// Whether it may manage `subscription`. A management group may contain the subscription, so any group of the right
    /// tenant counts. `tenant`: the subscription's tenant, if it is another one.
    pub(crate) fn may_hold(&self, subscription: Guid, tenant: Option<TenantId>) -> bool {
        let wanted = ConnectionScope::of_subscription(subscription);
        let named = |ids: &[String]| ids.iter().any(|id| same_path(id, wanted.path()));
        let own = named(&self.subscriptions) || (tenant.is_none() && !self.management_groups.is_empty());
        own || self
            .cross_tenant_scopes
            .iter()
            .filter(|held| tenant.is_none_or(|tenant| held.tenant_id.parse() == Ok(tenant)))
            .any(|held| {
                named(&held.subscriptions) || (tenant.is_some() && !held.management_groups.is_empty())
            })
    }
}

/// Properties of a network group.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Group {
    /// For people; ends with the run's marker if twinspan created it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// Type of its members; older groups lack it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) member_type: String,
    /// State of the last write.
    #[serde(deserialize_with = "or_default")]
    pub(crate) provisioning_state: Provisioning,
}

/// Properties of a static member.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Member {
    /// The virtual network or subnet.
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
    /// Its region, as the specification names the field.
    #[serde(deserialize_with = "or_default")]
    region: String,
    /// Its region, as every recorded response names the field.
    #[serde(deserialize_with = "or_default")]
    location: String,
    /// State of the last write.
    #[serde(deserialize_with = "or_default")]
    pub(crate) provisioning_state: Provisioning,
}

impl Member {
    /// Its region; empty until the member is provisioned.
    pub(crate) fn region(&self) -> &str {
        if self.region.is_empty() { &self.location } else { &self.region }
    }
}

/// The envelope of a request body.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Body<P> {
    /// The wanted properties.
    pub(crate) properties: P,
}

/// State of the last write of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Provisioning {
    /// `Succeeded`; a missing state means the same.
    #[default]
    Succeeded,
    /// `Failed` or `Canceled`: Azure does not continue by itself.
    Failed(String),
    /// In progress; also any unknown state.
    Underway(String),
}

impl From<String> for Provisioning {
    fn from(text: String) -> Self {
        match known(&text, &["Succeeded", "Failed", "Canceled", "Cancelled"]) {
            "" | "Succeeded" => Provisioning::Succeeded,
            failed @ ("Failed" | "Canceled" | "Cancelled") => Provisioning::Failed(failed.to_owned()),
            _ => Provisioning::Underway(text),
        }
    }
}

impl fmt::Display for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Provisioning::Succeeded => "Succeeded",
            Provisioning::Failed(text) | Provisioning::Underway(text) => text,
        })
    }
}

impl Provisioning {
    /// What the state means for a resource that was compared with the plan. `words`: "network group ng-spokes is"; `undoing`:
    /// before a delete, a resource is present in every state.
    pub(crate) fn judged<O>(
        &self,
        undoing: bool,
        words: &str,
        output: O,
        mut differences: Vec<Difference>,
        marker: Marker,
    ) -> Observed<O> {
        match self {
            Provisioning::Underway(state) if !undoing => {
                return Observed::Converging { wait: Wait::remote(format!("{words} {state}")), marker };
            }
            Provisioning::Failed(state) if !undoing => {
                differences.push(Difference::new("provisioning state", "Succeeded", state.clone()));
            }
            _ => {}
        }
        if differences.is_empty() {
            Observed::Present { output, marker }
        } else {
            Observed::Differs { output, differences, marker }
        }
    }
}

/// Whether two paths name the same resource, ignoring case and outer slashes.
pub(crate) fn same_path(one: &str, other: &str) -> bool {
    one.trim_matches('/').eq_ignore_ascii_case(other.trim_matches('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "22222222-0000-0000-0000-00000000000f";

    fn read<P: Default + serde::de::DeserializeOwned>(value: serde_json::Value) -> Found<P> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_azure_leaves_out_or_nulls_or_invents_is_read() {
        let found: Found<Manager> = read(json!({ "name": "nm", "tags": null, "properties": {
            "networkManagerScopes": { "managementGroups": null, "crossTenantScopes": [] },
            "networkManagerScopeAccesses": ["Telepathy"], "provisioningState": "Levitating" } }));
        assert_eq!(found.properties.provisioning_state, Provisioning::Underway("Levitating".to_owned()));
        let found: Found<Member> = read(json!({ "properties": { "location": "eastus2" } }));
        assert_eq!(found.properties.region(), "eastus2");
        let found: Found<Member> = read(json!({ "properties": { "location": "", "region": "westeurope" } }));
        assert_eq!(found.properties.region(), "westeurope");
        let found: Found<Member> = read(json!({}));
        assert_eq!(found.properties.provisioning_state, Provisioning::Succeeded);
    }

    #[test]
    fn a_scope_is_managed_only_in_the_tenant_that_gave_it() {
        let found: Found<Manager> = read(json!({ "properties": { "networkManagerScopes": {
            "subscriptions": ["/subscriptions/aaaaaaaa-0000-0000-0000-000000000001"],
            "crossTenantScopes": [{ "tenantId": TENANT.to_uppercase(), "managementGroups": [],
                "subscriptions": ["subscriptions/BBBBBBBB-0000-0000-0000-000000000001"] }] } } }));
        let scopes = found.properties.network_manager_scopes;
        let tenant: TenantId = TENANT.parse().unwrap();
        let other: TenantId = "33333333-0000-0000-0000-00000000000f".parse().unwrap();
        let target: Guid = "bbbbbbbb-0000-0000-0000-000000000001".parse().unwrap();
        let own: Guid = "aaaaaaaa-0000-0000-0000-000000000001".parse().unwrap();
        assert!(scopes.holds_across(tenant, &ConnectionScope::of_subscription(target)));
        assert!(!scopes.holds_across(other, &ConnectionScope::of_subscription(target)));
        assert!(!scopes.holds_across(tenant, &ConnectionScope::of_subscription(own)));
        assert!(scopes.may_hold(target, Some(tenant)));
        assert!(!scopes.may_hold(target, Some(other)));
        assert!(scopes.may_hold(own, None));
        let stranger: Guid = "cccccccc-0000-0000-0000-000000000001".parse().unwrap();
        assert!(!scopes.may_hold(stranger, None) && !scopes.may_hold(stranger, Some(tenant)));
    }
}
