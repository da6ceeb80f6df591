//! The checks of `doctor`: the journal and its records, the machine, the configuration. They change and send nothing.

mod configuration;
mod journal;
mod machine;

use serde::Serialize;

use crate::cli::error::CommandError;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::Page;
use crate::text::{BAD, DIM, GOOD, Text, WAIT};

pub(crate) use journal::CheckResult;

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// No problem.
    Ok,
    /// No problem, but worth knowing.
    Note,
    /// A problem that has to be corrected.
    Wrong,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) check: &'static str,
    pub(crate) state: State,
    /// What the check found.
    pub(crate) seen: String,
    /// The command or advice that corrects the problem.
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

    /// A failed check: the error's text, and its hints as advice.
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

/// The results of all checks.
#[derive(Serialize)]
pub(crate) struct DoctorView {
    schema: u32,
    /// Whether no check found a problem.
    well: bool,
    /// Whether a journal exists.
    journal: bool,
    checks: Vec<Check>,
}

impl DoctorView {
    /// Runs all checks.
    pub(crate) async fn of(app: &App) -> Self {
        let mut checks = Vec::new();
        let configured = configuration::check(app, &mut checks);
        // The path of the journal may be set in a configuration that cannot be read.
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
            None => CheckResult::default(),
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
