//! `verify`: runs every check again, and reports drift.

use std::sync::Arc;

use twinspan_engine::{
    Backend, DriftState, Filter, Finding, Performer, RunId, RunState, RunStatus, SqliteBackend, SystemClock,
    repairs,
};

use crate::cli::arguments::{Output, ReasonArg};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::suggest::command;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::report::view::{VerificationView, VerificationsView};
use crate::runs::{self, verification};

/// Verify a run: read everything again that it proved, and report drift; nothing is written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only run of the journal)
    #[arg(value_name = "RUN", conflicts_with = "all")]
    run: Option<String>,
    /// Every run of the journal that is done
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    reason: ReasonArg,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    // Report a missing journal before the configuration is read.
    drop(app.existing()?);
    let registry = cloud_kinds::live(app)?;
    let backend = app.open(Arc::clone(&registry))?;
    let performer = Arc::new(Performer::new(registry, Arc::new(SystemClock)));
    if !args.all {
        let run = runs::reference::find_or_only_of_all(&*backend, args.run.as_deref()).await?;
        let view = of(app, &backend, &performer, run, args.reason.reason).await?;
        ui.data(&view, || view.text(ui.width()))?;
        return Ok(view.ends);
    }
    let runs = backend.list(Filter::default()).await.map_err(failures::backend)?;
    let done = runs.into_iter().filter(|summary| matches!(summary.status, RunStatus::Done { .. }));
    let mut views = Vec::new();
    for summary in done {
        let view = of(app, &backend, &performer, summary.run, args.reason.reason.clone()).await?;
        if ui.output() == Output::Jsonl {
            ui.line(&view)?;
        }
        views.push(view);
    }
    let all = VerificationsView::new(views);
    if ui.output() != Output::Jsonl {
        ui.data(&all, || all.text())?;
    }
    if all.is_empty() {
        ui.talk("no run is done");
    }
    Ok(all.ends)
}

async fn of(
    app: &App,
    backend: &SqliteBackend,
    performer: &Arc<Performer>,
    run: RunId,
    reason: Option<String>,
) -> Result<VerificationView, CommandError> {
    let state = backend.load(run).await.map_err(failures::backend)?;
    let found = verification::of(app, backend, performer, run, reason).await?;
    let next = helps(&backend.load(run).await.map_err(failures::backend)?, run, &found.findings);
    Ok(VerificationView::new(run, state.name(), found.began, &found.findings, found.remark, next))
}

/// Suggested commands after drift: the repair of the first repairable step, else its evidence.
pub(crate) fn helps(state: &RunState, run: RunId, findings: &[Finding]) -> Vec<String> {
    let drifted = || findings.iter().filter(|finding| finding.drift.is_drift());
    // Nothing is sent from such a journal: the first step of which it has no intent is the evidence.
    if let Some(lost) = findings.iter().find(|finding| finding.drift == DriftState::LostTail) {
        return vec![command(&["why", &run.short(), &lost.step.0])];
    }
    let repaired =
        |finding: &&Finding| repairs(state, &finding.step).is_ok_and(|repairs| !repairs.is_empty());
    let (verb, first) = match (drifted().find(repaired), drifted().next()) {
        (Some(finding), _) => ("repair", finding),
        (None, Some(finding)) => ("why", finding),
        (None, None) => return Vec::new(),
    };
    vec![command(&[verb, &run.short(), &first.step.0])]
}
