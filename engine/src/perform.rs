//! Performs one phase of one step through the registry, and returns the result as a fact.

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
use crate::signal::Choice;
use crate::step::{
    ActedAs, Approval, AttemptLog, ClaimKey, DeleteDelay, Difference, Exchange, Identity, Observed, Phase,
    Readiness, SendGate, StepCx, Undone,
};

/// One phase of one step, with everything that is needed to perform it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// Its kind.
    pub kind: String,
    /// The phase.
    pub phase: Phase,
    /// Whether the resource is to exist or to be absent.
    pub ensure: Ensure,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Resolved parameters.
    pub params: Arc<Value>,
    /// The identities of the step; the first acts.
    pub identities: Vec<Identity>,
    /// The plan's other identities, as far as they can be resolved.
    pub others: Vec<Identity>,
    /// The identity whose token goes along.
    pub auxiliary: Option<Identity>,
    /// When the step was first ready.
    pub since: Timestamp,
    /// How long ago that was, by the boot-time clock; for the time before this driver, by the wall clock.
    pub waited: Duration,
    /// The run's last event when the job was created.
    pub asked: Seq,
    /// Apply: the probe before it found the resource.
    pub overwrites: bool,
    /// Probe: what a person has decided about what is there.
    pub decided: Option<Choice>,
    /// Before a delete: claim keys of what this run created.
    pub created: Vec<ClaimKey>,
    /// Ended runs of the same key, as markers name them.
    pub earlier: Arc<HashSet<String>>,
    /// The approval that was given.
    pub approval: Option<Approval>,
    /// The receipt: what only the response to its own write carried.
    pub receipt: Option<Value>,
    /// Receipts of the steps that this one needs directly.
    pub needed_receipts: Vec<Value>,
    /// Outputs that a person stated.
    pub stated: BTreeMap<String, Value>,
    /// For a delete: what the probe before it found.
    pub found: Option<Arc<Value>>,
    /// The earlier run of the same key that keeps the updated resource; `None`: this run owns what is written.
    pub owner: Option<RunId>,
    /// Longest time for this attempt.
    pub timeout: Duration,
    /// Time since the response to its last write.
    pub written: Option<Duration>,
    /// Which reads of other steps also serve it.
    pub reads: Reads,
    /// What must hold before the run's first write; only in a probe.
    pub guards: Option<Guards>,
}

/// Which reads of other steps also serve a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None: only its own reads.
    Own,
    /// Those that began within this time, and within [`READ_SERVES`].
    Within(Duration),
    /// Those that began after this time of [`Clock::steady`], and within [`READ_SERVES`].
    After(Timestamp),
}

/// The age at which no read of another step is used any more. Within it, only changes by other clients can be missed; a
/// change by this process is never hidden by an earlier read.
pub const READ_SERVES: Duration = Duration::from_secs(5);

impl Reads {
    /// The earliest allowed start of such a read, for an attempt that begins at `now`.
    fn since(self, now: Timestamp) -> Timestamp {
        let oldest = |age: Duration| now.saturating_sub(age.min(READ_SERVES)).unwrap_or(now);
        match self {
            Reads::Own => Timestamp::MAX,
            Reads::Within(age) => oldest(age),
            Reads::After(at) => oldest(READ_SERVES).max(at.saturating_add(TICK).unwrap_or(at)),
        }
    }
}

/// The smallest unit of time.
const TICK: Duration = Duration::from_micros(1);

/// When an attempt with these exchanges began: the earliest start of its own or another step's requests. If the wall clock
/// may have been set meanwhile, the earliest possible time.
fn earliest(began: Now, exchanges: &[Exchange]) -> Now {
    let shared = exchanges.iter().filter(|exchange| exchange.sent_by.is_some());
    let age = shared.map(|exchange| {
        let age = Duration::try_from(began.utc.duration_since(exchange.began)).ok();
        // A request sent after this attempt began took no longer than the attempt.
        age.map_or(Duration::ZERO, |age| age.min(READ_SERVES))
    });
    let age = age.max().unwrap_or_default();
    Now { utc: began.utc.saturating_sub(age).unwrap_or(began.utc), boot: began.boot.saturating_sub(age) }
}

impl Job {
    /// The phase that the kind performs: with `ensure: absent`, a resource is read and deleted as in undo.
    fn acting(&self) -> Phase {
        match (self.ensure, self.phase) {
            (Ensure::Absent, Phase::Probe) => Phase::UndoProbe,
            (Ensure::Absent, Phase::Apply) => Phase::Undo,
            (Ensure::Absent, Phase::Verify) => Phase::UndoVerify,
            (_, phase) => phase,
        }
    }
}

/// The result of a performed phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The step.
    pub step: StepKey,
    /// The phase.
    pub phase: Phase,
    /// Number of the attempt.
    pub attempt: u32,
    /// The run's last event when the job was created.
    pub asked: Seq,
    /// When it began; if a read of another step served it, when the earliest of those began.
    pub began: Now,
    /// When it ended.
    pub ended: Now,
    /// The result.
    pub result: Result<Seen, StepError>,
    /// Requests and responses.
    pub exchanges: Vec<Exchange>,
    /// Why the resource may not have the effect that people expect.
    pub warnings: Vec<String>,
    /// The kind's constants.
    pub rules: KindRules,
}

impl Fact {
    /// The identities that sent its requests, each once.
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

/// The constants of a kind that the rules need, sent with every fact so that the rules need no registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindRules {
    /// The consistency delay: after an uncertain write, how long an absence must last before it is believed.
    pub settle: Duration,
    /// The request window.
    pub window: Duration,
    /// Why undo always keeps what this kind created; `None`: undo deletes it.
    pub keeps: Option<&'static str>,
    /// The delete delay, if the kind has one.
    pub delete_delay: Option<DeleteDelay>,
}

/// The result of a phase that did not fail.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one for each performed phase, taken apart at once")]
pub enum Seen {
    /// Probe, Verify, UndoProbe, UndoVerify: what `check` found and what the step would claim. In a Probe that did not find
    /// the wanted state, also whether `apply` may be sent.
    Checked {
        /// What was found.
        observed: Observed<Value>,
        /// Probe, where a person may decide to recreate the resource or has decided so: what it holds, which is deleted too.
        contents: Option<Difference>,
        /// Whether `apply` may be sent.
        readiness: Option<Readiness>,
        /// The claims of the step.
        claims: Vec<ClaimKey>,
    },
    /// Apply: accepted.
    Applied {
        /// What only this response carried.
        receipt: Option<Value>,
    },
    /// Undo: accepted, or kept with a reason.
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

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Performs one phase of one step. It always returns a fact: a step that does not respond ends with the time-out, and a
    /// panic becomes a bug of its kind.
    pub async fn perform(&self, job: Job) -> Fact {
        self.perform_behind(job, None).await
    }

    /// The same; `gate` is consulted immediately before a write is sent.
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
                    let seen = step.look(&cx, &job.params, job.decided == Some(Choice::Recreate)).await?;
                    self.guard_was_met(job, &seen);
                    self.confirm_guards(kind.effect, job, &seen, log).await?;
                    Ok(seen)
                }
            }
        };
        // An error that the step did not return itself: a request that it had begun to send may have arrived.
        let certainty = || if log.write_begun(job.phase) { Certainty::Unknown } else { Certainty::NotDone };
        let work = Guarded { work: Box::pin(work) };
        // Virtual time passes by sleeping, so a race against it would end every step that takes real time.
        if self.clock.is_virtual() {
            return work.await.unwrap_or_else(|panic| Err(panic_error(&panic, certainty())));
        }
        let late = self.clock.sleep(job.timeout);
        match first(work, late).await {
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(panic_error(&panic, certainty())),
            None => {
                let what = format!("{} did not finish within {} s", job.step, job.timeout.as_secs());
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
    /// Whether a step is being polled on this thread.
    static GUARDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether a panic on this thread is caught and becomes a failure of its step: for panic hooks.
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
        // After a panic the step's future is never polled again, so its inconsistent state is never seen.
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
