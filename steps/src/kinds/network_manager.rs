//! `avnm.network-manager`: the network manager of the central tenant, found or made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, Decision, Difference, EffectClass, Marker, Observed, Readiness, Step, StepCx,
    StepError, Undone, Wait,
};

use crate::avnm::{API, Found, Manager, Provisioning, same_path};
use crate::azure::Azure;
use crate::default_world;
use crate::ids::{ConnectionScope, NetworkManagers, ResourceId, ResourceName};
use crate::kinds::undoing;

/// Tag that carries the marker: a network manager's description is shown to people and often edited.
const TAG: &str = "twinspan";

/// `avnm.network-manager`
pub(crate) struct NetworkManager {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `avnm.network-manager`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The network manager.
    id: ResourceId<NetworkManagers>,
    /// How to make it if it is not there. Without this it must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create: Option<Create>,
}

/// How a network manager is made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Create {
    /// Region, for example westeurope.
    location: String,
    /// Subscriptions and management groups of its own tenant that it manages.
    scopes: Vec<ConnectionScope>,
    /// Features that it manages them with.
    #[serde(default = "Create::usual_accesses")]
    scope_accesses: Vec<ScopeAccess>,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl Create {
    fn usual_accesses() -> Vec<ScopeAccess> {
        vec![ScopeAccess::Connectivity]
    }
}

/// A feature of a network manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, extend("x-twinspan-type" = "choice(SecurityAdmin,Connectivity,SecurityUser,Routing)"))]
pub(crate) enum ScopeAccess {
    /// Security admin rules.
    SecurityAdmin,
    /// Hub-and-spoke and mesh.
    Connectivity,
    /// Security user rules.
    SecurityUser,
    /// User-defined routes.
    Routing,
}

impl ScopeAccess {
    fn as_str(self) -> &'static str {
        match self {
            ScopeAccess::SecurityAdmin => "SecurityAdmin",
            ScopeAccess::Connectivity => "Connectivity",
            ScopeAccess::SecurityUser => "SecurityUser",
            ScopeAccess::Routing => "Routing",
        }
    }
}

/// Outputs of `avnm.network-manager`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The network manager.
    id: ResourceId<NetworkManagers>,
    /// Its name.
    name: ResourceName,
    /// The subscription that it lies in.
    subscription: ConnectionScope,
    /// The resource group that it lies in.
    resource_group: String,
    /// Its region.
    location: String,
    /// Features that it manages its scopes with.
    scope_accesses: Vec<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    location: &'a str,
    tags: BTreeMap<&'a str, String>,
    properties: Wanted<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    network_manager_scopes: WantedScopes<'a>,
    network_manager_scope_accesses: &'a [ScopeAccess],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WantedScopes<'a> {
    management_groups: Vec<&'a str>,
    subscriptions: Vec<&'a str>,
}

fn body<'a>(create: &'a Create, run: String) -> Body<'a> {
    let paths = |groups: bool| {
        create
            .scopes
            .iter()
            .filter(|scope| scope.is_management_group() == groups)
            .map(ConnectionScope::path)
            .collect()
    };
    let mut tags: BTreeMap<&str, String> =
        create.tags.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    tags.insert(TAG, run);
    Body {
        location: &create.location,
        tags,
        properties: Wanted {
            description: create.description.as_deref(),
            network_manager_scopes: WantedScopes {
                management_groups: paths(true),
                subscriptions: paths(false),
            },
            network_manager_scope_accesses: &create.scope_accesses,
        },
    }
}

fn marker(tags: &BTreeMap<String, String>) -> Marker {
    let run = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(TAG)).map(|(_, value)| value);
    match run {
        Some(run) if run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Marker::Of(run.clone())
        }
        _ => Marker::None,
    }
}

/// What the plan asks for and the manager lacks. More scopes and features than asked for are nobody's business here.
fn differences(create: &Create, found: &Found<Manager>) -> Vec<Difference> {
    let mut all = Vec::new();
    let plain = |region: &str| region.to_lowercase().replace(' ', "");
    if plain(&create.location) != plain(&found.location) {
        all.push(Difference {
            field: "location".to_owned(),
            wanted: create.location.clone(),
            found: found.location.clone(),
        });
    }
    let held = &found.properties.network_manager_scopes;
    let own: Vec<&String> = held.subscriptions.iter().chain(&held.management_groups).collect();
    let lacks: Vec<&str> = create
        .scopes
        .iter()
        .map(ConnectionScope::path)
        .filter(|scope| !own.iter().any(|id| same_path(id, scope)))
        .collect();
    if !lacks.is_empty() {
        all.push(Difference {
            field: "scopes".to_owned(),
            wanted: lacks.join(", "),
            found: own.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", "),
        });
    }
    let accesses = &found.properties.network_manager_scope_accesses;
    let lacks: Vec<&str> = create
        .scope_accesses
        .iter()
        .map(|access| access.as_str())
        .filter(|access| !accesses.iter().any(|found| found.eq_ignore_ascii_case(access)))
        .collect();
    if !lacks.is_empty() {
        all.push(Difference {
            field: "scope accesses".to_owned(),
            wanted: lacks.join(", "),
            found: accesses.join(", "),
        });
    }
    all
}

fn observed(cx: &StepCx<'_>, params: &Params, found: Found<Manager>) -> Result<Observed<Output>, StepError> {
    let marker = marker(&found.tags);
    if !undoing(cx) {
        match &found.properties.provisioning_state {
            Provisioning::Succeeded => {}
            Provisioning::Underway(state) => {
                let wait = Wait::remote(format!("network manager {} is {state}", params.id.name()));
                return Ok(Observed::Converging { wait, marker });
            }
            Provisioning::Failed(state) => {
                return Ok(Observed::Conflict(Decision {
                    what: format!("provisioning of network manager {} is {state}", params.id.name()),
                    advice: "look at it in the portal (Activity log) and repair it there, then decide adopt"
                        .to_owned(),
                    differences: Vec::new(),
                }));
            }
        }
    }
    let differences = params.create.as_ref().map(|create| differences(create, &found)).unwrap_or_default();
    let subscription = params
        .id
        .subscription()
        .map(ConnectionScope::of_subscription)
        .ok_or_else(|| StepError::plan_wrong(format!("{} does not lie in a subscription", params.id)))?;
    let output = Output {
        id: params.id.clone(),
        name: params.id.name().parse()?,
        subscription,
        resource_group: params.id.resource_group().unwrap_or_default().to_owned(),
        location: found.location,
        scope_accesses: found.properties.network_manager_scope_accesses,
    };
    if differences.is_empty() {
        Ok(Observed::Present { output, marker })
    } else {
        Ok(Observed::Differs { output, differences, marker })
    }
}

impl Step for NetworkManager {
    const KIND: &'static str = "avnm.network-manager";
    const SUMMARY: &'static str = "Find a network manager, or make it where the plan says how";
    const EFFECT: EffectClass = EffectClass::PutSame;
    const SETTLE: Duration = Duration::from_secs(30);

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { id: default_world::manager(), create: None }
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        // One that is only looked up is shared by any number of runs.
        params.create.iter().map(|_| ClaimKey(params.id.key())).collect()
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if params.create.is_some() {
            return Ok(Readiness::Ready);
        }
        let identity = cx.identity()?;
        Err(StepError::plan_wrong(format!(
            "network manager {} does not exist, as {} sees it",
            params.id,
            crate::people::who(identity)
        ))
        .hint("correct the id, make it in the portal, or say how to make it with `create:`"))
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let found: Option<Found<Manager>> =
            self.azure.arm(cx, cx.identity()?).get(params.id.path(), API).await?;
        match found {
            Some(found) => observed(cx, params, found),
            None => Ok(Observed::Absent),
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let create = params.create.as_ref().ok_or_else(|| {
            StepError::plan_wrong(format!(
                "network manager {} is not there and the plan has no `create:`",
                params.id
            ))
        })?;
        let _: Found<Manager> = self
            .azure
            .arm(cx, cx.identity()?)
            .put(params.id.path(), API, &body(create, cx.run.short()))
            .await?;
        Ok(Applied::default())
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        // Without `force`: a manager that still has children or deployed configurations is not torn down by the way.
        self.azure.arm(cx, cx.identity()?).delete(found.id.path(), API, &[]).await?;
        Ok(Undone::Removed)
    }
}
