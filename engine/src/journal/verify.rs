//! Checks a run's journal: hash chain, numbering, side data, and that the tables agree with the events.

use rusqlite::Connection;

use super::body::{SideKind, Transcript, unpack_transcript};
use super::commit::{Row, Summary};
use super::read::{
    Beside, ReadError, RunRow, beside, beside_digests, check_beside, events, find, plan_digest, plan_text,
};
use crate::event::{Event, Recorded, StepEvent};
use crate::ids::{RunId, Seq};

/// The result of checking a run's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalReport {
    /// The run.
    pub run: RunId,
    /// Number of events read.
    pub events: u64,
    /// Number of commits read, each with its hash checked.
    pub commits: u64,
    /// Hash of the last commit, in hexadecimal: a noted hash shows later whether the journal was rewritten.
    pub head: String,
    /// The errors found; empty: the journal is intact.
    pub problems: Vec<String>,
}

/// Checks the journal of `run`; `None`: there is no such run.
pub(crate) fn verify(
    connection: &Connection,
    run: RunId,
    fold: impl FnOnce(&RunRow, &[Recorded]) -> Result<Summary, String>,
) -> Result<Option<JournalReport>, ReadError> {
    let moment = connection.unchecked_transaction()?;
    let Some(row) = find(&moment, run)? else { return Ok(None) };
    let mut report = JournalReport {
        run,
        events: 0,
        commits: 0,
        head: twinspan_plans::Digest(row.head).to_string(),
        problems: Vec::new(),
    };
    let chain = match events(&moment, &row, Seq(1)) {
        Ok(chain) => chain,
        Err(ReadError::Damaged(what)) => {
            report.problems.push(what);
            return Ok(Some(report));
        }
        Err(error) => return Err(error),
    };
    report.commits = chain.commits;
    report.events = u64::try_from(chain.events.len()).unwrap_or(u64::MAX);
    if let Err(error) = transcripts(&moment, row.row) {
        report.problems.push(error.to_string());
    }
    if chain.events.last().is_some_and(|last| last.at.as_microsecond() != row.changed) {
        report.problems.push("the list of runs has another time of the last event".to_owned());
    }
    check_row(&moment, &row, &chain.events, &mut report.problems)?;
    match fold(&row, &chain.events) {
        Ok(summary) => {
            if summary.open != row.open {
                report.problems.push("the list of runs is wrong about whether the run has ended".to_owned());
            }
            if summary.status != row.status && row.driver.is_none() {
                report
                    .problems
                    .push(format!("the list of runs says {}, the events {}", row.status, summary.status));
            }
        }
        Err(what) => report.problems.push(what),
    }
    check_claims(&moment, &row, &chain.events, &mut report.problems)?;
    Ok(Some(report))
}

/// Checks the run's row against its events: name, plan, times, epoch.
fn check_row(
    connection: &Connection,
    row: &RunRow,
    events: &[Recorded],
    problems: &mut Vec<String>,
) -> Result<(), ReadError> {
    let Some(Recorded { event: Event::RunStarted(started), at, .. }) = events.first() else {
        problems.push("the record does not begin with the start of the run".to_owned());
        return Ok(());
    };
    // Read by row number, not by id: in a damaged file an index and its table may disagree.
    let listed: [u8; 16] = connection
        .prepare_cached("SELECT run FROM runs WHERE id = ?1")?
        .query_row([row.row.0], |row| row.get(0))?;
    if started.run != row.run
        || listed != *row.run.0.as_bytes()
        || started.name != row.name
        || at.as_microsecond() != row.started
    {
        problems.push("the list of runs has another id, name or start".to_owned());
    }
    if plan_digest(connection, row.plan)? != started.plan {
        problems.push("the run's row names another plan than its first event".to_owned());
    }
    if let Err(error) = plan_text(connection, row.plan) {
        problems.push(error.to_string());
    }
    let epoch = events.iter().rev().find_map(|recorded| match &recorded.event {
        Event::DriverTook { epoch, .. } => Some(epoch.0),
        _ => None,
    });
    if epoch.unwrap_or_default() != row.epoch {
        problems.push("the run's row has another epoch than its events".to_owned());
    }
    Ok(())
}

/// Checks the claims: an open run holds those of its intents, an ended run none.
fn check_claims(
    connection: &Connection,
    row: &RunRow,
    events: &[Recorded],
    problems: &mut Vec<String>,
) -> Result<(), ReadError> {
    let mut wanted: Vec<String> = Vec::new();
    if row.open {
        for recorded in events {
            match &recorded.event {
                Event::Step { event: StepEvent::Intended { claims, .. }, .. } => {
                    wanted.extend(claims.iter().map(|claim| claim.0.clone()));
                }
                Event::RunEnded { .. } => wanted.clear(),
                _ => {}
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    let held: Vec<String> = connection
        .prepare_cached("SELECT key FROM claims WHERE run = ?1 ORDER BY key")?
        .query_map([row.row.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if held != wanted {
        problems.push(format!("the run holds {} claims, its events say {}", held.len(), wanted.len()));
    }
    Ok(())
}

/// The transcripts of a run, each checked against the chain.
pub(crate) fn transcripts(connection: &Connection, row: Row) -> Result<Vec<Transcript>, ReadError> {
    let digests = beside_digests(connection, row)?;
    let mut found = Vec::new();
    for Beside { commit, part, kind, body } in beside(connection, row)? {
        check_beside(digests.get(&commit).map_or(&[][..], Vec::as_slice), part, &body)?;
        if kind == SideKind::Transcript.number() {
            found.push(unpack_transcript(&body).map_err(|error| ReadError::Damaged(error.to_string()))?);
        }
    }
    Ok(found)
}
