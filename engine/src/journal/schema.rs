//! The tables, and the migration of older files.

use rusqlite::{Connection, Error};

/// SQLite's application id for journals ("twSp").
pub(crate) const APPLICATION: i32 = 0x7477_5370;

/// The tables of a program: element `n` migrates a file from version `n` to `n + 1`; the first one creates them. A released
/// element never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema(pub(super) &'static [&'static str]);

/// The tables of this program.
pub(crate) const CURRENT: Schema = Schema(&[VERSION_1]);

/// `header` never changes its shape: an older program reads from it which program wrote a newer file.
pub(super) const VERSION_1: &str = "
CREATE TABLE header (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- One row, changed by every commit, so that each commit in the write-ahead log says whose it is. `commits` counts them;
-- `based` is what it was when the main file was last brought up to date; `open`: a writer has, or had, the journal open.
CREATE TABLE journal (
  one INTEGER PRIMARY KEY CHECK (one = 1), id BLOB NOT NULL, commits INTEGER NOT NULL, based INTEGER NOT NULL,
  open INTEGER NOT NULL
) STRICT;

-- Losses that were accepted, so that the journal is used without what it lost.
CREATE TABLE losses (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT, what TEXT NOT NULL
) STRICT;

-- The text of each plan, stored once for all its runs.
CREATE TABLE plans (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, text TEXT NOT NULL) STRICT;

-- One row a run. `next` and `head` are the end of its chain, `driver` and `epoch` its lease; the others are a cache of
-- its events, written together with them.
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, run BLOB NOT NULL UNIQUE, plan INTEGER NOT NULL REFERENCES plans, name TEXT NOT NULL,
  started INTEGER NOT NULL, changed INTEGER NOT NULL, open INTEGER NOT NULL, status TEXT NOT NULL,
  next INTEGER NOT NULL, head BLOB NOT NULL, driver INTEGER REFERENCES drivers, epoch INTEGER NOT NULL,
  key TEXT NOT NULL, labels TEXT NOT NULL
) STRICT;
CREATE INDEX runs_keyed ON runs (key) WHERE key <> '';
CREATE INDEX runs_open ON runs (id) WHERE open = 1;
CREATE INDEX runs_driven ON runs (driver) WHERE driver IS NOT NULL;

-- The authoritative record. One row a commit: its events from `seq` on, and the hash that covers it and all before.
CREATE TABLE commits (
  id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  body BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX commits_of ON commits (run, seq);

-- Transcripts (kind 0) and receipts (kind 1); `part` is their place in the list of digests of their commit.
CREATE TABLE beside (
  run INTEGER NOT NULL REFERENCES runs, commit_seq INTEGER NOT NULL, part INTEGER NOT NULL, seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (run, commit_seq, part)
) STRICT, WITHOUT ROWID;

-- Signals, outside the chain until a driver takes them in.
CREATE TABLE inbox (
  number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, run INTEGER NOT NULL REFERENCES runs, body TEXT NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX inbox_waiting ON inbox (run, number) WHERE taken = 0;

-- One row a driver. `boot` is the start of its machine, `lease` (milliseconds) how long its heartbeat may stand still;
-- `since` is for people, no decision depends on it.
CREATE TABLE drivers (
  id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, host TEXT NOT NULL, process INTEGER NOT NULL, boot TEXT NOT NULL,
  since INTEGER NOT NULL, lease INTEGER NOT NULL, heartbeat INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Claims of open runs.
CREATE TABLE claims (key TEXT PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs) STRICT, WITHOUT ROWID;
CREATE INDEX claims_of ON claims (run);

CREATE TRIGGER commits_stay BEFORE UPDATE ON commits BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER commits_kept BEFORE DELETE ON commits BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE TRIGGER plans_stay BEFORE UPDATE ON plans BEGIN SELECT RAISE(ABORT, 'plans are never changed'); END;
CREATE TRIGGER plans_kept BEFORE DELETE ON plans BEGIN SELECT RAISE(ABORT, 'plans are never removed'); END;
CREATE TRIGGER beside_stay BEFORE UPDATE ON beside BEGIN SELECT RAISE(ABORT, 'transcripts are never changed'); END;
CREATE TRIGGER beside_kept BEFORE DELETE ON beside BEGIN SELECT RAISE(ABORT, 'transcripts are never removed'); END;
";

/// Marks a copy of a journal as complete without a log.
pub(crate) const STANDS_ALONE: &str = "UPDATE journal SET based = commits, open = 0";

impl Schema {
    /// Version of these tables.
    pub(crate) fn version(self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(i32::MAX)
    }

    /// Migrates a file from version `from` in the transaction of `connection`; `header` is written into a new file.
    pub(crate) fn migrate(
        self,
        connection: &Connection,
        from: i32,
        header: &[(&str, &str)],
    ) -> Result<(), Error> {
        for migration in self.0.iter().skip(usize::try_from(from).unwrap_or(0)) {
            connection.execute_batch(migration)?;
        }
        if from == 0 {
            for (key, value) in header {
                connection.execute("INSERT INTO header (key, value) VALUES (?1, ?2)", (key, value))?;
            }
            connection.execute(
                "INSERT INTO journal (one, id, commits, based, open) VALUES (1, ?1, 0, 0, 0)",
                [crate::ids::journal_id().as_bytes()],
            )?;
            connection.pragma_update(None, "application_id", APPLICATION)?;
        }
        connection.execute(
            "INSERT OR REPLACE INTO header (key, value) VALUES ('written_by', ?1)",
            [concat!("twinspan ", env!("CARGO_PKG_VERSION"))],
        )?;
        connection.pragma_update(None, "user_version", self.version())
    }
}

/// Version of a file's tables.
pub(crate) fn version_of(connection: &Connection) -> Result<i32, Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Id of a journal, and how many commits it has had.
pub(crate) fn identity(connection: &Connection) -> Result<(uuid::Uuid, u64), Error> {
    connection.prepare_cached("SELECT id, commits FROM journal")?.query_row([], |row| {
        Ok((uuid::Uuid::from_bytes(row.get(0)?), u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default()))
    })
}
