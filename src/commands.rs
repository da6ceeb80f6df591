//! One file for each verb.

pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod man;
pub(crate) mod schema;
pub(crate) mod steps;
pub(crate) mod validate;

use crate::app::App;
use crate::arguments::Command;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Runs the command that was asked for.
pub(crate) async fn run(ui: &Ui, app: &App, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Validate(args) => validate::run(ui, app, args).await,
        Command::Steps(args) => steps::run(ui, app, args).await,
        Command::Schema(args) => schema::run(ui, app, args).await,
        Command::Explain(args) => explain::run(ui, app, args).await,
        Command::Completions(args) => completions::run(ui, app, args).await,
        Command::Man(args) => man::run(ui, app, args).await,
    }
}
