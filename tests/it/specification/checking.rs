//! Checks one exchange against the operations: reports everything in it that the files do not allow.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::documents::{Direction, Documents, Part};
use super::entities::Entities;
use super::operations::{self, Match, Operation};

/// Microsoft's files, parsed.
pub(super) struct Specification {
    documents: Documents,
    pub(super) operations: Vec<Operation>,
    entities: Entities,
    /// Created when they are first needed: those of a virtual network include a large part of the provider.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The operation of one exchange, and its errors.
pub(super) struct Checked {
    /// `operationId`, or a path of Microsoft Graph; an error if no official file describes it, with the reason.
    pub(super) operation: Result<String, &'static str>,
    /// `ScopeConnections_Get request query $top: …`
    pub(super) findings: Vec<String>,
}

impl Specification {
    /// `data`: the folder that contains `specs/`.
    pub(super) fn read(data: &Path) -> Self {
        let documents = Documents::read(&data.join("specs/specification"));
        let operations = operations::all(&documents);
        let entities = Entities::read(&data.join("specs/derived/graph-v1.0-subset.csdl"));
        Specification { documents, operations, entities, validators: Mutex::default() }
    }

    pub(super) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(super) fn check(&self, request: &Request<Bytes>, answer: Option<&Response<Bytes>>) -> Checked {
        let host = request.uri().host().unwrap_or_default();
        let path = decoded(request.uri().path());
        let (operation, findings) = if host.starts_with("login.") {
            (
                Err("Entra's sign-in: no file describes it; checked by what is refused and accepted there"),
                Vec::new(),
            )
        } else if host.starts_with("graph.") {
            self.entities.check(request, &path, answer)
        } else {
            self.arm(request, &path, answer)
        };
        let name = operation.clone().unwrap_or_else(|_| format!("{} {path}", request.method()));
        let findings = findings.into_iter().map(|finding| format!("{name} {finding}")).collect();
        Checked { operation, findings }
    }

    fn arm(
        &self,
        request: &Request<Bytes>,
        path: &str,
        answer: Option<&Response<Bytes>>,
    ) -> (Result<String, &'static str>, Vec<String>) {
        if let Some(reason) = undescribed(path) {
            return (Err(reason), Vec::new());
        }
        let method = request.method().as_str();
        let query = query(request);
        let Some(found) = Operation::best(&self.operations, method, path) else {
            return (Err("unknown"), vec!["request: no operation has this method and path".to_owned()]);
        };
        let mut findings = Vec::new();
        self.request(&found, request, &query, &mut findings);
        if let Some(answer) = answer {
            self.answer(found.operation, answer, &mut findings);
        }
        (Ok(found.operation.id.clone()), findings)
    }

    fn request(
        &self,
        found: &Match<'_>,
        request: &Request<Bytes>,
        query: &[(String, String)],
        findings: &mut Vec<String>,
    ) {
        let operation = found.operation;
        let mut find = |place: &str, what: String| findings.push(format!("request {place}: {what}"));
        if !request
            .headers()
            .get("authorization")
            .is_some_and(|value| value.as_bytes().starts_with(b"Bearer "))
        {
            find("header authorization", "no bearer token".to_owned());
        }
        match query.iter().filter(|(name, _)| name == "api-version").collect::<Vec<_>>()[..] {
            [(_, version)] if *version == operation.version => {}
            [(_, version)] => {
                find("query api-version", format!("{version} is sent, {} is checked", operation.version))
            }
            _ => find("query api-version", "not exactly one".to_owned()),
        }
        for (name, _) in query {
            let known = |parameter: &&super::operations::Parameter| {
                parameter.place == "query" && parameter.name.eq_ignore_ascii_case(name)
            };
            if !operation.parameters.iter().any(|parameter| known(&parameter)) {
                find(&format!("query {name}"), "is not described".to_owned());
            }
        }
        for parameter in &operation.parameters {
            let name = &parameter.name;
            let place = format!("{} {name}", parameter.place);
            let value = match parameter.place.as_str() {
                "path" => {
                    found.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
                }
                "query" => query
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone()),
                "header" => {
                    let value = request.headers().get(name.as_str());
                    value.map(|value| value.to_str().unwrap_or_default().to_owned())
                }
                "body" => {
                    let body = parsed(request.body());
                    match (body, parameter.required) {
                        (Ok(None), true) => find("body", "is missing".to_owned()),
                        (Ok(None), false) => {}
                        (Ok(Some(body)), _) => {
                            let schema =
                                Part { file: &parameter.file, value: &parameter.described["schema"] };
                            let key = format!("{} {}", operation.file, operation.id);
                            for what in self.violations(&key, schema, Direction::Request, &body) {
                                find("body", what);
                            }
                            if !is_json(request.headers()) {
                                find("header content-type", "is not application/json".to_owned());
                            }
                        }
                        (Err(error), _) => find("body", error),
                    }
                    continue;
                }
                other => panic!("{}: a parameter in {other}", operation.id),
            };
            let Some(value) = value else {
                if parameter.required {
                    find(&place, "is missing".to_owned());
                }
                continue;
            };
            let typed = match parameter.described["type"].as_str() {
                Some("integer" | "number") => {
                    value.parse::<i64>().map_or(json!(value), |number| json!(number))
                }
                Some("boolean") => value.parse::<bool>().map_or(json!(value), |truth| json!(truth)),
                _ => json!(value),
            };
            let part = Part { file: &parameter.file, value: &parameter.described };
            let key = format!("{} {} {place}", operation.file, operation.id);
            for what in self.violations(&key, part, Direction::Request, &typed) {
                find(&place, what);
            }
        }
        let takes_body = operation.parameters.iter().any(|parameter| parameter.place == "body");
        if !takes_body && !request.body().is_empty() {
            find("body", "none is described".to_owned());
        }
    }

    fn answer(&self, operation: &Operation, answer: &Response<Bytes>, findings: &mut Vec<String>) {
        let status = answer.status().as_u16();
        let mut find = |place: &str, what: String| findings.push(format!("response {status}{place}: {what}"));
        let of =
            |wanted: &str| operation.responses.iter().find(|(known, _)| known == wanted).map(|(_, of)| of);
        // In all of these files `default` is the shape of errors.
        let described = of(&status.to_string()).or_else(|| of("default").filter(|_| status >= 400));
        let Some(described) = described else {
            let known: Vec<&str> = operation.responses.iter().map(|(status, _)| status.as_str()).collect();
            find("", format!("this status is not described, only {}", known.join(", ")));
            return;
        };
        if status == 202 && operation.long_running {
            let address =
                ["location", "azure-asyncoperation"].iter().any(|name| answer.headers().contains_key(*name));
            if !address {
                find(" header location", "is missing".to_owned());
            }
        }
        let body = match parsed(answer.body()) {
            Ok(body) => body,
            Err(error) => {
                find(" body", error);
                return;
            }
        };
        match (described.get("schema"), body) {
            (Some(schema), Some(body)) => {
                let part = Part { file: &operation.file, value: schema };
                let key = format!("{} {} {}", operation.file, operation.id, status.min(400));
                for what in self.violations(&key, part, Direction::Response, &body) {
                    find(" body", what);
                }
                if !is_json(answer.headers()) {
                    find(" header content-type", "is not application/json".to_owned());
                }
            }
            (Some(_), None) => find(" body", "is missing".to_owned()),
            (None, Some(_)) => find(" body", "none is described".to_owned()),
            (None, None) => {}
        }
    }

    /// How `value` differs from the description in `part`. `key` names the part.
    pub(super) fn violations(
        &self,
        key: &str,
        part: Part<'_>,
        direction: Direction,
        value: &Value,
    ) -> Vec<String> {
        let key = format!("{key} {direction:?}");
        let known = self.validators.lock().unwrap().get(&key).cloned();
        let validator = known.unwrap_or_else(|| {
            let schema = self.documents.schema(part, direction);
            let validator = jsonschema::options().should_validate_formats(true).build(&schema);
            let validator = Arc::new(validator.unwrap_or_else(|error| panic!("{key}: {error}")));
            self.validators.lock().unwrap().insert(key, Arc::clone(&validator));
            validator
        });
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{} {}", counted(error.instance_path().as_str()), error.masked()))
            .collect()
    }
}

/// A path in a body without the indexes of items, so that the same finding is reported once.
fn counted(place: &str) -> String {
    let place: Vec<&str> = place
        .split('/')
        .map(
            |step| {
                if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { step }
            },
        )
        .collect();
    place.join("/")
}

/// Why no official file describes a path of Azure Resource Manager.
fn undescribed(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    let last = |count: usize| path.rsplit('/').nth(count).unwrap_or_default().to_owned();
    if path.starts_with("/metadata/") {
        Some("/metadata/endpoints: no file describes it; checked by the official clients, which start there")
    } else if last(1) == "operationresults" {
        Some("an operation's own address: no file describes it; checked with recorded traffic")
    } else if path.ends_with("/providers/microsoft.authorization/permissions")
        && path.matches('/').count() == 5
    {
        Some(
            "permissions of a whole subscription: returned by Azure, described for resource groups and resources only",
        )
    } else if path.ends_with("/providers/microsoft.authorization/permissions")
        && path.starts_with("/providers/microsoft.management/")
    {
        Some(
            "permissions of a management group: returned by Azure, described for resource groups and resources only",
        )
    } else if path.ends_with("/roleassignmentscheduleinstances")
        || path.ends_with("/roleeligibilityscheduleinstances")
    {
        Some(
            "role assignment and eligibility schedule instances (`preview` reads until when a role holds): no file beside \
             the project describes them",
        )
    } else {
        None
    }
}

pub(super) fn query(request: &Request<Bytes>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// The text without percent-encoding.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%');
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn parsed(body: &Bytes) -> Result<Option<Value>, String> {
    if body.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(body).map(Some).map_err(|error| format!("is no JSON: {error}"))
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let of_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    of_type.is_some_and(|of_type| of_type.starts_with("application/json"))
}
