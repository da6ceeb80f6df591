//! What `doctor` looks at: the journal and its records, the machine, the configuration. Nothing is changed or sent.

mod configuration;
mod journal;
mod machine;

use serde::Serialize;

use crate::app::App;
use crate::error::CommandError;
use crate::ui::{BAD, DIM, GOOD, Text, Ui, WAIT};
use crate::view::{Page, SCHEMA};

pub(crate) use journal::Found;

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Nothing wrong, and worth knowing.
    Note,
    /// To be mended.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    /// What was seen.
    pub(crate) seen: String,
    /// What mends it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
}

impl Check {
    fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Check { check, state: State::Ok, seen: seen.into(), action: None }
    }

    fn note(check: &'static str, seen: impl Into<String>) -> Self {
        Check { state: State::Note, ..Check::ok(check, seen) }
    }

    fn wrong(check: &'static str, seen: impl Into<String>, action: impl Into<String>) -> Self {
        Check { check, state: State::Wrong, seen: seen.into(), action: Some(action.into()) }
    }

    /// What an error says, and its hints for what to do.
    fn failed(check: &'static str, error: &CommandError) -> Self {
        let mut seen = error.message.clone();
        for cause in &error.causes {
            seen.push_str(": ");
            seen.push_str(cause);
        }
        let findings = error.findings.iter().map(|findings| findings.text.plain()).collect::<String>();
        for line in findings.lines() {
            seen.push_str("; ");
            seen.push_str(line);
        }
        let action = (!error.hints.is_empty()).then(|| error.hints.join("; "));
        Check { check, state: State::Wrong, seen, action }
    }
}

/// Everything that was looked at.
#[derive(Serialize)]
pub(crate) struct DoctorView {
    schema: u32,
    /// Nothing is wrong.
    well: bool,
    /// There is a journal.
    journal: bool,
    checks: Vec<Check>,
}

impl DoctorView {
    /// Looks at everything.
    pub(crate) async fn of(app: &App) -> Self {
        let mut checks = Vec::new();
        let configured = configuration::check(app, &mut checks);
        // Where the journal is may be written in a configuration that cannot be read.
        let path = match app.journal() {
            Ok(path) => Some(path),
            Err(error) if configured => {
                checks.push(Check::failed("journal", &error));
                None
            }
            Err(_) => None,
        };
        let found = match &path {
            Some(path) => journal::check(app, path, &mut checks).await,
            None => Found::default(),
        };
        machine::check_clock(found.newest, &mut checks);
        if configured {
            configuration::check_credentials(app, &found.identities, &mut checks).await;
        }
        let well = checks.iter().all(|check| check.state != State::Wrong);
        DoctorView { schema: SCHEMA, well, journal: !found.missing, checks }
    }

    pub(crate) fn is_well(&self) -> bool {
        self.well
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.journal
    }

    pub(crate) fn text(&self, ui: &Ui) -> Text {
        let mut page = Page::new(ui.width());
        for check in &self.checks {
            let (style, word) = match check.state {
                State::Ok => (GOOD, "ok"),
                State::Note => (WAIT, "note"),
                State::Wrong => (BAD, "wrong"),
            };
            page.line(23, &format!("{style}{word:7}{style:#} {:14} {}", check.check, check.seen));
            if let Some(action) = &check.action {
                page.line(26, &format!("{:23}{DIM}do{DIM:#} {action}", ""));
            }
        }
        page.into_text()
    }
}
