//! `azure.role-assignment`: assigns a role to a principal at a scope.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_engine::{
    Act, Applied, Back, ClaimKey, Create, Difference, EffectClass, Ensure, FailureClass, Find, Fits, Guarded,
    HandOver, Identity, KindMeta, Marker, Misfit, Observed, Permission, Readiness, Request, Step, StepCx,
    StepError, Task, Undone, WriteMeta,
};
use uuid::Uuid;

use crate::avnm::Body;
use crate::azure::people;
use crate::azure::{Arm, Azure, Grant, unproven};
use crate::default_world;
use crate::ids::{ConnectionScope, Guid, ResourceId, Scope, ScopeKind};
use crate::kinds::bounds::blank_guard;
use crate::kinds::{reads_and_changes, removing, undoing};
use crate::permissions::{self, RoleAssignment as Wire, RoleDefinition, WantedAssignment};
use crate::{directory, hand_over, hierarchy};

/// UUID namespace for the names of role assignments.
const NAMESPACE: Uuid = Uuid::from_u128(0x7477_696e_7370_616e_0000_0000_0000_0002);

/// `azure.role-assignment`
pub(crate) struct RoleAssignment {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `azure.role-assignment`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The scope: a management group, a subscription, or anything below one.
    scope: Scope,
    /// The role: its name, its GUID or its full id.
    role: String,
    /// Object id of the principal in this tenant.
    principal: Guid,
    /// Type of the principal; looked up if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal_type: Option<PrincipalType>,
    /// Expected display name of the subscription or management group: guards against a wrong id. Compared before the write;
    /// not compared for a scope below a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect_name: Option<String>,
    /// Which assignments suffice: effective (at the scope or above, also through a group) or direct (here, to this principal).
    #[serde(default)]
    satisfied_by: SatisfiedBy,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// Type of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, extend("x-twinspan-type" = "choice(User,ServicePrincipal,Group)"))]
pub(crate) enum PrincipalType {
    /// A person, guests included.
    User,
    /// An application or managed identity.
    ServicePrincipal,
    /// A group.
    Group,
}

/// Which existing assignments satisfy the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline, extend("x-twinspan-type" = "choice(effective,direct)"))]
pub(crate) enum SatisfiedBy {
    /// At the scope or above, to the principal or to a group that contains it.
    #[default]
    Effective,
    /// At the scope, to the principal itself.
    Direct,
}

/// Outputs of `azure.role-assignment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The role assignment.
    id: ResourceId,
    /// Scope of the assignment: the wanted scope, or one above it.
    given_at: String,
    /// Name of the role.
    role: String,
    /// The principal that has the assignment: the wanted one, or a group.
    given_to: Guid,
}

impl PrincipalType {
    fn as_str(self) -> &'static str {
        match self {
            PrincipalType::User => "User",
            PrincipalType::ServicePrincipal => "ServicePrincipal",
            PrincipalType::Group => "Group",
        }
    }
}

/// Remembers the type of a principal, so that no role assignment has to look it up.
pub(crate) fn remember_principal(azure: &Azure, identity: &Identity, id: Guid, what: PrincipalType) {
    azure.remember(identity, &principal(id), what);
}

/// Key under which the type of a principal is remembered.
fn principal(id: Guid) -> String {
    format!("principal {id}")
}

impl Params {
    /// The name of the assignment: always the same for a scope, a principal and a role, so that a write can be repeated.
    fn name(&self) -> Guid {
        Guid::from(Uuid::new_v5(&NAMESPACE, self.named_after().as_bytes()))
    }

    fn named_after(&self) -> String {
        format!("{}|{}|{}", self.scope.key(), self.principal, self.role.to_lowercase())
    }

    fn path(&self) -> String {
        permissions::assignment_path(&self.scope, self.name())
    }

    fn body<'a>(
        &self,
        cx: &StepCx<'_>,
        role: &'a str,
        kind: Option<&'static str>,
    ) -> Body<WantedAssignment<'a>> {
        Body {
            properties: WantedAssignment {
                role_definition_id: role,
                principal_id: self.principal,
                principal_type: kind,
                description: cx.describe(self.description.as_deref().unwrap_or_default()),
            },
        }
    }

    fn present(&self, found: &Wire) -> Result<Observed<Output>, StepError> {
        let output = Output {
            id: found.id.parse()?,
            given_at: found.properties.scope.clone(),
            role: self.role.clone(),
            given_to: found.properties.principal_id.parse()?,
        };
        Ok(Observed::Present { output, marker: Marker::in_description(Some(&found.properties.description)) })
    }

    /// Returns the listed assignment that satisfies the step; one at the scope itself is preferred to one above it.
    fn satisfying<'a>(&self, listed: &'a [Wire], role: &RoleDefinition) -> Option<&'a Wire> {
        let mine = |found: &&Wire| found.properties.principal_id.parse() == Ok(self.principal);
        let here = |found: &&Wire| found.is_at(role, &self.scope);
        let direct = listed.iter().find(|found| here(found) && mine(found));
        match self.satisfied_by {
            SatisfiedBy::Direct => direct,
            SatisfiedBy::Effective => {
                direct.or_else(|| listed.iter().find(|found| found.reaches(role, &self.scope)))
            }
        }
    }
}

/// For a script: finds the GUID of the role by its name. Returns the placeholder of the variable and the act that sets it.
fn learn_role(cx: &StepCx<'_>, params: &Params) -> (String, Act) {
    let variable = cx.variable("role", format!("id of the role {}", params.role), None);
    let filter = format!("roleName eq '{}'", directory::literal(&params.role));
    let path = format!("{}/providers/Microsoft.Authorization/roleDefinitions", params.scope.path());
    let mut ask = hand_over::arm("GET", path, permissions::API);
    ask.query.push(("$filter", filter));
    let find = Find { list: Some("value"), take: "name", ..Find::default() };
    (variable.stand_in.clone(), Act::Learn { variable, ask, find })
}

impl Params {
    /// For a script: finds an existing assignment of the role.
    fn given_already(&self, role_id: &str, satisfied_by: SatisfiedBy) -> (Request, Find) {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments", self.scope.path());
        let mut ask = hand_over::arm("GET", path, permissions::API);
        let mut having = vec![("properties.roleDefinitionId", Fits::EndsWith(format!("/{role_id}")))];
        let filter = match satisfied_by {
            SatisfiedBy::Effective => format!("assignedTo('{}')", self.principal),
            SatisfiedBy::Direct => {
                having.push(("properties.scope", Fits::Is(self.scope.path().to_owned())));
                format!("principalId eq '{}'", self.principal)
            }
        };
        ask.query.push(("$filter", filter));
        (ask, Find { list: Some("value"), having, take: "id" })
    }
}

impl RoleAssignment {
    /// Checks for a delete that the plan orders: the assignment at this scope to this principal, with any name. Assignments above
    /// the scope or to a group concern more than this principal and scope, and stay.
    async fn given_right_here(&self, arm: &Arm<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let role = permissions::role(arm, &params.scope, &params.role).await?;
        let listed = permissions::assignments(arm, &params.scope, params.principal, false).await?;
        let meant = listed.iter().filter(|found| {
            found.names(&role, &params.scope) && found.properties.principal_id.parse() == Ok(params.principal)
        });
        // A condition shows that a person wrote the assignment deliberately: it comes last, and a person must decide.
        let Some(found) = meant.min_by_key(|found| found.condition().is_some()) else {
            return Ok(Observed::Absent);
        };
        let seen = params.present(found)?;
        Ok(match (seen, found.condition()) {
            (Observed::Present { output, marker }, Some(condition)) => {
                let difference =
                    Difference::new("condition".to_owned(), "none".to_owned(), condition.to_owned());
                Observed::Differs { output, differences: vec![difference], marker }
            }
            (seen, _) => seen,
        })
    }

    /// Type of the principal. If the identity cannot read the directory, the request omits it and Azure looks it up.
    async fn principal_type(
        &self,
        cx: &StepCx<'_>,
        identity: &Identity,
        params: &Params,
    ) -> Result<Option<PrincipalType>, StepError> {
        if params.principal_type.is_some() {
            return Ok(params.principal_type);
        }
        let about = principal(params.principal);
        if let Some(known) = self.azure.known::<PrincipalType>(identity, &about) {
            return Ok(Some(known));
        }
        let graph = self.azure.graph(cx, identity);
        let found = async {
            if directory::user(&graph, params.principal).await?.is_some() {
                return Ok(Some(PrincipalType::User));
            }
            let application = directory::service_principal(&graph, params.principal).await?;
            Ok(application.map(|_| PrincipalType::ServicePrincipal))
        };
        match found.await {
            Err(StepError { class: FailureClass::Permission | FailureClass::NeedsPerson, .. }) => Ok(None),
            Ok(Some(found)) => {
                // The type of a principal never changes.
                self.azure.remember(identity, &about, found);
                Ok(Some(found))
            }
            other => other,
        }
    }
}

impl Step for RoleAssignment {
    const META: KindMeta = KindMeta {
        removable: true,
        guards: Some("tenant"),
        ..KindMeta::writes(
            "azure.role-assignment",
            "Assign a role to a principal at a management group, a subscription or below",
            WriteMeta {
                effect: EffectClass::CreateNamed,
                consistency_delay: Duration::from_secs(30),
                request_window: crate::azure::ARM_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            scope: default_world::target().scope().clone(),
            role: "Network Contributor".to_owned(),
            principal: default_world::TARGET_ADMINISTRATOR,
            principal_type: None,
            expect_name: Some(default_world::TARGET_NAME.to_owned()),
            satisfied_by: SatisfiedBy::Direct,
            description: None,
        }
    }

    fn misfits(params: &Params, _ensure: Ensure) -> Vec<Misfit> {
        let mut all = blank_guard(params.expect_name.as_deref());
        let role = params.role.trim();
        let is_id = role.trim_start_matches('/').contains('/');
        let of_roles =
            role.to_ascii_lowercase().contains("/providers/microsoft.authorization/roledefinitions/");
        if role.is_empty() || role.chars().count() > 512 || (is_id && role.starts_with('/') && !of_roles) {
            let why = format!("{:?} is not the name, the GUID or the id of a role", params.role);
            all.push(Misfit::new(&["role"], why));
        }
        all
    }

    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        hierarchy::guard(&self.azure, cx, known).await
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        vec![ClaimKey(params.path().to_lowercase())]
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if params.scope.kind() == ScopeKind::Below {
            return Ok(Readiness::Ready);
        }
        let identity = cx.identity()?;
        let scope: ConnectionScope = params.scope.path().parse()?;
        match hierarchy::read(&self.azure.arm(cx, identity), &scope).await? {
            Some(seen) => {
                seen.confirm(&scope, people::tenant(identity)?, params.expect_name.as_deref())?;
                Ok(Readiness::Ready)
            }
            None => Err(StepError::plan_wrong(format!(
                "{} does not exist, as read by {}",
                scope.words(),
                people::who(identity)
            ))
            .hint("check the scope and the tenant in the inputs; nothing was changed")),
        }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let arm = self.azure.arm(cx, cx.identity()?);
        if removing(cx) {
            return self.given_right_here(&arm, params).await;
        }
        let named: Option<Wire> = arm.get(&params.path(), permissions::API).await?;
        if let Some(named) = named {
            let seen = params.present(&named)?;
            return Ok(match (seen, Grant::unproven(cx.receipt)) {
                // The description has this run's marker, but the assignment may be older.
                (Observed::Present { output, .. }, Some(reason)) => {
                    Observed::Present { output, marker: Marker::Before(reason) }
                }
                (seen, _) => seen,
            });
        }
        // Another assignment that satisfies the step was not created by it, so there is nothing to undo.
        if undoing(cx) {
            return Ok(Observed::Absent);
        }
        let role = permissions::role(&arm, &params.scope, &params.role).await?;
        let groups_too = params.satisfied_by == SatisfiedBy::Effective;
        let listed = permissions::assignments(&arm, &params.scope, params.principal, groups_too).await?;
        match params.satisfying(&listed, &role) {
            Some(found) => params.present(found),
            None => Ok(Observed::Absent),
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let identity = cx.identity()?;
        let arm = self.azure.arm(cx, identity);
        let role = permissions::role(&arm, &params.scope, &params.role).await?;
        let kind = self.principal_type(cx, identity, params).await?;
        let answer = arm
            .put(
                &params.path(),
                permissions::API,
                &params.body(cx, &role.id, kind.map(PrincipalType::as_str)),
            )
            .await;
        let status = match answer {
            Ok(reply) => reply.status,
            // The role is already assigned under another name: the next read finds and adopts that assignment.
            Err(error) if error.code.as_deref() == Some("RoleAssignmentExists") => 409,
            Err(error) => return Err(error),
        };
        let unproven = (status != 201).then(|| unproven(status));
        let to_group = kind == Some(PrincipalType::Group);
        let principal = params.principal.to_string();
        let receipt = self.azure.granted(cx, identity, params.scope.path(), &principal, to_group, unproven);
        Ok(Applied { receipt })
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        self.azure.arm(cx, cx.identity()?).delete(found.id.path(), permissions::API, &[]).await?;
        Ok(Undone::Removed)
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let principal = params.principal.to_string();
        // A delete concerns only the assignment at the scope, not those above it.
        let satisfied_by = if removing(cx) { SatisfiedBy::Direct } else { params.satisfied_by };
        let unknown = cx.unknown.iter().find(|variable| variable.stand_in == principal);
        let mut acts = Vec::new();
        let role_id = params.role.rsplit('/').next().unwrap_or_default();
        let role_id = if role_id.parse::<Guid>().is_ok() {
            role_id.to_owned()
        } else {
            let (variable, learn) = learn_role(cx, params);
            acts.push(learn);
            variable
        };
        let path = match unknown {
            None => params.path(),
            // The name is derived from the object id of the principal, which is not known yet.
            Some(_) => {
                let variable = cx.variable("name", "name of the role assignment", None);
                let path = permissions::assignment_path(&params.scope, &variable.stand_in);
                acts.push(Act::Name { variable, namespace: NAMESPACE, text: params.named_after() });
                path
            }
        };
        let kind =
            params.principal_type.map(PrincipalType::as_str).or_else(|| unknown.and_then(|known| known.sort));
        let definition = format!("/providers/Microsoft.Authorization/roleDefinitions/{role_id}");
        let put = hand_over::arm("PUT", &path, permissions::API);
        let make = Create {
            not_yet: &["PrincipalNotFound"],
            there: &["RoleAssignmentExists"],
            ..hand_over::make(
                params.given_already(&role_id, satisfied_by),
                hand_over::with_body(put, &params.body(cx, &definition, kind))?,
            )
        };
        acts.push(Act::Create(make));
        let who = unknown.map_or_else(
            || format!("principal {principal}"),
            |unknown| {
                let words = unknown.words.strip_prefix("object id of ").unwrap_or(&unknown.words);
                words.to_owned()
            },
        );
        let task = Task {
            what: format!("Give {who} the role {} at {}, unless it has it", params.role, params.scope.path()),
            privilege: vec![
                format!("the role Role Based Access Control Administrator at {}", params.scope.path()),
                "or User Access Administrator, or Owner (Microsoft.Authorization/roleAssignments/write)"
                    .to_owned(),
            ],
            by_hand: Some(format!(
                "Azure portal: {}, Access control (IAM), Add role assignment",
                params.scope.words()
            )),
            acts,
            back: Back {
                words: "deletes the role assignment; steps that need the role stop working".to_owned(),
                request: Some(hand_over::arm("DELETE", &path, permissions::API)),
            },
        };
        let how = match satisfied_by {
            SatisfiedBy::Effective => "there or above, to the principal or a group that contains it",
            SatisfiedBy::Direct => "there, to the principal itself",
        };
        Ok(HandOver {
            task: Some(task),
            proof: format!("role assignments at {}: {} is given {how}", params.scope.path(), params.role),
            outputs: BTreeMap::from([
                ("id", hand_over::text(path)),
                ("role", hand_over::text(&params.role)),
                ("given_to", hand_over::text(principal)),
            ]),
            actor: None,
        })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &Params) -> Result<Vec<Permission>, StepError> {
        let kind = "Microsoft.Authorization/roleAssignments";
        Ok(reads_and_changes(cx, cx.identity()?, params.scope.path(), kind))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, body, params};
    use twinspan_engine::Phase;

    const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const ROLE: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
    const PRINCIPAL: &str = "ffffffff-1111-0000-0000-000000000001";

    fn kind(bench: &Bench) -> RoleAssignment {
        RoleAssignment { azure: Arc::clone(&bench.azure) }
    }

    fn wanted(satisfied_by: &str) -> Params {
        params(json!({ "scope": TARGET, "role": "Network Contributor", "principal": PRINCIPAL,
            "expect_name": "fabrikam-prod-weu", "satisfied_by": satisfied_by }))
    }

    fn given(scope: &str, to: &str) -> serde_json::Value {
        json!({ "id": format!("{TARGET}/providers/Microsoft.Authorization/roleAssignments/{to}"), "properties": {
            "scope": scope, "principalId": to, "description": "[twinspan:1a2b3c4d]",
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}") } })
    }

    fn role() -> serde_json::Value {
        json!({ "value": [{ "id": format!("{TARGET}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}"),
            "properties": { "roleName": "Network Contributor" } }] })
    }

    fn absent(bench: &Bench) {
        bench.script.answer(404, &json!({ "error": { "code": "RoleAssignmentNotFound", "message": "" } }));
    }

    #[tokio::test]
    async fn the_name_is_always_the_same_and_the_role_is_looked_up() {
        let bench = Bench::new();
        bench.script.answer(200, &role()).answer(200, &json!({ "id": PRINCIPAL })).answer_here(
            201,
            &[],
            &given(TARGET, PRINCIPAL),
        );
        Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &wanted("direct")).await.unwrap();
        assert_eq!(
            body(&bench),
            json!({ "properties": { "principalId": PRINCIPAL, "principalType": "User", "description": "[twinspan:00000007]",
                "roleDefinitionId": format!("{TARGET}/providers/Microsoft.Authorization/roleDefinitions/{ROLE}") } })
        );
        let asked = asked(&bench);
        assert!(
            asked[0].contains("/roleDefinitions?$filter=roleName eq 'Network Contributor'"),
            "{}",
            asked[0]
        );
        let name = wanted("direct").name();
        assert!(
            asked[2].starts_with(&format!(
                "PUT {TARGET}/providers/Microsoft.Authorization/roleAssignments/{name}?"
            ))
        );
        let mut shouting = wanted("effective");
        shouting.scope = TARGET.to_uppercase().parse().unwrap();
        assert_eq!(shouting.name(), name);
    }

    #[tokio::test]
    async fn a_group_or_a_scope_above_satisfies_only_effective() {
        let group = "ffffffff-3333-0000-0000-000000000001";
        for (scope, to) in
            [(TARGET, group), ("/providers/Microsoft.Management/managementGroups/mg", PRINCIPAL)]
        {
            for (satisfied_by, present) in [("effective", true), ("direct", false)] {
                let bench = Bench::new();
                absent(&bench);
                bench.script.answer(200, &role()).answer(200, &json!({ "value": [given(scope, to)] }));
                let attempt = Attempt::new(&bench, Phase::Probe);
                let seen = attempt.check(&kind(&bench), &wanted(satisfied_by)).await.unwrap();
                assert_eq!(
                    matches!(seen, Observed::Present { .. }),
                    present,
                    "{scope} {satisfied_by}: {seen:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn taking_back_looks_only_at_the_own_name() {
        let bench = Bench::new();
        absent(&bench);
        let seen =
            Attempt::new(&bench, Phase::UndoVerify).check(&kind(&bench), &wanted("effective")).await.unwrap();
        assert_eq!(seen, Observed::Absent);
        assert_eq!(bench.script.requests().len(), 1);
    }

    #[tokio::test]
    async fn the_wrong_subscription_is_found_out_before_the_write() {
        let bench = Bench::new();
        let tenant = "11111111-0000-0000-0000-00000000000c";
        for name in ["fabrikam-test", "fabrikam-prod-weu"] {
            bench.script.answer(200, &json!({ "displayName": name, "tenantId": tenant, "state": "Enabled" }));
        }
        let attempt = Attempt::new(&bench, Phase::Probe);
        let error = attempt.precondition(&kind(&bench), &wanted("direct")).await.unwrap_err();
        assert!(error.message.contains("is called \"fabrikam-test\""), "{error}");
        assert_eq!(attempt.precondition(&kind(&bench), &wanted("direct")).await.unwrap(), Readiness::Ready);
        let mut below = wanted("direct");
        below.scope = default_world::spoke().path().parse().unwrap();
        assert_eq!(attempt.precondition(&kind(&bench), &below).await.unwrap(), Readiness::Ready);
        assert_eq!(bench.script.requests().len(), 2, "a name is not compared below a subscription");
    }

    #[tokio::test]
    async fn already_given_is_adopted_and_a_new_account_is_waited_for() {
        for (status, code, class) in [
            (409, "RoleAssignmentExists", None),
            (400, "PrincipalNotFound", Some(FailureClass::ReplicationLag)),
        ] {
            let bench = Bench::new();
            bench.script.answer(200, &role()).answer(200, &json!({ "id": PRINCIPAL }));
            bench.script.answer(status, &json!({ "error": { "code": code, "message": "" } }));
            let applied = Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &wanted("direct")).await;
            assert_eq!(applied.err().map(|error| error.class), class, "{code}");
        }
    }

    #[tokio::test]
    async fn what_is_taken_away_was_given_at_this_very_scope_to_this_very_account_under_any_name() {
        let role = json!({ "value": [{ "id": format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}"),
            "properties": { "roleName": "Network Contributor" } }] });
        let above = given("/providers/Microsoft.Management/managementGroups/mg", PRINCIPAL);
        let group = given(TARGET, "ffffffff-1111-0000-0000-000000000009");
        let mut conditional = given(TARGET, PRINCIPAL);
        conditional["properties"]["condition"] = json!("@Resource x");
        let here = given(&TARGET.to_uppercase(), PRINCIPAL);
        for (listed, what) in [
            (vec![above.clone(), group.clone()], "absent"),
            (vec![above, group, conditional.clone(), here], "present"),
            (vec![conditional], "differs"),
        ] {
            let bench = Bench::new();
            bench.script.answer(200, &role).answer(200, &json!({ "value": listed }));
            let seen = Attempt::removing(&bench).check(&kind(&bench), &wanted("effective")).await.unwrap();
            let fits = match &seen {
                Observed::Absent => what == "absent",
                Observed::Present { output, .. } => {
                    what == "present" && output.id.path().ends_with(PRINCIPAL)
                }
                Observed::Differs { differences, .. } => {
                    what == "differs" && differences[0].field == "condition"
                }
                _ => false,
            };
            assert!(fits, "{what}: {seen:?}");
            assert!(asked(&bench)[1].contains("principalId eq"), "not through groups: {}", asked(&bench)[1]);
        }
    }
}
