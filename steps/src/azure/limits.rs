//! Rate limits of the remote, as far as they are known, shared by all steps of all runs that this process drives.
//!
//! Azure counts requests by subscription (or tenant), principal and kind of request, in buckets that refill. A response
//! states how much is left; a 429 states a delay, and an earlier request only gets another 429. Before each request a step
//! asks here whether it may send. It does not sleep: if it may not send yet, it gets a time, and the engine parks it until
//! then. Steps that wait for the same bucket get different times, at the bucket's refill rate.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

/// The bucket owner that requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quota {
    /// Requests about one subscription, from a principal of this tenant.
    Subscription { id: String, tenant: String },
    /// Requests to Azure Resource Manager without a subscription, from a principal of this tenant.
    Tenant(String),
    /// Requests to Microsoft Graph in this tenant.
    Directory(String),
    /// Sign-ins to this tenant.
    SignIn(String),
}

/// Kinds of requests that are counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Reads,
    Writes,
    Deletes,
}

/// The bucket of a request: quota, kind and principal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    pub(crate) quota: Quota,
    pub(crate) sort: Sort,
    /// Object id, or another text that identifies the principal.
    pub(crate) principal: String,
}

/// The known state of all buckets.
#[derive(Default)]
pub(crate) struct Limits(Mutex<QuotaState>);

#[derive(Default)]
struct QuotaState {
    /// No request may be sent before this time: a refusal does not say whether it applies to one principal or to all.
    closed: BTreeMap<(Quota, Sort), Timestamp>,
    meters: BTreeMap<Lane, Meter>,
}

/// One bucket, as the responses show it.
#[derive(Debug)]
struct Meter {
    /// Requests left at time `at`; `None` before the first response that states it.
    left: Option<f64>,
    at: Timestamp,
    /// The largest number that was ever left.
    most: f64,
    /// Requests refilled per second.
    rate: f64,
    /// Requests per attempt, from the counts of requests and attempts, which decay.
    cost: f64,
    sent: f64,
    attempts: f64,
    /// Start of the current measurement of the rate: its time, requests left then, and responses since.
    mark: (Timestamp, f64, f64),
    /// The steps that were given a time, with that time.
    parked: BTreeMap<String, Timestamp>,
    /// The first free time.
    next: Timestamp,
}

/// This many requests stay in a bucket for other programs that use the same principal.
const RESERVE: f64 = 1.0;
/// The lowest refill rate that is assumed, per second.
const SLOWEST: f64 = 0.2;
/// For a refusal without a delay: how long other steps do not send, either. The step itself waits by the engine's schedule.
const UNSAID: SignedDuration = SignedDuration::from_secs(5);
/// A step that has not returned this long after its time is dropped.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(5);
/// Factor by which the counts decay at each attempt.
const FADING: f64 = 0.95;
/// Tolerance for rounding errors.
const NEARLY: f64 = 1e-6;

impl Sort {
    pub(crate) fn of(method: &Method, write: bool) -> Self {
        match (method, write) {
            (&Method::DELETE, _) => Sort::Deletes,
            (_, true) => Sort::Writes,
            (_, false) => Sort::Reads,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Sort::Reads => "reads",
            Sort::Writes => "writes",
            Sort::Deletes => "deletes",
        }
    }

    /// The documented refill rate, per second.
    fn documented(self) -> f64 {
        match self {
            Sort::Reads => 25.0,
            Sort::Writes | Sort::Deletes => 10.0,
        }
    }

    /// Typical requests per attempt: an attempt that is interrupted in the middle must start over.
    fn cost(self) -> f64 {
        match self {
            Sort::Reads => 3.0,
            Sort::Writes | Sort::Deletes => 1.0,
        }
    }
}

impl Quota {
    /// The quota in words: "subscription aaaa…".
    fn words(&self) -> String {
        match self {
            Quota::Subscription { id, tenant } => format!("subscription {id} in tenant {tenant}"),
            Quota::Tenant(id) => format!("tenant {id}"),
            Quota::Directory(id) => format!("Microsoft Graph in tenant {id}"),
            Quota::SignIn(id) => format!("sign-in to tenant {id}"),
        }
    }
}

impl Lane {
    fn key(&self) -> (Quota, Sort) {
        (self.quota.clone(), self.sort)
    }

    /// The wait until the time `until`.
    pub(crate) fn wait(&self, until: Timestamp) -> Wait {
        let sort = match self.quota {
            Quota::SignIn(_) => String::new(),
            _ => format!(" ({})", self.sort.name()),
        };
        let at = until.as_second() + i64::from(until.subsec_nanosecond() > 0);
        let at = Timestamp::from_second(at).unwrap_or(until);
        Wait::new(
            WaitKind::Limit,
            format!("rate limit of {}{sort}: next request at {at}", self.quota.words()),
        )
    }

    /// The number that a response states as left in this bucket.
    fn left(&self, headers: &HeaderMap) -> Option<f64> {
        let place = match self.quota {
            Quota::Subscription { .. } => "subscription",
            Quota::Tenant(_) => "tenant",
            Quota::Directory(_) | Quota::SignIn(_) => return None,
        };
        let number = |name: String| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
        let sort = self.sort.name();
        let own = number(format!("x-ms-ratelimit-remaining-{place}-{sort}"));
        let of_all = number(format!("x-ms-ratelimit-remaining-{place}-global-{sort}"));
        [own, of_all].into_iter().flatten().min().map(f64::from)
    }
}

/// The time this many seconds later.
fn later(at: Timestamp, seconds: f64) -> Timestamp {
    let span = SignedDuration::try_from_secs_f64(seconds.clamp(0.0, 3600.0)).unwrap_or(SignedDuration::ZERO);
    at.saturating_add(span).unwrap_or(at)
}

fn between(earlier: Timestamp, at: Timestamp) -> f64 {
    at.duration_since(earlier).as_secs_f64().max(0.0)
}

impl Meter {
    fn new(sort: Sort, now: Timestamp) -> Self {
        Meter {
            left: None,
            at: now,
            most: 0.0,
            rate: sort.documented(),
            cost: sort.cost(),
            sent: 0.0,
            attempts: 0.0,
            mark: (now, 0.0, 0.0),
            parked: BTreeMap::new(),
            next: now,
        }
    }

    fn refill(&mut self, now: Timestamp) {
        if now > self.at {
            let more = between(self.at, now) * self.rate;
            self.left = self.left.map(|left| (left + more).min(self.most.max(left)));
            self.at = now;
        }
    }

    /// Counts a request; `first`: the first one of its attempt.
    fn send(&mut self, first: bool) {
        self.left = self.left.map(|left| left - 1.0);
        if first {
            self.sent *= FADING;
            self.attempts = self.attempts * FADING + 1.0;
        }
        self.sent += 1.0;
        // Few attempts are not representative.
        if self.attempts >= 4.0 {
            self.cost = self.sent / self.attempts;
        }
    }

    /// Gives `asker` a time of its own, not before `from`.
    fn park(&mut self, asker: &str, from: Timestamp) -> Timestamp {
        let at = self.next.max(from);
        self.next = later(at, self.cost / self.rate);
        self.parked.insert(asker.to_owned(), at);
        at
    }

    fn admit(&mut self, asker: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.refill(now);
        let turn = self.parked.get(asker).copied();
        if let Some(turn) = turn.filter(|turn| now < *turn) {
            return Err(turn);
        }
        self.parked.remove(asker);
        let Some(left) = self.left else {
            // After a refusal, before a response states a number: one step at a time.
            return if turn.is_some() || self.parked.is_empty() {
                Ok(())
            } else {
                Err(self.park(asker, now))
            };
        };
        // A step with a time needs enough for itself. A new step must also leave enough for every waiting step, and the
        // reserve. A bucket may hold less than an attempt needs.
        #[expect(clippy::cast_precision_loss, reason = "fewer steps than that wait")]
        let waiting = if turn.is_some() { 0.0 } else { RESERVE + self.cost * self.parked.len() as f64 };
        let own = self.cost.min(self.most.max(1.0));
        if left + NEARLY >= own + waiting {
            self.send(true);
            return Ok(());
        }
        let reserve = if turn.is_some() { 0.0 } else { RESERVE };
        Err(self.park(asker, later(now, (own + reserve - left) / self.rate)))
    }

    /// Records that a response stated `left` requests.
    fn heard(&mut self, left: f64, documented: f64, now: Timestamp) {
        self.most = self.most.max(left);
        self.at = self.at.max(now);
        self.left = Some(left);
        let (since, before, answered) = self.mark;
        let answered = answered + 1.0;
        self.mark.2 = answered;
        // A bucket that may have been full in between does not show its rate.
        if left >= self.most / 2.0 {
            self.mark = (now, left, 0.0);
        } else if between(since, now) >= 1.0 {
            let gained = left - before + answered;
            let measured = (gained / between(since, now)).clamp(SLOWEST, documented);
            self.rate = f64::midpoint(self.rate, measured);
            self.mark = (now, left, 0.0);
        }
    }

    /// Records a refusal: one request is available at `until`.
    fn closed(&mut self, until: Timestamp) {
        self.rate = (self.rate / 2.0).max(SLOWEST);
        // If no response states a number, only this time is known.
        self.left = self.left.map(|_| 1.0);
        self.at = until;
        self.next = self.next.max(until);
    }
}

impl Limits {
    fn known(&self) -> MutexGuard<'_, QuotaState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether `asker` (a step of a run) may send on `lane` now; the error states when it may. An attempt that has
    /// `begun` there continues, unless Azure gave a delay.
    pub(crate) fn admit(
        &self,
        lane: &Lane,
        asker: &str,
        begun: bool,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let mut known = self.known();
        let closed = known.closed.get(&lane.key()).copied().filter(|until| now < *until);
        let meter = match closed {
            Some(_) => Some(known.meters.entry(lane.clone()).or_insert_with(|| Meter::new(lane.sort, now))),
            None => known.meters.get_mut(lane),
        };
        let Some(meter) = meter else { return Ok(()) };
        meter.parked.retain(|_, turn| now < turn.saturating_add(FORGOTTEN).unwrap_or(*turn));
        let admitted = match closed {
            Some(until) => match meter.parked.get(asker) {
                Some(turn) if *turn >= until => Err(*turn),
                _ => Err(meter.park(asker, until)),
            },
            None if begun => {
                meter.refill(now);
                meter.send(false);
                Ok(())
            }
            None => meter.admit(asker, now),
        };
        admitted.map_err(|until| {
            let wait = lane.wait(until);
            let mut error = StepError::new(FailureClass::Throttled, wait.what.clone()).wait(wait);
            error.retry_after = Duration::try_from(until.duration_since(now)).ok();
            error
        })
    }

    /// Records the number that a response states as left.
    pub(crate) fn heard(&self, lane: &Lane, headers: &HeaderMap, now: Timestamp) {
        if let Some(left) = lane.left(headers) {
            let mut known = self.known();
            let meter = known.meters.entry(lane.clone()).or_insert_with(|| Meter::new(lane.sort, now));
            meter.heard(left, lane.sort.documented(), now);
        }
    }

    /// Records that `asker` got a 429: no step sends there before the stated delay is over. Returns the time for `asker`.
    pub(crate) fn refused(
        &self,
        lane: &Lane,
        asker: &str,
        after: Option<Duration>,
        now: Timestamp,
    ) -> Timestamp {
        let after = after.and_then(|after| SignedDuration::try_from(after).ok()).unwrap_or(UNSAID);
        let until = now.saturating_add(after).unwrap_or(now);
        let mut known = self.known();
        let closed = known.closed.entry(lane.key()).or_insert(until);
        *closed = (*closed).max(until);
        let until = *closed;
        let meter = known.meters.entry(lane.clone()).or_insert_with(|| Meter::new(lane.sort, now));
        meter.closed(until);
        meter.park(asker, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        later(Timestamp::from_second(1_000_000).unwrap(), seconds)
    }

    fn lane(subscription: &str, sort: Sort) -> Lane {
        let quota = Quota::Subscription { id: subscription.to_owned(), tenant: "t".to_owned() };
        Lane { quota, sort, principal: "p".to_owned() }
    }

    fn left(number: u32) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-ratelimit-remaining-subscription-writes", number.into());
        headers
    }

    fn told(limits: &Limits, lane: &Lane, asker: &str, now: f64) -> f64 {
        match limits.admit(lane, asker, false, at(now)) {
            Ok(()) => 0.0,
            Err(error) => error.retry_after.unwrap().as_secs_f64(),
        }
    }

    #[test]
    fn after_a_refusal_nobody_sends_there_before_the_time_and_each_gets_a_time_of_its_own() {
        let limits = Limits::default();
        let writes = lane("s", Sort::Writes);
        assert_eq!(limits.refused(&writes, "r", Some(Duration::from_secs(20)), at(0.0)), at(20.0));
        let other = Lane { principal: "q".to_owned(), ..writes.clone() };
        assert!(told(&limits, &other, "z", 5.0) >= 15.0, "the refusal may have been for all");
        let times: Vec<f64> =
            ["a", "b", "c"].iter().map(|asker| told(&limits, &writes, asker, 1.0)).collect();
        assert!((19.0..20.0).contains(&times[0]), "after the one that was refused: {times:?}");
        assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
        assert_eq!(told(&limits, &writes, "a", 2.0), times[0] - 1.0, "it keeps its time");
        assert_eq!(told(&limits, &writes, "r", 20.0), 0.0);
        for open in [lane("s", Sort::Reads), lane("s", Sort::Deletes), lane("t", Sort::Writes)] {
            assert_eq!(told(&limits, &open, "a", 1.0), 0.0, "{open:?} is counted apart");
        }
        let error = limits.admit(&writes, "d", true, at(1.5)).unwrap_err();
        let what = error.wait.unwrap().what;
        assert!(
            what.starts_with(
                "rate limit of subscription s in tenant t (writes): next request at 1970-01-12T"
            ),
            "{what}"
        );
    }

    /// Microsoft Graph states no numbers: once the waiting steps are through, no step is held back.
    #[test]
    fn where_nothing_is_said_of_what_is_left_a_refusal_is_over_when_its_time_is() {
        let limits = Limits::default();
        let graph = Lane { quota: Quota::Directory("t".to_owned()), ..lane("s", Sort::Reads) };
        limits.refused(&graph, "r", Some(Duration::from_secs(7)), at(0.0));
        assert!(told(&limits, &graph, "a", 1.0) >= 6.0);
        assert_eq!(told(&limits, &graph, "r", 7.0), 0.0);
        assert!(told(&limits, &graph, "b", 7.0) > 0.0, "after the one that waits");
        assert_eq!(told(&limits, &graph, "a", 8.0), 0.0);
        assert_eq!(told(&limits, &graph, "b", 8.0), 0.0);
        for look in 0..5 {
            assert_eq!(told(&limits, &graph, "c", 8.0 + f64::from(look)), 0.0);
        }
    }

    #[test]
    fn without_a_time_the_others_wait_a_little() {
        let limits = Limits::default();
        let writes = lane("s", Sort::Writes);
        limits.refused(&writes, "r", None, at(0.0));
        assert!(told(&limits, &writes, "a", 0.0) >= 5.0);
    }

    #[test]
    fn a_bucket_that_is_nearly_empty_slows_down_to_its_refill_and_no_further() {
        let limits = Limits::default();
        let writes = lane("s", Sort::Writes);
        assert_eq!(told(&limits, &writes, "a", 0.0), 0.0, "no response has stated a number yet");
        limits.heard(&writes, &left(3), at(0.0));
        assert_eq!(told(&limits, &writes, "b", 0.0), 0.0);
        assert_eq!(told(&limits, &writes, "c", 0.0), 0.0);
        let times: Vec<f64> =
            ["d", "e", "f"].iter().map(|asker| told(&limits, &writes, asker, 0.0)).collect();
        assert_eq!(times[0], 0.1, "ten a second, until the rate is measured");
        assert!((times[2] - times[0] - 0.2).abs() < 0.001, "{times:?}");
    }

    /// A bucket of 10 that refills one a second is drained, and its rate is measured.
    #[test]
    fn the_pace_is_learned_from_what_is_left() {
        let limits = Limits::default();
        let writes = lane("s", Sort::Writes);
        let (mut tokens, mut then, mut now) = (10.0_f64, 0.0, 0.0);
        let (mut sent, mut refused) = (0, 0);
        for step in 0..200 {
            now += told(&limits, &writes, &step.to_string(), now);
            let again = told(&limits, &writes, &step.to_string(), now);
            now += again;
            tokens = (tokens + now - then).min(10.0);
            then = now;
            if tokens >= 1.0 {
                tokens -= 1.0;
                sent += 1;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 10")]
                limits.heard(&writes, &left(tokens as u32), at(now));
            } else {
                refused += 1;
                limits.refused(&writes, &step.to_string(), Some(Duration::from_secs(2)), at(now));
            }
        }
        println!("{sent} sent and {refused} refused in {now} s");
        assert!(refused <= 12 && now < 260.0, "{refused} refused in {now} s");
    }

    #[test]
    fn the_smaller_of_two_numbers_counts_and_graph_has_none() {
        let mut headers = left(50);
        headers.insert("x-ms-ratelimit-remaining-subscription-global-writes", 7.into());
        assert_eq!(lane("s", Sort::Writes).left(&headers), Some(7.0));
        assert_eq!(lane("s", Sort::Reads).left(&headers), None);
        let graph = Lane { quota: Quota::Directory("t".to_owned()), ..lane("s", Sort::Writes) };
        assert_eq!(graph.left(&headers), None);
    }
}
