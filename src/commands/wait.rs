//! `wait`: for scripts. Returns when a run reaches a state; another process drives the run.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{
    Backend, Clock, ItemKind, RunId, RunState, RunStatus, Seq, SqliteBackend, StepKey, StepState,
    SystemClock, fold,
};

use crate::cli::arguments::OptionalRunArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::{Facts, Page, RunView, ended, is_blocked};
use crate::runs;
use crate::text::{DIM, GOOD, Text, WAIT};

/// Wait until a run reaches a state, without driving it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the state is reached (--for done: the run's own exit code, so 1 after cancel), \
                        1 the run ended without reaching it, 6 --timeout passed."
)]
pub(crate) struct Args {
    #[command(flatten)]
    run: OptionalRunArg,
    /// done: the run has ended. blocked: a person has to act, or the run is halted or paused. STEP=STATE: the step has
    /// this
    /// state (done includes unchanged)
    #[arg(long = "for", value_name = "done|blocked|STEP=STATE")]
    wanted: String,
    /// Give up after this long: 30s, 10m, 2h (default: never)
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

/// Maximum time of one read of the journal; it returns earlier when events arrive.
const READ: Duration = Duration::from_secs(60);

/// The state to wait for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Done,
    Blocked,
    Step(StepKey, String),
}

/// The result of the wait, and the run.
#[derive(Serialize)]
struct WaitedView<'a> {
    wanted: &'a str,
    /// Whether the state was reached. `false`: the time passed, or the run ended without it.
    met: bool,
    timed_out: bool,
    #[serde(flatten)]
    run: &'a RunView,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let limit = args.timeout.as_deref().map(limit).transpose()?;
    let wanted = Wanted::parse(&args.wanted)?;
    let backend = app.existing()?;
    let run = runs::reference::find_or_latest(&*backend, args.run.run.as_deref()).await?;
    let mut state = backend.load(run).await.map_err(failures::backend)?;
    wanted.check(run, &state)?;
    let deadline = limit.map(|limit| SystemClock.now().saturating_add(limit).unwrap_or(Timestamp::MAX));
    let mut told = false;
    loop {
        let now = SystemClock.now();
        let summary = backend.summary(run).map_err(failures::backend)?;
        let status = state.status(now);
        let met = wanted.is_met(&state, &status);
        let late = deadline.is_some_and(|deadline| now >= deadline);
        if met || ended(&status) || late {
            let shown = if met || ended(&status) { status } else { summary.status };
            let facts = Facts { run, status: &shown, driver: summary.driver.as_deref(), now };
            let view = RunView::new(&state, &facts);
            let waited = WaitedView { wanted: &args.wanted, met, timed_out: !met && late, run: &view };
            ui.data(&waited, || waited.text(ui))?;
            return Ok(waited.exit(&wanted));
        }
        if summary.driver.is_none() && !told {
            told = true;
            let verb = if summary.undo { "undo" } else { "resume" };
            ui.talk(&format!(
                "run {} is not running; continue with `twinspan {verb} {}`",
                run.short(),
                run.short()
            ));
        }
        let left = deadline.and_then(|deadline| Duration::try_from(deadline.duration_since(now)).ok());
        take_in_news(&backend, run, &mut state, left.map_or(READ, |left| left.min(READ))).await?;
    }
}

/// Waits for events of the run, and folds them into its state.
async fn take_in_news(
    backend: &SqliteBackend,
    run: RunId,
    state: &mut RunState,
    wait: Duration,
) -> Result<(), CommandError> {
    let news = backend.read(run, Seq(state.seq().0 + 1), Some(wait)).await.map_err(failures::backend)?;
    for recorded in &news {
        fold(state, recorded).map_err(|error| {
            CommandError::new(
                Exit::JournalNotWritable,
                format!("the record of run {} is damaged", run.short()),
            )
            .cause(&error)
            .hint("`twinspan doctor` shows details")
        })?;
    }
    Ok(())
}

fn limit(text: &str) -> Result<Duration, CommandError> {
    twinspan_plans::parse_duration(text).ok_or_else(|| {
        CommandError::usage(format!("--timeout {text} is not a duration")).hint("write 30s, 10m or 2h")
    })
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, CommandError> {
        match (text, text.rsplit_once('=')) {
            ("done", _) => Ok(Wanted::Done),
            ("blocked", _) => Ok(Wanted::Blocked),
            (_, Some((step, state))) if StepState::NAMES.contains(&state) => {
                Ok(Wanted::Step(StepKey::from(step), state.to_owned()))
            }
            (_, Some((_, state))) => Err(CommandError::usage(format!("a step has no state {state}"))
                .hint(format!("its states are {}", StepState::NAMES.join(", ")))),
            (_, None) => Err(CommandError::usage(format!("--for {text} is not known"))
                .hint("write --for done, --for blocked, or --for STEP=STATE")),
        }
    }

    /// Checks that the step exists in the plan; a misspelt step would never be reached.
    fn check(&self, run: RunId, state: &RunState) -> Result<(), CommandError> {
        let Wanted::Step(step, _) = self else { return Ok(()) };
        let known = match state.find(step) {
            Some(item) => item.kind() == ItemKind::Step,
            // Elements of a `for_each` appear during the run.
            None => {
                state.plan().node_named(&step.0).is_some_and(|node| state.plan().node(node).step().is_some())
            }
        };
        if known {
            return Ok(());
        }
        Err(CommandError::not_found(format!("run {} has no step {step}", run.short()))
            .hint(format!("`twinspan show {}` lists its steps", run.short())))
    }

    fn is_met(&self, state: &RunState, status: &RunStatus) -> bool {
        match self {
            Wanted::Done => ended(status),
            Wanted::Blocked => is_blocked(status),
            Wanted::Step(step, wanted) => {
                let there = state.find(step).and_then(|item| item.state());
                let so = wanted == "done" && matches!(there, Some(StepState::Unchanged(_)));
                so || there.map_or("pending", StepState::name) == wanted
            }
        }
    }
}

impl WaitedView<'_> {
    fn exit(&self, wanted: &Wanted) -> Exit {
        match (self.met, self.timed_out) {
            (true, _) if *wanted == Wanted::Done => self.run.ends,
            (true, _) => Exit::Done,
            (false, true) => Exit::GaveUp,
            (false, false) => Exit::Failed,
        }
    }

    fn text(&self, ui: &Ui) -> Text {
        let run = &self.run;
        let (style, word) = match (self.met, self.timed_out) {
            (true, _) => (GOOD, "met"),
            (false, true) => (WAIT, "timed out"),
            (false, false) => (WAIT, "ended"),
        };
        let line = format!(
            "{style}{word:10}{style:#} {}  {DIM}run {}: {}{DIM:#}",
            self.wanted, run.short, run.status.words
        );
        let mut page = Page::new(ui.width());
        page.line(11, &line);
        if !self.met {
            page.append(&run.closing(ui.width()));
        }
        page.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_hold_an_equals_sign() {
        assert_eq!(Wanted::parse("done").unwrap(), Wanted::Done);
        assert_eq!(
            Wanted::parse("members[a=b]=unchanged").unwrap(),
            Wanted::Step(StepKey::from("members[a=b]"), "unchanged".to_owned())
        );
        for (text, words) in [("go", "--for go"), ("go=dnoe", "no state dnoe"), ("", "--for ")] {
            let error = Wanted::parse(text).unwrap_err();
            assert!(error.message.contains(words) && !error.hints.is_empty(), "{error:?}");
        }
    }
}
