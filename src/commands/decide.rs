//! `decide`.

use clap::ValueEnum;
use twinspan_engine::{Choice, Signal};

use crate::app::App;
use crate::arguments::ReasonArg;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;
use crate::{signals, step_pattern};

/// Settle a step that needs a decision
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run, as everywhere (default: the only open run), and the step; with *, every step that it fits and
    /// that has this choice: 'members[*]'
    #[arg(value_names = ["RUN", "STEP"], num_args = 1..=2, required = true)]
    of: Vec<String>,
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
    let (run, step) = match &args.of[..] {
        [run, step] => (Some(run.as_str()), step.as_str()),
        [step] => (None, step.as_str()),
        // clap takes one or two.
        _ => (None, ""),
    };
    let run = signals::open_run(&backend, run).await?;
    let choice = match args.choice {
        ChoiceArg::Adopt => Choice::Adopt,
        ChoiceArg::Overwrite => Choice::Overwrite,
        ChoiceArg::Recreate => Choice::Recreate,
        ChoiceArg::Abort => Choice::Abort,
    };
    if step_pattern::is_pattern(step) {
        let decide = |step| Signal::Decide { step, choice };
        return signals::send_all(ui, app, &backend, run, step, decide, args.reason.reason).await;
    }
    let step = signals::step(&backend, run, step).await?;
    signals::send(ui, app, &backend, run, Signal::Decide { step, choice }, args.reason.reason).await
}
