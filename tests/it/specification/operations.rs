//! The operations that the OpenAPI files describe, and the matching of requests to them.

use serde_json::Value;

use super::documents::{Documents, Part};

/// One operation of one file.
pub(super) struct Operation {
    /// `operationId`
    pub(super) id: String,
    /// Its file, below `specification/`.
    pub(super) file: String,
    /// `info.version`
    pub(super) version: String,
    pub(super) method: String,
    /// As the file spells it.
    pub(super) template: String,
    segments: Vec<Segment>,
    pub(super) parameters: Vec<Parameter>,
    /// By status, or `default`.
    pub(super) responses: Vec<(String, Value)>,
    pub(super) long_running: bool,
    /// Files of those of its examples that were saved.
    pub(super) examples: Vec<String>,
}

/// A parameter of an operation.
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path`, `query`, `header`, `body`
    pub(super) place: String,
    pub(super) required: bool,
    /// The file that describes it.
    pub(super) file: String,
    pub(super) described: Value,
}

enum Segment {
    Literal(String),
    One(String),
    /// A scope: any number of segments.
    Many(String),
}

/// A request's operation, with the values in its path.
pub(super) struct Match<'a> {
    pub(super) operation: &'a Operation,
    pub(super) values: Vec<(String, String)>,
}

/// Whether the template is for any resource, without a type of its own.
fn is_generic(template: &str) -> bool {
    let by_id = template.matches('/').count() == 1 && template.starts_with("/{");
    by_id || (template.ends_with("{resourceName}") && template.contains("{resourceType}"))
}

/// Every operation; if several files describe it, the newest.
pub(super) fn all(documents: &Documents) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for api in documents.apis() {
        for (template, path) in api.value["paths"].as_object().unwrap() {
            if is_generic(template) {
                continue;
            }
            for (method, described) in path.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let shared = path.get("parameters");
                let operation = Operation::of(documents, api, template, method, described, shared);
                let same = |known: &Operation| {
                    known.method == operation.method && known.template.eq_ignore_ascii_case(template)
                };
                match operations.iter_mut().find(|known| same(known)) {
                    None => operations.push(operation),
                    Some(known) if known.version < operation.version => *known = operation,
                    Some(_) => {}
                }
            }
        }
    }
    operations
}

impl Operation {
    fn of(
        documents: &Documents,
        api: Part<'_>,
        template: &str,
        method: &str,
        described: &Value,
        shared: Option<&Value>,
    ) -> Self {
        let own = described["parameters"].as_array().into_iter().flatten();
        let shared = shared.and_then(Value::as_array).into_iter().flatten();
        let parameters: Vec<Parameter> = shared
            .chain(own)
            .map(|parameter| {
                let found = documents.resolved(Part { file: api.file, value: parameter });
                Parameter {
                    name: found.value["name"].as_str().unwrap().to_owned(),
                    place: found.value["in"].as_str().unwrap().to_owned(),
                    required: found.value["required"] == true,
                    file: found.file.to_owned(),
                    described: found.value.clone(),
                }
            })
            .collect();
        let segments = template
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| {
                let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                    return Segment::Literal(segment.to_owned());
                };
                let many = parameters.iter().any(|parameter| {
                    parameter.name == name && parameter.described["x-ms-skip-url-encoding"] == true
                });
                if many { Segment::Many(name.to_owned()) } else { Segment::One(name.to_owned()) }
            })
            .collect();
        let examples = described["x-ms-examples"].as_object().into_iter().flatten();
        let examples = examples
            .filter_map(|(_, example)| documents.follow(api.file, example["$ref"].as_str()?))
            .map(|example| example.file.to_owned())
            .collect();
        let responses = described["responses"].as_object().unwrap();
        Operation {
            id: described["operationId"].as_str().unwrap().to_owned(),
            file: api.file.to_owned(),
            version: api.value["info"]["version"].as_str().unwrap().to_owned(),
            method: method.to_uppercase(),
            template: template.to_owned(),
            segments,
            parameters,
            responses: responses.iter().map(|(status, of)| (status.clone(), of.clone())).collect(),
            long_running: described["x-ms-long-running-operation"] == true,
            examples,
        }
    }

    /// The values in `path` for the names of the template; `None` if the path is another operation's.
    pub(super) fn values(&self, path: &str) -> Option<Vec<(String, String)>> {
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut values = Vec::new();
        matches(&self.segments, &path, &mut values).then_some(values)
    }

    fn literals(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }

    /// Of the operations that fit, the one with the most literal segments.
    pub(super) fn best<'a>(operations: &'a [Operation], method: &str, path: &str) -> Option<Match<'a>> {
        let fitting = operations.iter().filter(|operation| operation.method == method);
        let fitting =
            fitting.filter_map(|operation| operation.values(path).map(|values| Match { operation, values }));
        fitting.max_by_key(|found| found.operation.literals())
    }
}

fn matches(segments: &[Segment], path: &[&str], values: &mut Vec<(String, String)>) -> bool {
    let Some((first, rest)) = segments.split_first() else { return path.is_empty() };
    match first {
        Segment::Literal(literal) => path
            .split_first()
            .is_some_and(|(word, path)| literal.eq_ignore_ascii_case(word) && matches(rest, path, values)),
        Segment::One(name) => path.split_first().is_some_and(|(word, path)| {
            values.push((name.clone(), (*word).to_owned()));
            matches(rest, path, values) || values.pop().is_none()
        }),
        Segment::Many(name) => (0..=path.len()).any(|length| {
            values.push((name.clone(), path[..length].join("/")));
            matches(rest, &path[length..], values) || values.pop().is_none()
        }),
    }
}
