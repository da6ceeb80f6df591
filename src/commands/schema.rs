//! `schema`: the JSON Schema of plan files, for editors.

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::text::Text;
use crate::ui::Ui;

/// Print the JSON Schema of plan files
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ui: &Ui, _app: &App, _args: Args) -> Result<Exit, CommandError> {
    // Always the bare schema: editors read this output as a file.
    let registry = crate::step_kinds::described()?;
    ui.text(&Text::document(&crate::docs::plan_schema(registry.catalog())))?;
    Ok(Exit::Done)
}
