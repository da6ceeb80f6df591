//! Lost, replaced, damaged or foreign files of a journal: never treated as an empty journal.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::place::with_suffix;
use super::super::{Acceptance, Journal, recover, side_record};
use super::*;
use crate::backend::{Backend, Filter};
use crate::driver::trial::{Trial, chain};
use crate::ids::{RunId, SignalId};
use crate::journal::Opening;
use crate::sqlite_backend::SqliteBackend;

fn live(trial: &Trial) -> Opening {
    Opening::live(std::sync::Arc::clone(&trial.registry))
}

fn open(trial: &Trial, path: &Path) -> Result<SqliteBackend, BackendError> {
    SqliteBackend::open(path, live(trial))
}

/// The errors for a writer and for a reader.
fn refusal(trial: &Trial, path: &Path) -> String {
    let reading = SqliteBackend::open(path, Opening::reading(std::sync::Arc::clone(&trial.registry)));
    let said = [open(trial, path), reading].map(|opened| match opened {
        Err(BackendError::Refused { message, hint }) => {
            assert!(hint.contains("twinspan recover"), "{hint}");
            message
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("{} was opened", path.display()),
    });
    assert_eq!(said[0], said[1]);
    said.into_iter().next().unwrap()
}

/// An open journal with `runs` runs, and its path.
async fn journal(trial: &Trial, runs: u64) -> (SqliteBackend, PathBuf) {
    let backend = open(trial, &trial.path()).unwrap();
    for number in 0..runs {
        backend.start(trial.run(number, &chain(1))).await.unwrap();
    }
    (backend, trial.path())
}

/// The files of a journal at this moment: what a killed process would leave.
fn snapshot(path: &Path, into: &Path, suffixes: &[&str]) -> PathBuf {
    fs::create_dir_all(into).unwrap();
    let copy = into.join("journal.db");
    for suffix in suffixes {
        fs::copy(with_suffix(path, suffix), with_suffix(&copy, suffix)).unwrap();
    }
    copy
}

async fn runs_of(backend: &SqliteBackend) -> usize {
    backend.list(Filter::default()).await.unwrap().len()
}

#[tokio::test]
async fn a_journal_without_the_log_that_it_needs_says_so_and_one_that_was_closed_needs_none() {
    let trial = Trial::new();
    let (backend, path) = journal(&trial, 2).await;
    let alone = snapshot(&path, &trial.folder.path().join("alone"), &[""]);
    let before = fs::read(&alone).unwrap();
    let whole = snapshot(&path, &trial.folder.path().join("whole"), &["", "-wal"]);
    for _ in 0..2 {
        let said = refusal(&trial, &alone);
        assert!(said.contains("write-ahead log") && said.contains("is missing"), "{said}");
    }
    assert_eq!(fs::read(&alone).unwrap(), before);
    assert!(!log_of(&alone).exists(), "to look makes no log");
    assert_eq!(runs_of(&open(&trial, &whole).unwrap()).await, 2);
    drop(backend);
    assert!(!log_of(&path).exists());
    let closed = snapshot(&path, &trial.folder.path().join("closed"), &[""]);
    assert_eq!(runs_of(&open(&trial, &closed).unwrap()).await, 2);
}

#[tokio::test]
async fn the_first_writer_after_a_kill_brings_everything_into_the_main_file() {
    let trial = Trial::new();
    let (_backend, path) = journal(&trial, 2).await;
    let killed = snapshot(&path, &trial.folder.path().join("killed"), &["", "-wal", ".record"]);
    let _next = open(&trial, &killed).unwrap();
    // SQLite alone would read the main file as if there were no log.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let main = Connection::open_with_flags(uri(&killed), flags).unwrap();
    let runs: i64 = main.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 2);
}

#[tokio::test]
async fn a_journal_behind_its_side_record_lost_its_tail() {
    let trial = Trial::new();
    let (backend, path) = journal(&trial, 1).await;
    drop(backend);
    let older = fs::read(&path).unwrap();
    let (backend, _) = journal(&trial, 3).await;
    drop(backend);
    let newer = fs::read(&path).unwrap();
    let record = side_record::path_of(&path);
    assert_eq!(fs::metadata(&record).unwrap().len(), 64);
    // Restored from a backup.
    fs::write(&path, &older).unwrap();
    let said = refusal(&trial, &path);
    assert!(said.contains("lost its last commits"), "{said}");
    fs::write(&path, &newer).unwrap();
    assert_eq!(runs_of(&open(&trial, &path).unwrap()).await, 3);
    // Without a side record, or with a torn one, nothing is known: a copy of the journal alone is no error.
    fs::write(&path, &older).unwrap();
    fs::write(&record, "torn").unwrap();
    assert_eq!(runs_of(&open(&trial, &path).unwrap()).await, 1);
    fs::write(&path, &older).unwrap();
    fs::remove_file(&record).unwrap();
    assert_eq!(runs_of(&open(&trial, &path).unwrap()).await, 1);
}

#[tokio::test]
async fn a_journal_that_is_gone_emptied_or_replaced_is_no_new_one() {
    let trial = Trial::new();
    let (backend, path) = journal(&trial, 1).await;
    drop(backend);
    let other = Trial::new();
    drop(journal(&other, 1).await);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(refusal(&trial, &path).contains("is gone"));
    assert_eq!(fs::read(&path).unwrap(), b"");
    fs::remove_file(&path).unwrap();
    assert!(refusal(&trial, &path).contains("is gone"));
    assert!(!path.exists());
    fs::copy(other.path(), &path).unwrap();
    assert!(refusal(&trial, &path).contains("was replaced"));
    fs::write(&path, &whole).unwrap();
    assert_eq!(runs_of(&open(&trial, &path).unwrap()).await, 1);
    // A log without its journal.
    let (_open, path) = journal(&other, 2).await;
    let lone = snapshot(&path, &other.folder.path().join("lone"), &["-wal"]);
    assert!(refusal(&other, &lone).contains("is still there"));
}

#[tokio::test]
async fn a_log_that_is_damaged_or_of_another_journal_is_said_and_not_read() {
    let (one, two) = (Trial::new(), Trial::new());
    let (_one, path) = journal(&one, 5).await;
    let (_two, other) = journal(&two, 5).await;
    let mixed = snapshot(&path, &one.folder.path().join("mixed"), &[""]);
    fs::copy(log_of(&other), log_of(&mixed)).unwrap();
    let before = (fs::read(&mixed).unwrap(), fs::read(log_of(&mixed)).unwrap());
    assert!(refusal(&one, &mixed).contains("of another journal"));
    let flipped = snapshot(&path, &one.folder.path().join("flipped"), &["", "-wal", ".record"]);
    let mut log = fs::read(log_of(&flipped)).unwrap();
    let at = log.len() * 3 / 10;
    log[at] ^= 16;
    fs::write(log_of(&flipped), &log).unwrap();
    assert!(refusal(&one, &flipped).contains("is damaged after frame"));
    assert_eq!(before, (fs::read(&mixed).unwrap(), fs::read(log_of(&mixed)).unwrap()));
    assert_eq!(fs::read(log_of(&flipped)).unwrap(), log);
    // The last commit alone: only the side record knows about it.
    let last = snapshot(&path, &one.folder.path().join("last"), &["", "-wal", ".record"]);
    let mut log = fs::read(log_of(&last)).unwrap();
    let end = log.len() - 100;
    log[end] ^= 16;
    fs::write(log_of(&last), &log).unwrap();
    assert!(refusal(&one, &last).contains("lost its last commits"));
    assert_eq!(fs::read(log_of(&last)).unwrap(), log);
}

#[tokio::test]
async fn a_loss_that_is_accepted_is_recorded_and_the_rest_is_used() {
    let trial = Trial::new();
    let acceptance = Acceptance {
        actor: "nina".to_owned(),
        at: crate::driver::trial::noon(),
        reason: None,
        sharing: Default::default(),
    };
    let (_open, path) = journal(&trial, 5).await;
    let folder = |name: &str| trial.folder.path().join(name);
    let losses = |path: &Path| -> Vec<String> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let mut rows = connection.prepare("SELECT actor || ': ' || what FROM losses").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(recover(&path, None).unwrap().map(|loss| loss.to_string()), None);
    // While it is open in another process, nothing is done.
    let alone = snapshot(&path, &folder("alone"), &[""]);
    assert!(recover(&alone, None).unwrap().is_some());
    refusal(&trial, &alone);
    recover(&alone, Some(&acceptance)).unwrap();
    assert_eq!(runs_of(&open(&trial, &alone).unwrap()).await, 0);
    assert!(losses(&alone)[0].starts_with("nina: the journal"));
    let flipped = snapshot(&path, &folder("flipped"), &["", "-wal", ".record"]);
    let mut log = fs::read(log_of(&flipped)).unwrap();
    let at = log.len() / 2;
    log[at] ^= 16;
    fs::write(log_of(&flipped), &log).unwrap();
    recover(&flipped, Some(&acceptance)).unwrap();
    let kept = runs_of(&open(&trial, &flipped).unwrap()).await;
    assert!((1..5).contains(&kept), "{kept}");
    let lost = fs::read_dir(folder("flipped"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".lost-"));
    assert_eq!(lost.count(), 2, "the damaged log and the record of what was there");
    let gone = snapshot(&path, &folder("gone"), &[".record"]);
    recover(&gone, Some(&acceptance)).unwrap();
    assert_eq!(runs_of(&open(&trial, &gone).unwrap()).await, 0);
}

#[tokio::test]
async fn processes_that_make_one_journal_at_the_same_moment_all_succeed() {
    for _ in 0..20 {
        let trial = Trial::new();
        let start = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            let openings = [(); 6].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    open(&trial, &trial.path()).map(drop)
                })
            });
            for opened in openings {
                opened.join().unwrap().unwrap();
            }
        });
        assert!(!with_suffix(&trial.path(), ".new").exists());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_any_more_when_a_file_is_not_at_its_path() {
    for moved in ["", "-wal"] {
        for replaced in [false, true] {
            let trial = Trial::new();
            let journal = Journal::open(&trial.path(), &live(&trial)).unwrap();
            let run = RunId::of_seed(1);
            let put = || journal.put_signal(SignalId::new(), run, "{}".to_owned());
            assert!(!put().await.unwrap());
            let path = with_suffix(&trial.path(), moved);
            fs::remove_file(&path).unwrap();
            if replaced {
                let precious = trial.folder.path().join("precious");
                fs::write(&precious, "precious").unwrap();
                std::os::unix::fs::symlink(&precious, &path).unwrap();
            }
            let Err(BackendError::Refused { message, .. }) = put().await else {
                panic!("{moved} was written")
            };
            assert!(message.contains(if replaced { "replaced" } else { "removed" }), "{message}");
            assert!(journal.broken().is_some());
            drop(journal);
            if replaced {
                assert_eq!(fs::read(path).unwrap(), b"precious");
            }
        }
    }
}
