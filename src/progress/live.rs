//! One live line for each step that moves: what it does, which attempt, and for how long it still waits.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use twinspan_engine::{StepEvent, StepKey};

use crate::view::{ahead, between};

/// Most lines: a terminal is not endless.
const MOST: usize = 12;

/// The live lines of every run.
pub(super) struct LiveLines {
    multi: MultiProgress,
    lines: BTreeMap<String, Line>,
}

struct Line {
    bar: ProgressBar,
    words: String,
    since: Timestamp,
    until: Option<Timestamp>,
}

impl LiveLines {
    pub(super) fn new(multi: &MultiProgress) -> Self {
        LiveLines { multi: multi.clone(), lines: BTreeMap::new() }
    }

    /// Takes an event in.
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
            let bar = self.multi.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            Line { bar, words: String::new(), since: at, until: None }
        });
        if line.words != words {
            line.since = at;
        }
        line.words = words;
        line.until = until;
        line.show(at);
    }

    /// Moves the countdowns on.
    pub(super) fn tick(&mut self, now: Timestamp) {
        for line in self.lines.values() {
            line.show(now);
            line.bar.tick();
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, line) in std::mem::take(&mut self.lines) {
            line.bar.finish_and_clear();
        }
    }
}

impl Line {
    fn show(&self, now: Timestamp) {
        let until = self.until.map(|until| format!(", looks again {}", ahead(now, until)));
        // The times come first: words that are too long are cut at the terminal's end.
        let words = format!("({}{}) {}", between(self.since, now), until.unwrap_or_default(), self.words);
        self.bar.set_message(words);
    }
}

/// What a step does now, and until when it waits; `None`: it moves no more.
fn moving(event: &StepEvent) -> Option<(String, Option<Timestamp>)> {
    match event {
        StepEvent::Waiting { wait, look_again, .. } => {
            let who = wait.who.as_deref().map(|who| format!("{who}: ")).unwrap_or_default();
            Some((format!("waits for {who}{}", wait.what), Some(*look_again)))
        }
        StepEvent::Intended { attempt, .. } => Some((format!("sends, attempt {attempt}"), None)),
        StepEvent::Accepted { attempt, .. } => Some((format!("accepted at attempt {attempt}, looks"), None)),
        StepEvent::Uncertain { attempt, look_again, .. } => {
            Some((format!("attempt {attempt} was sent, its answer is unknown"), Some(*look_again)))
        }
        StepEvent::StillAbsent { look_again, what, .. } => {
            let what = what.as_deref().unwrap_or("not found");
            Some((format!("{what}; confirming absence"), Some(*look_again)))
        }
        StepEvent::RetryWait { error, failures, until, .. } => {
            Some((format!("failure {failures}: {error}"), Some(*until)))
        }
        StepEvent::NotSent { .. }
        | StepEvent::SkipAsked { .. }
        | StepEvent::Approved(_)
        | StepEvent::LookNow
        | StepEvent::SlotWanted
        | StepEvent::Reopened { .. }
        | StepEvent::Decided { .. }
        | StepEvent::Provided { .. } => Some(("looks".to_owned(), None)),
        StepEvent::AlreadySo { .. }
        | StepEvent::NeedsDecision { .. }
        | StepEvent::Done { .. }
        | StepEvent::Failed { .. }
        | StepEvent::Skipped { .. }
        | StepEvent::Cancelled
        | StepEvent::Rejected { .. }
        | StepEvent::Removed { .. }
        | StepEvent::Undone { .. }
        | StepEvent::Kept { .. }
        | StepEvent::UndoStopped { .. } => None,
    }
}
