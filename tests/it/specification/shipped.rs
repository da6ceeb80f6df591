//! The shipped plans with their example inputs, previewed, run to the end and undone, in each of the simulator's
//! worlds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;
use twinspan::InProcessWorld;
use twinspan_engine::{
    Actor, Backend, BoxFuture, Clock, DriveOptions, NewRollout, NewRun, Opening, Performer, Rollout, RunId,
    RunStatus, Runs, Signal, SignalId, SignalRow, SqliteBackend, StopToken, VirtualClock, WaitKind, preview,
};
use twinspan_plans::{Inputs, Plan, RawInputs, compile, parse};
use twinspan_sim::{Hosts, SignIn, World};
use twinspan_steps::readiness::{self, Asked};
use twinspan_steps::{
    Azure, Cloud, CommandPolicy, CredentialKind, CredentialSettings, Credentials, IdentitySettings,
    InProcess, SecretReader, SecretRef, TransportFault, Wire, registry,
};

use super::book::Book;
use crate::program::shipped;

const ARM: &str = "https://arm.twinspan.invalid";
const LOGIN: &str = "https://login.twinspan.invalid";
const GRAPH: &str = "https://graph.twinspan.invalid";

/// How often people act before the play is given up.
const ROUNDS: usize = 40;

/// A plan and its inputs.
struct Play {
    plan: PathBuf,
    inputs: Option<PathBuf>,
}

/// The result of a play.
pub(super) struct Played {
    /// The file of inputs, or the plan that takes none.
    pub(super) name: String,
    pub(super) world: &'static str,
    /// The run succeeded.
    pub(super) succeeded: bool,
    /// The run was undone afterwards.
    pub(super) undone: bool,
}

/// The world, with every exchange recorded.
struct Noted {
    world: Arc<InProcessWorld>,
    book: Arc<Book>,
}

impl InProcess for Noted {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        self.book.through(&*self.world, request, true)
    }
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

/// Every shipped plan with every file of inputs beside it.
fn plays() -> Vec<Play> {
    let folder = PathBuf::from(shipped(""));
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let (inputs, plans): (Vec<PathBuf>, Vec<PathBuf>) = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .partition(|path| name(path).ends_with(".inputs.yaml"));
    let mut plays = Vec::new();
    for plan in plans {
        let stem = name(&plan).trim_end_matches("yaml").to_owned();
        let mut own = inputs.iter().filter(|path| name(path).starts_with(&stem)).peekable();
        if own.peek().is_none() {
            plays.push(Play { plan: plan.clone(), inputs: None });
        }
        plays.extend(own.map(|inputs| Play { plan: plan.clone(), inputs: Some(inputs.clone()) }));
    }
    plays
}

/// The sign-in for a tenant: the person of that name, or the application where the inputs name it instead of a
/// guest.
fn sign_in(world: &World, application: Option<&SignIn>, identity: &str, tenant: &str) -> Option<SignIn> {
    match (world.sign_in(identity, tenant), application) {
        (Some(person), Some(application)) if !person.home.eq_ignore_ascii_case(tenant) => {
            Some(application.clone())
        }
        (None, application) => application.cloned(),
        (person, _) => person,
    }
}

fn credentials(world: &World, plan: &Plan, inputs: &Inputs) -> Credentials {
    let ready = world.introduction("");
    let said = serde_json::to_string(&inputs.0).unwrap();
    let application = world.application().filter(|application| said.contains(&application.client_id));
    let mut settings: BTreeMap<String, IdentitySettings> = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for identity in &plan.identities {
        let entry = settings.entry(identity.name.clone()).or_default();
        entry.everywhere.credential = Some(CredentialKind::None);
        for tenant in ready["tenants"].as_object().unwrap().values() {
            let tenant = tenant["id"].as_str().unwrap();
            let Some(found) = sign_in(world, application.as_ref(), &identity.name, tenant) else { continue };
            let special = CredentialSettings {
                credential: Some(CredentialKind::ClientSecret),
                client_id: Some(found.client_id.clone()),
                client_secret: Some(SecretRef::Env(found.client_id.clone())),
                ..CredentialSettings::default()
            };
            entry.tenants.insert(tenant.to_owned(), special);
            secrets.insert(found.client_id, found.client_secret);
        }
    }
    Credentials::new(settings, Arc::new(Secrets(secrets)))
}

fn world(name: &str) -> World {
    let world = match name {
        "shipped" => World::shipped(),
        "ready" => World::ready(),
        "connected" => World::connected(),
        _ => World::least_privilege(),
    };
    world.unwrap()
}

/// Plays every shipped plan in every world.
pub(super) async fn play_all(book: &Arc<Book>) -> Vec<Played> {
    let mut all = Vec::new();
    for play in plays() {
        for name in ["shipped", "ready", "connected", "least-privilege"] {
            let file = play.inputs.as_ref().unwrap_or(&play.plan).file_name().unwrap().to_str().unwrap();
            let (succeeded, undone) = play.run(world(name), book).await;
            all.push(Played { name: file.to_owned(), world: name, succeeded, undone });
        }
    }
    all
}

impl Play {
    async fn run(&self, mut world: World, book: &Arc<Book>) -> (bool, bool) {
        let clock = Arc::new(VirtualClock::new("2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap()));
        world.set_hosts(Hosts { arm: ARM.to_owned(), login: LOGIN.to_owned(), graph: GRAPH.to_owned() });
        let world = Arc::new(InProcessWorld::new(world, Arc::clone(&clock)));
        let azure = |credentials| {
            let noted = Noted { world: Arc::clone(&world), book: Arc::clone(book) };
            let cloud = Cloud::custom(ARM, LOGIN, GRAPH).unwrap();
            Arc::new(Azure::new(cloud, credentials, Wire::in_process(Arc::new(noted))))
        };
        let registry = |azure: &Arc<Azure>| registry(Arc::clone(azure), CommandPolicy::pretend());
        let without = registry(&azure(Credentials::new(BTreeMap::new(), Arc::new(Secrets(BTreeMap::new())))));
        let text = fs::read(&self.plan).unwrap();
        let document = parse(self.plan.to_str().unwrap(), &text)
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        let plan =
            compile(&document, without.catalog()).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        let plan = Arc::new(plan.plan);
        let mut raw = RawInputs::new();
        if let Some(path) = &self.inputs {
            let folder = path.parent().unwrap();
            let mut read = |name: &str| fs::read(folder.join(name)).map_err(|error| error.to_string());
            raw.file(path.to_str().unwrap(), &fs::read(path).unwrap(), &mut read)
                .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        }
        let inputs = plan.bind(&raw).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        let azure = azure(world.with(|world| credentials(world, &plan, &inputs)));
        let kinds = Arc::new(registry(&azure));
        let folder = tempfile::tempdir().unwrap();
        let opening = Opening::rehearsal(Arc::clone(&kinds), clock.clone());
        let backend = SqliteBackend::open(&folder.path().join("journal.db"), opening).unwrap();
        let performer = Arc::new(Performer::new(kinds, clock.clone()));
        let run = RunId::of_seed(1);
        let mails = mails(&serde_json::to_value(&inputs.0).unwrap());
        let seen =
            preview(Arc::clone(&plan), inputs.clone(), run, Rollout::default(), Arc::clone(&performer))
                .await
                .unwrap();
        let steps = Asked::all(&plan, &seen);
        let shared: Arc<dyn Clock> = clock.clone();
        readiness::look(&azure, &shared, run, &steps).await.unwrap();
        let new = NewRun {
            run,
            plan,
            text: document.source().text.as_str().into(),
            inputs,
            starter: Actor("nina".to_owned()),
            paused: false,
            seed: 1,
            rollout: NewRollout::default(),
        };
        backend.start(new).await.unwrap();
        let theatre = Theatre { backend, performer, world, clock, run, mails };
        let succeeded = matches!(theatre.play().await, RunStatus::Done { .. });
        theatre.signal(Signal::Undo).await;
        let undone = matches!(theatre.play().await, RunStatus::Undone);
        (succeeded, undone)
    }
}

struct Theatre {
    backend: SqliteBackend,
    performer: Arc<Performer>,
    world: Arc<InProcessWorld>,
    clock: Arc<VirtualClock>,
    run: RunId,
    mails: Vec<String>,
}

impl Theatre {
    async fn signal(&self, signal: Signal) {
        let actor = Actor("olaf".to_owned());
        let row = SignalRow { id: SignalId::new(), run: self.run, actor, reason: None, signal };
        self.backend.signal(row).await.unwrap();
    }

    /// Drives until the run has ended, or people have acted often enough.
    async fn play(&self) -> RunStatus {
        let mut status = RunStatus::Queued;
        for _ in 0..ROUNDS {
            let (_stopper, stop) = StopToken::new();
            let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
            let runs = Runs::These(vec![self.run]);
            let parked = self.backend.drive(runs, Arc::clone(&self.performer), options, stop).await.unwrap();
            status = parked.runs[0].1.clone();
            if !matches!(status, RunStatus::Waiting { .. } | RunStatus::Undoing) {
                break;
            }
            let state = self.backend.load(self.run).await.unwrap();
            for open in state.waits() {
                if open.wait.kind == WaitKind::Approval {
                    let speaks_for =
                        open.wait.approvers.as_ref().and_then(|approvers| approvers.by.first().cloned());
                    self.signal(Signal::Approve { step: open.step.key().clone(), speaks_for }).await;
                }
            }
            self.clock.advance(SignedDuration::from_mins(7));
            for mail in &self.mails {
                let now = self.clock.now();
                self.world.with(|world| world.redeem(mail, now));
            }
        }
        status
    }
}

/// Every mail address in the inputs.
fn mails(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.contains('@') => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(mails).collect(),
        Value::Object(fields) => fields.values().flat_map(mails).collect(),
        _ => Vec::new(),
    }
}
