//! Queries Azure Resource Graph for the virtual networks that a group contains with effect. It returns only what the caller may
//! read in its own tenant, so each network is queried as an identity of its tenant.

use serde::Deserialize;
use serde_json::{Map, Value};
use twinspan_engine::{Identity, StepCx, StepError};

use crate::avnm::same_path;
use crate::azure::Azure;
use crate::ids::{NetworkGroups, ResourceId};
use crate::tenancy::Tenancy;

/// The group memberships of one virtual network.
#[derive(Deserialize)]
struct Row {
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Returns those of `networks` that Resource Graph does not show in `group`.
pub(super) async fn missing<'n>(
    azure: &Azure,
    cx: &StepCx<'_>,
    group: &ResourceId<NetworkGroups>,
    networks: &'n [ResourceId],
) -> Result<Vec<&'n ResourceId>, StepError> {
    let mut tenancy = Tenancy::new(azure, cx, group.subscription())?;
    let mut asked: Vec<(&Identity, Vec<String>)> = Vec::new();
    for network in networks {
        let reader = tenancy.reader(network).await?;
        let Some(subscription) = network.subscription().map(|id| id.to_string()) else { continue };
        match asked.iter_mut().find(|(identity, _)| identity.name == reader.name) {
            Some((_, subscriptions)) if subscriptions.contains(&subscription) => {}
            Some((_, subscriptions)) => subscriptions.push(subscription),
            None => asked.push((reader, vec![subscription])),
        }
    }
    let mut shown: Vec<String> = Vec::new();
    for (identity, subscriptions) in asked {
        let rows: Vec<Row> = azure.arm(cx, identity).resource_graph(&subscriptions, &query(group)).await?;
        shown.extend(rows.iter().filter(|row| row.is_in(group)).filter_map(Row::network));
    }
    Ok(networks.iter().filter(|network| !shown.iter().any(|id| same_path(id, network.path()))).collect())
}

/// Builds the query. Property names differ in case between clouds and versions, so the filter searches the text of all
/// properties (`contains` ignores case), and the rows are filtered again here.
fn query(group: &ResourceId<NetworkGroups>) -> String {
    format!(
        "networkresources | where type =~ 'microsoft.network/networkgroupmemberships' | where tostring(properties) contains \
         '{}' | project id, properties",
        group.path().replace('\'', "\\'")
    )
}

fn field<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    of.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

impl Row {
    fn is_in(&self, group: &ResourceId<NetworkGroups>) -> bool {
        let memberships = field(&self.properties, "groupMemberships").and_then(Value::as_array);
        memberships.into_iter().flatten().filter_map(Value::as_object).any(|membership| {
            field(membership, "networkGroupId")
                .and_then(Value::as_str)
                .is_some_and(|id| same_path(id, group.path()))
        })
    }

    /// The virtual network of this row.
    fn network(&self) -> Option<String> {
        let at =
            self.id.to_ascii_lowercase().rfind("/providers/microsoft.network/networkgroupmemberships/")?;
        self.id.get(..at).map(str::to_owned)
    }
}
