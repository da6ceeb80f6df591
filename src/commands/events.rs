//! `events`: the events of a run, one line each.

use std::time::Duration;

use serde::Serialize;
use twinspan_engine::{Backend, Event, Recorded, RunId, Seq};

use crate::cli::arguments::{OptionalRunArg, Output};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::{EventView, Words, stamp, step};
use crate::runs::{self, drive};
use crate::text::{DIM, STRONG, Text};

/// Show the events of a run
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: OptionalRunArg,
    /// Continue until the run ends
    #[arg(long, short)]
    follow: bool,
    /// Begin at this event
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
}

#[derive(Serialize)]
struct EventsView<'a> {
    schema: u32,
    run: String,
    events: Vec<EventView<'a>>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let run = runs::reference::find_or_latest(&*backend, args.run.run.as_deref()).await?;
    if !args.follow {
        let mut events = drive::events(&*backend, run).await?;
        events.retain(|recorded| recorded.seq.0 >= args.from);
        if ui.output() == Output::Json {
            let views = events.iter().map(|recorded| EventView::new(run, recorded)).collect();
            let view = EventsView { schema: SCHEMA, run: run.to_string(), events: views };
            ui.data(&view, Text::default)?;
        } else {
            events.iter().try_for_each(|recorded| print(ui, run, recorded))?;
        }
        return Ok(Exit::Done);
    }
    let mut next = Seq(args.from.max(1));
    loop {
        let news = backend.read(run, next, Some(Duration::from_secs(1))).await.map_err(failures::backend)?;
        for recorded in &news {
            print(ui, run, recorded)?;
            next = Seq(recorded.seq.0 + 1);
        }
        // An ended run can be undone later: only an end that is the last event ends the command.
        if matches!(news.last().map(|last| &last.event), Some(Event::RunEnded { .. })) {
            return Ok(Exit::Done);
        }
        if news.is_empty() && backend.load(run).await.map_err(failures::backend)?.outcome().is_some() {
            return Ok(Exit::Done);
        }
    }
}

/// One line; with JSON one object per line, so that it can be followed.
fn print(ui: &Ui, run: RunId, recorded: &Recorded) -> Result<(), CommandError> {
    if ui.output() != Output::Text {
        return ui.line(&EventView::new(run, recorded));
    }
    let words = Words::of(&recorded.event, recorded.at);
    let style = words.style;
    let about = step(&recorded.event).map(|step| format!("{STRONG}{step}{STRONG:#}  ")).unwrap_or_default();
    ui.text(&Text::line(&format!(
        "{DIM}{:>5}  {}{DIM:#}  {style}{:10}{style:#}  {about}{}",
        recorded.seq.0,
        stamp(recorded.at),
        words.label,
        words.text
    )))
}
