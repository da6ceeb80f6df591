//! `avnm.network-manager`: the network manager of the central tenant, found or created.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, Contents, Decision, DeleteDelay, Difference, EffectClass, Ensure, HandOver, KindMeta,
    Marker, Misfit, Observed, Permission, Readiness, Step, StepCx, StepError, Task, Undone, Wait, WriteMeta,
};

use crate::avnm::child;
use crate::avnm::{API, Found, Manager, Provisioning, same_path};
use crate::azure::{Azure, assignable};
use crate::default_world;
use crate::hand_over;
use crate::ids::{ConnectionScope, Description, FoundName, NetworkManagers, ResourceId, not_a_manager_name};
use crate::kinds::bounds::{not_a_region, tags};
use crate::kinds::{reads_and_changes, removing, undoing};

/// Lists of a network manager to which others add; an update keeps their entries.
const MANAGED: [&str; 3] = [
    "/properties/networkManagerScopes/managementGroups",
    "/properties/networkManagerScopes/subscriptions",
    "/properties/networkManagerScopeAccesses",
];

/// Tag that holds the marker: people read and edit the description of a network manager, so it is not used.
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
    /// How to create the network manager if it does not exist. Without this it must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    create: Option<CreateParams>,
}

/// How a network manager is created.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct CreateParams {
    /// Region, for example westeurope.
    location: String,
    /// Subscriptions and management groups of its own tenant that it manages.
    scopes: Vec<ConnectionScope>,
    /// Features that it manages them with.
    #[serde(default = "CreateParams::usual_accesses")]
    scope_accesses: Vec<ScopeAccess>,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// Tags that it gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl CreateParams {
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
    name: FoundName,
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

fn body<'a>(create: &'a CreateParams, run: String) -> Body<'a> {
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
            description: create.description.as_ref().map(Description::as_str),
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

/// Wanted settings that the manager does not have; additional scopes and features are ignored. `exactly` (the plan wants the
/// manager absent): additional ones count as differences too, because the plan then describes another manager.
fn differences(create: &CreateParams, found: &Found<Manager>, exactly: bool) -> Vec<Difference> {
    let mut all = Vec::new();
    let plain = |region: &str| region.to_lowercase().replace(' ', "");
    if plain(&create.location) != plain(&found.location) {
        all.push(Difference::new("location", create.location.as_str(), found.location.as_str()).immutable());
    }
    let held = &found.properties.network_manager_scopes;
    let own: Vec<&str> =
        held.subscriptions.iter().chain(&held.management_groups).map(String::as_str).collect();
    let scopes: Vec<&str> = create.scopes.iter().map(ConnectionScope::path).collect();
    all.extend(compared("scopes", &scopes, &own, exactly, same_path));
    let across: Vec<&str> = held
        .cross_tenant_scopes
        .iter()
        .flat_map(|tenant| tenant.subscriptions.iter().chain(&tenant.management_groups))
        .map(String::as_str)
        .collect();
    all.extend(compared("cross-tenant scopes", &[], &across, exactly, same_path));
    let accesses: Vec<&str> =
        found.properties.network_manager_scope_accesses.iter().map(String::as_str).collect();
    let wanted: Vec<&str> = create.scope_accesses.iter().map(|access| access.as_str()).collect();
    all.extend(compared("scope accesses", &wanted, &accesses, exactly, str::eq_ignore_ascii_case));
    all
}

/// Compares two lists; `exactly`: `found` must not have other items.
fn compared(
    field: &str,
    wanted: &[&str],
    found: &[&str],
    exactly: bool,
    same: fn(&str, &str) -> bool,
) -> Option<Difference> {
    let lacks = |one: &[&str], other: &[&str]| -> Vec<String> {
        let missing = one.iter().filter(|one| !other.iter().any(|other| same(other, one)));
        missing.map(|one| (*one).to_owned()).collect()
    };
    let missing = lacks(wanted, found);
    let more = exactly && !lacks(found, wanted).is_empty();
    let said = match (more, wanted.is_empty()) {
        (false, _) if missing.is_empty() => return None,
        (false, _) => missing.join(", "),
        (true, false) => format!("only {}", wanted.join(", ")),
        (true, true) => "none".to_owned(),
    };
    Some(Difference::new(field, said, found.join(", ")))
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
                    advice: "see its Activity log in the portal and repair it there, then decide adopt"
                        .to_owned(),
                    differences: Vec::new(),
                }));
            }
        }
    }
    let differences =
        params.create.as_ref().map(|create| differences(create, &found, removing(cx))).unwrap_or_default();
    let subscription = params
        .id
        .subscription()
        .map(ConnectionScope::of_subscription)
        .ok_or_else(|| StepError::plan_wrong(format!("{} does not lie in a subscription", params.id)))?;
    let output = Output {
        id: params.id.clone(),
        name: FoundName::from(params.id.name()),
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
    const META: KindMeta = KindMeta {
        removable: true,
        delete_delay: Some(DeleteDelay {
            after: Duration::from_secs(60),
            why: "a network manager that is deleted right after its connections can leave their subscription unusable as \
              a scope permanently (Azure/azure-rest-api-specs#23188)",
        }),
        ..KindMeta::writes(
            "avnm.network-manager",
            "Find a network manager, or create it as the plan describes",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::from_secs(30),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { id: default_world::manager(), create: None }
    }

    fn misfits(params: &Params, ensure: Ensure) -> Vec<Misfit> {
        let mut all = Vec::new();
        if params.id.resource_group().is_none() {
            all.push(Misfit::new(&["id"], format!("{} does not lie in a resource group", params.id)));
        }
        let Some(create) = params.create.as_ref().filter(|_| ensure == Ensure::Present) else { return all };
        all.extend(not_a_manager_name(params.id.name()).map(|why| Misfit::new(&["id", "create"], why)));
        all.extend(
            not_a_region(&create.location).map(|why| Misfit::new(&["create"], why).within("location")),
        );
        if create.scopes.is_empty() {
            let why = "it is empty: a network manager manages at least one subscription or management group";
            all.push(Misfit::new(&["create"], why).within("scopes"));
        }
        for (position, scope) in create.scopes.iter().enumerate() {
            if create.scopes[..position].contains(scope) {
                let why = format!("{} is listed twice", scope.words());
                all.push(Misfit::new(&["create"], why).within("scopes").within(position));
            }
        }
        if create.scope_accesses.is_empty() {
            all.push(Misfit::new(&["create"], "it is empty: name a feature").within("scope_accesses"));
        }
        // The 50th tag holds the marker.
        for (name, why) in
            tags::wrong(create.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())), 49)
        {
            let tags = Misfit::new(&["create"], why).within("tags");
            all.push(match name {
                Some(name) => tags.within(name),
                None => tags,
            });
        }
        if create.tags.keys().any(|name| name.eq_ignore_ascii_case(TAG)) {
            all.push(
                Misfit::new(&["create"], format!("the tag {TAG} is reserved for twinspan")).within("tags"),
            );
        }
        all
    }

    fn claims(&self, cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        // Any number of runs may share a network manager that is only found.
        let changes = params.create.is_some() || removing(cx);
        changes.then(|| ClaimKey(params.id.key())).into_iter().collect()
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if params.create.is_some() {
            return Ok(Readiness::Ready);
        }
        let identity = cx.identity()?;
        Err(StepError::plan_wrong(format!(
            "network manager {} does not exist, as read by {}",
            params.id,
            crate::azure::people::who(identity)
        ))
        .hint("correct the id, create it in the portal, or describe it with `create:`"))
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
                "network manager {} does not exist and the plan has no `create:`",
                params.id
            ))
        })?;
        let arm = self.azure.arm(cx, cx.identity()?);
        let (path, body) = (params.id.path(), body(create, cx.owner.short()));
        if cx.overwrites {
            // The network manager may manage more scopes than this plan knows.
            arm.put_over(path, API, &body, &MANAGED).await?;
        } else {
            arm.put(path, API, &body).await?;
        }
        Ok(Applied::default())
    }

    async fn contents(
        &self,
        cx: &StepCx<'_>,
        _params: &Params,
        found: &Output,
    ) -> Result<Option<Contents>, StepError> {
        child::of_manager(&self.azure.arm(cx, cx.identity()?), found.id.path()).await
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        // No `force`: it would also delete children and deployed configurations that the manager still has.
        self.azure.arm(cx, cx.identity()?).delete(found.id.path(), API, &[]).await?;
        Ok(Undone::Removed)
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let mut outputs = BTreeMap::from([
            ("id", hand_over::text(&params.id)),
            ("name", hand_over::text(params.id.name())),
            ("resource_group", hand_over::text(params.id.resource_group().unwrap_or_default())),
        ]);
        let subscription = params.id.subscription().map(ConnectionScope::of_subscription);
        outputs.extend(subscription.map(|subscription| ("subscription", hand_over::text(subscription))));
        if removing(cx) {
            let task = Task {
                privilege: vec![format!(
                    "Microsoft.Network/networkManagers/write on {}: Network Contributor",
                    params.id
                )],
                by_hand: Some(String::new()),
                ..Task::default()
            };
            return hand_over::resource(params.id.path(), API, &BTreeMap::<(), ()>::new(), task);
        }
        let Some(create) = &params.create else {
            return Ok(HandOver { proof: format!("GET {}", params.id), outputs, ..HandOver::default() });
        };
        let task = Task {
            what: format!("Create network manager {} in {}", params.id.name(), create.location),
            privilege: vec![format!(
                "Microsoft.Network/networkManagers/write on the resource group of {}, and on every scope that it manages: \
                 Network Contributor",
                params.id
            )],
            by_hand: Some("Azure portal: Virtual network managers, Create".to_owned()),
            ..Task::default()
        };
        let said = hand_over::resource(params.id.path(), API, &body(create, cx.owner.short()), task)?;
        Ok(HandOver { outputs, ..said })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        const KIND: &str = "Microsoft.Network/networkManagers";
        let (own, group) = (cx.identity()?, assignable(params.id.path()));
        if params.create.is_some() || removing(cx) {
            return Ok(reads_and_changes(cx, own, &group, KIND));
        }
        Ok(Permission::each(own, &group, &[&format!("{KIND}/read")]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, body, params, wait};
    use twinspan_engine::Phase;

    const MANAGER: &str = default_world::MANAGER;
    const SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";

    fn kind(bench: &Bench) -> NetworkManager {
        NetworkManager { azure: Arc::clone(&bench.azure) }
    }

    fn to_create() -> Params {
        params(json!({ "id": MANAGER, "create": { "location": "westeurope", "scopes": [SUBSCRIPTION],
            "scope_accesses": ["Connectivity", "SecurityAdmin"], "tags": { "owner": "net" } } }))
    }

    fn found(tag: &str) -> serde_json::Value {
        json!({ "id": MANAGER, "name": "nm-group", "location": "West Europe", "tags": { "twinspan": tag }, "etag": "",
            "properties": { "provisioningState": "Succeeded", "networkManagerScopeAccesses": ["SecurityAdmin", "Connectivity"],
                "networkManagerScopes": { "managementGroups": [], "crossTenantScopes": [],
                    "subscriptions": [SUBSCRIPTION.to_uppercase()] } } })
    }

    #[tokio::test]
    async fn one_that_is_there_is_found_with_its_place() {
        let bench = Bench::new();
        bench.script.answer(200, &found("1a2b3c4d"));
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &to_create()).await.unwrap();
        let Observed::Present { output, marker } = seen else { panic!("{seen:?}") };
        assert_eq!(marker, Marker::Of("1a2b3c4d".to_owned()));
        assert_eq!(
            serde_json::to_value(output).unwrap(),
            json!({ "id": MANAGER, "name": "nm-group", "subscription": SUBSCRIPTION, "resource_group": "rg-network",
                "location": "West Europe", "scope_accesses": ["SecurityAdmin", "Connectivity"] })
        );
        assert_eq!(asked(&bench), [format!("GET {MANAGER}?api-version=2024-10-01")]);
    }

    #[tokio::test]
    async fn one_that_lacks_what_the_plan_asks_for_differs() {
        let bench = Bench::new();
        let mut other = found("other");
        other["properties"]["networkManagerScopes"]["subscriptions"] = json!([]);
        other["properties"]["networkManagerScopeAccesses"] = json!(["Connectivity"]);
        other["location"] = json!("northeurope");
        bench.script.answer(200, &other);
        let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &to_create()).await.unwrap();
        let Observed::Differs { differences, marker, .. } = seen else { panic!("{seen:?}") };
        let fields: Vec<&str> = differences.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(fields, ["location", "scopes", "scope accesses"]);
        assert_eq!(marker, Marker::None);
    }

    #[tokio::test]
    async fn one_on_its_way_is_waited_for_and_taken_back_all_the_same() {
        let bench = Bench::new();
        let mut early = found("1a2b3c4d");
        early["properties"]["provisioningState"] = json!("Updating");
        bench.script.answer(200, &early).answer(200, &early);
        let seen = Attempt::new(&bench, Phase::Verify).check(&kind(&bench), &to_create()).await.unwrap();
        assert_eq!(wait(seen).what, "network manager nm-group is Updating");
        let seen = Attempt::new(&bench, Phase::UndoProbe).check(&kind(&bench), &to_create()).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
    }

    #[tokio::test]
    async fn one_that_manages_more_is_found_and_is_not_the_one_to_remove() {
        let second = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000002";
        let group = "/providers/Microsoft.Management/managementGroups/mg-contoso";
        let across = json!([{ "tenantId": "t", "subscriptions": [second], "managementGroups": [] }]);
        for (path, value, field, wanted) in [
            ("/networkManagerScopes/subscriptions", json!([SUBSCRIPTION, second]), "scopes", "only"),
            ("/networkManagerScopes/managementGroups", json!([group]), "scopes", "only"),
            ("/networkManagerScopes/crossTenantScopes", across, "cross-tenant scopes", "none"),
            (
                "/networkManagerScopeAccesses",
                json!(["Routing", "Connectivity", "SecurityAdmin"]),
                "scope accesses",
                "only Connectivity, SecurityAdmin",
            ),
        ] {
            let bench = Bench::new();
            let mut more = found("1a2b3c4d");
            *more.pointer_mut(&format!("/properties{path}")).unwrap() = value;
            for answer in [&more, &more, &more, &found("1a2b3c4d")] {
                bench.script.answer(200, answer);
            }
            for phase in [Phase::Probe, Phase::UndoProbe] {
                let seen = Attempt::new(&bench, phase).check(&kind(&bench), &to_create()).await.unwrap();
                assert!(matches!(seen, Observed::Present { .. }), "{path} {phase:?}: {seen:?}");
            }
            let removing = Attempt::removing(&bench);
            let seen = removing.check(&kind(&bench), &to_create()).await.unwrap();
            let Observed::Differs { differences, .. } = seen else { panic!("{path}: {seen:?}") };
            assert_eq!((differences.len(), differences[0].field.as_str()), (1, field));
            assert!(differences[0].wanted.starts_with(wanted), "{differences:?}");
            let same = removing.check(&kind(&bench), &to_create()).await.unwrap();
            assert!(matches!(same, Observed::Present { .. }), "{same:?}");
        }
    }

    #[tokio::test]
    async fn without_create_it_must_be_there() {
        let bench = Bench::new();
        bench.script.answer(404, &json!({ "error": { "code": "ResourceNotFound", "message": "" } }));
        let attempt = Attempt::new(&bench, Phase::Probe);
        let (kind, params) = (kind(&bench), NetworkManager::example());
        assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
        let error = attempt.precondition(&kind, &params).await.unwrap_err();
        assert!(error.message.contains("does not exist, as read by central"), "{error}");
        assert!(attempt.apply(&kind, &params).await.is_err());
        assert_eq!(bench.script.requests().len(), 1, "nothing was sent");
    }

    #[tokio::test]
    async fn it_is_made_with_our_tag_and_taken_back_without_force() {
        let bench = Bench::new();
        bench.script.answer(200, &found("x")).answer(200, &found("x")).answer_with(202, &[], "");
        let (attempt, kind, params) = (Attempt::new(&bench, Phase::Apply), kind(&bench), to_create());
        attempt.apply(&kind, &params).await.unwrap();
        assert_eq!(
            body(&bench),
            json!({ "location": "westeurope", "tags": { "owner": "net", "twinspan": "00000007" }, "properties": {
                "networkManagerScopes": { "managementGroups": [], "subscriptions": [SUBSCRIPTION] },
                "networkManagerScopeAccesses": ["Connectivity", "SecurityAdmin"] } })
        );
        let seen = attempt.check(&kind, &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        Attempt::new(&bench, Phase::Undo).undo(&kind, &params, &output).await.unwrap();
        assert_eq!(asked(&bench)[2], format!("DELETE {MANAGER}?api-version=2024-10-01"));
    }

    #[tokio::test]
    async fn one_that_is_overwritten_goes_on_managing_what_it_manages() {
        let bench = Bench::new();
        let second = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000002";
        let mut there = found("1a2b3c4d");
        there["properties"]["description"] = json!("the group's");
        there["properties"]["networkManagerScopes"]["subscriptions"] = json!([second]);
        there["properties"]["networkManagerScopeAccesses"] = json!(["Routing", "Connectivity"]);
        there["tags"]["cost"] = json!("7");
        bench.script.answer(200, &there).answer(200, &there);
        let mut attempt = Attempt::new(&bench, Phase::Apply);
        attempt.overwrites = true;
        attempt.apply(&kind(&bench), &to_create()).await.unwrap();
        let sent = body(&bench);
        assert_eq!(sent["tags"], json!({ "cost": "7", "owner": "net", "twinspan": "00000007" }));
        assert_eq!(sent["properties"]["description"], "the group's");
        let scopes = &sent["properties"]["networkManagerScopes"];
        assert_eq!(scopes["subscriptions"], json!([SUBSCRIPTION, second]));
        assert_eq!(scopes["crossTenantScopes"], json!(null), "Azure's own");
        assert_eq!(
            sent["properties"]["networkManagerScopeAccesses"],
            json!(["Connectivity", "SecurityAdmin", "Routing"])
        );
    }
}
