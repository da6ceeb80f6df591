//! A rehearsal: its setup, and its execution.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use twinspan_engine::{
    Actor, Backend, Clock, DriveOptions, NewRollout, NewRun, Opening, Performer, RunId, RunState, RunStatus,
    Seq, Signal, SignalId, SignalRow, SqliteBackend, StepKey, VirtualClock, WaitKind,
};
use twinspan_plans::Inputs;
use twinspan_sim::{Fault, Hosts, Lie, World};
use twinspan_steps::{Azure, Cloud, CommandPolicy, Wire, registry};

use super::credentials::{self, Roles};
use super::people::{self, Act};
use super::view::{Next, RehearsalView};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::step_kinds;
use crate::plan::file::PlanFile;
use crate::progress::{Said, Stamps};
use crate::runs::drive::{Driven, Driver};
use crate::simulated::InProcessWorld;

/// Start time of every rehearsal, a Monday morning. It is fixed so that the same seed gives the same journal.
const BEGIN: i64 = 1_767_600_000;

/// A permission that was granted a moment ago takes effect after minutes. One that does not after this long never will.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Addresses of the simulated hosts; the top-level domain `invalid` never resolves.
const ARM: &str = "https://arm.twinspan.invalid";
const LOGIN: &str = "https://login.twinspan.invalid";
const GRAPH: &str = "https://graph.twinspan.invalid";

/// Settings of a rehearsal besides the plan.
pub(crate) struct Props {
    pub(crate) world: World,
    pub(crate) faults: Vec<Fault>,
    pub(crate) lies: Vec<Lie>,
    pub(crate) seed: u64,
    /// The principal types chosen for identities.
    pub(crate) roles: Roles,
    /// Whether no people are simulated.
    pub(crate) manual: bool,
    pub(crate) commands: CommandPolicy,
    /// Keep the journal at this path.
    pub(crate) journal: Option<PathBuf>,
}

/// A rehearsal that is ready to run.
pub(crate) struct Stage {
    driver: Driver,
    world: Arc<InProcessWorld>,
    clock: Arc<VirtualClock>,
    run: RunId,
    inputs: Inputs,
    seed: u64,
    manual: bool,
    began: Timestamp,
    acts: Vec<Act>,
    /// The first event that was not shown yet.
    shown: Seq,
    /// Deletes the folder of a temporary journal when dropped.
    _folder: Option<TempDir>,
}

impl Stage {
    /// Sets up the rehearsal and accepts the run; does not drive it.
    pub(crate) async fn set(file: &PlanFile, inputs: Inputs, props: Props) -> Result<Self, CommandError> {
        let began = Timestamp::from_second(BEGIN).unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = Arc::new(VirtualClock::new(began));
        let mut world = props.world;
        world.set_hosts(Hosts { arm: ARM.to_owned(), login: LOGIN.to_owned(), graph: GRAPH.to_owned() });
        world.add_faults(props.faults);
        for lie in props.lies {
            world.set_lie(lie, true);
        }
        let credentials = credentials::of(&world, &file.plan, &inputs, &props.roles);
        let world = Arc::new(InProcessWorld::new(world, Arc::clone(&clock)));
        let cloud = Cloud::custom(ARM, LOGIN, GRAPH)
            .map_err(|error| CommandError::bug("the simulated cloud cannot be used").cause(&error))?;
        let azure = Azure::new(cloud, credentials, Wire::in_process(world.clone()));
        let (path, folder) = place(props.journal)?;
        let commands = props.commands.supervised_by(step_kinds::supervisor(path.clone())?);
        let registry = Arc::new(registry(Arc::new(azure), commands));
        let opening = Opening::rehearsal(Arc::clone(&registry), clock.clone());
        let backend = Arc::new(SqliteBackend::open(&path, opening).map_err(failures::backend)?);
        let run = RunId::of_seed(props.seed);
        let new = NewRun {
            run,
            plan: Arc::clone(&file.plan),
            text: Arc::clone(&file.text),
            inputs: inputs.clone(),
            starter: people::operator(),
            paused: false,
            seed: props.seed,
            rollout: NewRollout::default(),
        };
        backend.start(new).await.map_err(failures::backend)?;
        let driver = Driver {
            backend,
            performer: Arc::new(Performer::new(registry, clock.clone())),
            clock: clock.clone(),
            stamps: Stamps::Since(began),
            said: Said::default(),
        };
        Ok(Stage {
            driver,
            world,
            clock,
            run,
            inputs,
            seed: props.seed,
            manual: props.manual,
            began,
            acts: Vec::new(),
            shown: Seq(1),
            _folder: folder,
        })
    }

    /// Drives the run and simulates people until no progress is possible.
    pub(crate) async fn play(&mut self, ui: &Ui) -> Result<Driven, CommandError> {
        // Each return reads the whole journal again, so what only time can change is waited for by the driver.
        let options =
            DriveOptions { until_blocked: true, permission_patience: PATIENCE, ..DriveOptions::default() };
        loop {
            let options = options.clone();
            let from = [(self.run, self.shown)];
            let driven = self.driver.drive(ui, &[self.run], &from, options).await?;
            let status = driven.runs.first().map(|(_, status)| status);
            let waits = matches!(status, Some(RunStatus::Waiting { .. } | RunStatus::Undoing));
            if driven.stopped.is_some() || !waits || self.manual {
                return Ok(driven);
            }
            let state = self.driver.backend.load(self.run).await.map_err(failures::backend)?;
            self.shown = Seq(state.seq().0 + 1);
            if !self.people_act(ui, &state).await? {
                return Ok(driven);
            }
        }
    }

    /// Undoes the run.
    pub(crate) async fn take_back(&mut self, ui: &Ui) -> Result<Driven, CommandError> {
        self.signal(Signal::Undo, people::operator()).await?;
        self.play(ui).await
    }

    /// The view of the rehearsal.
    pub(crate) async fn view(&self, driven: &Driven, next: &Next<'_>) -> Result<RehearsalView, CommandError> {
        let queued = RunStatus::Queued;
        let status = driven.runs.first().map_or(&queued, |(_, status)| status);
        let mut run = self.driver.view(self.run, status).await?;
        next.put(&mut run);
        let (requests, writes) = self.world.with(|world| (world.requests().len(), world.effects().len()));
        let ended = self.clock.now();
        Ok(RehearsalView::new(run, self.seed, (self.began, ended), &self.acts, requests, writes))
    }

    /// Simulates the people that the run waits for; returns whether any of them acted.
    async fn people_act(&mut self, ui: &Ui, state: &RunState) -> Result<bool, CommandError> {
        let waits = state.waits();
        let gates: Vec<(StepKey, Option<String>)> = waits
            .iter()
            .filter(|open| open.wait.kind == WaitKind::Approval)
            .map(|open| {
                let approvers = open.wait.approvers.as_ref();
                (open.step.key().clone(), approvers.and_then(|approvers| approvers.by.first().cloned()))
            })
            .collect();
        let mut acted = false;
        if waits.iter().any(|open| open.wait.kind == WaitKind::Person) {
            self.clock.advance(people::ANSWERS_MAIL_AFTER);
            for email in people::addresses(&self.inputs) {
                let now = self.clock.now();
                if !self.world.with(|world| world.redeem(&email, now)).is_empty() {
                    acted = true;
                    self.note(ui, format!("{email} accepts the invitation"));
                }
            }
        }
        for (step, named) in gates {
            self.clock.advance(people::READS_FOR);
            let for_whom = named.as_deref().map(|named| format!(" for {named}")).unwrap_or_default();
            let signal = Signal::Approve { step: step.clone(), speaks_for: named };
            self.signal(signal, people::approver()).await?;
            self.note(ui, format!("{} approves {step}{for_whom}", people::approver()));
            acted = true;
        }
        Ok(acted)
    }

    async fn signal(&self, signal: Signal, actor: Actor) -> Result<(), CommandError> {
        let row = SignalRow { id: SignalId::new(), run: self.run, actor, reason: None, signal };
        self.driver.backend.signal(row).await.map_err(failures::backend)
    }

    fn note(&mut self, ui: &Ui, what: String) {
        let act = Act { at: self.clock.now(), what };
        people::say(ui, &act, self.began);
        self.acts.push(act);
    }
}

/// Path of the journal: as given, or in a temporary folder that is deleted after the rehearsal.
fn place(asked: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>), CommandError> {
    if let Some(path) = asked {
        return Ok((path, None));
    }
    let folder = tempfile::tempdir().map_err(|error| {
        CommandError::new(
            Exit::JournalNotWritable,
            "no temporary folder can be created for the rehearsal's journal",
        )
        .cause(&error)
    })?;
    Ok((folder.path().join("rehearsal.db"), Some(folder)))
}
