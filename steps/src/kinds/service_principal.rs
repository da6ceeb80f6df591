//! `entra.service-principal`: finds the service principal of a multi-tenant application in a tenant, or creates it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Act, Applied, Back, ClaimKey, Create, Decision, EffectClass, FailureClass, Find, HandOver, KindMeta,
    Marker, Observed, Request, Step, StepCx, StepError, Task, Undone, WriteMeta,
};

use crate::azure::people;
use crate::azure::{Azure, Reply, SignedIn, unproven};
use crate::default_world;
use crate::directory::{self, ServicePrincipal as Wire};
use crate::hand_over;
use crate::ids::Guid;
use crate::kinds::role_assignment::{PrincipalType, remember_principal};
use crate::kinds::undoing;

/// `entra.service-principal`
pub(crate) struct ServicePrincipal {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `entra.service-principal`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Application (client) id of the multi-tenant application.
    app_id: Guid,
}

/// Outputs of `entra.service-principal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The service principal.
    id: Guid,
    /// Object id in this tenant, for role assignments. It differs from tenant to tenant.
    object_id: Guid,
    /// Application (client) id.
    app_id: Guid,
    /// Display name.
    display_name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    app_id: Guid,
}

/// What the response to a create request contained.
#[derive(Serialize, Deserialize)]
struct Receipt {
    id: Guid,
    /// Why the service principal may be pre-existing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven: Option<String>,
}

impl Params {
    /// The signed-in principal, if it is the application's own service principal.
    fn itself(&self, signed_in: &SignedIn) -> Option<Observed<Output>> {
        let application: Guid = signed_in.application.as_deref()?.parse().ok()?;
        let id: Guid = signed_in.object_id.as_deref()?.parse().ok()?;
        // A user who signs in through an application (such as the Azure CLI) is not the application.
        if application != self.app_id || signed_in.account.is_some() {
            return None;
        }
        let output = Output { id, object_id: id, app_id: self.app_id, display_name: self.app_id.to_string() };
        Some(Observed::Present { output, marker: Marker::NoPlace })
    }

    fn observed(
        &self,
        found: Option<Wire>,
        undoing: bool,
        receipt: Option<Receipt>,
    ) -> Result<Observed<Output>, StepError> {
        let Some(found) = found else { return Ok(Observed::Absent) };
        if found.account_enabled == Some(false) && !undoing {
            return Ok(Observed::Conflict(Decision {
                what: format!("the service principal of application {} is disabled in this tenant", self.app_id),
                advice: "ask the tenant's administrator why; it is enabled in Entra admin centre, Enterprise applications, \
                         Properties"
                    .to_owned(),
                differences: Vec::new(),
            }));
        }
        let id: Guid = found.id.parse()?;
        let output = Output { id, object_id: id, app_id: self.app_id, display_name: found.display_name };
        let created = receipt.filter(|receipt| receipt.id == id);
        let unproven = created.and_then(|receipt| receipt.unproven);
        Ok(Observed::Present { output, marker: unproven.map_or(Marker::NoPlace, Marker::Before) })
    }
}

impl Step for ServicePrincipal {
    const META: KindMeta = KindMeta {
        removable: true,
        volatile_outputs: &["display_name"],
        ..KindMeta::writes(
            "entra.service-principal",
            "Find an application's service principal in a tenant, or create it",
            WriteMeta {
                effect: EffectClass::PostWithProbe,
                consistency_delay: Duration::from_secs(60),
                request_window: crate::azure::GRAPH_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { app_id: default_world::APPLICATION }
    }

    fn claims(&self, cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        let tenant = cx.identity().and_then(people::tenant);
        tenant
            .iter()
            .map(|tenant| ClaimKey(format!("{tenant}/servicePrincipals/{}", params.app_id)))
            .collect()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let graph = self.azure.graph(cx, cx.identity()?);
        let known = cx.receipt.and_then(|receipt| Receipt::deserialize(receipt).ok());
        if let Some(receipt) = &known
            && let Some(found) = directory::service_principal(&graph, receipt.id).await?
            && found.is_of(params.app_id)
        {
            remember_principal(&self.azure, cx.identity()?, receipt.id, PrincipalType::ServicePrincipal);
            return params.observed(Some(found), undoing(cx), known);
        }
        match directory::service_principals_of(&graph, params.app_id).await {
            // The identity may sign in but not read the directory: if it is the application itself, the sign-in proves it.
            Err(error) if error.class == FailureClass::Permission => {
                let signed_in = self.azure.sign_in(cx, cx.identity()?).await?;
                params.itself(&signed_in).ok_or(error)
            }
            found => {
                let seen = params.observed(found?.into_iter().next(), undoing(cx), known)?;
                if let Observed::Present { output, .. } = &seen {
                    let what = PrincipalType::ServicePrincipal;
                    remember_principal(&self.azure, cx.identity()?, output.object_id, what);
                }
                Ok(seen)
            }
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let identity = cx.identity()?;
        let reply: Reply<Wire> = self
            .azure
            .graph(cx, identity)
            .post("/servicePrincipals", &Wanted { app_id: params.app_id })
            .await
            .map_err(|error| match error.class {
                FailureClass::PlanWrong => error.hint(format!(
                    "application {} must be registered for accounts in any organizational directory (multi-tenant); or an \
                     administrator of {} opens https://login.microsoftonline.com/{}/adminconsent?client_id={}",
                    params.app_id,
                    people::place(identity),
                    identity.attributes.get("tenant").map(String::as_str).unwrap_or("TENANT"),
                    params.app_id
                )),
                _ => error,
            })?;
        self.azure.arrived(cx, identity, &params.app_id.to_string());
        // Graph finds it by its id at once, by its application id only some time later.
        let unproven = (!reply.is_created()).then(|| unproven(reply.status));
        let receipt = Receipt { id: reply.body.id.parse()?, unproven };
        Ok(Applied { receipt: serde_json::to_value(receipt).ok() })
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        self.azure
            .graph(cx, cx.identity()?)
            .delete(&format!("/servicePrincipals/{}", found.object_id))
            .await?;
        Ok(Undone::Removed)
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let tenant = people::tenant(cx.identity()?)?;
        let words = format!("object id of the service principal of application {}", params.app_id);
        let made = cx.variable("object_id", words, Some("ServicePrincipal"));
        let filter = format!("appId eq '{}'", params.app_id);
        let by_application = Request {
            query: vec![("$filter", filter), ("$select", "id".to_owned())],
            ..hand_over::graph("GET", "/servicePrincipals")
        };
        let find = Find { list: Some("value"), take: "id", ..Find::default() };
        let create = hand_over::with_body(
            hand_over::graph("POST", "/servicePrincipals"),
            &Wanted { app_id: params.app_id },
        )?;
        let make =
            Create { yields: Some((made.clone(), "id")), ..hand_over::make((by_application, find), create) };
        let consent =
            format!("{}/{tenant}/adminconsent?client_id={}", self.azure.cloud().login(), params.app_id);
        let remove = hand_over::graph("DELETE", &format!("/servicePrincipals/{}", made.stand_in));
        let task = Task {
            what: format!("Create the service principal of application {} in tenant {tenant}, unless it exists", params.app_id),
            privilege: vec![
                "the Entra role Cloud Application Administrator".to_owned(),
                "an application: Microsoft Graph's Application.ReadWrite.All".to_owned(),
            ],
            by_hand: Some(format!("open {consent}")),
            acts: vec![Act::Create(make)],
            back: Back {
                words: "deletes the service principal from this tenant with all its role assignments and permissions".to_owned(),
                request: Some(remove),
            },
        };
        Ok(HandOver {
            task: Some(task),
            proof: format!(
                "application {} has a service principal in tenant {tenant}, or signs in there",
                params.app_id
            ),
            outputs: BTreeMap::from([
                ("id", hand_over::text(&made.stand_in)),
                ("object_id", hand_over::text(&made.stand_in)),
                ("app_id", hand_over::text(params.app_id)),
            ]),
            actor: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, body};
    use twinspan_engine::Phase;

    const OBJECT: &str = "ffffffff-2222-0000-0000-000000000001";

    fn kind(bench: &Bench) -> ServicePrincipal {
        ServicePrincipal { azure: Arc::clone(&bench.azure) }
    }

    #[tokio::test]
    async fn what_is_asked_and_sent() {
        let bench = Bench::new();
        let made = json!({ "id": OBJECT, "appId": default_world::APPLICATION, "displayName": "network-automation", "accountEnabled": true });
        bench.script.answer(200, &json!({ "value": [] })).answer(201, &made).answer(200, &made).answer_with(
            204,
            &[],
            "",
        );
        let (kind, params) = (kind(&bench), ServicePrincipal::example());
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
        attempt.receipt = attempt.apply(&kind, &params).await.unwrap().receipt;
        assert_eq!(body(&bench), json!({ "appId": "33333333-0000-0000-0000-00000000000a" }));
        let seen = attempt.check(&kind, &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        attempt.undo(&kind, &params, &output).await.unwrap();
        let asked = asked(&bench);
        assert!(
            asked[0].starts_with("GET /v1.0/servicePrincipals?$filter=appId eq '33333333-"),
            "{}",
            asked[0]
        );
        assert!(
            asked[2].starts_with(&format!("GET /v1.0/servicePrincipals/{OBJECT}?")),
            "by id: {}",
            asked[2]
        );
        assert_eq!(asked[3], format!("DELETE /v1.0/servicePrincipals/{OBJECT}"));
    }

    #[tokio::test]
    async fn a_disabled_one_needs_a_decision_and_can_be_taken_back() {
        for (phase, conflict) in [(Phase::Probe, true), (Phase::UndoProbe, false)] {
            let bench = Bench::new();
            bench.script.answer(200, &json!({ "value": [{ "id": OBJECT, "appId": default_world::APPLICATION, "accountEnabled": false }] }));
            let seen =
                Attempt::new(&bench, phase).check(&kind(&bench), &ServicePrincipal::example()).await.unwrap();
            assert_eq!(matches!(seen, Observed::Conflict(_)), conflict, "{seen:?}");
        }
    }

    #[tokio::test]
    async fn an_application_of_one_tenant_says_so() {
        let bench = Bench::new();
        bench.script.answer(400, &json!({ "error": { "code": "Request_BadRequest", "message": "no" } }));
        let error = Attempt::new(&bench, Phase::Apply)
            .apply(&kind(&bench), &ServicePrincipal::example())
            .await
            .unwrap_err();
        assert!(error.hint.unwrap().contains("(multi-tenant)"));
    }
}
