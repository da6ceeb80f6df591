//! `azure.resource-provider`: registers a resource provider. The portal does this silently; an API does not.
//!
//! Azure returns the registration state of a subscription. For a management group it has a request to register, but none to read
//! the state. There, the accepted request is stored as the receipt, and a read of the provider's own resources at the group
//! proves that the provider responds there. Registering twice does no harm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twinspan_engine::{
    Act, Applied, Back, ClaimKey, Create, EffectClass, Ensure, Find, Fits, HandOver, KindMeta, Marker,
    Misfit, Observed, Permission, Step, StepCx, StepError, Task, Undone, Wait, WriteMeta,
};

use crate::avnm::{self, ConnectionSide, Found, NamesManager, or_default};
use crate::azure::{Arm, Azure};
use crate::default_world;
use crate::enumeration::known;
use crate::hand_over;
use crate::ids::ConnectionScope;

const API: &str = "2025-04-01";
const RETAIN_ON_UNDO: &str = "a registration serves everything in the subscription or management group";

/// `azure.resource-provider`
pub(crate) struct ResourceProvider {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.resource-provider`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The subscription or management group.
    scope: ConnectionScope,
    /// The provider, for example Microsoft.Network.
    namespace: String,
}

/// Outputs of `azure.resource-provider`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The subscription or management group.
    scope: ConnectionScope,
    /// The provider.
    namespace: String,
    /// Registered; Requested on a management group, for which Azure returns no state.
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    #[serde(default, deserialize_with = "or_default")]
    registration_state: String,
}

impl Params {
    fn path(&self) -> Result<String, StepError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
        if self.namespace.is_empty() || !self.namespace.chars().all(plain) {
            return Err(StepError::plan_wrong(format!("{:?} is not the name of a provider", self.namespace)));
        }
        Ok(format!("{}/providers/{}", self.scope.path(), self.namespace))
    }

    fn present(&self, state: &str) -> Observed<Output> {
        let output =
            Output { scope: self.scope.clone(), namespace: self.namespace.clone(), state: state.to_owned() };
        Observed::Present { output, marker: Marker::NoPlace }
    }

    fn observed(&self, state: &str) -> Observed<Output> {
        let state = known(state, &["Registered", "Registering", "Unregistering"]);
        match state {
            "Registered" => self.present(state),
            "Registering" | "Unregistering" => {
                let wait = Wait::remote(format!("{} is {state} in {}", self.namespace, self.scope.words()));
                Observed::Converging { wait, marker: Marker::NoPlace }
            }
            // NotRegistered, Unregistered, and any value that Azure may add.
            _ => Observed::Absent,
        }
    }

    async fn in_subscription(&self, arm: &Arm<'_>) -> Result<Observed<Output>, StepError> {
        let found: Option<Provider> = arm.get(&self.path()?, API).await?;
        match found {
            Some(provider) => Ok(self.observed(&provider.registration_state)),
            None => Err(StepError::plan_wrong(format!(
                "{} has no provider {:?}",
                self.scope.words(),
                self.namespace
            ))),
        }
    }

    async fn at_management_group(
        &self,
        cx: &StepCx<'_>,
        arm: &Arm<'_>,
    ) -> Result<Observed<Output>, StepError> {
        if cx.receipt.is_none() {
            return Ok(Observed::Absent);
        }
        if self.namespace.eq_ignore_ascii_case("Microsoft.Network") {
            let path = format!("{}/networkManagerConnections", self.path()?);
            let _: Vec<Found<ConnectionSide<NamesManager>>> = arm.list(&path, avnm::API, &[]).await?;
        }
        Ok(self.present("Requested"))
    }
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
        if self.namespace.len() <= 128 && self.namespace.split('.').all(plain) {
            return Vec::new();
        }
        let why = format!("{:?} is not the name of a provider, such as Microsoft.Network", self.namespace);
        vec![Misfit::new(&["namespace"], why)]
    }
}

impl Step for ResourceProvider {
    const META: KindMeta = KindMeta {
        retain_on_undo: Some(RETAIN_ON_UNDO),
        ..KindMeta::writes(
            "azure.resource-provider",
            "Register a resource provider on a subscription or management group",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::from_secs(5),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { scope: default_world::central(), namespace: "Microsoft.Network".to_owned() }
    }

    fn misfits(params: &Params, _ensure: Ensure) -> Vec<Misfit> {
        params.misfits()
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        // Two runs that register the same provider do not disturb each other.
        Vec::new()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let arm = self.azure.arm(cx, cx.identity()?);
        if params.scope.is_management_group() {
            params.at_management_group(cx, &arm).await
        } else {
            params.in_subscription(&arm).await
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let path = format!("{}/register", params.path()?);
        let _: Option<Value> =
            self.azure.arm(cx, cx.identity()?).post::<Value, Value>(&path, API, None).await?;
        Ok(Applied { receipt: Some(json!({ "registered": params.scope.path() })) })
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept(RETAIN_ON_UNDO.to_owned()))
    }

    fn hand_over(&self, _cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let path = params.path()?;
        let register = hand_over::arm("POST", format!("{path}/register"), API);
        let having = vec![("registrationState", Fits::Is("Registered".to_owned()))];
        let look =
            (hand_over::arm("GET", &path, API), Find { having, ..hand_over::its("registrationState") });
        let group = params.scope.is_management_group();
        // Azure returns no state for a management group; registering twice does no harm.
        let looks = if group { Vec::new() } else { vec![look.clone()] };
        let make = Create { look: looks, ..hand_over::make(look, register) };
        let task = Task {
            what: format!("Register {} on {}", params.namespace, params.scope.words()),
            privilege: vec![format!(
                "{}/register/action at {}: for example Contributor, for Microsoft.Network Network Contributor",
                params.namespace,
                params.scope.path()
            )],
            by_hand: (!group)
                .then(|| format!("Azure portal: the subscription, Resource providers, {}", params.namespace)),
            acts: vec![Act::Create(make)],
            back: Back { words: format!("kept: {RETAIN_ON_UNDO}"), request: None },
        };
        let proof = if group {
            "none: Azure has no read for it; skip this step with `twinspan skip` and the reason".to_owned()
        } else {
            format!("GET {path}: Registered")
        };
        Ok(HandOver {
            task: Some(task),
            proof,
            outputs: BTreeMap::from([
                ("scope", hand_over::text(&params.scope)),
                ("namespace", hand_over::text(&params.namespace)),
            ]),
            actor: None,
        })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let register = format!("{}/register/action", params.namespace);
        Ok(Permission::each(cx.identity()?, params.scope.path(), &[&register]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, params, wait};
    use twinspan_engine::Phase;

    const GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";

    fn kind(bench: &Bench) -> ResourceProvider {
        ResourceProvider { azure: Arc::clone(&bench.azure) }
    }

    #[tokio::test]
    async fn a_subscription_says_how_far_it_is() {
        let bench = Bench::new();
        for state in ["NotRegistered", "registering", "REGISTERED"] {
            bench
                .script
                .answer(200, &json!({ "namespace": "Microsoft.Network", "registrationState": state }));
        }
        let (attempt, kind, params) =
            (Attempt::new(&bench, Phase::Probe), kind(&bench), ResourceProvider::example());
        assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
        assert!(
            wait(attempt.check(&kind, &params).await.unwrap())
                .what
                .starts_with("Microsoft.Network is Registering")
        );
        assert!(matches!(attempt.check(&kind, &params).await.unwrap(), Observed::Present { .. }));
        let path = format!("{}/providers/Microsoft.Network", default_world::central());
        assert_eq!(asked(&bench)[0], format!("GET {path}?api-version=2025-04-01"));
    }

    #[tokio::test]
    async fn a_management_group_is_told_and_the_answer_is_kept() {
        let bench = Bench::new();
        bench.script.answer_with(200, &[], "").answer(200, &json!({ "value": [], "nextLink": "" }));
        let params: Params = params(json!({ "scope": GROUP, "namespace": "Microsoft.Network" }));
        let mut attempt = Attempt::new(&bench, Phase::Verify);
        assert_eq!(
            attempt.check(&kind(&bench), &params).await.unwrap(),
            Observed::Absent,
            "nothing says that it is"
        );
        attempt.receipt = attempt.apply(&kind(&bench), &params).await.unwrap().receipt;
        let seen = attempt.check(&kind(&bench), &params).await.unwrap();
        assert!(matches!(&seen, Observed::Present { output, .. } if output.state == "Requested"), "{seen:?}");
        let path = format!("{GROUP}/providers/Microsoft.Network");
        assert_eq!(
            asked(&bench),
            [
                format!("POST {path}/register?api-version=2025-04-01"),
                format!("GET {path}/networkManagerConnections?api-version=2024-10-01"),
            ]
        );
    }

    #[tokio::test]
    async fn it_is_kept_and_a_name_that_leaves_the_path_is_refused() {
        let bench = Bench::new();
        let params: Params = params(json!({ "scope": GROUP, "namespace": "../x" }));
        assert!(Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &params).await.is_err());
        let found = Output { scope: params.scope.clone(), namespace: String::new(), state: String::new() };
        let undone = Attempt::new(&bench, Phase::Undo).undo(&kind(&bench), &params, &found).await.unwrap();
        assert_eq!(undone, Undone::Kept(RETAIN_ON_UNDO.to_owned()));
        assert!(bench.script.requests().is_empty());
    }
}
