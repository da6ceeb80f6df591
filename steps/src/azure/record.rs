//! Records one request for the transcript of its step.

use bytes::Bytes;
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
                sent: call.shown.as_ref().or(call.body.as_ref()).map(redaction::body),
                received: None,
                sent_by: None,
            }),
        }
    }

    pub(super) fn answered(&mut self, status: u16, headers: &HeaderMap, body: &Bytes) {
        self.end(|exchange| {
            exchange.status = Some(status);
            // Some services return the client request id.
            exchange
                .references
                .extend(references(headers).into_iter().filter(|(name, _)| name != "client-request-id"));
            let read: Option<Value> = serde_json::from_slice(body).ok();
            exchange.created = read.as_ref().and_then(created_at);
            exchange.received = read
                .map(|body| redaction::body(&body))
                .or_else(|| (!body.is_empty()).then(|| json!({"not JSON": format!("{} bytes", body.len())})));
        });
    }

    pub(super) fn failed(&mut self, fault: &str) {
        self.end(|exchange| exchange.received = Some(json!({"fault": fault})));
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
