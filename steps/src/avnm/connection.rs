//! The two halves of a connection between tenants, and what their states mean.

use std::fmt;

use serde::Deserialize;
use twinspan_engine::{Decision, Difference, Marker, Observed};

use super::or_default;

/// Properties of one half. `N`: what it names, so that the other half can be found.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "N: Default + Deserialize<'de>")]
pub(crate) struct Half<N: Default> {
    /// What it names.
    #[serde(flatten)]
    pub(crate) names: N,
    /// For people; ends with our marker where we made it.
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// How far it is.
    #[serde(deserialize_with = "or_default")]
    pub(crate) connection_state: ConnectionState,
}

/// What a scope connection names: the half in the central tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NamesScope {
    /// The other tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) tenant_id: String,
    /// Its subscription or management group.
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
}

/// What a network manager connection names: the half in the target tenant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NamesManager {
    /// The network manager of the other tenant.
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_manager_id: String,
}

impl<N: Default> Half<N> {
    /// What it means that it is there. `differences`: from what the plan wants; `words`: "scope connection to-central".
    /// Where it is taken back, it counts as there in whatever state it is.
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
        match self.connection_state.diagnosis(words, Anew::Here) {
            Some(decision) if !taken_back => Observed::Broken { output, decision, marker },
            _ => Observed::Present { output, marker },
        }
    }
}

/// State of one half of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum ConnectionState {
    /// Both halves exist and match: the scope is managed.
    Connected,
    /// The other half is missing, or does not match.
    Pending,
    /// Another network manager has the scope with the same feature.
    Conflict,
    /// Was connected; the other half was removed.
    Revoked,
    /// In Azure's list of states; documented nowhere.
    Rejected,
    /// A state that this program does not know.
    Other(String),
}

impl Default for ConnectionState {
    fn default() -> Self {
        ConnectionState::Other(String::new())
    }
}

impl From<String> for ConnectionState {
    fn from(text: String) -> Self {
        match text.as_str() {
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
    /// Of several halves that mean the same, the one that is in force comes first, then the one that waits.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            ConnectionState::Connected => 0,
            ConnectionState::Pending => 1,
            _ => 2,
        }
    }
}

/// How a half that does not heal is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anew {
    /// By the step that saw it: the half is its own.
    Here,
    /// By other steps: the one that saw it only reads.
    Elsewhere,
}

impl ConnectionState {
    /// What a state that does not heal by itself means, and what to do. `half`: "scope connection to-central". `anew`: how
    /// it is made anew from where it was seen.
    pub(crate) fn diagnosis(&self, half: &str, anew: Anew) -> Option<Decision> {
        let (what, ask) = match self {
            ConnectionState::Connected | ConnectionState::Pending | ConnectionState::Other(_) => return None,
            ConnectionState::Conflict => (
                "another network manager already has this scope with the same feature",
                "ask the owner of the scope to remove it from the other network manager's scope (Azure portal: Virtual \
                 network managers, that one, Scope); then",
            ),
            ConnectionState::Revoked => (
                "it was connected, and the other half was removed since",
                "ask the other tenant's administrator whether that was meant; if not,",
            ),
            ConnectionState::Rejected => (
                "the other side rejected it",
                "ask the other tenant's administrator why; Azure documents no way back but to make the connection anew:",
            ),
        };
        let then = match anew {
            Anew::Here => "decide recreate, which removes this half and makes it anew",
            Anew::Elsewhere => "repair this step, which makes the half that is wrong anew",
        };
        let advice = format!("{ask} {then}: this state does not heal by itself");
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
        let found: Found<Half<NamesManager>> = serde_json::from_value(json!({
            "id": "/providers/Microsoft.Management/managementGroups/anotherMG/providers/Microsoft.Network/networkManagerConnections/c",
            "name": "c", "type": "Microsoft.Network/networkManagerConnections", "location": "",
            "properties": { "networkManagerId": "/subscriptions/x", "connectionState": "Pending", "description": "" }
        }))
        .unwrap();
        assert_eq!(found.properties.connection_state, ConnectionState::Pending);
        assert_eq!(found.properties.names.network_manager_id, "/subscriptions/x");
        assert_eq!(found.properties.description, "");
        let found: Found<Half<NamesScope>> = serde_json::from_value(
            json!({ "properties": { "tenantId": null, "connectionState": "Frozen" } }),
        )
        .unwrap();
        assert_eq!(found.properties.connection_state.to_string(), "Frozen");
        assert_eq!(found.properties.names.tenant_id, "");
    }

    #[test]
    fn every_state_that_does_not_heal_has_its_own_diagnosis() {
        let diagnosis =
            |state: &str| ConnectionState::from(state.to_owned()).diagnosis("connection c", Anew::Here);
        for state in ["Connected", "Pending", "", "Frozen"] {
            assert_eq!(diagnosis(state), None, "{state}");
        }
        let texts: std::collections::BTreeSet<String> = ["Conflict", "Revoked", "Rejected"]
            .iter()
            .map(|state| diagnosis(state).unwrap().advice)
            .collect();
        assert_eq!(texts.len(), 3);
        assert!(texts.iter().all(|advice| advice.contains("decide recreate")), "{texts:?}");
        let read = ConnectionState::Conflict.diagnosis("connection c", Anew::Elsewhere).unwrap();
        assert!(!read.advice.contains("recreate"), "a step that only reads cannot: {}", read.advice);
        assert!(
            diagnosis("Conflict")
                .unwrap()
                .what
                .starts_with("connection c is Conflict: another network manager")
        );
    }
}
