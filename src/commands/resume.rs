//! `resume`: continues runs.

use std::path::PathBuf;
use std::sync::Arc;

use twinspan_engine::{
    Backend, DriveOptions, Filter, LeaseHolder, Performer, RunId, RunState, Seq, Signal, SignalId, SignalRow,
    StepState, SystemClock, check_signal,
};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::plan::unset_secrets;
use crate::progress::{Said, Stamps};
use crate::report::summary_file::SummaryFile;
use crate::report::view::counted;
use crate::runs::drive::{Driven, Driver};
use crate::runs::{self, signals};
use crate::text::STRONG;

/// Resume runs, also after a crash, a reboot or a pause
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ids of runs: whole, their beginning, or their last eight digits (default: the only open run)
    #[arg(value_name = "RUN", conflicts_with = "all")]
    runs: Vec<String>,
    /// Every open run
    #[arg(long)]
    all: bool,
    /// Take over a lease at once, without waiting until it expires; not from a process that is running on this machine
    #[arg(long)]
    steal: bool,
    /// Return as soon as the run waits only for people, approvals, permissions or credentials
    #[arg(long)]
    until_blocked: bool,
    /// Also continue interrupted undos
    #[arg(long, conflicts_with = "forward")]
    undo: bool,
    /// Call an undo off: go forward again, and create again what is deleted so far
    #[arg(long, conflicts_with = "all")]
    forward: bool,
    /// Write a summary: JUnit for FILE.xml, Markdown otherwise
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    // Report a missing journal before the configuration is read.
    drop(app.existing()?);
    let registry = cloud_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let chosen = chosen(ui, &*backend, &args).await?;
    if chosen.is_empty() {
        return Err(CommandError::not_found("there is no open run in this journal")
            .hint("`twinspan list` shows those that ended"));
    }
    let report = args.report.as_deref().map(SummaryFile::at).transpose()?;
    let (mut runs, mut refused, mut from) = (Vec::new(), Vec::new(), Vec::new());
    for run in &chosen {
        let state = match backend.load(*run).await.map_err(failures::backend) {
            Ok(state) => state,
            // One unreadable run does not stop the others.
            Err(error) if chosen.len() > 1 => {
                refused.push((*run, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        // Waiting does not supply a secret that this process lacks, so the run is refused; the other runs continue.
        if let Some(inputs) = state.inputs()
            && let Err(error) = unset_secrets::refuse(app, state.plan(), inputs)
        {
            if chosen.len() > 1 {
                refused.push((*run, error));
                continue;
            }
            return Err(error);
        }
        runs.push(*run);
        // Earlier events were shown by earlier commands.
        from.push((*run, Seq(state.seq().0 + 1)));
        ui.talk(&format!("run {STRONG}{}{STRONG:#} ({run}) of {}", run.short(), state.name()));
        if args.forward {
            call_undo_off(ui, app, &*backend, &state, *run, args.reason.clone()).await?;
            continue;
        }
        let holder = backend.summary(*run).map_err(failures::backend)?.holder;
        if let Some(LeaseHolder { expires: Some(left), .. }) = holder.as_ref().filter(|_| !args.steal) {
            ui.talk(&format!(
                "  the lease holder is {}; waiting up to {} s for its heartbeat (--steal takes over at once)",
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
    let options =
        DriveOptions { until_blocked: args.until_blocked, steal: args.steal, ..DriveOptions::default() };
    let mut driven = match &runs[..] {
        [] => Driven { runs: Vec::new(), refused: Vec::new(), stopped: None },
        runs => match driver.drive(ui, runs, &from, options).await {
            // The only readable run: the problems of the other runs are reported, too.
            Err(error) if !refused.is_empty() && runs.len() == 1 => {
                Driven { runs: Vec::new(), refused: vec![(runs[0], error)], stopped: None }
            }
            driven => driven?,
        },
    };
    driven.refused.extend(refused);
    if let Some(report) = &report {
        report.write(&driver.views(&driven).await?)?;
    }
    driver.close(ui, &driven).await
}

/// Calls off the undo of a run, and lists what is deleted by then.
async fn call_undo_off(
    ui: &Ui,
    app: &App,
    backend: &dyn Backend,
    state: &RunState,
    run: RunId,
    reason: Option<String>,
) -> Result<(), CommandError> {
    check_signal(state, &Signal::Forward, &app.actor()).map_err(signals::refused)?;
    let row = SignalRow { id: SignalId::new(), run, actor: app.actor(), reason, signal: Signal::Forward };
    backend.signal(row).await.map_err(failures::backend)?;
    let deleted: Vec<String> = state
        .steps()
        .filter(|item| matches!(item.state(), Some(StepState::Undone(_))))
        .map(|item| item.key().to_string())
        .collect();
    let sent = state.steps().filter(|item| item.state().is_some_and(StepState::is_deleting)).count();
    if sent > 0 {
        ui.talk(&format!(
            "{} sent and not yet proven: the run first reads what became of it",
            counted(sent, "delete request")
        ));
    }
    ui.talk(&match deleted.len() {
        0 if sent > 0 => "undo called off; nothing else is deleted so far".to_owned(),
        0 => "undo called off; nothing is deleted so far".to_owned(),
        count => format!(
            "undo called off; {} deleted so far and created again: {}",
            counted(count, "step"),
            deleted.join(", ")
        ),
    });
    Ok(())
}

/// The error if only interrupted undos are open: deletion continues only on explicit request.
fn only_undos(left: &[RunId]) -> CommandError {
    let message = match left {
        [one] => format!("the undo of run {} was interrupted; resume does not continue it", one.short()),
        many => format!("the undos of {} runs were interrupted; resume does not continue them", many.len()),
    };
    left.iter().take(UNDOS).fold(CommandError::new(Exit::Waiting, message), |error, run| {
        error
            .hint(format!("to continue the undo: twinspan undo {}", run.short()))
            .hint(format!("to call it off: twinspan resume {} --forward", run.short()))
    })
}

/// Commands are listed for at most this many interrupted undos.
const UNDOS: usize = 5;

async fn chosen(ui: &Ui, backend: &dyn Backend, args: &Args) -> Result<Vec<RunId>, CommandError> {
    if args.all {
        let open = Filter { open: true, ..Filter::default() };
        let open = backend.list(open).await.map_err(failures::backend)?;
        let mut runs = Vec::new();
        let mut undos = Vec::new();
        for summary in open {
            // A process on this machine drives the undo: driving it reports that (exit 7). Other undos are not taken
            // over.
            let driven_here = summary.holder.as_ref().is_some_and(|holder| holder.here);
            if summary.undo && !args.undo && !driven_here {
                undos.push(summary.run);
            } else {
                runs.push(summary.run);
            }
        }
        if runs.is_empty() && !undos.is_empty() {
            return Err(only_undos(&undos));
        }
        for run in &undos {
            let short = run.short();
            ui.talk(&format!(
                "the undo of run {short} was interrupted and is not resumed; continue it with `twinspan undo {short}`, or \
                 call it off with `twinspan resume {short} --forward`"
            ));
        }
        return Ok(runs);
    }
    if args.runs.is_empty() {
        let run = runs::reference::find_or_only(backend, None).await?;
        let undone = backend.load(run).await.map_err(failures::backend)?.is_undone_now();
        return if undone && !args.undo && !args.forward { Err(only_undos(&[run])) } else { Ok(vec![run]) };
    }
    let mut runs = Vec::new();
    for text in &args.runs {
        let run = runs::reference::find(backend, text).await?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    Ok(runs)
}
