//! `doctor`: is everything in order on this machine? Nothing is changed, and nobody is signed in.

use crate::app::App;
use crate::doctor::DoctorView;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// Look the journal, this machine and the configuration over; nothing is changed or sent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all well, 1 something is wrong, 3 there is no journal (and nothing else is wrong)."
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
