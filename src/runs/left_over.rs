//! Resources that earlier runs of a key created and the latest run does not contain: `apply` reports or prunes them.

use std::collections::BTreeMap;

use serde::Serialize;
use twinspan_engine::{
    Backend, DriveOptions, RunId, RunKey, RunState, RunStatus, Seq, Signal, SignalId, SignalRow, StepKey,
    StepState, id_of, left_over,
};

use crate::cli::error::CommandError;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::counted;
use crate::runs::drive::Driver;
use crate::runs::rollouts;
use crate::text::{STRONG, WAIT};

/// Resources that the latest run does not contain, newest owner first.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct LeftOvers(Vec<LeftOverView>);

/// One left-over resource.
#[derive(Serialize)]
struct LeftOverView {
    run: RunId,
    step: String,
    id: String,
    /// `left`, `deleted`, `kept`, `open`.
    state: &'static str,
}

impl LeftOvers {
    /// Finds the left-over resources of the runs of `key`.
    pub(crate) async fn of(driver: &Driver, latest: RunId, key: &RunKey) -> Result<Self, CommandError> {
        let runs = driver.backend.runs_of(key).map_err(failures::backend)?;
        let latest = driver.backend.load(latest).await.map_err(failures::backend)?;
        let view = |left: twinspan_engine::LeftOver| LeftOverView {
            run: left.run,
            step: left.step.to_string(),
            id: id_of(left.outputs.as_ref()).unwrap_or("-").to_owned(),
            state: "left",
        };
        Ok(LeftOvers(left_over(&latest, &runs).into_iter().map(view).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lists each resource with its run.
    pub(crate) fn say(&self, ui: &Ui, pruning: bool) {
        if self.0.is_empty() {
            return;
        }
        let count = counted(self.0.len(), "resource");
        ui.talk(&if pruning {
            format!("{STRONG}prune{STRONG:#} would delete {count} that the plan no longer contains:")
        } else {
            format!(
                "{WAIT}left{WAIT:#}  the plan no longer contains {count} of earlier runs; they are not changed:"
            )
        });
        let width = self.0.iter().map(|left| left.step.chars().count()).max().unwrap_or(0).min(40);
        for left in &self.0 {
            ui.talk(&format!("  {:width$}  {}  (created by run {})", left.step, left.id, left.run.short()));
        }
        if !pruning {
            ui.talk("next: the same `twinspan apply` with --prune deletes them, after a preview");
        }
    }

    /// Deletes the resources, each by an undo of its step in the run that owns it, newest run first. Returns the run
    /// whose undo
    /// did not finish, if any; older runs are then not pruned.
    pub(crate) async fn prune(
        &mut self,
        ui: &Ui,
        app: &App,
        driver: &Driver,
        by: RunId,
        states: &[RunState],
    ) -> Result<Option<(RunId, RunStatus)>, CommandError> {
        let mut owners: Vec<(RunId, Vec<StepKey>)> = Vec::new();
        for left in &self.0 {
            let step = StepKey::from(left.step.as_str());
            match owners.iter_mut().find(|(run, _)| *run == left.run) {
                Some((_, steps)) => steps.push(step),
                None => owners.push((left.run, vec![step])),
            }
        }
        for (run, steps) in owners {
            rollouts::tell_updates(app, &driver.backend, run, states).await?;
            let before = driver.backend.load(run).await.map_err(failures::backend)?;
            let signal = Signal::Prune { steps, by };
            let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason: None, signal };
            driver.backend.signal(row).await.map_err(failures::backend)?;
            ui.talk(&format!(
                "deleting resources of run {STRONG}{}{STRONG:#} that the plan no longer contains",
                run.short()
            ));
            let status = drive(ui, driver, run, &before).await?;
            self.note(driver, run).await?;
            if !matches!(status, RunStatus::Done { .. } | RunStatus::Cancelled { .. }) {
                return Ok(Some((run, status)));
            }
        }
        Ok(None)
    }

    /// Updates the states of a run's resources.
    async fn note(&mut self, driver: &Driver, run: RunId) -> Result<(), CommandError> {
        let state = driver.backend.load(run).await.map_err(failures::backend)?;
        for left in self.0.iter_mut().filter(|left| left.run == run) {
            let item = state.find(&StepKey::from(left.step.as_str()));
            left.state = match item.and_then(|item| item.state()) {
                Some(StepState::Undone(_)) => "deleted",
                Some(StepState::Kept { .. }) => "kept",
                _ => "open",
            };
        }
        Ok(())
    }

    /// The number of resources in each state, in words.
    pub(crate) fn words(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for left in &self.0 {
            *counts.entry(left.state).or_default() += 1;
        }
        counts.into_iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
    }
}

/// Drives a run with an undo of single steps.
pub(crate) async fn drive(
    ui: &Ui,
    driver: &Driver,
    run: RunId,
    before: &RunState,
) -> Result<RunStatus, CommandError> {
    let from = [(run, Seq(before.seq().0 + 1))];
    let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
    let driven = driver.drive(ui, &[run], &from, options).await?;
    Ok(driven.runs.into_iter().next().map_or(RunStatus::Interrupted, |(_, status)| status))
}
