//! `config`: what is configured.

use crate::app::App;
use crate::commands::config_show;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Show each setting in force and where it was said; no secret
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(ui: &Ui, app: &App, _args: Args) -> Result<Exit, CommandError> {
    config_show::run(ui, app).await
}
