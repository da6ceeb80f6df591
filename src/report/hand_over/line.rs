//! One task as one command line for a POSIX shell with the Azure CLI, signed in to the task's tenant: the work of the
//! script,
//! without its retries and messages.

use std::collections::BTreeSet;

use twinspan_engine::{Act, Create, Find, Request, RunId, Task, Variable};
use twinspan_steps::GRAPH;
use uuid::Uuid;

use super::az::{query, quoted};
use super::{marker, words};

/// The line; `None`: no command can do the task, or it needs a value that cannot be known before. `all`: the tasks
/// whose acts
/// may supply such values, including this task.
pub(crate) fn line(task: &Task, all: &[&Task], run: RunId) -> Option<String> {
    let acts: Vec<&Act> = all.iter().flat_map(|task| &task.acts).collect();
    let variables = acts.iter().filter_map(|act| told(act)).cloned().collect();
    let mut line =
        Line { run, acts, variables, told: BTreeSet::new(), before: Vec::new(), arm: false, graph: false };
    let mut commands = Vec::new();
    // Repeating a POST creates another resource, and a random name is new each time, so these need a read before the
    // write.
    let named = task.acts.iter().any(|act| matches!(act, Act::Name { .. }));
    for act in &task.acts {
        match act {
            Act::Learn { .. } | Act::Name { .. } => {}
            Act::Require { ask, find, missing } => {
                let (asked, missing) = (line.asked(ask, find)?, quoted(missing, &[]));
                commands.push(format!("{{ [ -n {asked} ] || {{ echo {missing} >&2; false; }}; }}"));
            }
            Act::Create(make) => commands.push(line.make(make, named || make.write.verb != "PUT")?),
            Act::Remove(removal) => commands.push(line.sent(&removal.request)?),
            Act::Command(command) => commands.push(command.clone()),
            Act::Person { .. } => return None,
        }
    }
    (!commands.is_empty()).then(|| line.whole(&commands))
}

/// The variable whose value an act supplies.
fn told(act: &Act) -> Option<&Variable> {
    match act {
        Act::Learn { variable, .. } | Act::Name { variable, .. } => Some(variable),
        Act::Create(make) => make.yields.as_ref().map(|(variable, _)| variable),
        Act::Remove(removal) => removal.found.as_ref(),
        Act::Require { .. } | Act::Command(_) | Act::Person { .. } => None,
    }
}

/// A line under construction.
struct Line<'t> {
    run: RunId,
    acts: Vec<&'t Act>,
    variables: Vec<Variable>,
    /// Stand-ins whose values the commands in `before` supply.
    told: BTreeSet<String>,
    /// The assignments that come first, in order.
    before: Vec<String>,
    /// Whether the base address of each service is needed.
    arm: bool,
    graph: bool,
}

impl Line<'_> {
    fn whole(self, commands: &[String]) -> String {
        let base = |name: &str, endpoint: &str| {
            format!("{name}=$(az cloud show --query endpoints.{endpoint} --output tsv); {name}=${{{name}%/}}")
        };
        let arm = self.arm.then(|| base("arm", "resourceManager"));
        let graph = self.graph.then(|| base("graph", "microsoftGraphResourceId"));
        let first = arm.into_iter().chain(graph).chain(self.before);
        first.chain([commands.join(" && ")]).collect::<Vec<_>>().join("; ")
    }

    /// `text` as a word of the shell; assignments for unknown values are added to `before`.
    fn word(&mut self, text: &str) -> Option<String> {
        for variable in self.variables.clone() {
            if text.contains(&variable.stand_in) {
                self.tell(&variable)?;
            }
        }
        Some(quoted(text, &self.variables))
    }

    fn tell(&mut self, variable: &Variable) -> Option<()> {
        if !self.told.insert(variable.stand_in.clone()) {
            return Some(());
        }
        let act = *self.acts.iter().find(|act| told(act).is_some_and(|known| known == variable))?;
        let value = match act {
            Act::Learn { ask, find, .. } => self.asked(ask, find)?,
            // Any name is valid. It differs in each preview, because the stand-ins in its text do.
            Act::Name { namespace, text, .. } => Uuid::new_v5(namespace, text.as_bytes()).to_string(),
            Act::Create(Create { look, .. }) => self.first(look)?,
            Act::Remove(removal) => self.first(&removal.look)?,
            Act::Require { .. } | Act::Command(_) | Act::Person { .. } => return None,
        };
        self.before.push(format!("{}={value}", variable.name));
        Some(())
    }

    /// The result of the first search.
    fn first(&mut self, look: &[(Request, Find)]) -> Option<String> {
        let (ask, find) = look.first()?;
        self.asked(ask, find)
    }

    /// The result of a read, as a word.
    fn asked(&mut self, ask: &Request, find: &Find) -> Option<String> {
        let sent = self.sent(ask)?;
        let query = self.word(&query(find))?;
        Some(format!("\"$({sent} --query {query} --output tsv)\""))
    }

    fn make(&mut self, make: &Create, once: bool) -> Option<String> {
        let mut looks = Vec::new();
        for (ask, find) in make.look.iter().filter(|_| once) {
            looks.push(format!("[ -n {} ]", self.asked(ask, find)?));
        }
        let sent = self.sent(&make.write)?;
        Some(match looks.as_slice() {
            [] => sent,
            looks => format!("{{ {} || {sent}; }}", looks.join(" || ")),
        })
    }

    fn sent(&mut self, request: &Request) -> Option<String> {
        let target = self.word(&words::target(request))?;
        // For a path the CLI itself uses Azure Resource Manager.
        let to = if request.service == GRAPH {
            self.graph = true;
            format!("--resource \"$graph\" --url \"$graph\"{target}")
        } else {
            format!("--url {target}")
        };
        let headers = match &request.auxiliary {
            Some(tenant) => {
                self.arm = true;
                let tenant = self.word(tenant)?;
                format!(
                    " --headers \"x-ms-authorization-auxiliary=Bearer $(az account get-access-token --tenant {tenant} \
                     --resource \"$arm/\" --query accessToken --output tsv)\""
                )
            }
            None => String::new(),
        };
        let body = match &request.body {
            Some(body) => {
                let body = marker::removed(body, &self.run.short());
                format!(" --body {}", self.word(&words::body(&body))?)
            }
            None => String::new(),
        };
        Some(format!("az rest --method {} {to}{headers}{body}", request.verb.to_ascii_lowercase()))
    }
}
