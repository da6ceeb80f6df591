//! Tasks for people: the smallest set of missing facts, each with its owner, its command and the least privilege that
//! it
//! needs.

use serde::Serialize;
use twinspan_encode::sh;
use twinspan_engine::{Act, Identity, PlannedChange, Previewed, RunId, Task, Wait, WaitKind};
use twinspan_plans::Plan;
use twinspan_steps::readiness::{
    Allowance, ConflictingManager, Ending, Entrance, Readiness, ScopeConflicts, TargetScope,
};
use twinspan_steps::who;

use crate::report::hand_over;
use crate::report::view::{span, stamp};

/// One task for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct TaskView {
    /// Who has to do it.
    pub(super) who: String,
    /// What has to be done, as a sentence without its stop.
    pub(super) what: String,
    /// The steps that need it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<String>,
    /// The steps that have to be done before, by any person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<String>,
    /// The command to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    /// The path through the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) portal: Option<String>,
    /// The least privilege to give, or that the person needs for the task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) least_privilege: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) otherwise: Option<String>,
}

impl TaskView {
    fn new(who: impl Into<String>, what: impl Into<String>) -> Self {
        TaskView {
            who: who.into(),
            what: what.into(),
            steps: Vec::new(),
            after: Vec::new(),
            command: None,
            portal: None,
            least_privilege: Vec::new(),
            otherwise: None,
        }
    }

    fn of_wait(wait: &Wait, steps: Vec<String>) -> Self {
        // An action in a browser is not a command.
        let typed = wait.kind != WaitKind::Person || wait.action.as_deref().is_some_and(is_typed);
        let (command, portal) = if typed { (wait.action.clone(), None) } else { (None, wait.action.clone()) };
        TaskView {
            steps,
            command,
            portal,
            otherwise: wait.otherwise.clone(),
            ..TaskView::new(wait.who.clone().unwrap_or_else(|| "you".to_owned()), wait.what.clone())
        }
    }
}

/// Whether an action is a command.
fn is_typed(action: &str) -> bool {
    ["az ", "twinspan "].iter().any(|program| action.starts_with(program))
}

/// The tenant that an identity acts in.
pub(super) fn tenant_of(identity: &Identity) -> &str {
    identity.attributes.get("tenant").map(String::as_str).unwrap_or_default()
}

/// All tasks of people in `tenant`; the tasks of one person stand together.
pub(super) fn of(
    plan: &Plan,
    tenant: &str,
    steps: &[&Previewed],
    ready: &Readiness,
    run: RunId,
) -> Vec<TaskView> {
    let in_tenant = |identity: &Identity| tenant_of(identity) == tenant;
    let mut tasks = Vec::new();
    // Identities whose sign-in has a task already.
    let mut told: Vec<&Identity> = Vec::new();
    for sign_in in ready.sign_ins.iter().filter(|sign_in| in_tenant(&sign_in.identity)) {
        match &sign_in.entrance {
            Entrance::NoCredential(_) => {
                told.push(&sign_in.identity);
                tasks.extend(of_somebody_else(&sign_in.identity, steps, run));
            }
            Entrance::Refused(error) => {
                let own = open_steps(steps, &sign_in.identity);
                // If all of its steps come after other steps, those may be what allows the sign-in.
                let at_once = own.iter().any(|step| step.after.is_empty());
                if let (true, Some(wait)) = (at_once, &error.wait) {
                    told.push(&sign_in.identity);
                    tasks.push(TaskView::of_wait(wait, names(&own)));
                }
            }
            Entrance::SignedIn(_) | Entrance::NoAnswer(_) => {}
        }
    }
    let places: Vec<&TargetScope> = ready.places.iter().filter(|place| in_tenant(&place.identity)).collect();
    let giver = giver(plan, tenant, steps);
    tasks.extend(places.iter().filter_map(|place| of_place(place, giver.as_deref())));
    for scope_conflicts in
        ready.scope_conflicts.iter().filter(|scope_conflicts| in_tenant(&scope_conflicts.identity))
    {
        tasks.extend(scope_conflicts.found.iter().map(|conflicting_manager| TaskView {
            steps: vec![scope_conflicts.step.clone()],
            command: Some(conflicting_manager.command.clone()),
            portal: Some(conflicting_manager.portal.clone()),
            least_privilege: conflicting_manager.least_privilege.clone(),
            otherwise: conflicting_manager.otherwise.clone(),
            ..TaskView::new(&conflicting_manager.owner, rival_words(scope_conflicts, conflicting_manager))
        }));
    }
    for step in steps.iter().filter(|step| step.identities.first().is_some_and(in_tenant)) {
        tasks.extend(of_step(step, &places, &told));
    }
    gathered(tasks)
}

fn rival_words(scope_conflicts: &ScopeConflicts, conflicting_manager: &ConflictingManager) -> String {
    let then = match conflicting_manager.connection {
        Some(_) => "if so, delete its connection",
        None => "if so, remove it from the scope of that network manager",
    };
    format!(
        "Decide whether this plan is to manage {}, and {then}: {} manages it through {}; {}",
        scope_conflicts.scope.words(),
        conflicting_manager.network_manager.rsplit('/').next().unwrap_or_default(),
        conflicting_manager.through,
        conflicting_manager.means
    )
}

/// The tasks of an identity whose credential another person has: each of its steps.
fn of_somebody_else(identity: &Identity, steps: &[&Previewed], run: RunId) -> Vec<TaskView> {
    let all: Vec<&Task> = steps.iter().filter_map(|step| step.task.as_ref()).collect();
    let own = open_steps(steps, identity);
    let mut tasks: Vec<TaskView> = own
        .iter()
        .filter_map(|step| {
            let task = step.task.as_ref().filter(|task| !is_of_a_person(task))?;
            Some(TaskView {
                steps: vec![step.key.to_string()],
                after: step.after.iter().map(ToString::to_string).collect(),
                command: hand_over::line(task, &all, run),
                portal: task.by_hand.clone(),
                least_privilege: task.privilege.clone(),
                otherwise: too_early(task),
                ..TaskView::new(who(identity), task.what.clone())
            })
        })
        .collect();
    if !tasks.is_empty() {
        tasks.push(TaskView {
            command: Some(format!("twinspan hand-over RUN --as {} --format az", sh::word(&identity.name))),
            otherwise: Some(format!(
                "set [identities.{}] in twinspan.toml, if this machine is to do it itself",
                identity.name
            )),
            ..TaskView::new(
                who(identity),
                "Or do all of it at once, with the script that this command writes after the run has begun",
            )
        });
    }
    tasks
}

/// The meaning of a temporary refusal: the script retries by itself, a single command does not.
fn too_early(task: &Task) -> Option<String> {
    let codes: Vec<&str> = task
        .acts
        .iter()
        .filter_map(|act| match act {
            Act::Create(make) => Some(make.not_yet),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    let codes = codes.join(" or ");
    (!codes.is_empty()).then(|| format!("{codes} means that it is too early: repeat the command in a minute"))
}

/// Whether only a person can do it, with any sign-in: no command exists.
fn is_of_a_person(task: &Task) -> bool {
    task.acts.iter().any(|act| matches!(act, Act::Person { .. }))
}

fn open_steps<'a>(steps: &[&'a Previewed], identity: &Identity) -> Vec<&'a Previewed> {
    let own = |step: &&&Previewed| {
        !step.planned.is_met() && step.identities.first().is_some_and(|first| first == identity)
    };
    steps.iter().filter(own).copied().collect()
}

fn names(steps: &[&Previewed]) -> Vec<String> {
    steps.iter().map(|step| step.key.to_string()).collect()
}

/// The identity that assigns roles in the tenant, according to the plan.
fn giver(plan: &Plan, tenant: &str, steps: &[&Previewed]) -> Option<String> {
    steps.iter().find_map(|step| {
        let kind = &plan.node(step.node).step()?.uses;
        let identity = step.identities.first()?;
        (kind == "azure.role-assignment" && tenant_of(identity) == tenant).then(|| who(identity))
    })
}

/// The task for missing or ending permissions at one place.
fn of_place(place: &TargetScope, giver: Option<&str>) -> Option<TaskView> {
    let name = who(&place.identity);
    match &place.allowance {
        // The plan assigns the role itself.
        Allowance::Missing { .. } if !place.given_by.is_empty() => None,
        Allowance::Missing { covered_by: Some(_), .. } => None,
        Allowance::Missing { activation: Some(activation), missing, .. } => Some(TaskView {
            steps: place.steps.clone(),
            command: Some(activation.command.clone()),
            portal: Some(activation.portal.clone()),
            least_privilege: missing.clone(),
            ..TaskView::new(name, format!("Activate the role {} at {}", activation.role, activation.scope))
        }),
        Allowance::Missing { giving, missing, activation_unknown, .. } => Some(TaskView {
            steps: place.steps.clone(),
            command: Some(giving.command.clone()),
            portal: Some(giving.portal.clone()),
            least_privilege: missing.clone(),
            otherwise: activation_unknown
                .as_ref()
                .map(|why| format!("whether {name} may activate it in PIM cannot be read: {why}")),
            ..TaskView::new(
                giver.unwrap_or(&giving.who),
                format!("Give {name} {} at {}", role_words(giving.role), place.scope.words()),
            )
        }),
        Allowance::Allowed { ending: Ending::Soon(ends) } => {
            let (at, left) = (stamp(ends.at), span(ends.in_seconds));
            let (role, on) = (&ends.role, place.scope.words());
            Some(TaskView {
                steps: place.steps.clone(),
                command: Some(ends.again.command.clone()),
                portal: Some(ends.again.portal.clone()),
                least_privilege: place.actions.clone(),
                otherwise: (!ends.activated).then(|| {
                    "the person who assigned the role extends it, or approves the extension".to_owned()
                }),
                ..TaskView::new(
                    name,
                    match ends.activated {
                        true => {
                            format!("Activate the role {role} at {on} again after it ends at {at}, in {left}")
                        }
                        false => format!("Extend the role {role} at {on}: it ends at {at}, in {left}"),
                    },
                )
            })
        }
        Allowance::Allowed { .. } | Allowance::Unknown { .. } => None,
    }
}

fn role_words(role: Option<&str>) -> String {
    match role {
        Some(role) => format!("the role {role}"),
        None => "a role with the actions named here".to_owned(),
    }
}

/// The task that a step's own wait describes, unless another task covers it.
fn of_step(step: &Previewed, places: &[&TargetScope], told: &[&Identity]) -> Option<TaskView> {
    let PlannedChange::Waits(wait) = &step.planned else { return None };
    let identity = step.identities.first()?;
    let told = match wait.kind {
        // Only that person can do it, with any sign-in.
        WaitKind::Person if step.after.is_empty() => told.contains(&identity),
        WaitKind::Person => false,
        WaitKind::Credential => told.contains(&identity),
        WaitKind::Permission => {
            told.contains(&identity)
                || places.iter().any(|place| {
                    place.identity == *identity && matches!(place.allowance, Allowance::Missing { .. })
                })
        }
        _ => true,
    };
    (!told).then(|| TaskView {
        after: step.after.iter().map(ToString::to_string).collect(),
        ..TaskView::of_wait(wait, vec![step.key.to_string()])
    })
}

/// Merges equal tasks, and puts the tasks of each person together.
fn gathered(tasks: Vec<TaskView>) -> Vec<TaskView> {
    let mut order: Vec<String> = Vec::new();
    let mut kept: Vec<TaskView> = Vec::new();
    for task in tasks {
        if !order.contains(&task.who) {
            order.push(task.who.clone());
        }
        let same = |known: &&mut TaskView| {
            (&known.who, &known.what, &known.command) == (&task.who, &task.what, &task.command)
        };
        match kept.iter_mut().find(same) {
            Some(known) => known.steps.extend(task.steps),
            None => kept.push(task),
        }
    }
    kept.sort_by_key(|task| order.iter().position(|who| *who == task.who));
    kept
}
