//! `retry`.

use twinspan_engine::Signal;

use crate::cli::arguments::ReasonArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::{self, signals};

/// Retry now what waits, retries or has failed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only open run)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The step (default: every step that can be retried)
    #[arg(value_name = "STEP")]
    step: Option<String>,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let (run, step) = match (&args.run, &args.step) {
        // A single word is a run, or a step of the only open run.
        (Some(word), None) => match runs::reference::find(&*backend, word).await {
            Ok(run) => (run, None),
            Err(error) if error.exit != Exit::NotFound => return Err(error),
            Err(error) => match runs::reference::find_or_only(&*backend, None).await {
                Ok(run) => (run, Some(word)),
                Err(_) => return Err(error),
            },
        },
        (run, step) => (signals::open_run(&backend, run.as_deref()).await?, step.as_ref()),
    };
    let step = match step {
        Some(step) => Some(signals::step(&backend, run, step).await?),
        None => None,
    };
    signals::send(ui, app, &backend, run, Signal::Retry { step }, args.reason.reason).await
}
