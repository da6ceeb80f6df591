//! Both sides of a cross-tenant connection, and the meaning of their states.

use std::fmt;

use serde::Deserialize;
use twinspan_engine::{Decision, Difference, Marker, Observed};

use super::or_default;
use crate::enumeration::known;

/// Properties of one side of a connection. `N`: the fields that identify its counterpart.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "N: Default + Deserialize<'de>")]
pub(crate) struct ConnectionSide<N: Default> {
    /// The fields that identify the counterpart.
    #[serde(flatten)]
    pub(crate) names: N,
    /// For people; ends with the run's marker if twinspan created it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// State of the connection.
    #[serde(deserialize_with = "or_default")]
    pub(crate) connection_state: ConnectionState,
}

/// What a scope connection (central side) names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NamesScope {
    /// The target tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) tenant_id: String,
    /// Its subscription or management group.
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
}

/// What a network manager connection (target side) names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NamesManager {
    /// The network manager of the central tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_manager_id: String,
}

impl<N: Default> ConnectionSide<N> {
    /// Compares the resource with what the plan wants. `differences`: those found; `words`: "scope connection to-central".
    /// For an undo (`taken_back`) it is present in any state.
    pub(crate) fn observed<O>(
        &self,
        output: O,
        differences: Vec<Difference>,
        words: &str,
        taken_back: bool,
    ) -> Observed<O> {
        let marker = Marker::in_description(Some(&self.description));
        if !differences.is_empty() {
            return Observed::Differs { output, differences, marker };
        }
        match self.connection_state.diagnosis(words, RecreatedBy::Here) {
            Some(decision) if !taken_back => Observed::Broken { output, decision, marker },
            _ => Observed::Present { output, marker },
        }
    }
}

/// State of one side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum ConnectionState {
    /// Both sides exist and match: the network manager manages the scope.
    Connected,
    /// The counterpart is missing or does not match.
    Pending,
    /// Another network manager manages the scope with the same feature.
    Conflict,
    /// It was connected, and the counterpart was deleted.
    Revoked,
    /// In Azure's list of states, but not documented.
    Rejected,
    /// Any other state.
    Other(String),
}

impl Default for ConnectionState {
    fn default() -> Self {
        ConnectionState::Other(String::new())
    }
}

impl From<String> for ConnectionState {
    fn from(text: String) -> Self {
        match known(&text, &["Connected", "Pending", "Conflict", "Revoked", "Rejected"]) {
            "Connected" => ConnectionState::Connected,
            "Pending" => ConnectionState::Pending,
            "Conflict" => ConnectionState::Conflict,
            "Revoked" => ConnectionState::Revoked,
            "Rejected" => ConnectionState::Rejected,
            _ => ConnectionState::Other(text),
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectionState::Connected => "Connected",
            ConnectionState::Pending => "Pending",
            ConnectionState::Conflict => "Conflict",
            ConnectionState::Revoked => "Revoked",
            ConnectionState::Rejected => "Rejected",
            ConnectionState::Other(text) if text.is_empty() => "no state",
            ConnectionState::Other(text) => text,
        })
    }
}

impl ConnectionState {
    /// Preference among equivalent resources: first the one in force, then a pending one.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            ConnectionState::Connected => 0,
            ConnectionState::Pending => 1,
            _ => 2,
        }
    }
}

/// Who recreates a connection whose state does not recover by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecreatedBy {
    /// The step that read it: the resource is its own.
    Here,
    /// Other steps: the step that read it only reads.
    Elsewhere,
}

impl ConnectionState {
    /// The decision that a state requires if it does not recover by itself; otherwise `None`. `half`: "scope connection
    /// to-central". `anew`: who can recreate it.
    pub(crate) fn diagnosis(&self, half: &str, recreated_by: RecreatedBy) -> Option<Decision> {
        let (what, ask) = match self {
            ConnectionState::Connected | ConnectionState::Pending | ConnectionState::Other(_) => return None,
            ConnectionState::Conflict => (
                "another network manager already manages this scope with the same feature",
                "ask the owner of the scope to remove it from the other network manager's scope (Azure portal: Virtual \
                 network managers, that one, Scope); then",
            ),
            ConnectionState::Revoked => (
                "it was connected, and the other tenant's connection was deleted since",
                "ask the other tenant's administrator whether that was meant; if not,",
            ),
            ConnectionState::Rejected => (
                "the other tenant rejected it",
                "ask the other tenant's administrator why; Azure documents no other way than to recreate the connection:",
            ),
        };
        let then = match recreated_by {
            RecreatedBy::Here => "decide recreate, which deletes this connection and creates it again",
            RecreatedBy::Elsewhere => "repair this step, which recreates the connection that is wrong",
        };
        let advice = format!("{ask} {then}: Azure does not leave this state by itself");
        Some(Decision { what: format!("{half} is {self}: {what}"), advice, differences: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::avnm::Found;

    #[test]
    fn a_recorded_half_is_read_and_so_is_one_with_gaps() {
        let found: Found<ConnectionSide<NamesManager>> = serde_json::from_value(json!({
            "id": "/providers/Microsoft.Management/managementGroups/anotherMG/providers/Microsoft.Network/networkManagerConnections/c",
            "name": "c", "type": "Microsoft.Network/networkManagerConnections", "location": "",
            "properties": { "networkManagerId": "/subscriptions/x", "connectionState": "Pending", "description": "" }
        }))
        .unwrap();
        assert_eq!(found.properties.connection_state, ConnectionState::Pending);
        assert_eq!(found.properties.names.network_manager_id, "/subscriptions/x");
        assert_eq!(found.properties.description, "");
        let found: Found<ConnectionSide<NamesScope>> = serde_json::from_value(
            json!({ "properties": { "tenantId": null, "connectionState": "Frozen" } }),
        )
        .unwrap();
        assert_eq!(found.properties.connection_state.to_string(), "Frozen");
        assert_eq!(found.properties.names.tenant_id, "");
    }

    #[test]
    fn every_state_that_does_not_heal_has_its_own_diagnosis() {
        let diagnosis = |state: &str| {
            ConnectionState::from(state.to_owned()).diagnosis("connection c", RecreatedBy::Here)
        };
        for state in ["Connected", "Pending", "", "Frozen"] {
            assert_eq!(diagnosis(state), None, "{state}");
        }
        let texts: std::collections::BTreeSet<String> = ["Conflict", "Revoked", "Rejected"]
            .iter()
            .map(|state| diagnosis(state).unwrap().advice)
            .collect();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|advice| advice.contains("decide recreate")), "{texts:?}");
        let read = ConnectionState::Conflict.diagnosis("connection c", RecreatedBy::Elsewhere).unwrap();
        assert!(!read.advice.contains("decide recreate"), "a step that only reads cannot: {}", read.advice);
        assert!(
            diagnosis("Conflict")
                .unwrap()
                .what
                .starts_with("connection c is Conflict: another network manager")
        );
    }
}
