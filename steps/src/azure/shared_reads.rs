//! Shares one request between all steps that read the same resource at the same time.
//!
//! ```text
//! step A reads x ─▶ no read of x is in flight: A sends the request ──┐
//! step B reads x ─▶ A's request is in flight: B waits ───────────────┴▶ one response serves both
//! step C reads x ─▶ x was read a moment ago: that response serves C, if C may use it
//! ```
//! A step may use a response whose request began at [`StepCx::reads_from`] or later, unless this process has since ended a write
//! that could have changed it: any write, or, if the reader states its paths ([`Concerns`]), a write at, above or below one of
//! them. Waiting steps share an error, but it is never kept. The transcript of a step that another step's request served names
//! that step and the start of the request; the engine counts that as the time of the read.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use twinspan_engine::{BoxFuture, Exchange, READ_SERVES, StepCx, StepError};

use super::cloud::Service;

/// The paths that a read is about: writes to other paths do not change its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// Not stated: any write may change the result.
    #[default]
    Anything,
    /// The result depends on these paths of Azure Resource Manager, and on what is above and below them.
    Paths(Vec<String>),
}

/// The key of a read: the request and its identities.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) service: Service,
    /// Method, address and body.
    pub(super) what: String,
    /// Name and tenant of the identity that sends the request, then of those with auxiliary tokens.
    pub(super) senders: Vec<(String, String)>,
}

/// Recent responses, and requests in flight.
#[derive(Default)]
pub(super) struct SharedReads(Mutex<ReadCache>);

#[derive(Default)]
struct ReadCache {
    /// By request and result type.
    reads: HashMap<(Key, TypeId), Read>,
    /// Number of reads begun so far.
    begun: u64,
    /// Number of writes ended so far.
    ended: u64,
    /// By path, the count at the last write at it, and at the last write at or below it.
    at: HashMap<String, u64>,
    below: HashMap<String, u64>,
    /// When old responses were last removed.
    cleared: Option<Timestamp>,
}

struct Read {
    number: u64,
    began: Timestamp,
    /// Number of writes that had ended by then.
    writes: u64,
    outcome: watch::Receiver<Option<Outcome>>,
}

#[derive(Clone)]
struct Outcome {
    value: Result<Arc<dyn Any + Send + Sync>, StepError>,
    exchanges: Arc<[Exchange]>,
}

/// Most responses that are kept; beyond that the older half is removed.
const MOST_KEPT: usize = 2_048;
/// Most paths that are tracked; beyond that everything is dropped.
const MOST_PATHS: usize = 200_000;

impl ReadCache {
    /// Whether this read may serve a step that accepts reads since `from`.
    fn serves(&self, read: &Read, from: Timestamp, concerns: &Concerns) -> bool {
        let changed = match concerns {
            Concerns::Anything => self.ended,
            Concerns::Paths(paths) => paths.iter().map(|path| self.last_write(path)).max().unwrap_or(0),
        };
        read.began >= from && changed <= read.writes
    }

    /// The count at the last write at a path, above it or below it.
    fn last_write(&self, path: &str) -> u64 {
        let path = normal(path);
        let below = self.below.get(&path).copied();
        let above = ancestors(&path).filter_map(|above| self.at.get(above).copied());
        above.chain(below).max().unwrap_or(0)
    }

    /// Removes responses that cannot serve any step.
    fn clear(&mut self, now: Timestamp) {
        if self
            .cleared
            .is_some_and(|cleared| now.duration_since(cleared) < jiff::SignedDuration::from_secs(1))
            && self.reads.len() < MOST_KEPT
        {
            return;
        }
        self.cleared = Some(now);
        let oldest = now.saturating_sub(READ_SERVES).unwrap_or(now);
        self.reads.retain(|_, read| read.began >= oldest || read.outcome.borrow().is_none());
        if self.reads.len() >= MOST_KEPT {
            let younger = self.begun.saturating_sub(MOST_KEPT as u64 / 2);
            self.reads.retain(|_, read| read.number > younger);
        }
        if self.at.len() + self.below.len() > MOST_PATHS {
            self.reads.clear();
            self.at.clear();
            self.below.clear();
        }
    }
}

/// A path in the form for comparison.
fn normal(path: &str) -> String {
    format!("/{}", path.trim_matches('/').to_ascii_lowercase())
}

/// The path and its parents, longest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty())
    })
}

/// The task that sends the request.
struct Lead<'a> {
    shared: &'a SharedReads,
    key: (Key, TypeId),
    number: u64,
    outcome: watch::Sender<Option<Outcome>>,
    /// Whether later steps may use the response.
    keep: bool,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        // Also when its step is interrupted: waiting steps then send their own request.
        if !self.keep {
            let mut known = self.shared.known();
            if known.reads.get(&self.key).is_some_and(|read| read.number == self.number) {
                known.reads.remove(&self.key);
            }
        }
    }
}

/// A write in flight; it ends when this is dropped.
pub(super) struct Writing<'a> {
    shared: &'a SharedReads,
    /// `None` if the write is not to Azure Resource Manager.
    path: Option<String>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut known = self.shared.known();
        known.ended += 1;
        let ended = known.ended;
        if let Some(path) = &self.path {
            known.at.insert(path.clone(), ended);
            for above in ancestors(path) {
                known.below.insert(above.to_owned(), ended);
            }
        }
    }
}

enum Turn<'a> {
    Wait(watch::Receiver<Option<Outcome>>),
    Lead(Lead<'a>),
}

impl SharedReads {
    fn known(&self) -> MutexGuard<'_, ReadCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a write.
    pub(super) fn writing(&self, service: Service, path: &str) -> Writing<'_> {
        Writing { shared: self, path: (service == Service::Arm).then(|| normal(path)) }
    }

    fn turn<T: 'static>(&self, key: &Key, from: Timestamp, concerns: &Concerns, now: Timestamp) -> Turn<'_> {
        let key = (key.clone(), TypeId::of::<T>());
        let mut known = self.known();
        if let Some(read) = known.reads.get(&key)
            && known.serves(read, from, concerns)
        {
            return Turn::Wait(read.outcome.clone());
        }
        known.clear(now);
        known.begun += 1;
        let (sender, outcome) = watch::channel(None);
        let (number, writes) = (known.begun, known.ended);
        known.reads.insert(key.clone(), Read { number, began: now, writes, outcome });
        Turn::Lead(Lead { shared: self, key, number, outcome: sender, keep: false })
    }

    /// Reads with `fetch`, or reuses what another step has read. `lasts`: whether later steps may use the response.
    pub(super) async fn read<T: Send + Sync + 'static>(
        &self,
        cx: &StepCx<'_>,
        key: &Key,
        concerns: &Concerns,
        lasts: impl Fn(&T) -> bool + Send,
        fetch: BoxFuture<'_, Result<T, StepError>>,
    ) -> Result<Arc<T>, StepError> {
        loop {
            match self.turn::<T>(key, cx.reads_from, concerns, cx.steady()) {
                Turn::Wait(mut outcome) => {
                    // Closed: the step that sent the request was interrupted.
                    let Ok(outcome) = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone())
                    else {
                        continue;
                    };
                    let Some(Outcome { value, exchanges }) = outcome else { continue };
                    exchanges.iter().for_each(|exchange| cx.log.record(exchange.clone()));
                    return match value?.downcast::<T>() {
                        Ok(value) => Ok(value),
                        // Unreachable, because the type is part of the key.
                        Err(_) => fetch.await.map(Arc::new),
                    };
                }
                Turn::Lead(mut lead) => {
                    let before = cx.log.recorded();
                    let result = fetch.await.map(Arc::new);
                    let value = result.clone().map(|value| value as Arc<dyn Any + Send + Sync>);
                    lead.keep = result.as_ref().is_ok_and(|value| lasts(value));
                    let exchanges = cx.log.later(before, |exchange| served(exchange, cx)).into();
                    // An error means that no step waits.
                    lead.outcome.send_replace(Some(Outcome { value, exchanges }));
                    return result;
                }
            }
        }
    }
}

/// The exchange in the transcript of a step that another step's request served. Only the sender's transcript contains the body
/// of a list.
fn served(exchange: &Exchange, cx: &StepCx<'_>) -> Exchange {
    let is_list = exchange.received.as_ref().is_some_and(|body| body.get("value").is_some());
    let received = if is_list {
        Some(Arc::new(json!({ "a list": format!("in the transcript of step {}", cx.step) })))
    } else {
        exchange.received.clone()
    };
    Exchange {
        verb: exchange.verb.clone(),
        target: exchange.target.clone(),
        status: exchange.status,
        began: exchange.began,
        ended: exchange.ended,
        identity: exchange.identity.clone(),
        acted_as: exchange.acted_as.clone(),
        write: exchange.write,
        created: exchange.created,
        references: exchange.references.clone(),
        sent: exchange.sent.clone(),
        received,
        sent_by: Some(exchange.sent_by.clone().unwrap_or_else(|| cx.step.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use twinspan_engine::{AttemptLog, FailureClass, Phase};

    use super::*;
    use crate::azure::scripted::Bench;

    const MEMBER: &str = "/subscriptions/s/g/members/m";

    fn key(what: &str, tenant: &str) -> Key {
        let senders = vec![("central".to_owned(), tenant.to_owned())];
        Key { service: Service::Arm, what: what.to_owned(), senders }
    }

    /// One read by a step that accepts reads since `from`; returns the result, and whether the step sent the request itself.
    async fn look(
        bench: &Bench,
        shared: &SharedReads,
        from: Timestamp,
        concerns: &Concerns,
    ) -> (usize, bool) {
        static SENT: AtomicUsize = AtomicUsize::new(1);
        let log = AttemptLog::new(Phase::Probe);
        let cx = StepCx { reads_from: from, ..bench.cx(Phase::Probe, &log) };
        let sent = SENT.load(Ordering::SeqCst);
        let fetch = async { Ok(SENT.fetch_add(1, Ordering::SeqCst)) };
        let got = shared.read(&cx, &key("GET /x", "t"), concerns, |_| true, Box::pin(fetch)).await.unwrap();
        (*got, SENT.load(Ordering::SeqCst) > sent)
    }

    #[tokio::test]
    async fn a_response_serves_whoever_may_use_it_and_a_write_ends_that() {
        let (bench, shared) = (Bench::new(), SharedReads::default());
        let now = bench.cx(Phase::Probe, &AttemptLog::new(Phase::Probe)).steady();
        let later = now + jiff::SignedDuration::from_micros(1);
        let about = Concerns::Paths(vec![MEMBER.to_uppercase()]);
        let (first, sent) = look(&bench, &shared, now, &about).await;
        assert!(sent);
        assert_eq!(look(&bench, &shared, now, &about).await, (first, false));
        assert_eq!(look(&bench, &shared, now, &Concerns::Anything).await, (first, false));

        drop(shared.writing(Service::Arm, "/subscriptions/s/g/members/other"));
        assert_eq!(
            look(&bench, &shared, now, &about).await,
            (first, false),
            "it did not change what is asked"
        );
        let (second, sent) = look(&bench, &shared, now, &Concerns::Anything).await;
        assert!(sent, "any write may have changed it");
        for path in [MEMBER, "/subscriptions/S/g", "/subscriptions/s/g/members/m/below"] {
            let (before, _) = look(&bench, &shared, now, &about).await;
            let writing = shared.writing(Service::Arm, path);
            assert_eq!(look(&bench, &shared, now, &about).await.0, before, "the write has not ended");
            drop(writing);
            assert!(look(&bench, &shared, now, &about).await.1, "{path}");
        }
        assert!(look(&bench, &shared, later, &about).await.1, "it began before that");
        assert!(second > first);
    }

    #[tokio::test]
    async fn identities_and_addresses_share_nothing_and_an_old_response_serves_nobody() {
        let (bench, shared) = (Bench::new(), SharedReads::default());
        let log = AttemptLog::new(Phase::Probe);
        let cx = StepCx { reads_from: Timestamp::MIN, ..bench.cx(Phase::Probe, &log) };
        let sent = AtomicUsize::new(0);
        for key in [key("GET /x", "t"), key("GET /x", "u"), key("GET /y", "t")] {
            for _ in 0..2 {
                let fetch = async { Ok(sent.fetch_add(1, Ordering::SeqCst)) };
                shared.read(&cx, &key, &Concerns::Anything, |_| true, Box::pin(fetch)).await.unwrap();
            }
        }
        assert_eq!(sent.load(Ordering::SeqCst), 3);
        let kept = shared.known().reads.len();
        let after = cx.steady() + READ_SERVES + std::time::Duration::from_secs(1);
        shared.known().clear(after);
        assert_eq!((kept, shared.known().reads.len()), (3, 0));
    }

    #[tokio::test]
    async fn those_who_come_while_it_is_under_way_wait_and_an_error_is_told_to_them_only() {
        let (bench, shared) = (Bench::new(), SharedReads::default());
        let sent = AtomicUsize::new(0);
        let (open, gate) = watch::channel(false);
        let look = async || {
            let log = AttemptLog::new(Phase::Probe);
            let cx = StepCx { reads_from: Timestamp::MIN, ..bench.cx(Phase::Probe, &log) };
            let fetch = async {
                sent.fetch_add(1, Ordering::SeqCst);
                gate.clone().wait_for(|open| *open).await.unwrap();
                Err::<u8, _>(StepError::new(FailureClass::Transient, "no"))
            };
            shared.read(&cx, &key("GET /x", "t"), &Concerns::Anything, |_| true, Box::pin(fetch)).await
        };
        let (one, two, ()) = tokio::join!(look(), look(), async {
            open.send_replace(true);
        });
        assert!(one.is_err() && two.is_err());
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        assert!(look().await.is_err());
        assert_eq!(sent.load(Ordering::SeqCst), 2, "an error is not kept");
    }

    #[tokio::test]
    async fn who_waits_sends_its_own_request_when_the_other_was_broken_off() {
        let (bench, shared) = (Bench::new(), SharedReads::default());
        let log = AttemptLog::new(Phase::Probe);
        let cx = StepCx { reads_from: Timestamp::MIN, ..bench.cx(Phase::Probe, &log) };
        let key = key("GET /x", "t");
        let never = std::future::pending::<Result<u8, StepError>>();
        let broken_off = async {
            let lead = shared.read(&cx, &key, &Concerns::Anything, |_| true, Box::pin(never));
            tokio::select! {
                biased;
                _ = lead => {}
                () = tokio::task::yield_now() => {}
            }
        };
        let waits = shared.read(&cx, &key, &Concerns::Anything, |_| true, Box::pin(async { Ok(7_u8) }));
        let ((), got) = tokio::join!(broken_off, waits);
        assert_eq!(got.map(|got| *got), Ok(7));
    }

    #[tokio::test]
    async fn the_transcript_says_who_sent_it_and_keeps_a_list_only_there() {
        let (bench, shared) = (Bench::new(), SharedReads::default());
        bench.script.answer(200, &json!({ "value": [] }));
        bench.script.answer(200, &json!({ "id": "/subscriptions/s", "displayName": "x" }));
        for (path, received) in [("/subscriptions", "a list"), ("/subscriptions/s", "displayName")] {
            let mut began = None;
            for step in ["first", "second"] {
                let (log, step) = (AttemptLog::new(Phase::Probe), twinspan_engine::StepKey::from(step));
                let cx = StepCx { step: &step, reads_from: Timestamp::MIN, ..bench.cx(Phase::Probe, &log) };
                let arm = bench.azure.arm(&cx, &bench.central);
                let fetch = async {
                    if received == "a list" {
                        arm.list::<serde_json::Value>(path, "1", &[]).await.map(|listed| listed.len())
                    } else {
                        arm.get::<serde_json::Value>(path, "1")
                            .await
                            .map(|found| usize::from(found.is_some()))
                    }
                };
                shared
                    .read(&cx, &key(path, "t"), &Concerns::Anything, |_| true, Box::pin(fetch))
                    .await
                    .unwrap();
                let last = log.into_exchanges().pop().unwrap();
                began.get_or_insert(last.began);
                assert_eq!((Some(last.began), last.status), (began, Some(200)));
                let second = step.to_string() == "second";
                assert_eq!(last.sent_by.map(|step| step.to_string()), second.then(|| "first".to_owned()));
                assert!(!second || last.received.unwrap().get(received).is_some(), "{path}");
            }
        }
    }
}
