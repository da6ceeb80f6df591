//! The hand-over pages: the tasks of an identity, grouped by tenant.

use serde::Serialize;
use twinspan_engine::{Act, HandOver, Identity, PlannedStep, PlannedTask, RunId, RunState, Task, Variable};
use twinspan_plans::Plan;

use super::marker;
use crate::cli::json::SCHEMA;

/// All tasks of one identity in a run.
#[derive(Debug, Serialize)]
pub(crate) struct HandOverView {
    pub(crate) schema: u32,
    pub(crate) r#type: &'static str,
    pub(crate) run: String,
    pub(crate) short: String,
    pub(crate) plan: String,
    pub(crate) summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<String>,
    pub(crate) identity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    pub(crate) pages: Vec<Page>,
}

/// Its tasks in one tenant.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contact: Option<String>,
    pub(crate) tasks: Vec<TaskView>,
    /// Steps whose tasks cannot be described yet.
    pub(crate) not_yet: Vec<Later>,
    /// Steps that only read: twinspan does them as soon as it can sign in.
    pub(crate) looks: Vec<PageStyle>,
}

/// One task.
#[derive(Debug, Serialize)]
pub(crate) struct TaskView {
    pub(crate) step: String,
    pub(crate) why: String,
    #[serde(flatten)]
    pub(crate) task: Task,
    pub(crate) proof: String,
    /// The steps of others that have to be done first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<String>,
}

/// A step whose task cannot be described yet, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Later {
    pub(crate) step: String,
    pub(crate) why: String,
    pub(crate) until: String,
}

/// A step that only reads.
#[derive(Debug, Serialize)]
pub(crate) struct PageStyle {
    pub(crate) step: String,
    pub(crate) why: String,
}

impl HandOverView {
    /// The tasks of `identity` among the planned changes.
    pub(crate) fn new(state: &RunState, run: RunId, identity: &str, planned_steps: Vec<PlannedStep>) -> Self {
        let plan = state.plan();
        let mut pages: Vec<Page> = Vec::new();
        for step in planned_steps.into_iter().filter(|step| is_of(step, identity)) {
            let page = page_of(&mut pages, step.identities.first());
            let node = plan.node(step.node);
            let why = node.title.clone().unwrap_or_else(|| node.id.clone());
            let step_name = step.key.to_string();
            match step.planned_task {
                PlannedTask::Known(said) => match *said {
                    HandOver { task: Some(task), proof, .. } => {
                        let task = marker::without(task, &run.short());
                        let after = step.after.iter().map(ToString::to_string).collect();
                        page.tasks.push(TaskView { step: step_name, why, task, proof, after });
                    }
                    _ => page.looks.push(PageStyle { step: step_name, why }),
                },
                PlannedTask::NotYet(until) => page.not_yet.push(Later { step: step_name, why, until }),
            }
        }
        for page in &mut pages {
            let own: Vec<String> = page.tasks.iter().map(|task| task.step.clone()).collect();
            page.tasks.iter_mut().for_each(|task| task.after.retain(|before| !own.contains(before)));
        }
        HandOverView {
            schema: SCHEMA,
            r#type: "hand-over",
            run: run.to_string(),
            short: run.short(),
            plan: plan.name.clone(),
            summary: plan.summary.clone(),
            document: plan.document.clone(),
            identity: identity.to_owned(),
            about: about(plan, identity),
            pages,
        }
    }

    /// Whether there is no task.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.iter().all(|page| page.tasks.is_empty() && page.not_yet.is_empty())
    }
}

impl TaskView {
    /// Whether a script does at least a part of the task.
    pub(crate) fn is_scripted(&self) -> bool {
        self.task.acts.iter().any(|act| matches!(act, Act::Create(_) | Act::Remove(_)))
    }
}

impl Page {
    /// Identity, contact and tenant.
    pub(crate) fn place(&self, identity: &str) -> String {
        let contact = self.contact.as_deref().map(|contact| format!(" ({contact})")).unwrap_or_default();
        match &self.tenant {
            Some(tenant) => format!("{identity}{contact} in tenant {tenant}"),
            None => format!("{identity}{contact}"),
        }
    }

    /// Every value that is known only after an act is done.
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let acts = self.tasks.iter().flat_map(|task| &task.task.acts);
        acts.filter_map(|act| match act {
            Act::Learn { variable, .. } | Act::Name { variable, .. } => Some(variable.clone()),
            Act::Create(make) => make.yields.as_ref().map(|(variable, _)| variable.clone()),
            Act::Remove(removal) => removal.found.clone(),
            Act::Require { .. } | Act::Command(_) | Act::Person { .. } => None,
        })
        .collect()
    }
}

/// Whether the identity acts in the step, or the kind of the step names it as actor.
fn is_of(step: &PlannedStep, identity: &str) -> bool {
    let acts = step.identities.first().is_some_and(|first| first.name == identity);
    let named =
        matches!(&step.planned_task, PlannedTask::Known(said) if said.actor.as_deref() == Some(identity));
    acts || named
}

fn page_of<'p>(pages: &'p mut Vec<Page>, identity: Option<&Identity>) -> &'p mut Page {
    let attribute = |name: &str| identity.and_then(|identity| identity.attributes.get(name).cloned());
    let (tenant, contact) = (attribute("tenant"), attribute("contact"));
    let at = pages.iter().position(|page| page.tenant == tenant && page.contact == contact);
    let at = at.unwrap_or_else(|| {
        let (tasks, not_yet, looks) = (Vec::new(), Vec::new(), Vec::new());
        pages.push(Page { tenant, contact, tasks, not_yet, looks });
        pages.len() - 1
    });
    &mut pages[at]
}

fn about(plan: &Plan, identity: &str) -> Option<String> {
    plan.identities.iter().find(|known| known.name == identity)?.about.clone()
}
