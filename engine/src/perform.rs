//! Carries out one phase of one step through the registry, and reports what was seen as a fact.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use twinspan_plans::Ensure;

use crate::clock::{Clock, Now};
use crate::failure::{Certainty, FailureClass, StepError};
use crate::guards::{GuardRecord, Guards};
use crate::ids::{RunId, Seq, StepKey};
use crate::registry::{Kind, Registry};
use crate::step::{
    ActedAs, Approval, AttemptLog, ClaimKey, Dwell, Exchange, Identity, Observed, Phase, Readiness, SendGate,
    StepCx, Undone,
};

/// One phase of one step, with everything that it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// Its kind.
    pub kind: String,
    /// What for.
    pub phase: Phase,
    /// Whether the thing is to be there, or to be gone.
    pub ensure: Ensure,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Resolved parameters.
    pub params: Arc<Value>,
    /// Who does it; the first acts.
    pub identities: Vec<Identity>,
    /// The plan's other identities, as far as they are known.
    pub others: Vec<Identity>,
    /// Whose token goes along.
    pub auxiliary: Option<Identity>,
    /// When the step was first ready.
    pub since: Timestamp,
    /// How long ago that is: by the boot-time clock, but for what passed before this driver.
    pub waited: Duration,
    /// The run's last event when this was asked for.
    pub asked: Seq,
    /// Apply: the probe before it found something.
    pub overwrites: bool,
    /// Before a removal: what this run created.
    pub created: Vec<ClaimKey>,
    /// Ended runs of the same key, as markers name them.
    pub earlier: Arc<HashSet<String>>,
    /// The approval that was given.
    pub approval: Option<Approval>,
    /// What only the answer to its own write carried.
    pub receipt: Option<Value>,
    /// Receipts of the steps that this one needs directly.
    pub needed_receipts: Vec<Value>,
    /// Outputs that a person stated.
    pub stated: BTreeMap<String, Value>,
    /// For a removal: what the look before it found.
    pub found: Option<Arc<Value>>,
    /// The earlier run of the same key that keeps what is updated; `None`: what is written is this run's.
    pub owner: Option<RunId>,
    /// Longest time for this attempt.
    pub timeout: Duration,
    /// How long ago the response to its last write was there.
    pub written: Option<Duration>,
    /// Which reads of other steps serve it as well.
    pub reads: Reads,
    /// What must hold before the run's first write; only in a probe.
    pub guards: Option<Guards>,
}

/// Which reads of other steps serve a step as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None: only its own count.
    Own,
    /// Those that began not longer ago than this, and than [`READ_SERVES`].
    Within(Duration),
    /// Those that began after this, by [`Clock::steady`], and not longer ago than [`READ_SERVES`].
    After(Timestamp),
}

/// No read serves a step that began longer ago than this. Whatever a step reads, others may change just after it; what this
/// process itself changes is never hidden by a read from before.
pub const READ_SERVES: Duration = Duration::from_secs(5);

impl Reads {
    /// Since when they may have begun, for an attempt that begins at `now`.
    fn since(self, now: Timestamp) -> Timestamp {
        let oldest = |age: Duration| now.saturating_sub(age.min(READ_SERVES)).unwrap_or(now);
        match self {
            Reads::Own => Timestamp::MAX,
            Reads::Within(age) => oldest(age),
            Reads::After(at) => oldest(READ_SERVES).max(at.saturating_add(TICK).unwrap_or(at)),
        }
    }
}

/// The smallest step of time.
const TICK: Duration = Duration::from_micros(1);

/// When an attempt began that used these exchanges: where another step's request served it, when that began. Should the wall
/// clock have been set meanwhile, as early as it may have been.
fn earliest(began: Now, exchanges: &[Exchange]) -> Now {
    let shared = exchanges.iter().filter(|exchange| exchange.sent_by.is_some());
    let age = shared.map(|exchange| {
        let age = Duration::try_from(began.utc.duration_since(exchange.began)).ok();
        // What was sent after this attempt began took no longer than the attempt.
        age.map_or(Duration::ZERO, |age| age.min(READ_SERVES))
    });
    let age = age.max().unwrap_or_default();
    Now { utc: began.utc.saturating_sub(age).unwrap_or(began.utc), boot: began.boot.saturating_sub(age) }
}

impl Job {
    /// What the kind does: on its way to being gone, a thing is looked at and removed as in undo.
    fn acting(&self) -> Phase {
        match (self.ensure, self.phase) {
            (Ensure::Absent, Phase::Probe) => Phase::UndoProbe,
            (Ensure::Absent, Phase::Apply) => Phase::Undo,
            (Ensure::Absent, Phase::Verify) => Phase::UndoVerify,
            (_, phase) => phase,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The step.
    pub step: StepKey,
    /// What for.
    pub phase: Phase,
    /// Number of the attempt.
    pub attempt: u32,
    /// The run's last event when it was asked for.
    pub asked: Seq,
    /// When it began; where a read of another step served it, when the earliest of them did.
    pub began: Now,
    /// When it ended.
    pub ended: Now,
    /// The result.
    pub result: Result<Seen, StepError>,
    /// Requests and answers.
    pub exchanges: Vec<Exchange>,
    /// Why what was seen may not have the effect that people expect.
    pub warnings: Vec<String>,
    /// What the kind says of itself.
    pub rules: KindRules,
}

impl Fact {
    /// As whom its requests were sent, each once.
    pub(crate) fn acted_as(&self) -> Vec<ActedAs> {
        let mut all: Vec<ActedAs> = Vec::new();
        for acted_as in self.exchanges.iter().flat_map(|exchange| &exchange.acted_as) {
            if !all.contains(acted_as) {
                all.push(acted_as.clone());
            }
        }
        all
    }
}

/// What the rules need to know of a kind, told with every fact so that the rules need no registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindRules {
    /// After an uncertain write: how long an absence must last before it is believed.
    pub settle: Duration,
    /// How long a request that was sent may still take effect when its response did not come.
    pub window: Duration,
    /// Why undo always keeps what this kind made; `None`: it is taken back.
    pub keeps: Option<&'static str>,
    /// How long after the last removal in its run it may be removed, and why; `None`: at once.
    pub dwell: Option<Dwell>,
}

/// What a phase reports when it did not fail.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one for each performed phase, taken apart at once")]
pub enum Seen {
    /// Probe, Verify, UndoProbe, UndoVerify: what `check` found, and whether `apply` may be sent (asked only in Probe,
    /// when what is wanted is not there), with what the step would claim.
    Checked {
        /// What was found.
        observed: Observed<Value>,
        /// Whether `apply` may be sent.
        readiness: Option<Readiness>,
        /// What the step changes.
        claims: Vec<ClaimKey>,
    },
    /// Apply: accepted.
    Applied {
        /// What only this answer carried.
        receipt: Option<Value>,
    },
    /// Undo: done, or kept with a reason.
    Undone(Undone),
}

/// Performs jobs.
#[derive(Debug)]
pub struct Performer {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    guards: GuardRecord,
}

impl Performer {
    /// A performer of the kinds in `registry`.
    pub fn new(registry: Arc<Registry>, clock: Arc<dyn Clock>) -> Self {
        Performer { registry, clock, guards: GuardRecord::default() }
    }

    /// The kinds.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) fn guards(&self) -> &GuardRecord {
        &self.guards
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Carries out one phase of one step. It always comes back with a fact: a step that does not answer is ended by
    /// the time-out, one that panics is a bug of its kind.
    pub async fn perform(&self, job: Job) -> Fact {
        self.perform_behind(job, None).await
    }

    /// The same; `gate` is asked immediately before a write is sent.
    pub(crate) async fn perform_behind(&self, job: Job, gate: Option<Arc<dyn SendGate>>) -> Fact {
        let began = self.clock.read();
        let log = AttemptLog::new(job.phase).behind(gate);
        let (result, rules) = match self.registry.kind(&job.kind) {
            None => {
                let error = StepError::plan_wrong(format!("this program has no step kind {}", job.kind));
                (Err(error), KindRules::default())
            }
            Some(kind) => (self.run(kind, &job, &log).await, kind.rules()),
        };
        let ended = self.clock.read();
        let warnings = log.take_warnings();
        let exchanges = log.into_exchanges();
        let began = earliest(began, &exchanges);
        Fact {
            step: job.step,
            phase: job.phase,
            attempt: job.attempt,
            asked: job.asked,
            began,
            ended,
            result,
            exchanges,
            warnings,
            rules,
        }
    }

    async fn run(&self, kind: &Kind, job: &Job, log: &AttemptLog) -> Result<Seen, StepError> {
        let cx = StepCx {
            run: job.run,
            owner: job.owner.unwrap_or(job.run),
            step: &job.step,
            phase: job.acting(),
            ensure: job.ensure,
            attempt: job.attempt,
            timeout: job.timeout,
            identities: &job.identities,
            others: &job.others,
            auxiliary: job.auxiliary.as_ref(),
            since: job.since,
            waited: job.waited,
            overwrites: job.overwrites,
            created: &job.created,
            earlier: Some(&*job.earlier),
            written: job.written,
            reads_from: job.reads.since(self.clock.steady()),
            approval: job.approval.as_ref(),
            receipt: job.receipt.as_ref(),
            needed_receipts: &job.needed_receipts,
            stated: &job.stated,
            unknown: &[],
            clock: &*self.clock,
            log,
        };
        let step = kind.step();
        let work = async {
            match job.acting() {
                Phase::Apply => step.apply(&cx, &job.params).await,
                Phase::Undo => step.undo(&cx, &job.params, job.found.as_deref()).await,
                Phase::Probe | Phase::Verify | Phase::UndoProbe | Phase::UndoVerify => {
                    let seen = step.look(&cx, &job.params).await?;
                    self.guard_was_met(job, &seen);
                    self.confirm_guards(kind.effect, job, &seen, log).await?;
                    Ok(seen)
                }
            }
        };
        // An error that a step did not report itself: what it had begun to send may have arrived.
        let certainty = || if log.write_begun(job.phase) { Certainty::Unknown } else { Certainty::NotDone };
        let work = Guarded { work: Box::pin(work) };
        // Virtual time passes by sleeping: a race against it would end every step that takes real time.
        if self.clock.is_virtual() {
            return work.await.unwrap_or_else(|panic| Err(panic_error(&panic, certainty())));
        }
        let late = self.clock.sleep(job.timeout);
        match first(work, late).await {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(panic_error(&panic, certainty())),
            None => {
                let what = format!("{} did not answer within {} s", job.step, job.timeout.as_secs());
                Err(StepError { certainty: certainty(), ..StepError::new(FailureClass::Transient, what) })
            }
        }
    }
}

fn panic_error(message: &str, certainty: Certainty) -> StepError {
    let what = format!("the step kind panicked: {message}");
    StepError { certainty, ..StepError::new(FailureClass::Bug, what) }
}

thread_local! {
    /// A step is being polled on this thread.
    static GUARDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether a panic on this thread is caught and becomes a failure of the step that panics: for panic hooks.
pub fn panic_becomes_failure() -> bool {
    GUARDED.get()
}

/// Polls a step, and catches its panic.
struct Guarded<F> {
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.work.as_mut();
        GUARDED.set(true);
        // After a panic the step's future is never polled again, so nothing half-changed in it is seen.
        let polled = catch_unwind(AssertUnwindSafe(|| work.poll(cx)));
        GUARDED.set(false);
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Poll::Ready(Err(text.unwrap_or_else(|| "no message".to_owned())))
            }
        }
    }
}

/// The result of `work`, unless `late` comes first.
async fn first<W: Future + Unpin, L: Future + Unpin>(mut work: W, mut late: L) -> Option<W::Output> {
    poll_fn(move |cx| {
        if let Poll::Ready(result) = Pin::new(&mut work).poll(cx) {
            return Poll::Ready(Some(result));
        }
        Pin::new(&mut late).poll(cx).map(|_| None)
    })
    .await
}
