//! The preview of an undo: what it would delete, in order, and what it would keep, with the reason.

use serde::Serialize;
use twinspan_engine::{ItemView, KeepReason, Registry, RunId, RunKey, RunState, UndoRule, id_of};

use crate::cli::error::CommandError;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::report::view::Page;
use crate::text::{DIM, STRONG, Text, WAIT, Width};

/// What `undo --preview` shows. The undo itself reads again and decides about ownership.
#[derive(Serialize)]
pub(crate) struct UndoView {
    schema: u32,
    run: String,
    short: String,
    /// In the order of the undo: dependent resources first.
    removes: Vec<Removed>,
    keeps: Vec<Kept>,
}

#[derive(Serialize)]
struct Removed {
    step: String,
    kind: String,
    id: String,
    /// Whether it is not certain that the resource was created; undo searches for it.
    uncertain: bool,
}

#[derive(Serialize)]
struct Kept {
    step: String,
    reason: String,
}

fn words(reason: KeepReason, item: ItemView<'_>) -> String {
    let words = match reason {
        KeepReason::Kind(why) => why,
        KeepReason::PreExisting => "pre-existing: it existed before this run",
        KeepReason::Updated => "pre-existing: it existed before this run changed it",
        KeepReason::EarlierRun => {
            let by = item.created_by().map(RunId::short).unwrap_or_default();
            return format!("run {by} created it and keeps it");
        }
        KeepReason::Deleted => "deleted because of `ensure: absent`: it is not created again",
        KeepReason::DeleteSent => {
            "its delete request was sent because of `ensure: absent`: it is not created again"
        }
        KeepReason::NothingWritten => "this run created nothing here",
        KeepReason::AlreadyUndone => "undone already",
    };
    words.to_owned()
}

impl UndoView {
    pub(crate) fn new(run: RunId, state: &RunState, registry: &Registry) -> Self {
        let mut removes = Vec::new();
        let mut keeps = Vec::new();
        for planned in state.planned_undo(registry) {
            let item = planned.item;
            let step = item.key().to_string();
            match planned.rule {
                UndoRule::Delete => removes.push(Removed {
                    step,
                    kind: item.uses().unwrap_or_default().to_owned(),
                    id: id_of(item.outputs()).unwrap_or("(searched for by the undo)").to_owned(),
                    uncertain: !planned.is_proven,
                }),
                UndoRule::Ask => {
                    let reason =
                        "it is not proven that this run created it: undo asks for a decision".to_owned();
                    keeps.push(Kept { step, reason });
                }
                UndoRule::Keep(reason) => keeps.push(Kept { step, reason: words(reason, item) }),
            }
        }
        UndoView { schema: SCHEMA, run: run.to_string(), short: run.short(), removes, keeps }
    }

    pub(crate) fn text(&self) -> Text {
        let mut page = Page::new(Width::WHOLE);
        if self.removes.is_empty() {
            page.whole(&format!("nothing to undo: run {} created nothing", self.short));
        } else {
            page.whole(&format!("{STRONG}undo of run {} would delete{STRONG:#}", self.short));
        }
        let width =
            self.removes.iter().map(|removed| removed.step.chars().count()).max().unwrap_or(0).min(32);
        for removed in &self.removes {
            let uncertain = if removed.uncertain { "  (searched for: it may not exist)" } else { "" };
            let (step, id) = (&removed.step, &removed.id);
            page.line(12, &format!("  {WAIT}delete{WAIT:#}  {step:width$}  {id}{uncertain}"));
        }
        for kept in &self.keeps {
            page.line(12, &format!("  {DIM}keep{DIM:#}    {:width$}  {}", kept.step, kept.reason));
        }
        page.into_text()
    }
}

/// The preview of one run, or of every run of a key, newest first.
pub(crate) struct UndoViews {
    key: Option<RunKey>,
    views: Vec<UndoView>,
}

#[derive(Serialize)]
struct OfKey<'a> {
    schema: u32,
    key: &'a RunKey,
    runs: &'a [UndoView],
}

impl UndoViews {
    pub(crate) fn new(key: Option<RunKey>, views: Vec<UndoView>) -> Self {
        UndoViews { key, views }
    }

    /// Writes the preview as the result.
    pub(crate) fn show(&self, ui: &Ui) -> Result<(), CommandError> {
        match (&self.key, &self.views[..]) {
            (None, [only]) => ui.data(only, || only.text()),
            (None, views) => views.iter().try_for_each(|view| ui.data(view, || view.text())),
            (Some(key), runs) => ui.data(&OfKey { schema: SCHEMA, key, runs }, || self.text()),
        }
    }

    /// Writes the preview before a question.
    pub(crate) fn say(&self, ui: &Ui) {
        ui.talk_text(&self.text());
    }

    fn text(&self) -> Text {
        let mut page = Page::new(Width::WHOLE);
        match (&self.key, &self.views[..]) {
            (Some(key), []) => page.whole(&format!("nothing to undo: every run of key {key} was undone")),
            (_, views) => views.iter().for_each(|view| page.append(&view.text())),
        }
        page.into_text()
    }

    pub(crate) fn question(&self) -> String {
        match (&self.key, &self.views[..]) {
            (Some(key), views) => format!("Undo {} runs of key {key}?", views.len()),
            (None, views) => {
                let short = views.first().map(|view| view.short.clone()).unwrap_or_default();
                format!("Undo run {short}?")
            }
        }
    }
}
