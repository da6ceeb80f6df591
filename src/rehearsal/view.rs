//! The view of a rehearsal: the document's headings, each with its steps and their evidence, and the virtual clock.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::Origin;

use super::people::Act;
use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::cli::suggest::{command, word};
use crate::report::view::{EvidenceView, Page, RunView, span};
use crate::text::{DIM, STRONG, Text, Width};

/// A whole rehearsal.
#[derive(Serialize)]
pub(crate) struct RehearsalView {
    schema: u32,
    /// Always true: no real cloud was involved.
    rehearsal: bool,
    plan: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    seed: u64,
    exit: u8,
    clock: ClockView,
    /// Acts of simulated people, oldest first.
    people: Vec<Act>,
    /// The document's headings, in the order of the plan.
    headings: Vec<HeadingView>,
    /// Requests that reached the simulated Azure, and how many of them were writes.
    requests: usize,
    writes: usize,
    run: RunView,
}

/// Virtual time.
#[derive(Serialize)]
struct ClockView {
    began: Timestamp,
    ended: Timestamp,
    elapsed_seconds: i64,
}

/// One heading of the document.
#[derive(Serialize)]
struct HeadingView {
    /// The block's title; empty for steps outside every block.
    title: String,
    /// Titles of all enclosing blocks, outermost first.
    path: Vec<String>,
    steps: Vec<ProvenView>,
}

/// One step under a heading, with its evidence.
#[derive(Serialize)]
struct ProvenView {
    step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    kind: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<EvidenceView>,
}

/// Commands after a rehearsal. Its run is over, and its journal cannot be continued.
pub(crate) struct Next<'a> {
    pub(crate) plan: &'a Path,
    /// The arguments that gave its inputs, as [`InputArgs::repeated`] writes them.
    ///
    /// [`InputArgs::repeated`]: crate::cli::arguments::InputArgs::repeated
    pub(crate) inputs: String,
    /// Whether the plan has inputs.
    pub(crate) has_inputs: bool,
    /// The journal, if it is kept.
    pub(crate) journal: Option<PathBuf>,
}

impl Next<'_> {
    pub(super) fn put(&self, run: &mut RunView) {
        let plan = format!("{}{}", word(&self.plan.display().to_string()), self.inputs);
        // Without arguments the rehearsal used the plan's example inputs.
        let inputs = if self.has_inputs && self.inputs.is_empty() { " --inputs FILE" } else { "" };
        let troubled = run.steps.iter().find(|step| step.error.is_some() || step.decision.is_some());
        run.next = match (troubled, &self.journal) {
            (Some(step), Some(journal)) => {
                vec![command(&["--journal", &journal.display().to_string(), "why", &run.short, &step.step])]
            }
            (Some(step), None) => vec![
                format!("twinspan rehearse {plan} --journal FILE"),
                command(&["--journal", "FILE", "why", &run.short, &step.step]),
            ],
            (None, _) if run.status.ended => vec![format!("twinspan run {plan}{inputs}")],
            (None, _) => vec![format!("twinspan rehearse {plan}")],
        };
        run.suggestions.clear();
        run.resume = None;
        run.whole_ids = "--output json".to_owned();
    }
}

impl RehearsalView {
    /// `clock`: start and end.
    pub(super) fn new(
        run: RunView,
        seed: u64,
        clock: (Timestamp, Timestamp),
        acts: &[Act],
        requests: usize,
        writes: usize,
    ) -> Self {
        let (began, ended) = clock;
        let mut headings: Vec<HeadingView> = Vec::new();
        for step in &run.steps {
            let proven = ProvenView {
                step: step.step.clone(),
                title: step.title.clone(),
                kind: step.kind.clone(),
                state: step.state,
                origin: step.origin.clone(),
                evidence: step.evidence.clone(),
            };
            match headings.last_mut() {
                Some(last) if last.path == step.headings => last.steps.push(proven),
                _ => headings.push(HeadingView {
                    title: step.headings.last().cloned().unwrap_or_default(),
                    path: step.headings.clone(),
                    steps: vec![proven],
                }),
            }
        }
        RehearsalView {
            schema: SCHEMA,
            rehearsal: true,
            plan: run.name.clone(),
            document: run.document.clone(),
            seed,
            exit: run.exit,
            clock: ClockView { began, ended, elapsed_seconds: ended.duration_since(began).as_secs() },
            people: acts.to_vec(),
            headings,
            requests,
            writes,
            run,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.run.ends
    }

    pub(crate) fn text(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        page.whole(&format!("{STRONG}rehearsal{STRONG:#}  {}", self.run.summary));
        if let Some(document) = &self.document {
            page.whole(&format!("{DIM}{document}{DIM:#}"));
        }
        page.append(&self.run.outline(width));
        page.append(&self.run.closing(width));
        let clock = format!(
            "{:10} {} of virtual time; {} requests, {} of them writes; nothing left this machine",
            "clock",
            span(self.clock.elapsed_seconds),
            self.requests,
            self.writes
        );
        page.line(11, &clock);
        page.into_text()
    }
}
