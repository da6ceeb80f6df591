//! `why`: the evidence for one step: its events, requests and responses.

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{Backend, Clock, Event, Recorded, StepEvent, SystemClock};

use crate::cli::arguments::StepArg;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::{
    EventView, Motion, Page, StepView, TranscriptView, Words, origin_word, resume, signal_word, stamp, step,
    write_transcripts,
};
use crate::runs::{self, drive, signals};
use crate::text::{DIM, STRONG, Text};

/// Show the evidence for one step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    of: StepArg,
}

#[derive(Serialize)]
struct WhyView<'a> {
    schema: u32,
    run: String,
    /// Whether a process drives the run.
    driven: bool,
    #[serde(flatten)]
    step: StepView,
    events: Vec<EventView<'a>>,
    /// Requests and responses, oldest first; with `-v` with their bodies.
    transcripts: Vec<TranscriptView>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let run = runs::reference::find_or_latest(&*backend, args.of.run.as_deref()).await?;
    let key = signals::step(&backend, run, &args.of.step).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let item = state.find(&key).ok_or_else(|| CommandError::not_found(format!("no step {key}")))?;
    let mut events = drive::events(&*backend, run).await?;
    // A takeover is evidence if a write was open: the previous driver received its response.
    let mut open = false;
    events.retain(|recorded| match &recorded.event {
        Event::SignalTaken { signal, .. } => signal_word(signal).contains(&*key.0),
        Event::DriverTook { .. } => open,
        Event::Verified { findings, .. } => findings.iter().any(|finding| finding.step == key),
        event if step(event) == Some(&key) => {
            open = matches!(event, Event::Step { event: StepEvent::Intended { .. }, .. });
            true
        }
        _ => false,
    });
    let transcripts = backend.transcripts(run).map_err(failures::backend)?;
    let summary = backend.summary(run).map_err(failures::backend)?;
    let resume = resume(&state, run);
    let motion = match &resume {
        _ if summary.driver.is_some() => Motion::Running,
        Some(resume) => Motion::NotRunning(resume),
        None => Motion::Over,
    };
    let view = WhyView {
        schema: SCHEMA,
        run: run.to_string(),
        driven: summary.driver.is_some(),
        step: StepView::new(state.plan(), item),
        events: events.iter().map(|recorded| EventView::new(run, recorded)).collect(),
        transcripts: transcripts
            .iter()
            .filter(|transcript| transcript.step == key)
            .map(|transcript| TranscriptView::new(transcript, ui.verbose() > 0))
            .collect(),
    };
    ui.data(&view, || text(ui, &view, &events, item.seen(), motion))?;
    Ok(Exit::Done)
}

fn text(
    ui: &Ui,
    view: &WhyView<'_>,
    events: &[Recorded],
    seen: &[(Timestamp, String)],
    motion: Motion<'_>,
) -> Text {
    let mut page = Page::new(ui.width());
    about(&view.step, seen, motion, &mut page);
    page.gap();
    page.line(0, &format!("{STRONG}what happened{STRONG:#}"));
    for recorded in events {
        let mut words = Words::of(&recorded.event, recorded.at);
        if let Event::DriverTook { .. } = recorded.event {
            words.text.push_str(" took over: an earlier write may have taken effect, and is checked");
        }
        let style = words.style;
        let at = stamp(recorded.at);
        page.line(22, &format!("{DIM}{at}{DIM:#}  {style}{:10}{style:#}  {}", words.label, words.text));
    }
    if !view.transcripts.is_empty() {
        page.gap();
        page.line(0, &format!("{STRONG}requests and responses{STRONG:#}"));
        write_transcripts(&view.transcripts, &mut page);
        if ui.verbose() == 0 {
            page.line(0, &format!("{DIM}(-v shows the bodies, without secrets){DIM:#}"));
        }
    }
    page.into_text()
}

/// The step's state, and its evidence.
fn about(step: &StepView, seen: &[(Timestamp, String)], motion: Motion<'_>, page: &mut Page) {
    page.line(11, &format!("{STRONG}{}{STRONG:#}  {} ({})", step.step, step.state, step.kind));
    if let Some(title) = &step.title {
        page.line(0, title);
    }
    let mut fact = |label: &str, text: &str| page.line(11, &format!("{label:10} {text}"));
    if !step.identities.is_empty() {
        fact("as", &step.identities.join(", "));
    }
    for who in &step.acted_as {
        let ids = who.ids.iter().map(|(name, id)| format!("{} {id}", name.replace('_', " ")));
        fact("acted as", &format!("{}: {}", who.identity, ids.collect::<Vec<_>>().join(", ")));
    }
    if let Some(origin) = &step.origin {
        fact("origin", origin_word(origin));
    }
    if let Some(evidence) = &step.evidence {
        fact("proven by", &evidence.whole());
        fact("", &format!("the read began {}", stamp(evidence.read_began)));
        if let Some(ended) = evidence.write_ended {
            let order = if evidence.read_after_last_write { "before that read" } else { "AFTER that read" };
            fact("", &format!("the last write ended {}, {order}", stamp(ended)));
        }
        fact("", &format!("digest of what was read: {}", evidence.seen));
        for (name, what) in &evidence.also {
            fact("", &format!("{name}: {what}"));
        }
        for warning in &evidence.warnings {
            fact("warning", warning);
        }
    }
    if let Some(verified) = &step.verified {
        fact("verified", &verified.words());
        for line in verified.details() {
            fact("", &line);
        }
    }
    for (at, what) in seen {
        fact("read", &format!("{} {what}", stamp(*at)));
    }
    for claim in &step.claimed {
        fact("claimed", &format!("{} ({})", claim.words(), stamp(claim.at)));
    }
    if !step.waits_for.is_empty() {
        fact("needs", &step.waits_for.join(", "));
    }
    if let Some(wait) = &step.waiting {
        wait.write(page, SystemClock.now(), motion);
    }
    step.trouble(page);
}
