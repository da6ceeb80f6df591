//! How fast it is, beside a bare loop of SQLite transactions in the same run. By hand:
//! `cargo test --release -p twinspan-engine --lib speed -- --ignored --nocapture --test-threads 1`

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::time::Instant;

use crate::backend::{Backend, DriveOptions, Opening, Runs, SqliteBackend, StopToken};
use crate::clock::SystemClock;
use crate::driver::trial::{Trial, chain, new_run, plan_of};
use crate::ids::{RunId, Seq};
use crate::perform::Performer;

fn backend(trial: &Trial) -> SqliteBackend {
    trial.world.silent.store(true, Ordering::Relaxed);
    SqliteBackend::open(&trial.path(), Opening::live(Arc::clone(&trial.registry))).unwrap()
}

fn performer(trial: &Trial) -> Arc<Performer> {
    Arc::new(Performer::new(Arc::clone(&trial.registry), Arc::new(SystemClock)))
}

/// Time of one durable transaction of an insert and an update.
fn floor(transactions: u32) -> Duration {
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = Connection::open_with_flags(folder.path().join("floor.db"), flags).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE s (w INT, k INT, t INT, r TEXT, PRIMARY KEY (w, k)) WITHOUT ROWID;
             CREATE TABLE r (w INTEGER PRIMARY KEY, at INT); INSERT INTO r VALUES (0, 0);",
        )
        .unwrap();
    let began = Instant::now();
    for number in 0..transactions {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let mut insert =
            transaction.prepare_cached("INSERT INTO s VALUES (0, ?1, ?1, '{\"ok\":true}')").unwrap();
        insert.execute([number]).unwrap();
        transaction.prepare_cached("UPDATE r SET at = ?1").unwrap().execute([number]).unwrap();
        drop(insert);
        transaction.commit().unwrap();
    }
    began.elapsed() / transactions
}

/// This process's time on processors.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes seconds of disk time; by hand, in release mode"]
async fn one_chain_of_a_thousand_steps() {
    for round in 0..3 {
        let before = floor(500);
        let mut trial = Trial::new();
        trial.folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let backend = backend(&trial);
        let new = new_run(&trial.registry, 1, &chain(1000));
        let run = new.run;
        backend.start(new).await.unwrap();
        let (_stopper, stop) = StopToken::new();
        let (began, busy) = (Instant::now(), cpu());
        backend
            .drive(Runs::These(vec![run]), performer(&trial), DriveOptions::default(), stop)
            .await
            .unwrap();
        let step = began.elapsed() / 1000;
        let busy = (cpu() - busy) / 1000;
        let floor = (before + floor(500)) / 2;
        let ratio = floor.as_secs_f64() / step.as_secs_f64();
        assert_eq!(trial.world.ledger().len(), 1000);
        let report = backend.verify_journal(run).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        let loading = Instant::now();
        backend.load(run).await.unwrap();
        println!(
            "round {round}: a step {step:?}, a bare transaction {floor:?}: {ratio:.2} of the floor; cpu {busy:?} a step; \
             {} commits; loaded in {:?}",
            report.commits,
            loading.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes seconds of disk time; by hand, in release mode"]
async fn a_thousand_runs_of_ten_steps() {
    let mut trial = Trial::new();
    trial.folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let backend = backend(&trial);
    let one = new_run(&trial.registry, 0, &chain(10));
    let starts = (0..1000).map(|number| {
        let mut new = one.clone();
        new.run = RunId::of_seed(number);
        backend.start(new)
    });
    for start in starts {
        start.await.unwrap();
    }
    let (_stopper, stop) = StopToken::new();
    let (began, busy) = (Instant::now(), cpu());
    let options = DriveOptions { until_blocked: true, steal: false };
    let parked = backend.drive(Runs::All, performer(&trial), options, stop).await.unwrap();
    let took = began.elapsed();
    let busy = (cpu() - busy) / 10_000;
    assert_eq!((parked.runs.len(), trial.world.ledger().len()), (1000, 10_000));
    drop(backend);
    let bytes = std::fs::metadata(trial.path()).unwrap().len();
    println!(
        "{:.0} steps/s, cpu {busy:?} a step, {} bytes a step, everything included",
        10_000.0 / took.as_secs_f64(),
        bytes / 10_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes ten seconds; by hand, in release mode"]
async fn a_thousand_waiting_runs_cost_nothing() {
    let trial = Trial::new();
    let backend = Arc::new(backend(&trial));
    let text = plan_of("  - id: ask\n    uses: person\n    with: { act: never }\n");
    let one = new_run(&trial.registry, 0, &text);
    for number in 0..1000 {
        let mut new = one.clone();
        new.run = RunId::of_seed(number);
        backend.start(new).await.unwrap();
    }
    let (stopper, stop) = StopToken::new();
    let driving = tokio::spawn({
        let (backend, performer) = (Arc::clone(&backend), performer(&trial));
        async move { backend.drive(Runs::All, performer, DriveOptions::default(), stop).await }
    });
    // The last run waits when its first look is in the journal.
    backend.read(RunId::of_seed(999), Seq(3), Some(Duration::from_secs(60))).await.unwrap();
    crate::clock::pause(Duration::from_secs(2)).await;
    let busy = cpu();
    crate::clock::pause(Duration::from_secs(20)).await;
    println!("1,000 waiting runs for 20 s: {:?} of processor time", cpu() - busy);
    stopper.stop();
    driving.await.unwrap().unwrap();
}
