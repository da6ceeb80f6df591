//! Drives runs for a person: progress, Ctrl-C, the closing summary, the exit code.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    Backend, Clock, DriveOptions, Parked, Performer, Recorded, RunId, RunStatus, Runs, Seq, SqliteBackend,
};

use crate::cli::arguments::Output;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::interrupts::Interrupts;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::remarks;
use crate::progress::{Progress, Said, Stamps};
use crate::report::view::{Facts, Page, RunView};
use crate::text::Text;

/// Everything needed to drive runs.
pub(crate) struct Driver {
    pub(crate) backend: Arc<SqliteBackend>,
    pub(crate) performer: Arc<Performer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stamps: Stamps,
    pub(crate) said: Said,
}

/// The runs when driving stopped.
pub(crate) struct Driven {
    pub(crate) runs: Vec<(RunId, RunStatus)>,
    /// Runs that could not be driven, and why, if there were several.
    pub(crate) refused: Vec<(RunId, CommandError)>,
    /// The exit code of the operating system signal that stopped the driver.
    pub(crate) stopped: Option<Exit>,
}

impl Driven {
    /// The error of a command that could drive none of its runs; `None`: there were no runs to drive.
    fn nothing_driven(&self) -> Option<CommandError> {
        let exit = self.refused.iter().map(|(_, error)| error.exit).max_by_key(|exit| severity(*exit))?;
        let error = CommandError::new(exit, format!("none of {} runs can be driven", self.refused.len()));
        Some(self.refused.iter().fold(error, |error, (run, refused)| {
            let error = error.hint(format!("run {}: {}", run.short(), refused.message));
            refused.hints.iter().fold(error, |error, hint| error.hint(hint))
        }))
    }
}

impl Driver {
    /// Drives `runs` until no step can progress, or as `options` say, or until a signal stops the driver.
    pub(crate) async fn drive(
        &self,
        ui: &Ui,
        runs: &[RunId],
        from: &[(RunId, Seq)],
        options: DriveOptions,
    ) -> Result<Driven, CommandError> {
        let (mut interrupts, token) = Interrupts::listen()?;
        let mut progress = Progress::new(ui, &*self.backend, self.stamps, &self.said, runs, from).await?;
        let parked = {
            let performer = Arc::clone(&self.performer);
            let these = Runs::These(runs.to_vec());
            let mut driving = std::pin::pin!(self.backend.drive(these, performer, options, token));
            loop {
                tokio::select! {
                    parked = &mut driving => break Some(parked.map_err(failures::backend)?),
                    times = interrupts.next() => match times {
                        1 => ui.talk("stopping: requests in flight finish, then the run stops (again: stop at once)"),
                        2 => ui.talk("stopping at once"),
                        // The driver hangs; the journal is consistent at every point.
                        _ => break None,
                    },
                    followed = progress.follow(&*self.clock) => followed?,
                }
                remarks::say(ui, self.backend.remarks());
            }
        };
        progress.catch_up().await?;
        let (runs, refused) = match parked {
            Some(Parked { runs, refused, stopped }) => {
                // After a stop, a run that could still progress is not running any more.
                let undriven = |(run, status): (RunId, RunStatus)| (run, status.undriven());
                (if stopped { runs.into_iter().map(undriven).collect() } else { runs }, refused)
            }
            None => (runs.iter().map(|run| (*run, RunStatus::Interrupted)).collect(), Vec::new()),
        };
        let refused = refused.into_iter().map(|(run, error)| (run, failures::backend(error))).collect();
        Ok(Driven { runs, refused, stopped: interrupts.exit() })
    }

    /// The view of one run in its present state.
    pub(crate) async fn view(&self, run: RunId, status: &RunStatus) -> Result<RunView, CommandError> {
        view(&self.backend, run, status, self.clock.now()).await
    }

    /// Writes the closing summary of each run, and returns the exit code of all runs.
    pub(crate) async fn close(&self, ui: &Ui, driven: &Driven) -> Result<Exit, CommandError> {
        let views = self.views(driven).await?;
        if views.is_empty()
            && let Some(error) = driven.nothing_driven()
        {
            return Err(error);
        }
        show(ui, &views)?;
        for (run, error) in &driven.refused {
            ui.talk(&format!("run {}: {}", run.short(), error.message));
            error.hints.iter().for_each(|hint| ui.talk(&format!("  {hint}")));
        }
        Ok(ends(&views, driven))
    }

    /// As [`Driver::close`] for one run, with `more` added to its JSON document as field `name`.
    pub(crate) async fn close_beside(
        &self,
        ui: &Ui,
        driven: &Driven,
        (name, more): (&str, Value),
    ) -> Result<Exit, CommandError> {
        let views = self.views(driven).await?;
        match (ui.output(), views.as_slice()) {
            (Output::Json, [view]) => {
                let mut whole = serde_json::to_value(view)
                    .map_err(|error| CommandError::bug("the run cannot be written as JSON").cause(&error))?;
                whole[name] = more;
                ui.data(&whole, Text::default)?;
            }
            _ => show(ui, &views)?,
        }
        Ok(ends(&views, driven))
    }

    /// The view of each driven run.
    pub(crate) async fn views(&self, driven: &Driven) -> Result<Vec<RunView>, CommandError> {
        let mut views = Vec::new();
        for (run, status) in &driven.runs {
            views.push(self.view(*run, status).await?);
        }
        Ok(views)
    }
}

/// The exit code of driven runs.
fn ends(views: &[RunView], driven: &Driven) -> Exit {
    let refused = driven.refused.iter().map(|(_, error)| error.exit);
    let worst = views
        .iter()
        .map(|view| view.ends)
        .chain(refused)
        .max_by_key(|exit| severity(*exit))
        .unwrap_or(Exit::Done);
    let all_ended = views.iter().all(|view| view.status.ended);
    match driven.stopped {
        Some(stopped) if !all_ended => stopped,
        _ => worst,
    }
}

/// The view of a run in `backend`.
pub(crate) async fn view(
    backend: &SqliteBackend,
    run: RunId,
    status: &RunStatus,
    now: Timestamp,
) -> Result<RunView, CommandError> {
    let state = backend.load(run).await.map_err(failures::backend)?;
    Ok(RunView::new(&state, &Facts { run, status, driver: None, now }))
}

/// Every event of a run so far.
pub(crate) async fn events(backend: &dyn Backend, run: RunId) -> Result<Vec<Recorded>, CommandError> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let from = Seq(all.last().map_or(1, |last| last.seq.0 + 1));
        let more = backend.read(run, from, None).await.map_err(failures::backend)?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

#[derive(Serialize)]
struct RunViews<'a> {
    schema: u32,
    runs: &'a [RunView],
}

/// Writes the runs: one document for one run, a list for several.
fn show(ui: &Ui, views: &[RunView]) -> Result<(), CommandError> {
    match (ui.output(), views) {
        (Output::Jsonl, _) => views.iter().try_for_each(|view| ui.line(view)),
        (_, [view]) => ui.data(view, || view.closing(ui.width())),
        (_, views) => ui.data(&RunViews { schema: SCHEMA, runs: views }, || {
            let mut page = Page::new(ui.width());
            for view in views {
                page.gap();
                page.whole(&format!("run {} {}", view.short, view.name));
                page.append(&view.closing(ui.width()));
            }
            page.into_text()
        }),
    }
    .or_else(|error| if error.broken_pipe { Ok(()) } else { Err(error) })
}

/// Rank of exit codes when several runs end differently: journal errors before failures, failures before a lease of
/// another
/// process, that before waits, waits before done.
fn severity(exit: Exit) -> u8 {
    match exit {
        Exit::Done => 0,
        Exit::Waiting => 1,
        Exit::Held => 2,
        Exit::SignInRefused => 3,
        Exit::GaveUp => 4,
        Exit::JournalNotWritable => 6,
        _ => 5,
    }
}
