//! One tenant: which identities sign in, what each may do and until when, which network managers manage its scopes
//! already,
//! and the tasks of people.

use serde::Serialize;
use twinspan_engine::{Previewed, RunId};
use twinspan_plans::Plan;
use twinspan_steps::readiness::{
    Allowance, ConflictingManager, Entrance, Readiness, ScopeConflicts, SignIn, TargetScope,
};

use super::Refusals;
use super::step::WaitWords;
use super::tasks::{self, TaskView};

/// One tenant.
#[derive(Serialize)]
pub(super) struct TenantView {
    pub(super) tenant: String,
    pub(super) sign_ins: Vec<SignInView>,
    pub(super) permissions: Vec<RightsView>,
    /// Scopes that are to be connected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<ScopeView>,
    /// Tasks of people before the run, or while it waits.
    pub(super) tasks: Vec<TaskView>,
}

/// One identity.
#[derive(Serialize)]
pub(super) struct SignInView {
    pub(super) identity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact: Option<String>,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credential: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<String>,
    /// Why the sign-in does not succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wait: Option<WaitWords>,
}

/// The permissions of one identity at one place.
#[derive(Serialize)]
pub(super) struct RightsView {
    pub(super) identity: String,
    pub(super) scope: String,
    pub(super) actions: Vec<String>,
    pub(super) steps: Vec<String>,
    #[serde(flatten)]
    pub(super) allowance: Allowance,
    /// Steps of the plan that assign roles at this scope.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) given_by: Vec<String>,
}

/// One scope that is to be connected.
#[derive(Serialize)]
pub(super) struct ScopeView {
    pub(super) scope: String,
    pub(super) step: String,
    /// Other network managers that manage the scope or request it.
    pub(super) managers: Vec<ConflictingManager>,
    /// The subscriptions that were searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) looked: Vec<String>,
    /// What could not be searched, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unknown: Option<String>,
}

impl TenantView {
    /// Every tenant in which an identity acts, in the order of the plan.
    pub(super) fn all(
        plan: &Plan,
        steps: &[&Previewed],
        ready: &Readiness,
        refusals: &Refusals,
        run: RunId,
    ) -> Vec<TenantView> {
        let mut tenants: Vec<&str> = Vec::new();
        for sign_in in &ready.sign_ins {
            let tenant = tasks::tenant_of(&sign_in.identity);
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        let view = |tenant: &str| TenantView {
            tenant: tenant.to_owned(),
            sign_ins: of(&ready.sign_ins, tenant, |one| &one.identity)
                .map(|one| SignInView::new(one, run))
                .collect(),
            permissions: of(&ready.places, tenant, |one| &one.identity)
                .map(|place| RightsView::new(place, refusals))
                .collect(),
            scopes: of(&ready.scope_conflicts, tenant, |one| &one.identity).map(ScopeView::new).collect(),
            tasks: tasks::of(plan, tenant, steps, ready, run),
        };
        tenants.into_iter().map(view).collect()
    }
}

fn of<'a, T>(
    all: &'a [T],
    tenant: &'a str,
    identity: impl Fn(&T) -> &twinspan_engine::Identity + 'a,
) -> impl Iterator<Item = &'a T> {
    all.iter().filter(move |one| tasks::tenant_of(identity(one)) == tenant)
}

impl SignInView {
    fn new(sign_in: &SignIn, run: RunId) -> Self {
        let account = sign_in.signed_in();
        SignInView {
            identity: sign_in.identity.name.clone(),
            contact: sign_in.identity.attributes.get("contact").cloned(),
            state: match &sign_in.entrance {
                Entrance::SignedIn(_) => "signed-in",
                Entrance::NoCredential(_) => "no-credential",
                Entrance::Refused(_) => "refused",
                Entrance::NoAnswer(_) => "no-answer",
            },
            credential: account.map(|account| account.credential.name()),
            object_id: account.and_then(|account| account.object_id.clone()),
            account: account.and_then(|account| account.account.clone()),
            application: account.and_then(|account| account.application.clone()),
            why: sign_in.error().map(ToString::to_string),
            wait: sign_in
                .error()
                .and_then(|error| error.wait.as_deref())
                .map(|wait| WaitWords::new(wait, run)),
        }
    }
}

impl RightsView {
    fn new(place: &TargetScope, refusals: &Refusals) -> Self {
        let allowance = match &place.allowance {
            Allowance::Unknown { why } => Allowance::Unknown { why: refusals.shortened(why) },
            known => known.clone(),
        };
        RightsView {
            identity: place.identity.name.clone(),
            scope: place.scope.path().to_owned(),
            actions: place.actions.clone(),
            steps: place.steps.clone(),
            allowance,
            given_by: place.given_by.clone(),
        }
    }
}

impl ScopeView {
    fn new(scope_conflicts: &ScopeConflicts) -> Self {
        ScopeView {
            scope: scope_conflicts.scope.path().to_owned(),
            step: scope_conflicts.step.clone(),
            managers: scope_conflicts.found.clone(),
            looked: scope_conflicts.looked.clone(),
            unknown: (!scope_conflicts.not_looked.is_empty()).then(|| scope_conflicts.not_looked.join("; ")),
        }
    }
}
