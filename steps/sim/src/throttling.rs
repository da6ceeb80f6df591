//! Request limits: Azure Resource Manager's token buckets, one for each subscription (or tenant), principal and kind of
//! request.
//!
//! Azure's limits are 250 reads, refilled with 25 a second, 200 writes, refilled with 10 a second, and 200 deletes,
//! refilled with 10 a second. They are off by default, because a rehearsal in virtual time sends requests faster than any
//! network. A request before its Retry-After has passed is refused, with a new Retry-After.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hierarchy::Place;
use crate::reply::Reply;
use crate::request::Request;

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Its capacity, in requests.
    pub burst: u32,
    /// Requests refilled per second.
    pub per_second: f64,
    /// The shortest Retry-After of a refusal.
    #[serde(default)]
    pub pause: SignedDuration,
}

/// The buckets of a caller at a subscription; `None` for no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// GET, and queries by POST.
    pub reads: Option<Rate>,
    /// PUT, PATCH and POST.
    pub writes: Option<Rate>,
    /// DELETE.
    pub deletes: Option<Rate>,
    /// Id of the only subscription with these limits; `None` for every subscription and tenant.
    pub subscription: Option<String>,
}

impl Rates {
    /// The limits that Azure documents.
    pub fn azure() -> Self {
        let rate = |burst, per_second| Some(Rate { burst, per_second, pause: SignedDuration::from_secs(1) });
        Rates {
            reads: rate(250, 25.0),
            writes: rate(200, 10.0),
            deletes: rate(200, 10.0),
            subscription: None,
        }
    }
}

/// Kinds of requests that Azure counts separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Reads,
    Writes,
    Deletes,
}

impl Sort {
    pub(crate) fn of(request: &Request) -> Self {
        if request.method == http::Method::DELETE {
            Sort::Deletes
        } else if crate::arm::is_write(&request.method, &request.path) {
            Sort::Writes
        } else {
            Sort::Reads
        }
    }

    fn name(self) -> &'static str {
        match self {
            Sort::Reads => "read",
            Sort::Writes => "write",
            Sort::Deletes => "delete",
        }
    }

    /// The header names: for a principal at a subscription, for all principals there, and for a principal in its tenant.
    fn headers(self) -> [&'static str; 3] {
        match self {
            Sort::Reads => [
                "x-ms-ratelimit-remaining-subscription-reads",
                "x-ms-ratelimit-remaining-subscription-global-reads",
                "x-ms-ratelimit-remaining-tenant-reads",
            ],
            Sort::Writes => [
                "x-ms-ratelimit-remaining-subscription-writes",
                "x-ms-ratelimit-remaining-subscription-global-writes",
                "x-ms-ratelimit-remaining-tenant-writes",
            ],
            Sort::Deletes => [
                "x-ms-ratelimit-remaining-subscription-deletes",
                "x-ms-ratelimit-remaining-subscription-global-deletes",
                "x-ms-ratelimit-remaining-tenant-deletes",
            ],
        }
    }

    /// The header value where nothing is counted, as in recordings.
    fn plenty(self) -> u32 {
        if self == Sort::Reads { 1099 } else { 799 }
    }
}

/// The state of one bucket.
#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Timestamp,
    /// After a refusal, requests before this time are refused as well.
    closed_until: Timestamp,
}

/// The state of all buckets.
#[derive(Clone, Default)]
pub(crate) struct Buckets {
    pub(crate) rates: Rates,
    levels: BTreeMap<(String, String, Sort), Level>,
    /// The bucket of the last request.
    last: Option<(String, u32)>,
    /// Number of refused requests.
    pub(crate) refused: u64,
    /// Number of requests that were refused because they came before their Retry-After had passed.
    pub(crate) early: u64,
}

impl Buckets {
    pub(crate) fn of(rates: Rates) -> Self {
        Buckets { rates, ..Buckets::default() }
    }

    fn rate(&self, scope: &str, sort: Sort) -> Option<Rate> {
        let only = self.rates.subscription.as_ref();
        if only.is_some_and(|only| !only.eq_ignore_ascii_case(scope)) {
            return None;
        }
        match sort {
            Sort::Reads => self.rates.reads,
            Sort::Writes => self.rates.writes,
            Sort::Deletes => self.rates.deletes,
        }
    }

    /// Takes one token for a request, or refuses it.
    pub(crate) fn take(
        &mut self,
        path: &str,
        principal: &str,
        sort: Sort,
        at: Timestamp,
    ) -> Result<(), Reply> {
        let scope = scope_of(path).unwrap_or_default();
        self.last = None;
        let Some(rate) = self.rate(&scope, sort) else { return Ok(()) };
        let burst = f64::from(rate.burst);
        let level = self.levels.entry((scope.clone(), principal.to_owned(), sort)).or_insert(Level {
            tokens: burst,
            at,
            closed_until: at,
        });
        let passed = at.duration_since(level.at).as_secs_f64().max(0.0);
        level.tokens = (level.tokens + passed * rate.per_second).min(burst);
        level.at = at;
        let early = at < level.closed_until;
        if !early && level.tokens >= 1.0 {
            level.tokens -= 1.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and a u32"
            )]
            let left = level.tokens as u32;
            self.last = Some((scope, left));
            return Ok(());
        }
        let refill = (1.0 - level.tokens).max(0.0) / rate.per_second.max(0.001);
        let refill = SignedDuration::try_from_secs_f64(refill.ceil()).unwrap_or(rate.pause);
        let after = refill.max(rate.pause).max(SignedDuration::from_secs(1));
        level.closed_until = at.saturating_add(after).unwrap_or(at);
        self.refused += 1;
        self.early += u64::from(early);
        let message = format!(
            "Number of '{}' requests for subscription '{scope}' actor '{principal}' exceeded. Please try again after '{}' \
             seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional \
             information.",
            sort.name(),
            after.as_secs()
        );
        self.last = Some((scope, 0));
        Err(Reply::gateway_error(429, "SubscriptionRequestsThrottled", &message)
            .with("retry-after", &after.as_secs().to_string()))
    }

    /// The rate limit headers after the last request.
    pub(crate) fn headers(&self, path: &str, sort: Sort) -> Vec<(&'static str, u32)> {
        let [own, global, tenant] = sort.headers();
        let left = match (&self.last, scope_of(path)) {
            (Some((scope, left)), of) if of.as_ref() == Some(scope) => *left,
            _ => sort.plenty(),
        };
        match scope_of(path) {
            // The bucket that all principals share is fifteen times as large.
            Some(_) => vec![(own, left), (global, left.max(sort.plenty()).saturating_mul(15))],
            None => vec![(tenant, left)],
        }
    }
}

/// The subscription of a path.
fn scope_of(path: &str) -> Option<String> {
    match Place::of(path) {
        Place::Subscription { subscription, .. } => Some(subscription),
        Place::Root | Place::ManagementGroup(_) | Place::Elsewhere => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Network/networkManagers/m";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn told(buckets: &mut Buckets, path: &str, seconds: i64) -> Option<String> {
        let reply = buckets.take(path, "p", Sort::Writes, at(seconds)).err()?;
        reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.clone())
    }

    #[test]
    fn a_bucket_refills_and_who_comes_too_early_is_told_anew() {
        let rate = Rate { burst: 2, per_second: 1.0, pause: SignedDuration::from_secs(5) };
        let mut buckets = Buckets::of(Rates { writes: Some(rate), ..Rates::default() });
        assert_eq!(told(&mut buckets, PATH, 0), None);
        assert_eq!(
            buckets.headers(PATH, Sort::Writes)[0],
            ("x-ms-ratelimit-remaining-subscription-writes", 1)
        );
        assert_eq!(told(&mut buckets, PATH, 0), None);
        assert_eq!(told(&mut buckets, PATH, 0).as_deref(), Some("5"));
        assert_eq!(told(&mut buckets, PATH, 4).as_deref(), Some("5"), "early, though there are tokens");
        assert_eq!((buckets.refused, buckets.early), (2, 1));
        assert_eq!(told(&mut buckets, "/subscriptions/s-2/x", 4), None, "another subscription has its own");
        assert!(buckets.take(PATH, "p", Sort::Reads, at(4)).is_ok(), "reads are counted separately");
        assert!(buckets.take(PATH, "q", Sort::Writes, at(4)).is_ok(), "another principal has its own");
        assert_eq!(told(&mut buckets, PATH, 9), None);
    }

    #[test]
    fn without_rates_the_headers_say_what_recordings_say() {
        let mut buckets = Buckets::default();
        assert_eq!(told(&mut buckets, PATH, 0), None);
        assert_eq!(buckets.headers(PATH, Sort::Reads)[0].1, 1099);
        assert_eq!(
            buckets.headers(PATH, Sort::Writes),
            [
                ("x-ms-ratelimit-remaining-subscription-writes", 799),
                ("x-ms-ratelimit-remaining-subscription-global-writes", 11_985)
            ]
        );
        let group = "/providers/Microsoft.Management/managementGroups/g";
        assert_eq!(buckets.headers(group, Sort::Reads), [("x-ms-ratelimit-remaining-tenant-reads", 1099)]);
    }
}
