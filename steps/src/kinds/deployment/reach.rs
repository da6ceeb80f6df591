//! Checks whether a deployed configuration reaches a virtual network in the region. A commit to a region without members succeeds
//! and changes nothing.

use std::collections::BTreeSet;

use twinspan_engine::{StepCx, StepError};

use super::{Deployment, Params};
use crate::avnm::configuration::Configuration;
use crate::avnm::deployment::region;
use crate::avnm::network::Network;
use crate::avnm::{API, Found, Member};

/// A configuration as Azure returns it: its name and content.
pub(super) type Named = (String, Configuration);

impl Deployment {
    /// Returns a warning for each of `configurations` that reaches nothing in the region. If it cannot be read, there is no
    /// warning: this is advice, and the step does not need these permissions.
    pub(super) async fn without_effect(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        configurations: &[Named],
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, configuration) in configurations {
            match self.unreached(cx, params, name, configuration).await {
                Ok(warning) => warnings.extend(warning),
                Err(error) => {
                    tracing::debug!(%error, configuration = name, "cannot read what the configuration reaches")
                }
            }
        }
        warnings
    }

    async fn unreached(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        name: &str,
        configuration: &Configuration,
    ) -> Result<Option<String>, StepError> {
        let (arm, here) = (self.arm(cx)?, params.region());
        let mut elsewhere = BTreeSet::new();
        for group in configuration.groups() {
            let members = arm.shared_list::<Found<Member>>(&format!("{group}/staticMembers"), API).await?;
            elsewhere.extend(members.iter().map(|member| region(member.properties.region())));
        }
        for hub in configuration.hubs() {
            let hub: Option<Found<Network>> = arm.get(hub, API).await?;
            elsewhere.extend(hub.map(|hub| region(&hub.location)));
        }
        // Azure shows the region of a member only after it is provisioned.
        if elsewhere.contains(&here) || elsewhere.contains("") {
            return Ok(None);
        }
        let where_they_are = match elsewhere.into_iter().collect::<Vec<_>>() {
            none if none.is_empty() => "its network groups have no static members yet".to_owned(),
            regions => format!("its virtual networks are in {}", regions.join(", ")),
        };
        Ok(Some(format!(
            "configuration {name} reaches no member in {here}: {where_they_are}. Deploy it to the regions of its virtual \
             networks (members that Azure Policy adds are not seen here)"
        )))
    }
}
