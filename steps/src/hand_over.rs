//! Requests that a person sends in place of a step, in the words of the engine's hand-over.

use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{Back, FailureClass, Find, HandOver, Make, Request, StepError, Task};

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
    task.acts.push(twinspan_engine::Act::Make(make(look, write)));
    if task.back.request.is_none() {
        let request = Some(arm("DELETE", path, api_version));
        let words = "only if this run's hand-over made it and nothing uses it".to_owned();
        task.back = Back { words, request };
    }
    let proof = format!("GET {path}");
    Ok(HandOver { task: Some(task), proof, ..HandOver::default() })
}

/// A text output.
pub(crate) fn text(text: impl ToString) -> Value {
    Value::String(text.to_string())
}
