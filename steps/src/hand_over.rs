//! Requests that a person sends in place of a step, in the words of the engine's hand-over.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    Act, Back, FailureClass, Find, HandOver, Make, Removal, Request, StepCx, StepError, Task, Variable,
};

/// Azure Resource Manager, for whoever renders a request.
pub const ARM: &str = "arm";
/// Microsoft Graph.
pub const GRAPH: &str = "graph";

/// A request to Azure Resource Manager.
pub(crate) fn arm(verb: &'static str, path: impl Into<String>, api_version: &str) -> Request {
    let query = vec![("api-version", api_version.to_owned())];
    Request { service: ARM, verb, path: path.into(), query, ..Request::default() }
}

/// A request to Microsoft Graph; `path` begins after the version.
pub(crate) fn graph(verb: &'static str, path: &str) -> Request {
    Request { service: GRAPH, verb, path: format!("/v1.0{path}"), ..Request::default() }
}

/// The request with this body.
pub(crate) fn with_body(request: Request, body: &impl Serialize) -> Result<Request, StepError> {
    let body = serde_json::to_value(body).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the body for {} cannot be written: {error}", request.path))
    })?;
    Ok(Request { body: Some(body), ..request })
}

/// Where the field `take` of a single thing is.
pub(crate) fn its(take: &'static str) -> Find {
    Find { take, ..Find::default() }
}

/// A write with nothing but what it sends and where it is seen.
pub(crate) fn make(look: (Request, Find), write: Request) -> Make {
    Make { look: vec![look], write, yields: None, pass_on: None, not_yet: &[], there: &[] }
}

/// When what a hand-over made may be taken back.
const UNUSED: &str = "only if this run's hand-over made it and nothing uses it";

/// A resource that is put under a name of ours, looked for by that name, and taken back by deleting it.
pub(crate) fn resource(
    path: &str,
    api_version: &str,
    body: &impl Serialize,
    task: Task,
) -> Result<HandOver, StepError> {
    let write = with_body(arm("PUT", path, api_version), body)?;
    let look = (arm("GET", path, api_version), its("id"));
    let mut task = task;
    task.acts.push(Act::Make(make(look, write)));
    if task.back.request.is_none() {
        let request = Some(arm("DELETE", path, api_version));
        task.back = Back { words: UNUSED.to_owned(), request };
    }
    let proof = format!("GET {path}");
    Ok(HandOver { task: Some(task), proof, ..HandOver::default() })
}

/// What is said of making a thing, said of removing it: the same looks, and what takes it back as the removal.
pub(crate) fn removal(cx: &StepCx<'_>, said: HandOver) -> Result<HandOver, StepError> {
    let Some(task) = said.task else { return Ok(HandOver { task: None, ..said }) };
    if task.acts.is_empty() {
        // Said in words only: the kind's own words are of the removal already.
        return Ok(HandOver { task: Some(task), outputs: BTreeMap::new(), ..said });
    }
    let Some(request) = task.back.request else {
        return Err(StepError::new(FailureClass::Bug, "nothing says how it is removed"));
    };
    let mut acts = Vec::new();
    let mut target = request.path.clone();
    for act in task.acts {
        match act {
            Act::Learn { .. } => acts.push(act),
            Act::Make(make) => {
                // In a list it may have any name: what was found there is what is removed.
                let listed = make.look.iter().any(|(_, find)| find.list.is_some());
                let (found, request) = match make.yields {
                    Some((variable, _)) => (Some(variable), request.clone()),
                    None if listed => {
                        let variable = Variable::of(cx, "found", "the one that is there", None);
                        let path = variable.stand_in.clone();
                        (Some(variable), Request { path, ..request.clone() })
                    }
                    None => (None, request.clone()),
                };
                target.clone_from(&request.path);
                acts.push(Act::Remove(Removal { look: make.look, found, request }));
            }
            // What others do first, and names for what is made, mean nothing here.
            _ => {}
        }
    }
    let words = [("/write on", "/delete on"), ("/write at", "/delete at"), ("/write)", "/delete)")];
    let lesser = |text: String| words.iter().fold(text, |text, (write, delete)| text.replace(write, delete));
    let deleted = "no longer there, in three reads that agree";
    let effect = if task.back.words == UNUSED { String::new() } else { format!("; {}", task.back.words) };
    Ok(HandOver {
        task: Some(Task {
            what: format!("Remove what the plan describes, if it is there ({target}){effect}"),
            privilege: task.privilege.into_iter().map(lesser).collect(),
            by_hand: task.by_hand.map(|_| "in the portal: open it, Delete".to_owned()),
            acts,
            back: Back {
                words: "it does not come back: whoever needs it makes it anew".to_owned(),
                request: None,
            },
        }),
        proof: format!("{}: {deleted}", said.proof),
        outputs: BTreeMap::new(),
        actor: said.actor,
    })
}

/// A text output.
pub(crate) fn text(text: impl ToString) -> Value {
    Value::String(text.to_string())
}
