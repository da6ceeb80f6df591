//! How long a permission lasts: Privileged Identity Management assigns roles for some hours.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use twinspan_engine::{Identity, RunId, StepError};

use super::{Asker, Attempt};
use crate::azure::{Arm, SignedIn};
use crate::ids::Scope;
use crate::permissions::{self, GrantedActions, Instance, RoleDefinition, Schedule};
use crate::readiness::giving::{Activation, activate, extend};

/// A permission that ends within this time is reported: a rollout with people in it takes a working day.
const SOON: SignedDuration = SignedDuration::from_hours(8);

/// How long the permissions at a scope last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Ending {
    /// Eight hours or longer.
    Lasting,
    /// Less than eight hours.
    Soon(Ends),
    /// The end cannot be read.
    Unknown {
        /// Why.
        why: String,
    },
}

/// The end of a role assignment that gives a permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// Name of the role.
    pub role: String,
    /// When it ends.
    pub at: Timestamp,
    /// Seconds until then.
    pub in_seconds: i64,
    /// Whether its holder activated it. Then it cannot be extended, only activated again after it has
    /// ended.
    pub activated: bool,
    /// How to extend it, or to activate it again.
    pub again: Activation,
}

/// The principal in question, the id of this check, and the time now.
struct Question<'a> {
    principal: &'a str,
    look: RunId,
    now: Timestamp,
}

/// A role of one principal at or above a scope, with the actions it allows.
struct KnownEnding {
    role: RoleDefinition,
    instance: Instance,
}

impl KnownEnding {
    fn allows(&self, action: &str) -> bool {
        self.role.properties.permissions.iter().any(|permission| permission.allows(action))
    }

    /// When it ends; an end that cannot be parsed counts as now.
    fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let text = self.instance.properties.end_date_time.as_deref().filter(|text| !text.is_empty())?;
        Some(text.parse().unwrap_or(now))
    }

    /// Describes the end for the operator.
    fn ends(&self, at: Timestamp, asked: &Question<'_>) -> Ends {
        let Question { principal, look, now } = *asked;
        let (role, held) = (self.role.properties.role_name.clone(), &self.instance.properties);
        let activated = held.assignment_type.eq_ignore_ascii_case("Activated");
        let (id, scope) = (&held.role_definition_id, &held.scope);
        let again = if activated {
            activate(&role, id, scope, principal, look)
        } else {
            extend(&role, id, scope, principal, &held.role_assignment_schedule_id, look)
        };
        Ends { role, at, in_seconds: at.duration_since(now).as_secs(), activated, again }
    }
}

/// Roles of the principal that apply to `scope`, with their definitions. A role below the scope does not
/// apply to it.
async fn known(
    arm: &Arm<'_>,
    scope: &Scope,
    schedule: Schedule,
    principal: &str,
) -> Result<Vec<KnownEnding>, StepError> {
    let mut found: Vec<KnownEnding> = Vec::new();
    for instance in permissions::instances(arm, scope, schedule, principal).await? {
        let given_at = instance.properties.scope.trim_end_matches('/');
        let below = given_at.parse::<Scope>().is_ok_and(|given| given != *scope && scope.holds(&given));
        if below {
            continue;
        }
        let id = &instance.properties.role_definition_id;
        let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let role = match found.iter().find(|known| last(&known.role.id) == last(id)) {
            Some(known) => known.role.clone(),
            None => permissions::role(arm, scope, &last(id)).await?,
        };
        found.push(KnownEnding { role, instance });
    }
    Ok(found)
}

/// How long the permissions for `actions` on `scope` last.
pub(super) async fn look(
    asker: &Asker,
    attempt: &Attempt<'_>,
    identity: &Identity,
    scope: &Scope,
    actions: &[String],
    account: &SignedIn,
) -> Ending {
    let Some(principal) = &account.object_id else {
        return Ending::Unknown { why: "the token has no object id of its principal".to_owned() };
    };
    let cx = attempt.cx();
    let arm = asker.azure.arm(&cx, identity);
    let found = match known(&arm, scope, Schedule::Given, principal).await {
        Ok(found) => found,
        Err(error) => return Ending::Unknown { why: error.to_string() },
    };
    let asked = Question { principal, look: asker.run, now: attempt.now };
    judge(&found, actions, &asked)
}

fn judge(found: &[KnownEnding], actions: &[String], asked: &Question<'_>) -> Ending {
    let now = asked.now;
    let mut first: Option<Ends> = None;
    for action in actions {
        let allowing: Vec<&KnownEnding> = found.iter().filter(|known| known.allows(action)).collect();
        if allowing.is_empty() {
            return Ending::Unknown { why: format!("none of the principal's listed roles allows {action}") };
        }
        // Of several roles that allow the action, the one that lasts longest counts.
        let lasting = allowing.iter().any(|known| known.end(now).is_none());
        let last = allowing.iter().max_by_key(|known| known.end(now));
        let (false, Some(last)) = (lasting, last) else { continue };
        let at = last.end(now).unwrap_or(now);
        let left = at.duration_since(now);
        if left < SOON && first.as_ref().is_none_or(|first| at < first.at) {
            first = Some(last.ends(at, asked));
        }
    }
    first.map_or(Ending::Lasting, Ending::Soon)
}

/// A role that the principal may activate and that allows all `missing` actions. `Err`: why this cannot be
/// read.
pub(super) async fn eligible(
    asker: &Asker,
    attempt: &Attempt<'_>,
    identity: &Identity,
    scope: &Scope,
    missing: &[String],
    account: &SignedIn,
) -> Result<Option<Activation>, String> {
    let Some(principal) = &account.object_id else { return Ok(None) };
    let cx = attempt.cx();
    let arm = asker.azure.arm(&cx, identity);
    let found = known(&arm, scope, Schedule::Eligible, principal).await.map_err(|error| error.to_string())?;
    let enough = |known: &&KnownEnding| missing.iter().all(|action| known.allows(action));
    Ok(found.iter().find(enough).map(|known| {
        let properties = &known.instance.properties;
        let name = &known.role.properties.role_name;
        activate(name, &properties.role_definition_id, &properties.scope, principal, asker.run)
    }))
}

/// Whether any permission in `given` allows `action`.
pub(super) fn allowed(given: &[GrantedActions], action: &str) -> bool {
    given.iter().any(|permission| permission.allows(action))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-25T09:00:00Z";

    fn known(role: &str, actions: &[&str], ends: Option<&str>) -> KnownEnding {
        KnownEnding {
            role: serde_json::from_value(json!({ "id": role, "properties": { "roleName": role,
                "permissions": [{ "actions": actions, "notActions": [] }] } }))
            .unwrap(),
            instance: serde_json::from_value(json!({ "properties": { "endDateTime": ends } })).unwrap(),
        }
    }

    fn judged(found: &[KnownEnding]) -> Ending {
        let (look, now) = (RunId(uuid::Uuid::nil()), NOW.parse().unwrap());
        judge(found, &["Microsoft.Network/a/write".to_owned()], &Question { principal: "me", look, now })
    }

    #[test]
    fn a_right_lasts_as_long_as_the_longest_role_that_gives_it() {
        let network = ["Microsoft.Network/*"].as_slice();
        let soon = || known("Network Contributor", network, Some("2026-11-25T11:00:00Z"));
        let Ending::Soon(ends) = judged(&[soon()]) else { panic!() };
        assert_eq!((ends.role.as_str(), ends.in_seconds), ("Network Contributor", 7_200));
        assert_eq!(judged(&[soon(), known("Owner", &["*"], None)]), Ending::Lasting);
        let tomorrow = known("Owner", &["*"], Some("2026-11-26T09:00:00Z"));
        assert_eq!(judged(&[soon(), tomorrow]), Ending::Lasting);
        let later = known("Contributor", &["*"], Some("2026-11-25T12:00:00.5Z"));
        let Ending::Soon(ends) = judged(&[soon(), later]) else { panic!() };
        assert_eq!(ends.role, "Contributor");
        // A role that does not allow the action does not prolong it.
        let Ending::Soon(ends) = judged(&[soon(), known("Reader", &["*/read"], None)]) else { panic!() };
        assert_eq!(ends.role, "Network Contributor");
        assert!(matches!(judged(&[]), Ending::Unknown { .. }), "an empty list is unknown");
        let odd = known("Owner", &["*"], Some("next week"));
        assert!(matches!(judged(&[odd]), Ending::Soon(_)), "an end that cannot be read may be now");
    }

    #[test]
    fn what_was_activated_is_activated_again_and_what_was_given_is_extended() {
        let ends = "2026-11-25T11:00:00Z";
        let mut held = known("Network Contributor", &["*"], Some(ends));
        held.instance.properties.scope = "/subscriptions/s".to_owned();
        held.instance.properties.role_definition_id = "/roles/network".to_owned();
        held.instance.properties.role_assignment_schedule_id = "/schedules/x".to_owned();
        for (sort, activated, request) in [
            ("Assigned", false, "SelfExtend"),
            ("Activated", true, "SelfActivate"),
            ("", false, "SelfExtend"),
        ] {
            held.instance.properties.assignment_type = sort.to_owned();
            let Ending::Soon(found) = judged(std::slice::from_ref(&held)) else { panic!() };
            assert_eq!(found.activated, activated, "{sort}");
            let command = &found.again.command;
            let url = "az rest --method put --url '/subscriptions/s/providers/Microsoft.Authorization/\
                       roleAssignmentScheduleRequests/";
            assert!(command.starts_with(url), "{command}");
            let (_, body) = command.split_once(" --body '").unwrap();
            let body: serde_json::Value = serde_json::from_str(body.trim_end_matches('\'')).unwrap();
            let asked = &body["properties"];
            assert_eq!((&asked["requestType"], &asked["principalId"]), (&json!(request), &json!("me")));
            assert_eq!(asked["roleDefinitionId"], "/roles/network");
            let schedule = if activated { serde_json::Value::Null } else { json!("/schedules/x") };
            assert_eq!(asked["targetRoleAssignmentScheduleId"], schedule, "{sort}");
        }
    }
}
