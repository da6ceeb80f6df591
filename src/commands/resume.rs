//! `resume`: drive runs on.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriveOptions, Filter, LeaseHolder, Performer, RunId, Seq, Signal, SignalId, SignalRow,
    SystemClock,
};

use crate::app::App;
use crate::drive::{Driven, Driver};
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
    /// Every open run
    #[arg(long)]
    all: bool,
    /// Take a lease over at once, without waiting until it expires; not from a process that is running on this machine
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
    let chosen = chosen(&*backend, &args).await?;
    if chosen.is_empty() {
        return Err(CommandError::not_found("there is no open run in this journal")
            .hint("`twinspan list` shows those that ended"));
    }
    let (mut runs, mut refused, mut from) = (Vec::new(), Vec::new(), Vec::new());
    for run in &chosen {
        let state = match backend.load(*run).await.map_err(failures::backend) {
            Ok(state) => state,
            // One run that cannot be read does not keep the others from moving.
            Err(error) if chosen.len() > 1 => {
                refused.push((*run, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        runs.push(*run);
        // Of many runs others can go on: there it is a wait that says which variable.
        if let (false, Some(inputs)) = (args.all, state.inputs()) {
            unset_secrets::refuse(app, state.plan(), inputs)?;
        }
        // What happened before was shown before.
        from.push((*run, Seq(state.seq().0 + 1)));
        ui.talk(&format!("run {STRONG}{}{STRONG:#} ({run}) of {}", run.short(), state.name()));
        let holder = backend.summary(*run).map_err(failures::backend)?.holder;
        if let Some(LeaseHolder { expires: Some(left), .. }) = holder.as_ref().filter(|_| !args.steal) {
            ui.talk(&format!(
                "  it is driven by {}; waiting up to {} s for a sign of life (--steal takes over at once)",
                holder.iter().map(ToString::to_string).collect::<String>(),
                left.as_secs_f64().ceil()
            ));
        }
        if state.control().pause.is_some() && holder.is_none_or(|holder| !holder.here) {
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
    let mut driven = match &runs[..] {
        [] => Driven { runs: Vec::new(), refused: Vec::new(), stopped: None },
        runs => match driver.drive(ui, runs, &from, options).await {
            // The only run that could be read: what is wrong with the others is told, too.
            Err(error) if !refused.is_empty() && runs.len() == 1 => {
                Driven { runs: Vec::new(), refused: vec![(runs[0], error)], stopped: None }
            }
            driven => driven?,
        },
    };
    driven.refused.extend(refused);
    driver.close(ui, &driven).await
}

async fn chosen(backend: &dyn Backend, args: &Args) -> Result<Vec<RunId>, CommandError> {
    if args.all {
        let open = Filter { open: true, ..Filter::default() };
        let open = backend.list(open).await.map_err(failures::backend)?;
        return Ok(open.into_iter().map(|summary| summary.run).collect());
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
