//! Deployments: the configurations committed for a network manager, a region and a type, and the state of the deployment.
//!
//! A commit names the complete set for the region: Azure removes every configuration that it does not name. To add or
//! remove one configuration, read the set first and commit the others with it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use twinspan_engine::StepError;

use super::configuration::Configuration;
use super::{API, or_default, same_path};
use crate::azure::Arm;
use crate::enumeration::known;

/// All types of configurations that can be deployed.
pub(crate) const TYPES: [&str; 4] = ["Connectivity", "SecurityAdmin", "SecurityUser", "Routing"];

/// A region in the form for comparison: `West US 2` is `westus2`.
pub(crate) fn region(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// The last commit for a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Goal {
    /// Time of the commit, by the service's clock.
    #[serde(deserialize_with = "or_default")]
    pub(crate) commit_time: String,
    /// The region, in any spelling.
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    /// State of the deployment.
    #[serde(deserialize_with = "or_default")]
    pub(crate) deployment_status: Status,
    /// Ids of all committed configurations.
    #[serde(deserialize_with = "or_default")]
    pub(crate) configuration_ids: Vec<String>,
    /// `Connectivity` and so on; also unknown types.
    #[serde(deserialize_with = "or_default")]
    pub(crate) deployment_type: String,
    /// Why it failed.
    #[serde(deserialize_with = "or_default")]
    pub(crate) error_message: String,
}

/// State of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Status {
    /// In force.
    Deployed,
    /// Azure does not continue by itself.
    Failed,
    /// `NotStarted`, `Deploying`, and unknown states.
    Underway(String),
    /// No state was returned.
    #[default]
    Unsaid,
}

impl From<String> for Status {
    fn from(text: String) -> Self {
        match known(&text, &["Deployed", "Failed"]) {
            "Deployed" => Status::Deployed,
            "Failed" => Status::Failed,
            "" => Status::Unsaid,
            _ => Status::Underway(text),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Deployed => "Deployed",
            Status::Failed => "Failed",
            Status::Underway(text) => text,
            Status::Unsaid => "in no stated state",
        })
    }
}

impl Goal {
    /// Time of the commit.
    pub(crate) fn committed(&self) -> Option<Timestamp> {
        self.commit_time.parse().ok()
    }

    /// The reason for the failure, as Azure gives it.
    pub(crate) fn why(&self) -> &str {
        match self.error_message.trim() {
            "" => "Azure does not say why",
            message => message,
        }
    }

    /// Whether its type is connectivity.
    pub(crate) fn is_connectivity(&self) -> bool {
        self.deployment_type.eq_ignore_ascii_case("Connectivity")
    }

    /// Whether the deployment is still in progress.
    pub(crate) fn is_coming(&self) -> bool {
        matches!(self.deployment_status, Status::Underway(_))
    }

    /// Whether the commit contains the configuration.
    pub(crate) fn names(&self, configuration: &str) -> bool {
        self.configuration_ids.iter().any(|id| same_path(id, configuration))
    }
}

/// Body of a commit request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Commit<'a> {
    pub(crate) target_locations: [String; 1],
    pub(crate) configuration_ids: Vec<String>,
    pub(crate) commit_type: &'a str,
}

/// A connectivity configuration that is in force in a region.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Active {
    /// Id of the configuration.
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    /// The region.
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    /// Its properties at the time of the deployment.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: Configuration,
}

/// The connectivity configurations that are in force in `regions`.
pub(crate) async fn active(
    arm: &Arm<'_>,
    manager: &str,
    regions: &[String],
) -> Result<Vec<Active>, StepError> {
    let path = format!("{manager}/listActiveConnectivityConfigurations");
    arm.query_list(&path, API, &[("regions", json!(regions))]).await
}

/// The last commits for `regions`, of these types.
pub(crate) async fn goals(
    arm: &Arm<'_>,
    manager: &str,
    regions: &[String],
    types: &[&str],
) -> Result<Vec<Goal>, StepError> {
    let path = format!("{manager}/listDeploymentStatus");
    arm.query_list(&path, API, &[("regions", json!(regions)), ("deploymentTypes", json!(types))]).await
}

/// The last commit for one region and type; `None` if there is none, or if Azure does not list it yet.
pub(crate) async fn goal(
    arm: &Arm<'_>,
    manager: &str,
    here: &str,
    kind: &str,
) -> Result<Option<Goal>, StepError> {
    let listed = goals(arm, manager, &[here.to_owned()], &[kind]).await?;
    let of = listed
        .into_iter()
        .filter(|goal| region(&goal.region) == here && goal.deployment_type.eq_ignore_ascii_case(kind));
    // If Azure lists several, the last commit counts.
    Ok(of.max_by_key(Goal::committed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_read_whatever_it_says() {
        assert_eq!(region("West US 2"), "westus2");
        let goal: Goal = serde_json::from_value(json!({ "commitTime": "2026-11-23T09:00:00.1234567Z",
            "region": null, "deploymentStatus": "Pondering", "configurationIds": null,
            "deploymentType": "AdminPolicy", "errorMessage": null }))
        .unwrap();
        assert_eq!(goal.deployment_status, Status::Underway("Pondering".to_owned()));
        assert!(goal.committed().is_some() && !goal.names("/x"));
        let bare: Goal = serde_json::from_value(json!({})).unwrap();
        assert_eq!((bare.deployment_status, bare.commit_time.as_str()), (Status::Unsaid, ""));
    }
}
