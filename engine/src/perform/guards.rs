//! Reads the guards before a write, once for all steps of a run.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use twinspan_plans::{EffectClass, Ensure};

use crate::attempt_log::{AttemptLog, Exchange};
use crate::failure::{FailureClass, StepError};
use crate::guards::Guard;
use crate::identity::Identity;
use crate::ids::{RunId, StepKey};
use crate::job::{Job, Seen};
use crate::observation::{Guarded, Observed, Phase, Readiness};
use crate::perform::Performer;
use crate::signal::Choice;
use crate::step::StepCx;
use crate::wait::Wait;

/// The number of guards that are read at the same time.
const AT_A_TIME: usize = 8;

/// How often a guard that cannot be read for a transient reason delays writes; after that its own step has to read it.
const TRIES: u32 = 4;

/// The state of one run's guards in this process.
#[derive(Debug, Default)]
struct GuardState {
    met: HashSet<StepKey>,
    /// Identities that would write, each with a number.
    writers: BTreeMap<Identity, usize>,
    /// Guards that could not be read before the writes of an identity.
    in_vain: HashSet<(StepKey, usize)>,
    /// How often a guard could not be read for a transient reason.
    passing: HashMap<StepKey, u32>,
    /// Identities before whose writes no guard is left to read. Guards that are met stay met, so this does not change again.
    settled: HashSet<usize>,
}

impl GuardState {
    fn number(&mut self, writer: &Identity) -> usize {
        if let Some(number) = self.writers.get(writer) {
            return *number;
        }
        let number = self.writers.len();
        self.writers.insert(writer.clone(), number);
        number
    }
}

/// The state of the guards of every run that this process drives.
#[derive(Debug, Default)]
pub(crate) struct GuardRecord(Mutex<HashMap<RunId, Arc<tokio::sync::Mutex<GuardState>>>>);

impl GuardRecord {
    fn of(&self, run: RunId) -> Arc<tokio::sync::Mutex<GuardState>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(run).or_default())
    }
}

/// Whether the result of a probe leads to a write.
fn would_write(job: &Job, seen: &Seen) -> bool {
    let Seen::Checked { observed, readiness, .. } = seen else { return false };
    match job.ensure {
        Ensure::Present => {
            let ordered = matches!(job.decided, Some(Choice::Overwrite | Choice::Recreate));
            matches!(readiness, Some(Readiness::Ready))
                || ordered && !matches!(observed, Observed::Converging { .. })
        }
        Ensure::Absent => !matches!(observed, Observed::Absent | Observed::Converging { .. }),
    }
}

/// One reading of a guard.
struct Read {
    outcome: Result<Guarded, StepError>,
    exchanges: Vec<Exchange>,
}

impl Performer {
    /// Reads the guards before a step that would write. Their requests precede the step's own requests in the transcript.
    pub(crate) async fn confirm_guards(
        &self,
        effect: EffectClass,
        job: &Job,
        seen: &Seen,
        log: &AttemptLog,
    ) -> Result<(), StepError> {
        let Some(guards) = job.guards.as_ref().filter(|guards| !guards.all.is_empty()) else { return Ok(()) };
        let Some(writer) = job.identities.first() else { return Ok(()) };
        if effect == EffectClass::Read || job.phase != Phase::Probe || !would_write(job, seen) {
            return Ok(());
        }
        let record = self.guards().of(job.run);
        // One step reads them for all.
        let mut known = record.lock().await;
        let number = known.number(writer);
        if known.settled.contains(&number) {
            return Ok(());
        }
        let mut due: Vec<&Guard> = guards
            .all
            .iter()
            .filter(|guard| !known.met.contains(&guard.step))
            .filter(|guard| !guards.wrote || guard.concerns(writer, self.guards_by(guard)))
            .filter(|guard| !known.in_vain.contains(&(guard.step.clone(), number)))
            .collect();
        if due.is_empty() {
            known.settled.insert(number);
        }
        due.retain(|guard| guard.step != job.step);
        let since = self.clock().steady();
        let at_a_time = if self.clock().is_virtual() { 1 } else { AT_A_TIME };
        let mut out_of_reach: Vec<Identity> = Vec::new();
        let (mut wrong, mut passing) = (None, None);
        for chunk in due.chunks(at_a_time) {
            let reachable = |guard: &&&Guard| guard.actor().is_none_or(|actor| !out_of_reach.contains(actor));
            let (now, unreachable): (Vec<&Guard>, Vec<&Guard>) = {
                let (now, unreachable): (Vec<&&Guard>, Vec<&&Guard>) = chunk.iter().partition(reachable);
                (now.into_iter().copied().collect(), unreachable.into_iter().copied().collect())
            };
            for guard in unreachable {
                known.in_vain.insert((guard.step.clone(), number));
            }
            let reads = all(now.iter().map(|guard| self.read_guard(guard, job, since)).collect()).await;
            for (guard, Read { outcome, exchanges }) in now.into_iter().zip(reads) {
                log.record_before(exchanges);
                match judged(outcome) {
                    Judged::Met => drop(known.met.insert(guard.step.clone())),
                    Judged::Wrong(error) => {
                        wrong.get_or_insert((guard, error));
                    }
                    Judged::Passing(error) => {
                        let times = known.passing.entry(guard.step.clone()).or_default();
                        *times += 1;
                        if *times < TRIES {
                            passing.get_or_insert(error);
                        } else {
                            known.in_vain.insert((guard.step.clone(), number));
                        }
                    }
                    Judged::Unknown => {
                        known.in_vain.insert((guard.step.clone(), number));
                    }
                    Judged::CannotSignIn => {
                        known.in_vain.insert((guard.step.clone(), number));
                        out_of_reach.extend(guard.actor().cloned());
                    }
                }
            }
        }
        match (wrong, passing) {
            (Some((guard, error)), _) => Err(stopped(guard, error, guards.wrote)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(()),
        }
    }

    fn guards_by(&self, guard: &Guard) -> Option<&'static str> {
        self.registry().kind(&guard.kind)?.meta.guards
    }

    async fn read_guard(&self, guard: &Guard, job: &Job, since: Timestamp) -> Read {
        let log = AttemptLog::new(Phase::Probe);
        let outcome = match self.registry().kind(&guard.kind) {
            None => Ok(Guarded::Unknown),
            Some(kind) => {
                let cx = StepCx {
                    run: job.run,
                    owner: job.run,
                    step: &guard.step,
                    phase: Phase::Probe,
                    ensure: Ensure::Present,
                    attempt: job.attempt,
                    timeout: job.timeout,
                    identities: &guard.identities,
                    others: &guard.others,
                    auxiliary: None,
                    since: job.since,
                    waited: Duration::ZERO,
                    overwrites: false,
                    created: &[],
                    earlier: None,
                    written: None,
                    reads_from: since,
                    approval: None,
                    receipt: None,
                    needed_receipts: &[],
                    stated: &job.stated,
                    unknown: &[],
                    clock: &**self.clock(),
                    log: &log,
                };
                kind.step().guard(&cx, &guard.known).await
            }
        };
        Read { outcome, exchanges: log.into_exchanges() }
    }

    /// Marks a guard as met if its own step's probe found the resource, so that it is not read again before other writes.
    pub(crate) fn guard_was_met(&self, job: &Job, seen: &Seen) {
        let kind_guards = self.registry().kind(&job.kind).is_some_and(|kind| kind.meta.guards.is_some());
        let is_guard = kind_guards && job.guards.is_some() && job.phase == Phase::Probe;
        let found = matches!(seen, Seen::Checked { observed: Observed::Present { .. }, .. });
        // If the lock is taken, the guards are being read, and this one is among them.
        if is_guard
            && found
            && let Ok(mut known) = self.guards().of(job.run).try_lock()
        {
            known.met.insert(job.step.clone());
        }
    }
}

enum Judged {
    Met,
    Wrong(StepError),
    Passing(StepError),
    Unknown,
    /// The identity of the guard's step cannot sign in: it reads no other guard either.
    CannotSignIn,
}

fn judged(outcome: Result<Guarded, StepError>) -> Judged {
    match outcome {
        Ok(Guarded::Met) => Judged::Met,
        Ok(Guarded::Wrong(error)) => Judged::Wrong(error),
        Ok(Guarded::Unknown) => Judged::Unknown,
        Err(error) => match error.class {
            FailureClass::Throttled
            | FailureClass::Transient
            | FailureClass::ConflictRetryable
            | FailureClass::InProgress => Judged::Passing(error),
            FailureClass::PlanWrong | FailureClass::Bug => Judged::Wrong(error),
            FailureClass::Credential | FailureClass::NeedsPerson => Judged::CannotSignIn,
            FailureClass::ReplicationLag
            | FailureClass::Propagation
            | FailureClass::Permission
            | FailureClass::Policy => Judged::Unknown,
        },
    }
}

/// The error of a write that a guard stops.
fn stopped(guard: &Guard, error: StepError, wrote: bool) -> StepError {
    let what = if wrote { "not written" } else { "not written, nor anything else of this run" };
    let message = match &error.wait {
        Some(wait) => format!("{what}: step {} would wait: {}", guard.step, wait.what),
        None => format!("{what}: step {} would fail: {}", guard.step, error.message),
    };
    let wait = error.wait.map(|wait| Box::new(Wait { what: message.clone(), ..*wait }));
    StepError { message, wait, ..error }
}

/// Awaits all futures concurrently.
async fn all<'a, T>(futures: Vec<impl Future<Output = T> + Send + 'a>) -> Vec<T> {
    let mut open: Vec<(Pin<Box<_>>, Option<T>)> =
        futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in open.iter_mut().filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *done = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    open.into_iter().filter_map(|(_, done)| done).collect()
}
