//! The list of runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use twinspan_encode::terminal;
use twinspan_engine::RunSummary;

use super::status::StatusView;
use super::text::counted;
use super::time::stamp;
use crate::cli::json::SCHEMA;
use crate::text::Text;

/// The runs, as the command `list` shows them.
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
    /// Number of steps that the last drift check found drifted; absent: never checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    /// Whether a process drives the run.
    driven: bool,
    /// Direction of the run: `forward`, or `undo`.
    direction: &'static str,
    /// The run key: identifies the runs of one rollout.
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// One run of the list as a JSON line.
#[derive(Serialize)]
pub(crate) struct LineView<'a> {
    schema: u32,
    r#type: &'static str,
    #[serde(flatten)]
    run: &'a SummaryView,
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
            drift: summary.drift,
            driver: summary.driver.clone(),
            driven: summary.driver.is_some(),
            direction: if summary.undo { "undo" } else { "forward" },
            key: summary.key.to_string(),
            labels: summary.labels.0.clone(),
        }
    }
}

impl RunsView {
    pub(crate) fn new(runs: &[RunSummary]) -> Self {
        RunsView { schema: SCHEMA, runs: runs.iter().map(SummaryView::from).collect() }
    }

    /// Each run as its own JSON document.
    pub(crate) fn lines(&self) -> impl Iterator<Item = LineView<'_>> {
        self.runs.iter().map(|run| LineView { schema: SCHEMA, r#type: "run-summary", run })
    }

    pub(crate) fn text(&self) -> Text {
        if self.runs.is_empty() {
            return Text::default();
        }
        let head = ["RUN", "PLAN", "STATUS", "STARTED", "CHANGED", "DRIVEN BY", "KEY"].map(str::to_owned);
        let rows = self.runs.iter().map(|run| {
            [
                run.short.clone(),
                run.name.clone(),
                match run.drift {
                    Some(drift) if drift > 0 => {
                        format!("{}; drift: {}", run.status.words, counted(drift, "step"))
                    }
                    _ => run.status.words.clone(),
                },
                stamp(run.started),
                stamp(run.changed),
                match &run.driver {
                    Some(driver) => driver.clone(),
                    None if run.status.ended => "-".to_owned(),
                    None => "not running".to_owned(),
                },
                keyed(&run.key, &run.labels),
            ]
        });
        columns(std::iter::once(head).chain(rows).collect())
    }
}

/// `prod  ticket=CHG0042`
fn keyed(key: &str, labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
    let key = if key.is_empty() { "-" } else { key };
    std::iter::once(key.to_owned()).chain(labels).collect::<Vec<_>>().join("  ")
}

/// Rows with aligned columns.
pub(super) fn columns<const N: usize>(mut rows: Vec<[String; N]>) -> Text {
    for cell in rows.iter_mut().flatten() {
        *cell = terminal::line(cell).into_owned();
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut text = Text::default();
    rows.iter().for_each(|row| text.push_line(&line(row)));
    text
}
