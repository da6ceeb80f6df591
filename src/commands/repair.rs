//! `repair`: repairs drift of a run, also of one that is done.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriftState, DriveOptions, NotRepairable, Performer, RunId, RunState, Seq, Signal, SignalId,
    SignalRow, StepKey, SystemClock, repairs,
};

use crate::cli::arguments::{Output, ReasonArg, StepArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::suggest::command;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::progress::{Said, Stamps};
use crate::report::repair_preview::RepairView;
use crate::report::view::VerificationView;
use crate::runs::drive::Driver;
use crate::runs::{self, signals, verification};
use crate::text::STRONG;

/// Repair drift: check every step again, then create, overwrite or recreate what has drifted
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
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
    // Report a missing journal or step before the configuration is read.
    let reader = app.existing()?;
    let run = runs::reference::find_or_latest(&*reader, args.of.run.as_deref()).await?;
    let step = signals::step(&reader, run, &args.of.step).await?;
    let state = reader.load(run).await.map_err(failures::backend)?;
    repairs(&state, &step).map_err(not_repairable)?;
    drop(reader);
    let registry = cloud_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let clock = Arc::new(SystemClock);
    let performer = Arc::new(Performer::new(registry, clock.clone()));
    ui.talk(&format!("checking run {STRONG}{}{STRONG:#} ({run}) of {}", run.short(), state.name()));
    let found = verification::of(app, &backend, &performer, run, args.reason.reason.clone()).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let repairs = repairs(&state, &step).map_err(not_repairable)?;
    if repairs.is_empty() {
        let view =
            VerificationView::new(run, state.name(), found.began, &found.findings, found.remark, Vec::new());
        return nothing_to_do(ui, &state, run, &step, &view);
    }
    let preview = RepairView::new(run, &state, &step, &repairs);
    let (changes, width) = (preview.changes_something(), ui.talk_width());
    if changes && !args.yes && !ui.interactive() {
        let refused = CommandError::usage("repair changes resources, and no terminal is there to confirm it")
            .hint("read the planned changes, ask the owners that they name, then add --yes");
        return Err(refused.findings(preview.text(width), preview.data()?));
    }
    // Owner and possible intent of a change are shown with and without a confirmation.
    if changes {
        ui.talk_text(&preview.text(width));
    }
    if ui.output() == Output::Jsonl {
        ui.line(&preview)?;
    }
    if changes && !args.yes && !ui.confirm(&format!("Repair {step} in run {}?", run.short())) {
        return Err(CommandError::usage("not confirmed; nothing was changed"));
    }
    let signal = Signal::Repair { step: step.clone(), repairs };
    let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason: args.reason.reason, signal };
    backend.signal(row).await.map_err(failures::backend)?;
    ui.talk(&format!("repairing {step} in run {STRONG}{}{STRONG:#} ({run})", run.short()));
    let driver = Driver { backend, performer, clock, stamps: Stamps::Real, said: Said::default() };
    let from = [(run, Seq(state.seq().0 + 1))];
    let options = DriveOptions { until_blocked: args.until_blocked, ..DriveOptions::default() };
    let driven = match driver.drive(ui, &[run], &from, options).await {
        // The process that drives the run receives the signal and repairs the step.
        Err(error) if error.exit == Exit::Held => {
            ui.talk(&format!("{}: that process was told to repair {step}", error.message));
            ui.talk(&format!("next: twinspan events {} --follow", run.short()));
            return Ok(Exit::Waiting);
        }
        driven => driven?,
    };
    driver.close_beside(ui, &driven, ("repair", preview.data()?)).await
}

fn not_repairable(refused: NotRepairable) -> CommandError {
    let error = CommandError::usage(refused.what);
    match refused.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The result if no repair is needed, or if it is not known whether one is needed.
fn nothing_to_do(
    ui: &Ui,
    state: &RunState,
    run: RunId,
    step: &StepKey,
    view: &VerificationView,
) -> Result<Exit, CommandError> {
    ui.data(view, || view.text(ui.width()))?;
    let drift = state.find(step).and_then(|item| item.drift()).map(|(_, drift)| drift);
    match drift {
        Some(DriftState::Unreadable { .. }) => {
            ui.talk(&format!("{step} could not be read: whether it has to be repaired is not known"));
            Ok(Exit::Waiting)
        }
        Some(_) => {
            ui.talk(&format!("{step} and the steps that it needs are in sync: nothing to repair"));
            Ok(Exit::Done)
        }
        // The step was never proven, and no step that it needs has drifted.
        None => {
            Err(CommandError::usage(format!("{step} is not done, and no step that it needs has drifted"))
                .hint(format!("`{}` shows where it stopped", command(&["why", &run.short(), &step.0]))))
        }
    }
}
