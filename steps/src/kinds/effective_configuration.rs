//! `avnm.effective-configuration`: checks which configurations of a network manager are in effect on a virtual network.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Check, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError, Wait};

use crate::avnm::{API, or_default, same_path};
use crate::azure::Azure;
use crate::default_world;
use crate::ids::{ConnectivityConfigurations, NetworkManagers, ResourceId};
use crate::kinds::bounds::VIRTUAL_NETWORK;

/// `avnm.effective-configuration`
pub(crate) struct EffectiveConfiguration {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.effective-configuration`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The virtual network.
    #[schemars(extend("x-twinspan-type" = "resource-id(Microsoft.Network/virtualNetworks)"))]
    virtual_network: ResourceId,
    /// The network manager whose configurations count; those of other network managers are ignored.
    network_manager: ResourceId<NetworkManagers>,
    /// A list of configurations that must be in effect, or `any` (at least one), or `none`.
    #[schemars(extend("x-twinspan-type" = "any"))]
    expect: Expect,
    /// No other configuration of the network manager may be in effect.
    #[serde(default)]
    exactly: bool,
}

/// What must be in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Expect {
    /// `any` or `none`.
    Word(Word),
    /// All of these configurations.
    These(Vec<ResourceId<ConnectivityConfigurations>>),
}

/// Whether a configuration must be in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum Word {
    /// At least one.
    Any,
    /// None.
    None,
}

/// Outputs of `avnm.effective-configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The virtual network.
    virtual_network: ResourceId,
    /// Configurations of the network manager that are in effect.
    configurations: Vec<String>,
    /// Their network groups, each once.
    groups: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Effective {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    configuration_groups: Vec<Group>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Group {
    #[serde(deserialize_with = "or_default")]
    id: String,
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Word(Word::Any) => f.write_str("at least one configuration"),
            Expect::Word(Word::None) => f.write_str("no configuration"),
            Expect::These(these) => {
                let names: Vec<&str> = these.iter().map(ResourceId::name).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = Vec::new();
        if !self.virtual_network.is_a(VIRTUAL_NETWORK) {
            let why = format!("{} is not the id of a virtual network", self.virtual_network);
            all.push(Misfit::new(&["virtual_network"], why));
        }
        let Expect::These(these) = &self.expect else { return all };
        if these.is_empty() {
            let why = "it is empty: write `none` if nothing may be in effect";
            all.push(Misfit::new(&["expect"], why));
        }
        let manager = self.network_manager.path();
        for (position, id) in these.iter().enumerate().filter(|(_, id)| !same_path(id.above(1), manager)) {
            let why = format!("configuration {id} does not belong to network manager {manager}");
            all.push(Misfit::new(&["expect", "network_manager"], why).within(position));
        }
        all
    }

    fn is_of_manager(&self, configuration: &str) -> bool {
        let mut above = configuration.trim_matches('/').rsplitn(3, '/').skip(2);
        above.next().is_some_and(|manager| same_path(manager, self.network_manager.path()))
    }

    /// How `found` differs from what is expected; `None` if it does not.
    fn lacks(&self, found: &[String]) -> Option<String> {
        let there =
            |id: &ResourceId<ConnectivityConfigurations>| found.iter().any(|f| same_path(f, id.path()));
        let names = |of: &mut dyn Iterator<Item = &str>| of.collect::<Vec<_>>().join(", ");
        let shown = || names(&mut found.iter().map(|id| id.rsplit('/').next().unwrap_or(id)));
        match &self.expect {
            Expect::Word(Word::None) if !found.is_empty() => {
                Some(format!("{} still in effect", are(&shown())))
            }
            Expect::Word(Word::Any) if found.is_empty() => Some("none is in effect yet".to_owned()),
            Expect::Word(_) => None,
            Expect::These(these) => {
                let missing = names(&mut these.iter().filter(|id| !there(id)).map(|id| id.name()));
                if !missing.is_empty() {
                    return Some(format!("{} not in effect yet", are(&missing)));
                }
                let wanted = |id: &&String| !these.iter().any(|wanted| same_path(wanted.path(), id));
                let more = found.iter().filter(wanted).map(|id| id.rsplit('/').next().unwrap_or(id));
                let more = names(&mut more.filter(|_| self.exactly));
                (!more.is_empty()).then(|| format!("{} also in effect", are(&more)))
            }
        }
    }

    fn judge(&self, listed: Vec<Effective>) -> Observed<Output> {
        let mut output = Output {
            virtual_network: self.virtual_network.clone(),
            configurations: Vec::new(),
            groups: Vec::new(),
        };
        for effective in listed.into_iter().filter(|effective| self.is_of_manager(&effective.id)) {
            output.configurations.push(effective.id);
            for group in effective.configuration_groups {
                if !output.groups.iter().any(|known| same_path(known, &group.id)) {
                    output.groups.push(group.id);
                }
            }
        }
        let Some(lacks) = self.lacks(&output.configurations) else {
            return Observed::Present { output, marker: Marker::NoPlace };
        };
        let wait = Wait::remote(format!(
            "{} of network manager {} must be in effect at virtual network {}: {lacks}",
            self.expect,
            self.network_manager.name(),
            self.virtual_network.name()
        ))
        .who("Azure: up to 20 minutes are usual")
        .otherwise(
            "a configuration reaches only members in the manager's scope, in regions that it is deployed to: see the \
             deployments of the network manager, and the members of its groups",
        );
        Observed::Converging { wait, marker: Marker::NoPlace }
    }
}

fn are(names: &str) -> String {
    if names.contains(", ") { format!("{names} are") } else { format!("{names} is") }
}

impl Check for EffectiveConfiguration {
    const META: KindMeta = KindMeta {
        // Deployments of others change the lists; the check compares only what is expected.
        volatile_outputs: &["configurations", "groups"],
        ..KindMeta::reads(
            "avnm.effective-configuration",
            "Verify which configurations of a network manager are in effect at a virtual network",
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            virtual_network: default_world::hub(),
            network_manager: default_world::manager(),
            expect: Expect::Word(Word::None),
            exactly: false,
        }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let path = format!(
            "{}/listNetworkManagerEffectiveConnectivityConfigurations",
            params.virtual_network.path()
        );
        let listed = self.azure.arm(cx, cx.identity()?).query_list(&path, API, &[]).await?;
        Ok(params.judge(listed))
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let action =
            "Microsoft.Network/virtualNetworks/listNetworkManagerEffectiveConnectivityConfigurations/action";
        Ok(Permission::each(cx.identity()?, params.virtual_network.path(), &[action]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, params};
    use twinspan_engine::Reading;
    use twinspan_engine::{FailureClass, Phase};

    fn of(manager: &str, name: &str) -> Value {
        json!({ "id": format!("{manager}/connectivityConfigurations/{name}"), "properties": {},
            "configurationGroups": [{ "id": default_world::group() }] })
    }

    fn given(expect: Value, exactly: bool) -> Params {
        params(json!({ "virtual_network": default_world::spoke(), "network_manager": default_world::MANAGER,
            "expect": expect, "exactly": exactly }))
    }

    async fn seen(given: &Params, listed: &[Value]) -> Observed<Output> {
        let bench = Bench::new();
        bench.script.answer(200, &json!({ "value": listed, "skipToken": "" }));
        let kind = Reading(EffectiveConfiguration { azure: Arc::clone(&bench.azure) });
        Attempt::new(&bench, Phase::Probe).check(&kind, given).await.unwrap()
    }

    async fn waits(given: &Params, listed: &[Value]) -> String {
        let what = crate::kinds::wire_test::wait(seen(given, listed).await).what;
        what.rsplit(": ").next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn only_configurations_of_the_manager_count() {
        let manager = default_world::MANAGER;
        let other = manager.replace("nm-group", "nm-other");
        let none = given(json!("none"), false);
        let found = seen(&none, &[of(&other, "c")]).await;
        assert!(matches!(&found, Observed::Present { output, .. } if output.configurations.is_empty()));
        assert_eq!(waits(&none, &[of(&manager.to_uppercase(), "c")]).await, "c is still in effect");
        let any = given(json!("any"), false);
        assert_eq!(waits(&any, &[of(&other, "c")]).await, "none is in effect yet");
        assert!(matches!(seen(&any, &[of(manager, "c")]).await, Observed::Present { .. }));
        let these = given(json!([of(manager, "a")["id"], of(manager, "b")["id"]]), false);
        assert_eq!(waits(&these, &[]).await, "a, b are not in effect yet");
        let found = seen(&these, &[of(manager, "B"), of(manager, "a"), of(manager, "c")]).await;
        let Observed::Present { output, .. } = found else { panic!("{found:?}") };
        assert_eq!((output.configurations.len(), output.groups.len()), (3, 1));
        let exactly = Params { exactly: true, ..these };
        let more = waits(&exactly, &[of(manager, "a"), of(manager, "b"), of(manager, "c")]).await;
        assert_eq!(more, "c is also in effect");
    }

    #[tokio::test]
    async fn every_page_is_read_as_the_one_who_may_look() {
        let bench = Bench::new();
        let manager = default_world::MANAGER;
        bench.script.answer(200, &json!({ "value": [], "skipToken": "x" }));
        bench.script.answer(200, &json!({ "value": [of(manager, "a")] }));
        let kind = Reading(EffectiveConfiguration { azure: Arc::clone(&bench.azure) });
        let attempt = Attempt::new(&bench, Phase::Probe);
        let found = attempt.check(&kind, &given(json!("any"), false)).await.unwrap();
        assert!(matches!(found, Observed::Present { .. }), "{found:?}");
        let requests = bench.script.requests();
        assert_eq!((&requests[0].body, &requests[1].body), (&json!({}), &json!({ "skipToken": "x" })));
        let path = "listNetworkManagerEffectiveConnectivityConfigurations?api-version=2024-10-01";
        assert!(asked(&bench)[0].ends_with(path), "{:?}", asked(&bench));
    }

    #[tokio::test]
    async fn ids_that_cannot_be_are_refused() {
        let bench = Bench::new();
        let kind = Reading(EffectiveConfiguration { azure: Arc::clone(&bench.azure) });
        let other = default_world::MANAGER.replace("nm-group", "nm-other");
        let mut no_network = given(json!("none"), false);
        no_network.virtual_network = default_world::MANAGER.parse().unwrap();
        for given in [given(json!([of(&other, "c")["id"]]), false), given(json!([]), true), no_network] {
            let error = Attempt::new(&bench, Phase::Probe).check(&kind, &given).await.unwrap_err();
            assert_eq!(error.class, FailureClass::PlanWrong);
        }
        assert_eq!(asked(&bench).len(), 0);
    }
}
