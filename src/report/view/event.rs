//! Events, in words and as data.

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{
    Actor, Event, Evidence, Finding, NOT_DELETED, Origin, Outcome, Phase, Recorded, RunId, Signal, Sought,
    SoughtState, StepEvent, StepKey,
};

use super::step::shortened;
use super::text::counted;
use super::time::{ahead, stamp};
use crate::cli::json::SCHEMA;
use crate::text::{BAD, DIM, GOOD, STRONG, Style, WAIT};

/// One event, as the command `events` shows it.
#[derive(Serialize)]
pub(crate) struct EventView<'a> {
    schema: u32,
    r#type: &'static str,
    run: String,
    seq: u64,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    /// Text for people; its wording may change.
    words: String,
    /// The event as it is stored.
    event: &'a Event,
}

impl<'a> EventView<'a> {
    pub(crate) fn new(run: RunId, recorded: &'a Recorded) -> Self {
        let words = Words::of(&recorded.event, recorded.at);
        EventView {
            schema: SCHEMA,
            r#type: "event",
            run: run.to_string(),
            seq: recorded.seq.0,
            at: recorded.at,
            step: step(&recorded.event).map(|step| &*step.0),
            words: format!("{} {}", words.label, words.text).trim().to_owned(),
            event: &recorded.event,
        }
    }
}

/// The step that an event is about.
pub(crate) fn step(event: &Event) -> Option<&StepKey> {
    match event {
        Event::Step { step, .. } => Some(step),
        Event::Expanded { item, .. } | Event::ConditionFalse { item } => Some(item),
        Event::RunStarted(_)
        | Event::DriverTook { .. }
        | Event::SignalTaken { .. }
        | Event::Acknowledged { .. }
        | Event::Verified { .. }
        | Event::Searched { .. }
        | Event::RunEnded { .. } => None,
    }
}

/// An event in words: a short label, and a text.
pub(crate) struct Words {
    pub(crate) label: &'static str,
    pub(crate) style: Style,
    pub(crate) text: String,
    /// Whether only `events` and `-v` show it.
    pub(crate) quiet: bool,
}

impl Words {
    fn new(label: &'static str, style: Style, text: impl Into<String>) -> Self {
        Words { label, style, text: text.into(), quiet: false }
    }

    fn quiet(label: &'static str, text: impl Into<String>) -> Self {
        Words { label, style: DIM, text: text.into(), quiet: true }
    }

    /// `at`: when the event was recorded.
    pub(crate) fn of(event: &Event, at: Timestamp) -> Self {
        match event {
            Event::RunStarted(started) => {
                let paused = if started.paused { ", paused" } else { "" };
                Words::new("started", STRONG, format!("{} by {}{paused}", started.name, started.starter))
            }
            Event::DriverTook { driver, over, .. } => {
                let over = over.as_ref().map_or_else(String::new, |over| {
                    format!(", took over from {}: {}", over.holder, over.because.words())
                });
                Words::quiet("driver", format!("{driver}{over}"))
            }
            Event::Expanded { elements, .. } => {
                let keys: Vec<&str> = elements.iter().take(5).map(|(key, _)| key.as_str()).collect();
                let more = if elements.len() > 5 { ", …" } else { "" };
                Words::quiet("expanded", format!("{}: {}{more}", elements.len(), keys.join(", ")))
            }
            Event::ConditionFalse { .. } => Words::new("skipped", DIM, "its condition is false"),
            Event::Step { event, .. } => Words::of_step(event, at),
            Event::SignalTaken { actor, reason, signal, .. } => {
                let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                Words::new("asked", STRONG, format!("{} by {actor}{reason}", signal_word(signal)))
            }
            Event::Acknowledged { in_flight } => Words::new(
                "in force",
                STRONG,
                match in_flight.len() {
                    0 => "nothing more is sent".to_owned(),
                    count => format!("nothing more is sent; {count} in flight finish"),
                },
            ),
            Event::Verified { by, reason, findings, .. } => verified(by, reason.as_deref(), findings),
            Event::Searched { sought } => searched(sought),
            Event::RunEnded { outcome } => match outcome {
                Outcome::Done => Words::new("ended", GOOD, "done"),
                Outcome::Cancelled => Words::new("ended", STRONG, "cancelled"),
                Outcome::Undone => {
                    Words::new("ended", GOOD, "everything that it created is undone, or kept with a reason")
                }
            },
        }
    }

    fn of_step(event: &StepEvent, at: Timestamp) -> Self {
        match event {
            StepEvent::CreatedEarlier { run, step } => {
                Words::quiet("earlier", format!("run {} created it in step {step}", run.short()))
            }
            StepEvent::Unchanged { evidence, .. } => {
                let absent = if evidence.is_of_absence() { "absent, as wanted; " } else { "" };
                Words::new("unchanged", GOOD, format!("{absent}{}", proof(evidence)))
            }
            StepEvent::Waiting { wait, next_check, .. } => {
                let who = wait.who.as_deref().map(|who| format!("{who}: ")).unwrap_or_default();
                Words::new(
                    "waiting",
                    WAIT,
                    format!("{who}{}; checking again {}", wait.what, ahead(at, *next_check)),
                )
            }
            StepEvent::NeedsDecision { decision, .. } => Words::new("decide", BAD, decision.what.clone()),
            StepEvent::Intended { attempt, phase: Phase::Undo, .. } => {
                Words::quiet("deleting", format!("attempt {attempt}"))
            }
            StepEvent::Intended { attempt, .. } => Words::quiet("sending", format!("attempt {attempt}")),
            StepEvent::NotSent { attempt, .. } => Words::quiet("not sent", format!("attempt {attempt}")),
            StepEvent::Accepted { attempt, phase: Phase::Undo, .. } => {
                Words::new("accepted", DIM, format!("delete request, attempt {attempt}"))
            }
            StepEvent::Accepted { attempt, .. } => Words::new("accepted", DIM, format!("attempt {attempt}")),
            StepEvent::Uncertain { attempt, error, .. } => Words::new(
                "uncertain",
                WAIT,
                match error {
                    Some(error) => format!("attempt {attempt} was sent, its response is unknown: {error}"),
                    None => format!("attempt {attempt} may have been sent before the driver stopped"),
                },
            ),
            StepEvent::StillAbsent { what: None, .. } => {
                Words::quiet("absent", "not found; confirming absence")
            }
            StepEvent::StillAbsent { what: Some(what), next_check, .. } => Words::new(
                "absent",
                WAIT,
                format!("{what}; confirming absence, checking again {}", ahead(at, *next_check)),
            ),
            StepEvent::RetryWait { error, failures, until, .. } => {
                Words::new("retry", WAIT, format!("{error}; failure {failures}, again {}", ahead(at, *until)))
            }
            StepEvent::Done { origin: Origin::Deleted, evidence, .. } => {
                Words::new("deleted", GOOD, format!("confirmed absent; {}", proof(evidence)))
            }
            // A step that only reads owns no resource, so its read is the whole message.
            StepEvent::Done { origin: Origin::Observed, evidence, .. } => {
                Words::new("done", GOOD, proof(evidence))
            }
            StepEvent::Done { origin, evidence, .. } => {
                Words::new("done", GOOD, format!("{}; {}", origin_word(origin), proof(evidence)))
            }
            StepEvent::Failed { error, .. } => Words::new("failed", BAD, error.to_string()),
            StepEvent::SkipAsked { by, .. } => Words::quiet("skip", format!("asked by {by}")),
            StepEvent::Skipped { seen, .. } => Words::new("skipped", WAIT, seen.clone()),
            StepEvent::Cancelled => Words::new("cancelled", DIM, ""),
            StepEvent::Approved(approval) => {
                let named = approval.speaks_for.as_deref();
                let named = named.map(|named| format!(" for {named}")).unwrap_or_default();
                Words::new("approved", GOOD, format!("by {}{named}", approval.by))
            }
            StepEvent::Rejected { by, reason } => {
                let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
                Words::new("rejected", BAD, format!("by {by}{reason}"))
            }
            StepEvent::SlotWanted => Words::quiet(
                "slot",
                "its block has no free slot (`parallel`, `halt_after`): checked again when there is one",
            ),
            StepEvent::CheckNow => Words::quiet("retry", "a person requested an immediate check"),
            StepEvent::Decided { choice, by, .. } => {
                Words::new("decided", STRONG, format!("{} by {by}", choice_word(*choice)))
            }
            StepEvent::Provided { output, by, .. } => {
                Words::new("provided", STRONG, format!("{output} by {by}; a claim until a check proves it"))
            }
            StepEvent::Reopened { after, choice, by } => {
                let after: Vec<String> = after.iter().map(ToString::to_string).collect();
                let when = if after.is_empty() {
                    "checks everything again".to_owned()
                } else {
                    format!("checks again after {}", after.join(", "))
                };
                let then = match choice {
                    Some(choice) => format!("{when}; if it has drifted: {}", choice_word(*choice)),
                    None => when,
                };
                Words::new("repair", STRONG, format!("by {by}: {then}"))
            }
            StepEvent::UndoCalledOff { settling: true, .. } => Words::new(
                "forward",
                STRONG,
                "undo called off; the effect of its delete request is confirmed first",
            ),
            StepEvent::UndoCalledOff { after, .. } => {
                let after: Vec<String> = after.iter().map(ToString::to_string).collect();
                let when =
                    if after.is_empty() { String::new() } else { format!(" after {}", after.join(", ")) };
                Words::new("forward", STRONG, format!("undo called off; probes again{when}"))
            }
            StepEvent::Deleted { evidence } => Words::new(
                "deleted",
                WAIT,
                format!("to be created again; confirmed absent: {}", proof(evidence)),
            ),
            StepEvent::Undone { evidence } if let Some(seen) = evidence.also.get(NOT_DELETED) => {
                Words::new("undone", WAIT, format!("{seen}; {NOT_DELETED}; {}", proof(evidence)))
            }
            StepEvent::Undone { evidence } => {
                Words::new("undone", GOOD, format!("confirmed absent; {}", proof(evidence)))
            }
            StepEvent::Kept { reason } => Words::new("kept", WAIT, reason.clone()),
            StepEvent::UndoStopped { error } => Words::new("undo stop", BAD, error.to_string()),
        }
    }
}

/// What a search before an undo read, for steps without a recorded intent.
fn searched(sought: &[Sought]) -> Words {
    let own: Vec<String> = sought
        .iter()
        .filter(|sought| matches!(sought.found, SoughtState::Own { .. }))
        .map(|sought| sought.step.to_string())
        .collect();
    let unchecked = sought.len() - own.len();
    let rest = match unchecked {
        0 => String::new(),
        count => format!("; {} could not be checked", counted(count, "step")),
    };
    if own.is_empty() {
        return Words::quiet("searched", format!("no other resource carries this run's marker{rest}"));
    }
    let text = format!(
        "the journal lost its last entries: no intent, but this run's marker at {}{rest}",
        own.join(", ")
    );
    Words::new("searched", BAD, text)
}

/// What a drift check of all finished steps found.
fn verified(by: &Actor, reason: Option<&str>, findings: &[Finding]) -> Words {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let of = |drift: &str| {
        let named = findings.iter().filter(|finding| finding.drift.name() == drift);
        named.map(|finding| finding.step.to_string()).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    for drift in ["drifted", "missing", "owned-by-another-run", "broken", "unreadable"] {
        let steps = of(drift);
        if !steps.is_empty() {
            parts.push(format!("{drift}: {}", steps.join(", ")));
        }
    }
    let drifted = findings.iter().any(|finding| finding.drift.is_drift());
    let (style, found) = match (parts.is_empty(), drifted) {
        (true, _) => (GOOD, "all as it was proven".to_owned()),
        (false, true) => (BAD, parts.join("; ")),
        (false, false) => (WAIT, parts.join("; ")),
    };
    Words::new("verified", style, format!("by {by}{reason}: {}, {found}", counted(findings.len(), "step")))
}

/// The read that proves a state: `GET … → 200`.
pub(crate) fn proof(evidence: &Evidence) -> String {
    let mut text = match &evidence.read {
        Some(read) => {
            format!("{} {} → {}", read.verb, shortened(&read.target), read.status)
        }
        None => format!("seen at {}", stamp(evidence.read_began)),
    };
    for warning in &evidence.warnings {
        text.push_str("; warning: ");
        text.push_str(warning);
    }
    text
}

/// The origin of a resource, in words.
pub(crate) fn origin_word(origin: &Origin) -> &'static str {
    match origin {
        Origin::PreExisting => "pre-existing",
        Origin::EarlierRun => "created by an earlier run of the key, which keeps it",
        Origin::Created => "created by this run",
        Origin::Updated => "updated by this run",
        Origin::Unproven => "exists; not proven that this run created it",
        Origin::Observed => "read",
        Origin::Claimed => "claimed by a person",
        Origin::Deleted => "deleted by this run",
    }
}

fn choice_word(choice: twinspan_engine::Choice) -> &'static str {
    use twinspan_engine::Choice;
    match choice {
        Choice::Adopt => "adopt",
        Choice::Overwrite => "overwrite",
        Choice::Recreate => "recreate",
        Choice::Abort => "abort",
    }
}

/// A signal, in words.
pub(crate) fn signal_word(signal: &Signal) -> String {
    match signal {
        Signal::Pause => "pause".to_owned(),
        Signal::Resume => "resume".to_owned(),
        Signal::Cancel => "cancel".to_owned(),
        Signal::Approve { step, speaks_for: None } => format!("approve {step}"),
        Signal::Approve { step, speaks_for: Some(named) } => format!("approve {step} for {named}"),
        Signal::Reject { step } => format!("reject {step}"),
        Signal::Retry { step: Some(step) } => format!("retry {step}"),
        Signal::Retry { step: None } => "retry".to_owned(),
        Signal::Skip { step, .. } => format!("skip {step}"),
        Signal::Decide { step, choice } => format!("decide {step} {}", choice_word(*choice)),
        Signal::Provide { step, output, .. } => format!("provide {step}.{output}"),
        Signal::Undo => "undo".to_owned(),
        Signal::Forward => "call the undo off".to_owned(),
        Signal::Prune { steps, by } => {
            format!("undo {} that run {} does not contain", counted(steps.len(), "step"), by.short())
        }
        Signal::UpdatedSince { steps, by } => {
            format!("note that run {} updated {}", by.short(), counted(steps.len(), "step"))
        }
        Signal::Repair { step, .. } => format!("repair {step}"),
        Signal::Verified { .. } => "verify".to_owned(),
    }
}
