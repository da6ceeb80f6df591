//! The preview of a run: what it would find and do, and what is missing for it. One structure for text, JSON and exit
//! code.
//!
//! ```text
//! engine::preview ─▶ steps, as they stand ─┬─▶ PreviewView ─┬─▶ JSON          a contract: "schema"
//! steps::readiness ─▶ tenants, and tasks ──┘                ├─▶ text          words may change
//!                                                           └─▶ Exit
//! ```

mod step;
mod tasks;
mod tenant;
mod text;
mod words;

use std::path::Path;

use serde::Serialize;
use twinspan_engine::{FailureClass, PlannedChange, Preview, Previewed, RunId};
use twinspan_plans::{EffectClass, Plan};
use twinspan_steps::readiness::{Entrance, Readiness};

use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::cli::suggest::word;
use crate::report::graph::{OrderView, OrderedStep};

use step::StepView;
use tenant::TenantView;
use words::Words;

/// A whole preview.
#[derive(Serialize)]
pub(crate) struct PreviewView {
    schema: u32,
    r#type: &'static str,
    plan: String,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    /// Whether a run would change a resource or wait.
    changes: bool,
    counts: Counts,
    /// The plan's headings, in its order.
    headings: Vec<HeadingView>,
    /// The order in which the steps run.
    order: Vec<OrderedStep>,
    /// What is missing, by tenant.
    tenants: Vec<TenantView>,
    /// Number of requests sent (all of them reads), without those for tokens.
    reads: usize,
    next: Vec<String>,
    #[serde(skip)]
    ends: Ends,
}

/// Number of steps with each planned change.
#[derive(Default, Serialize)]
struct Counts {
    unchanged: usize,
    would_create: usize,
    would_change: usize,
    would_remove: usize,
    waits: usize,
    needs_decision: usize,
    unknown: usize,
    fails: usize,
    condition_false: usize,
}

/// Steps under one heading.
#[derive(Serialize)]
struct HeadingView {
    /// The block's title; empty for steps outside every block.
    title: String,
    /// Titles of all enclosing blocks, outermost first.
    path: Vec<String>,
    /// The plan's notes for the reader at this place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    steps: Vec<StepView>,
}

/// The facts that decide the exit code.
#[derive(Clone, Copy, Default)]
struct Ends {
    bug: bool,
    fails: bool,
    /// Every identity that was tried is refused.
    refused: bool,
    /// No sign-in request was answered.
    unanswered: bool,
}

impl PreviewView {
    /// `inputs`: the arguments that gave the plan's inputs, for the next command.
    pub(crate) fn new(
        plan: &Plan,
        (file, inputs): (&Path, &str),
        preview: &Preview,
        ready: &Readiness,
        run: RunId,
    ) -> Self {
        let mut steps: Vec<&Previewed> = preview.steps.iter().collect();
        // In plan order: readers compare the preview with the plan or the document.
        steps.sort_by_key(|step| step.node);
        let refusals = Refusals::of(ready);
        let mut counts = Counts::default();
        let mut headings: Vec<HeadingView> = Vec::new();
        for step in &steps {
            counts.count(&step.planned);
            let around = plan.headings(step.node);
            let path: Vec<String> = around
                .iter()
                .map(|node| plan.node(*node).title.clone().unwrap_or_else(|| plan.node(*node).id.clone()))
                .collect();
            let view = StepView::new(plan, step, &refusals, run);
            match headings.last_mut() {
                Some(last) if last.path == path => last.steps.push(view),
                _ => headings.push(HeadingView {
                    title: path.last().cloned().unwrap_or_default(),
                    path,
                    notes: around.iter().filter_map(|node| plan.node(*node).note.clone()).collect(),
                    steps: vec![view],
                }),
            }
        }
        let tenants = TenantView::all(plan, &steps, ready, &refusals, run);
        let file = word(&file.display().to_string());
        let next = match counts.fails {
            0 => format!("twinspan run {file}{inputs} --until-blocked"),
            _ => format!("twinspan preview {file}{inputs}, after you correct what would fail"),
        };
        PreviewView {
            schema: SCHEMA,
            r#type: "preview",
            plan: plan.name.clone(),
            summary: plan.summary.clone(),
            document: plan.document.clone(),
            changes: steps.iter().any(|step| is_change(plan, step)),
            counts,
            headings,
            order: OrderView::new(plan).steps,
            tenants,
            reads: ready.reads + steps.iter().map(|step| step.reads).sum::<usize>(),
            next: vec![next],
            ends: Ends::of(&steps, ready),
        }
    }

    /// Replacements for the names that stand for unknown values and for the run.
    pub(crate) fn words(&self, run: RunId, preview: &Preview) -> Words {
        Words::new(run, &preview.variables)
    }

    /// The exit code. `detailed`: planned changes have an exit code of their own.
    pub(crate) fn exit(&self, detailed: bool) -> Exit {
        match self.ends {
            Ends { bug: true, .. } => Exit::Bug,
            Ends { refused: true, .. } => Exit::SignInRefused,
            Ends { fails: true, .. } | Ends { unanswered: true, .. } => Exit::Failed,
            _ if detailed && self.changes => Exit::Changes,
            _ => Exit::Done,
        }
    }
}

/// Short forms of refused sign-ins: the tenant's section has the full text, and steps refer to it.
struct Refusals(Vec<(String, String)>);

impl Refusals {
    fn of(ready: &Readiness) -> Self {
        let refused = ready.sign_ins.iter().filter_map(|sign_in| {
            let (name, tenant) = (&sign_in.identity.name, tasks::tenant_of(&sign_in.identity));
            let short = match &sign_in.entrance {
                Entrance::NoCredential(_) => format!("this machine has no credential for {name}"),
                Entrance::NoAnswer(_) => {
                    format!("no response to the sign-in of {name} in tenant {tenant}: see there")
                }
                _ => format!("{name} is not let into tenant {tenant} yet: see there"),
            };
            Some((sign_in.error()?.to_string(), short))
        });
        Refusals(refused.collect())
    }

    fn shortened(&self, why: &str) -> String {
        let known = self.0.iter().find(|(whole, _)| whole == why);
        known.map_or_else(|| why.to_owned(), |(_, short)| short.clone())
    }
}

/// Whether a run would change a resource or wait. An approval or a timer alone is not a change.
fn is_change(plan: &Plan, step: &Previewed) -> bool {
    let only_passes = plan
        .node(step.node)
        .step()
        .is_some_and(|definition| definition.identities.is_empty() && definition.effect == EffectClass::Read);
    !step.planned.is_met() && !only_passes
}

impl Counts {
    fn count(&mut self, drift: &PlannedChange) {
        let count = match drift {
            PlannedChange::ConditionFalse => &mut self.condition_false,
            PlannedChange::Unchanged => &mut self.unchanged,
            PlannedChange::WouldCreate { .. } => &mut self.would_create,
            PlannedChange::WouldChange { .. } => &mut self.would_change,
            PlannedChange::WouldDelete { .. } => &mut self.would_remove,
            PlannedChange::Waits(_) => &mut self.waits,
            PlannedChange::NeedsDecision(_) => &mut self.needs_decision,
            PlannedChange::Unknown { .. } => &mut self.unknown,
            PlannedChange::Fails(_) => &mut self.fails,
        };
        *count += 1;
    }
}

impl Ends {
    fn of(steps: &[&Previewed], ready: &Readiness) -> Self {
        let failing = || {
            steps.iter().filter_map(|step| match &step.planned {
                PlannedChange::Fails(error) => Some(error),
                _ => None,
            })
        };
        let tried: Vec<&Entrance> = ready.sign_ins.iter().map(|sign_in| &sign_in.entrance).collect();
        let any = |is: fn(&Entrance) -> bool| tried.iter().any(|entrance| is(entrance));
        let let_in = any(|entrance| matches!(entrance, Entrance::SignedIn(_)));
        Ends {
            bug: failing().any(|error| error.class == FailureClass::Bug),
            fails: failing().next().is_some(),
            refused: !let_in && any(|entrance| matches!(entrance, Entrance::Refused(_))),
            unanswered: !let_in && any(|entrance| matches!(entrance, Entrance::NoAnswer(_))),
        }
    }
}
