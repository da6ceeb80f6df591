//! The journal file: refused files, detected damage, kept data.

use std::fs;
use std::sync::Arc;

use rusqlite::Connection;

use super::commit::{self, Append, Held, Holder, Lease, Refusal, Summary};
use super::driver_lock::DriverLock;
use super::liveness::Verdict;
use super::{Journal, Sharing, schema};
use crate::backend::{Backend, Filter};
use crate::driver::trial::{Trial, chain, noon};
use crate::error::BackendError;
use crate::event::{Event, Recorded, TakeOver, TakenBecause};
use crate::ids::{Epoch, RunId, Seq};
use crate::journal::{Durability, Mode, Opening};
use crate::sqlite_backend::SqliteBackend;

const LEASE: std::time::Duration = std::time::Duration::from_secs(120);

/// A connection that can do what the journal's own never does.
fn meddle(trial: &Trial) -> Connection {
    Connection::open_with_flags(trial.path(), rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

fn refusal(result: Result<SqliteBackend, BackendError>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(BackendError::Refused { message, hint }) => format!("{message}; {hint}"),
        Err(error) => panic!("refused with {error:?}"),
    }
}

fn open(trial: &Trial, opening: Opening) -> Result<SqliteBackend, BackendError> {
    SqliteBackend::open(&trial.path(), opening)
}

fn live(trial: &Trial) -> Opening {
    Opening::live(Arc::clone(&trial.registry))
}

#[test]
fn a_file_of_zero_bytes_is_a_new_journal_and_a_database_without_tables_is_not() {
    let trial = Trial::new();
    fs::write(trial.path(), "").unwrap();
    open(&trial, live(&trial)).unwrap();
    let trial = Trial::new();
    fs::write(trial.path(), "").unwrap();
    meddle(&trial).pragma_update(None, "journal_mode", "WAL").unwrap();
    let before = fs::read(trial.path()).unwrap();
    assert!(!before.is_empty());
    let said = refusal(open(&trial, live(&trial)));
    assert!(said.contains("write-ahead log is missing"), "{said}");
    assert_eq!(fs::read(trial.path()).unwrap(), before);
}

#[test]
fn foreign_and_newer_files_are_refused_and_stay_as_they_are() {
    let trial = Trial::new();
    fs::write(trial.path(), "these are my notes, not a journal, and nothing may happen to them".repeat(20))
        .unwrap();
    let before = fs::read(trial.path()).unwrap();
    assert!(refusal(open(&trial, live(&trial))).contains("is not a journal of twinspan"));
    assert_eq!(fs::read(trial.path()).unwrap(), before);

    let trial = Trial::new();
    fs::write(trial.path(), "").unwrap();
    meddle(&trial).execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = fs::read(trial.path()).unwrap();
    assert!(refusal(open(&trial, live(&trial))).contains("is not a journal of twinspan"));
    assert_eq!(fs::read(trial.path()).unwrap(), before);

    let trial = Trial::new();
    drop(open(&trial, live(&trial)).unwrap());
    let meddler = meddle(&trial);
    meddler.execute("UPDATE header SET value = 'twinspan 9.1.0' WHERE key = 'written_by'", []).unwrap();
    meddler.pragma_update(None, "user_version", schema::CURRENT.version() + 1).unwrap();
    drop(meddler);
    assert!(refusal(open(&trial, live(&trial))).contains("twinspan 9.1.0"));
    assert!(refusal(open(&trial, Opening::reading(Arc::clone(&trial.registry)))).contains("twinspan 9.1.0"));
}

#[test]
fn a_rehearsals_journal_and_one_that_is_not_durable_are_refused_for_runs() {
    let trial = Trial::new();
    drop(open(&trial, trial.opening()).unwrap());
    assert!(refusal(open(&trial, live(&trial))).contains("rehearsal"));
    open(&trial, Opening::reading(Arc::clone(&trial.registry))).unwrap();

    let trial = Trial::new();
    drop(open(&trial, live(&trial).durability(Durability::Normal)).unwrap());
    assert!(refusal(open(&trial, live(&trial))).contains("durability normal"));
    drop(open(&trial, live(&trial).durability(Durability::Normal)).unwrap());
    assert!(refusal(open(&trial, trial.opening())).contains("real runs"));
}

#[test]
fn reading_makes_nothing() {
    let trial = Trial::new();
    let said = refusal(open(&trial, Opening::reading(Arc::clone(&trial.registry))));
    assert!(said.contains("there is no journal"), "{said}");
    assert!(!trial.path().exists());
}

#[cfg(unix)]
#[test]
fn the_journal_and_its_companions_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let trial = Trial::new();
    let _backend = open(&trial, live(&trial)).unwrap();
    for entry in fs::read_dir(trial.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.path());
    }
}

/// A journal with one run that was created and taken over a few times.
async fn small(trial: &Trial) -> RunId {
    let backend = trial.open();
    let new = trial.run(1, &chain(1));
    let run = new.run;
    backend.start(new).await.unwrap();
    let journal = Journal::open(&trial.path(), &trial.opening()).unwrap();
    for _ in 0..3 {
        let lock = journal.new_driver(LEASE, 0).unwrap();
        take(&journal, run, lock.holder()).await.unwrap();
        journal.leave_driver(lock.holder().id).await.unwrap();
    }
    run
}

fn took(seq: Seq, changed: i64, epoch: u64, over: Option<TakeOver>) -> Option<(Recorded, super::Packed)> {
    let event =
        Event::DriverTook { epoch: Epoch(epoch), driver: "d".to_owned(), program: "p".to_owned(), over };
    let recorded = Recorded { seq, at: jiff::Timestamp::from_microsecond(changed).unwrap(), event };
    let packed = super::pack_commit(std::slice::from_ref(&recorded), &[]).unwrap().unwrap();
    Some((recorded, packed))
}

async fn take(journal: &Journal, run: RunId, driver: &Holder) -> Result<super::Taken, Refusal> {
    let (liveness, driver) = (journal.liveness(), driver.clone());
    journal
        .write(move |connection| commit::take_lease(connection, run, &driver, false, &liveness, took))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_changed_byte_of_the_record_is_found() {
    let trial = Trial::new();
    let run = small(&trial).await;
    let backend = trial.open();
    let report = backend.verify_journal(run).unwrap();
    assert_eq!((report.problems.len(), report.events, report.commits), (0, 4, 4), "{report:?}");
    let meddler = meddle(&trial);
    let stays = meddler.execute("UPDATE commits SET at = at + 1", []).unwrap_err().to_string();
    assert!(stays.contains("events are never changed"), "{stays}");
    assert!(meddler.execute("DELETE FROM commits", []).is_err());
    meddler.execute_batch("DROP TRIGGER commits_stay; DROP TRIGGER commits_kept;").unwrap();
    let bodies: Vec<(i64, Vec<u8>)> = meddler
        .prepare("SELECT id, body FROM commits")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut cases = 0;
    for (id, body) in bodies {
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1 << (at % 8);
            meddler.execute("UPDATE commits SET body = ?2 WHERE id = ?1", (id, &changed)).unwrap();
            assert!(!backend.verify_journal(run).unwrap().problems.is_empty(), "byte {at} of commit {id}");
            assert!(matches!(backend.load(run).await, Err(BackendError::Damaged(_))));
            cases += 1;
        }
        meddler.execute("UPDATE commits SET body = ?2 WHERE id = ?1", (id, &body)).unwrap();
    }
    assert!(cases > 100, "{cases} cases");
    drop(backend);
    drop(meddler);
    let whole = fs::read(trial.path()).unwrap();
    assert_eq!(trial.open().verify_journal(run).unwrap().problems, Vec::<String>::new());
    for damage in [
        "UPDATE commits SET at = at + 1 WHERE seq = 2",
        "DELETE FROM commits WHERE seq = 2",
        "DELETE FROM commits WHERE seq = 4",
        "UPDATE commits SET seq = 9 WHERE seq = 4",
        "UPDATE runs SET head = zeroblob(32)",
        "UPDATE runs SET next = next + 1",
        "UPDATE runs SET name = 'other'",
        "UPDATE runs SET started = started - 1",
        "UPDATE runs SET epoch = epoch + 1",
        "UPDATE runs SET open = 0",
        "UPDATE runs SET changed = changed + 1",
        "INSERT INTO claims (key, run) VALUES ('x', 1)",
    ] {
        fs::write(trial.path(), &whole).unwrap();
        let meddler = meddle(&trial);
        assert!(meddler.execute(damage, []).unwrap() > 0, "{damage} changed nothing");
        drop(meddler);
        let problems = trial.open().verify_journal(run).unwrap().problems;
        assert!(!problems.is_empty(), "{damage}");
    }
}

/// Everything that can be read from a journal, or the error that prevents it.
async fn all_of(trial: &Trial, run: RunId) -> Result<String, BackendError> {
    let backend = SqliteBackend::open(&trial.path(), Opening::reading(Arc::clone(&trial.registry)))?;
    let events = backend.read(run, Seq(1), None).await?;
    let listed = backend.list(Filter::default()).await?;
    backend.load(run).await?;
    let report = backend.verify_journal(run)?;
    if !report.problems.is_empty() {
        return Err(BackendError::Damaged(report.problems.join("; ")));
    }
    Ok(format!("{events:?} {listed:?} {:?}", backend.transcripts(run)?))
}

async fn flip(stride: usize) {
    let trial = Trial::new();
    let run = small(&trial).await;
    let good = all_of(&trial, run).await.unwrap();
    let bytes = fs::read(trial.path()).unwrap();
    let (mut cases, mut found) = (0, 0);
    for at in (0..bytes.len()).step_by(stride) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(trial.path(), &changed).unwrap();
        for companion in ["journal.db-wal", "journal.db-shm"] {
            drop(fs::remove_file(trial.folder.path().join(companion)));
        }
        cases += 1;
        match all_of(&trial, run).await {
            Err(_) => found += 1,
            Ok(said) => assert_eq!(said, good, "byte {at}"),
        }
    }
    println!("{cases} flipped bytes, {found} found, the others changed nothing that is read");
    assert!(found > 0 && cases > 100);
}

#[tokio::test]
async fn a_flipped_byte_is_found_or_changes_nothing() {
    flip(61).await;
}

#[tokio::test]
#[ignore = "every byte of the file takes minutes"]
async fn every_flipped_byte_is_found_or_changes_nothing() {
    flip(1).await;
}

#[tokio::test]
async fn a_driver_that_lost_its_lease_writes_nothing() {
    let trial = Trial::new();
    let backend = trial.open();
    let new = trial.run(1, &chain(1));
    let run = new.run;
    backend.start(new).await.unwrap();
    let journal = Journal::open(&trial.path(), &trial.opening()).unwrap();
    let zombie_lock = journal.new_driver(LEASE, 0).unwrap();
    let taken = take(&journal, run, zombie_lock.holder()).await.unwrap();
    let zombie = taken.lease.driver;
    assert_eq!(taken.lease.epoch, 1);
    let lock = journal.new_driver(LEASE, 0).unwrap();
    // Its holder is alive: no other driver can take the run.
    let refused = take(&journal, run, lock.holder()).await.unwrap_err();
    let Refusal::Held(Some(held)) = refused else { panic!("{refused:?}") };
    assert_eq!(held, Held { holder: zombie_lock.holder().clone(), verdict: Verdict::Locked });
    assert_eq!(backend.summary(run).unwrap().driver, Some(zombie_lock.holder().name()));
    // Its lock is free, although the driver does not know that.
    drop(zombie_lock);
    assert_eq!(backend.summary(run).unwrap().driver, None);
    let mut look = journal.look().unwrap();
    assert!(look.may_send(taken.row, taken.lease).unwrap());
    look.end().unwrap();
    let over = take(&journal, run, lock.holder()).await.unwrap();
    let other = over.lease.driver;
    assert_eq!(over.lease.epoch, 2);
    assert_ne!(other, zombie);
    // Taken again by its holder: a new epoch, the same driver.
    let again = take(&journal, run, lock.holder()).await.unwrap();
    assert_eq!(again.lease, Lease { driver: other, epoch: 3 });
    assert!(!look.may_send(over.row, over.lease).unwrap());
    look.end().unwrap();
    let over = again;
    assert!(!look.may_send(taken.row, taken.lease).unwrap());
    assert!(look.may_send(over.row, over.lease).unwrap());
    let (_, packed) = took(Seq(5), noon().as_microsecond(), 9, None).unwrap();
    let late = |lease| Append {
        row: taken.row,
        run,
        lease,
        packed: Some(packed.clone()),
        events: 1,
        summary: Summary { status: "{}".to_owned(), open: true },
        claims: Vec::new(),
        taken: Vec::new(),
        release: false,
    };
    for lease in [taken.lease, Lease { driver: other, epoch: 1 }, Lease { driver: zombie, epoch: 3 }] {
        let write = late(lease);
        let refused = journal.write(move |connection| commit::append(connection, &write)).await.unwrap();
        assert!(matches!(refused, Err(Refusal::Held(_))), "{lease:?}");
    }
    let right = late(over.lease);
    journal.write(move |connection| commit::append(connection, &right)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lease_of_another_machine_is_taken_when_its_heartbeat_stands_still_or_by_order() {
    let trial = Trial::new();
    let run = small(&trial).await;
    let journal = Journal::open(&trial.path(), &trial.opening()).unwrap();
    let lock = DriverLock::new(&trial.path(), LEASE, 0, &Sharing::Private).unwrap();
    let elsewhere = Holder { boot: "another".to_owned(), host: "pod-1".to_owned(), ..lock.holder().clone() };
    take(&journal, run, &elsewhere).await.unwrap();
    drop(lock);
    let lock = journal.new_driver(LEASE, 0).unwrap();
    let verdict = |refusal| match refusal {
        Refusal::Held(Some(held)) => held.verdict,
        other => panic!("{other:?}"),
    };
    let refused = take(&journal, run, lock.holder()).await.unwrap_err();
    assert!(matches!(verdict(refused), Verdict::Unknown { .. }));
    let id = elsewhere.id;
    assert!(journal.write(move |connection| commit::beat(connection, id)).await.unwrap());
    let refused = take(&journal, run, lock.holder()).await.unwrap_err();
    assert_eq!(verdict(refused), Verdict::Beating);
    let (liveness, driver) = (journal.liveness(), lock.holder().clone());
    let taken = journal
        .write(move |connection| commit::take_lease(connection, run, &driver, true, &liveness, took))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.forgotten, Some(id));
    let over = |events: &[Recorded]| match &events.last().unwrap().event {
        Event::DriverTook { over: Some(over), .. } => over.clone(),
        other => panic!("{other:?}"),
    };
    let taken = over(&journal.events(run, Seq(1)).unwrap().1.events);
    assert_eq!((taken.holder.ends_with("on pod-1"), taken.because), (true, TakenBecause::Ordered));

    // A lease that is expired at the next check.
    let short = Holder { lease: std::time::Duration::ZERO, id: crate::ids::DriverId::new(), ..elsewhere };
    journal.leave_driver(lock.holder().id).await.unwrap();
    take(&journal, run, &short).await.unwrap();
    take(&journal, run, lock.holder()).await.unwrap();
    let taken = over(&journal.events(run, Seq(1)).unwrap().1.events);
    assert_eq!(taken.because, TakenBecause::Expired);
    // It is deleted, and its heartbeat has no effect.
    assert!(!journal.write(move |connection| commit::beat(connection, short.id)).await.unwrap());
}

#[tokio::test]
async fn a_watch_is_told_of_what_others_write_and_of_nothing_else() {
    use std::future::Future as _;
    use std::task::Poll;
    let trial = Trial::new();
    let run = small(&trial).await;
    let (watching, other) = (trial.open(), Journal::open(&trial.path(), &trial.opening()).unwrap());
    let mut watch = Journal::open(&trial.path(), &trial.opening()).unwrap().watch().unwrap();
    assert!(watch.changed().unwrap());
    let quiet = std::future::poll_fn(|cx| {
        Poll::Ready(std::pin::pin!(watch.stirs()).poll(cx).is_pending() || !cfg!(target_os = "linux"))
    });
    assert!(quiet.await, "nothing was written");
    assert!(!watch.changed().unwrap());
    assert!(other.put_signal(crate::ids::SignalId::new(), run, "{}".to_owned()).await.unwrap());
    tokio::time::timeout(std::time::Duration::from_secs(60), watch.stirs()).await.unwrap();
    assert!(watch.changed().unwrap());
    drop(watching);
}

#[test]
fn modes_are_kept() {
    let trial = Trial::new();
    let journal = Journal::open(&trial.path(), &trial.opening()).unwrap();
    assert_eq!(journal.mode(), Mode::Rehearsal);
    assert!(journal.broken().is_none());
}
