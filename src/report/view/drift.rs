//! Drift: the present state of resources, compared with what the run proved.

use jiff::Timestamp;
use serde::Serialize;
use twinspan_engine::{DriftState, FieldChange, Finding, RunId, RunState};

use super::page::Page;
use super::step::{StepView, shortened};
use super::summary::columns;
use super::text::{LABEL, counted};
use super::time::stamp;
use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::text::{BAD, DIM, GOOD, STRONG, Text, WAIT, Width};

/// The result of a step's last drift check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DriftStateView {
    /// When the check was recorded.
    at: Timestamp,
    #[serde(flatten)]
    finding: FindingView,
}

/// What a drift check found for one step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FindingView {
    /// `in-sync`, `drifted`, `missing`, `owned-by-another-run`, `broken`, `unreadable`, `lost-tail`.
    pub(crate) drift: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) what: String,
    /// Who can tell the cause, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
    #[serde(skip_serializing_if = "<[FieldChange]>::is_empty")]
    pub(crate) changes: Vec<FieldChange>,
    #[serde(skip)]
    pub(crate) is_drift: bool,
}

impl From<&DriftState> for FindingView {
    fn from(drift: &DriftState) -> Self {
        FindingView {
            drift: drift.name(),
            what: drift.what(),
            advice: drift.advice(),
            changes: drift.changes().to_vec(),
            is_drift: drift.is_drift(),
        }
    }
}

impl FindingView {
    /// The lines under the first: the changed fields, then the advice.
    fn details(&self) -> Vec<String> {
        let changes = self
            .changes
            .iter()
            .map(|change| format!("{}: proven {}, found {}", change.field, change.proven, change.found));
        changes.chain(self.advice.clone()).collect()
    }
}

impl DriftStateView {
    pub(crate) fn new(at: Timestamp, drift: &DriftState) -> Self {
        DriftStateView { at, finding: FindingView::from(drift) }
    }

    pub(crate) fn is_drift(&self) -> bool {
        self.finding.is_drift
    }

    /// `2026-… vanished: it is gone`
    pub(crate) fn words(&self) -> String {
        let FindingView { drift, what, .. } = &self.finding;
        let what = if what.is_empty() { String::new() } else { format!(": {what}") };
        format!("{} {drift}{what}", stamp(self.at))
    }

    pub(crate) fn details(&self) -> Vec<String> {
        self.finding.details()
    }
}

impl StepView {
    /// Whether the last drift check found a difference from the proven state.
    pub(crate) fn has_drifted(&self) -> bool {
        self.verified.as_ref().is_some_and(DriftStateView::is_drift)
    }
}

/// The last drift check of all finished steps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VerifiedView {
    /// When the first read of the check began.
    began: Timestamp,
    by: String,
    /// Number of steps that drifted and were not proven again since.
    drift: usize,
}

impl VerifiedView {
    pub(crate) fn of(state: &RunState) -> Option<Self> {
        let (verified, drift) = (state.verified()?, state.drift()?);
        Some(VerifiedView { began: verified.began, by: verified.by.to_string(), drift })
    }

    pub(crate) fn write(&self, page: &mut Page, steps: &[StepView]) {
        let when = format!("{} by {}", stamp(self.began), self.by);
        if self.drift == 0 {
            page.line(LABEL, &format!("{GOOD}{:10}{GOOD:#} {when}: no drift", "verified"));
            return;
        }
        let drift = counted(self.drift, "step");
        page.line(LABEL, &format!("{BAD}{:10}{BAD:#} {when}: {drift} drifted", "verified"));
        for step in steps.iter().filter(|step| step.has_drifted()) {
            let Some(verified) = &step.verified else { continue };
            let FindingView { drift, what, .. } = &verified.finding;
            page.line(LABEL, &format!("{BAD}{drift:10}{BAD:#} {STRONG}{}{STRONG:#}  {what}", step.step));
        }
    }
}

/// What `verify` shows of one run.
#[derive(Serialize)]
pub(crate) struct VerificationView {
    schema: u32,
    r#type: &'static str,
    run: String,
    pub(crate) short: String,
    name: String,
    began: Timestamp,
    /// Whether the result was recorded in the journal; `remark` says why it was not.
    recorded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    in_sync: usize,
    drift: usize,
    unreadable: usize,
    /// Steps whose resource carries this run's marker although the journal has no intent of them.
    lost_tail: usize,
    findings: Vec<StepFinding>,
    exit: u8,
    next: Vec<String>,
    #[serde(skip)]
    pub(crate) ends: Exit,
}

/// The result for one step.
#[derive(Serialize)]
struct StepFinding {
    step: String,
    #[serde(flatten)]
    finding: FindingView,
    /// The deciding read: `GET … → 404`.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<String>,
    #[serde(skip)]
    read_shortly: Option<String>,
}

impl VerificationView {
    /// `remark`: why the result was not recorded; `next`: suggested commands.
    pub(crate) fn new(
        run: RunId,
        name: &str,
        began: Timestamp,
        findings: &[Finding],
        remark: Option<String>,
        next: Vec<String>,
    ) -> Self {
        let count = |wanted: &dyn Fn(&DriftState) -> bool| {
            findings.iter().filter(|finding| wanted(&finding.drift)).count()
        };
        let drift = count(&DriftState::is_drift);
        let unreadable = count(&|drift| matches!(drift, DriftState::Unreadable { .. }));
        let lost_tail = count(&|drift| matches!(drift, DriftState::LostTail));
        let ends = match (drift + lost_tail, unreadable) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::Waiting,
            _ => Exit::Drift,
        };
        let of = |finding: &Finding| {
            let read = finding.read.as_ref();
            StepFinding {
                step: finding.step.to_string(),
                finding: FindingView::from(&finding.drift),
                read: read.map(|read| format!("{} {} → {}", read.verb, read.target, read.status)),
                read_shortly: read
                    .map(|read| format!("{} {} → {}", read.verb, shortened(&read.target), read.status)),
            }
        };
        VerificationView {
            schema: SCHEMA,
            r#type: "verification",
            run: run.to_string(),
            short: run.short(),
            name: name.to_owned(),
            began,
            recorded: remark.is_none(),
            remark,
            in_sync: findings.len() - drift - unreadable - lost_tail,
            drift,
            unreadable,
            lost_tail,
            findings: findings.iter().map(of).collect(),
            exit: ends.code(),
            next,
            ends,
        }
    }

    pub(crate) fn text(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        let looked = counted(self.findings.len(), "step");
        page.line(0, &format!("{STRONG}run {}{STRONG:#}  {}: {looked} checked", self.short, self.name));
        let names: Vec<&str> = self
            .findings
            .iter()
            .filter(|finding| finding.finding.drift == "in-sync")
            .map(|finding| finding.step.as_str())
            .collect();
        if !names.is_empty() {
            let names = names.join(", ");
            page.line(
                LABEL,
                &format!("{GOOD}{:10}{GOOD:#} {}: {names}", "in sync", counted(self.in_sync, "step")),
            );
        }
        for finding in self.findings.iter().filter(|finding| finding.finding.drift != "in-sync") {
            finding.write(&mut page);
        }
        if let Some(remark) = &self.remark {
            page.line(LABEL, &format!("{WAIT}{:10}{WAIT:#} {remark}", "recorded"));
        }
        page.line(LABEL, &format!("{STRONG}{:10}{STRONG:#} {}", "found", self.words()));
        for next in &self.next {
            page.whole(&format!("{STRONG}{:10}{STRONG:#} {next}", "next"));
        }
        page.into_text()
    }

    fn words(&self) -> String {
        let lost = match self.lost_tail {
            0 => String::new(),
            count => format!("; the journal lost its tail: it has no intent of {}", counted(count, "step")),
        };
        format!("{}{lost}", self.drift_words())
    }

    fn drift_words(&self) -> String {
        match (self.drift, self.unreadable) {
            _ if self.findings.is_empty() => "no finished step has a resource that can drift".to_owned(),
            (0, 0) => "no drift".to_owned(),
            (0, unreadable) => {
                format!("{} could not be read; no drift as far as is known", counted(unreadable, "step"))
            }
            (drift, 0) => format!("{} drifted", counted(drift, "step")),
            (drift, unreadable) => {
                format!(
                    "{} drifted, {} could not be read",
                    counted(drift, "step"),
                    counted(unreadable, "step")
                )
            }
        }
    }
}

impl StepFinding {
    fn write(&self, page: &mut Page) {
        let FindingView { drift, what, is_drift, .. } = &self.finding;
        let style = if *is_drift || *drift == DriftState::LostTail.name() { BAD } else { WAIT };
        let read = self.read_shortly.as_ref().map(|read| format!("  {DIM}{read}{DIM:#}")).unwrap_or_default();
        page.line(
            LABEL,
            &format!("{style}{drift:10}{style:#} {STRONG}{}{STRONG:#}  {what}{read}", self.step),
        );
        for line in self.finding.details() {
            page.line(LABEL, &format!("{:10} {line}", ""));
        }
    }
}

/// What `verify --all` shows.
#[derive(Serialize)]
pub(crate) struct VerificationsView {
    schema: u32,
    runs: Vec<VerificationView>,
    exit: u8,
    #[serde(skip)]
    pub(crate) ends: Exit,
}

impl VerificationsView {
    pub(crate) fn new(runs: Vec<VerificationView>) -> Self {
        let any = |exit: Exit| runs.iter().any(|run| run.ends == exit);
        let ends = if any(Exit::Drift) {
            Exit::Drift
        } else if any(Exit::Waiting) {
            Exit::Waiting
        } else {
            Exit::Done
        };
        VerificationsView { schema: SCHEMA, runs, exit: ends.code(), ends }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn text(&self) -> Text {
        if self.runs.is_empty() {
            return Text::default();
        }
        let head = ["RUN", "PLAN", "IN SYNC", "DRIFTED", "NOT READ", "DRIFTED STEPS"].map(str::to_owned);
        let rows = self.runs.iter().map(|run| {
            let steps = run.findings.iter().filter(|finding| finding.finding.is_drift);
            let steps: Vec<String> =
                steps.map(|finding| format!("{} ({})", finding.step, finding.finding.drift)).collect();
            [
                run.short.clone(),
                run.name.clone(),
                run.in_sync.to_string(),
                run.drift.to_string(),
                run.unreadable.to_string(),
                if steps.is_empty() { "-".to_owned() } else { steps.join(", ") },
            ]
        });
        columns(std::iter::once(head).chain(rows).collect())
    }
}
