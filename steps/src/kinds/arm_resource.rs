//! `arm.resource`: any resource of Azure Resource Manager, by its id and body.

mod bounds;
mod comparison;
mod contents;
mod paths;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use twinspan_engine::{
    Act, Applied, ClaimKey, Compare, Contents, Difference, EffectClass, Ensure, HandOver, KindMeta, Marker,
    Misfit, Observed, Permission, Step, StepCx, StepError, Task, Undone, Wait, WriteMeta,
};

use crate::avnm::Provisioning;
use crate::azure::people;
use crate::azure::{Azure, assignable, unproven};
use crate::hand_over;
use crate::ids::ResourceId;
use crate::kinds::{reads_and_changes, removing, undoing};
use comparison::Except;
use paths::Path;

/// `arm.resource`
pub(crate) struct ArmResource {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `arm.resource`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The resource.
    id: ResourceId,
    /// Api-version of its type, for example 2024-10-01.
    api_version: String,
    /// The body that is sent. Every field given here is compared with what Azure returns; other fields are ignored. With
    /// `ensure: absent` only a resource that has these fields is deleted; `{}` matches every resource.
    #[schemars(with = "Value", extend("x-twinspan-type" = "any"))]
    body: Map<String, Value>,
    /// Fields of `body` that Azure accepts and does not return, such as /properties/authorizationKey: they are sent, never
    /// compared and never shown. Fields with names of secrets (sharedKey, adminPassword …) need not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    write_only: Vec<Path>,
    /// Fields that are not compared, such as /properties/routes/*/hasBgpOverride: others, or Azure, may change them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    ignore: Vec<Path>,
}

impl Params {
    fn differences(&self, found: &Value) -> Vec<Difference> {
        let paths = self.write_only.iter().chain(&self.ignore).collect();
        comparison::differences(&self.body, found, &Except { paths })
    }
}

/// Outputs of `arm.resource`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The resource.
    id: ResourceId,
    /// The resource as Azure returns it, without secrets.
    #[schemars(extend("x-twinspan-type" = "any"))]
    body: Value,
}

/// What the response to the create request contained: evidence of whether the request created the resource.
#[derive(Serialize, Deserialize)]
struct Receipt {
    status: u16,
    /// Earliest possible creation time, by Azure's clock.
    not_before: Timestamp,
}

impl Receipt {
    /// Whether the request created the resource `found`. A PUT is also accepted for a resource that exists, so without proof
    /// (status 201, or a creation time after the request) the resource may be pre-existing.
    fn marker(&self, id: &ResourceId, found: &Value) -> Marker {
        let created = found.pointer("/systemData/createdAt").and_then(Value::as_str);
        let created: Option<Timestamp> = created.and_then(|at| at.parse().ok());
        // Network managers and their children respond 200 to every write, and each write resets the creation time.
        let kind = id.resource_type().to_ascii_lowercase();
        let silent = kind.starts_with("microsoft.network/networkmanager");
        let new = created.is_some_and(|created| created >= self.not_before);
        if self.status == 201 || silent || new {
            Marker::NoPlace
        } else {
            Marker::Before(unproven(self.status))
        }
    }
}

fn provisioning(found: &Value) -> Provisioning {
    let state = found.get("properties").and_then(|properties| properties.get("provisioningState"));
    state.and_then(Value::as_str).map(|text| text.to_owned().into()).unwrap_or_default()
}

fn observed(params: &Params, mut found: Value, look: Reading, receipt: Option<&Receipt>) -> Observed<Output> {
    let marker = receipt.map_or(Marker::NoPlace, |receipt| receipt.marker(&params.id, &found));
    secrets::without(&Value::Object(params.body.clone()), &mut found);
    let mut all = Vec::new();
    match provisioning(&found) {
        _ if look == Reading::TakeBack => {
            let output = Output { id: params.id.clone(), body: found };
            return Observed::Present { output, marker };
        }
        // A delete is possible in every state.
        _ if look == Reading::Remove => {}
        Provisioning::Underway(state) => {
            return Observed::Converging { wait: Wait::remote(format!("{} is {state}", params.id)), marker };
        }
        Provisioning::Failed(state) => {
            all.push(Difference::new("provisioning state".to_owned(), "Succeeded".to_owned(), state))
        }
        Provisioning::Succeeded => {}
    }
    all.extend(params.differences(&found));
    let output = Output { id: params.id.clone(), body: found };
    if all.is_empty() {
        Observed::Present { output, marker }
    } else {
        Observed::Differs { output, differences: all, marker }
    }
}

/// The purpose of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The resource must exist, as the plan describes it.
    Create,
    /// Undo: this run created the resource, so it counts as present in every state.
    TakeBack,
    /// The resource must be absent; it is deleted only if it is what the plan describes.
    Remove,
}

impl Reading {
    fn of(cx: &StepCx<'_>) -> Self {
        match (removing(cx), undoing(cx)) {
            (true, _) => Reading::Remove,
            (false, true) => Reading::TakeBack,
            (false, false) => Reading::Create,
        }
    }
}

impl Step for ArmResource {
    const META: KindMeta = KindMeta {
        removable: true,
        auxiliary: true,
        volatile_outputs: &["body"],
        secrets: &["body"],
        ..KindMeta::writes(
            "arm.resource",
            "Create any Azure resource by its id and body",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::from_secs(30),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };
    const WRITTEN_SECRETS: fn(&Value) -> Vec<Vec<String>> = paths::written_secrets;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        let mut body = Map::new();
        body.insert("location".to_owned(), "westeurope".into());
        Params {
            id: ResourceId::known(
                "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-twinspan",
            ),
            api_version: "2022-09-01".to_owned(),
            body,
            write_only: Vec::new(),
            ignore: Vec::new(),
        }
    }

    fn misfits(params: &Params, ensure: Ensure) -> Vec<Misfit> {
        bounds::misfits(params, ensure)
    }

    const CLASHES: Option<Compare<Params>> = Some(bounds::clashes);

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        vec![ClaimKey(params.id.key())]
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        // A response without fields proves nothing about the resource.
        let found: Option<Map<String, Value>> =
            self.azure.arm(cx, cx.identity()?).get(params.id.path(), &params.api_version).await?;
        let receipt = cx.receipt.and_then(|receipt| Receipt::deserialize(receipt).ok());
        let seen = |found| observed(params, Value::Object(found), Reading::of(cx), receipt.as_ref());
        Ok(found.map_or(Observed::Absent, seen))
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let mut arm = self.azure.arm(cx, cx.identity()?);
        if let Some(auxiliary) = cx.auxiliary {
            arm = arm.auxiliary(auxiliary);
        }
        let (path, api) = (params.id.path(), &params.api_version);
        let body = secrets::revealed(&self.azure, &params.body).await?;
        // The transcript shows the reference to a secret, not the secret.
        let shown = secrets::holds_any(&params.body).then(|| Value::Object(params.body.clone()));
        arm = arm.shown(shown);
        let reply = match cx.overwrites {
            true => arm.put_over(path, api, &body, &[]).await?,
            false => arm.put(path, api, &body).await?,
        };
        let receipt = Receipt { status: reply.status, not_before: reply.not_before };
        Ok(Applied { receipt: serde_json::to_value(receipt).ok() })
    }

    async fn contents(
        &self,
        cx: &StepCx<'_>,
        params: &Params,
        found: &Output,
    ) -> Result<Option<Contents>, StepError> {
        contents::of(&self.azure.arm(cx, cx.identity()?), &found.id, &params.body, &found.body).await
    }

    async fn undo(&self, cx: &StepCx<'_>, params: &Params, found: &Output) -> Result<Undone, StepError> {
        self.azure.arm(cx, cx.identity()?).delete(found.id.path(), &params.api_version, &[]).await?;
        Ok(Undone::Removed)
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let task = Task {
            what: format!("Create {}", params.id),
            privilege: vec![format!("to write {}: for example Contributor on its resource group", params.id)],
            ..Task::default()
        };
        let mut said = hand_over::resource(params.id.path(), &params.api_version, &params.body, task)?;
        if secrets::holds_any(&params.body) && !removing(cx) {
            // A script is stored, and a secret in it would be stored too.
            if let Some(task) = &mut said.task {
                task.acts.clear();
                task.by_hand = Some(format!(
                    "create {} in the portal as the plan describes, with the secrets that it names: no script contains them",
                    params.id
                ));
            }
        }
        let auxiliary = cx.auxiliary.map(people::tenant).transpose()?.map(|tenant| tenant.to_string());
        for act in said.task.iter_mut().flat_map(|task| &mut task.acts) {
            if let Act::Create(make) = act {
                make.write.auxiliary.clone_from(&auxiliary);
            }
        }
        said.outputs.insert("id", hand_over::text(&params.id));
        Ok(said)
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let kind = match params.id.resource_type() {
            none if none.is_empty() => "Microsoft.Resources/subscriptions/resourceGroups".to_owned(),
            kind => kind,
        };
        Ok(reads_and_changes(cx, cx.identity()?, &assignable(params.id.path()), &kind))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, body, params, wait};
    use twinspan_engine::Phase;

    fn wanted() -> Params {
        params(
            json!({ "id": "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-x", "api_version": "2022-09-01",
            "body": { "location": "westeurope", "tags": { "a": "b" }, "properties": { "list": [{ "id": "/subscriptions/X/y" }] } } }),
        )
    }

    fn seen(found: serde_json::Value) -> Observed<Output> {
        observed(&wanted(), found, Reading::Create, None)
    }

    #[test]
    fn what_is_wanted_is_a_part_of_what_is_found() {
        let same = json!({ "id": "x", "location": "West Europe", "tags": { "a": "b", "more": "1" },
            "properties": { "provisioningState": "Succeeded", "List": [{ "id": "subscriptions/x/Y", "etag": "" }] } });
        assert!(matches!(seen(same.clone()), Observed::Present { .. }));
        let mut other = same.clone();
        other["tags"] = json!({ "a": "c" });
        other["properties"]["List"] = json!([]);
        let Observed::Differs { differences, .. } = seen(other) else { panic!() };
        let fields: Vec<&str> = differences.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!(fields, ["tags.a", "properties.list[subscriptions/x/y]"]);
        let mut early = same;
        early["properties"]["provisioningState"] = json!("Creating");
        assert!(wait(seen(early.clone())).what.ends_with("is Creating"));
        assert!(matches!(observed(&wanted(), early, Reading::TakeBack, None), Observed::Present { .. }));
    }

    #[test]
    fn a_secret_is_not_written_into_a_plan() {
        let given = |key: Value| {
            let mut params = wanted();
            params.body.insert("properties".to_owned(), json!({ "sharedKey": key, "token": "x" }));
            let misfits =
                [Ensure::Present, Ensure::Absent].map(|ensure| ArmResource::misfits(&params, ensure));
            assert_eq!(misfits[0], misfits[1]);
            let [misfits, _] = misfits;
            let places = misfits.iter().map(|misfit| misfit.within.join("/")).collect::<Vec<_>>();
            assert!(
                misfits
                    .iter()
                    .all(|misfit| misfit.why.contains("is a secret") && !misfit.why.contains("abc"))
            );
            places
        };
        assert_eq!(given(json!("abc")), ["properties/sharedKey", "properties/token"]);
        assert_eq!(given(json!({ "$secret": { "env": "PSK" } })), ["properties/token"]);
        assert_eq!(
            given(json!({ "env": "PSK" })),
            ["properties/sharedKey", "properties/token"],
            "would be sent as it stands"
        );
    }

    #[test]
    fn what_is_declared_as_written_only_must_be_written() {
        let mut params = wanted();
        params.write_only = vec!["/properties/sharedkeys".parse().unwrap()];
        let misfits = ArmResource::misfits(&params, Ensure::Present);
        assert!(misfits[0].why.contains("it names /properties/sharedkeys"), "{misfits:?}");
    }

    /// The plan, the journal and the transcript contain the reference; only the request contains the secret.
    #[tokio::test]
    async fn a_secret_is_read_when_it_is_sent_and_never_kept() {
        let bench = Bench::new();
        let kind = ArmResource { azure: Arc::clone(&bench.azure) };
        let mut params = wanted();
        let reference = json!({ "$secret": { "env": "PSK" } });
        params.body.insert("properties".to_owned(), json!({ "routingWeight": 1, "value": reference }));
        bench.script.answer(
            201,
            &json!({ "id": params.id.path(), "name": "rg-x", "type": "Microsoft.Resources/resourceGroups",
            "properties": { "value": crate::azure::scripted::SECRET } }),
        );
        let attempt = Attempt::new(&bench, Phase::Apply);
        let kept = serde_json::to_string(&attempt.transcript(&kind, &params).await).unwrap();
        let sent = body(&bench);
        assert_eq!(sent["properties"]["value"], crate::azure::scripted::SECRET, "{sent}");
        assert!(!kept.contains(crate::azure::scripted::SECRET) && kept.contains("[redacted]"), "{kept}");
        let found = json!({ "location": "westeurope", "tags": { "a": "b" }, "properties": { "routingWeight": 1, "value": "else" } });
        let Observed::Present { output, .. } = observed(&params, found, Reading::Create, None) else {
            panic!()
        };
        assert_eq!(output.body["properties"], json!({ "routingWeight": 1 }));
    }

    /// The plan adds a tag to another team's virtual network: the other fields of the network stay.
    #[tokio::test]
    async fn what_is_overwritten_keeps_what_the_plan_does_not_speak_of() {
        let bench = Bench::new();
        let id = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
        let params: Params = params(
            json!({ "id": id, "api_version": "2024-05-01", "body": { "tags": { "a": "b" },
            "properties": { "subnets": [{ "name": "one", "properties": { "addressPrefix": "10.0.0.0/24" } }] } } }),
        );
        let found = json!({ "id": id, "name": "v", "type": "Microsoft.Network/virtualNetworks", "etag": "W/\"7\"", "location": "westeurope",
            "tags": { "owner": "net" }, "properties": { "provisioningState": "Succeeded", "enableDdosProtection": true,
                "subnets": [{ "name": "one", "properties": { "addressPrefix": "10.0.1.0/24", "networkSecurityGroup": { "id": "/nsg" } } }] } });
        bench.script.answer(200, &found).answer(200, &found);
        let kind = ArmResource { azure: Arc::clone(&bench.azure) };
        let mut attempt = Attempt::new(&bench, Phase::Apply);
        attempt.overwrites = true;
        attempt.apply(&kind, &params).await.unwrap();
        assert_eq!(
            body(&bench),
            json!({ "location": "westeurope", "tags": { "owner": "net", "a": "b" }, "properties": { "enableDdosProtection": true,
                "subnets": [{ "name": "one", "properties": { "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": { "id": "/nsg" } } }] } })
        );
        let requests = bench.script.requests();
        assert_eq!(requests[1].headers["if-match"], "W/\"7\"", "a change made meanwhile is not overwritten");
    }

    #[tokio::test]
    async fn an_answer_without_fields_says_nothing_about_the_resource() {
        let bench = Bench::new();
        bench.script.answer_with(202, &[], "").answer(200, &json!([{ "location": "westeurope" }]));
        let kind = ArmResource { azure: Arc::clone(&bench.azure) };
        for _ in 0..2 {
            let error = Attempt::new(&bench, Phase::Probe).check(&kind, &wanted()).await.unwrap_err();
            assert_eq!(error.class, twinspan_engine::FailureClass::Transient, "{error}");
        }
    }

    #[test]
    fn what_a_put_only_met_is_not_made_by_it() {
        let id: ResourceId = wanted().id;
        let child: ResourceId = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/networkManagers/nm/scopeConnections/c".parse().unwrap();
        let receipt = |status| Receipt { status, not_before: "2026-11-23T08:00:00Z".parse().unwrap() };
        let found = |at: &str| json!({ "systemData": { "createdAt": at } });
        let none = json!({});
        for (status, id, found, made) in [
            (201, &id, none.clone(), true),
            (200, &id, none.clone(), false),
            (202, &id, none.clone(), false),
            (200, &id, found("2026-11-23T08:00:01.1234567Z"), true),
            (200, &id, found("2026-11-23T07:59:59Z"), false),
            (200, &id, found("yesterday"), false),
            (200, &child, none, true),
        ] {
            let marker = receipt(status).marker(id, &found);
            assert_eq!(marker == Marker::NoPlace, made, "{status} {id} {found}: {marker:?}");
        }
    }

    #[tokio::test]
    async fn what_is_sent() {
        let bench = Bench::new();
        bench.script.answer(201, &json!({})).answer_with(202, &[], "");
        let kind = ArmResource { azure: Arc::clone(&bench.azure) };
        let attempt = Attempt::new(&bench, Phase::Apply);
        attempt.apply(&kind, &wanted()).await.unwrap();
        assert_eq!(body(&bench), serde_json::Value::Object(wanted().body));
        let output = Output { id: wanted().id, body: json!({}) };
        attempt.undo(&kind, &wanted(), &output).await.unwrap();
        let path = format!("{}?api-version=2022-09-01", wanted().id);
        assert_eq!(asked(&bench), [format!("PUT {path}"), format!("DELETE {path}")]);
    }

    #[test]
    fn only_what_has_the_fields_of_the_plan_is_removed_in_whatever_state_it_is() {
        let found = |tag: &str, state: &str| {
            json!({ "id": "x", "location": "westeurope", "tags": { "a": tag },
                "properties": { "provisioningState": state, "list": [{ "id": "/subscriptions/x/y" }] } })
        };
        for state in ["Succeeded", "Failed", "Updating"] {
            let seen = observed(&wanted(), found("b", state), Reading::Remove, None);
            assert!(matches!(seen, Observed::Present { .. }), "{state}: {seen:?}");
        }
        let seen = observed(&wanted(), found("c", "Succeeded"), Reading::Remove, None);
        assert!(matches!(seen, Observed::Differs { .. }), "{seen:?}");
        let seen = observed(&wanted(), found("c", "Succeeded"), Reading::TakeBack, None);
        assert!(matches!(seen, Observed::Present { .. }), "what this run created: {seen:?}");
    }
}
