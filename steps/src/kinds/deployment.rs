//! `avnm.deployment`: deploys configurations to a region, in addition to what is already deployed there.
//!
//! A commit is the goal state of a network manager, a region and a type: Azure withdraws what it omits. So each commit, forward
//! and undo, first reads the goal of the region and repeats it, and no two steps or runs commit the same goal at the same time.
//! The proof is the list of deployments, never the operation that a commit returns (its address may be invalid).

mod judgement;
mod reach;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_encode::sh;
use twinspan_engine::{
    Applied, Back, ClaimKey, EffectClass, Ensure, FailureClass, HandOver, KindMeta, Marker, Misfit, Observed,
    Permission, Phase, Step, StepCx, StepError, Task, Undone, Wait, WriteMeta,
};

use crate::avnm::configuration::Configuration as Content;
use crate::avnm::deployment::{self, Commit, Goal};
use crate::avnm::{API, Found, same_path};
use crate::azure::{Arm, Azure};
use crate::default_world;
use crate::hand_over;
use crate::ids::{ConnectivityConfigurations, NetworkManagers, ResourceId};
use crate::kinds::bounds::not_a_region;
use crate::kinds::{removing, undoing};

type Configuration = ResourceId<ConnectivityConfigurations>;

/// `avnm.deployment`
pub(crate) struct Deployment {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.deployment`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// The type of the deployment; default: connectivity.
    #[serde(default, rename = "type")]
    kind: Kind,
    /// The region, for example westeurope. Only virtual networks of this region are reached: use one step for each region.
    region: String,
    /// The configurations that must be deployed there. Others that are deployed there stay.
    configurations: Vec<Configuration>,
}

/// The type of a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(connectivity)"))]
pub(crate) enum Kind {
    /// Connectivity configurations.
    #[default]
    Connectivity,
}

/// Outputs of `avnm.deployment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// For people: a deployment has no id of its own; it is named by network manager, type and region.
    id: String,
    /// The network manager.
    network_manager: ResourceId<NetworkManagers>,
    /// The region, as Azure compares it: westeurope.
    region: String,
    /// Everything that is deployed there, by this step and by others.
    configurations: Vec<String>,
    /// When it was committed, by Azure's clock.
    committed_at: String,
}

/// What later checks need to know and the response to a commit does not contain.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Receipt {
    /// Time of the previous commit: as long as it is listed, the commit of this step is not.
    before: Option<String>,
    /// Configurations of this step that were already deployed; undo leaves them.
    already: Vec<String>,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Connectivity => "Connectivity",
        }
    }
}

impl Params {
    fn region(&self) -> String {
        deployment::region(&self.region)
    }

    /// Errors that the parameters alone show.
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = Vec::new();
        if let Some(why) = not_a_region(&self.region) {
            all.push(Misfit::new(&["region"], why));
        }
        if self.configurations.is_empty() {
            let why =
                "it is empty: name a configuration; to withdraw what a run deployed use `twinspan undo`";
            all.push(Misfit::new(&["configurations"], why));
        }
        let manager = self.network_manager.path();
        let elsewhere = |(_, id): &(usize, &Configuration)| !same_path(id.above(1), manager);
        for (position, id) in self.configurations.iter().enumerate().filter(elsewhere) {
            let why = format!("configuration {id} does not belong to network manager {manager}");
            all.push(Misfit::new(&["configurations", "network_manager"], why).within(position));
        }
        all
    }

    /// Configurations of this step that undo withdraws.
    fn own<'p>(&'p self, receipt: &Receipt) -> Vec<&'p str> {
        let own = self.configurations.iter().map(ResourceId::path);
        own.filter(|id| !receipt.already.iter().any(|already| same_path(already, id))).collect()
    }

    fn commit(&self, region: &str, configuration_ids: Vec<String>) -> Commit<'_> {
        Commit { target_locations: [region.to_owned()], configuration_ids, commit_type: self.kind.as_str() }
    }
}

impl Receipt {
    fn of(cx: &StepCx<'_>) -> Self {
        cx.receipt.and_then(|receipt| Receipt::deserialize(receipt).ok()).unwrap_or_default()
    }
}

impl Deployment {
    fn arm<'a>(&'a self, cx: &'a StepCx<'a>) -> Result<Arm<'a>, StepError> {
        Ok(self.azure.arm(cx, cx.identity()?))
    }

    async fn goal(&self, cx: &StepCx<'_>, params: &Params) -> Result<Option<Goal>, StepError> {
        let kind = params.kind.as_str();
        deployment::goal(&self.arm(cx)?, params.network_manager.path(), &params.region(), kind).await
    }

    /// Connectivity configurations that are in effect in the region.
    async fn active(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<String>, StepError> {
        let manager = params.network_manager.path();
        let active = deployment::active(&self.arm(cx)?, manager, &[params.region()]).await?;
        Ok(active.into_iter().map(|active| active.id).collect())
    }

    /// Configurations of the region besides `taken`. A commit is not listed at once, so if nothing is listed, the configurations
    /// in effect count: committing one again is better than withdrawing it.
    async fn others(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        goal: Option<&Goal>,
        taken: &[&str],
    ) -> Result<Vec<String>, StepError> {
        let mut all = match goal {
            Some(goal) => goal.configuration_ids.clone(),
            None => self.active(cx, params).await?,
        };
        all.retain(|id| !taken.iter().any(|taken| same_path(id, taken)));
        Ok(all)
    }

    /// Commits. The response proves nothing: the address to poll may be invalid, and the body empty.
    async fn commit(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        configurations: Vec<String>,
    ) -> Result<(), StepError> {
        let path = format!("{}/commit", params.network_manager.path());
        let body = params.commit(&params.region(), configurations);
        let _: Option<serde::de::IgnoredAny> = self.arm(cx)?.post(&path, API, Some(&body)).await?;
        Ok(())
    }

    /// Checks for undo. If nothing is listed for the region, its last commit may not be listed yet, so the step's configurations
    /// must also not be in effect.
    async fn withdrawn(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        goal: Option<&Goal>,
    ) -> Result<Observed<Output>, StepError> {
        let receipt = Receipt::of(cx);
        if let Some(goal) = goal {
            return judgement::on_the_way_back(cx, params, &receipt, goal);
        }
        let active = match self.active(cx, params).await {
            Ok(active) => active,
            Err(error) if error.class == FailureClass::ReplicationLag => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(judgement::still_in_force(cx, params, &receipt, active))
    }

    /// Each configuration, with the time of its last write: a commit deploys them as they are at that moment.
    async fn written<'p>(
        &self,
        cx: &StepCx<'_>,
        params: &'p Params,
    ) -> Result<Vec<(&'p Configuration, Option<Found<Content>>)>, StepError> {
        let mut all = Vec::new();
        for id in &params.configurations {
            all.push((id, self.arm(cx)?.get(id.path(), API).await?));
        }
        Ok(all)
    }
}

impl Step for Deployment {
    const META: KindMeta = KindMeta {
        removable: true,
        // Others deploy to the region too; the check compares only this step's configurations.
        volatile_outputs: &["configurations", "committed_at"],
        ..KindMeta::writes(
            "avnm.deployment",
            "Deploy configurations to a region, in addition to what is already deployed there",
            WriteMeta {
                // A repeated commit does no harm, but makes Azure deploy again for a quarter of an hour: probe first.
                effect: EffectClass::PostWithProbe,
                // A commit is not listed at once.
                consistency_delay: Duration::from_secs(60),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            network_manager: default_world::manager(),
            kind: Kind::Connectivity,
            region: "westeurope".to_owned(),
            configurations: vec![default_world::configuration()],
        }
    }

    fn misfits(params: &Params, _ensure: Ensure) -> Vec<Misfit> {
        params.misfits()
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        vec![ClaimKey(format!(
            "{}|{}|{}",
            params.network_manager.key(),
            params.region(),
            params.kind.as_str().to_lowercase()
        ))]
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        // Read the configurations first, so that the proof is read last.
        let written = if undoing(cx) { Vec::new() } else { self.written(cx, params).await? };
        let content = written
            .iter()
            .filter_map(|(id, found)| Some((id.name().to_owned(), found.as_ref()?.properties.clone())));
        let warnings = self.without_effect(cx, params, &content.collect::<Vec<_>>()).await;
        let goal = match self.goal(cx, params).await {
            Ok(goal) => goal,
            // If the network manager is gone, nothing is deployed any more.
            Err(error) if undoing(cx) && error.class == FailureClass::ReplicationLag => None,
            Err(error) => return Err(error),
        };
        if undoing(cx) {
            return self.withdrawn(cx, params, goal.as_ref()).await;
        }
        let Some(goal) = goal else { return Ok(Observed::Absent) };
        let receipt = Receipt::of(cx);
        if cx.phase == Phase::Verify && receipt.before.as_ref() == Some(&goal.commit_time) {
            let wait = Wait::remote(format!(
                "the commit to {} was accepted but is not listed yet; the list still shows the commit of {}",
                params.region(),
                goal.commit_time
            ));
            return Ok(Observed::Converging { wait, marker: Marker::NoPlace });
        }
        let edited = written
            .into_iter()
            .filter_map(|(id, found)| judgement::Edit::after(&goal, id, found?.system_data.last_modified()))
            .collect();
        let observed = judgement::on_the_way_forward(params, &goal, edited);
        if matches!(observed, Observed::Present { .. }) {
            warnings.into_iter().for_each(|warning| cx.log.warn(warning));
        }
        Ok(observed)
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let goal = self.goal(cx, params).await?;
        let ours: Vec<&str> = params.configurations.iter().map(ResourceId::path).collect();
        let mut all = self.others(cx, params, goal.as_ref(), &ours).await?;
        let stood = |id: &&&str| goal.as_ref().is_some_and(|goal| goal.names(id));
        let receipt = Receipt {
            before: goal.as_ref().map(|goal| goal.commit_time.clone()),
            // An earlier attempt of this step may have deployed some: its receipt counts.
            already: match cx.receipt {
                Some(_) => Receipt::of(cx).already,
                None => ours.iter().filter(stood).map(|id| (*id).to_owned()).collect(),
            },
        };
        all.extend(ours.into_iter().map(str::to_owned));
        self.commit(cx, params, all).await?;
        Ok(Applied { receipt: serde_json::to_value(receipt).ok() })
    }

    async fn undo(&self, cx: &StepCx<'_>, params: &Params, _found: &Output) -> Result<Undone, StepError> {
        let goal = self.goal(cx, params).await?;
        let own = params.own(&Receipt::of(cx));
        let rest = self.others(cx, params, goal.as_ref(), &own).await?;
        self.commit(cx, params, rest).await?;
        Ok(Undone::Removed)
    }

    /// Describes the work without a script: the right commit depends on what is deployed at that moment.
    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let taken_away = removing(cx);
        let manager = &params.network_manager;
        let (region, kind) = (params.region(), params.kind.as_str());
        let ids: Vec<&str> = params.configurations.iter().map(ResourceId::path).collect();
        let names: Vec<&str> = params.configurations.iter().map(ResourceId::name).collect();
        let words = sh::word;
        let at = format!(
            "--network-manager-name {} --resource-group {}",
            words(manager.name()),
            words(manager.resource_group().unwrap_or_default())
        );
        let what = if taken_away {
            format!(
                "Remove {} from what network manager {} has deployed in {region}: deploy everything else that is deployed \
                 there again, and nothing where there is nothing else",
                names.join(", "),
                manager.name()
            )
        } else {
            format!(
                "Deploy {} to {region} with network manager {}, together with everything that is deployed there already: \
                 Azure withdraws what a commit omits",
                names.join(", "),
                manager.name()
            )
        };
        let (listed, named) = if taken_away {
            (
                "that are shown there but these",
                format!("every id that the first command shows but {}", ids.join(" ")),
            )
        } else {
            (
                "that are shown there and these",
                format!("{} and every id that the first command shows", ids.join(" ")),
            )
        };
        let task = Task {
            what,
            privilege: vec![format!(
                "Microsoft.Network/networkManagers/commit/action and \
                 Microsoft.Network/networkManagers/listDeploymentStatus/action on {manager}: Network Contributor"
            )],
            by_hand: Some(format!(
                "Azure portal: network manager {}, Deployments, Deploy configurations, {region}, with the configurations \
                 {listed}. Or: az network manager list-deploy-status {at} --deployment-types {kind} \
                 --regions {region}, then az network manager post-commit {at} --commit-type {kind} --target-locations \
                 {region} --configuration-ids {named}",
                manager.name()
            )),
            acts: Vec::new(),
            back: Back {
                words: "deploy again to the region what was previously deployed there".to_owned(),
                request: None,
            },
        };
        let has = if taken_away { "does not have them" } else { "has them, Deployed" };
        let proof = format!("POST {manager}/listDeploymentStatus: {region} {has}");
        let outputs = std::collections::BTreeMap::from([
            ("network_manager", hand_over::text(manager)),
            ("region", hand_over::text(&region)),
        ]);
        Ok(HandOver { task: Some(task), proof, outputs, actor: None })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        const ACTIONS: [&str; 4] = [
            "Microsoft.Network/networkManagers/connectivityConfigurations/read",
            "Microsoft.Network/networkManagers/listActiveConnectivityConfigurations/action",
            "Microsoft.Network/networkManagers/listDeploymentStatus/action",
            "Microsoft.Network/networkManagers/commit/action",
        ];
        Ok(Permission::each(cx.identity()?, params.network_manager.path(), &ACTIONS))
    }
}
