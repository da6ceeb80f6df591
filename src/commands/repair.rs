//! `repair`: mend what has drifted in a run, also in one that is done.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriveOptions, NotRepairable, Performer, RunId, RunState, Seq, Signal, SignalId, SignalRow,
    Standing, StepKey, SystemClock, mends,
};

use crate::app::App;
use crate::arguments::{Output, ReasonArg, StepArg};
use crate::drive::Driver;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::progress::{Said, Stamps};
use crate::repair_preview::RepairView;
use crate::suggest::command;
use crate::ui::{STRONG, Ui};
use crate::view::VerificationView;
use crate::{failures, run_reference, signals, step_kinds, verification};

/// Mend what has drifted: look at everything again, then make, write over or make anew what is not as it was
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
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
    // A missing journal or step is said before the configuration is looked at.
    let reader = app.existing()?;
    let run = run_reference::find_or_latest(&*reader, args.of.run.as_deref()).await?;
    let step = signals::step(&reader, run, &args.of.step).await?;
    let state = reader.load(run).await.map_err(failures::backend)?;
    mends(&state, &step).map_err(not_repairable)?;
    drop(reader);
    let registry = step_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let clock = Arc::new(SystemClock);
    let performer = Arc::new(Performer::new(registry, clock.clone()));
    ui.talk(&format!("looking at run {STRONG}{}{STRONG:#} ({run}) of {}", run.short(), state.name()));
    let found = verification::of(app, &backend, &performer, run, args.reason.reason.clone()).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let mends = mends(&state, &step).map_err(not_repairable)?;
    if mends.is_empty() {
        let view =
            VerificationView::new(run, state.name(), found.began, &found.findings, found.remark, Vec::new());
        return nothing_to_do(ui, &state, run, &step, &view);
    }
    let preview = RepairView::new(run, &state, &step, &mends);
    let (changes, width) = (preview.changes_something(), ui.talk_width());
    if changes && !args.yes && !ui.interactive() {
        let refused = CommandError::usage("repair changes things, and nobody can be asked here")
            .hint("read what it would do, ask the owners that it names, then say --yes");
        return Err(refused.findings(preview.text(width), preview.data()?));
    }
    // Whose it is, and that it may have been meant, is said whether or not somebody is asked.
    if changes {
        ui.talk_text(&preview.text(width));
    }
    if ui.output() == Output::Jsonl {
        ui.line(&preview)?;
    }
    if changes && !args.yes && !ui.confirm(&format!("Repair {step} in run {}?", run.short())) {
        return Err(CommandError::usage("not confirmed; nothing was changed"));
    }
    let signal = Signal::Repair { step: step.clone(), mends };
    let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason: args.reason.reason, signal };
    backend.signal(row).await.map_err(failures::backend)?;
    ui.talk(&format!("repairing {step} in run {STRONG}{}{STRONG:#} ({run})", run.short()));
    let driver = Driver { backend, performer, clock, stamps: Stamps::Real, said: Said::default() };
    let from = [(run, Seq(state.seq().0 + 1))];
    let options = DriveOptions { until_blocked: args.until_blocked, ..DriveOptions::default() };
    let driven = match driver.drive(ui, &[run], &from, options).await {
        // Its live driver has the request in the inbox, and repairs it there.
        Err(error) if error.exit == Exit::Held => {
            ui.talk(&format!("{}: it is asked to repair {step}", error.message));
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

/// It stands as it was proven, or nobody can tell.
fn nothing_to_do(
    ui: &Ui,
    state: &RunState,
    run: RunId,
    step: &StepKey,
    view: &VerificationView,
) -> Result<Exit, CommandError> {
    ui.data(view, || view.text(ui.width()))?;
    let standing = state.find(step).and_then(|item| item.standing()).map(|(_, standing)| standing);
    match standing {
        Some(Standing::Unreadable { .. }) => {
            ui.talk(&format!("{step} could not be read: whether it has to be repaired is not known"));
            Ok(Exit::Waiting)
        }
        Some(_) => {
            ui.talk(&format!("{step} and what it needs stand as they were proven: nothing to repair"));
            Ok(Exit::Done)
        }
        // It was never proven, and nothing that it needs has drifted.
        None => {
            Err(CommandError::usage(format!("{step} is not done, and nothing that it needs has drifted"))
                .hint(format!("`{}` says what it stopped at", command(&["why", &run.short(), &step.0]))))
        }
    }
}
