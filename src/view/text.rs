//! A run in words.

use std::fmt::Write as _;

use super::run::RunView;
use super::step::StepView;
use super::time::{between, stamp};
use crate::ui::{BAD, DIM, GOOD, STRONG, WAIT};

/// Most names in one line of a summary.
const NAMES: usize = 8;

impl RunView {
    /// Everything: the head, each heading with its steps, and the closing summary.
    pub(crate) fn text(&self) -> String {
        let mut text = self.head();
        text.push_str(&self.outline());
        text.push_str(&self.closing());
        text
    }

    fn head(&self) -> String {
        let driver = self.driver.as_deref().map(|driver| format!(", driven by {driver}")).unwrap_or_default();
        format!(
            "{STRONG}run {}{STRONG:#}  {}: {}\n{DIM}{}, started {} by {}{driver}{DIM:#}\n",
            self.short,
            self.name,
            self.status.words,
            self.run,
            stamp(self.started),
            self.starter
        )
    }

    /// Headings and titles in the document's words, ids beside them.
    pub(crate) fn outline(&self) -> String {
        let mut text = String::new();
        let mut shown: &[String] = &[];
        let width = self.steps.iter().map(|step| step.step.chars().count()).max().unwrap_or(0).min(32);
        for step in &self.steps {
            if step.headings != shown {
                for (depth, heading) in step.headings.iter().enumerate() {
                    if shown.get(depth) != Some(heading) {
                        let _ = writeln!(text, "\n{}{STRONG}{heading}{STRONG:#}", "  ".repeat(depth));
                    }
                }
                shown = &step.headings;
            }
            let _ = writeln!(text, "{}{}", "  ".repeat(step.headings.len().max(1)), step.line(width));
        }
        text
    }

    /// What every stop ends with: done / changed / waiting or failed, why, next / untouched.
    pub(crate) fn closing(&self) -> String {
        let mut text = String::from("\n");
        let done: Vec<&str> =
            self.steps.iter().filter(|step| step.is_done()).map(|step| step.step.as_str()).collect();
        let applicable = self.counts.steps - self.counts.not_applicable;
        let _ = writeln!(
            text,
            "{GOOD}{:10}{GOOD:#} {} of {applicable} steps{}",
            "done",
            done.len(),
            names(&done)
        );
        self.changes(&mut text);
        self.taken_back(&mut text);
        for wait in &self.waiting {
            for line in wait.lines(self.now) {
                let _ = writeln!(text, "{line}");
            }
        }
        for step in &self.steps {
            step.trouble(&mut text);
        }
        if !self.untouched.is_empty() {
            let untouched: Vec<&str> = self.untouched.iter().map(String::as_str).collect();
            let _ = writeln!(
                text,
                "{DIM}{:10}{DIM:#} {} steps{}",
                "untouched",
                untouched.len(),
                names(&untouched)
            );
        }
        let _ = writeln!(text, "{STRONG}{:10}{STRONG:#} {}", "status", self.status.words);
        for (position, command) in self.next.iter().enumerate() {
            let label = if position == 0 { "next" } else { "" };
            let _ = writeln!(text, "{STRONG}{label:10}{STRONG:#} {command}");
        }
        text
    }

    fn taken_back(&self, text: &mut String) {
        if self.taken_back.is_empty() {
            return;
        }
        let _ = writeln!(text, "taken back");
        let width = self.taken_back.iter().map(|step| step.step.chars().count()).max().unwrap_or(0).min(32);
        for step in &self.taken_back {
            let reason = step.reason.as_deref().map(|reason| format!("  ({reason})")).unwrap_or_default();
            let _ = writeln!(text, "  {:8} {:width$}  {}{reason}", step.change, step.step, step.id);
        }
    }

    fn changes(&self, text: &mut String) {
        if self.made.is_empty() {
            let _ = writeln!(text, "{:10} nothing in the cloud", "changed");
            return;
        }
        let _ = writeln!(text, "{:10} in the cloud:", "changed");
        let width = self.made.iter().map(|made| made.step.chars().count()).max().unwrap_or(0).min(32);
        for made in &self.made {
            let reason = made.reason.as_deref().map(|reason| format!("  ({reason})")).unwrap_or_default();
            let _ = writeln!(text, "  {:8} {:width$}  {}{reason}", made.change, made.step, made.id);
        }
    }
}

impl StepView {
    /// `done        scope-connection   Create cross-tenant connection … ; GET … → 200`
    fn line(&self, width: usize) -> String {
        let style = match self.state {
            "done" | "already-so" | "undone" => GOOD,
            "failed" | "undo-stopped" | "needs-decision" | "undo-needs-decision" => BAD,
            "waiting" | "undo-waiting" | "uncertain" | "undo-uncertain" | "retry-wait" | "kept"
            | "skipped" => WAIT,
            _ => DIM,
        };
        let title = self.title.as_deref().unwrap_or(&self.kind);
        let how = match (&self.evidence, &self.reason) {
            (Some(evidence), _) => format!("  {DIM}{}{DIM:#}", evidence.text()),
            (None, Some(reason)) => format!("  {DIM}{reason}{DIM:#}"),
            (None, None) => String::new(),
        };
        format!("{style}{:14}{style:#} {:width$}  {title}{how}", state_words(self.state), self.step)
    }

    /// What went wrong, or what has to be decided.
    pub(crate) fn trouble(&self, text: &mut String) {
        match self.state {
            "failed" | "undo-stopped" => {
                let Some(error) = &self.error else { return };
                let _ = writeln!(
                    text,
                    "{BAD}{:10}{BAD:#} {STRONG}{}{STRONG:#}  {error}",
                    state_words(self.state),
                    self.step
                );
                for cause in &error.causes {
                    let _ = writeln!(text, "{:10} because {cause}", "");
                }
                for (name, value) in &error.references {
                    let _ = writeln!(text, "{:10} {DIM}{name} {value}{DIM:#}", "");
                }
                if let Some(hint) = &error.hint {
                    let _ = writeln!(text, "{:10} do: {hint}", "");
                }
            }
            "retry-wait" | "undo-retry-wait" | "uncertain" | "undo-uncertain" => {
                if let Some(error) = &self.error {
                    let _ = writeln!(
                        text,
                        "{WAIT}{:10}{WAIT:#} {STRONG}{}{STRONG:#}  {error}",
                        state_words(self.state),
                        self.step
                    );
                }
                if let (Some(retry), Some(since)) = (&self.retry, self.since) {
                    let _ = writeln!(
                        text,
                        "{:10} failure {} in {}; again at {}",
                        "",
                        retry.failures,
                        between(since, retry.until),
                        stamp(retry.until)
                    );
                }
            }
            _ => {}
        }
        if let Some(decision) = &self.decision {
            let _ = writeln!(
                text,
                "{BAD}{:10}{BAD:#} {STRONG}{}{STRONG:#}  {}",
                "decide", self.step, decision.what
            );
            for difference in &decision.differences {
                let _ = writeln!(
                    text,
                    "{:10} {}: wanted {}, found {}",
                    "", difference.field, difference.wanted, difference.found
                );
            }
            let _ = writeln!(text, "{:10} {}", "", decision.advice);
        }
    }
}

/// A state as people read it.
fn state_words(state: &str) -> &str {
    match state {
        "already-so" => "already so",
        "not-applicable" => "not needed",
        "needs-decision" | "undo-needs-decision" => "decide",
        "retry-wait" | "undo-retry-wait" => "retry",
        "probing" | "undo-probing" => "looking",
        "intended" | "undo-intended" => "sending",
        "undo-waiting" => "waiting",
        "undo-uncertain" => "uncertain",
        "undo-verifying" => "verifying",
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
