//! `approve`.

use twinspan_engine::Signal;

use crate::app::App;
use crate::arguments::{ReasonArg, RunArg};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::ui::Ui;

/// Let a step that waits for approval go on
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, Some(&args.run.run)).await?;
    let step = signals::step_waiting_for_approval(&backend, run, &args.step).await?;
    signals::send(ui, app, &backend, run, Signal::Approve { step }, args.reason.reason).await
}
