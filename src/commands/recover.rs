//! `recover`: what a journal lost, and going on without it.

use serde_json::json;
use twinspan_engine::{Acceptance, BackendError, Clock, SystemClock, recover_journal};

use crate::app::App;
use crate::arguments::ReasonArg;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::failures;
use crate::ui::{GOOD, Text, Ui, WAIT, document};

/// Say what a journal lost, and accept the loss
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --accept-loss nothing is changed. What the lost commits sent is not in the journal any more: after a \
                  loss was accepted, `twinspan preview` and `twinspan verify` show what is in Azure. Files that do not fit are \
                  kept beside the journal as *.lost-TIME. Exit codes: 0 nothing is lost, or the loss was accepted; 74 something is lost."
)]
pub(crate) struct Args {
    /// Use the journal without what it lost; this is recorded in it
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
            ui.talk("what the lost commits sent may be in Azure and is not in the journal");
            ui.talk("next: twinspan list --open");
            Ok(Exit::Done)
        }
        (Some(lost), _) => Err(failures::backend(lost)
            .hint("to use the journal without what it lost: `twinspan recover --accept-loss --reason TEXT`")),
    }
}
