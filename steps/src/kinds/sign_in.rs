//! `azure.sign-in`: the identity signs in to its tenant as the expected principal. The portal's "Authenticate".

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_engine::{
    Check, FailureClass, Guarded, Identity, KindMeta, Marker, Observed, StepCx, StepError, Wait, WaitKind,
};

use crate::azure::people;
use crate::azure::{Azure, Cloud, CredentialKind, Party, SignedIn};
use crate::default_world;
use crate::ids::{Guid, TenantId};

/// `azure.sign-in`
pub(crate) struct SignIn {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.sign-in`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Object id that the principal must have in the tenant; default: any principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_principal: Option<Guid>,
    /// Client id of the application that must sign in, for plans that an application carries out; default: any principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_application: Option<Guid>,
}

/// Outputs of `azure.sign-in`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The tenant.
    tenant: TenantId,
    /// Object id of the principal in the tenant.
    object_id: Guid,
    /// User name, or client id of the application, where the token has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

fn judge(
    cloud: &Cloud,
    params: &Params,
    identity: &Identity,
    signed_in: SignedIn,
) -> Result<Observed<Output>, StepError> {
    let tenant = people::tenant(identity)?;
    let object_id: Option<Guid> = signed_in.object_id.as_deref().and_then(|id| id.parse().ok());
    let account = signed_in.account.clone().or_else(|| signed_in.application.clone());
    let Some(object_id) = object_id else {
        return Err(StepError::new(
            FailureClass::PlanWrong,
            format!("the token of {} contains no object id", people::who(identity)),
        )
        .hint("use another credential for this identity"));
    };
    match params.expect_principal {
        Some(wanted) if wanted != object_id => {
            let named = account.as_deref().unwrap_or("a principal without a name");
            let wait = Wait::new(
                WaitKind::Person,
                format!(
                    "signed in to tenant {tenant} as {named} (object id {object_id}); the plan needs object id {wanted}"
                ),
            )
            .who(match signed_in.credential {
                // Only with the Azure CLI does the operator sign in; with other credentials it is the identity's own holder.
                CredentialKind::AzureCli => Party::of(identity)?.you(),
                _ => people::who(identity),
            })
            .action(right_account(cloud, identity, &signed_in, tenant, wanted))
            .next_check(Duration::from_secs(30));
            Ok(Observed::Converging { wait, marker: Marker::NoPlace })
        }
        _ if let Some(wait) = other_application(params, identity, &signed_in, tenant) => {
            Ok(Observed::Converging { wait, marker: Marker::NoPlace })
        }
        _ => {
            let output = Output { tenant, object_id, account };
            Ok(Observed::Present { output, marker: Marker::NoPlace })
        }
    }
}

/// The wait for the expected application, where a person or another application signed in.
fn other_application(
    params: &Params,
    identity: &Identity,
    signed_in: &SignedIn,
    tenant: TenantId,
) -> Option<Wait> {
    let wanted = params.expect_application?;
    let application = signed_in.application.as_deref().and_then(|id| id.parse::<Guid>().ok());
    if application == Some(wanted) {
        return None;
    }
    let named = match (&signed_in.account, &signed_in.application) {
        (Some(account), _) => account.clone(),
        (None, Some(application)) => format!("application {application}"),
        (None, None) => "a principal without a name".to_owned(),
    };
    let wait = Wait::new(
        WaitKind::Person,
        format!("signed in to tenant {tenant} as {named}; the plan needs application {wanted}"),
    )
    .who("the administrator of this machine's configuration")
    .action(format!(
        "name application {wanted} and its credential in [identities.{}] of twinspan.toml (now: {})",
        identity.name,
        signed_in.credential.name()
    ))
    .next_check(Duration::from_secs(30));
    Some(wait)
}

/// How to sign in as the expected principal: a person chooses an account, an application needs another configuration.
fn right_account(
    cloud: &Cloud,
    identity: &Identity,
    signed_in: &SignedIn,
    tenant: TenantId,
    wanted: Guid,
) -> String {
    if signed_in.credential == CredentialKind::AzureCli {
        let right = match identity.attributes.get("contact") {
            Some(contact) => format!("{contact} (object id {wanted})"),
            None => format!("the account with object id {wanted}"),
        };
        return format!(
            "{}, and choose {right}",
            cloud.az_login(&tenant.to_string(), signed_in.azure_config_dir.as_deref())
        );
    }
    format!(
        "correct [identities.{}] in twinspan.toml ({}): its application{} must have object id {wanted} in tenant {tenant}",
        identity.name,
        signed_in.credential.name(),
        signed_in.application.as_ref().map(|id| format!(" {id}")).unwrap_or_default()
    )
}

impl Check for SignIn {
    const META: KindMeta = KindMeta {
        guards: Some("tenant"),
        ..KindMeta::reads("azure.sign-in", "Sign in to a tenant as the expected principal")
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { expect_principal: Some(default_world::TARGET_ADMINISTRATOR), expect_application: None }
    }

    /// As whom the identity signs in, where the inputs say as whom it must. Another account is a wait for the right one, as
    /// it is for the step itself; nothing is written meanwhile.
    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        let Ok(params) = Params::deserialize(known) else { return Ok(Guarded::Unknown) };
        if params.expect_principal.is_none() && params.expect_application.is_none() {
            return Ok(Guarded::Unknown);
        }
        let identity = cx.identity()?;
        let signed_in = self.azure.sign_in(cx, identity).await?;
        Ok(match judge(self.azure.cloud(), &params, identity, signed_in)? {
            Observed::Converging { wait, .. } => {
                Guarded::Wrong(StepError::new(FailureClass::NeedsPerson, wait.what.clone()).wait(wait))
            }
            _ => Guarded::Met,
        })
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        // If the sign-in is refused, the error says who must do what.
        let signed_in = self.azure.sign_in(cx, identity).await?;
        judge(self.azure.cloud(), params, identity, signed_in)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::kinds::wire_test::{Attempt, wait};
    use serde_json::json;
    use twinspan_engine::{AttemptLog, Phase};
    use twinspan_engine::{Reading, Step};

    const ACCOUNT: &str = "ffffffff-1111-0000-0000-000000000001";

    fn judged(
        object_id: Option<&str>,
        cloud: &str,
        credential: CredentialKind,
    ) -> Result<Observed<Output>, StepError> {
        let signed_in = SignedIn {
            object_id: object_id.map(str::to_owned),
            tenant: Some(TARGET.to_owned()),
            application: Some("app-1".to_owned()),
            principal_type: None,
            account: Some("eve@contoso.example".to_owned()),
            credential,
            expires: "2026-11-23T09:00:00Z".parse().unwrap(),
            certificate_ends: None,
            azure_config_dir: None,
        };
        judge(&Cloud::named(cloud).unwrap(), &SignIn::example(), &Bench::new().target, signed_in)
    }

    #[test]
    fn only_the_right_account_will_do_and_the_wait_says_how_it_signs_in() {
        let seen = judged(Some(&ACCOUNT.to_uppercase()), "public", CredentialKind::AzureCli).unwrap();
        assert!(
            matches!(&seen, Observed::Present { output, .. } if output.object_id.to_string() == ACCOUNT),
            "{seen:?}"
        );
        let wrong = "ffffffff-1111-0000-0000-000000000009";
        let other = wait(judged(Some(wrong), "public", CredentialKind::AzureCli).unwrap());
        assert_eq!(
            other.what,
            format!(
                "signed in to tenant {TARGET} as eve@contoso.example (object id {wrong}); the plan needs object id \
                 {ACCOUNT}"
            )
        );
        assert_eq!(
            other.action.unwrap(),
            format!(
                "az login --tenant {TARGET} --allow-no-subscriptions, and choose nina@contoso.example (object id {ACCOUNT})"
            )
        );
        let other = wait(judged(Some(wrong), "china", CredentialKind::AzureCli).unwrap());
        assert!(other.action.unwrap().starts_with("az cloud set --name AzureChinaCloud && az login"));
        let other = wait(judged(Some(wrong), "public", CredentialKind::ClientCertificate).unwrap());
        let action = other.action.unwrap();
        assert!(
            action.starts_with(
                "correct [identities.target] in twinspan.toml (client-certificate): its application app-1"
            ),
            "{action}"
        );
        let unknown = judged(None, "public", CredentialKind::AzureCli).unwrap_err();
        assert_eq!(unknown.class, FailureClass::PlanWrong);
    }

    #[test]
    fn a_plan_for_an_application_is_not_carried_out_by_a_person() {
        let application = default_world::APPLICATION;
        let params = Params { expect_principal: None, expect_application: Some(application) };
        let judged = |account: Option<&str>, signed_in_as: &str| {
            let signed_in = SignedIn {
                object_id: Some(ACCOUNT.to_owned()),
                tenant: Some(TARGET.to_owned()),
                application: Some(signed_in_as.to_owned()),
                principal_type: None,
                certificate_ends: None,
                azure_config_dir: None,
                account: account.map(str::to_owned),
                credential: CredentialKind::AzureCli,
                expires: "2026-11-23T09:00:00Z".parse().unwrap(),
            };
            judge(&Cloud::named("public").unwrap(), &params, &Bench::new().target, signed_in).unwrap()
        };
        let right = application.to_string().to_uppercase();
        assert!(matches!(judged(None, &right), Observed::Present { .. }));
        let wait = wait(judged(Some("eve@contoso.example"), "04b07795-8ddb-461a-bbee-02f9e1bf7b46"));
        assert_eq!(
            wait.what,
            format!(
                "signed in to tenant {TARGET} as eve@contoso.example; the plan needs application {application}"
            )
        );
        assert!(wait.action.unwrap().contains("[identities.target] of twinspan.toml (now: azure-cli)"));
    }

    #[tokio::test]
    async fn another_account_is_a_guard_that_waits_and_what_the_run_tells_later_is_none() {
        let bench = Bench::new();
        let kind = Reading(SignIn { azure: Arc::clone(&bench.azure) });
        let guard = async |known: Value| {
            let log = AttemptLog::new(Phase::Probe);
            let identities = [bench.target.clone()];
            let cx = StepCx { identities: &identities, ..bench.cx(Phase::Probe, &log) };
            kind.guard(&cx, &known).await
        };
        assert_eq!(guard(json!({})).await.unwrap(), Guarded::Unknown);
        assert!(bench.script.token_requests().is_empty(), "nothing to compare, nothing to ask");
        let unknown = "ffffffff-1111-0000-0000-0000000000ff";
        let claims = json!({ "oid": ACCOUNT, "tid": TARGET, "appid": "app", "idtyp": "app" }).to_string();
        let token = format!("eyJhbGciOiJub25lIn0.{}.x", azure_core::base64::encode_url_safe(claims));
        let answer = json!({ "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token });
        // Each sign-in asks Entra anew.
        for _ in 0..2 {
            bench.script.token_answer(200, &[], &answer.to_string());
        }
        let wrong = guard(json!({ "expect_principal": unknown })).await.unwrap();
        let Guarded::Wrong(error) = wrong else { panic!("{wrong:?}") };
        assert_eq!(error.class, FailureClass::NeedsPerson);
        let wait = error.wait.unwrap();
        assert!(wait.what.ends_with(&format!("the plan needs object id {unknown}")), "{wait:?}");
        assert_eq!(guard(json!({ "expect_principal": ACCOUNT })).await.unwrap(), Guarded::Met);
    }

    #[tokio::test]
    async fn a_refused_sign_in_keeps_its_own_words() {
        let bench = Bench::new();
        let refusal = r#"{"error":"interaction_required","error_codes":[50076],"error_description":"AADSTS50076: mfa"}"#;
        bench.script.token_answer(400, &[], refusal);
        let kind = Reading(SignIn { azure: Arc::clone(&bench.azure) });
        let error = Attempt::new(&bench, Phase::Probe).check(&kind, &SignIn::example()).await.unwrap_err();
        assert_eq!((error.class, error.code.as_deref()), (FailureClass::NeedsPerson, Some("AADSTS50076")));
    }
}
