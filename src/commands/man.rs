//! `man`: the manual page.

use clap::CommandFactory;

use crate::app::App;
use crate::arguments::Cli;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::{Text, Ui};

/// Print the manual page
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ui: &Ui, _app: &App, _args: Args) -> Result<Exit, CommandError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    ui.text(&Text::document(&String::from_utf8_lossy(&page)))?;
    Ok(Exit::Done)
}
