//! `show`: the status of a run and its steps.

use twinspan_engine::{Backend, Clock, Filter, SystemClock};

use crate::cli::arguments::OptionalRunArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::{Facts, RunView, StepView};
use crate::runs;

/// Show the status of a run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: OptionalRunArg,
    /// Only steps that failed, need a decision, or whose outcome is unknown
    #[arg(long)]
    failed: bool,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let run = runs::reference::find_or_latest(&*backend, args.run.run.as_deref()).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    // Only the list knows whether a process drives the run; the events do not.
    let listed = backend.list(Filter::default()).await.map_err(failures::backend)?;
    let listed = listed.into_iter().find(|summary| summary.run == run);
    let now = SystemClock.now();
    let status = listed.as_ref().map_or_else(|| state.status(now), |summary| summary.status.clone());
    let driver = listed.as_ref().and_then(|summary| summary.driver.as_deref());
    let mut view = RunView::new(&state, &Facts { run, status: &status, driver, now });
    if args.failed {
        view.steps.retain(StepView::is_in_trouble);
    }
    let holder = listed.as_ref().and_then(|summary| summary.holder.as_ref());
    ui.data(&view, || {
        let mut text = view.text(ui.width());
        if let Some(holder) = holder.filter(|holder| holder.expires.is_some()) {
            text.push_line(&format!("lease      {}", failures::held(&run.short(), Some(holder))));
        }
        text
    })?;
    Ok(Exit::Done)
}
