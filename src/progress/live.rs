//! One live line for each active step: its action, its attempt, and the time until its next check.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use twinspan_encode::terminal;
use twinspan_engine::{Phase, StepEvent, StepKey};

use crate::report::view::{ahead, between};

/// Maximum number of live lines.
const MOST: usize = 12;

/// The live lines of every run.
pub(super) struct LiveLines {
    multi: MultiProgress,
    lines: BTreeMap<String, Line>,
    /// The number of finished steps, below the lines.
    done: Option<ProgressBar>,
}

struct Line {
    bar: ProgressBar,
    words: String,
    since: Timestamp,
    until: Option<Timestamp>,
}

impl LiveLines {
    pub(super) fn new(multi: &MultiProgress) -> Self {
        LiveLines { multi: multi.clone(), lines: BTreeMap::new(), done: None }
    }

    /// Updates the line of a step from an event.
    pub(super) fn take(&mut self, run: Option<&str>, step: &StepKey, event: &StepEvent, at: Timestamp) {
        let name = run.map_or_else(|| step.to_string(), |run| format!("{run} {step}"));
        let Some((words, until)) = moving(event) else {
            if let Some(line) = self.lines.remove(&name) {
                line.bar.finish_and_clear();
            }
            return;
        };
        if !self.lines.contains_key(&name) && self.lines.len() >= MOST {
            return;
        }
        let line = self.lines.entry(name.clone()).or_insert_with(|| {
            let bar = match &self.done {
                Some(done) => self.multi.insert_before(done, ProgressBar::new_spinner()),
                None => self.multi.add(ProgressBar::new_spinner()),
            };
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(terminal::line(&name).into_owned());
            Line { bar, words: String::new(), since: at, until: None }
        });
        if line.words != words {
            line.since = at;
        }
        line.words = words;
        line.until = until;
        line.show(at);
    }

    /// Updates the countdowns.
    pub(super) fn tick(&mut self, now: Timestamp, done: Option<(usize, usize)>) {
        if let Some((done, all)) = done {
            let multi = &self.multi;
            let bar = self.done.get_or_insert_with(|| {
                let bar = multi.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{wide_msg:.dim}") {
                    bar.set_style(style);
                }
                bar
            });
            bar.set_message(format!("{done}/{all} steps done"));
        }
        for line in self.lines.values() {
            line.show(now);
            line.bar.tick();
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, line) in std::mem::take(&mut self.lines) {
            line.bar.finish_and_clear();
        }
        if let Some(done) = self.done.take() {
            done.finish_and_clear();
        }
    }
}

impl Line {
    fn show(&self, now: Timestamp) {
        let until = self.until.map(|until| format!(", next check {}", ahead(now, until)));
        // The times come first, because the terminal cuts off text that is too long.
        let words = format!("({}{}) {}", between(self.since, now), until.unwrap_or_default(), self.words);
        // These lines bypass the writer of all other output, so they are encoded here.
        self.bar.set_message(terminal::line(&words).into_owned());
    }
}

/// What a step does now, and its next check; `None`: the step is not active any more.
fn moving(event: &StepEvent) -> Option<(String, Option<Timestamp>)> {
    match event {
        StepEvent::Waiting { wait, next_check, .. } => {
            let who = wait.who.as_deref().map(|who| format!("{who}: ")).unwrap_or_default();
            Some((format!("waits for {who}{}", wait.what), Some(*next_check)))
        }
        StepEvent::Intended { attempt, phase: Phase::Undo, .. } => {
            Some((format!("sends its delete request, attempt {attempt}"), None))
        }
        StepEvent::Accepted { attempt, phase: Phase::Undo, .. } => {
            Some((format!("deleting, request accepted at attempt {attempt}"), None))
        }
        StepEvent::Intended { attempt, .. } => Some((format!("sends, attempt {attempt}"), None)),
        StepEvent::Accepted { attempt, .. } => {
            Some((format!("accepted at attempt {attempt}, verifying"), None))
        }
        StepEvent::Uncertain { attempt, next_check, .. } => {
            Some((format!("attempt {attempt} was sent, its response is unknown"), Some(*next_check)))
        }
        StepEvent::StillAbsent { next_check, what, .. } => {
            let what = what.as_deref().unwrap_or("not found");
            Some((format!("{what}; confirming absence"), Some(*next_check)))
        }
        StepEvent::RetryWait { error, failures, until, .. } => {
            Some((format!("failure {failures}: {error}"), Some(*until)))
        }
        StepEvent::NotSent { .. }
        | StepEvent::SkipAsked { .. }
        | StepEvent::Approved(_)
        | StepEvent::CheckNow
        | StepEvent::SlotWanted
        | StepEvent::Reopened { .. }
        | StepEvent::UndoCalledOff { .. }
        | StepEvent::Decided { .. }
        | StepEvent::Provided { .. } => Some(("checking".to_owned(), None)),
        StepEvent::CreatedEarlier { .. }
        | StepEvent::Unchanged { .. }
        | StepEvent::NeedsDecision { .. }
        | StepEvent::Done { .. }
        | StepEvent::Failed { .. }
        | StepEvent::Skipped { .. }
        | StepEvent::Cancelled
        | StepEvent::Rejected { .. }
        | StepEvent::Deleted { .. }
        | StepEvent::Undone { .. }
        | StepEvent::Kept { .. }
        | StepEvent::UndoStopped { .. } => None,
    }
}
