//! Until when a right lasts: Privileged Identity Management gives roles for some hours.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use twinspan_engine::{Identity, StepError};

use super::{Asker, Attempt};
use crate::azure::{Arm, SignedIn};
use crate::ids::Scope;
use crate::readiness::giving::{Activation, activate};
use crate::rights::{self, Instance, Permission, RoleDefinition, Schedule};

/// A right that ends sooner is worth a word: a rollout with people in it takes a working day.
const SOON: SignedDuration = SignedDuration::from_hours(8);

/// How long the rights at a place last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Ending {
    /// Longer than is worth a word.
    Lasting,
    /// Not long.
    Soon(Ends),
    /// It cannot be read.
    Unknown {
        /// Why.
        why: String,
    },
}

/// The end of a right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// The role that gives it.
    pub role: String,
    /// When.
    pub at: Timestamp,
    /// That is in so many seconds.
    pub in_seconds: i64,
}

/// Roles of one principal around a scope, with what they allow.
struct Known {
    role: RoleDefinition,
    instance: Instance,
}

impl Known {
    fn allows(&self, action: &str) -> bool {
        self.role.properties.permissions.iter().any(|permission| permission.allows(action))
    }

    /// When it ends; what cannot be read ends now.
    fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let text = self.instance.properties.end_date_time.as_deref().filter(|text| !text.is_empty())?;
        Some(text.parse().unwrap_or(now))
    }
}

/// Roles that reach `scope`, and what each allows. A role below the scope does not count there.
async fn known(
    arm: &Arm<'_>,
    scope: &Scope,
    schedule: Schedule,
    principal: &str,
) -> Result<Vec<Known>, StepError> {
    let mut found: Vec<Known> = Vec::new();
    for instance in rights::instances(arm, scope, schedule, principal).await? {
        let given_at = instance.properties.scope.trim_end_matches('/');
        let below = given_at.parse::<Scope>().is_ok_and(|given| given != *scope && scope.holds(&given));
        if below {
            continue;
        }
        let id = &instance.properties.role_definition_id;
        let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let role = match found.iter().find(|known| last(&known.role.id) == last(id)) {
            Some(known) => known.role.clone(),
            None => rights::role(arm, scope, &last(id)).await?,
        };
        found.push(Known { role, instance });
    }
    Ok(found)
}

/// How long what allows `actions` on `scope` lasts.
pub(super) async fn look(
    asker: &Asker,
    attempt: &Attempt<'_>,
    identity: &Identity,
    scope: &Scope,
    actions: &[String],
    account: &SignedIn,
) -> Ending {
    let Some(principal) = &account.object_id else {
        return Ending::Unknown { why: "the token does not say whose it is".to_owned() };
    };
    let cx = attempt.cx();
    let arm = asker.azure.arm(&cx, identity);
    let found = match known(&arm, scope, Schedule::Given, principal).await {
        Ok(found) => found,
        Err(error) => return Ending::Unknown { why: error.to_string() },
    };
    judge(&found, actions, attempt.now)
}

fn judge(found: &[Known], actions: &[String], now: Timestamp) -> Ending {
    let mut first: Option<Ends> = None;
    for action in actions {
        let allowing: Vec<&Known> = found.iter().filter(|known| known.allows(action)).collect();
        if allowing.is_empty() {
            return Ending::Unknown {
                why: format!("no role that is listed for the account allows {action}"),
            };
        }
        // What lasts longest counts.
        let lasting = allowing.iter().any(|known| known.end(now).is_none());
        let last = allowing.iter().max_by_key(|known| known.end(now));
        let (false, Some(last)) = (lasting, last) else { continue };
        let at = last.end(now).unwrap_or(now);
        let left = at.duration_since(now);
        if left < SOON && first.as_ref().is_none_or(|first| at < first.at) {
            let role = last.role.properties.role_name.clone();
            first = Some(Ends { role, at, in_seconds: left.as_secs() });
        }
    }
    first.map_or(Ending::Lasting, Ending::Soon)
}

/// Roles that the account may activate for what is missing. `Err`: that cannot be read.
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
    let enough = |known: &&Known| missing.iter().all(|action| known.allows(action));
    Ok(found.iter().find(enough).map(|known| {
        let properties = &known.instance.properties;
        let name = &known.role.properties.role_name;
        activate(name, &properties.role_definition_id, &properties.scope, account)
    }))
}

/// Whether anything in `given` allows `action`.
pub(super) fn allowed(given: &[Permission], action: &str) -> bool {
    given.iter().any(|permission| permission.allows(action))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-25T09:00:00Z";

    fn known(role: &str, actions: &[&str], ends: Option<&str>) -> Known {
        Known {
            role: serde_json::from_value(json!({ "id": role, "properties": { "roleName": role,
                "permissions": [{ "actions": actions, "notActions": [] }] } }))
            .unwrap(),
            instance: serde_json::from_value(json!({ "properties": { "endDateTime": ends } })).unwrap(),
        }
    }

    fn judged(found: &[Known]) -> Ending {
        judge(found, &["Microsoft.Network/a/write".to_owned()], NOW.parse().unwrap())
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
        // A role for something else does not make it last.
        let Ending::Soon(ends) = judged(&[soon(), known("Reader", &["*/read"], None)]) else { panic!() };
        assert_eq!(ends.role, "Network Contributor");
        assert!(matches!(judged(&[]), Ending::Unknown { .. }), "nothing listed is not fine");
        let odd = known("Owner", &["*"], Some("next week"));
        assert!(matches!(judged(&[odd]), Ending::Soon(_)), "an end that cannot be read may be now");
    }
}
