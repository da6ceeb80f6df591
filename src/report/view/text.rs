//! The text output for a run.

use std::collections::BTreeMap;

use super::page::Page;
use super::run::{ChangeView, RunView};
use super::step::StepView;
use super::time::{between, stamp};
use super::wait::write_all;
use crate::text::{BAD, DIM, GOOD, STRONG, Text, WAIT, Width};

/// Maximum number of names in one line of a summary.
const NAMES: usize = 8;

/// Width of a summary's label column, including the space after it.
pub(super) const LABEL: usize = 11;

impl RunView {
    /// The whole text: the head, each heading with its steps, and the closing summary.
    pub(crate) fn text(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        self.head(&mut page);
        page.append(&self.outline(width));
        page.append(&self.closing(width));
        page.into_text()
    }

    fn head(&self, page: &mut Page) {
        let driver = match &self.driver {
            Some(driver) => format!(", driven by {driver}"),
            None if self.status.ended => String::new(),
            None => ", not running".to_owned(),
        };
        page.whole(&format!("{STRONG}run {}{STRONG:#}  {}: {}", self.short, self.name, self.status.words));
        let (run, started, starter) = (&self.run, stamp(self.started), &self.starter);
        page.whole(&format!("{DIM}{run}, started {started} by {starter}{driver}{DIM:#}"));
        if !self.key.is_empty() {
            let labels: String =
                self.labels.iter().map(|(name, value)| format!(", {name}={value}")).collect();
            page.whole(&format!("{DIM}key {}{labels}{DIM:#}", self.key));
        }
    }

    /// The steps under the document's headings, with titles and ids.
    pub(crate) fn outline(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        let mut shown: &[String] = &[];
        let names = names_width(width, self.steps.iter().map(|step| step.step.as_str()));
        for step in &self.steps {
            if step.headings != shown {
                for (depth, heading) in step.headings.iter().enumerate() {
                    if shown.get(depth) != Some(heading) {
                        page.line(0, "");
                        let left = 2 * depth;
                        page.line(left, &format!("{:left$}{STRONG}{heading}{STRONG:#}", ""));
                    }
                }
                shown = &step.headings;
            }
            step.outline(2 * step.headings.len().max(1), names, &mut page);
        }
        page.into_text()
    }

    /// The summary at every stop: done / changed / waiting or failed, why, next / untouched.
    pub(crate) fn closing(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        page.line(0, "");
        let done: Vec<&str> =
            self.steps.iter().filter(|step| step.is_done()).map(|step| step.step.as_str()).collect();
        let applicable = self.counts.steps - self.counts.condition_false;
        let number = self.counts.done;
        page.line(
            LABEL,
            &format!("{GOOD}{:10}{GOOD:#} {number} of {applicable} steps{}", "done", names(&done)),
        );
        self.of_earlier_runs(&mut page);
        if self.changes.is_empty() {
            page.line(LABEL, &format!("{:10} nothing in the cloud", "changed"));
        } else {
            page.line(LABEL, &format!("{:10} in the cloud:", "changed"));
            self.things(&mut page, &self.changes);
        }
        if !self.ran.is_empty() {
            page.line(LABEL, &format!("{:10} on this machine:", "ran"));
            self.things(&mut page, &self.ran);
        }
        if !self.undone.is_empty() {
            page.line(LABEL, "undone");
            self.things(&mut page, &self.undone);
        }
        write_all(&self.waiting, &mut page, self.now, self.motion());
        for step in &self.steps {
            step.warnings(&mut page);
            step.trouble(&mut page);
        }
        self.doubts(&mut page);
        for step in &self.withheld {
            let why = "was skipped, and a later step reads an output of it: provide its value";
            page.line(LABEL, &format!("{WAIT}{:10}{WAIT:#} {STRONG}{step}{STRONG:#}  {why}", "missing"));
        }
        for block in &self.halted_blocks {
            page.line(LABEL, &format!("{BAD}{:10}{BAD:#} {}", "halted", block.words()));
        }
        if !self.untouched.is_empty() {
            let untouched: Vec<&str> = self.untouched.iter().map(String::as_str).collect();
            let names = names(&untouched);
            page.line(
                LABEL,
                &format!("{DIM}{:10}{DIM:#} {}{names}", "untouched", counted(untouched.len(), "step")),
            );
        }
        if let Some(verified) = &self.verified {
            verified.write(&mut page, &self.steps);
        }
        let running = if self.driven || self.status.ended { "" } else { "; not running" };
        page.line(LABEL, &format!("{STRONG}{:10}{STRONG:#} {}{running}", "status", self.status.words));
        for (position, command) in self.next.iter().enumerate() {
            let label = if position == 0 { "next" } else { "" };
            page.whole(&format!("{STRONG}{label:10}{STRONG:#} {command}"));
            let of = self.suggestions.iter().find(|suggestion| suggestion.command == *command);
            if let Some(does) = of.and_then(|suggestion| suggestion.does) {
                page.line(LABEL + 4, &format!("{:14} {DIM}{does}{DIM:#}", ""));
            }
        }
        page.into_text()
    }

    /// Where journal and remote may not agree: absences that are being confirmed, a journal that lost entries, and
    /// steps that undo
    /// could not check.
    fn doubts(&self, page: &mut Page) {
        for step in &self.steps {
            if let Some(seen) = &step.confirming_absence {
                let line = format!("{WAIT}{:10}{WAIT:#} {STRONG}{}{STRONG:#}", "absent", step.step);
                page.line(LABEL, &format!("{line}  {seen}; confirming absence"));
            }
        }
        if !self.journal_lost.is_empty() {
            let lost: Vec<&str> = self.journal_lost.iter().map(String::as_str).collect();
            let what =
                "the journal lost its last entries: resources carry this run's marker without an intent";
            page.line(LABEL, &format!("{BAD}{:10}{BAD:#} {what}{}", "journal", names(&lost)));
        }
        for step in self.unchecked.iter().take(NAMES) {
            let line = format!("{WAIT}{:10}{WAIT:#} {STRONG}{}{STRONG:#}", "unchecked", step.step);
            page.line(LABEL, &format!("{line}  {}", step.reason));
        }
        if self.unchecked.len() > NAMES {
            let more = self.unchecked.len() - NAMES;
            page.line(LABEL, &format!("{:10} {more} more; all: {}", "", self.whole_ids));
        }
    }

    /// `unchanged  30 steps (created by run 1a2b3c4d): a, b, …`
    fn of_earlier_runs(&self, page: &mut Page) {
        let mut by_run: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.state == "unchanged" && step.created_by.is_some()) {
            by_run.entry(step.created_by.as_deref().unwrap_or_default()).or_default().push(&step.step);
        }
        for (run, steps) in by_run {
            let count = counted(steps.len(), "step");
            let line =
                format!("{GOOD}{:10}{GOOD:#} {count} (created by run {run}){}", "unchanged", names(&steps));
            page.line(LABEL, &line);
        }
    }

    /// Resources that were created, changed or undone, with their ids (on a terminal: the ends of the ids).
    fn things(&self, page: &mut Page, things: &[ChangeView]) {
        let names = names_width(page.width(), things.iter().map(|thing| thing.step.as_str()));
        let mut shortened = false;
        for thing in things {
            let taken = 2 + 8 + 1 + names.max(thing.step.chars().count()) + 2;
            let id = page.width().end_of(&thing.id, taken);
            shortened |= id.len() < thing.id.len();
            let reason = thing.reason.as_deref().map(|reason| format!("  ({reason})")).unwrap_or_default();
            page.line(13, &format!("  {:8} {:names$}  {id}{reason}", thing.change, thing.step));
        }
        if shortened {
            page.line(13, &format!("  {DIM}{:8} whole ids: {}{DIM:#}", "", self.whole_ids));
        }
    }
}

/// Width of the column of step names, limited so that one very long name does not shift every line.
fn names_width<'a>(width: Width, names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0).min(32).min(width.part(4))
}

impl StepView {
    /// `done        scope-connection   Create cross-tenant connection …  GET … → 200`
    fn outline(&self, left: usize, names: usize, page: &mut Page) {
        let style = match self.state {
            "done" | "unchanged" | "undone" => GOOD,
            "failed" | "undo-stopped" | "needs-decision" | "undo-needs-decision" => BAD,
            "waiting" | "undo-waiting" | "uncertain" | "undo-uncertain" | "retry-wait" | "kept"
            | "skipped" => WAIT,
            _ => DIM,
        };
        let title = self.title.as_deref().unwrap_or(&self.kind);
        let state = self.state_words();
        let line = format!("{:left$}{style}{state:14}{style:#} {:names$}  {title}", "", self.step);
        // Continuation lines begin under the title, after the columns for state and name.
        let under = left + 15 + names + 2;
        self.title_line(&line, under, page);
        for claim in &self.claimed {
            page.line(under, &format!("{:under$}{WAIT}{}{WAIT:#}", "", claim.words()));
        }
    }

    /// The state in words; a finished step with `ensure: absent` is `deleted`.
    pub(crate) fn state_words(&self) -> &'static str {
        if self.waits_for_slot_of.is_some() {
            return "queued";
        }
        match (self.ensure, self.state) {
            (Some("absent"), "intended" | "verifying") => "deleting",
            (_, "done") if self.created_by.is_some() => "updated",
            (Some("absent"), "done") => "deleted",
            (_, state) => state_words(state),
        }
    }

    fn title_line(&self, line: &str, under: usize, page: &mut Page) {
        let how = match (&self.evidence, &self.reason) {
            (Some(evidence), _) => match &self.created_by {
                Some(by) => format!("created by run {by}; {}", evidence.text()),
                None => evidence.text(),
            },
            (None, Some(reason)) => reason.clone(),
            (None, None) if self.state == "condition-false" => "its condition is false".to_owned(),
            (None, None) => return page.line(under, line),
        };
        let both = format!("{line}  {DIM}{how}{DIM:#}");
        if page.width().holds(&both) {
            return page.whole(&both);
        }
        page.line(under, line);
        page.line(under, &format!("{:under$}{DIM}{how}{DIM:#}", ""));
    }

    /// Warnings: why the resource may not have the expected effect.
    fn warnings(&self, page: &mut Page) {
        for warning in self.evidence.iter().flat_map(|evidence| &evidence.warnings) {
            page.line(
                LABEL,
                &format!("{WAIT}{:10}{WAIT:#} {STRONG}{}{STRONG:#}  {warning}", "warning", self.step),
            );
        }
    }

    /// The error of a failed step, or the decision that it needs.
    pub(crate) fn trouble(&self, page: &mut Page) {
        match self.state {
            "failed" | "undo-stopped" => {
                let Some(error) = &self.error else { return };
                page.line(
                    LABEL,
                    &format!(
                        "{BAD}{:10}{BAD:#} {STRONG}{}{STRONG:#}  {error}",
                        self.state_words(),
                        self.step
                    ),
                );
                for cause in &error.causes {
                    page.line(LABEL, &format!("{:10} because {cause}", ""));
                }
                for (name, value) in &error.references {
                    page.line(LABEL, &format!("{:10} {DIM}{name} {value}{DIM:#}", ""));
                }
                if let Some(hint) = &error.hint {
                    page.line(LABEL + 4, &format!("{:10} do: {hint}", ""));
                }
            }
            "retry-wait" | "undo-retry-wait" | "uncertain" | "undo-uncertain" => {
                if let Some(error) = &self.error {
                    page.line(
                        LABEL,
                        &format!(
                            "{WAIT}{:10}{WAIT:#} {STRONG}{}{STRONG:#}  {error}",
                            self.state_words(),
                            self.step
                        ),
                    );
                }
                if let (Some(retry), Some(since)) = (&self.retry, self.since) {
                    page.line(
                        LABEL,
                        &format!(
                            "{:10} failure {} in {}; again at {}",
                            "",
                            retry.failures,
                            between(since, retry.until),
                            stamp(retry.until)
                        ),
                    );
                }
            }
            _ => {}
        }
        if let Some(decision) = &self.decision {
            page.line(
                LABEL,
                &format!("{BAD}{:10}{BAD:#} {STRONG}{}{STRONG:#}  {}", "decide", self.step, decision.what),
            );
            for difference in &decision.differences {
                page.line(
                    LABEL,
                    &format!(
                        "{:10} {}: wanted {}, found {}",
                        "", difference.field, difference.wanted, difference.found
                    ),
                );
            }
            page.line(LABEL, &format!("{:10} {}", "", decision.advice));
        }
    }
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// A state in the words of the text output.
fn state_words(state: &'static str) -> &'static str {
    match state {
        "condition-false" => "skipped",
        "needs-decision" | "undo-needs-decision" => "decide",
        "retry-wait" | "undo-retry-wait" => "retry",
        "probing" | "undo-probing" => "probing",
        "intended" => "sending",
        "undo-intended" | "undo-verifying" => "deleting",
        "undo-waiting" => "waiting",
        "undo-uncertain" => "uncertain",
        "undo-stopped" => "undo stop",
        other => other,
    }
}

/// `: a, b, … (3 more)`
fn names(names: &[&str]) -> String {
    match names.len() {
        0 => String::new(),
        count if count <= NAMES => format!(": {}", names.join(", ")),
        count => format!(": {}, … ({} more)", names[..NAMES].join(", "), count - NAMES),
    }
}
