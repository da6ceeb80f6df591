//! `undo`: deletes what a run created.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriveOptions, Outcome, Performer, RunId, RunKey, RunState, RunStatus, Seq, Signal, SignalId,
    SignalRow, SqliteBackend, SystemClock,
};

use crate::cli::arguments::ReasonArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::{cloud_kinds, step_kinds};
use crate::progress::{Said, Stamps};
use crate::report::undo_preview::{UndoView, UndoViews};
use crate::runs::drive::{Driven, Driver};
use crate::runs::{self, rollouts};
use crate::text::STRONG;

/// Undo a run: delete what it created, in reverse order
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only run of the journal)
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Undo every run of this key, newest first
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    key: Option<String>,
    /// Only show what would be deleted, and what would be kept
    #[arg(long)]
    preview: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Return as soon as the run waits only for people, approvals, permissions or credentials
    #[arg(long)]
    until_blocked: bool,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let reader = app.existing()?;
    let (key, states) = chosen(&reader, &args).await?;
    let described = step_kinds::described()?;
    let views: Vec<UndoView> =
        states.iter().filter_map(|state| Some(UndoView::new(state.run()?, state, &described))).collect();
    let preview = UndoViews::new(key.clone(), views);
    if args.preview {
        preview.show(ui)?;
        return Ok(Exit::Done);
    }
    // An undo that was confirmed once continues without another confirmation.
    if !args.yes && !states.iter().all(RunState::is_undone_now) {
        preview.say(ui);
        if !ui.interactive() {
            return Err(CommandError::usage(
                "undo deletes resources, and no terminal is there to confirm it",
            )
            .hint("read `twinspan undo --preview` first, then add --yes"));
        }
        if !ui.confirm(&preview.question()) {
            return Err(CommandError::usage("not confirmed; nothing was done"));
        }
    }
    drop(reader);
    let registry = cloud_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let clock = Arc::new(SystemClock);
    let driver = Driver {
        backend,
        performer: Arc::new(Performer::new(registry, clock.clone())),
        clock,
        stamps: Stamps::Real,
        said: Said::default(),
    };
    let mut all = Driven { runs: Vec::new(), refused: Vec::new(), stopped: None };
    for state in &states {
        let Some(run) = state.run() else { continue };
        let driven = match undo(ui, app, &driver, &args, state, run).await {
            // The process that drives the run receives the signal and undoes the run.
            Err(error) if error.exit == Exit::Held => {
                ui.talk(&format!("{}: that process was told to undo the run", error.message));
                ui.talk(&format!("next: twinspan events {} --follow", run.short()));
                return Ok(Exit::Waiting);
            }
            driven => driven?,
        };
        let undone = matches!(driven.runs[..], [(_, RunStatus::Undone)]);
        all.runs.extend(driven.runs);
        all.stopped = driven.stopped;
        if !undone {
            // The remaining resources of this run may need what an older run created.
            break;
        }
    }
    driver.close(ui, &all).await
}

/// The selected runs, newest first, and the given key.
async fn chosen(
    reader: &SqliteBackend,
    args: &Args,
) -> Result<(Option<RunKey>, Vec<RunState>), CommandError> {
    let Some(text) = &args.key else {
        let run = runs::reference::find_or_only_of_all(reader, args.run.as_deref()).await?;
        return Ok((None, vec![reader.load(run).await.map_err(failures::backend)?]));
    };
    let key = rollouts::given_key(text)?;
    let mut states = rollouts::states(reader, &key).await?;
    if states.is_empty() {
        return Err(CommandError::not_found(format!("this journal has no run of key {key}"))
            .hint("`twinspan list` shows the key of each run"));
    }
    states.retain(|state| state.outcome() != Some(Outcome::Undone));
    Ok((Some(key), states))
}

async fn undo(
    ui: &Ui,
    app: &App,
    driver: &Driver,
    args: &Args,
    state: &RunState,
    run: RunId,
) -> Result<Driven, CommandError> {
    if !state.key().is_empty() {
        let states = rollouts::states(&driver.backend, state.key()).await?;
        rollouts::tell_updates(app, &driver.backend, run, &states).await?;
    }
    let reason = args.reason.reason.clone();
    let signal = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason, signal: Signal::Undo };
    driver.backend.signal(signal).await.map_err(failures::backend)?;
    ui.talk(&format!("undoing run {STRONG}{}{STRONG:#} ({run})", run.short()));
    let from = [(run, Seq(state.seq().0 + 1))];
    let options = DriveOptions { until_blocked: args.until_blocked, ..DriveOptions::default() };
    driver.drive(ui, &[run], &from, options).await
}
