//! The response of a service, before serialization.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::ledger::Change;

/// A handler's result. Both variants are responses; `Err` lets a refusal return early with `?`.
pub(crate) type Handled = Result<Reply, Reply>;

/// A response, and the effect of its request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) change: Change,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Other { content_type: &'static str, bytes: Bytes },
}

impl Reply {
    pub(crate) fn empty(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: Body::Empty, change: Change::None }
    }

    pub(crate) fn json(status: u16, body: Value) -> Self {
        Reply { body: Body::Json(body), ..Reply::empty(status) }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: Value) -> Self {
        Reply::json(200, body)
    }

    /// 202 with an operation URL.
    pub(crate) fn accepted(location: &str) -> Self {
        Reply::empty(202).with("location", location)
    }

    /// An error in ARM's format.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Reply::json(status, json!({ "error": { "code": code, "message": message } }))
    }

    /// An error of the ARM gateway itself, without a resource provider.
    pub(crate) fn gateway_error(status: u16, code: &str, message: &str) -> Self {
        Reply::error(status, code, message).with("x-ms-failure-cause", "gateway")
    }

    /// 400 for a request without an API version.
    pub(crate) fn missing_api_version() -> Self {
        Reply::gateway_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    }

    /// 400 for a create request without a location.
    pub(crate) fn location_required() -> Self {
        Reply::gateway_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        )
    }

    /// 405 for an existing URL that does not support the method.
    pub(crate) fn method_not_allowed() -> Self {
        Reply::error(405, "MethodNotAllowed", "The requested resource does not support this http method.")
    }

    /// The gateway's 404 for a resource `kind` (`Microsoft.Network/networkManagers/x`) in a resource group.
    pub(crate) fn resource_not_found(kind_and_name: &str, resource_group: &str) -> Self {
        Reply::gateway_error(
            404,
            "ResourceNotFound",
            &format!(
                "The Resource '{kind_and_name}' under resource group '{resource_group}' was not found. For more \
                 details please go to https://aka.ms/ARMResourceNotFoundFix"
            ),
        )
    }

    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        self.headers.push((header, value.to_owned()));
        self
    }

    /// Sets the effect of the request, for the ledger.
    pub(crate) fn changed(mut self, change: Change) -> Self {
        self.change = change;
        self
    }

    /// The message, if it is an error.
    pub(crate) fn message(&self) -> String {
        let Body::Json(body) = &self.body else { return String::new() };
        body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn body_bytes(&self) -> Bytes {
        match &self.body {
            Body::Empty => Bytes::new(),
            Body::Json(value) => Bytes::from(value.to_string()),
            Body::Other { bytes, .. } => bytes.clone(),
        }
    }
}
