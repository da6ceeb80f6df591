//! `decide`.

use clap::ValueEnum;
use twinspan_engine::{Choice, Signal};

use crate::cli::arguments::ReasonArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::{signals, step_pattern};

/// Resolve a step that needs a decision
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run, as everywhere (default: the only open run), and the step; with *, every matching step that
    /// has this choice: 'members[*]'
    #[arg(value_names = ["RUN", "STEP"], num_args = 1..=2, required = true)]
    of: Vec<String>,
    /// The decision
    #[arg(value_name = "CHOICE")]
    choice: ChoiceArg,
    #[command(flatten)]
    reason: ReasonArg,
}

/// The choices of a decision.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChoiceArg {
    /// Accept the existing resource as it is
    Adopt,
    /// Overwrite the existing resource with what the plan wants
    Overwrite,
    /// Delete the existing resource and create it again
    Recreate,
    /// Fail the step
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
