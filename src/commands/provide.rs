//! `provide`: a person provides an output that cannot be read.

use twinspan_engine::{Backend, ItemView, RunState, Signal};
use twinspan_plans::nearest;

use crate::cli::arguments::ReasonArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::runs::{signals, stated_output};

/// Provide an output that cannot be read; it is a claim until a check proves it
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Args {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only open run)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The output and its value; text as it is, anything else as JSON
    #[arg(value_name = "STEP.OUTPUT=VALUE", required = true)]
    stated: String,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.backend()?;
    let run = signals::open_run(&backend, args.run.as_deref()).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let (item, output, text) = split(&state, &args.stated)?;
    let (output, value) = stated_output::of(item, output, text)?;
    let signal = Signal::Provide { step: item.key().clone(), output, value };
    signals::send(ui, app, &backend, run, signal, args.reason.reason).await
}

/// Step, output and value. Step names may contain dots and equals signs, so the longest matching step is used.
fn split<'a, 't>(
    state: &'a RunState,
    text: &'t str,
) -> Result<(ItemView<'a>, &'t str, &'t str), CommandError> {
    let usage = || {
        CommandError::usage(format!("{text:?} does not state an output"))
            .hint("write STEP.OUTPUT=VALUE, for example guest.object_id=ffffffff-1111-0000-0000-000000000001")
    };
    let known = state.steps().filter_map(|item| {
        let rest = text.strip_prefix(&*item.key().0)?.strip_prefix('.')?;
        let (output, value) = rest.split_once('=')?;
        Some((item, output, value))
    });
    if let Some(found) = known.max_by_key(|(item, ..)| item.key().0.len()) {
        return Ok(found);
    }
    let (name, _) = text.split_once('=').ok_or_else(usage)?;
    let (step, _) = name.rsplit_once('.').ok_or_else(usage)?;
    let names: Vec<String> = state.steps().map(|item| item.key().to_string()).collect();
    let error = CommandError::not_found(format!("run has no step {step}"));
    Err(match nearest(step, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`twinspan show RUN` lists its steps"),
    })
}
