//! Microsoft's own examples, through the same check: they are correct, so this shows that the check is not stricter
//! than the files mean. Where an example and its file disagree, the example is listed here with its error.

use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use super::book;
use super::exceptions::Exception;
use super::operations::Operation;
use crate::{fidelity, notice};

const KNOWN: &[Exception] = &[
    Exception {
        parts: &["NetworkManagerDeploymentStatusList.json", "request body: /deploymentTypes/*"],
        reason: "AdminPolicy is not in the list of deployment types",
    },
    Exception {
        parts: &["NetworkManagerDeploymentStatusList.json", "response 200 body: /value/*/deploymentType"],
        reason: "AdminPolicy is not in the list of deployment types",
    },
    Exception {
        parts: &["GetAllSubscriptionsFromManagementGroup.json", "/nextLink value is not of type \"string\""],
        reason: "null where a string is described",
    },
    Exception {
        parts: &["ListManagementGroups.json", "/@nextLink value is not of type \"string\""],
        reason: "null where a string is described",
    },
];

/// A value as it appears in an address.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let encoded = text.bytes().map(|byte| match byte {
        b'/' => "/".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The request of an example, from its values for the operation's parameters.
fn request(operation: &Operation, given: &Value) -> Request<Bytes> {
    let mut path = operation.template.clone();
    let (mut query, mut body, mut headers) = (Vec::new(), Bytes::new(), Vec::new());
    for parameter in &operation.parameters {
        let name = parameter.name.as_str();
        let Some(value) = given.get(name) else { continue };
        match parameter.place.as_str() {
            "path" => path = path.replace(&format!("{{{name}}}"), plain(value).trim_matches('/')),
            "query" => query.push(format!("{name}={}", plain(value))),
            "header" => headers.push((name, plain(value))),
            _ => body = Bytes::from(value.to_string()),
        }
    }
    let address = format!("https://management.azure.com{path}?{}", query.join("&"));
    let mut request = Request::builder().method(operation.method.as_str()).uri(address);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.header("authorization", "Bearer token").header("content-type", "application/json");
    request.body(body).unwrap()
}

fn answer(status: &str, said: &Value) -> Response<Bytes> {
    let body = said.get("body").map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    // Examples omit the headers that every response has.
    let answer = Response::builder().status(status.parse::<u16>().unwrap());
    let answer = answer
        .header("content-type", "application/json")
        .header("location", "https://management.azure.com/x");
    answer.body(body).unwrap()
}

#[test]
fn official_examples_pass_the_same_check() {
    let Some(specification) = book::specification() else { return notice::no_azure_data() };
    let (mut requests, mut answers, mut findings) = (0, 0, Vec::new());
    for operation in &specification.operations {
        for file in &operation.examples {
            let example = specification.documents().follow(file, "").unwrap().value;
            let name = file.rsplit('/').next().unwrap();
            let asked = request(operation, &example["parameters"]);
            requests += 1;
            for (status, said) in example["responses"].as_object().unwrap() {
                let checked = specification.check(&asked, Some(&answer(status, said)));
                answers += 1;
                findings.extend(checked.findings.into_iter().map(|finding| format!("{name}: {finding}")));
            }
        }
    }
    findings.sort();
    findings.dedup();
    let mut text = format!("{requests} requests and {answers} responses of official examples.\n\n");
    text.push_str("Example, and what is wrong in it | Reason\n---|---\n");
    for known in KNOWN {
        let parts: Vec<String> = known.parts.iter().map(|part| format!("`{part}`")).collect();
        text.push_str(&format!("{} | {}\n", parts.join(" "), known.reason));
    }
    notice::say(&format!(
        "specification: {requests} requests and {answers} responses of official examples checked"
    ));
    println!("{text}");
    let unexplained: Vec<&String> =
        findings.iter().filter(|finding| !KNOWN.iter().any(|known| known.explains(finding))).collect();
    assert!(unexplained.is_empty(), "{} findings:\n{unexplained:#?}", unexplained.len());
    let needless: Vec<String> = KNOWN
        .iter()
        .filter(|known| !findings.iter().any(|finding| known.explains(finding)))
        .map(|known| known.parts.join(" … "))
        .collect();
    assert!(needless.is_empty(), "listed, and no longer in any example: {needless:#?}");
    assert!(answers > 100, "too few to mean anything: {answers}");
    fidelity::keep(Path::new(env!("CARGO_MANIFEST_DIR")), "examples in the check", &text);
}
