//! `azure.permissions`: checks that the identity has the permissions that later steps need.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{Check, KindMeta, Marker, Misfit, Observed, Permission, StepCx, StepError};

use crate::azure::Azure;
use crate::azure::people::{self, Assignee};
use crate::default_world;
use crate::ids::Scope;
use crate::permissions::{self, GrantedActions};

/// `azure.permissions`
pub(crate) struct Permissions {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.permissions`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The scope: a subscription, a management group, a resource group or a resource.
    scope: Scope,
    /// The actions, for example Microsoft.Network/networkManagers/scopeConnections/write.
    actions: Vec<String>,
}

/// Outputs of `azure.permissions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The scope.
    scope: Scope,
    /// The actions that the identity may do there.
    actions: Vec<String>,
}

fn missing<'a>(actions: &'a [String], given: &[GrantedActions]) -> Vec<&'a str> {
    actions
        .iter()
        .map(String::as_str)
        .filter(|action| !given.iter().any(|permission| permission.allows(action)))
        .collect()
}

/// Whether a text has the form `PROVIDER/TYPE…/VERB`: letters, digits, `.`, `-`, `_`, and `*` for any part.
fn is_action(action: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-*".contains(c))
    };
    action == "*" || (action.len() <= 512 && action.contains('/') && action.split('/').all(part))
}

impl Params {
    fn misfits(&self) -> Vec<Misfit> {
        let mut all = Vec::new();
        if self.actions.is_empty() {
            all.push(Misfit::new(&["actions"], "it is empty: name at least one action"));
        }
        for (position, action) in self.actions.iter().enumerate().filter(|(_, action)| !is_action(action)) {
            let why = format!(
                "{action:?} is not an action, such as Microsoft.Network/networkManagers/networkGroups/write"
            );
            all.push(Misfit::new(&["actions"], why).within(position));
        }
        all
    }
}

impl Check for Permissions {
    const META: KindMeta = KindMeta::reads(
        "azure.permissions",
        "Wait until an identity has the permissions that later steps need",
    );

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            scope: Scope::known(default_world::MANAGER),
            actions: vec!["Microsoft.Network/networkManagers/scopeConnections/write".to_owned()],
        }
    }

    fn misfits(params: &Params) -> Vec<Misfit> {
        params.misfits()
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        let given = permissions::permissions(&self.azure.arm(cx, identity), &params.scope).await?;
        let missing = missing(&params.actions, &given);
        if missing.is_empty() {
            let output = Output { scope: params.scope.clone(), actions: params.actions.clone() };
            return Ok(Observed::Present { output, marker: Marker::NoPlace });
        }
        // Without the signed-in principal the message is only less precise.
        let account = self.azure.sign_in(cx, identity).await.ok();
        let to = account.as_ref().map(Assignee::signed_in).unwrap_or_default();
        let contact = identity.attributes.get("contact").map(String::as_str);
        let wait = people::missing_right(
            format!("{} may not do {} on {}", people::who(identity), missing.join(", "), params.scope),
            people::role_giver(params.scope.path(), &people::tenant(identity)?.to_string()),
            people::assign_command(
                Assignee { contact, ..to },
                permissions::role_for(&missing).unwrap_or("ROLE"),
                params.scope.path(),
            ),
        );
        Ok(Observed::Converging { wait, marker: Marker::NoPlace })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let mut actions = vec!["Microsoft.Authorization/permissions/read"];
        actions.extend(params.actions.iter().map(String::as_str));
        Ok(Permission::each(cx.identity()?, params.scope.path(), &actions))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, wait};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    #[tokio::test]
    async fn a_missing_permission_is_waited_for_with_the_command_that_gives_it() {
        let bench = Bench::new();
        let given =
            |action: &str| json!({ "value": [{ "actions": [action], "notActions": [] }], "nextLink": "" });
        bench.script.answer(200, &given("*/read")).answer(200, &given("Microsoft.Network/*"));
        let (kind, params) =
            (Reading(Permissions { azure: Arc::clone(&bench.azure) }), Permissions::example());
        let attempt = Attempt::new(&bench, Phase::Probe);
        let wait = wait(attempt.check(&kind, &params).await.unwrap());
        assert!(
            wait.what.contains("may not do Microsoft.Network/networkManagers/scopeConnections/write"),
            "{}",
            wait.what
        );
        assert_eq!(
            wait.action.unwrap(),
            format!(
                "az role assignment create --assignee-object-id oid-in-11111111-0000-0000-0000-00000000000c \
                 --assignee-principal-type ServicePrincipal --role 'Network Contributor' --scope {}",
                default_world::MANAGER
            )
        );
        assert!(wait.who.unwrap().contains("11111111-0000-0000-0000-00000000000c"));
        let seen = attempt.check(&kind, &params).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
        let path = format!("{}/providers/Microsoft.Authorization/permissions", default_world::MANAGER);
        assert_eq!(asked(&bench)[0], format!("GET {path}?api-version=2022-04-01"));
    }
}
