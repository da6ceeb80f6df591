//! Migrates an older file: makes a backup copy beside it, then applies the migrations in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::connect::unusable;
use super::identify;
use super::place::{self, with_suffix};
use super::schema::{self, Schema};
use crate::error::BackendError;

/// Migrates the file to the version of `schema`.
pub(crate) fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    schema: Schema,
) -> Result<(), BackendError> {
    let fail = |error| unusable(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    // Checked again inside the transaction: another process may have migrated it first.
    let from = schema::version_of(&transaction).map_err(fail)?;
    if from == schema.version() {
        return Ok(());
    }
    if from > schema.version() {
        return identify(path, path, schema).map(drop);
    }
    // While the write lock is held, so that nothing is written between the copy and the migration.
    back_up(path, from)?;
    schema.migrate(&transaction, from, &[]).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    tracing::info!(from, to = schema.version(), "the journal was brought up to date");
    Ok(())
}

/// Path of the backup copy of a file of version `from`.
fn copy_of(path: &Path, from: i32) -> PathBuf {
    with_suffix(path, &format!(".v{from}"))
}

/// Copies the file to the path with its version. An unfinished copy has another name and is replaced.
fn back_up(path: &Path, from: i32) -> Result<(), BackendError> {
    let copy = copy_of(path, from);
    let unfinished = with_suffix(&copy, ".unfinished");
    let copied = copy_into(path, &unfinished).and_then(|()| {
        // SQLite does not sync such a copy.
        place::rename(&unfinished, &copy).map_err(place::not_writable)
    });
    if copied.is_err() {
        drop(std::fs::remove_file(&unfinished));
    }
    copied
}

fn copy_into(path: &Path, copy: &Path) -> Result<(), BackendError> {
    match std::fs::remove_file(copy) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(place::not_writable(error)),
        _ => {}
    }
    // It is synced when it is complete.
    place::make_file(copy).map_err(place::not_writable)?;
    let fail = |error| unusable(path, error);
    // A separate connection, because the other one is in its transaction.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(fail)?;
    drop(connection);
    let copied = Connection::open_with_flags(copy, flags).map_err(fail)?;
    copied.execute(schema::STANDS_ALONE, []).map(drop).map_err(fail)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Journal;
    use super::super::schema::VERSION_1;
    use super::*;
    use crate::backend::{Backend, Started};
    use crate::driver::trial::{Trial, chain};
    use crate::ids::Seq;
    use crate::journal::Opening;

    /// The tables of a later program.
    const NEXT: Schema = Schema(&[
        VERSION_1,
        "ALTER TABLE runs ADD COLUMN note TEXT;
         UPDATE runs SET note = 'came from ' || name;",
    ]);
    /// The tables of a later program with an error.
    const BROKEN: Schema =
        Schema(&[VERSION_1, "CREATE TABLE half (x TEXT) STRICT; UPDATE missing SET y = 1;"]);

    fn look(path: &Path) -> Connection {
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    fn text(connection: &Connection, sql: &str) -> String {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn files(trial: &Trial) -> Vec<String> {
        let names = fs::read_dir(trial.folder.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("journal.db.v"));
        names.sort();
        names
    }

    async fn with_a_run(trial: &Trial) -> crate::ids::RunId {
        let backend = trial.open();
        let new = trial.run(1, &chain(2));
        let run = new.run;
        assert_eq!(backend.start(new).await.unwrap(), Started::New);
        trial.drive(&backend, run).await.unwrap();
        run
    }

    #[tokio::test]
    async fn an_older_file_is_copied_and_migrated_and_is_then_too_new_for_the_older_program() {
        let trial = Trial::new();
        let run = with_a_run(&trial).await;
        // A reader migrates nothing.
        let reading = Opening::reading(std::sync::Arc::clone(&trial.registry));
        let refused = Journal::open_as(&trial.path(), &reading, NEXT).map(drop).unwrap_err();
        assert!(refused.to_string().contains("older version of twinspan"), "{refused}");
        assert_eq!(files(&trial), Vec::<String>::new());

        // A copy that a killed program left is no obstacle.
        fs::write(trial.folder.path().join("journal.db.v1.unfinished"), "half a copy").unwrap();
        let migrated = Journal::open_as(&trial.path(), &trial.opening(), NEXT).unwrap();
        let (row, chain) = migrated.events(run, Seq(1)).unwrap();
        assert_eq!((row.name.as_str(), chain.events.is_empty()), ("chain", false));
        drop(migrated);
        assert_eq!(text(&look(&trial.path()), "SELECT note FROM runs"), "came from chain");
        assert_eq!(schema::version_of(&look(&trial.path())).unwrap(), 2);

        let refused = Journal::open(&trial.path(), &trial.opening()).map(drop).unwrap_err();
        let BackendError::Refused { message, hint } = refused else { panic!("{refused:?}") };
        let writer = concat!("twinspan ", env!("CARGO_PKG_VERSION"));
        assert!(message.contains(&format!("was written by {writer}")), "{message}");
        assert!(hint.contains(writer), "{hint}");

        // The copy is what the older program left, complete and private.
        assert_eq!(files(&trial), ["journal.db.v1"]);
        let copy = trial.folder.path().join("journal.db.v1");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let old = Journal::open(&copy, &trial.opening()).unwrap();
        assert_eq!(old.events(run, Seq(1)).unwrap().1.events, chain.events);
    }

    #[tokio::test]
    async fn a_migration_that_fails_changes_nothing_and_can_be_done_again() {
        let trial = Trial::new();
        let run = with_a_run(&trial).await;
        let failed = Journal::open_as(&trial.path(), &trial.opening(), BROKEN).map(drop).unwrap_err();
        assert!(failed.to_string().contains("no such table: missing"), "{failed}");
        assert_eq!(
            text(&look(&trial.path()), "SELECT count(*) || '' FROM sqlite_schema WHERE name = 'half'"),
            "0"
        );
        assert_eq!(schema::version_of(&look(&trial.path())).unwrap(), 1);
        let report = trial.open().verify_journal(run).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        // A copy exists by now; the next one replaces it.
        drop(Journal::open_as(&trial.path(), &trial.opening(), NEXT).unwrap());
        assert_eq!(files(&trial), ["journal.db.v1"]);
    }

    #[tokio::test]
    async fn where_the_copy_cannot_be_made_nothing_is_migrated() {
        let trial = Trial::new();
        let run = with_a_run(&trial).await;
        let in_the_way = trial.folder.path().join("journal.db.v1");
        fs::create_dir_all(in_the_way.join("full")).unwrap();
        let failed = Journal::open_as(&trial.path(), &trial.opening(), NEXT).map(drop).unwrap_err();
        assert!(matches!(failed, BackendError::NotWritable(_)), "{failed:?}");
        assert_eq!(schema::version_of(&look(&trial.path())).unwrap(), 1);
        assert_eq!(files(&trial), ["journal.db.v1"], "nothing unfinished stays behind");
        assert_eq!(trial.open().verify_journal(run).unwrap().problems, Vec::<String>::new());
    }

    #[tokio::test]
    async fn of_two_programs_that_come_at_once_one_migrates() {
        let trial = Trial::new();
        with_a_run(&trial).await;
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Journal::open_as(&trial.path(), &trial.opening(), NEXT).map(drop)
            };
            let both = [scope.spawn(open), scope.spawn(open)];
            for opened in both {
                opened.join().unwrap().unwrap();
            }
        });
        let copy = look(&trial.folder.path().join("journal.db.v1"));
        assert_eq!(schema::version_of(&copy).unwrap(), 1, "the copy is of the older file");
    }
}
