//! Reads every record back and compares it with the file of effects: proves that the benchmark measured real runs.
//!
//! The numbers are those of the engine's invariants: I1 no effect without a durable intent, I2 the proof is read
//! after the write, I3 a read resolves what is uncertain, I4 hash chain and numbering, I5 tables agree with events,
//! I6 one open attempt for each step, I7 a step waits for the steps that it needs.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde_json::Value;
use twinspan_engine::{Backend, Event, Filter, Recorded, RunId, Seq, SqliteBackend, StepEvent, StepKey};

use crate::Failure;
use crate::arguments::Arguments;
use crate::effects::{Effect, Effects};
use crate::record_step::{WORKFLOW, registry};
use crate::workload::opening;

/// What was checked. Exists only if no error was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audit {
    pub(crate) runs: usize,
    pub(crate) events: u64,
    pub(crate) commits: u64,
    pub(crate) effects: usize,
    /// Intents whose outcome a later driver had to read back.
    pub(crate) uncertain: usize,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} commits, {} events: chain, numbering, tables and I1 to I7 hold; {} effects, each once; \
             {} intents were uncertain and closed by a read",
            self.runs, self.commits, self.events, self.effects, self.uncertain
        )
    }
}

/// Checks every run of the journal, and that all runs together produced exactly the effects in the file.
pub(crate) async fn audit(
    arguments: &Arguments,
    effects: &std::sync::Arc<Effects>,
) -> Result<Audit, Failure> {
    let opening = opening(arguments, registry(std::sync::Arc::clone(effects)));
    let backend = SqliteBackend::open(&arguments.folder.join("journal.db"), opening)?;
    let mut audit = Audit::default();
    let mut intended = HashSet::new();
    for summary in backend.list(Filter::default()).await? {
        let report = backend.verify_journal(summary.run)?;
        if let Some(problem) = report.problems.first() {
            return Err(format!("run {}: {problem}", summary.run).into());
        }
        let events = backend.read(summary.run, Seq(1), None).await?;
        let made = check(summary.run, &events)?;
        audit.runs += 1;
        audit.events += report.events;
        audit.commits += report.commits;
        audit.uncertain += made.uncertain;
        intended.extend(made.effects);
    }
    let (there, repeated) = effects.all();
    if repeated > 0 {
        return Err(format!("{repeated} effects were made twice").into());
    }
    if let Some(effect) = there.difference(&intended).next() {
        return Err(format!("I1: {effect:?} was made and never intended").into());
    }
    if let Some(effect) = intended.difference(&there).next() {
        return Err(format!("{effect:?} is said to be done and was never made").into());
    }
    audit.effects = there.len();
    Ok(audit)
}

/// What the events of one run say that it did.
struct Made {
    effects: Vec<Effect>,
    uncertain: usize,
}

/// State of a step while the audit reads its events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AuditedState {
    Intended,
    Accepted,
    Uncertain,
    Refuted,
    Done,
}

fn check(run: RunId, events: &[Recorded]) -> Result<Made, Failure> {
    let wrong = |number: u64, what: &str| Err(format!("run {run}, event {number}: {what}").into());
    let Some(Recorded { event: Event::RunStarted(started), .. }) = events.first() else {
        return wrong(1, "it does not begin with the start of the run");
    };
    let workflow =
        started.inputs.0.get(WORKFLOW).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    let Some(workflow) = workflow else { return wrong(1, "the workflow's number is missing") };
    let mut made = Made { effects: Vec::new(), uncertain: 0 };
    let mut standing: HashMap<&StepKey, AuditedState> = HashMap::new();
    for Recorded { seq, event, .. } in events {
        let Event::Step { step, event } = event else {
            if matches!(event, Event::DriverTook { .. }) {
                for state in standing.values_mut().filter(|state| **state == AuditedState::Intended) {
                    *state = AuditedState::Uncertain;
                    made.uncertain += 1;
                }
            }
            continue;
        };
        let Some(number) = step.0.strip_prefix('s').and_then(|number| number.parse::<u32>().ok()) else {
            return wrong(seq.0, "a step that the plan does not have");
        };
        let next = match (standing.get(step), event) {
            (None | Some(AuditedState::Refuted), StepEvent::Intended { .. }) => {
                let before = number.checked_sub(1).map(|before| StepKey::from(format!("s{before}").as_str()));
                if before.is_some_and(|before| standing.get(&before) != Some(&AuditedState::Done)) {
                    return wrong(seq.0, "I7: the step before is not done");
                }
                AuditedState::Intended
            }
            (Some(AuditedState::Intended), StepEvent::Accepted { .. }) => AuditedState::Accepted,
            (Some(AuditedState::Accepted | AuditedState::Uncertain), StepEvent::Done { evidence, .. }) => {
                let after = evidence.write_recorded.is_some() && evidence.is_after_last_write();
                if !after {
                    return wrong(seq.0, "I2: the proof was read before the write had ended");
                }
                made.effects.push(Effect { workflow, step: number });
                AuditedState::Done
            }
            // The read found no record: the write did not arrive.
            (Some(AuditedState::Uncertain), StepEvent::RetryWait { .. }) => AuditedState::Refuted,
            (_, StepEvent::Intended { .. }) => return wrong(seq.0, "I6: a second attempt while one is open"),
            _ => return wrong(seq.0, &format!("I3: {} does not follow from what was read", event.name())),
        };
        standing.insert(step, next);
    }
    match events.last() {
        Some(Recorded { event: Event::RunEnded { .. }, .. })
            if standing.values().all(|state| *state == AuditedState::Done) =>
        {
            Ok(made)
        }
        _ => wrong(events.len() as u64, "it has not ended"),
    }
}
