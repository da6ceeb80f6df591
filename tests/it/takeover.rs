//! A driver with 1,000 open runs is killed: the next one takes them over at once, without waiting for leases to
//! expire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use twinspan_engine::{
    Actor, Backend, BoxFuture, NewRollout, NewRun, Opening, Registry, RunId, SqliteBackend,
};
use twinspan_plans::{Inputs, compile, parse};
use twinspan_steps::{Azure, Cloud, CommandPolicy, Credentials, InProcess, TransportFault, Wire};

use crate::program::{Home, Watched, wait_for};

const RUNS: u64 = 1000;

const PLAN: &str = "\
twinspan: 1
name: rest
summary: A long rest
steps:
  - id: rest
    uses: delay
    with: { for: 12h }
";

/// Plans are compiled here; no request is sent.
struct Nowhere;

impl InProcess for Nowhere {
    fn call(&self, _request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        Box::pin(async { Err(TransportFault::TimedOut) })
    }
}

impl twinspan_steps::SecretReader for Nowhere {
    fn read<'a>(
        &'a self,
        _secret: &'a twinspan_steps::SecretRef,
    ) -> BoxFuture<'a, Result<secrecy::SecretString, String>> {
        Box::pin(async { Err("there is none".to_owned()) })
    }
}

fn registry() -> Arc<Registry> {
    let credentials = Credentials::new([].into(), Arc::new(Nowhere));
    let azure = Azure::new(Cloud::named("public").unwrap(), credentials, Wire::in_process(Arc::new(Nowhere)));
    Arc::new(twinspan_steps::registry(Arc::new(azure), CommandPolicy::deny()))
}

/// Accepts the runs without driving them; with the program it would take one start for each.
fn accept_runs(home: &Home) {
    let registry = registry();
    let document = parse("rest.yaml", PLAN.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let plan = compile(&document, registry.catalog()).unwrap_or_else(|errors| panic!("{errors:?}")).plan;
    let plan = Arc::new(plan);
    let backend = Arc::new(SqliteBackend::open(&home.journal(), Opening::live(registry)).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut accepting = tokio::task::JoinSet::new();
        for seed in 0..RUNS {
            let (backend, plan) = (Arc::clone(&backend), Arc::clone(&plan));
            let new = NewRun {
                run: RunId::of_seed(seed),
                plan,
                text: PLAN.into(),
                inputs: Inputs::default(),
                starter: Actor("nina".to_owned()),
                paused: false,
                seed,
                rollout: NewRollout::default(),
            };
            accepting.spawn(async move { backend.start(new).await.unwrap() });
        }
        accepting.join_all().await;
    });
}

/// Waits until every run is driven by `process`.
fn wait_until_driven_by(home: &Home, process: u32) {
    let name = format!("process {process} on ");
    wait_for("every run to have its driver", Duration::from_secs(60), || {
        let list = home.run(&["list", "--open", "--output", "json"]).expect(0).json();
        let runs = list["runs"].as_array().unwrap();
        let driven = runs.iter().filter(|run| {
            run["driver"].as_str().is_some_and(|driver| driver.starts_with(&name))
                && run["status"] == "waiting"
        });
        (driven.count() as u64 == RUNS).then_some(())
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
fn a_thousand_runs_of_a_killed_driver_are_taken_over_at_once() {
    let home = Home::new();
    accept_runs(&home);
    let killed = Watched::start(&home, "killed", &["resume", "--all"]);
    wait_until_driven_by(&home, killed.id());
    killed.signal("KILL");
    let gone = killed.id();
    killed.end();
    let began = Instant::now();
    let next = Watched::start(&home, "next", &["resume", "--all"]);
    wait_until_driven_by(&home, next.id());
    println!("{RUNS} runs were taken over in {:?}, as `list` shows", began.elapsed());
    // The dead driver's lock is gone, and the next driver has one lock for all its leases.
    let locks = std::fs::read_dir(home.path().join("state/journal.db.drivers")).unwrap().count();
    assert_eq!(locks, 1, "one lock for each driver that lives");
    let events = home.run(&["events", &RunId::of_seed(7).to_string(), "--output", "json"]).expect(0).json();
    let drivers: Vec<&str> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["event"]["driver-took"]["driver"].as_str())
        .collect();
    assert_eq!(drivers.len(), 2, "{drivers:?}");
    assert!(drivers[0].starts_with(&format!("process {gone} on ")), "{drivers:?}");
    next.signal("INT");
    next.end().expect(130);
}
