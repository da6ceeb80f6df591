//! `undo`: take back what a run made.

use std::sync::Arc;

use twinspan_engine::{Backend, DriveOptions, Performer, Seq, Signal, SignalId, SignalRow, SystemClock};

use crate::app::App;
use crate::arguments::ReasonArg;
use crate::drive::Driver;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::progress::{Said, Stamps};
use crate::ui::{STRONG, Ui};
use crate::undo_preview::UndoView;
use crate::{failures, run_reference, step_kinds};

/// Take back what a run made
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only run of the journal)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Only show what would be taken back, and what would be kept
    #[arg(long)]
    preview: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Return as soon as only people, approvals, permissions or credentials are waited for
    #[arg(long)]
    until_blocked: bool,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let reader = app.existing()?;
    let run = run_reference::find_or_only_of_all(&*reader, args.run.as_deref()).await?;
    let state = reader.load(run).await.map_err(failures::backend)?;
    let preview = UndoView::new(run, &state, &*step_kinds::described()?);
    if args.preview {
        ui.data(&preview, || preview.text())?;
        return Ok(Exit::Done);
    }
    // What was confirmed goes on without being asked again.
    if !args.yes && !state.is_undone_now() {
        ui.talk_text(&preview.text());
        if !ui.interactive() {
            return Err(CommandError::usage("undo removes things, and nobody can be asked here")
                .hint("read `twinspan undo --preview` first, then say --yes"));
        }
        if !ui.confirm(&format!("Take back what run {} made?", run.short())) {
            return Err(CommandError::usage("not confirmed; nothing was done"));
        }
    }
    drop(reader);
    let registry = step_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let signal = SignalRow {
        id: SignalId::new(),
        run,
        actor: app.actor(),
        reason: args.reason.reason,
        signal: Signal::Undo,
    };
    backend.signal(signal).await.map_err(failures::backend)?;
    ui.talk(&format!("undoing run {STRONG}{}{STRONG:#} ({run})", run.short()));
    let clock = Arc::new(SystemClock);
    let driver = Driver {
        backend,
        performer: Arc::new(Performer::new(registry, clock.clone())),
        clock,
        stamps: Stamps::Real,
        said: Said::default(),
    };
    let from = [(run, Seq(state.seq().0 + 1))];
    let options = DriveOptions { until_blocked: args.until_blocked, steal: false };
    let driven = match driver.drive(ui, &[run], &from, options).await {
        // Its live driver has the request in the inbox, and takes it back there.
        Err(error) if error.exit == Exit::Held => {
            ui.talk(&format!("{}: it is asked to take the run back", error.message));
            ui.talk(&format!("next: twinspan events {} --follow", run.short()));
            return Ok(Exit::Waiting);
        }
        driven => driven?,
    };
    driver.close(ui, &driven).await
}
