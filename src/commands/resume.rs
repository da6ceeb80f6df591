//! `resume`: drive runs on.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriveOptions, Filter, Performer, RunId, RunStatus, Seq, Signal, SignalId, SignalRow, SystemClock,
};

use crate::app::App;
use crate::drive::Driver;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::progress::{Said, Stamps};
use crate::ui::{STRONG, Ui};
use crate::{failures, run_reference, step_kinds, unset_secrets};

/// Drive runs on, also after a crash, a reboot or a pause
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids of runs: whole, their beginning, or their last eight digits (default: the only open run)
    #[arg(value_name = "RUN", conflicts_with = "all")]
    runs: Vec<String>,
    /// Every open run that nobody drives
    #[arg(long)]
    all: bool,
    /// Take over from a driver on another host that is gone for good
    #[arg(long)]
    steal: bool,
    /// Return as soon as only people, approvals, permissions or credentials are waited for
    #[arg(long)]
    until_blocked: bool,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    // A missing journal is said before the configuration is looked at.
    drop(app.existing()?);
    let registry = step_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let runs = chosen(ui, &*backend, &args).await?;
    if runs.is_empty() {
        return Err(CommandError::not_found("there is no open run in this journal")
            .hint("`twinspan list` shows those that ended"));
    }
    let mut from = Vec::new();
    for run in &runs {
        let state = backend.load(*run).await.map_err(failures::backend)?;
        // Of many runs others can go on: there it is a wait that says which variable.
        if let (false, Some(inputs)) = (args.all, state.inputs()) {
            unset_secrets::refuse(app, state.plan(), inputs)?;
        }
        // What happened before was shown before.
        from.push((*run, Seq(state.seq().0 + 1)));
        ui.talk(&format!("run {STRONG}{}{STRONG:#} ({run}) of {}", run.short(), state.name()));
        if state.control().pause.is_some() {
            let signal = SignalRow {
                id: SignalId::new(),
                run: *run,
                actor: app.actor(),
                reason: args.reason.clone(),
                signal: Signal::Resume,
            };
            backend.signal(signal).await.map_err(failures::backend)?;
        }
    }
    let clock = Arc::new(SystemClock);
    let driver = Driver {
        backend,
        performer: Arc::new(Performer::new(registry, clock.clone())),
        clock,
        stamps: Stamps::Real,
        said: Said::default(),
    };
    let options = DriveOptions { until_blocked: args.until_blocked, steal: args.steal };
    let driven = driver.drive(ui, &runs, &from, options).await?;
    driver.close(ui, &driven).await
}

async fn chosen(ui: &Ui, backend: &dyn Backend, args: &Args) -> Result<Vec<RunId>, CommandError> {
    if args.all {
        let open = Filter { open: true, ..Filter::default() };
        let open = backend.list(open).await.map_err(failures::backend)?;
        let mut runs = Vec::new();
        for summary in open {
            match &summary.driver {
                Some(driver) if !args.steal && !matches!(summary.status, RunStatus::Interrupted) => {
                    ui.talk(&format!("run {} is driven by {driver}: left alone", summary.run.short()));
                }
                _ => runs.push(summary.run),
            }
        }
        return Ok(runs);
    }
    if args.runs.is_empty() {
        return Ok(vec![run_reference::find_or_only(backend, None).await?]);
    }
    let mut runs = Vec::new();
    for text in &args.runs {
        let run = run_reference::find(backend, text).await?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    Ok(runs)
}
