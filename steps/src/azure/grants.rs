//! Roles that were assigned recently. Azure documents up to ten minutes until a role assignment is effective: until then a
//! refusal does not mean that the role is missing. This process knows its own assignments; those of steps that a step depends
//! on come from their receipts in the journal.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a refusal may be due to a new role assignment.
const PROPAGATION: SignedDuration = SignedDuration::from_mins(15);

/// A role assignment, as the receipt of its step describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    tenant: String,
    scope: String,
    principal: String,
    /// The principal is a group, whose members are not known here.
    to_group: bool,
    at: Timestamp,
}

/// The receipt of a step that assigned a role.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    role_given: Grant,
    /// Why the role assignment may be pre-existing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven: Option<String>,
}

impl Grant {
    /// The role assignments in the receipts of other steps.
    pub(crate) fn in_receipts(receipts: &[Value]) -> Vec<Grant> {
        let given = receipts.iter().filter_map(|receipt| Receipt::deserialize(receipt).ok());
        given.map(|receipt| receipt.role_given).collect()
    }

    /// Why the role assignment of this receipt may be pre-existing.
    pub(crate) fn unproven(receipt: Option<&Value>) -> Option<String> {
        Receipt::deserialize(receipt?).ok()?.unproven
    }

    /// When the role was assigned, if that was recent and it may apply to `principal` at `scope`.
    fn reaches(&self, tenant: &str, scope: &str, principal: &str, now: Timestamp) -> Option<Timestamp> {
        let fits = self.tenant.eq_ignore_ascii_case(tenant)
            && (self.to_group || self.principal == principal)
            && reaches(&self.scope, scope)
            // A time in the future comes from a clock that was ahead, so the age of the assignment is unknown.
            && (SignedDuration::ZERO..PROPAGATION).contains(&now.duration_since(self.at));
        fits.then_some(self.at)
    }
}

/// After a refusal, only the refused step checks for so long whether the principal's roles are effective: a little longer than
/// its retry takes.
const ONE_ASKS: SignedDuration = SignedDuration::from_secs(75);

/// How many checks in a row a step leaves to another: what delays one role need not delay another.
const MOST_LEFT: u8 = 4;

/// Recent role assignments, and the steps that wait for them.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    given: Mutex<Vec<Grant>>,
    waits: Mutex<Waits>,
}

/// The steps that wait for roles to become effective.
#[derive(Debug, Default)]
struct Waits {
    /// The last refusal of a principal in a tenant: when, where, and when the role in question was assigned.
    refused: HashMap<(String, String), Refused>,
    /// How many checks each step has left to others.
    left: HashMap<String, u8>,
}

#[derive(Clone, Debug)]
struct Refused {
    asker: String,
    at: Timestamp,
    scope: String,
    given: Timestamp,
}

impl Grants {
    /// Records a role assignment at `scope` of `tenant`. Returns the receipt by which other steps learn of it.
    pub(crate) fn given(
        &self,
        tenant: &str,
        scope: &str,
        principal: &str,
        to_group: bool,
        unproven: Option<String>,
        at: Timestamp,
    ) -> Option<Value> {
        let grant = Grant {
            tenant: tenant.to_ascii_lowercase(),
            scope: scope.to_ascii_lowercase(),
            principal: principal.to_ascii_lowercase(),
            to_group,
            at,
        };
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|old| at.duration_since(old.at) < PROPAGATION);
        all.push(grant.clone());
        serde_json::to_value(Receipt { role_given: grant, unproven }).ok()
    }

    /// When a role that may apply at `scope` was assigned to `principal`, if that was recent: by this process, or in `others`.
    pub(crate) fn recent(
        &self,
        others: &[Grant],
        tenant: &str,
        scope: &str,
        principal: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (scope, principal) = (scope.to_ascii_lowercase(), principal.to_ascii_lowercase());
        let all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            all.iter().chain(others).filter_map(|grant| grant.reaches(tenant, &scope, &principal, now));
        fits.max()
    }

    /// Records that `asker` was refused at `scope`, because the role of `principal`, assigned at `given`, is not effective
    /// yet.
    pub(crate) fn refused(
        &self,
        tenant: &str,
        scope: &str,
        principal: &str,
        given: Timestamp,
        (asker, now): (&str, Timestamp),
    ) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let account = account(tenant, principal);
        let tells_more =
            |before: &Refused| is_fresh(before, now) && before.given <= given && before.asker != asker;
        if !waits.refused.get(&account).is_some_and(tells_more) {
            let (asker, scope) = (asker.to_owned(), scope.to_owned());
            waits.refused.insert(account, Refused { asker, at: now, scope, given });
        }
    }

    /// Records that `principal` was allowed at `scope`.
    pub(crate) fn let_in(&self, tenant: &str, scope: &str, principal: &str) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let account = account(tenant, principal);
        if waits.refused.get(&account).is_some_and(|refused| reaches_either(&refused.scope, scope)) {
            waits.refused.remove(&account);
        }
    }

    /// The scope where another step checks for the same principal, if it was just refused for a role assigned no later than
    /// `given`: then `asker` need not send its request. Every fifth time it sends it all the same.
    pub(crate) fn left_to(
        &self,
        tenant: &str,
        principal: &str,
        given: Timestamp,
        asker: &str,
        now: Timestamp,
    ) -> Option<String> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = waits.refused.get(&account(tenant, principal));
        let tells =
            |refused: &&Refused| refused.asker != asker && is_fresh(refused, now) && refused.given <= given;
        let refused = refused.filter(tells)?.scope.clone();
        let left = waits.left.entry(asker.to_owned()).or_default();
        if *left >= MOST_LEFT {
            waits.left.remove(asker);
            return None;
        }
        *left += 1;
        Some(refused)
    }
}

fn account(tenant: &str, principal: &str) -> (String, String) {
    (tenant.to_ascii_lowercase(), principal.to_ascii_lowercase())
}

fn is_fresh(refused: &Refused, now: Timestamp) -> bool {
    now.duration_since(refused.at) < ONE_ASKS
}

/// Whether one of two scopes contains the other.
fn reaches_either(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    reaches(&one, &other) || reaches(&other, &one)
}

/// Whether a role at one scope may apply at another. The contents of management groups are not known here.
fn reaches(given: &str, scope: &str) -> bool {
    given.starts_with("/providers/microsoft.management/")
        || scope == given
        || scope.strip_prefix(given).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_to_the_account_there_and_a_moment_ago_counts() {
        let at = |minutes: i64| Timestamp::from_second(1_000_000 + 60 * minutes).unwrap();
        let grants = Grants::default();
        grants.given("T", "/subscriptions/S", "P", false, None, at(0));
        let recent = |tenant: &str, scope: &str, principal: &str, minutes: i64| {
            grants.recent(&[], tenant, scope, principal, at(minutes)).is_some()
        };
        assert!(recent("t", "/subscriptions/s/resourceGroups/g", "p", 14));
        assert!(!recent("t", "/subscriptions/s", "p", 15), "by then it is effective, or missing");
        assert!(!recent("u", "/subscriptions/s", "p", 1));
        assert!(!recent("t", "/subscriptions/s2", "p", 1));
        assert!(!recent("t", "/subscriptions/s", "q", 1));
        grants.given("t", "/providers/Microsoft.Management/managementGroups/m", "g", true, None, at(20));
        assert!(recent("t", "/subscriptions/s2", "other", 21), "a group's members, below a management group");
    }

    #[test]
    fn one_asks_for_all_that_wait_for_the_roles_of_an_account() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let grants = Grants::default();
        let left_to =
            |asker: &str, given: i64, now: i64| grants.left_to("t", "p", at(given), asker, at(now)).is_some();
        assert!(!left_to("a", 0, 5), "no step was refused yet");
        grants.refused("T", "/subscriptions/A", "P", at(0), ("a", at(5)));
        grants.refused("t", "/subscriptions/b", "p", at(3), ("b", at(6)));
        assert!(left_to("b", 3, 7) && left_to("c", 0, 79));
        assert!(!left_to("a", 0, 7), "the step that checks for all checks again");
        assert!(!left_to("d", -1, 7), "an older role may be effective before");
        assert_eq!(grants.left_to("t", "other", at(3), "b", at(7)), None);
        assert!(!left_to("c", 3, 80), "then another step checks");
        grants.refused("t", "/subscriptions/a", "p", at(0), ("a", at(35)));
        for look in 0..3 {
            assert!(left_to("b", 3, 36), "{look}");
        }
        assert!(!left_to("b", 3, 36), "every fifth time it checks itself");
        assert!(left_to("b", 3, 36));
        grants.let_in("t", "/subscriptions/elsewhere", "p");
        assert!(left_to("c", 3, 36));
        grants.let_in("t", "/subscriptions/a/providers/x", "p");
        assert!(!left_to("c", 3, 36), "it is effective");
    }

    #[test]
    fn what_another_process_gave_is_known_by_its_receipt() {
        let at = |minutes: i64| Timestamp::from_second(1_000_000 + 60 * minutes).unwrap();
        let receipt = Grants::default().given("T", "/subscriptions/S", "P", false, None, at(0)).unwrap();
        let others = [Value::String("of another kind".to_owned()), receipt];
        let others = Grant::in_receipts(&others);
        assert_eq!(others.len(), 1);
        let recent = |minutes| {
            Grants::default().recent(&others, "t", "/subscriptions/s/resourceGroups/g", "p", at(minutes))
        };
        assert_eq!((recent(14), recent(15)), (Some(at(0)), None));
    }
}
