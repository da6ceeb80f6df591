//! `retry`.

use twinspan_engine::Signal;

use crate::app::App;
use crate::arguments::{ReasonArg, RunArg};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::ui::Ui;

/// Try again now what waits, retries or has failed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The step (default: every one that can)
    #[arg(value_name = "STEP")]
    step: Option<String>,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, Some(&args.run.run)).await?;
    let step = match &args.step {
        Some(step) => Some(signals::step(&backend, run, step).await?),
        None => None,
    };
    signals::send(ui, app, &backend, run, Signal::Retry { step }, args.reason.reason).await
}
