//! `supervise`: the process that runs the program of a `command` step. Not for people: the driver starts it.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;

/// Run the program that the lock file on standard input names
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_ui: &Ui, _app: &App, _args: Args) -> Result<Exit, CommandError> {
    match twinspan_steps::supervise().await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            Err(CommandError::usage("standard input is not the lock file of a `command` step's attempt")
                .cause(&error)
                .hint("a driver starts this process; use `twinspan run` and `twinspan resume`"))
        }
    }
}
