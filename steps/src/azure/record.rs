//! Records one request for the transcript of its step.

use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use twinspan_engine::{ActedAs, Exchange, StepCx};

use super::caller::Call;
use super::party::Party;
use super::{redaction, references};

/// The record of one request, written also if the future is dropped before the response arrives.
pub(super) struct Record<'a> {
    cx: &'a StepCx<'a>,
    exchange: Option<Exchange>,
}

impl<'a> Record<'a> {
    pub(super) fn begin(
        cx: &'a StepCx<'a>,
        call: &Call,
        party: Party<'_>,
        acted_as: Vec<ActedAs>,
        id: (String, String),
    ) -> Self {
        let began = cx.now();
        Record {
            cx,
            exchange: Some(Exchange {
                verb: call.verb.to_string(),
                target: call.target(),
                status: None,
                began,
                ended: began,
                identity: party.name.to_owned(),
                acted_as,
                write: call.write,
                created: None,
                references: vec![id],
                sent: call.shown.as_ref().or(call.body.as_ref()).map(|body| Arc::new(redaction::body(body))),
                received: None,
                sent_by: None,
            }),
        }
    }

    /// `body` has `size` bytes; `None`: it is empty, or no JSON.
    pub(super) fn answered(
        &mut self,
        status: u16,
        headers: &HeaderMap,
        size: usize,
        body: Option<&Arc<Value>>,
    ) {
        self.end(|exchange| {
            exchange.status = Some(status);
            // Some services return the client request id.
            exchange
                .references
                .extend(references(headers).into_iter().filter(|(name, _)| name != "client-request-id"));
            exchange.created = body.and_then(|body| created_at(body));
            exchange.received = body
                .map(|body| redaction::shared_body(body, size))
                .or_else(|| (size > 0).then(|| Arc::new(json!({"not JSON": format!("{size} bytes")}))));
        });
    }

    pub(super) fn failed(&mut self, fault: &str) {
        self.end(|exchange| exchange.received = Some(Arc::new(json!({"fault": fault}))));
    }

    fn end(&mut self, fill: impl FnOnce(&mut Exchange)) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.ended = self.cx.now();
            fill(&mut exchange);
            self.cx.log.record(exchange);
        }
    }
}

/// The creation time in a response of Azure Resource Manager, of its role assignments or of Microsoft Graph.
fn created_at(body: &Value) -> Option<Timestamp> {
    let places = ["/systemData/createdAt", "/properties/createdOn", "/createdDateTime"];
    places.into_iter().find_map(|place| body.pointer(place)?.as_str()?.parse().ok())
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.failed("the request was abandoned before its response arrived");
    }
}
