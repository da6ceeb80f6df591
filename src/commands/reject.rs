//! `reject`.

use twinspan_engine::Signal;

use crate::cli::arguments::{ReasonArg, StepArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::signals;

/// Reject a step that waits for approval
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, args.of.run.as_deref()).await?;
    let step = signals::step_waiting_for_approval(&backend, run, &args.of.step).await?;
    signals::send(ui, app, &backend, run, Signal::Reject { step }, args.reason.reason).await
}
