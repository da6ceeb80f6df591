//! `man`: the manual, one page for each command.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::Text;

/// Print the manual: every page, or the page of one command
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the page of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let mut cli = app.command_line();
    cli.build();
    let pages: Vec<clap::Command> = match &args.command {
        None => std::iter::once(cli.clone()).chain(cli.get_subcommands().cloned()).collect(),
        Some(name) => cli.find_subcommand(name).cloned().into_iter().collect(),
    };
    let shown: Vec<clap::Command> = pages.into_iter().filter(|page| !page.is_hide_set()).collect();
    if shown.is_empty() {
        let name = args.command.unwrap_or_default();
        return Err(CommandError::not_found(format!("there is no command {name}"))
            .hint("`twinspan --help` lists the commands"));
    }
    let mut manual = Vec::new();
    for page in shown {
        // The page of `twinspan undo` is named twinspan-undo.
        let name = page.get_bin_name().unwrap_or(page.get_name()).replace(' ', "-");
        clap_mangen::Man::new(page).title(name).render(&mut manual)?;
    }
    ui.text(&Text::document(&String::from_utf8_lossy(&manual)))?;
    Ok(Exit::Done)
}
