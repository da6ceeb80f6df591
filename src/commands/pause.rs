//! `pause`.

use twinspan_engine::Signal;

use crate::cli::arguments::{OptionalRunArg, ReasonArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::signals;

/// Pause a run: send no further request until it is resumed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: OptionalRunArg,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, args.run.run.as_deref()).await?;
    signals::send(ui, app, &backend, run, Signal::Pause, args.reason.reason).await
}
