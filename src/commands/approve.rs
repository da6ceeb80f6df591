//! `approve`.

use twinspan_engine::Signal;

use crate::cli::arguments::{ReasonArg, StepArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::signals;

/// Approve a step that waits for approval
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
    /// Approve for this identity or person: one of the approvers. It is recorded, and not proven
    #[arg(long = "as", value_name = "NAME")]
    speaks_for: Option<String>,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, args.of.run.as_deref()).await?;
    let step = signals::step_waiting_for_approval(&backend, run, &args.of.step).await?;
    let signal = Signal::Approve { step, speaks_for: args.speaks_for };
    signals::send(ui, app, &backend, run, signal, args.reason.reason).await
}
