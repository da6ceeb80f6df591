//! Where a failure occurs: a simulated world in virtual time, the real client in process, the real engine and its
//! journal.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use twinspan::InProcessWorld;
use twinspan_engine::{
    Actor, Backend, BoxFuture, Clock, DriveOptions, NewRollout, NewRun, Opening, Performer, Recorded, RunId,
    RunState, RunStatus, Runs, Seq, Signal, SignalId, SignalRow, SqliteBackend, StopToken, Transcript,
    VirtualClock,
};
use twinspan_plans::{Inputs, compile, parse};
use twinspan_sim::{Hosts, World};
use twinspan_steps::{
    Azure, Cloud, CommandPolicy, CredentialKind, CredentialSettings, Credentials, IdentitySettings,
    InProcess, SecretReader, SecretRef, TransportFault, Wire, registry,
};

use super::cli::SimulatedCli;
use crate::conformance::stage::credentials;

pub(crate) const ARM: &str = "https://arm.twinspan.invalid";
pub(crate) const LOGIN: &str = "https://login.twinspan.invalid";
const GRAPH: &str = "https://graph.twinspan.invalid";
pub(crate) const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
pub(crate) const FABRIKAM: &str = "22222222-0000-0000-0000-00000000000f";
/// The application with which the person behind `central` and `target` signs in.
pub(crate) const NINA: &str = "55555555-0000-0000-0000-00000000000c";

/// What happens in the world just before a request arrives.
type Meanwhile = Box<dyn FnOnce(&Stage) + Send>;

/// Everything that outlives a process.
pub(crate) struct Stage {
    pub(crate) world: Arc<InProcessWorld>,
    pub(crate) clock: Arc<VirtualClock>,
    /// The Azure CLI of the person behind `central` and `target`.
    pub(crate) cli: Arc<SimulatedCli>,
    way: Arc<Direction>,
    folder: TempDir,
}

/// The connection to the world; actions can be scheduled on it.
struct Direction {
    me: Weak<Direction>,
    world: Arc<InProcessWorld>,
    clock: Arc<VirtualClock>,
    cli: Arc<SimulatedCli>,
    meanwhile: Mutex<Option<(&'static str, &'static str, Meanwhile)>>,
    /// Actions at a time, in order of time.
    later: Mutex<VecDeque<(Timestamp, Meanwhile)>>,
}

impl Direction {
    fn stage(&self) -> Stage {
        let way = self.me.upgrade().unwrap();
        let (world, clock) = (Arc::clone(&self.world), Arc::clone(&self.clock));
        Stage { world, clock, cli: Arc::clone(&self.cli), way, folder: tempfile::tempdir().unwrap() }
    }

    fn next_due(&self) -> Option<Meanwhile> {
        let now = self.clock.now();
        let mut later = self.later.lock().unwrap();
        let due = later.front().is_some_and(|(at, _)| now >= *at);
        due.then(|| later.pop_front().map(|(_, happens)| happens)).flatten()
    }
}

impl InProcess for Direction {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        let fits = |(method, path, _): &mut (&'static str, &'static str, Meanwhile)| {
            let asked = request.uri().path();
            // A path that ends with a slash matches a part; any other matches the end.
            let same = if path.ends_with('/') { asked.contains(*path) } else { asked.ends_with(*path) };
            request.method() == *method && same
        };
        let happens = self.meanwhile.lock().unwrap().take_if(fits);
        if let Some((_, _, happens)) = happens {
            happens(&self.stage());
        }
        while let Some(happens) = self.next_due() {
            happens(&self.stage());
        }
        self.world.call(request)
    }
}

/// What lives until the process ends, such as tokens and learned rate limits.
pub(crate) struct Process {
    backend: SqliteBackend,
    performer: Arc<Performer>,
}

impl Stage {
    pub(crate) fn set(mut world: World) -> Self {
        let began: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let clock = Arc::new(VirtualClock::new(began));
        world.set_hosts(Hosts { arm: ARM.to_owned(), login: LOGIN.to_owned(), graph: GRAPH.to_owned() });
        let world = Arc::new(InProcessWorld::new(world, Arc::clone(&clock)));
        let cli = Arc::new(SimulatedCli::new(Arc::clone(&world), Arc::clone(&clock)));
        let way = Arc::new_cyclic(|me| Direction {
            me: Weak::clone(me),
            cli: Arc::clone(&cli),
            world: Arc::clone(&world),
            clock: Arc::clone(&clock),
            meanwhile: Mutex::default(),
            later: Mutex::default(),
        });
        Stage { world, clock, cli, way, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs `happens` just before the first request with this method whose path contains this part (`/part/`) or
    /// ends with this text.
    pub(crate) fn meanwhile(
        &self,
        method: &'static str,
        path: &'static str,
        happens: impl FnOnce(&Stage) + Send + 'static,
    ) {
        *self.way.meanwhile.lock().unwrap() = Some((method, path, Box::new(happens)));
    }

    /// Runs `happens` this many hours from now, before the next request; to be called in order of time.
    pub(crate) fn after(&self, hours: i64, happens: impl FnOnce(&Stage) + Send + 'static) {
        let at = self.clock.now().saturating_add(SignedDuration::from_hours(hours)).unwrap();
        self.way.later.lock().unwrap().push_back((at, Box::new(happens)));
    }

    /// A new process on the same journal.
    pub(crate) fn process(&self) -> Process {
        self.process_with(self.world.with(|world| credentials(world)))
    }

    /// The same, with the person behind `central` and `target` signed in to the Azure CLI.
    pub(crate) fn process_by_cli(&self) -> Process {
        struct Secret(String);
        impl SecretReader for Secret {
            fn read<'a>(&'a self, _: &'a SecretRef) -> BoxFuture<'a, Result<SecretString, String>> {
                Box::pin(async move { Ok(self.0.clone().into()) })
            }
        }
        let admin = self.world.with(|world| world.sign_in("target-admin", FABRIKAM).unwrap());
        let by_cli = CredentialSettings {
            credential: Some(CredentialKind::AzureCli),
            ..CredentialSettings::default()
        };
        let by_secret = CredentialSettings {
            credential: Some(CredentialKind::ClientSecret),
            client_id: Some(admin.client_id),
            client_secret: Some(SecretRef::Env("SECRET".to_owned())),
            ..CredentialSettings::default()
        };
        let settings = [("central", by_cli.clone()), ("target", by_cli), ("target-admin", by_secret)];
        let settings = settings.map(|(name, everywhere)| {
            (name.to_owned(), IdentitySettings { everywhere, ..IdentitySettings::default() })
        });
        self.process_with(Credentials::new(settings.into(), Arc::new(Secret(admin.client_secret))))
    }

    fn process_with(&self, credentials: Credentials) -> Process {
        let cloud = Cloud::custom(ARM, LOGIN, GRAPH).unwrap();
        let azure = Azure::new(cloud, credentials, Wire::in_process(self.way.clone()));
        let azure = azure.with_azure_cli(self.cli.clone());
        let kinds = Arc::new(registry(Arc::new(azure), CommandPolicy::default()));
        let opening = Opening::rehearsal(Arc::clone(&kinds), self.clock.clone());
        let backend = SqliteBackend::open(&self.folder.path().join("journal.db"), opening).unwrap();
        Process { backend, performer: Arc::new(Performer::new(kinds, self.clock.clone())) }
    }

    /// A request to Azure Resource Manager from another client; it must succeed.
    pub(crate) fn ask(
        &self,
        identity: &str,
        tenant: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Value {
        let now = self.clock.now();
        self.world.with(|world| {
            let sign_in = world.sign_in(identity, tenant).unwrap();
            let form = format!(
                "grant_type=client_credentials&client_id={}&client_secret={}&scope={ARM}/.default",
                sign_in.client_id, sign_in.client_secret
            );
            let request = Request::post(format!("{LOGIN}/{tenant}/oauth2/v2.0/token"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from(form))
                .unwrap();
            let answer = world.handle(request, now).unwrap();
            let token: Value = serde_json::from_slice(answer.body()).unwrap();
            let token = token["access_token"].as_str().unwrap_or_else(|| panic!("no token: {token}"));
            let request = Request::builder()
                .method(method)
                .uri(format!("{ARM}{path}"))
                .header("authorization", format!("Bearer {token}"))
                .body(Bytes::from(body.map(ToString::to_string).unwrap_or_default()))
                .unwrap();
            let answer = world.handle(request, now).unwrap();
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }
}

/// A plan of these steps, in this order unless they state what they need.
pub(crate) fn plan(steps: &[Value]) -> String {
    json!({
        "twinspan": 1,
        "name": "failures",
        "identities": {
            "central": { "tenant": CENTRAL, "contact": "nina.network@contoso.example" },
            "target-admin": { "tenant": FABRIKAM, "contact": "iam@fabrikam.example" },
            "target": { "tenant": FABRIKAM, "contact": "nina.network@contoso.example" },
            "application": { "tenant": FABRIKAM },
        },
        "steps": steps,
    })
    .to_string()
}

impl Process {
    pub(crate) async fn start(&self, text: String, number: u64) -> RunId {
        let document = parse("failures.yaml", text.as_bytes())
            .unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
        let compiled = compile(&document, self.performer.registry().catalog())
            .unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
        let run = RunId::of_seed(number);
        let new = NewRun {
            run,
            plan: Arc::new(compiled.plan),
            text: text.into(),
            inputs: Inputs::default(),
            starter: Actor("nina".to_owned()),
            paused: false,
            seed: number,
            rollout: NewRollout::default(),
        };
        self.backend.start(new).await.unwrap();
        run
    }

    /// Drives until only people are waited for.
    pub(crate) async fn drive(&self, run: RunId) -> RunStatus {
        self.drive_all(vec![run]).await.remove(0)
    }

    pub(crate) async fn drive_all(&self, runs: Vec<RunId>) -> Vec<RunStatus> {
        self.drive_while(runs, true).await
    }

    /// Drives to the end, for as long as it takes.
    pub(crate) async fn drive_on(&self, run: RunId) -> RunStatus {
        self.drive_while(vec![run], false).await.remove(0)
    }

    async fn drive_while(&self, runs: Vec<RunId>, until_blocked: bool) -> Vec<RunStatus> {
        let (_stopper, stop) = StopToken::new();
        let options = DriveOptions { until_blocked, ..DriveOptions::default() };
        let performer = Arc::clone(&self.performer);
        let parked = self.backend.drive(Runs::These(runs), performer, options, stop).await.unwrap();
        parked.runs.into_iter().map(|(_, status)| status).collect()
    }

    pub(crate) async fn signal(&self, run: RunId, signal: Signal) {
        let actor = Actor("olaf".to_owned());
        let row = SignalRow { id: SignalId::new(), run, actor, reason: None, signal };
        self.backend.signal(row).await.unwrap();
    }

    pub(crate) async fn state(&self, run: RunId) -> RunState {
        self.backend.load(run).await.unwrap()
    }

    pub(crate) async fn events(&self, run: RunId) -> Vec<Recorded> {
        let mut all: Vec<Recorded> = Vec::new();
        loop {
            let from = Seq(all.last().map_or(1, |last| last.seq.0 + 1));
            let more = self.backend.read(run, from, None).await.unwrap();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    pub(crate) fn transcripts(&self, run: RunId) -> Vec<Transcript> {
        self.backend.transcripts(run).unwrap()
    }
}
