//! A copy is consistent, current, and reports what the journal lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::backend::Backend;
use crate::driver::trial::{Trial, chain};
use crate::journal::Opening;
use crate::sqlite_backend::SqliteBackend;

fn copy_of(trial: &Trial) -> Result<PrivateCopy, BackendError> {
    PrivateCopy::new(&trial.path(), schema::CURRENT)
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn refusal(result: Result<PrivateCopy, BackendError>) -> String {
    match result {
        Err(BackendError::Refused { message, .. }) => message,
        Err(error) => panic!("refused with {error:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_of_one_moment_whatever_is_written_meanwhile() {
    let trial = Trial::new();
    let backend = SqliteBackend::open(&trial.path(), Opening::live(Arc::clone(&trial.registry))).unwrap();
    backend.start(trial.run(0, &chain(1))).await.unwrap();
    let path = trial.path();
    let done = Arc::new(AtomicBool::new(false));
    let copying = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut before = 0;
            // Long enough for the log to restart several times, while copies are made without a pause.
            while !done.load(Ordering::Acquire) {
                let copy = PrivateCopy::new(&path, schema::CURRENT).unwrap();
                let connection = copy.connection().unwrap();
                let found: String =
                    connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).unwrap();
                assert_eq!(found, "ok");
                let runs = number(&connection, "SELECT count(*) FROM runs");
                assert_eq!(number(&connection, "SELECT count(*) FROM commits"), runs);
                assert!(runs >= before, "{runs} runs after {before}");
                before = runs;
            }
            before
        }
    });
    let salt = || beginning(&place::log_of(&trial.path()), LOG_HEADER).unwrap();
    let (mut generations, mut last, mut seed) = (0, salt(), 0);
    while generations < 3 {
        seed += 1;
        backend.start(trial.run(seed, &chain(1))).await.unwrap();
        if salt() != last {
            (generations, last) = (generations + 1, salt());
        }
    }
    done.store(true, Ordering::Release);
    assert!(copying.join().unwrap() > 0, "nothing was copied");
}

#[tokio::test]
async fn a_copy_is_made_anew_when_the_journal_changed_and_serves_reads_within_reads() {
    let trial = Trial::new();
    let backend = SqliteBackend::open(&trial.path(), Opening::live(Arc::clone(&trial.registry))).unwrap();
    backend.start(trial.run(1, &chain(1))).await.unwrap();
    let copy = copy_of(&trial).unwrap();
    let mut seen = None;
    assert!(copy.changed(&mut seen).unwrap());
    let lent: Vec<Lent> = (0..2 * CONNECTIONS).map(|_| copy.take().unwrap()).collect();
    for lent in lent {
        assert_eq!(number(&lent.connection, "SELECT count(*) FROM runs"), 1);
        copy.give_back(lent);
    }
    backend.start(trial.run(2, &chain(1))).await.unwrap();
    // It may report that later if copies take long.
    while !copy.changed(&mut seen).unwrap() {
        std::thread::yield_now();
    }
    let lent = copy.take().unwrap();
    assert_eq!(number(&lent.connection, "SELECT count(*) FROM runs"), 2);
    // After the end of the last writer there is no log.
    drop(backend);
    assert!(!place::log_of(&trial.path()).exists());
    assert_eq!(number(&copy_of(&trial).unwrap().connection().unwrap(), "SELECT count(*) FROM runs"), 2);
}

#[tokio::test]
async fn what_the_journal_lost_is_told_of_its_copy() {
    let trial = Trial::new();
    let backend = SqliteBackend::open(&trial.path(), Opening::live(Arc::clone(&trial.registry))).unwrap();
    backend.start(trial.run(1, &chain(1))).await.unwrap();
    let older = fs::read(place::log_of(&trial.path())).unwrap();
    backend.start(trial.run(2, &chain(1))).await.unwrap();
    let newer = fs::read(place::log_of(&trial.path())).unwrap();
    let at = trial.path().display().to_string();
    for (log, what) in [(Some(&older), "lost its last commits"), (None, "write-ahead log")] {
        match log {
            Some(bytes) => fs::write(place::log_of(&trial.path()), bytes).unwrap(),
            None => fs::remove_file(place::log_of(&trial.path())).unwrap(),
        }
        let said = refusal(copy_of(&trial));
        assert!(said.contains(what) && said.contains(&at), "{said}");
    }
    fs::write(place::log_of(&trial.path()), newer).unwrap();
    copy_of(&trial).unwrap();
}
