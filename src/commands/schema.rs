//! `schema`: the JSON Schema of plan files, for editors.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::report::reference::plan_schema;
use crate::text::Text;

/// Print the JSON Schema of plan files
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ui: &Ui, _app: &App, _args: Args) -> Result<Exit, CommandError> {
    // Always the bare schema: editors read this output as a file.
    let registry = step_kinds::described()?;
    ui.text(&Text::document(&plan_schema(registry.catalog())))?;
    Ok(Exit::Done)
}
