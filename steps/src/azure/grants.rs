//! Rights that were given a moment ago. Azure says that a role takes up to ten minutes to take effect: until then a refusal is
//! no lack of it. This process knows those that it gave; of a step that is needed, the journal has them as its receipt.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// So long a refusal may be due to a right that is new.
const PROPAGATION: SignedDuration = SignedDuration::from_mins(15);

/// One of them, as the step that gave it leaves it to those that need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    tenant: String,
    scope: String,
    principal: String,
    /// Its members are not known here.
    to_group: bool,
    at: Timestamp,
}

/// The receipt of a step that gave a right.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    role_given: Grant,
    /// Why the role assignment may have existed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unproven: Option<String>,
}

impl Grant {
    /// Those in the receipts of other steps.
    pub(crate) fn in_receipts(receipts: &[Value]) -> Vec<Grant> {
        let given = receipts.iter().filter_map(|receipt| Receipt::deserialize(receipt).ok());
        given.map(|receipt| receipt.role_given).collect()
    }

    /// Why the role assignment that this receipt is of may have existed before.
    pub(crate) fn unproven(receipt: Option<&Value>) -> Option<String> {
        Receipt::deserialize(receipt?).ok()?.unproven
    }

    /// When it was given, if that was a moment ago and it may allow `principal` what lies at `scope`.
    fn reaches(&self, tenant: &str, scope: &str, principal: &str, now: Timestamp) -> Option<Timestamp> {
        let fits = self.tenant.eq_ignore_ascii_case(tenant)
            && (self.to_group || self.principal == principal)
            && reaches(&self.scope, scope)
            // One of a time to come was given by a clock that was ahead: how long ago that was is not known.
            && (SignedDuration::ZERO..PROPAGATION).contains(&now.duration_since(self.at));
        fits.then_some(self.at)
    }
}

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Vec<Grant>>);

impl Grants {
    /// Remembers a role that was given at `scope` of `tenant`. Gives the receipt by which others know of it.
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
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|old| at.duration_since(old.at) < PROPAGATION);
        all.push(grant.clone());
        serde_json::to_value(Receipt { role_given: grant, unproven }).ok()
    }

    /// When something was given to `principal` that may allow it `scope`, if that was a moment ago: by this process, or
    /// by whoever left `others`.
    pub(crate) fn recent(
        &self,
        others: &[Grant],
        tenant: &str,
        scope: &str,
        principal: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (scope, principal) = (scope.to_ascii_lowercase(), principal.to_ascii_lowercase());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            all.iter().chain(others).filter_map(|grant| grant.reaches(tenant, &scope, &principal, now));
        fits.max()
    }
}

/// Whether what is given at one scope counts at another. What lies in a management group is not known here.
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
        assert!(
            recent("t", "/subscriptions/s2", "anybody", 21),
            "a group's members, below a management group"
        );
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
