//! Reads runs, events (checking their chain), signals, and side data.

use rusqlite::{Connection, Error, OptionalExtension, Row as SqlRow};
use twinspan_plans::Digest;

use super::body::{SideKind, restore_receipt, unpack_commit};
use super::chain::{Hash, START, link};
use super::commit::Row;
use super::packed::Unreadable;
use crate::event::{Event, Recorded, StepEvent};
use crate::ids::{DriverId, RunId, Seq};
use crate::rollout::RunKey;

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{0}")]
    Sql(#[from] Error),
    /// The content is not what was written.
    #[error("{0}")]
    Damaged(String),
}

/// A row of the table of runs.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) row: Row,
    pub(crate) run: RunId,
    pub(crate) plan: i64,
    pub(crate) name: String,
    pub(crate) started: i64,
    pub(crate) changed: i64,
    pub(crate) open: bool,
    pub(crate) status: String,
    pub(crate) next: u64,
    pub(crate) head: Hash,
    pub(crate) driver: Option<i64>,
    pub(crate) epoch: u64,
    pub(crate) key: String,
    pub(crate) labels: String,
}

const RUN: &str = "SELECT id, run, plan, name, started, changed, open, status, next, head, driver, epoch, key, labels FROM runs";

fn run_row(row: &SqlRow<'_>) -> Result<RunRow, Error> {
    Ok(RunRow {
        row: Row(row.get(0)?),
        run: RunId::from_bytes(row.get(1)?),
        plan: row.get(2)?,
        name: row.get(3)?,
        started: row.get(4)?,
        changed: row.get(5)?,
        open: row.get(6)?,
        status: row.get(7)?,
        next: u64::try_from(row.get::<_, i64>(8)?).unwrap_or_default(),
        head: row.get(9)?,
        driver: row.get(10)?,
        epoch: u64::try_from(row.get::<_, i64>(11)?).unwrap_or_default(),
        key: row.get(12)?,
        labels: row.get(13)?,
    })
}

/// The row of `run`.
pub(crate) fn find(connection: &Connection, run: RunId) -> Result<Option<RunRow>, Error> {
    connection
        .prepare_cached(&format!("{RUN} WHERE run = ?1"))?
        .query_row([run.0.as_bytes()], run_row)
        .optional()
}

/// Runs (of one key), newest first.
pub(crate) fn list(connection: &Connection, open: bool, key: Option<&RunKey>) -> Result<Vec<RunRow>, Error> {
    let open = if open { "open = 1" } else { "1" };
    let run = |only: &str| format!("{RUN} WHERE {open} AND {only} ORDER BY id DESC");
    match key {
        Some(key) => connection
            .prepare_cached(&run("key = ?1 AND key <> ''"))?
            .query_map([key.as_str()], run_row)?
            .collect(),
        None => connection.prepare_cached(&run("1"))?.query_map([], run_row)?.collect(),
    }
}

/// Open runs that no process drives, or that another driver than `driver` holds, oldest first.
pub(crate) fn open_runs(connection: &Connection, driver: DriverId) -> Result<Vec<RunId>, Error> {
    connection
        .prepare_cached(
            "SELECT run FROM runs WHERE open = 1
             AND (driver IS NULL OR driver NOT IN (SELECT id FROM drivers WHERE uuid = ?1)) ORDER BY id",
        )?
        .query_map([driver.0.as_bytes()], |row| row.get(0).map(RunId::from_bytes))?
        .collect()
}

/// Digest of a stored plan's text.
pub(crate) fn plan_digest(connection: &Connection, plan: i64) -> Result<Digest, Error> {
    connection
        .prepare_cached("SELECT digest FROM plans WHERE id = ?1")?
        .query_row([plan], |row| row.get(0).map(Digest))
}

/// Text of a stored plan, checked against its digest.
pub(crate) fn plan_text(connection: &Connection, plan: i64) -> Result<String, ReadError> {
    let (digest, text): (Hash, String) = connection
        .prepare_cached("SELECT digest, text FROM plans WHERE id = ?1")?
        .query_row([plan], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if Digest::of(text.as_bytes()) == Digest(digest) {
        Ok(text)
    } else {
        Err(ReadError::Damaged("the text of the plan is not the one that was stored".to_owned()))
    }
}

/// The verified part of a run's chain.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) events: Vec<Recorded>,
    pub(crate) commits: u64,
}

/// Events from `from` on: each commit is checked against the previous hash, the last one against the run's row.
pub(crate) fn events(connection: &Connection, run: &RunRow, from: Seq) -> Result<Chain, ReadError> {
    let from = i64::try_from(from.0).unwrap_or(i64::MAX);
    let damaged = |seq: i64, what: &dyn std::fmt::Display| {
        ReadError::Damaged(format!("run {}, events from {seq} on: {what}", run.run))
    };
    // The commit that contains `from` may begin before it; checking starts with the hash of the commit before that one.
    let first: i64 = connection
        .prepare_cached("SELECT ifnull(max(seq), 1) FROM commits WHERE run = ?1 AND seq <= ?2")?
        .query_row((run.row.0, from), |row| row.get(0))?;
    let mut before: Hash = connection
        .prepare_cached("SELECT hash FROM commits WHERE run = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1")?
        .query_row((run.row.0, first), |row| row.get(0))
        .optional()?
        .unwrap_or(START);
    let mut chain = Chain::default();
    let mut next = first;
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, body, hash FROM commits WHERE run = ?1 AND seq >= ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query((run.row.0, first))?;
    while let Some(row) = rows.next()? {
        let (seq, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let body = row.get_ref(2)?.as_blob().map_err(|error| damaged(seq, &error))?;
        let stored: Hash = row.get(3)?;
        if seq != next {
            return Err(damaged(next, &"they are missing"));
        }
        let number = u64::try_from(seq).map_err(|error| damaged(seq, &error))?;
        if link(&before, run.run, number, at, body) != stored {
            return Err(damaged(seq, &"their hash does not fit"));
        }
        let unpacked = unpack_commit(Seq(number), at, body).map_err(|error| damaged(seq, &error))?;
        next += i64::try_from(unpacked.events.len()).unwrap_or(i64::MAX);
        let mut events = unpacked.events;
        for recorded in &mut events {
            give_receipt_back(connection, run.row, number, &unpacked.side, recorded)
                .map_err(|error| damaged(seq, &error))?;
        }
        chain.events.extend(
            events.into_iter().filter(|recorded| i64::try_from(recorded.seq.0).is_ok_and(|seq| seq >= from)),
        );
        chain.commits += 1;
        before = stored;
    }
    if before != run.head || next != i64::try_from(run.next).unwrap_or(i64::MAX) {
        return Err(damaged(next, &"the end of its events is missing"));
    }
    Ok(chain)
}

/// Number of the newest commit of all runs; 0: there is none.
pub(crate) fn newest_commit(connection: &Connection) -> Result<i64, Error> {
    connection.prepare_cached("SELECT ifnull(max(id), 0) FROM commits")?.query_row([], |row| row.get(0))
}

/// Events of all runs in the commits after number `after`, unchecked.
pub(crate) fn events_after(connection: &Connection, after: i64) -> Result<Vec<Recorded>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT seq, at, body FROM commits WHERE id > ?1 ORDER BY id")?;
    let mut rows = statement.query([after])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = Seq(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default());
        let body = row.get_ref(2)?.as_blob()?;
        events.extend(unpack_commit(seq, row.get(1)?, body).into_iter().flat_map(|unpacked| unpacked.events));
    }
    Ok(events)
}

/// Restores the receipt of an event. An export may have omitted it; an existing one must match its digest.
fn give_receipt_back(
    connection: &Connection,
    row: Row,
    commit: u64,
    digests: &[Digest],
    recorded: &mut Recorded,
) -> Result<(), ReadError> {
    let kept =
        matches!(recorded.event, Event::Step { event: StepEvent::Accepted { receipt: Some(_), .. }, .. });
    if !kept || digests.is_empty() {
        return Ok(());
    }
    let (commit, seq) =
        (i64::try_from(commit).unwrap_or(i64::MAX), i64::try_from(recorded.seq.0).unwrap_or(i64::MAX));
    let found: Option<(i64, Vec<u8>)> = connection
        .prepare_cached(
            "SELECT part, body FROM beside WHERE run = ?1 AND commit_seq = ?2 AND seq = ?3 AND kind = ?4",
        )?
        .query_row((row.0, commit, seq, SideKind::Receipt.number()), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((part, body)) = found else { return Ok(()) };
    check_beside(digests, part, &body)?;
    restore_receipt(&mut recorded.event, &body).map_err(|error| ReadError::Damaged(error.to_string()))
}

/// Checks side data against its digest in the chain.
pub(crate) fn check_beside(digests: &[Digest], part: i64, body: &[u8]) -> Result<(), ReadError> {
    let wanted = usize::try_from(part).ok().and_then(|part| digests.get(part));
    if wanted == Some(&Digest::of(body)) {
        Ok(())
    } else {
        Err(ReadError::Damaged("a transcript or receipt is not the one that was stored".to_owned()))
    }
}

/// Side data of a run's commit.
pub(crate) struct Beside {
    /// Sequence number of the first event of its commit.
    pub(crate) commit: u64,
    pub(crate) part: i64,
    pub(crate) kind: i64,
    pub(crate) body: Vec<u8>,
}

/// The side data of a run.
pub(crate) fn beside(connection: &Connection, row: Row) -> Result<Vec<Beside>, Error> {
    connection
        .prepare_cached(
            "SELECT commit_seq, part, kind, body FROM beside WHERE run = ?1 ORDER BY commit_seq, part",
        )?
        .query_map([row.0], |row| {
            let commit = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
            Ok(Beside { commit, part: row.get(1)?, kind: row.get(2)?, body: row.get(3)? })
        })?
        .collect()
}

/// The digests of side data in a run's commits, by the sequence number of their first event.
pub(crate) fn beside_digests(
    connection: &Connection,
    row: Row,
) -> Result<std::collections::BTreeMap<u64, Vec<Digest>>, ReadError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, at, body FROM commits WHERE run = ?1 AND seq IN (SELECT commit_seq FROM beside WHERE run = ?1)")?;
    let mut rows = statement.query([row.0])?;
    let mut digests = std::collections::BTreeMap::new();
    while let Some(row) = rows.next()? {
        let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        let body = row.get_ref(2)?.as_blob().map_err(|error| ReadError::Damaged(error.to_string()))?;
        let unpacked = unpack_commit(Seq(seq), row.get(1)?, body)
            .map_err(|error: Unreadable| ReadError::Damaged(error.to_string()))?;
        digests.insert(seq, unpacked.side);
    }
    Ok(digests)
}

/// A signal that no driver has taken in yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) run: RunId,
    /// The signal, as JSON.
    pub(crate) body: String,
}

/// Signals that no driver has taken in yet, oldest first; of one run, or of all.
pub(crate) fn inbox(connection: &Connection, row: Option<Row>) -> Result<Vec<Waiting>, Error> {
    let of = if row.is_some() { "AND inbox.run = ?1" } else { "AND ?1 IS NULL" };
    connection
        .prepare_cached(&format!(
            "SELECT runs.run, body FROM inbox JOIN runs ON runs.id = inbox.run
             WHERE taken = 0 {of} ORDER BY number"
        ))?
        .query_map([row.map(|row| row.0)], |row| {
            Ok(Waiting { run: RunId::from_bytes(row.get(0)?), body: row.get(1)? })
        })?
        .collect()
}

/// Whether a signal was taken in; `None`: there is no such signal.
pub(crate) fn is_taken(connection: &Connection, id: crate::ids::SignalId) -> Result<Option<bool>, Error> {
    connection
        .prepare_cached("SELECT taken FROM inbox WHERE id = ?1")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()
}

/// Whether the lease is still held and no signal waits: checked after an intent is durable, before the request is sent.
pub(crate) fn may_send(connection: &Connection, row: Row, driver: i64, epoch: u64) -> Result<bool, Error> {
    connection
        .prepare_cached(
            "SELECT driver IS ?2 AND epoch = ?3 AND NOT EXISTS (SELECT 1 FROM inbox WHERE run = ?1 AND taken = 0)
             FROM runs WHERE id = ?1",
        )?
        .query_row((row.0, driver, i64::try_from(epoch).unwrap_or(i64::MAX)), |row| row.get(0))
}

/// Whether the lease is still held.
pub(crate) fn still_holds(connection: &Connection, row: Row, driver: i64, epoch: u64) -> Result<bool, Error> {
    connection
        .prepare_cached("SELECT driver IS ?2 AND epoch = ?3 FROM runs WHERE id = ?1")?
        .query_row((row.0, driver, i64::try_from(epoch).unwrap_or(i64::MAX)), |row| row.get(0))
}

/// Changes whenever another connection commits.
pub(crate) fn data_version(connection: &Connection) -> Result<i64, Error> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}
