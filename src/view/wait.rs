//! What a wait looks like, and every wait looks like this:
//!
//! ```text
//! waiting  sign-in   nina in fabrikam: multifactor sign-in required (AADSTS50076)      since 08:31
//!          do        az login --tenant 2222…            then nothing: it looks again every 30 s
//!          refused again?  fabrikam's Entra administrator: sign-in log, correlation id 5d1c…
//! ```

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use twinspan_engine::{RunId, Wait, WaitKind};

use super::page::Page;
use super::status::wait_word;
use super::time::{ahead, since, stamp};
use crate::ui::{DIM, STRONG, WAIT};

/// A wait that goes on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WaitView {
    pub(crate) step: String,
    pub(crate) since: Timestamp,
    pub(crate) look_again: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deadline: Option<Timestamp>,
    #[serde(flatten, serialize_with = "words")]
    pub(crate) wait: Wait,
}

/// A wait that somebody is to be reminded of, as a line for programs.
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
        ReminderView { schema: super::SCHEMA, r#type: "reminder", run, at, wait }
    }
}

/// What is shown of a wait itself; its own `look_again` is a span, and the view has the time.
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

/// Width of the first two columns: room for the longest label, and for most ids.
const LABEL: usize = 8;
const STEP: usize = 9;
/// Where the words begin.
const INDENT: usize = LABEL + 1 + STEP + 1;

impl WaitView {
    /// The lines; `now` decides whether a day is named.
    pub(crate) fn write(&self, page: &mut Page, now: Timestamp) {
        self.write_as("waiting", page, now);
    }

    /// The same under another label: what was said before is said again.
    pub(crate) fn write_as(&self, label: &str, page: &mut Page, now: Timestamp) {
        let wait = &self.wait;
        let who = match (&wait.who, wait.kind) {
            (Some(who), _) => format!("{who}: "),
            (None, WaitKind::Remote) => "Azure: ".to_owned(),
            (None, WaitKind::Timer) => String::new(),
            (None, kind) => format!("{}: ", wait_word(kind)),
        };
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
        let again = self.again(now);
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
        let then = format!("{act}            {DIM}then nothing: {again}{DIM:#}");
        if page.width().holds(&then) {
            page.whole(&then);
        } else {
            page.whole(&act);
            page.line(INDENT, &format!("{left}{:STEP$} {DIM}nothing: {again}{DIM:#}", "then"));
        }
        self.write_rest(page);
    }

    fn write_rest(&self, page: &mut Page) {
        let left = " ".repeat(LABEL + 1);
        if let Some(otherwise) = &self.wait.otherwise {
            page.line(INDENT, &format!("{left}refused again?  {otherwise}"));
        }
        if let Some(deadline) = self.deadline {
            page.line(
                INDENT,
                &format!("{left}{:STEP$} {DIM}gives up at {}{DIM:#}", "until", stamp(deadline)),
            );
        }
    }

    fn again(&self, now: Timestamp) -> String {
        match self.wait.kind {
            WaitKind::Timer | WaitKind::Window | WaitKind::Limit => {
                format!("it goes on at {}", stamp(self.look_again))
            }
            WaitKind::Approval => "it goes on at once".to_owned(),
            _ => match self.wait.look_again {
                Some(every) => format!("it looks again every {}", super::time::span(every.as_secs() as i64)),
                None => format!("it looks again {}", ahead(now, self.look_again)),
            },
        }
    }
}
