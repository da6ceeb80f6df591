//! `apply`: brings a plan about, whatever the earlier runs of its key did. Made for pipelines: the same command line
//! every time.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use twinspan_engine::{
    Backend, Begins, DriveOptions, Goal, NewRollout, NewRun, Performer, RunId, RunKey, RunState, RunStatus,
    RunSummary, Seq, SignalId, SignalRow, Started, SystemClock,
};
use twinspan_plans::Inputs;

use crate::cli::arguments::{InputArgs, Output, ReasonArg, RolloutArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::cloud_kinds;
use crate::plan::changes::PlanChanges;
use crate::plan::file::PlanFile;
use crate::plan::{self, unset_secrets};
use crate::progress::{Said, Stamps};
use crate::report::summary_file::SummaryFile;
use crate::report::view::{self, Page, VerificationView, ended};
use crate::runs::drive::{Driven, Driver};
use crate::runs::left_over::{self, LeftOvers};
use crate::runs::{repair_all, rollouts, verification};
use crate::text::{STRONG, Text, Width};

/// How often the runs of the key are read again because another process started or ended one meanwhile.
const TRIES: usize = 10;

/// Bring a plan about: resume its open run, verify what is done, or start a run where something changed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    /// Repair what has drifted; resources of other runs or of people are left to a decision
    #[arg(long)]
    repair: bool,
    /// Delete what earlier runs of the key created and the plan no longer contains
    #[arg(long)]
    prune: bool,
    /// Do not ask before --prune deletes
    #[arg(long)]
    yes: bool,
    /// Write a summary: JUnit for FILE.xml, Markdown otherwise
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    reason: ReasonArg,
}

/// Everything that stays the same during one `apply`.
struct Apply<'a> {
    ui: &'a Ui,
    app: &'a App,
    args: &'a Args,
    file: PlanFile,
    inputs: Inputs,
    key: RunKey,
    driver: Driver,
    report: Option<SummaryFile>,
}

/// What `apply` did, for its result.
struct Applied {
    action: &'static str,
    driven: Driven,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    if args.prune && !args.yes && !ui.interactive() {
        return Err(CommandError::usage("--prune deletes resources, and no terminal is there to confirm it")
            .hint("run it without --prune first: it lists the resources; then add --yes"));
    }
    let report = args.report.as_deref().map(SummaryFile::at).transpose()?;
    let registry = cloud_kinds::live(app)?;
    let file = plan::file::read(ui, &args.plan, registry.catalog())?;
    let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
    let inputs = plan::file::bind(ui, &file, &raw)?;
    if !file.warnings.is_empty() {
        ui.talk_text(&plan::file::diagnostics(ui, &file.warnings));
    }
    unset_secrets::refuse(app, &file.plan, &inputs)?;
    let key = rollouts::key(args.rollout.key.as_deref(), &file.plan, &inputs)?;
    let backend = app.open(Arc::clone(&registry))?;
    let clock = Arc::new(SystemClock);
    let performer = Arc::new(Performer::new(registry, clock.clone()));
    let driver = Driver { backend, performer, clock, stamps: Stamps::Real, said: Said::default() };
    Apply { ui, app, args: &args, file, inputs, key, driver, report }.work().await
}

impl Apply<'_> {
    async fn work(self) -> Result<Exit, CommandError> {
        for _ in 0..TRIES {
            let runs = rollouts::runs(&self.driver.backend, &self.key).await?;
            let open: Vec<&RunSummary> = runs.iter().filter(|run| !ended(&run.status)).collect();
            match (&open[..], runs.first()) {
                ([], Some(last)) if matches!(last.status, RunStatus::Done { .. }) => {
                    let state = self.load(last.run).await?;
                    if PlanChanges::of(&state, &self.file.plan, &self.inputs).is_empty() {
                        return self.verify(&state).await;
                    }
                    self.say_changes(&state);
                    if let Some(applied) = self.start(Some(last.run)).await? {
                        return self.end(applied).await;
                    }
                }
                ([], last) => {
                    if last.is_none() {
                        self.say_other_keys().await?;
                    }
                    if let Some(applied) = self.start(last.map(|last| last.run)).await? {
                        return self.end(applied).await;
                    }
                }
                ([open], _) => {
                    if let Some(applied) = self.resume(open).await? {
                        return self.end(applied).await;
                    }
                }
                (several, _) => return Err(self.several(several)),
            }
        }
        Err(CommandError::new(Exit::Held, format!("other processes keep starting runs of key {}", self.key))
            .hint(format!("twinspan list --key {}", self.key)))
    }

    async fn load(&self, run: RunId) -> Result<RunState, CommandError> {
        self.driver.backend.load(run).await.map_err(failures::backend)
    }

    fn several(&self, open: &[&RunSummary]) -> CommandError {
        let mut error = CommandError::new(
            Exit::PlanChanged,
            format!("{} runs of key {} are open; apply continues only one", open.len(), self.key),
        );
        for run in open {
            error = error.hint(format!("end or finish one: twinspan resume {}", run.run.short()));
        }
        error
    }

    /// Warns of a new key beside other keys of the same plan, which may be a mistake.
    async fn say_other_keys(&self) -> Result<(), CommandError> {
        let all =
            self.driver.backend.list(twinspan_engine::Filter::default()).await.map_err(failures::backend)?;
        let mut keys: Vec<String> = all
            .iter()
            .filter(|run| run.name == self.file.plan.name && !run.key.is_empty())
            .map(|run| run.key.to_string())
            .collect();
        keys.sort();
        keys.dedup();
        if !keys.is_empty() {
            self.ui.talk(&format!(
                "key {} is new; this journal has runs of the plan with key {}",
                self.key,
                keys.join(", ")
            ));
        }
        Ok(())
    }

    fn say_changes(&self, last: &RunState) {
        let short = last.run().map(RunId::short).unwrap_or_default();
        self.ui.talk(&format!("changed since run {short}:"));
        for line in PlanChanges::of(last, &self.file.plan, &self.inputs).lines() {
            self.ui.talk(&format!("  {line}"));
        }
    }

    /// Starts a run after `newest`; `None`: another process started one first.
    async fn start(&self, newest: Option<RunId>) -> Result<Option<Applied>, CommandError> {
        let run = RunId::new();
        let rollout = NewRollout {
            key: self.key.clone(),
            labels: rollouts::labels(&self.args.rollout.label)?,
            begins: Begins::AfterNewest(newest),
        };
        let new = NewRun {
            run,
            plan: Arc::clone(&self.file.plan),
            text: Arc::clone(&self.file.text),
            inputs: self.inputs.clone(),
            starter: self.app.actor(),
            paused: false,
            seed: run.0.as_u64_pair().1,
            rollout,
        };
        if self.driver.backend.start(new).await.map_err(failures::backend)? != Started::New {
            return Ok(None);
        }
        self.ui.talk(&format!(
            "run {STRONG}{}{STRONG:#} ({run}) of {}, key {}",
            run.short(),
            self.file.plan.name,
            self.key
        ));
        self.line("started", run)?;
        let driven = self.drive(run, &[]).await?;
        Ok(Some(Applied { action: "started", driven }))
    }

    /// Drives the open run of the key; `None`: that run ended without the wanted result, so the next run is started.
    async fn resume(&self, open: &RunSummary) -> Result<Option<Applied>, CommandError> {
        let state = self.load(open.run).await?;
        let short = open.run.short();
        if let Some(held) = self.held(open) {
            return Err(held);
        }
        let from = [(open.run, Seq(state.seq().0 + 1))];
        if state.pruning().is_some() {
            if !self.args.prune {
                return Err(self.undoing(&state, "single steps of run"));
            }
            left_over::drive(self.ui, &self.driver, open.run, &state).await?;
            return self.ended_or_waiting(open.run).await;
        }
        match state.control().goal {
            Goal::Undo => return Err(self.undoing(&state, "run")),
            Goal::Cancel => {
                self.drive(open.run, &from).await?;
                return self.ended_or_waiting(open.run).await;
            }
            Goal::Finish => {}
        }
        let changes = PlanChanges::of(&state, &self.file.plan, &self.inputs);
        if !changes.is_empty() {
            return Err(self.changed(&short, &changes));
        }
        if let Some(pause) = &state.control().pause {
            return Err(CommandError::new(
                Exit::Waiting,
                format!("run {short} of key {} was paused by {}", self.key, pause.by),
            )
            .hint(format!("when it may continue: twinspan resume {short}")));
        }
        self.ui.talk(&format!(
            "resuming run {STRONG}{short}{STRONG:#} ({}) of {}, key {}",
            open.run,
            state.name(),
            self.key
        ));
        self.line("resumed", open.run)?;
        let driven = self.drive(open.run, &from).await?;
        Ok(Some(Applied { action: "resumed", driven }))
    }

    /// An error if another process drives the open run.
    fn held(&self, open: &RunSummary) -> Option<CommandError> {
        let driver = open.driver.as_ref()?;
        Some(
            CommandError::new(Exit::Held, format!("run {} is driven by {driver}", open.run.short()))
                .hint(format!("follow it: twinspan events {} --follow", open.run.short())),
        )
    }

    /// After a run of other content was driven: `None` if it has ended, so that the next run can start.
    async fn ended_or_waiting(&self, run: RunId) -> Result<Option<Applied>, CommandError> {
        let state = self.load(run).await?;
        if state.outcome().is_some() {
            return Ok(None);
        }
        Err(CommandError::new(
            Exit::Waiting,
            format!("run {} of key {} has not ended", run.short(), self.key),
        )
        .hint(format!("twinspan show {}", run.short())))
    }

    fn undoing(&self, state: &RunState, what: &str) -> CommandError {
        let short = state.run().map(RunId::short).unwrap_or_default();
        let error = CommandError::new(
            Exit::Waiting,
            format!(
                "the undo of {what} {short} of key {} was interrupted; apply does not continue it",
                self.key
            ),
        );
        if state.pruning().is_some() {
            return error.hint("to continue it: the same `twinspan apply` with --prune --yes");
        }
        error
            .hint(format!("to continue the undo: twinspan undo {short}"))
            .hint(format!("to call it off: twinspan resume {short} --forward"))
    }

    fn changed(&self, short: &str, changes: &PlanChanges) -> CommandError {
        let mut page = Page::new(Width::WHOLE);
        page.line(0, &format!("run {short} differs from the given plan and inputs:"));
        changes.lines().iter().for_each(|line| page.line(4, &format!("  {line}")));
        let data = serde_json::to_value(changes).unwrap_or(Value::Null);
        CommandError::new(
            Exit::PlanChanged,
            format!("run {short} of key {} is open, with another plan or other inputs", self.key),
        )
        .findings(page.into_text(), data)
        .hint(format!("finish it as it began: twinspan resume {short}"))
        .hint(format!("or end it where it is, then apply again: twinspan cancel {short}"))
    }

    async fn drive(&self, run: RunId, from: &[(RunId, Seq)]) -> Result<Driven, CommandError> {
        let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
        self.driver.drive(self.ui, &[run], from, options).await
    }

    /// With JSON lines: what is done with which run.
    fn line(&self, action: &str, run: RunId) -> Result<(), CommandError> {
        if self.ui.output() != Output::Jsonl {
            return Ok(());
        }
        self.ui.line(&document(json!({
            "type": action, "run": run, "short": run.short(), "name": self.file.plan.name, "key": self.key,
        })))
    }

    /// Finishes a driven run: left-over resources, summary, exit code.
    async fn end(&self, applied: Applied) -> Result<Exit, CommandError> {
        let Applied { action, mut driven } = applied;
        let mut left = None;
        if let [(run, RunStatus::Done { .. })] = driven.runs[..] {
            let (found, stopped) = self.left_over(run).await?;
            left = Some(found);
            driven.runs.extend(stopped);
        }
        let more = self.more(action, left.as_ref());
        if let Some(report) = &self.report {
            report.write(&self.driver.views(&driven).await?)?;
        }
        self.driver.close_beside(self.ui, &driven, ("apply", more)).await
    }

    fn more(&self, action: &str, left: Option<&LeftOvers>) -> Value {
        json!({ "key": self.key, "action": action, "left_over": left })
    }

    /// Lists left-over resources, or prunes them; also returns the run whose pruning did not finish.
    async fn left_over(
        &self,
        latest: RunId,
    ) -> Result<(LeftOvers, Option<(RunId, RunStatus)>), CommandError> {
        let mut left = LeftOvers::of(&self.driver, latest, &self.key).await?;
        left.say(self.ui, self.args.prune);
        if left.is_empty() || !self.args.prune {
            return Ok((left, None));
        }
        if !self.args.yes && !self.ui.confirm("Delete them?") {
            self.ui.talk("not confirmed; nothing was deleted");
            return Ok((left, None));
        }
        let states = rollouts::states(&self.driver.backend, &self.key).await?;
        let stopped = left.prune(self.ui, self.app, &self.driver, latest, &states).await?;
        self.ui.talk(&format!("prune: {}", left.words()));
        Ok((left, stopped))
    }

    /// Without changes since the last finished run: verifies it, and repairs drift with `--repair`.
    async fn verify(&self, state: &RunState) -> Result<Exit, CommandError> {
        let Some(run) = state.run() else { return Err(CommandError::bug("a run has no id")) };
        let short = run.short();
        self.ui.talk(&format!(
            "nothing changed since run {STRONG}{short}{STRONG:#} of key {}: verifying it",
            self.key
        ));
        self.line("verifying", run)?;
        let Driver { backend, performer, .. } = &self.driver;
        let reason = self.args.reason.reason.clone();
        let found = verification::of(self.app, backend, performer, run, reason.clone()).await?;
        let verified = self.load(run).await?;
        let next = super::verify::helps(&verified, run, &found.findings);
        let view = VerificationView::new(run, state.name(), found.began, &found.findings, found.remark, next);
        if view.ends == Exit::Drift && self.args.repair {
            return self.repair(run, reason).await;
        }
        let (left, stopped) = self.left_over(run).await?;
        if let Some(report) = &self.report {
            let driven = Driven {
                runs: vec![(run, RunStatus::Done { skipped: 0 })],
                refused: Vec::new(),
                stopped: None,
            };
            report.write(&self.driver.views(&driven).await?)?;
        }
        let more = self.more("verified", Some(&left));
        if self.ui.output() == Output::Json {
            let mut whole = serde_json::to_value(&view)
                .map_err(|error| CommandError::bug("the result cannot be written as JSON").cause(&error))?;
            whole["apply"] = more;
            self.ui.data(&whole, Text::default)?;
        } else {
            self.ui.data(&view, || view.text(self.ui.width()))?;
        }
        if view.ends == Exit::Drift {
            self.ui.talk("next: the same `twinspan apply` with --repair repairs what this run owns");
        }
        match stopped {
            Some((_, status)) => Ok(view::exit(&status)),
            None => Ok(view.ends),
        }
    }

    async fn repair(&self, run: RunId, reason: Option<String>) -> Result<Exit, CommandError> {
        let state = self.load(run).await?;
        let plan = repair_all::plan(run, &state)?;
        plan.say(self.ui);
        let Some(signal) = plan.signal() else { return Ok(Exit::Drift) };
        let row = SignalRow { id: SignalId::new(), run, actor: self.app.actor(), reason, signal };
        self.driver.backend.signal(row).await.map_err(failures::backend)?;
        let driven = self.drive(run, &[(run, Seq(state.seq().0 + 1))]).await?;
        let left_alone = plan.leaves_some();
        let exit = self.end(Applied { action: "repaired", driven }).await?;
        Ok(if exit == Exit::Done && left_alone { Exit::Drift } else { exit })
    }
}
