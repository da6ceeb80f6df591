//! `why`: the evidence for one step.

use std::fmt::Write as _;

use serde::Serialize;
use twinspan_engine::{Backend, Clock, Event, SystemClock};

use crate::app::App;
use crate::arguments::RunArg;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::ui::{DIM, STRONG, Ui};
use crate::view::{EventView, SCHEMA, StepView, Words, origin_word, stamp, step};
use crate::{drive, failures, run_reference, signals};

/// Show the evidence for one step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: RunArg,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
}

#[derive(Serialize)]
struct WhyView<'a> {
    schema: u32,
    run: String,
    #[serde(flatten)]
    step: StepView,
    events: Vec<EventView<'a>>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let run = run_reference::find(&*backend, &args.run.run).await?;
    let key = signals::step(&backend, run, &args.step).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let item = state.find(&key).ok_or_else(|| CommandError::not_found(format!("no step {key}")))?;
    let mut events = drive::events(&*backend, run).await?;
    events.retain(|recorded| match &recorded.event {
        Event::SignalTaken { signal, .. } => crate::view::signal_word(signal).contains(&*key.0),
        event => step(event) == Some(&key),
    });
    let step = StepView::new(state.plan(), item);
    let text = text(&step, &events, item.seen());
    let view = WhyView {
        schema: SCHEMA,
        run: run.to_string(),
        step,
        events: events.iter().map(|recorded| EventView::new(run, recorded)).collect(),
    };
    ui.data(&view, || text)?;
    Ok(Exit::Done)
}

fn text(step: &StepView, events: &[twinspan_engine::Recorded], seen: &[(jiff::Timestamp, String)]) -> String {
    let mut text = format!("{STRONG}{}{STRONG:#}  {} ({})\n", step.step, step.state, step.kind);
    if let Some(title) = &step.title {
        let _ = writeln!(text, "{title}");
    }
    if !step.identities.is_empty() {
        let _ = writeln!(text, "{:10} {}", "as", step.identities.join(", "));
    }
    if let Some(origin) = &step.origin {
        let _ = writeln!(text, "{:10} {}", "origin", origin_word(origin));
    }
    if let Some(evidence) = &step.evidence {
        let _ = writeln!(text, "{:10} {}", "proven by", evidence.whole());
        let _ = writeln!(text, "{:10} the read began {}", "", stamp(evidence.read_began));
        if let Some(ended) = evidence.write_ended {
            let order = if evidence.read_after_last_write { "before that read" } else { "AFTER that read" };
            let _ = writeln!(text, "{:10} the last write ended {}, {order}", "", stamp(ended));
        }
        let _ = writeln!(text, "{:10} digest of what was read: {}", "", evidence.seen);
        for (name, what) in &evidence.also {
            let _ = writeln!(text, "{:10} {name}: {what}", "");
        }
    }
    for (at, what) in seen {
        let _ = writeln!(text, "{:10} {} {what}", "seen", stamp(*at));
    }
    if !step.waits_for.is_empty() {
        let _ = writeln!(text, "{:10} {}", "needs", step.waits_for.join(", "));
    }
    if let Some(wait) = &step.waiting {
        for line in wait.lines(SystemClock.now()) {
            let _ = writeln!(text, "{line}");
        }
    }
    step.trouble(&mut text);
    let _ = writeln!(text, "\n{STRONG}what happened{STRONG:#}");
    for recorded in events {
        let words = Words::of(&recorded.event, recorded.at);
        let style = words.style;
        let _ = writeln!(
            text,
            "{DIM}{}{DIM:#}  {style}{:10}{style:#}  {}",
            stamp(recorded.at),
            words.label,
            words.text
        );
    }
    text
}
