//! `azure.virtual-networks`: checks that virtual networks exist, and outputs their regions for later steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Check, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError};

use crate::avnm::deployment::region;
use crate::avnm::network::Network;
use crate::avnm::{API, Found};
use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::ids::{ResourceId, Scope, ScopeKind};
use crate::kinds::bounds::not_networks;

/// `azure.virtual-networks`
pub(crate) struct VirtualNetworks {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.virtual-networks`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The virtual networks.
    #[schemars(extend("x-twinspan-type" = "resource-id(Microsoft.Network/virtualNetworks)"))]
    ids: Vec<ResourceId>,
    /// The subscription in which they must lie. The contents of a management group are not known, so it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<Scope>,
}

/// Outputs of `azure.virtual-networks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The virtual networks, in the order of `ids`.
    networks: Vec<VirtualNetwork>,
    /// Their ids.
    ids: Vec<ResourceId>,
    /// Their regions, each once.
    regions: Vec<String>,
}

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct VirtualNetwork {
    /// The virtual network.
    id: ResourceId,
    /// Its name.
    name: String,
    /// Its region.
    region: String,
    /// Its address space.
    address_prefixes: Vec<String>,
}

impl Params {
    /// Errors that the ids alone show.
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = not_networks(&["ids"], &self.ids);
        let Some(within) = self.within.as_ref().filter(|within| within.kind() != ScopeKind::ManagementGroup)
        else {
            return all;
        };
        for (position, id) in self.ids.iter().enumerate() {
            if !id.path().parse::<Scope>().is_ok_and(|id| within.holds(&id)) {
                let why = format!(
                    "virtual network {id} does not lie in {}: only virtual networks of the connected scope can be members",
                    within.words()
                );
                all.push(Misfit::new(&["ids", "within"], why).within(position));
            }
        }
        all
    }
}

impl Check for VirtualNetworks {
    const META: KindMeta = KindMeta::reads(
        "azure.virtual-networks",
        "Verify that virtual networks exist, and read their regions and address spaces",
    );

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { ids: vec![default_world::spoke()], within: Some(default_world::target().scope().clone()) }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        let arm = self.azure.arm(cx, identity);
        let mut networks = Vec::with_capacity(params.ids.len());
        let mut missing = Vec::new();
        for id in &params.ids {
            let found: Option<Found<Network>> = arm.get(id.path(), API).await?;
            match found {
                Some(found) => networks.push(VirtualNetwork {
                    id: id.clone(),
                    name: found.name,
                    region: found.location,
                    address_prefixes: found.properties.prefixes().to_vec(),
                }),
                None => missing.push(id.path()),
            }
        }
        if !missing.is_empty() {
            return Err(StepError::plan_wrong(format!(
                "{} cannot find {}",
                people::who(identity),
                missing.join(", ")
            ))
            .hint("correct the list, or create the virtual networks, and retry the step"));
        }
        // Azure writes one region in several ways.
        let regions: BTreeMap<String, &str> =
            networks.iter().map(|network| (region(&network.region), network.region.as_str())).collect();
        let output = Output {
            ids: params.ids.clone(),
            regions: regions.into_values().map(str::to_owned).collect(),
            networks,
        };
        Ok(Observed::Present { output, marker: Marker::NoPlace })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let identity = cx.identity()?;
        let read = |id: &ResourceId| {
            Permission::each(identity, id.path(), &["Microsoft.Network/virtualNetworks/read"])
        };
        Ok(params.ids.iter().flat_map(read).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, params};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    fn kind(bench: &Bench) -> Reading<VirtualNetworks> {
        Reading(VirtualNetworks { azure: Arc::clone(&bench.azure) })
    }

    #[tokio::test]
    async fn regions_and_addresses_are_kept() {
        let bench = Bench::new();
        bench.script.answer(
            200,
            &json!({ "name": "vnet-app", "location": "westeurope",
                "properties": { "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] } } }),
        );
        let attempt = Attempt::new(&bench, Phase::Probe);
        let seen = attempt.check(&kind(&bench), &VirtualNetworks::example()).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert_eq!(
            (output.regions, output.networks[0].address_prefixes.join(",")),
            (vec!["westeurope".to_owned()], "10.1.0.0/16".to_owned())
        );
        assert_eq!(asked(&bench), [format!("GET {}?api-version=2024-10-01", default_world::spoke())]);
        // Azure may write one region in two ways.
        for (network, location) in
            [(default_world::spoke(), "westeurope"), (default_world::hub(), "West Europe")]
        {
            let body = json!({ "name": network.name(), "location": location, "properties": {} });
            bench.script.answer(200, &body);
        }
        let two = params(json!({ "ids": [default_world::spoke(), default_world::hub()] }));
        let Observed::Present { output, .. } = attempt.check(&kind(&bench), &two).await.unwrap() else {
            panic!()
        };
        assert_eq!((output.regions.len(), output.networks.len()), (1, 2), "{output:?}");
        let none = attempt.check(&kind(&bench), &params(json!({ "ids": [] }))).await.unwrap();
        assert!(matches!(none, Observed::Present { output, .. } if output.networks.is_empty()));
    }

    #[tokio::test]
    async fn what_cannot_be_is_said_before_anything_is_asked() {
        let bench = Bench::new();
        let attempt = Attempt::new(&bench, Phase::Probe);
        for wrong in [
            json!({ "ids": [default_world::hub()], "within": default_world::target() }),
            json!({ "ids": [default_world::manager()] }),
        ] {
            let error = attempt.check(&kind(&bench), &params(wrong)).await.unwrap_err();
            assert!(error.message.contains("virtual network"), "{error}");
        }
        assert!(bench.script.requests().is_empty());
    }

    #[tokio::test]
    async fn a_network_that_is_not_there_is_named() {
        let bench = Bench::new();
        bench.script.answer(404, &json!({ "error": { "code": "ResourceNotFound", "message": "" } }));
        let error = Attempt::new(&bench, Phase::Probe)
            .check(&kind(&bench), &VirtualNetworks::example())
            .await
            .unwrap_err();
        assert!(error.message.contains("cannot find /subscriptions/bbbbbbbb"), "{error}");
    }
}
