//! The embedded backend: journal and driver in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    Backend, BackendError, BoxFuture, DriveOptions, Filter, NewRollout, NewRun, Parked, RunSummary, Runs,
    Started, StopToken,
};
use crate::clock::{Clock, pause};
use crate::driver::lease::lease_holder;
use crate::driver::summary::{Kept, summary_of};
use crate::driver::{self, Store};
use crate::error::unencodable;
use crate::event::{Event, Recorded, RunStarted};
use crate::ids::{RunId, Seq};
use crate::journal::{
    Journal, JournalReport, Liveness, NewRow, RunRow, Transcript, pack_commit, whole_microseconds,
};
use crate::journal::{Mode, Opening, Remarks};
use crate::perform::Performer;
use crate::plan_cache::PlanCache;
use crate::rollout::{EarlierRun, Rollout, RunKey};
use crate::signal::SignalRow;
use crate::state::{RunState, RunStatus, fold};
use twinspan_plans::Digest;

/// Interval of checks while waiting for another process.
const LOOK: Duration = Duration::from_millis(20);

/// Interval of checks whether a signal was taken in; each check may copy the journal.
const TAKEN_LOOK: Duration = Duration::from_millis(100);

/// Number of checks of the inbox before the lease is tried again.
const LOOKS: u32 = 25;

/// The embedded backend: journal and driver in this process.
pub struct SqliteBackend {
    place: Store,
    clock: Arc<dyn Clock>,
    remarks: Remarks,
}

/// A verified copy of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Runs in it.
    pub runs: u64,
    /// Events of all runs.
    pub events: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A signal file in the inbox folder of another account's journal, not taken in yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxFile {
    /// Its file.
    pub file: PathBuf,
    /// The account that takes it in.
    pub owner: String,
    /// The live driver of the run; `None`: the run is not running.
    pub driver: Option<String>,
}

/// The result of sending a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalOutcome {
    /// The run's live driver.
    ByDriver,
    /// This call: no driver was alive.
    Here,
    /// No driver within the given time; the signal stays in the inbox.
    NotYet,
    /// The owner of the journal takes it in later.
    InboxFile(InboxFile),
}

impl SqliteBackend {
    /// Opens the journal at `path`; creates it, unless it is opened for reading.
    pub fn open(path: &Path, opening: Opening) -> Result<Self, BackendError> {
        let journal = Arc::new(Journal::open(path, &opening)?);
        // Signals of other accounts take effect before anything else is done.
        journal.take_letters_in();
        let plans = Arc::new(PlanCache::new(opening.registry));
        let place = Store { journal, plans, lingers: opening.lingers, lease: opening.lease };
        Ok(SqliteBackend { place, clock: opening.clock, remarks: opening.remarks })
    }

    /// Sends a signal and returns when it is in force: taken in by the run's live driver or, if there is none, by this call.
    /// Pause and cancel are in force once they are acknowledged.
    pub async fn signal_and_wait(
        &self,
        signal: SignalRow,
        wait: Duration,
    ) -> Result<SignalOutcome, BackendError> {
        let (run, id) = (signal.run, signal.id);
        if let Some(owner) = self.place.journal.sends_to() {
            return self.lay_and_wait(&signal, owner, wait).await;
        }
        self.put_signal(signal).await?;
        let settle = async {
            loop {
                match driver::settle(&self.place, run, Arc::clone(&self.clock)).await {
                    Ok(()) => return Ok(SignalOutcome::Here),
                    Err(BackendError::Held { .. }) => {}
                    Err(error) => return Err(error),
                }
                // While the lease is held, only the inbox is checked: it shows when the driver took the signal in.
                for _ in 0..LOOKS {
                    if self.place.journal.is_taken(id)? {
                        return Ok(SignalOutcome::ByDriver);
                    }
                    pause(LOOK).await;
                }
            }
        };
        tokio::time::timeout(wait, settle).await.unwrap_or(Ok(SignalOutcome::NotYet))
    }

    /// The journal's remarks for its operator.
    pub fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    /// The owner of the inbox folder to which signals go; `None`: they go to the journal itself.
    pub fn sends_to(&self) -> Option<String> {
        self.place.journal.sends_to()
    }

    /// Writes a signal file into another account's inbox folder and, if the run is running, waits until it is taken in.
    async fn lay_and_wait(
        &self,
        signal: &SignalRow,
        owner: String,
        wait: Duration,
    ) -> Result<SignalOutcome, BackendError> {
        let file = self.place.journal.lay(signal)?;
        let driver = self.summary(signal.run)?.driver;
        if driver.is_none() {
            return Ok(SignalOutcome::InboxFile(InboxFile { file, owner, driver }));
        }
        let taken = async {
            loop {
                if !file.exists() {
                    match self.place.journal.is_known(signal.id)? {
                        Some(true) => return Ok(SignalOutcome::ByDriver),
                        Some(false) => {}
                        None => {
                            return Err(BackendError::Refused {
                                message: format!("{owner} did not take the signal in: its file was refused"),
                                hint: format!("the output of {owner}'s driver says why"),
                            });
                        }
                    }
                }
                pause(TAKEN_LOOK).await;
            }
        };
        match tokio::time::timeout(wait, taken).await {
            Ok(taken) => taken,
            Err(_) => {
                Ok(SignalOutcome::InboxFile(InboxFile { file: file.clone(), owner: owner.clone(), driver }))
            }
        }
    }

    /// Takes in the inbox of a run that no process drives; a live driver does that itself.
    pub async fn settle(&self, run: RunId) -> Result<(), BackendError> {
        match driver::settle(&self.place, run, Arc::clone(&self.clock)).await {
            Ok(()) | Err(BackendError::Held { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A run's entry in the list of runs.
    pub fn summary(&self, run: RunId) -> Result<RunSummary, BackendError> {
        let row = self.place.journal.find(run)?;
        summarise(&self.place.journal, &row, &self.place.journal.liveness())
    }

    /// Requests and responses of a run's attempts, oldest first.
    pub fn transcripts(&self, run: RunId) -> Result<Vec<Transcript>, BackendError> {
        self.place.journal.transcripts(run)
    }

    /// Checks a run's journal: hash chain, numbering, side data, and that the tables agree with the events.
    pub fn verify_journal(&self, run: RunId) -> Result<JournalReport, BackendError> {
        let place = &self.place;
        place.journal.verify(run, |row, events| {
            let plan = place.plans.of(&place.journal, row).map_err(|error| error.to_string())?;
            let mut state = RunState::new(plan);
            // The stored status is that of the last commit of events, and taking the lease does not change it.
            let mut summary = summary_of(&state.status(Timestamp::UNIX_EPOCH), None, false);
            for recorded in events {
                fold(&mut state, recorded).map_err(|error| format!("event {}: {error}", recorded.seq.0))?;
                if !matches!(recorded.event, Event::DriverTook { .. }) {
                    summary = summary_of(&state.status(recorded.at), state.drift(), state.is_undone_now());
                }
            }
            Ok(summary)
        })
    }

    /// Copies the journal to `name` while it is in use, and verifies the copy before it gets its name. An existing file is
    /// kept unless `replace` is set.
    pub async fn back_up(&self, name: &Path, replace: bool) -> Result<BackedUp, BackendError> {
        let copied = self.place.journal.copy_to(name, replace).await?;
        let checked = self.check_copy(copied.path());
        if checked.is_err() {
            drop(copied.clear());
        }
        let checked = checked?;
        copied.keep()?;
        Ok(checked)
    }

    fn check_copy(&self, path: &Path) -> Result<BackedUp, BackendError> {
        let opening = Opening::reading(Arc::clone(self.place.plans.registry()));
        let copy = SqliteBackend::open(path, opening)?;
        let mut found =
            BackedUp { runs: 0, events: 0, bytes: std::fs::metadata(path).map_or(0, |file| file.len()) };
        for row in copy.place.journal.list(false, None)? {
            let report = copy.verify_journal(row.run)?;
            if let Some(problem) = report.problems.first() {
                return Err(BackendError::Damaged(format!("run {}: {problem}", row.run)));
            }
            found.runs += 1;
            found.events += report.events;
        }
        Ok(found)
    }

    async fn put_signal(&self, signal: SignalRow) -> Result<(), BackendError> {
        if self.place.journal.sends_to().is_some() {
            return self.place.journal.lay(&signal).map(drop);
        }
        let (run, id) = (signal.run, signal.id);
        let body = serde_json::to_string(&signal).map_err(unencodable)?;
        if self.place.journal.put_signal(id, run, body).await? {
            Ok(())
        } else {
            Err(BackendError::NoSuchRun(run))
        }
    }

    async fn accept(&self, new: NewRun) -> Result<Started, BackendError> {
        let digest = Digest::of(new.text.as_bytes());
        let NewRollout { key, labels, begins } = new.rollout;
        let earlier = self.earlier(&key)?;
        let name = new.plan.name.clone();
        let started = RunStarted {
            run: new.run,
            name: name.clone(),
            plan: digest,
            inputs: new.inputs,
            starter: new.starter,
            paused: new.paused,
            seed: new.seed,
            rollout: Rollout { key: key.clone(), labels: labels.clone(), earlier },
        };
        let at = whole_microseconds(self.clock.now());
        let first = Recorded { seq: Seq(1), at, event: Event::RunStarted(Box::new(started)) };
        // The status after the first event, computed without creating all steps.
        let summary =
            summary_of(&if new.paused { RunStatus::Paused } else { RunStatus::Queued }, None, false);
        let packed = pack_commit(std::slice::from_ref(&first), &[]).map_err(unencodable)?;
        let Some(first) = packed else { return Ok(Started::Already) };
        self.place.plans.put(digest, new.plan);
        let labels = serde_json::to_string(&labels).map_err(unencodable)?;
        let row =
            NewRow { run: new.run, name, plan: digest, text: new.text, first, summary, key, labels, begins };
        self.place.journal.start(row).await
    }

    /// Ended runs of a key, newest first, with what they created.
    pub fn earlier(&self, key: &RunKey) -> Result<Vec<EarlierRun>, BackendError> {
        Ok(self.runs_of(key)?.iter().filter_map(RunState::as_earlier).collect())
    }

    /// Runs of a key that have ended and were not undone, newest first.
    pub fn runs_of(&self, key: &RunKey) -> Result<Vec<RunState>, BackendError> {
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let filter = Filter { key: Some(key.clone()), ..Filter::default() };
        let ended = self
            .runs(&filter)?
            .into_iter()
            .filter(|summary| matches!(summary.status, RunStatus::Done { .. } | RunStatus::Cancelled { .. }));
        ended.map(|summary| self.place.replay(summary.run)).collect()
    }

    async fn events(
        &self,
        run: RunId,
        from: Seq,
        wait: Option<Duration>,
    ) -> Result<Vec<Recorded>, BackendError> {
        let mut watch = None;
        let look = async {
            loop {
                let (_, chain) = self.place.journal.events(run, from)?;
                if !chain.events.is_empty() || wait.is_none() {
                    return Ok(chain.events);
                }
                if watch.is_none() {
                    watch = Some(self.place.journal.watch()?);
                }
                while let Some(watch) = &mut watch
                    && !watch.changed()?
                {
                    pause(LOOK).await;
                }
            }
        };
        match wait {
            None => look.await,
            Some(wait) => tokio::time::timeout(wait, look).await.unwrap_or_else(|_| Ok(Vec::new())),
        }
    }

    fn runs(&self, filter: &Filter) -> Result<Vec<RunSummary>, BackendError> {
        let journal = &self.place.journal;
        let liveness = journal.liveness();
        let rows = journal.list(filter.open, filter.key.as_ref())?;
        let summaries = rows.iter().map(|row| summarise(journal, row, &liveness));
        let wanted = |summary: &Result<RunSummary, BackendError>| {
            summary.as_ref().map_or(true, |summary| summary.labels.contain(&filter.labels))
        };
        summaries.filter(wanted).take(filter.limit.unwrap_or(usize::MAX)).collect()
    }
}

fn summarise(journal: &Journal, row: &RunRow, liveness: &Liveness) -> Result<RunSummary, BackendError> {
    let damaged = |what: &dyn std::fmt::Display| BackendError::Damaged(format!("run {}: {what}", row.run));
    let Kept { status, drift, undo } = serde_json::from_str(&row.status).map_err(|error| damaged(&error))?;
    let driver = match row.driver {
        Some(driver) => journal.driver(driver, liveness)?,
        None => None,
    };
    let waiting = matches!(status, RunStatus::Waiting { .. });
    let (status, holder) = match driver {
        Some(held) if !held.verdict.is_over() => (status, Some(lease_holder(&held))),
        Some(_) if waiting && undo => (RunStatus::UndoInterrupted, None),
        Some(_) if waiting => (RunStatus::Interrupted, None),
        _ => (status.undriven(), None),
    };
    let time = |at: i64| Timestamp::from_microsecond(at).map_err(|error| damaged(&error));
    Ok(RunSummary {
        run: row.run,
        name: row.name.clone(),
        started: time(row.started)?,
        changed: time(row.changed)?,
        status,
        drift,
        undo,
        driver: holder.as_ref().map(|holder| holder.name.clone()),
        holder,
        key: RunKey::stored(&row.key),
        labels: serde_json::from_str(&row.labels).map_err(|error| damaged(&error))?,
    })
}

impl Backend for SqliteBackend {
    fn start(&self, run: NewRun) -> BoxFuture<'_, Result<Started, BackendError>> {
        Box::pin(self.accept(run))
    }

    fn signal(&self, signal: SignalRow) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(self.put_signal(signal))
    }

    fn read(
        &self,
        run: RunId,
        from: Seq,
        wait: Option<Duration>,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, BackendError>> {
        Box::pin(self.events(run, from, wait))
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<RunState, BackendError>> {
        Box::pin(async move { self.place.replay(run) })
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<RunSummary>, BackendError>> {
        Box::pin(async move { self.runs(&filter) })
    }

    fn drive(
        &self,
        runs: Runs,
        performer: Arc<Performer>,
        options: DriveOptions,
        stop: StopToken,
    ) -> BoxFuture<'_, Result<Parked, BackendError>> {
        Box::pin(async move {
            if self.place.journal.mode() == Mode::Reading {
                return Err(BackendError::Refused {
                    message: "the journal was opened for reading only".to_owned(),
                    hint: "open it for runs".to_owned(),
                });
            }
            driver::drive(&self.place, runs, performer, options, stop).await
        })
    }
}
