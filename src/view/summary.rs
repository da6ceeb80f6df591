//! A list of runs.

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::RunSummary;

use super::status::StatusView;
use super::time::stamp;

/// What `list` shows.
#[derive(Serialize)]
pub(crate) struct RunsView {
    schema: u32,
    runs: Vec<SummaryView>,
}

/// One run of a list.
#[derive(Serialize)]
pub(crate) struct SummaryView {
    run: String,
    short: String,
    name: String,
    started: Timestamp,
    changed: Timestamp,
    #[serde(flatten)]
    status: StatusView,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
}

impl From<&RunSummary> for SummaryView {
    fn from(summary: &RunSummary) -> Self {
        SummaryView {
            run: summary.run.to_string(),
            short: summary.run.short(),
            name: summary.name.clone(),
            started: summary.started,
            changed: summary.changed,
            status: StatusView::from(&summary.status),
            driver: summary.driver.clone(),
        }
    }
}

impl RunsView {
    pub(crate) fn new(runs: &[RunSummary]) -> Self {
        RunsView { schema: super::SCHEMA, runs: runs.iter().map(SummaryView::from).collect() }
    }

    pub(crate) fn text(&self) -> String {
        if self.runs.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["RUN", "PLAN", "STATUS", "STARTED", "CHANGED", "DRIVEN BY"]);
        for run in &self.runs {
            table.add_row([
                run.short.as_str(),
                run.name.as_str(),
                run.status.words.as_str(),
                &stamp(run.started),
                &stamp(run.changed),
                run.driver.as_deref().unwrap_or("-"),
            ]);
        }
        let lines = table.lines().map(|line| line.trim().to_owned());
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }
}
