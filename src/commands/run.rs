//! `run`: start a run of a plan and drive it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use twinspan_engine::{
    Backend, Begins, DriveOptions, NewRollout, NewRun, Performer, RunId, RunKey, SqliteBackend, SystemClock,
};

use crate::cli::arguments::{InputArgs, Output, RolloutArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::plan::{self, unset_secrets};
use crate::progress::{Said, Stamps};
use crate::report::summary_file::SummaryFile;
use crate::report::view::ended;
use crate::runs::drive::Driver;
use crate::runs::rollouts;
use crate::text::STRONG;

/// Start a run of a plan and drive it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    /// Return as soon as the run waits only for people, approvals, permissions or credentials
    #[arg(long)]
    until_blocked: bool,
    /// Start the run paused: send nothing until it is resumed
    #[arg(long)]
    paused: bool,
    /// Write a summary: JUnit for FILE.xml, Markdown otherwise
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let registry = cloud_kinds::live(app)?;
    let file = plan::file::read(ui, &args.plan, registry.catalog())?;
    let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
    let inputs = plan::file::bind(ui, &file, &raw)?;
    if !file.warnings.is_empty() {
        ui.talk_text(&plan::file::diagnostics(ui, &file.warnings));
    }
    unset_secrets::refuse(app, &file.plan, &inputs)?;
    let report = args.report.as_deref().map(SummaryFile::at).transpose()?;
    let key = rollouts::key(args.rollout.key.as_deref(), &file.plan, &inputs)?;
    let rollout = NewRollout {
        key: key.clone(),
        labels: rollouts::labels(&args.rollout.label)?,
        begins: Begins::Anyway,
    };
    let backend = app.open(Arc::clone(&registry))?;
    say_open(ui, &backend, &key).await?;
    let run = RunId::new();
    let new = NewRun {
        run,
        plan: Arc::clone(&file.plan),
        text: Arc::clone(&file.text),
        inputs,
        starter: app.actor(),
        paused: args.paused,
        // The id is random, and a replay has the same id.
        seed: run.0.as_u64_pair().1,
        rollout,
    };
    backend.start(new).await.map_err(failures::backend)?;
    ui.talk(&format!("run {STRONG}{}{STRONG:#} ({run}) of {}, key {key}", run.short(), file.plan.name));
    if ui.output() == Output::Jsonl {
        ui.line(&document(
            json!({ "type": "started", "run": run, "short": run.short(), "name": file.plan.name, "key": key }),
        ))?;
    }
    let clock = Arc::new(SystemClock);
    let driver = Driver {
        backend,
        performer: Arc::new(Performer::new(registry, clock.clone())),
        clock,
        stamps: Stamps::Real,
        said: Said::default(),
    };
    if args.paused {
        let status = twinspan_engine::RunStatus::Paused;
        let view = driver.view(run, &status).await?;
        ui.data(&view, || view.closing(ui.width()))?;
        return Ok(Exit::Done);
    }
    let options = DriveOptions { until_blocked: args.until_blocked, ..DriveOptions::default() };
    let driven = driver.drive(ui, &[run], &[], options).await?;
    if let Some(report) = &report {
        report.write(&driver.views(&driven).await?)?;
    }
    driver.close(ui, &driven).await
}

/// Warns of another open run of the key: two runs wait for each other where they change the same resource.
async fn say_open(ui: &Ui, backend: &SqliteBackend, key: &RunKey) -> Result<(), CommandError> {
    let runs = rollouts::runs(backend, key).await?;
    for open in runs.iter().filter(|run| !ended(&run.status)) {
        let short = open.run.short();
        ui.warn(&format!(
            "run {short} of key {key} is open too; to continue it instead: twinspan resume {short}"
        ));
    }
    Ok(())
}
