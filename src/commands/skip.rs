//! `skip`.

use std::collections::BTreeMap;

use twinspan_engine::{Backend, Signal};

use crate::cli::arguments::{ReasonArg, StepArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::{signals, stated_output};

/// Skip a step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
    /// Provide an output that later steps read (can be repeated)
    #[arg(long = "value", value_name = "OUTPUT=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, args.of.run.as_deref()).await?;
    let step = signals::step(&backend, run, &args.of.step).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let mut values = BTreeMap::new();
    for text in &args.values {
        let Some((name, value)) = text.split_once('=') else {
            return Err(
                CommandError::usage(format!("--value {text} has no `=`")).hint("write --value OUTPUT=VALUE")
            );
        };
        if let Some(item) = state.find(&step) {
            let (name, value) = stated_output::of(item, name, value)?;
            values.insert(name, value);
        }
    }
    signals::send(ui, app, &backend, run, Signal::Skip { step, values }, args.reason.reason).await
}
