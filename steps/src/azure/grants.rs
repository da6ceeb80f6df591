//! Rights that this process gave a moment ago. Azure says that a role takes up to ten minutes to take effect: until then a
//! refusal is no lack of it.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// So long a refusal may be due to a right that is new.
const PROPAGATION: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug)]
struct Grant {
    tenant: String,
    scope: String,
    principal: String,
    /// Its members are not known here.
    to_group: bool,
    at: Timestamp,
}

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Vec<Grant>>);

impl Grants {
    /// Remembers a role that was given at `scope` of `tenant`.
    pub(crate) fn given(&self, tenant: &str, scope: &str, principal: &str, to_group: bool, at: Timestamp) {
        let grant = Grant {
            tenant: tenant.to_ascii_lowercase(),
            scope: scope.to_ascii_lowercase(),
            principal: principal.to_ascii_lowercase(),
            to_group,
            at,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|old| at.duration_since(old.at) < PROPAGATION);
        all.push(grant);
    }

    /// When something was given to `principal` that may allow it `scope`, if that was a moment ago.
    pub(crate) fn recent(
        &self,
        tenant: &str,
        scope: &str,
        principal: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (scope, principal) = (scope.to_ascii_lowercase(), principal.to_ascii_lowercase());
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = all.iter().filter(|grant| {
            grant.tenant.eq_ignore_ascii_case(tenant)
                && (grant.to_group || grant.principal == principal)
                && reaches(&grant.scope, &scope)
                && now.duration_since(grant.at) < PROPAGATION
        });
        fits.map(|grant| grant.at).max()
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
        grants.given("T", "/subscriptions/S", "P", false, at(0));
        let recent = |tenant: &str, scope: &str, principal: &str, minutes: i64| {
            grants.recent(tenant, scope, principal, at(minutes)).is_some()
        };
        assert!(recent("t", "/subscriptions/s/resourceGroups/g", "p", 14));
        assert!(!recent("t", "/subscriptions/s", "p", 15), "by then it is effective, or missing");
        assert!(!recent("u", "/subscriptions/s", "p", 1));
        assert!(!recent("t", "/subscriptions/s2", "p", 1));
        assert!(!recent("t", "/subscriptions/s", "q", 1));
        grants.given("t", "/providers/Microsoft.Management/managementGroups/m", "g", true, at(20));
        assert!(
            recent("t", "/subscriptions/s2", "anybody", 21),
            "a group's members, below a management group"
        );
    }
}
