//! A small world in memory for tests of journal and driver: named resources, and a ledger of every write that reached it.
//! Tests compare with the ledger, never with the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use twinspan_plans::{EffectClass, Identities, Inputs, Plan, compile, parse};

use crate::attempt_log::Exchange;
use crate::backend::{Backend, DriveOptions, NewRollout, NewRun, Parked, Runs, StopToken};
use crate::check::Check;
use crate::clock::{Clock, VirtualClock};
use crate::error::BackendError;
use crate::failure::{FailureClass, StepError};
use crate::ids::ClaimKey;
use crate::ids::RunId;
use crate::journal::Opening;
use crate::kind_meta::{KindMeta, WriteMeta};
use crate::observation::{Applied, Marker, Observed, Undone};
use crate::perform::Performer;
use crate::registry::Registry;
use crate::signal::Actor;
use crate::sqlite_backend::SqliteBackend;
use crate::step::{Step, StepCx};
use crate::wait::{Wait, WaitKind};

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    things: Mutex<BTreeMap<String, String>>,
    ledger: Mutex<Vec<String>>,
    /// Acts of people.
    acts: Mutex<BTreeSet<String>>,
    /// How many slow writes may take effect.
    pub(crate) gate: Semaphore,
    /// How many slow writes are in flight.
    pub(crate) on_the_way: tokio::sync::watch::Sender<usize>,
    /// Writes whose response is lost, once each.
    pub(crate) lose: Mutex<BTreeSet<String>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(World {
            things: Mutex::default(),
            ledger: Mutex::default(),
            acts: Mutex::default(),
            gate: Semaphore::new(0),
            on_the_way: tokio::sync::watch::channel(0).0,
            lose: Mutex::default(),
        })
    }

    /// Every write that reached the world, in order.
    pub(crate) fn ledger(&self) -> Vec<String> {
        self.ledger.lock().unwrap().clone()
    }

    /// Adds a pre-existing resource.
    pub(crate) fn place(&self, name: &str) {
        self.things.lock().unwrap().insert(name.to_owned(), "v".to_owned());
    }

    /// Performs the act that a step waits for.
    pub(crate) fn act(&self, what: &str) {
        self.acts.lock().unwrap().insert(what.to_owned());
    }
}

impl ThingParams {
    /// A claimed name is shared by all runs and has no marker; any other name belongs to one run.
    fn place(&self, cx: &StepCx<'_>) -> String {
        if self.claim { self.name.clone() } else { format!("{}/{}", cx.run, self.name) }
    }

    fn marker(&self, cx: &StepCx<'_>) -> Marker {
        if self.claim { Marker::NoPlace } else { Marker::Of(cx.run.short()) }
    }
}

/// Creates a resource.
pub(crate) struct Thing(pub(crate) Arc<World>);

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct ThingParams {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
    /// Its write waits for the world's semaphore.
    #[serde(default)]
    slow: bool,
    /// It claims its name against other runs.
    #[serde(default)]
    claim: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct ThingOutput {
    /// Its name.
    name: String,
}

impl Step for Thing {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        ..KindMeta::writes(
            "thing",
            "Create a resource",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::ZERO,
                request_window: Duration::ZERO,
            },
        )
    };

    type Params = ThingParams;
    type Output = ThingOutput;

    fn example() -> ThingParams {
        ThingParams { name: "a".to_owned(), value: "b".to_owned(), slow: false, claim: false }
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &ThingParams) -> Vec<ClaimKey> {
        if params.claim { vec![ClaimKey(format!("thing/{}", params.name))] } else { Vec::new() }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &ThingParams) -> Result<Observed<ThingOutput>, StepError> {
        // Two values stand for a resource that cannot be read.
        let unreadable = |class| Err(StepError::new(class, format!("404: {}", params.value)));
        match params.value.as_str() {
            "in a missing parent" => return unreadable(FailureClass::ReplicationLag),
            "forbidden" => return unreadable(FailureClass::Policy),
            _ => {}
        }
        let things = self.0.things.lock().unwrap();
        Ok(if things.contains_key(&params.place(cx)) {
            Observed::Present { output: ThingOutput { name: params.name.clone() }, marker: params.marker(cx) }
        } else {
            Observed::Absent
        })
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &ThingParams) -> Result<Applied, StepError> {
        cx.log.take_write(&params.name)?;
        let began = cx.now();
        if params.slow {
            self.0.on_the_way.send_modify(|count| *count += 1);
            self.0.gate.acquire().await.unwrap().forget();
        }
        self.0.things.lock().unwrap().insert(params.place(cx), params.value.clone());
        self.0.ledger.lock().unwrap().push(params.name.clone());
        cx.log.record(Exchange {
            verb: "PUT".to_owned(),
            target: format!("/things/{}", params.name),
            status: Some(200),
            began,
            ended: cx.now(),
            identity: "none".to_owned(),
            acted_as: Vec::new(),
            write: true,
            created: None,
            references: Vec::new(),
            sent: None,
            received: None,
            sent_by: None,
        });
        if self.0.lose.lock().unwrap().remove(&params.name) {
            return Err(StepError::new(FailureClass::Transient, "the response was lost").unknown());
        }
        Ok(Applied::default())
    }

    async fn undo(
        &self,
        cx: &StepCx<'_>,
        params: &ThingParams,
        _found: &ThingOutput,
    ) -> Result<Undone, StepError> {
        cx.log.take_write(&params.name)?;
        self.0.things.lock().unwrap().remove(&params.place(cx));
        self.0.ledger.lock().unwrap().push(format!("-{}", params.name));
        Ok(Undone::Removed)
    }
}

/// Waits for a person.
pub(crate) struct Person(pub(crate) Arc<World>);

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct PersonParams {
    /// What the person does.
    act: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct PersonOutput {}

impl Check for Person {
    const META: KindMeta =
        KindMeta { identities: Identities::None, ..KindMeta::reads("person", "Wait for a person") };

    type Params = PersonParams;
    type Output = PersonOutput;

    fn example() -> PersonParams {
        PersonParams { act: "a".to_owned() }
    }

    async fn check(
        &self,
        _cx: &StepCx<'_>,
        params: &PersonParams,
    ) -> Result<Observed<PersonOutput>, StepError> {
        if self.0.acts.lock().unwrap().contains(&params.act) {
            return Ok(Observed::Present { output: PersonOutput {}, marker: Marker::NoPlace });
        }
        let wait = Wait::new(WaitKind::Person, format!("{} is not done", params.act));
        Ok(Observed::Converging { wait, marker: Marker::NoPlace })
    }
}

/// The kinds of this world.
pub(crate) fn registry(world: &Arc<World>) -> Arc<Registry> {
    Arc::new(Registry::new().with(Thing(Arc::clone(world))).check(Person(Arc::clone(world))))
}

/// A plan of `steps` resources, each needing the one before.
pub(crate) fn chain(steps: usize) -> String {
    let mut text = "twinspan: 1\nname: chain\nsummary: A chain\nsteps:\n".to_owned();
    for number in 0..steps {
        text.push_str(&format!("  - id: s{number}\n    uses: thing\n"));
        if number > 0 {
            text.push_str(&format!("    needs: [s{}]\n", number - 1));
        }
        text.push_str(&format!("    with: {{ name: s{number}, value: v }}\n"));
    }
    text
}

/// A plan whose steps are written out.
pub(crate) fn plan_of(steps: &str) -> String {
    format!("twinspan: 1\nname: trial\nsummary: A trial\nsteps:\n{steps}")
}

pub(crate) fn compiled(text: &str, registry: &Registry) -> Arc<Plan> {
    let document =
        parse("trial.yaml", text.as_bytes()).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    let compiled =
        compile(&document, registry.catalog()).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
    Arc::new(compiled.plan)
}

/// Noon of an ordinary day.
pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// A world, a virtual clock and a journal in a folder of its own.
pub(crate) struct Trial {
    pub(crate) world: Arc<World>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) folder: tempfile::TempDir,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let registry = registry(&world);
        let clock = Arc::new(VirtualClock::new(noon()));
        Trial { world, registry, clock, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("journal.db")
    }

    pub(crate) fn opening(&self) -> Opening {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Opening::rehearsal(Arc::clone(&self.registry), clock)
    }

    pub(crate) fn open(&self) -> SqliteBackend {
        SqliteBackend::open(&self.path(), self.opening()).unwrap()
    }

    pub(crate) fn performer(&self) -> Arc<Performer> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Arc::new(Performer::new(Arc::clone(&self.registry), clock))
    }

    pub(crate) fn run(&self, number: u64, text: &str) -> NewRun {
        new_run(&self.registry, number, text)
    }

    pub(crate) async fn drive(&self, backend: &SqliteBackend, run: RunId) -> Result<Parked, BackendError> {
        let (_stopper, stop) = StopToken::new();
        let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
        backend.drive(Runs::These(vec![run]), self.performer(), options, stop).await
    }
}

pub(crate) fn new_run(registry: &Registry, number: u64, text: &str) -> NewRun {
    NewRun {
        run: RunId::of_seed(number),
        plan: compiled(text, registry),
        text: text.into(),
        inputs: Inputs::default(),
        starter: Actor("nina".to_owned()),
        paused: false,
        seed: number,
        rollout: NewRollout::default(),
    }
}
