//! `skip`.

use std::collections::BTreeMap;

use serde_json::Value;
use twinspan_engine::Signal;

use crate::app::App;
use crate::arguments::{ReasonArg, RunArg};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::ui::Ui;

/// Leave a step out
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// Give an output that later steps read (can be repeated)
    #[arg(long = "value", value_name = "OUTPUT=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let values = args.values.iter().map(|text| value(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    let backend = app.backend()?;
    let run = signals::open_run(&backend, Some(&args.run.run)).await?;
    let step = signals::step(&backend, run, &args.step).await?;
    signals::send(ui, app, &backend, run, Signal::Skip { step, values }, args.reason.reason).await
}

/// JSON where it is JSON, text otherwise.
fn value(text: &str) -> Result<(String, Value), CommandError> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(
            CommandError::usage(format!("--value {text} has no `=`")).hint("write --value OUTPUT=VALUE")
        );
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}
