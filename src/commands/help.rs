//! `help`: the help of the program or of one command, as `--help` prints it.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::Text;

/// Print the help of the program, or of one command
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the help of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let mut cli = app.command_line();
    cli.build();
    let command = match &args.command {
        None => Some(&mut cli),
        Some(name) => cli.find_subcommand_mut(name),
    };
    let Some(command) = command else {
        let name = args.command.unwrap_or_default();
        return Err(CommandError::not_found(format!("there is no command {name}"))
            .hint("`twinspan --help` lists the commands"));
    };
    ui.text(&Text::document(&command.render_long_help().to_string()))?;
    Ok(Exit::Done)
}
