//! Performs one phase of one step through the registry, and returns the result as a fact.

pub(crate) mod guards;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::attempt_log::{AttemptLog, Exchange, SendGate};
use crate::clock::{Clock, Now};
use crate::failure::{Certainty, FailureClass, StepError};
use crate::job::Fact;
use crate::job::Job;
use crate::job::KindRules;
use crate::job::READ_SERVES;
use crate::job::Seen;
use crate::observation::Phase;
use crate::perform::guards::GuardRecord;
use crate::registry::{Kind, Registry};
use crate::signal::Choice;
use crate::step::StepCx;

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
                    self.confirm_guards(kind.meta.effect, job, &seen, log).await?;
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
