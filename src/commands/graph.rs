//! `graph`: the order of a plan's steps, as text or as a picture. No network, no inputs needed.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::arguments::{InputArgs, Output};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::plan;
use crate::report::graph::{Format, OrderView, drawn};
use crate::text::Text;

/// Show in which order the steps of a plan run, and why
///
/// A step waits for the steps whose outputs it reads, for those that it names in `needs`, and for each barrier
/// (`approval`,
/// `delay`) written before it in the same list of steps. The output marks each reason.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    inputs: InputArgs,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let registry = step_kinds::described()?;
    let file = plan::file::read(ui, &args.plan, registry.catalog())?;
    // The graph does not depend on inputs; inputs that are given are checked anyway.
    if args.inputs.is_given() {
        let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
        plan::file::bind(ui, &file, &raw)?;
    }
    let picture = drawn(&file.plan, args.format);
    if let (Some(picture), Output::Text) = (&picture, ui.output()) {
        ui.text(&Text::document(picture))?;
        return Ok(Exit::Done);
    }
    let order = OrderView::new(&file.plan);
    let mut view = json!({ "type": "graph", "plan": file.plan.name, "order": order.steps });
    if let Some(picture) = picture {
        view["picture"] = picture.into();
    }
    ui.data(&document(view), || order.text(ui.width()))?;
    Ok(Exit::Done)
}
