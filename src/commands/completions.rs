//! `completions`: for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::app::App;
use crate::arguments::Cli;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::{Text, Ui};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) async fn run(ui: &Ui, _app: &App, args: Args) -> Result<Exit, CommandError> {
    // Into memory first: the generator panics when its reader goes away.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "twinspan", &mut text);
    ui.text(&Text::document(&String::from_utf8_lossy(&text)))?;
    Ok(Exit::Done)
}
