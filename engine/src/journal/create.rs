//! Creates a new journal: complete under a temporary name first, then renamed, so that a concurrent process finds no journal
//! or a complete one.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connect::unusable;
use super::place::{self, with_suffix};
use super::schema::Schema;
use super::word;
use crate::error::BackendError;
use crate::journal::{Durability, Mode, Opening};

/// Creates the journal at `path`, where there is none or an empty file. The caller holds the lock against other processes.
pub(crate) fn create(path: &Path, opening: &Opening, schema: Schema) -> Result<(), BackendError> {
    let unfinished = with_suffix(path, ".new");
    // Files that a killed process left.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(&unfinished, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(place::not_writable(error));
            }
            _ => {}
        }
    }
    let made = place::make_file(&unfinished)
        .map_err(place::not_writable)
        .and_then(|()| fill(&unfinished, opening, schema).map_err(|error| unusable(&unfinished, error)))
        .and_then(|()| {
            // SQLite would take a leftover log for the log of this journal.
            drop(fs::remove_file(place::log_of(path)));
            let name = if opening.durability == Durability::Off {
                fs::rename(&unfinished, path)
            } else {
                place::rename(&unfinished, path)
            };
            name.map_err(place::not_writable)
        });
    if made.is_err() {
        drop(fs::remove_file(&unfinished));
    }
    made
}

fn fill(path: &Path, opening: &Opening, schema: Schema) -> Result<(), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // It is synced once, when it is complete.
    connection.pragma_update(None, "synchronous", 0)?;
    let purpose = if opening.mode == Mode::Live { "runs" } else { "rehearsal" };
    let header = [("purpose", purpose), ("durability", word(opening.durability))];
    let transaction = connection.unchecked_transaction()?;
    schema.migrate(&transaction, 0, &header)?;
    transaction.commit()?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}
