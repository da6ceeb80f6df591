//! Builds the requests that a person sends in place of a step, as the engine's hand-over types.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{
    Act, Back, Create, FailureClass, Find, HandOver, Removal, Request, StepCx, StepError, Task,
};

/// Service name of Azure Resource Manager in a hand-over request.
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

/// Adds a body to the request.
pub(crate) fn with_body(request: Request, body: &impl Serialize) -> Result<Request, StepError> {
    let body = serde_json::to_value(body).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the body for {} cannot be written: {error}", request.path))
    })?;
    Ok(Request { body: Some(body), ..request })
}

/// Takes the field `take` from a response that is a single object.
pub(crate) fn its(take: &'static str) -> Find {
    Find { take, ..Find::default() }
}

/// A write with its read, and no further conditions.
pub(crate) fn make(look: (Request, Find), write: Request) -> Create {
    Create { look: vec![look], write, yields: None, pass_on: None, not_yet: &[], there: &[] }
}

/// When an undo may delete what the hand-over created.
pub(crate) const UNUSED: &str = "only if this run's hand-over made it and nothing uses it";

/// The hand-over of a resource with a known path: read by path, written with PUT, undone with DELETE.
pub(crate) fn resource(
    path: &str,
    api_version: &str,
    body: &impl Serialize,
    task: Task,
) -> Result<HandOver, StepError> {
    let write = with_body(arm("PUT", path, api_version), body)?;
    let look = (arm("GET", path, api_version), its("id"));
    let mut task = task;
    task.acts.push(Act::Create(make(look, write)));
    if task.back.request.is_none() {
        let request = Some(arm("DELETE", path, api_version));
        task.back = Back { words: UNUSED.to_owned(), request };
    }
    let proof = format!("GET {path}");
    Ok(HandOver { task: Some(task), proof, ..HandOver::default() })
}

/// Turns the hand-over of a create into that of a delete: the same reads, with the undo request as the delete
/// request.
pub(crate) fn removal(cx: &StepCx<'_>, said: HandOver) -> Result<HandOver, StepError> {
    let Some(task) = said.task else { return Ok(HandOver { task: None, ..said }) };
    if task.acts.is_empty() {
        // Described in words only, and those already describe the delete.
        return Ok(HandOver { task: Some(task), outputs: BTreeMap::new(), ..said });
    }
    let Some(request) = task.back.request else {
        return Err(StepError::new(
            FailureClass::Bug,
            "the hand-over has no request that removes the resource",
        ));
    };
    let mut acts = Vec::new();
    let mut target = request.path.clone();
    for act in task.acts {
        match act {
            Act::Learn { .. } => acts.push(act),
            Act::Create(make) => {
                // In a list the resource may have any name, so the request removes what was found there.
                let listed = make.look.iter().any(|(_, find)| find.list.is_some());
                let (found, request) = match make.yields {
                    Some((variable, _)) => (Some(variable), request.clone()),
                    None if listed => {
                        let variable = cx.variable("found", "the one that is there", None);
                        let path = variable.stand_in.clone();
                        (Some(variable), Request { path, ..request.clone() })
                    }
                    None => (None, request.clone()),
                };
                target.clone_from(&request.path);
                acts.push(Act::Remove(Removal { look: make.look, found, request }));
            }
            // Waits for other people, and names for what is created, do not apply to a delete.
            _ => {}
        }
    }
    let words = [("/write on", "/delete on"), ("/write at", "/delete at"), ("/write)", "/delete)")];
    let lesser = |text: String| words.iter().fold(text, |text, (write, delete)| text.replace(write, delete));
    let deleted = "three reads agree that it no longer exists";
    let effect = if task.back.words == UNUSED { String::new() } else { format!("; {}", task.back.words) };
    Ok(HandOver {
        task: Some(Task {
            what: format!("Remove the resource that the plan describes, if it exists ({target}){effect}"),
            privilege: task.privilege.into_iter().map(lesser).collect(),
            by_hand: task.by_hand.map(|_| "in the portal: open it, Delete".to_owned()),
            acts,
            back: Back {
                words: "the delete cannot be undone: create the resource again if it is needed".to_owned(),
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
