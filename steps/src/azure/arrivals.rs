//! Service principals that this process created recently. Until all replicas of Entra know them, a sign-in of the
//! application may be refused because it has no service principal.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long a refusal may be due to replication.
const REPLICATION: SignedDuration = SignedDuration::from_mins(10);

/// When applications were given service principals, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<BTreeMap<(String, String), Timestamp>>);

impl Arrivals {
    /// Records that `application` was given a service principal in `tenant`.
    pub(crate) fn came(&self, tenant: &str, application: &str, at: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, old| at.duration_since(*old) < REPLICATION);
        all.insert(key(tenant, application), at);
    }

    /// When that was, if it was recent.
    pub(crate) fn recent(&self, tenant: &str, application: &str, now: Timestamp) -> Option<Timestamp> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key(tenant, application)).copied().filter(|at| now.duration_since(*at) < REPLICATION)
    }
}

fn key(tenant: &str, application: &str) -> (String, String) {
    (tenant.to_ascii_lowercase(), application.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_application_in_that_tenant_and_a_moment_ago_counts() {
        let at = |minutes: i64| Timestamp::from_second(1_000_000 + 60 * minutes).unwrap();
        let arrivals = Arrivals::default();
        arrivals.came("T", "A", at(0));
        assert_eq!(arrivals.recent("t", "a", at(9)), Some(at(0)));
        assert_eq!(arrivals.recent("t", "a", at(10)), None);
        assert_eq!(arrivals.recent("t", "b", at(1)), None);
        assert_eq!(arrivals.recent("u", "a", at(1)), None);
    }
}
