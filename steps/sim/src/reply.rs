//! What a service answers, before it becomes bytes.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::ledger::Change;

/// A handler's result: both sides are answers; `Err` lets a refusal leave early with `?`.
pub(crate) type Handled = Result<Reply, Reply>;

/// An answer and what it changed.
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

    /// 202 with the address to look at.
    pub(crate) fn accepted(location: &str) -> Self {
        Reply::empty(202).with("location", location)
    }

    /// An error in the shape of ARM.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Reply::json(status, json!({ "error": { "code": code, "message": message } }))
    }

    /// An error that the ARM gateway makes by itself, without asking a resource provider.
    pub(crate) fn gateway_error(status: u16, code: &str, message: &str) -> Self {
        Reply::error(status, code, message).with("x-ms-failure-cause", "gateway")
    }

    /// 400 for a request that does not say its version.
    pub(crate) fn missing_api_version() -> Self {
        Reply::gateway_error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    }

    /// 400 for a resource that is to be made without saying where.
    pub(crate) fn location_required() -> Self {
        Reply::gateway_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        )
    }

    /// 405 for an address that exists and a method that it does not have.
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

    /// Says what the request changed; the ledger keeps it.
    pub(crate) fn changed(mut self, change: Change) -> Self {
        self.change = change;
        self
    }

    /// Its words, where it is a refusal.
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
