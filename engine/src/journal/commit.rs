//! The content of commits: new runs, events, leases, signals. Each decides before it writes.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, Error, OptionalExtension};
use twinspan_plans::Digest;

use super::body::{Packed, Side};
use super::chain::{Hash, START, link};
use super::liveness::{Liveness, Verdict};
use crate::backend::{Begins, Started};
use crate::event::{Recorded, TakeOver, TakenBecause};
use crate::ids::ClaimKey;
use crate::ids::{DriverId, RunId, Seq, SignalId};
use crate::rollout::RunKey;

/// The id of a run's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row(pub(crate) i64);

/// The right of one driver to append to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) driver: i64,
    pub(crate) epoch: u64,
}

/// Why a write was refused; nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such run.
    NoSuchRun,
    /// Another driver holds the run; `None`: it was released meanwhile.
    Held(Option<Held>),
    /// Another open run holds the claim.
    Claimed { key: ClaimKey, run: RunId },
    /// The run's journal has events that this writer does not know.
    OutOfStep,
}

/// The lease holder of a run, and whether it is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) holder: Holder,
    pub(crate) verdict: Verdict,
}

/// The entry in the list of runs: written together with the events that it summarizes.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// The status, as JSON.
    pub(crate) status: String,
    pub(crate) open: bool,
}

/// A new run with its first commit.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) run: RunId,
    pub(crate) name: String,
    pub(crate) plan: Digest,
    pub(crate) text: std::sync::Arc<str>,
    pub(crate) first: Packed,
    pub(crate) summary: Summary,
    pub(crate) key: RunKey,
    /// Labels, as JSON.
    pub(crate) labels: String,
    pub(crate) begins: Begins,
}

/// Events to append to a run.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) row: Row,
    pub(crate) run: RunId,
    pub(crate) lease: Lease,
    /// `None`: only the lease is released.
    pub(crate) packed: Option<Packed>,
    pub(crate) events: u64,
    pub(crate) summary: Summary,
    pub(crate) claims: Vec<ClaimKey>,
    pub(crate) taken: Vec<SignalId>,
    /// Releases the lease.
    pub(crate) release: bool,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn insert(
    connection: &Connection,
    row: Row,
    run: RunId,
    head: &Hash,
    packed: &Packed,
) -> Result<Hash, Error> {
    let hash = link(head, run, packed.seq.0, packed.at, &packed.body);
    connection
        .prepare_cached("INSERT INTO commits (run, seq, at, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((row.0, number(packed.seq.0), packed.at, &packed.body, hash))?;
    for (part, Side { kind, seq, body }) in (0_i64..).zip(&packed.side) {
        connection
            .prepare_cached(
                "INSERT INTO beside (run, commit_seq, part, seq, kind, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((row.0, number(packed.seq.0), part, number(seq.0), kind.number(), body))?;
    }
    Ok(hash)
}

/// Whether the run may begin, given the other runs of its key.
fn may_begin(connection: &Connection, new: &NewRow) -> Result<bool, Error> {
    let Begins::AfterNewest(expected) = new.begins else { return Ok(true) };
    let newest: Option<RunId> = connection
        .prepare_cached("SELECT run FROM runs WHERE key = ?1 AND key <> '' ORDER BY id DESC LIMIT 1")?
        .query_row([new.key.as_str()], |row| row.get(0).map(RunId::from_bytes))
        .optional()?;
    let open = connection
        .prepare_cached("SELECT 1 FROM runs WHERE key = ?1 AND key <> '' AND open = 1")?
        .exists([new.key.as_str()])?;
    Ok(newest == expected && !open)
}

/// Creates a run, unless it exists already or may not begin.
pub(crate) fn start(connection: &Connection, new: &NewRow) -> Result<Started, Error> {
    let there =
        connection.prepare_cached("SELECT 1 FROM runs WHERE run = ?1")?.exists([new.run.0.as_bytes()])?;
    if there {
        return Ok(Started::Already);
    }
    if !may_begin(connection, new)? {
        return Ok(Started::Overtaken);
    }
    let plan: Option<i64> = connection
        .prepare_cached("SELECT id FROM plans WHERE digest = ?1")?
        .query_row([new.plan.0], |row| row.get(0))
        .optional()?;
    let plan = match plan {
        Some(plan) => plan,
        None => {
            connection
                .prepare_cached("INSERT INTO plans (digest, text) VALUES (?1, ?2)")?
                .execute((new.plan.0, &*new.text))?;
            connection.last_insert_rowid()
        }
    };
    let hash = link(&START, new.run, new.first.seq.0, new.first.at, &new.first.body);
    connection
        .prepare_cached(
            "INSERT INTO runs (run, plan, name, started, changed, open, status, next, head, driver, epoch, key,
                               labels)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, 0, ?10, ?11)",
        )?
        .execute((
            new.run.0.as_bytes(),
            plan,
            &new.name,
            new.first.at,
            new.first.last,
            new.summary.open,
            &new.summary.status,
            number(new.first.seq.0 + 1),
            hash,
            new.key.as_str(),
            &new.labels,
        ))?;
    let row = Row(connection.last_insert_rowid());
    insert(connection, row, new.run, &START, &new.first)?;
    Ok(Started::New)
}

/// Appends events, if the lease is still held.
pub(crate) fn append(connection: &Connection, append: &Append) -> Result<Result<(), Refusal>, Error> {
    let (next, head, driver, epoch): (i64, Hash, Option<i64>, i64) = connection
        .prepare_cached("SELECT next, head, driver, epoch FROM runs WHERE id = ?1")?
        .query_row([append.row.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    // Checked in the transaction of the write: a driver that lost its lease can never append.
    if driver != Some(append.lease.driver) || epoch != number(append.lease.epoch) {
        let holder = driver.map_or(Ok(None), |driver| holder(connection, driver))?;
        // The new holder was alive when it took over.
        return Ok(Err(Refusal::Held(holder.map(|holder| Held { holder, verdict: Verdict::Beating }))));
    }
    for key in &append.claims {
        if let Some(run) = claimed_by_other(connection, append.row, key)? {
            return Ok(Err(Refusal::Claimed { key: key.clone(), run }));
        }
    }
    let (next, head, last) = match &append.packed {
        Some(packed) if number(packed.seq.0) != next => return Ok(Err(Refusal::OutOfStep)),
        Some(packed) => {
            let hash = insert(connection, append.row, append.run, &head, packed)?;
            (next.saturating_add(number(append.events)), hash, Some(packed.last))
        }
        None => (next, head, None),
    };
    for key in &append.claims {
        connection
            .prepare_cached("INSERT OR IGNORE INTO claims (key, run) VALUES (?1, ?2)")?
            .execute((&key.0, append.row.0))?;
    }
    for id in &append.taken {
        connection.prepare_cached("UPDATE inbox SET taken = 1 WHERE id = ?1")?.execute([id.0.as_bytes()])?;
    }
    // Only a release changes the lease, so the common case does not touch its columns and their indexes.
    let sql = if append.release || !append.summary.open {
        "UPDATE runs SET next = ?2, head = ?3, changed = ifnull(?4, changed), status = ?5, open = ?6, driver = NULL
         WHERE id = ?1"
    } else {
        "UPDATE runs SET next = ?2, head = ?3, changed = ifnull(?4, changed), status = ?5, open = ?6 WHERE id = ?1"
    };
    connection.prepare_cached(sql)?.execute((
        append.row.0,
        next,
        head,
        last,
        &append.summary.status,
        append.summary.open,
    ))?;
    if !append.summary.open {
        connection.prepare_cached("DELETE FROM claims WHERE run = ?1")?.execute([append.row.0])?;
    }
    Ok(Ok(()))
}

/// The other open run that holds `key`.
pub(crate) fn claimed_by_other(
    connection: &Connection,
    row: Row,
    key: &ClaimKey,
) -> Result<Option<RunId>, Error> {
    connection
        .prepare_cached(
            "SELECT runs.run FROM claims JOIN runs ON runs.id = claims.run WHERE claims.key = ?1 AND runs.id <> ?2",
        )?
        .query_row((&key.0, row.0), |row| row.get(0).map(RunId::from_bytes))
        .optional()
}

/// A driver's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: DriverId,
    pub(crate) host: String,
    pub(crate) process: u32,
    /// Identifies the machine and its start.
    pub(crate) boot: String,
    /// When it took its first run, in microseconds: only for people.
    pub(crate) since: i64,
    /// How long its heartbeat may stand still.
    pub(crate) lease: Duration,
    /// Changes while the driver is alive.
    pub(crate) heartbeat: i64,
}

impl Holder {
    /// Host and process, for people.
    pub(crate) fn name(&self) -> String {
        format!("process {} on {}", self.process, self.host)
    }
}

/// The driver of row `driver`.
pub(crate) fn holder(connection: &Connection, driver: i64) -> Result<Option<Holder>, Error> {
    connection
        .prepare_cached(
            "SELECT uuid, host, process, boot, since, lease, heartbeat FROM drivers WHERE id = ?1",
        )?
        .query_row([driver], |row| {
            let lease = u64::try_from(row.get::<_, i64>(5)?).unwrap_or_default();
            Ok(Holder {
                id: DriverId(uuid::Uuid::from_bytes(row.get(0)?)),
                host: row.get(1)?,
                process: row.get(2)?,
                boot: row.get(3)?,
                since: row.get(4)?,
                lease: Duration::from_millis(lease),
                heartbeat: row.get(6)?,
            })
        })
        .optional()
}

/// Ids of all drivers in the journal.
pub(crate) fn drivers(connection: &Connection) -> Result<BTreeSet<uuid::Uuid>, Error> {
    connection
        .prepare_cached("SELECT uuid FROM drivers")?
        .query_map([], |row| row.get(0).map(uuid::Uuid::from_bytes))?
        .collect()
}

/// Increments the heartbeat of a driver; false when the journal does not know it.
pub(crate) fn beat(connection: &Connection, id: DriverId) -> Result<bool, Error> {
    let moved = connection
        .prepare_cached("UPDATE drivers SET heartbeat = heartbeat + 1 WHERE uuid = ?1")?
        .execute([id.0.as_bytes()])?;
    Ok(moved > 0)
}

/// The row of a driver; `None`: it has not taken a run yet.
fn driver_row(connection: &Connection, id: DriverId) -> Result<Option<i64>, Error> {
    connection
        .prepare_cached("SELECT id FROM drivers WHERE uuid = ?1")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()
}

/// Inserts a driver.
fn enter_driver(connection: &Connection, holder: &Holder) -> Result<i64, Error> {
    let sql = "INSERT INTO drivers (uuid, host, process, boot, since, lease) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute((
        holder.id.0.as_bytes(),
        &holder.host,
        holder.process,
        &holder.boot,
        holder.since,
        i64::try_from(holder.lease.as_millis()).unwrap_or(i64::MAX),
    ))?;
    Ok(connection.last_insert_rowid())
}

/// Releases everything that a driver holds, and deletes its row.
pub(crate) fn leave_driver(connection: &Connection, id: DriverId) -> Result<(), Error> {
    let Some(driver) = driver_row(connection, id)? else { return Ok(()) };
    connection.prepare_cached("UPDATE runs SET driver = NULL WHERE driver = ?1")?.execute([driver])?;
    connection.prepare_cached("DELETE FROM drivers WHERE id = ?1")?.execute([driver])?;
    Ok(())
}

/// The result of taking a run's lease.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) row: Row,
    pub(crate) lease: Lease,
    /// The previous driver, if this was the last run that it held: its row is deleted.
    pub(crate) forgotten: Option<DriverId>,
}

/// Takes a run's lease and appends the event that `took` creates from (sequence number, time of the last event, epoch, the
/// lease taken over). A driver is inserted with its first lease.
pub(crate) fn take_lease(
    connection: &Connection,
    run: RunId,
    taker: &Holder,
    steal: bool,
    liveness: &Liveness,
    took: impl FnOnce(Seq, i64, u64, Option<TakeOver>) -> Option<(Recorded, Packed)>,
) -> Result<Result<Taken, Refusal>, Error> {
    type Found = (i64, i64, Hash, i64, Option<i64>, i64);
    let found: Option<Found> = connection
        .prepare_cached("SELECT id, next, head, changed, driver, epoch FROM runs WHERE run = ?1")?
        .query_row([run.0.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((row, next, head, changed, before, epoch)) = found else { return Ok(Err(Refusal::NoSuchRun)) };
    let mut over = None;
    let known = driver_row(connection, taker.id)?;
    if let Some(before) = before.filter(|before| Some(*before) != known)
        && let Some(holder) = holder(connection, before)?
    {
        // This heartbeat is current: no other write can come between.
        let because = match liveness.judge(&holder) {
            Verdict::Dead => TakenBecause::Dead,
            Verdict::Expired => TakenBecause::Expired,
            Verdict::Beating | Verdict::Unknown { .. } if steal => TakenBecause::Ordered,
            verdict => return Ok(Err(Refusal::Held(Some(Held { holder, verdict })))),
        };
        over = Some(TakeOver { holder: holder.name(), because });
    }
    // Each take-over increases the epoch, so that a commit from before it is refused even if the driver is the same.
    let epoch = u64::try_from(epoch).unwrap_or_default() + 1;
    let seq = Seq(u64::try_from(next).unwrap_or_default());
    let row = Row(row);
    let Some((_, packed)) = took(seq, changed, epoch, over) else { return Ok(Err(Refusal::OutOfStep)) };
    let driver = match known {
        Some(driver) => driver,
        None => enter_driver(connection, taker)?,
    };
    let hash = insert(connection, row, run, &head, &packed)?;
    connection
        .prepare_cached(
            "UPDATE runs SET next = ?2, head = ?3, changed = ?4, driver = ?5, epoch = ?6 WHERE id = ?1",
        )?
        .execute((row.0, next + 1, hash, packed.last, driver, number(epoch)))?;
    let mut forgotten = None;
    if let Some(before) = before.filter(|before| *before != driver) {
        let sql = "DELETE FROM drivers WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE driver = ?1)
             RETURNING uuid";
        forgotten = connection
            .prepare_cached(sql)?
            .query_row([before], |row| row.get(0).map(|id| DriverId(uuid::Uuid::from_bytes(id))))
            .optional()?;
    }
    Ok(Ok(Taken { row, lease: Lease { driver, epoch }, forgotten }))
}

/// Puts a signal into a run's inbox; false when there is no such run.
pub(crate) fn put_signal(
    connection: &Connection,
    id: SignalId,
    run: RunId,
    body: &str,
) -> Result<bool, Error> {
    let row: Option<i64> = connection
        .prepare_cached("SELECT id FROM runs WHERE run = ?1")?
        .query_row([run.0.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(row) = row else { return Ok(false) };
    // The same signal may come twice: its file remains if its reader was killed.
    connection
        .prepare_cached("INSERT OR IGNORE INTO inbox (id, run, body) VALUES (?1, ?2, ?3)")?
        .execute((id.0.as_bytes(), row, body))?;
    Ok(true)
}
