//! Progress output: on a terminal one live line for each active step, otherwise one line for each change, and a
//! heartbeat
//! line.

mod heartbeat;
mod live;
mod said;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{Backend, Clock, Event, Recorded, RunId, RunState, Seq, StepEvent, StepKey, fold};
use twinspan_plans::{NodeId, Plan};

use crate::cli::arguments::Output;
use crate::cli::error::CommandError;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::report::view::{
    EventView, Motion, Page, ReminderView, WaitView, Words, ahead, between, stamp, step,
};
use crate::text::{DIM, STRONG};

use heartbeat::Heartbeat;
use live::LiveLines;
pub(crate) use said::Said;
use said::Saying;

/// In a rehearsal, wait lines and notes are indented to the text of the line before them.
const MARGIN: usize = 11;

/// How long one read of the journal waits for new events.
const READ: Duration = Duration::from_millis(500);

/// The clock that the lines show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamps {
    /// The real clock.
    Real,
    /// Virtual time since the start of the rehearsal.
    Since(Timestamp),
}

impl Stamps {
    fn text(self, at: Timestamp) -> String {
        match self {
            Stamps::Real => stamp(at),
            Stamps::Since(start) => elapsed(at.duration_since(start).as_secs()),
        }
    }
}

/// `+0:12:34`, `+1d 0:12:34`.
pub(crate) fn elapsed(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let days = seconds / 86_400;
    let clock = format!("{}:{:02}:{:02}", seconds % 86_400 / 3_600, seconds % 3_600 / 60, seconds % 60);
    if days == 0 { format!("+{clock}") } else { format!("+{days}d {clock}") }
}

/// Follows runs and writes their events.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    backend: &'a dyn Backend,
    stamps: Stamps,
    said: &'a Said,
    runs: Vec<Followed>,
    turn: usize,
    live: Option<LiveLines>,
    heartbeat: Heartbeat,
}

/// One run, and the position up to which it has been read.
struct Followed {
    run: RunId,
    next: Seq,
    plan: Arc<Plan>,
    nodes: BTreeMap<StepKey, NodeId>,
    /// The last wait that was written for each step: another check of the same wait is not a change.
    waits: BTreeMap<StepKey, WaitView>,
    name: Option<String>,
    /// The run's state, for the number of finished steps; `None`: too many runs are followed.
    state: Option<RunState>,
}

/// Finished steps are counted for at most this many runs.
const COUNTED: usize = 16;

impl<'a> Progress<'a> {
    /// Follows `runs`; `from` is the first event of each run that was not shown before.
    pub(crate) async fn new(
        ui: &'a Ui,
        backend: &'a dyn Backend,
        stamps: Stamps,
        said: &'a Said,
        runs: &[RunId],
        from: &[(RunId, Seq)],
    ) -> Result<Self, CommandError> {
        let mut followed = Vec::new();
        for run in runs {
            let state = backend.load(*run).await.map_err(failures::backend)?;
            let next = from.iter().find(|(known, _)| known == run).map_or(Seq(1), |(_, next)| *next);
            followed.push(Followed {
                run: *run,
                next,
                plan: Arc::clone(state.plan()),
                nodes: BTreeMap::new(),
                waits: BTreeMap::new(),
                name: (runs.len() > 1).then(|| run.short()),
                state: (runs.len() <= COUNTED).then_some(state),
            });
        }
        let live = match (ui.output(), stamps) {
            (Output::Jsonl, _) | (_, Stamps::Since(_)) => None,
            (_, Stamps::Real) => ui.live().map(LiveLines::new),
        };
        Ok(Progress {
            ui,
            backend,
            stamps,
            said,
            runs: followed,
            turn: 0,
            live,
            heartbeat: Heartbeat::default(),
        })
    }

    /// Waits for new events of one run, and writes them. Returns after each read; dropping the future between reads
    /// loses nothing.
    pub(crate) async fn follow(&mut self, clock: &dyn Clock) -> Result<(), CommandError> {
        let count = self.runs.len().max(1);
        self.turn = (self.turn + 1) % count;
        let wait = READ / u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let Some(followed) = self.runs.get(self.turn) else {
            return std::future::pending().await;
        };
        let news = self
            .backend
            .read(followed.run, followed.next, Some(wait.max(Duration::from_millis(20))))
            .await
            .map_err(failures::backend)?;
        self.say_all(self.turn, &news)?;
        self.tick(clock.now())
    }

    /// Updates countdowns, reminders and heartbeat. In a rehearsal only events make time pass.
    fn tick(&mut self, now: Timestamp) -> Result<(), CommandError> {
        if !matches!(self.stamps, Stamps::Real) {
            return Ok(());
        }
        for position in 0..self.runs.len() {
            let waits: Vec<StepKey> = self.runs[position].waits.keys().cloned().collect();
            for step in waits {
                if self.runs[position].saying(&step, self.said, now) == Saying::Reminder {
                    self.remind(position, &step, now)?;
                }
            }
        }
        let done = self.done();
        match &mut self.live {
            Some(live) => live.tick(now, done),
            None => self.beat(now),
        }
        Ok(())
    }

    /// Writes the remaining events.
    pub(crate) async fn catch_up(&mut self) -> Result<(), CommandError> {
        for position in 0..self.runs.len() {
            loop {
                let followed = &self.runs[position];
                let news =
                    self.backend.read(followed.run, followed.next, None).await.map_err(failures::backend)?;
                if news.is_empty() {
                    break;
                }
                self.say_all(position, &news)?;
            }
        }
        if let Some(live) = &mut self.live {
            live.clear();
        }
        Ok(())
    }

    fn say_all(&mut self, position: usize, news: &[Recorded]) -> Result<(), CommandError> {
        for recorded in news {
            let followed = &mut self.runs[position];
            followed.next = Seq(recorded.seq.0 + 1);
            if let Some(state) = followed.state.as_mut().filter(|state| state.seq() < recorded.seq) {
                // The driver folds the same events, and reports one that does not fit.
                let _fits = fold(state, recorded);
            }
            let saying = followed.take(&recorded.event, self.said, recorded.at);
            let run = followed.run;
            if self.ui.output() == Output::Jsonl {
                self.line(&EventView::new(run, recorded))?;
            } else {
                self.say(position, recorded, saying);
            }
            if let (Saying::Reminder, Some(step)) = (saying, step(&recorded.event)) {
                self.remind(position, step, recorded.at)?;
            }
        }
        Ok(())
    }

    /// Writes a JSON line.
    fn line<T: Serialize>(&self, view: &T) -> Result<(), CommandError> {
        match self.ui.line(view) {
            // A closed stdout does not stop the run.
            Err(error) if error.broken_pipe => Ok(()),
            other => other,
        }
    }

    /// Writes an event as text; for a wait that was written before, nothing.
    fn say(&mut self, position: usize, recorded: &Recorded, saying: Saying) {
        self.heartbeat.said(recorded.at);
        let followed = &mut self.runs[position];
        if let (Some(live), Event::Step { step, event }) = (&mut self.live, &recorded.event) {
            live.take(followed.name.as_deref(), step, event, recorded.at);
        }
        let words = Words::of(&recorded.event, recorded.at);
        if saying != Saying::News || (words.quiet && self.ui.verbose() == 0) {
            return;
        }
        let about = step(&recorded.event);
        for heading in about.map(|step| followed.enter(step, self.said)).unwrap_or_default() {
            talk_wrapped(self.ui, &heading, MARGIN);
        }
        if let Some(wait) = about.and_then(|step| followed.waits.get(step))
            && (wait.wait.action.is_some() || wait.wait.link.is_some())
        {
            return say_wait(
                self.ui,
                &self.stamps.text(recorded.at),
                followed.name.as_deref(),
                wait,
                "waiting",
                recorded.at,
            );
        }
        let time = self.stamps.text(recorded.at);
        let run = followed.name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
        let style = words.style;
        let subject = about.map(|step| format!("{STRONG}{step}{STRONG:#}  ")).unwrap_or_default();
        let title = about.and_then(|step| followed.title(step)).filter(|_| title_helps(&recorded.event));
        let title = title.map(|title| format!("{title}  ")).unwrap_or_default();
        let line = format!(
            "{DIM}{time:>9}{DIM:#}  {run}{style}{:10}{style:#}  {subject}{title}{DIM}{}{DIM:#}",
            words.label, words.text
        );
        talk(self.ui, &time, &line);
    }

    /// Writes the lines of a wait again, as a reminder.
    fn remind(&mut self, position: usize, step: &StepKey, now: Timestamp) -> Result<(), CommandError> {
        let followed = &self.runs[position];
        let Some(wait) = followed.waits.get(step) else { return Ok(()) };
        if self.ui.output() == Output::Jsonl {
            return self.line(&ReminderView::new(followed.run, now, wait));
        }
        say_wait(self.ui, &self.stamps.text(now), followed.name.as_deref(), wait, "reminder", now);
        self.heartbeat.said(now);
        Ok(())
    }

    /// The number of finished steps of all runs, and the number of steps as far as it is known.
    fn done(&self) -> Option<(usize, usize)> {
        let mut sum = (0, 0);
        for followed in &self.runs {
            let counts = followed.state.as_ref()?.counts();
            sum.0 += counts.done + counts.unchanged + counts.skipped;
            sum.1 += counts.steps - counts.condition_false;
        }
        Some(sum)
    }

    fn beat(&mut self, now: Timestamp) {
        if self.ui.output() == Output::Jsonl || !self.heartbeat.is_due(now) {
            return;
        }
        let waits: Vec<&WaitView> = self.runs.iter().flat_map(|followed| followed.waits.values()).collect();
        let done = self.done().map(|(done, all)| format!("{done}/{all} steps done; ")).unwrap_or_default();
        let words = match waits.first() {
            None => "running".to_owned(),
            Some(first) => {
                let who = first.wait.who.as_deref().map(|who| format!("{who}: ")).unwrap_or_default();
                let more =
                    if waits.len() > 1 { format!(" (and {} more)", waits.len() - 1) } else { String::new() };
                format!(
                    "{} waits for {who}{}, since {}; next check {}{more}",
                    first.step,
                    first.wait.what,
                    between(first.since, now),
                    ahead(now, first.next_check)
                )
            }
        };
        let time = self.stamps.text(now);
        talk(self.ui, &time, &format!("{DIM}{time:>9}  still running  {done}{words}{DIM:#}"));
    }
}

/// Writes a line that begins with a time; continuation lines are indented to its text.
fn talk(ui: &Ui, time: &str, line: &str) {
    let indent = time.chars().count().max(9) + 2;
    talk_wrapped(ui, line, indent);
}

fn talk_wrapped(ui: &Ui, line: &str, indent: usize) {
    let mut page = Page::new(ui.talk_width());
    page.line(indent, line);
    ui.talk_text(&page.into_text());
}

/// Writes the lines of a wait, with the time (and the run, if several are followed) before the first.
fn say_wait(ui: &Ui, time: &str, run: Option<&str>, wait: &WaitView, label: &str, now: Timestamp) {
    let run = run.map(|run| format!("{run} ")).unwrap_or_default();
    let margin = time.chars().count().max(9) + 2 + run.chars().count();
    let mut page = Page::indented(ui.talk_width(), margin);
    wait.write_as(label, &mut page, now, Motion::Running);
    let lines = page.into_text();
    ui.talk_text(&lines.map(|lines| format!("{DIM}{time:>9}{DIM:#}  {run}{}", lines.trim_start())));
}

/// Whether the title is shown: only for results, not for each phase of a step.
fn title_helps(event: &Event) -> bool {
    matches!(
        event,
        Event::ConditionFalse { .. }
            | Event::Step {
                event: StepEvent::Done { .. }
                    | StepEvent::Unchanged { .. }
                    | StepEvent::Failed { .. }
                    | StepEvent::Skipped { .. }
                    | StepEvent::Undone { .. }
                    | StepEvent::Kept { .. },
                ..
            }
    )
}

impl Followed {
    fn node(&mut self, key: &StepKey) -> Option<NodeId> {
        if let Some(node) = self.nodes.get(key) {
            return Some(*node);
        }
        let node = self.plan.node_named(&key.0)?;
        self.nodes.insert(key.clone(), node);
        Some(node)
    }

    fn title(&mut self, key: &StepKey) -> Option<String> {
        let node = self.node(key)?;
        self.plan.node(node).title.clone()
    }

    /// The lines for headings that begin with this step.
    fn enter(&mut self, key: &StepKey, said: &Said) -> Vec<String> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let mut lines = Vec::new();
        for heading in self.plan.headings(node) {
            if !said.heading(self.run, heading) {
                continue;
            }
            let block = self.plan.node(heading);
            let title = block.title.as_deref().unwrap_or(&block.id);
            lines.push(format!("{STRONG}{title}{STRONG:#}"));
            lines.extend(block.note.as_deref().map(|note| format!("{:MARGIN$}{DIM}{note}{DIM:#}", "")));
        }
        lines
    }

    /// Records the wait for heartbeat and wait lines, and returns what to write about the event.
    fn take(&mut self, event: &Event, said: &Said, at: Timestamp) -> Saying {
        let Event::Step { step, event } = event else { return Saying::News };
        let StepEvent::Waiting { wait, since, next_check, deadline, .. } = event else {
            if self.waits.remove(step).is_some() {
                said.wait_ended(self.run, step);
            }
            return Saying::News;
        };
        let shown = WaitView {
            step: step.to_string(),
            since: *since,
            next_check: *next_check,
            deadline: *deadline,
            wait: wait.clone(),
        };
        self.waits.insert(step.clone(), shown);
        self.saying(step, said, at)
    }

    /// What to write at `now` about a step's wait.
    fn saying(&mut self, step: &StepKey, said: &Said, now: Timestamp) -> Saying {
        let remind =
            self.node(step).and_then(|node| self.plan.node(node).step()).and_then(|step| step.remind);
        match self.waits.get(step) {
            Some(wait) => said.wait(self.run, step, &wait.wait, wait.since, remind, now),
            None => Saying::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
