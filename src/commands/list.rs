//! `list`: the runs of the journal.

use twinspan_engine::{Backend, Filter};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::failures;
use crate::ui::Ui;
use crate::view::RunsView;

/// List the runs of the journal
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs that have not ended
    #[arg(long)]
    open: bool,
    /// At most this many, newest first
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let runs = match app.reader()? {
        Some(backend) => {
            let filter = Filter { open: args.open, limit: args.limit };
            backend.list(filter).await.map_err(failures::backend)?
        }
        // No journal yet: no run.
        None => Vec::new(),
    };
    let view = RunsView::new(&runs);
    ui.data(&view, || view.text())?;
    if runs.is_empty() {
        ui.talk("no runs");
    }
    Ok(Exit::Done)
}
