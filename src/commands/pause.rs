//! `pause`.

use twinspan_engine::Signal;

use crate::app::App;
use crate::arguments::{OptionalRunArg, ReasonArg};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::ui::Ui;

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
