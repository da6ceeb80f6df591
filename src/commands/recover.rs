//! `recover`: shows what a journal lost, and accepts the loss.

use serde_json::json;
use twinspan_engine::{Acceptance, BackendError, Clock, SystemClock, recover_journal};

use crate::cli::arguments::ReasonArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::{GOOD, Text, WAIT};

/// Show what a journal lost, and accept the loss
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --accept-loss nothing is changed. Requests of the lost commits are missing in the journal: after a loss \
                  is accepted, `twinspan preview` and `twinspan verify` show what exists in Azure. Files that do not fit are kept \
                  beside the journal as *.lost-TIME. Exit codes: 0 nothing is lost, or the loss was accepted; 74 commits are lost."
)]
pub(crate) struct Args {
    /// Use the journal without the lost commits; the loss is recorded in it
    #[arg(long)]
    accept_loss: bool,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let path = app.journal()?;
    let acceptance = Acceptance {
        actor: app.actor().0,
        at: SystemClock.now(),
        reason: args.reason.reason,
        sharing: app.sharing(&path)?,
    };
    let accept = args.accept_loss.then_some(&acceptance);
    let lost = recover_journal(&path, accept).map_err(failures::backend)?;
    match (lost, args.accept_loss) {
        (None, _) => {
            let view = document(json!({ "lost": null, "accepted": false }));
            ui.data(&view, || Text::line(&format!("{GOOD}ok{GOOD:#}  nothing is lost: {}", path.display())))?;
            Ok(Exit::Done)
        }
        (Some(BackendError::Refused { message, .. }), true) => {
            let view = document(json!({ "lost": message, "accepted": true }));
            ui.data(&view, || Text::line(&format!("{WAIT}accepted{WAIT:#}  {message}")))?;
            ui.talk("resources of the lost commits may exist in Azure and are missing in the journal");
            ui.talk("next: twinspan list --open");
            Ok(Exit::Done)
        }
        (Some(lost), _) => Err(failures::backend(lost).hint(
            "to use the journal without the lost commits: `twinspan recover --accept-loss --reason TEXT`",
        )),
    }
}
