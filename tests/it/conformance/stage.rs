//! Where a case runs: a simulated world in virtual time, a journal, and processes that start and are killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use twinspan::InProcessWorld;
use twinspan_engine::{
    Actor, Backend, BackendError, BoxFuture, Choice, Clock, CutPoints, DriveOptions, FailureClass,
    NewRollout, NewRun, Opening, Performer, Registry, RunId, RunState, RunStatus, Runs, Signal, SignalId,
    SignalRow, SqliteBackend, StepKey, StepState, StopToken, VirtualClock, WaitKind,
};
use twinspan_plans::{Inputs, compile, parse};
use twinspan_sim::{Change, Fault, FaultName, Hosts, World};
use twinspan_steps::{
    Azure, Cloud, CommandPolicy, CredentialKind, CredentialSettings, Credentials, IdentitySettings,
    InProcess, SecretReader, SecretRef, Supervisor, TransportFault, Wire, registry,
};

use super::cases::{Act, Case, plan};
use super::replies::Chain;
use crate::specification::book::{Book, CONFORMANCE};

const ARM: &str = "https://arm.twinspan.invalid";
const LOGIN: &str = "https://login.twinspan.invalid";
const GRAPH: &str = "https://graph.twinspan.invalid";

/// Prepared worlds, by the case's name.
static PREPARED: LazyLock<Mutex<BTreeMap<String, Prepared>>> = LazyLock::new(Mutex::default);

/// A world after the preparing steps.
#[derive(Clone)]
struct Prepared {
    world: World,
    now: Timestamp,
    /// What a program on this machine wrote.
    scratch: Option<String>,
}

/// Everything that outlives a process.
pub(crate) struct Stage {
    pub(crate) world: Arc<InProcessWorld>,
    pub(crate) way: Arc<Direction>,
    clock: Arc<VirtualClock>,
    folder: TempDir,
}

/// The connection to the world: counts the requests, and lets one fail.
pub(crate) struct Direction {
    world: Arc<InProcessWorld>,
    /// Records how requests and responses differ from Microsoft's specifications.
    book: Arc<Book>,
    state: Mutex<WayState>,
}

#[derive(Default)]
struct WayState {
    calls: Vec<String>,
    fault: Option<(usize, FaultName)>,
    wrong: Option<Chain>,
}

/// What exists until the process is killed.
pub(crate) struct Process {
    backend: SqliteBackend,
    performer: Arc<Performer>,
}

/// Where a run stopped before its end and needed a person.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// A step waited.
    Waited(WaitKind, String),
    /// A step failed, or its undo stopped.
    Failed(FailureClass, String),
    /// A person had to decide, and adopted the resource as it is.
    Adopted(String),
    /// The run does not end, whatever is done.
    Stuck(String),
}

impl Direction {
    /// Starts counting requests; the one with this number (from 0) fails.
    pub(crate) fn begin(&self, fault: Option<(usize, FaultName)>) {
        *self.state.lock().unwrap() = WayState { fault, ..WayState::default() };
    }

    /// Starts counting requests; some get wrong replies.
    pub(super) fn begin_wrong(&self, chain: Chain) {
        *self.state.lock().unwrap() = WayState { wrong: Some(chain), ..WayState::default() };
    }

    /// How many wrong replies were not used.
    pub(super) fn wrong_left(&self) -> usize {
        self.state.lock().unwrap().wrong.as_ref().map_or(0, Chain::left)
    }

    /// Every request since then: method and path.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }
}

impl InProcess for Direction {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        let mut state = self.state.lock().unwrap();
        let number = state.calls.len();
        state.calls.push(format!("{} {}", request.method(), request.uri().path()));
        let fault = state.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if let Some(fault) = fault {
            let method = request.method().to_string();
            self.world.with(|world| world.add_faults([Fault::once(&method, "", fault)]));
        }
        let wrong = state.wrong.as_mut().and_then(|chain| chain.next(number, &request));
        drop(state);
        if let Some(wrong) = wrong {
            return Box::pin(async move { Ok(wrong.instead_of(&self.world.call(request).await?)) });
        }
        self.book.through(&*self.world, request, fault.is_none_or(is_an_answer_of_azures))
    }
}

/// Whether the response to this fault comes from Azure itself.
fn is_an_answer_of_azures(fault: FaultName) -> bool {
    !matches!(
        fault,
        FaultName::Status503Html
            | FaultName::AcceptedThenFailed
            | FaultName::LostOperationUrl
            | FaultName::WrongJson
    )
}

/// The world's own secrets, by client id.
struct Secrets(BTreeMap<String, String>);

impl SecretReader for Secrets {
    fn read<'a>(&'a self, secret: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
        let found = match secret {
            SecretRef::Env(client_id) => self.0.get(client_id).cloned(),
            SecretRef::File(_) | SecretRef::Command(_) => None,
        };
        Box::pin(async move { found.map(SecretString::from).ok_or_else(|| "no such secret".to_owned()) })
    }
}

/// Each identity signs in with the world's own secrets.
pub(crate) fn credentials(world: &World) -> Credentials {
    let ready = world.introduction("");
    let mut settings: BTreeMap<String, IdentitySettings> = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for identity in ["central", "target-admin", "target"] {
        for label in ["central", "target"] {
            let tenant = ready["tenants"][label]["id"].as_str().unwrap();
            let Some(sign_in) = world.sign_in(identity, tenant) else { continue };
            let entry = CredentialSettings {
                credential: Some(CredentialKind::ClientSecret),
                client_id: Some(sign_in.client_id.clone()),
                client_secret: Some(SecretRef::Env(sign_in.client_id.clone())),
                ..CredentialSettings::default()
            };
            settings.entry(identity.to_owned()).or_default().tenants.insert(tenant.to_owned(), entry);
            secrets.insert(sign_in.client_id, sign_in.client_secret);
        }
    }
    // An identity for which no plan of the library has a name.
    if let Some(sign_in) = world.application() {
        let everywhere = CredentialSettings {
            credential: Some(CredentialKind::ClientSecret),
            client_id: Some(sign_in.client_id.clone()),
            client_secret: Some(SecretRef::Env(sign_in.client_id.clone())),
            ..CredentialSettings::default()
        };
        let entry = IdentitySettings { everywhere, ..IdentitySettings::default() };
        settings.insert("application".to_owned(), entry);
        secrets.insert(sign_in.client_id, sign_in.client_secret);
    }
    Credentials::new(settings, Arc::new(Secrets(secrets)))
}

/// The kinds of the program, acting in this world.
fn kinds(world: &World, way: Arc<dyn InProcess>, journal: &Path) -> Registry {
    let cloud = Cloud::custom(ARM, LOGIN, GRAPH).unwrap();
    let azure = Azure::new(cloud, credentials(world), Wire::in_process(way));
    let programs = ["/bin/sh", "/usr/bin/test"].map(PathBuf::from);
    let supervisor =
        Supervisor::new(env!("CARGO_BIN_EXE_twinspan"), [OsString::from("supervise")], journal.to_owned());
    registry(Arc::new(azure), CommandPolicy::allow(programs).supervised_by(supervisor))
}

/// The kinds of the program, for their descriptions only.
pub(crate) fn described() -> Registry {
    let world = World::shipped().unwrap();
    let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
    kinds(&World::shipped().unwrap(), Arc::new(InProcessWorld::new(world, clock)), Path::new("none"))
}

impl Stage {
    /// A stage in this world, before any request.
    pub(crate) fn of(world: World) -> Self {
        Stage::noted_of(world, &CONFORMANCE)
    }

    fn noted_of(mut world: World, book: &Arc<Book>) -> Self {
        world.set_hosts(Hosts { arm: ARM.to_owned(), login: LOGIN.to_owned(), graph: GRAPH.to_owned() });
        Stage::at(world, "2026-11-23T12:00:00Z".parse().unwrap(), book)
    }

    fn at(world: World, now: Timestamp, book: &Arc<Book>) -> Self {
        let clock = Arc::new(VirtualClock::new(now));
        let world = Arc::new(InProcessWorld::new(world, Arc::clone(&clock)));
        let way = Arc::new(Direction {
            world: Arc::clone(&world),
            book: Arc::clone(book),
            state: Mutex::default(),
        });
        Stage { world, way, clock, folder: tempfile::tempdir().unwrap() }
    }

    /// A world in which everything exists except what the case creates. It is prepared once and copied from then on.
    pub(crate) async fn set(case: &Case) -> Self {
        let known = PREPARED.lock().unwrap().get(&case.name).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let stage = Stage::noted(case, &CONFORMANCE).await;
                let prepared = stage.prepared();
                PREPARED.lock().unwrap().insert(case.name.clone(), prepared.clone());
                prepared
            }
        };
        let stage = Stage::at(prepared.world, prepared.now, &CONFORMANCE);
        if let Some(text) = prepared.scratch {
            std::fs::write(stage.scratch(), text).unwrap();
        }
        stage
    }

    fn prepared(&self) -> Prepared {
        let scratch = std::fs::read_to_string(self.scratch()).ok();
        Prepared { world: self.world.with(|world| world.clone()), now: self.clock.now(), scratch }
    }

    /// The same, prepared anew; differences from the specifications are recorded in `book`.
    pub(crate) async fn noted(case: &Case, book: &Arc<Book>) -> Self {
        let stage = Stage::noted_of((case.world)(), book);
        if !case.first.is_empty() {
            let acts: Vec<&Act> = case.first.iter().collect();
            let process = stage.process(None);
            let run = stage.accept(&process, &acts, 99).await.unwrap();
            let stops = process.finish(run).await.unwrap();
            assert_eq!(stops, [], "{}: the preparing steps do not reach their end", case.name);
        }
        stage.way.begin(None);
        stage
    }

    /// A new process: all it knows is in the journal.
    pub(crate) fn process(&self, cut: Option<Arc<dyn CutPoints>>) -> Process {
        self.process_at("journal.db", cut)
    }

    /// The same with a journal of its own.
    pub(crate) fn process_at(&self, journal: &str, cut: Option<Arc<dyn CutPoints>>) -> Process {
        let path = self.folder.path().join(journal);
        let kinds = Arc::new(self.world.with(|world| kinds(world, self.way.clone(), &path)));
        let mut opening = Opening::rehearsal(Arc::clone(&kinds), self.clock.clone());
        if let Some(cut) = cut {
            opening = opening.cut_points(cut).without_lingering();
        }
        let backend = SqliteBackend::open(&path, opening).unwrap();
        Process { backend, performer: Arc::new(Performer::new(kinds, self.clock.clone())) }
    }

    pub(crate) async fn accept(
        &self,
        process: &Process,
        acts: &[&Act],
        number: u64,
    ) -> Result<RunId, BackendError> {
        let text = plan(acts, self.scratch().to_str().unwrap());
        self.accept_text(process, text, Inputs::default(), number).await
    }

    /// Accepts a plan, as the run of this number.
    pub(crate) async fn accept_text(
        &self,
        process: &Process,
        text: String,
        inputs: Inputs,
        number: u64,
    ) -> Result<RunId, BackendError> {
        let document = parse("conformance.yaml", text.as_bytes())
            .unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
        let compiled = compile(&document, process.performer.registry().catalog())
            .unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
        let run = RunId::of_seed(number);
        let new = NewRun {
            run,
            plan: Arc::new(compiled.plan),
            text: text.into(),
            inputs,
            starter: Actor("nina".to_owned()),
            paused: false,
            seed: number,
            rollout: NewRollout::default(),
        };
        process.backend.start(new).await.map(|_| run)
    }

    /// The case's own plan, as the run of this number.
    pub(crate) async fn start(
        &self,
        process: &Process,
        case: &Case,
        number: u64,
    ) -> Result<RunId, BackendError> {
        self.accept(process, &[&case.act], number).await
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// What exists after the consistency delay. Mails do not count: they cannot be undone.
    pub(crate) fn what_exists(&self) -> Value {
        self.clock.advance(SignedDuration::from_mins(1));
        let request = Request::get(format!("{ARM}/_sim/state")).body(Bytes::new()).unwrap();
        let answer = self.world.with(|world| world.handle(request, self.clock.now())).unwrap();
        let mut exists: Value = serde_json::from_slice(answer.body()).unwrap();
        if let Some(fields) = exists.as_object_mut() {
            assert!(fields.remove("mails").is_some() && fields.contains_key("network"), "{fields:?}");
        }
        json!({ "azure": exists, "command": std::fs::read_to_string(self.scratch()).ok() })
    }

    /// How many writes have arrived so far.
    pub(crate) fn writes(&self) -> usize {
        self.world.with(|world| world.effects().len())
    }

    /// Changes since the write with this number. A request that was delivered twice counts once; names that the
    /// directory generates are left out.
    pub(crate) fn changes_since(&self, writes: usize) -> Vec<String> {
        self.world.with(|world| {
            let mut seen = Vec::new();
            let mut changes = Vec::new();
            for effect in &world.effects()[writes..] {
                let delivery = (&effect.client_request_id, &effect.method, &effect.path);
                if effect.change != Change::None && !seen.contains(&delivery) {
                    seen.push(delivery);
                    changes.push(format!("{} {} {:?}", effect.method, undrawn(&effect.path), effect.change));
                }
            }
            changes
        })
    }

    /// The last write that changed something, if no successful read came after it.
    pub(crate) fn unread_write(&self) -> Option<String> {
        self.world.with(|world| {
            let last = world.effects().iter().rfind(|effect| effect.change != Change::None)?;
            let requests = world.requests();
            let at = requests.iter().rposition(|request| {
                (&request.method, &request.path) == (&last.method, &last.path)
                    && request.client_request_id == last.client_request_id
            })?;
            let read = requests[at..]
                .iter()
                .any(|request| reads(&request.method, &request.path) && matches!(request.status, 200 | 404));
            (!read).then(|| format!("{} {}", last.method, last.path))
        })
    }
}

/// Whether such a request changes nothing: some lists are read with POST.
pub(super) fn reads(method: &str, path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    method == "GET" || (method == "POST" && last.to_ascii_lowercase().starts_with("list"))
}

fn undrawn(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((list @ ("/v1.0/users" | "/v1.0/servicePrincipals"), _)) => list,
        _ => path,
    }
}

impl Process {
    /// State of the step that is tried.
    pub(crate) async fn step(&self, run: RunId) -> Option<StepState> {
        self.state(run).await.find(&StepKey::from("s0"))?.state().cloned()
    }

    pub(crate) async fn state(&self, run: RunId) -> RunState {
        self.backend.load(run).await.unwrap()
    }

    /// Problems that the check of the journal finds.
    pub(crate) fn problems(&self, run: RunId) -> Vec<String> {
        self.backend.verify_journal(run).unwrap().problems
    }

    pub(crate) async fn signal(&self, run: RunId, signal: Signal) -> Result<(), BackendError> {
        let actor = Actor("olaf".to_owned());
        self.backend.signal(SignalRow { id: SignalId::new(), run, actor, reason: None, signal }).await
    }

    pub(crate) async fn drive(&self, run: RunId) -> Result<RunStatus, BackendError> {
        let (_stopper, stop) = StopToken::new();
        let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
        let performer = Arc::clone(&self.performer);
        let parked = self.backend.drive(Runs::These(vec![run]), performer, options, stop).await?;
        Ok(parked.runs[0].1.clone())
    }

    /// Drives a run to its end: approves waiting approvals; checks again, retries, or adopts where the run stopped.
    pub(crate) async fn finish(&self, run: RunId) -> Result<Vec<Stop>, BackendError> {
        let mut stops = Vec::new();
        for _ in 0..5 {
            let status = self.drive(run).await?;
            if matches!(status, RunStatus::Done { .. } | RunStatus::Undone) {
                return Ok(stops);
            }
            let state = self.state(run).await;
            let waits = state.waits();
            for open in &waits {
                if open.wait.kind == WaitKind::Approval {
                    self.signal(run, Signal::Approve { step: open.step.key().clone(), speaks_for: None })
                        .await?;
                } else {
                    stops.push(Stop::Waited(open.wait.kind, open.wait.what.clone()));
                }
            }
            for item in state.steps() {
                match item.state() {
                    Some(StepState::Failed { error, .. } | StepState::UndoStopped { error }) => {
                        stops.push(Stop::Failed(error.class, error.message.clone()));
                        self.signal(run, Signal::Retry { step: None }).await?;
                    }
                    Some(StepState::NeedsDecision { decision, .. }) => {
                        stops.push(Stop::Adopted(decision.what.clone()));
                        let (step, choice) = (item.key().clone(), Choice::Adopt);
                        self.signal(run, Signal::Decide { step, choice }).await?;
                    }
                    _ => {}
                }
            }
        }
        let state = self.state(run).await;
        let stands: Vec<String> =
            state.steps().filter_map(|item| Some(format!("{} is {:?}", item.key(), item.state()?))).collect();
        stops.push(Stop::Stuck(stands.join("; ")));
        Ok(stops)
    }
}
