//! `doctor`: checks journal, machine and configuration. It changes nothing and signs in no identity.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::doctor::DoctorView;
use crate::host::app::App;

/// Check the journal, this machine and the configuration; nothing is changed or sent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no problem, 1 at least one problem, 3 there is no journal (and no other problem)."
)]
pub(crate) struct Args {}

pub(crate) async fn run(ui: &Ui, app: &App, _args: Args) -> Result<Exit, CommandError> {
    let view = DoctorView::of(app).await;
    ui.data(&view, || view.text(ui))?;
    Ok(match (view.is_well(), view.has_journal()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::NotFound,
        (true, true) => Exit::Done,
    })
}
