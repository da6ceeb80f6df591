//! `hand-over`: the remaining tasks of an identity, for the person who has its credential.

use clap::ValueEnum;
use twinspan_engine::{Backend, Goal, PlannedStep, PlannedTask, RunState, SystemClock, foresee};
use twinspan_plans::nearest;

use crate::cli::arguments::OptionalRunArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::report::hand_over::{self, HandOverView};
use crate::runs;
use crate::text::Text;

/// Show what an identity still has to do, as a page or a script for its owner
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: OptionalRunArg,
    /// The identity of the plan (or the person an approval names)
    #[arg(long = "as", value_name = "IDENTITY")]
    identity: String,
    /// Write a page, or a script that can be run again
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A page for the terminal; with --output json, its data
    Text,
    /// A script for a POSIX shell and the Azure CLI
    Az,
    /// A script for PowerShell and the module Az.Accounts
    Powershell,
    /// A page to mail or print: one file, no script
    Html,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let run = runs::reference::find_or_only(&*backend, args.run.run.as_deref()).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let planned_steps = match goes_forward(&state) {
        true => foresee(&state, cloud_kinds::live(app)?.as_ref(), &SystemClock),
        false => Vec::new(),
    };
    let named = |step: &PlannedStep| match &step.planned_task {
        PlannedTask::Known(said) => said.actor.as_deref() == Some(&args.identity),
        PlannedTask::NotYet(_) => false,
    };
    let known: Vec<&str> = state.plan().identities.iter().map(|identity| identity.name.as_str()).collect();
    if !known.contains(&args.identity.as_str()) && !planned_steps.iter().any(named) {
        let message = format!("plan {} has no identity {}", state.name(), args.identity);
        let error = CommandError::not_found(message);
        return Err(match nearest(&args.identity, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None if known.is_empty() => error.hint("the plan has no identities"),
            None => error.hint(format!("it has: {}", known.join(", "))),
        });
    }
    let view = HandOverView::new(&state, run, &args.identity, planned_steps);
    match args.format {
        Format::Text => ui.data(&view, || hand_over::text(&view, ui.width()))?,
        Format::Az => ui.text(&Text::document(&hand_over::az(&view)))?,
        Format::Powershell => ui.text(&Text::document(&hand_over::powershell(&view)))?,
        Format::Html => ui.text(&Text::document(&hand_over::html(&view)))?,
    }
    Ok(Exit::Done)
}

/// Whether the run goes forward: an ended or undone run has nothing to hand over.
fn goes_forward(state: &RunState) -> bool {
    state.outcome().is_none() && state.control().goal == Goal::Finish
}
