//! The layout of a wait:
//!
//! ```text
//! waiting  sign-in   nina in fabrikam: multifactor sign-in required (AADSTS50076)      since 08:31
//!          do        az login --tenant 2222…            then nothing: next check every 30 s
//!          if that does not work:  fabrikam's Entra administrator: sign-in log, correlation id 5d1c…
//! ```

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use twinspan_engine::{RunId, Wait, WaitKind};

use super::page::Page;
use super::status::wait_word;
use super::time::{ahead, since, stamp};
use crate::cli::json::SCHEMA;
use crate::text::{DIM, STRONG, WAIT};

/// An open wait of a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WaitView {
    pub(crate) step: String,
    pub(crate) since: Timestamp,
    pub(crate) next_check: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Timestamp>,
    #[serde(flatten, serialize_with = "words")]
    pub(crate) wait: Wait,
}

/// A reminder of a long wait, as a JSON line.
#[derive(Serialize)]
pub(crate) struct ReminderView<'a> {
    schema: u32,
    r#type: &'static str,
    run: RunId,
    at: Timestamp,
    #[serde(flatten)]
    wait: &'a WaitView,
}

impl<'a> ReminderView<'a> {
    pub(crate) fn new(run: RunId, at: Timestamp, wait: &'a WaitView) -> Self {
        ReminderView { schema: SCHEMA, r#type: "reminder", run, at, wait }
    }
}

/// The serialized fields of a wait. `next_check` is left out: in [`Wait`] it is a span, and the view has the time.
#[derive(Serialize)]
struct WaitWords<'a> {
    kind: WaitKind,
    what: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<&'a str>,
}

fn words<S: Serializer>(wait: &Wait, serializer: S) -> Result<S::Ok, S::Error> {
    WaitWords {
        kind: wait.kind,
        what: &wait.what,
        who: wait.who.as_deref(),
        action: wait.action.as_deref(),
        link: wait.link.as_deref(),
        otherwise: wait.otherwise.as_deref(),
    }
    .serialize(serializer)
}

/// Widths of the first two columns: the longest label, and most ids.
const LABEL: usize = 8;
const STEP: usize = 9;
/// Column at which the text begins.
const INDENT: usize = LABEL + 1 + STEP + 1;

/// Whether a process checks again by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Motion<'a> {
    /// A process drives the run.
    Running,
    /// No process drives the run; this command continues it.
    NotRunning(&'a str),
    /// No process drives the run and none can continue it: a rehearsal is over.
    Over,
}

/// Maximum number of commands and links listed for grouped waits.
const ACTS: usize = 4;
/// Maximum number of step names listed for grouped waits.
const NAMES: usize = 8;

/// Writes the waits of a run; waits that the same person (or cause) ends are grouped.
pub(crate) fn write_all(waits: &[WaitView], page: &mut Page, now: Timestamp, motion: Motion<'_>) {
    let mut groups: Vec<Vec<&WaitView>> = Vec::new();
    for wait in waits {
        match groups.iter_mut().find(|group| group[0].is_like(wait)) {
            Some(group) => group.push(wait),
            None => groups.push(vec![wait]),
        }
    }
    for group in groups {
        match &group[..] {
            [one] => one.write(page, now, motion),
            many => write_many(many, page, now, motion),
        }
    }
}

fn write_many(waits: &[&WaitView], page: &mut Page, now: Timestamp, motion: Motion<'_>) {
    let Some(first) = waits.first() else { return };
    let names: Vec<&str> = waits.iter().take(NAMES).map(|wait| wait.step.as_str()).collect();
    let more = match waits.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(", … ({more} more)"),
    };
    let others = waits.iter().filter(|wait| wait.wait.what != first.wait.what).count();
    let others = if others == 0 { String::new() } else { format!(" (and {others} like it)") };
    let since = waits.iter().map(|wait| wait.since).min().unwrap_or(first.since);
    page.line(
        INDENT,
        &format!(
            "{WAIT}{:LABEL$}{WAIT:#} {} steps for {}{}{others}      {DIM}since {}{DIM:#}",
            "waiting",
            waits.len(),
            first.who(),
            first.wait.what,
            self::since(since, now)
        ),
    );
    let left = " ".repeat(LABEL + 1);
    page.line(INDENT, &format!("{left}{:STEP$} {STRONG}{}{STRONG:#}{more}", "steps", names.join(", ")));
    for (label, act) in [
        ("do", (|wait: &Wait| wait.action.clone()) as fn(&Wait) -> Option<String>),
        ("link", |wait: &Wait| wait.link.clone()),
    ] {
        let mut acts: Vec<String> = waits.iter().filter_map(|wait| act(&wait.wait)).collect();
        acts.dedup();
        for act in acts.iter().take(ACTS) {
            page.whole(&format!("{left}{label:STEP$} {act}"));
        }
        if acts.len() > ACTS {
            page.line(INDENT, &format!("{left}{:STEP$} {DIM}… and {} more{DIM:#}", "", acts.len() - ACTS));
        }
    }
    page.line(INDENT, &format!("{left}{:STEP$} {DIM}{}{DIM:#}", "then", first.again(now, motion)));
}

impl WaitView {
    /// Whether the same person (or cause) ends both waits.
    fn is_like(&self, other: &WaitView) -> bool {
        let (one, other) = (&self.wait, &other.wait);
        let same = one.who == other.who && (one.who.is_some() || one.what == other.what);
        one.kind == other.kind && one.kind.needs_a_person() && same
    }

    /// Who or what ends the wait, as the prefix of the text.
    fn who(&self) -> String {
        match (&self.wait.who, self.wait.kind) {
            (Some(who), _) => format!("{who}: "),
            (None, WaitKind::Remote) => "Azure: ".to_owned(),
            (None, WaitKind::Timer | WaitKind::Program) => String::new(),
            (None, kind) => format!("{}: ", wait_word(kind)),
        }
    }

    /// Writes the wait; `now` decides whether the date is shown.
    pub(crate) fn write(&self, page: &mut Page, now: Timestamp, motion: Motion<'_>) {
        self.write_as("waiting", page, now, motion);
    }

    /// Writes the wait under another label, for a reminder.
    pub(crate) fn write_as(&self, label: &str, page: &mut Page, now: Timestamp, motion: Motion<'_>) {
        let wait = &self.wait;
        let who = self.who();
        page.line(
            INDENT,
            &format!(
                "{WAIT}{label:LABEL$}{WAIT:#} {STRONG}{:STEP$}{STRONG:#} {who}{}      {DIM}since {}{DIM:#}",
                self.step,
                wait.what,
                since(self.since, now)
            ),
        );
        let left = " ".repeat(LABEL + 1);
        let again = self.again(now, motion);
        let mut acts: Vec<(&str, &str)> = Vec::new();
        acts.extend(wait.action.as_deref().map(|action| ("do", action)));
        acts.extend(
            wait.link.as_deref().map(|link| (if wait.action.is_some() { "link" } else { "open" }, link)),
        );
        let Some(((label, text), before)) = acts.split_last() else {
            page.line(INDENT, &format!("{left}{:STEP$} {DIM}{again}{DIM:#}", "then"));
            return self.write_rest(page);
        };
        for (label, text) in before {
            page.whole(&format!("{left}{label:STEP$} {text}"));
        }
        let act = format!("{left}{label:STEP$} {text}");
        let nothing = if matches!(motion, Motion::Running) { "nothing: " } else { "" };
        let then = format!("{act}            {DIM}then {nothing}{again}{DIM:#}");
        if page.width().holds(&then) && matches!(motion, Motion::Running) {
            page.whole(&then);
        } else {
            page.whole(&act);
            page.line(INDENT, &format!("{left}{:STEP$} {DIM}{nothing}{again}{DIM:#}", "then"));
        }
        self.write_rest(page);
    }

    fn write_rest(&self, page: &mut Page) {
        let left = " ".repeat(LABEL + 1);
        if let Some(otherwise) = &self.wait.otherwise {
            page.line(INDENT, &format!("{left}if that does not work:  {otherwise}"));
        }
        if let Some(deadline) = self.deadline {
            page.line(
                INDENT,
                &format!("{left}{:STEP$} {DIM}gives up at {}{DIM:#}", "until", stamp(deadline)),
            );
        }
    }

    fn again(&self, now: Timestamp, motion: Motion<'_>) -> String {
        match motion {
            Motion::Running => {}
            Motion::NotRunning(resume) => return format!("not running; continue with `{resume}`"),
            Motion::Over => return "not running".to_owned(),
        }
        match self.wait.kind {
            WaitKind::Timer | WaitKind::Window | WaitKind::Limit => {
                format!("continues at {}", stamp(self.next_check))
            }
            WaitKind::Approval => "continues at once".to_owned(),
            _ => match self.wait.next_check {
                Some(every) => format!("next check every {}", super::time::span(every.as_secs() as i64)),
                None => format!("next check {}", ahead(now, self.next_check)),
            },
        }
    }
}
