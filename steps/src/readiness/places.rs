//! Which permissions each identity has at each scope where a step still has something to do.

use serde::Serialize;
use twinspan_engine::{FailureClass, Identity, StepError};

use super::ending::{self, Ending, allowed};
use super::giving::{Activation, Giving, give};
use super::{Asked, Asker, Attempt, SignIn, side_by_side, tenant_of};
use crate::azure::{SignedIn, assignable};
use crate::ids::Scope;
use crate::kinds::GIVES_ROLES;
use crate::permissions::{self, GrantedActions};

/// Azure's error code when the token is of another tenant than the scope.
const ANOTHER_TENANT: &str = "InvalidAuthenticationTokenTenant";

/// One scope, for one identity.
#[derive(Clone, Debug)]
pub struct TargetScope {
    /// The identity that needs the permissions.
    pub identity: Identity,
    /// The scope.
    pub scope: Scope,
    /// The actions that it needs there.
    pub actions: Vec<String>,
    /// The steps that need them.
    pub steps: Vec<String>,
    /// Whether it has them.
    pub allowance: Allowance,
    /// Steps of the plan itself that assign roles there and are not done.
    pub given_by: Vec<String>,
}

/// Whether an identity has the permissions that it needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Allowance {
    /// It has all of them.
    Allowed {
        /// How long they last.
        ending: Ending,
    },
    /// It lacks some of them.
    Missing {
        /// The missing actions.
        missing: Vec<String>,
        /// How an administrator gives them.
        giving: Box<Giving>,
        /// How the principal itself activates a role with them, if it is eligible for one.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// Why it is unknown whether it is eligible.
        #[serde(skip_serializing_if = "Option::is_none")]
        activation_unknown: Option<String>,
        /// A scope above this one where the same role is missing: assigned there, it applies here too.
        #[serde(skip_serializing_if = "Option::is_none")]
        covered_by: Option<String>,
    },
    /// It cannot be determined.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Checks every scope. Also returns the number of requests.
pub(super) async fn look(
    asker: &Asker,
    steps: &[Asked],
    sign_ins: &[SignIn],
) -> Result<(Vec<TargetScope>, usize), StepError> {
    let asked = side_by_side(wanted(steps), |mut place| {
        let asker = asker.clone();
        let sign_in =
            |identity: &Identity| sign_ins.iter().find(|sign_in| sign_in.identity == *identity).cloned();
        let own = sign_in(&place.identity);
        let acting = acting(steps, &place);
        let acting = acting.and_then(|acting| Some((sign_in(&acting.identity)?, acting)));
        async move {
            let Some(own) = own else { return (place, 0) };
            let (seen, mut reads) = ask(&asker, &own, &place).await;
            place.allowance = match (seen, acting) {
                (Ok(allowance), _) => allowance,
                (Err(error), None) => Allowance::Unknown { why: error.to_string() },
                (Err(error), Some((home, acting))) => {
                    let (seen, more) = ask(&asker, &home, &acting).await;
                    reads += more;
                    if seen.is_ok() {
                        place = acting;
                    }
                    seen.unwrap_or_else(|_| Allowance::Unknown { why: error.to_string() })
                }
            };
            (place, reads)
        }
    });
    let asked = asked.await?;
    let reads = asked.iter().map(|(_, reads)| reads).sum();
    let mut places: Vec<TargetScope> = asked.into_iter().map(|(place, _)| place).collect();
    cover(&mut places);
    Ok((places, reads))
}

/// The same scope for the acting identity. An auxiliary token is needed only if the scope lies in the token's tenant, and which
/// tenant that is becomes known only from Azure's response.
fn acting(steps: &[Asked], place: &TargetScope) -> Option<TargetScope> {
    let mut of_place =
        steps.iter().filter(|step| place.steps.iter().any(|name| *name == step.step.to_string()));
    let acting = of_place.find_map(|step| step.identities.first())?;
    let elsewhere = tenant_of(acting) != tenant_of(&place.identity);
    let open: Vec<&Asked> = steps.iter().filter(|step| step.open).collect();
    elsewhere.then(|| TargetScope {
        identity: acting.clone(),
        given_by: givers(&open, acting, &place.scope),
        ..place.clone()
    })
}

/// Which permissions the identity has at the scope, and the number of requests. `Err`: the scope lies in another tenant.
async fn ask(asker: &Asker, sign_in: &SignIn, place: &TargetScope) -> (Result<Allowance, StepError>, usize) {
    let Some(account) = sign_in.signed_in() else {
        let unknown = |error: &StepError| Allowance::Unknown { why: error.to_string() };
        return (Ok(sign_in.error().map_or_else(|| place.allowance.clone(), unknown)), 0);
    };
    let attempt = Attempt::new(asker, &place.identity);
    let seen = allowance(asker, &attempt, place, account).await;
    (seen, attempt.reads())
}

/// The scopes to check, without duplicates.
fn wanted(steps: &[Asked]) -> Vec<TargetScope> {
    let open: Vec<&Asked> = steps.iter().filter(|step| step.open).collect();
    let mut places: Vec<TargetScope> = Vec::new();
    for step in &open {
        for right in &step.permissions {
            let Ok(scope) = right.on.parse::<Scope>() else { continue };
            let same = |place: &&mut TargetScope| {
                place.identity == right.identity && place.scope.key() == scope.key()
            };
            let name = step.step.to_string();
            match places.iter_mut().find(same) {
                Some(place) => {
                    if !place.actions.contains(&right.action) {
                        place.actions.push(right.action.clone());
                    }
                    if !place.steps.contains(&name) {
                        place.steps.push(name);
                    }
                }
                None => places.push(TargetScope {
                    identity: right.identity.clone(),
                    given_by: givers(&open, &right.identity, &scope),
                    scope,
                    actions: vec![right.action.clone()],
                    steps: vec![name],
                    allowance: Allowance::Unknown { why: "it has no tenant to sign in to".to_owned() },
                }),
            }
        }
    }
    places
}

/// Open steps that assign roles at `scope` or above it, in the tenant of `identity`, and that another identity carries out.
fn givers(open: &[&Asked], identity: &Identity, scope: &Scope) -> Vec<String> {
    let gives = |step: &&&Asked| {
        step.kind == GIVES_ROLES
            && step.permissions.iter().any(|right| {
                tenant_of(&right.identity) == tenant_of(identity)
                    && right.identity != *identity
                    && right.on.parse::<Scope>().is_ok_and(|given| given.holds(scope))
            })
    };
    open.iter().filter(gives).map(|step| step.step.to_string()).collect()
}

async fn allowance(
    asker: &Asker,
    attempt: &Attempt<'_>,
    place: &TargetScope,
    account: &SignedIn,
) -> Result<Allowance, StepError> {
    let given = match given(asker, attempt, place).await {
        Ok(given) => given,
        // A principal that may not even read its own permissions has none there.
        Err(error) if error.class == FailureClass::Permission => Vec::new(),
        Err(error) if error.code.as_deref() == Some(ANOTHER_TENANT) => return Err(error),
        Err(error) => return Ok(Allowance::Unknown { why: error.to_string() }),
    };
    let missing: Vec<String> =
        place.actions.iter().filter(|action| !allowed(&given, action)).cloned().collect();
    if missing.is_empty() {
        let (identity, scope) = (&place.identity, &place.scope);
        let ending = ending::look(asker, attempt, identity, scope, &place.actions, account).await;
        return Ok(Allowance::Allowed { ending });
    }
    let eligible = ending::eligible(asker, attempt, &place.identity, &place.scope, &missing, account).await;
    let (activation, activation_unknown) = match eligible {
        Ok(activation) => (activation, None),
        Err(why) => (None, Some(why)),
    };
    let giving = Box::new(give(&missing, &place.scope, tenant_of(&place.identity), Some(account)));
    Ok(Allowance::Missing { missing, giving, activation, activation_unknown, covered_by: None })
}

/// The identity's permissions at the scope. A resource that does not exist yet inherits those of its parent.
async fn given(
    asker: &Asker,
    attempt: &Attempt<'_>,
    place: &TargetScope,
) -> Result<Vec<GrantedActions>, StepError> {
    let cx = attempt.cx();
    let arm = asker.azure.arm(&cx, &place.identity);
    match permissions::permissions(&arm, &place.scope).await {
        Err(error) if error.class == FailureClass::ReplicationLag => {
            let above: Scope = assignable(place.scope.path()).parse()?;
            if above.key() == place.scope.key() {
                return Err(error);
            }
            permissions::permissions(&arm, &above).await
        }
        given => given,
    }
}

/// Marks the scopes that are covered by a role that is missing at a scope above them.
fn cover(places: &mut [TargetScope]) {
    let missing: Vec<(Identity, Scope, Option<&'static str>)> = places
        .iter()
        .filter_map(|place| match &place.allowance {
            Allowance::Missing { giving, .. } => {
                Some((place.identity.clone(), place.scope.clone(), giving.role))
            }
            _ => None,
        })
        .collect();
    for place in places {
        let Allowance::Missing { giving, covered_by, .. } = &mut place.allowance else { continue };
        let above = missing.iter().find(|(identity, scope, role)| {
            *identity == place.identity
                && scope.key() != place.scope.key()
                && scope.holds(&place.scope)
                && role.is_some()
                && *role == giving.role
        });
        *covered_by = above.map(|(_, scope, _)| scope.path().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twinspan_engine::{Clock, Permission, RunId, StepKey, VirtualClock};

    use super::*;
    use crate::azure::scripted::{Bench, TARGET};
    use crate::readiness::{self, Readiness};

    const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
    const WRITE: &str = "Microsoft.Network/networkManagerConnections/write";

    fn asked(step: &str, kind: &str, identity: &Identity, permissions: &[(&str, &str)]) -> Asked {
        let right = |(action, on): &(&str, &str)| Permission {
            identity: identity.clone(),
            action: (*action).to_owned(),
            on: (*on).to_owned(),
        };
        Asked {
            step: StepKey::from(step),
            kind: kind.to_owned(),
            identities: vec![identity.clone()],
            others: Vec::new(),
            params: None,
            permissions: permissions.iter().map(right).collect(),
            open: true,
        }
    }

    fn named(bench: &Bench, name: &str) -> Identity {
        Identity { name: name.to_owned(), ..bench.target.clone() }
    }

    async fn looked(bench: &Bench, steps: &[Asked]) -> Readiness {
        let clock: std::sync::Arc<dyn Clock> =
            std::sync::Arc::new(VirtualClock::new("2026-11-25T09:00:00Z".parse().unwrap()));
        readiness::look(&bench.azure, &clock, RunId(uuid::Uuid::nil()), steps).await.unwrap()
    }

    #[tokio::test]
    async fn who_has_no_role_at_all_lacks_everything_and_is_told_how_it_is_given() {
        let bench = Bench::new();
        let refused = json!({ "error": { "code": "SubscriptionNotFound", "message": "The subscription was not found." } });
        let forbidden = json!({ "error": { "code": "AuthorizationFailed", "message": "no" } });
        bench.script.answer(404, &refused).answer(403, &forbidden);
        let steps = [asked("connect", "x", &bench.target.clone(), &[(WRITE, SUBSCRIPTION)])];
        let ready = looked(&bench, &steps).await;
        let Allowance::Missing { missing, giving, activation, activation_unknown, .. } =
            &ready.places[0].allowance
        else {
            panic!("{ready:#?}")
        };
        assert_eq!(missing, &[WRITE]);
        assert_eq!(giving.role, Some("Network Contributor"));
        assert!(giving.command.ends_with(&format!("--role 'Network Contributor' --scope {SUBSCRIPTION}")));
        assert!(giving.who.contains(TARGET), "{}", giving.who);
        assert!(activation.is_none() && activation_unknown.is_some(), "unreadable is unknown: {ready:#?}");
        let asked = bench.script.requests();
        assert!(asked.iter().all(|request| request.verb == "GET"), "{asked:#?}");
    }

    #[tokio::test]
    async fn an_answer_that_says_nothing_leaves_it_unknown() {
        let bench = Bench::new();
        bench.script.answer(500, &json!({ "error": { "code": "InternalServerError", "message": "oops" } }));
        let steps = [asked("connect", "x", &bench.target.clone(), &[(WRITE, SUBSCRIPTION)])];
        let ready = looked(&bench, &steps).await;
        assert!(matches!(ready.places[0].allowance, Allowance::Unknown { .. }), "{ready:#?}");
    }

    /// A hub in another subscription of the acting identity's own tenant, in a plan that sends another identity's auxiliary
    /// token.
    #[tokio::test]
    async fn what_lies_in_the_tenant_of_whoever_acts_is_asked_as_that_one() {
        let bench = Bench::new();
        let wrong = json!({ "error": { "code": "InvalidAuthenticationTokenTenant", "message": "The access token is from \
            the wrong issuer." } });
        let allowed = json!({ "value": [{ "actions": ["*"], "notActions": [] }] });
        // A refused token is replaced by a new one, once.
        bench.script.answer(401, &wrong).answer(401, &wrong);
        bench.script.answer(200, &allowed).answer(200, &json!({ "value": [] }));
        let right = [("Microsoft.Network/virtualNetworks/write", SUBSCRIPTION)];
        let hub = Asked {
            identities: vec![bench.central.clone()],
            ..asked("hub", "x", &bench.target.clone(), &right)
        };
        let ready = looked(&bench, std::slice::from_ref(&hub)).await;
        let [place] = &ready.places[..] else { panic!("{ready:#?}") };
        assert_eq!(place.identity.name, "central");
        assert!(matches!(place.allowance, Allowance::Allowed { .. }), "{place:#?}");
        // An identity that acts alone has no substitute.
        let bench = Bench::new();
        bench.script.answer(401, &wrong).answer(401, &wrong);
        let ready = looked(&bench, &[asked("connect", "x", &bench.target.clone(), &right)]).await;
        assert_eq!(ready.places[0].identity.name, "target");
        assert!(matches!(ready.places[0].allowance, Allowance::Unknown { .. }), "{ready:#?}");
    }

    #[test]
    fn what_the_plan_gives_itself_is_known_and_what_is_given_above_is_not_asked_for_twice() {
        let bench = Bench::new();
        let (guest, admin) = (named(&bench, "guest"), named(&bench, "admin"));
        let network =
            format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
        let steps = [
            asked(
                "role",
                GIVES_ROLES,
                &admin,
                &[("Microsoft.Authorization/roleAssignments/write", SUBSCRIPTION)],
            ),
            asked("connect", "x", &guest, &[(WRITE, SUBSCRIPTION)]),
            asked("member", "x", &guest, &[("Microsoft.Network/virtualNetworks/write", &network)]),
            asked("another", "x", &guest, &[(WRITE, SUBSCRIPTION)]),
        ];
        let mut places = wanted(&steps);
        let of =
            |place: &TargetScope| (place.identity.name.clone(), place.steps.clone(), place.given_by.clone());
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            places.iter().map(of).collect::<Vec<_>>(),
            [
                ("admin".to_owned(), names(&["role"]), names(&[])),
                ("guest".to_owned(), names(&["connect", "another"]), names(&["role"])),
                ("guest".to_owned(), names(&["member"]), names(&["role"])),
            ]
        );
        for place in &mut places {
            let giving = Box::new(give(&place.actions, &place.scope, TARGET, None));
            place.allowance = Allowance::Missing {
                missing: place.actions.clone(),
                giving,
                activation: None,
                activation_unknown: None,
                covered_by: None,
            };
        }
        cover(&mut places);
        let covered: Vec<Option<&str>> = places
            .iter()
            .map(|place| match &place.allowance {
                Allowance::Missing { covered_by, .. } => covered_by.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(covered, [None, None, Some(SUBSCRIPTION)], "a role of another kind covers nothing");
    }

    #[test]
    fn a_step_that_is_so_needs_no_right_any_more() {
        let bench = Bench::new();
        let mut step = asked("connect", "x", &bench.target.clone(), &[(WRITE, SUBSCRIPTION)]);
        step.open = false;
        assert!(wanted(&[step]).is_empty());
    }
}
