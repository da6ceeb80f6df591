//! `decide`.

use clap::ValueEnum;
use twinspan_engine::{Choice, Signal};

use crate::app::App;
use crate::arguments::{ReasonArg, RunArg};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::ui::Ui;

/// Settle a step that needs a decision
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// How
    #[arg(value_name = "CHOICE")]
    choice: ChoiceArg,
    #[command(flatten)]
    reason: ReasonArg,
}

/// How a decision is settled.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChoiceArg {
    /// Take what is there as it is
    Adopt,
    /// Write ours over it
    Overwrite,
    /// Remove it and make it anew
    Recreate,
    /// Give the step up
    Abort,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, Some(&args.run.run)).await?;
    let step = signals::step(&backend, run, &args.step).await?;
    let choice = match args.choice {
        ChoiceArg::Adopt => Choice::Adopt,
        ChoiceArg::Overwrite => Choice::Overwrite,
        ChoiceArg::Recreate => Choice::Recreate,
        ChoiceArg::Abort => Choice::Abort,
    };
    signals::send(ui, app, &backend, run, Signal::Decide { step, choice }, args.reason.reason).await
}
