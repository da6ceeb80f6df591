//! Requests and responses of a step, attempt by attempt. The journal stores them without secrets; bodies are shown only
//! on
//! request.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use twinspan_engine::{ActedAs, Exchange, Phase, StepKey, Transcript};

use super::page::Page;
use super::time::{between, stamp};
use crate::text::{BAD, DIM, STRONG, WAIT};

/// One phase of an attempt, and its requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TranscriptView {
    /// `probe`, `apply`, `verify`; during undo `undo-probe`, `undo`, `undo-verify`.
    phase: Phase,
    /// Number of the attempt.
    attempt: u32,
    requests: Vec<RequestView>,
}

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RequestView {
    verb: String,
    target: String,
    /// Absent: no response was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why no response was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    began: Timestamp,
    ended: Timestamp,
    took_ms: i64,
    /// Name of the identity that sent the request.
    identity: String,
    /// The principals that the remote recognised: the sender, and those with additional tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acted_as: Vec<ActedAs>,
    /// Whether the request is a write.
    write: bool,
    /// Ids that identify the request in the remote's logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<IdView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Arc<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Arc<Value>>,
    /// The step that sent the request; absent: this step. Steps with the same read share its response.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_by: Option<StepKey>,
}

/// An id of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct IdView {
    name: String,
    value: String,
}

impl TranscriptView {
    /// `bodies`: whether request and response bodies are included.
    pub(crate) fn new(transcript: &Transcript, bodies: bool) -> Self {
        TranscriptView {
            phase: transcript.phase,
            attempt: transcript.attempt,
            requests: transcript
                .exchanges
                .iter()
                .map(|exchange| RequestView::new(exchange, bodies))
                .collect(),
        }
    }

    fn began(&self) -> Option<Timestamp> {
        self.requests.first().map(|request| request.began)
    }

    /// Whether all requests and responses are the same: a read that is repeated while the step waits.
    fn repeats(&self, before: &TranscriptView) -> bool {
        let same = |one: &RequestView, other: &RequestView| {
            one.verb == other.verb
                && one.target == other.target
                && one.status == other.status
                && one.identity == other.identity
                && one.received == other.received
        };
        !self.requests.iter().any(|request| request.write)
            && self.phase == before.phase
            && self.attempt == before.attempt
            && self.requests.len() == before.requests.len()
            && self.requests.iter().zip(&before.requests).all(|(one, other)| same(one, other))
    }

    fn write(&self, page: &mut Page) {
        let words = phase_words(self.phase);
        let attempt = if self.phase.writes() { format!(", attempt {}", self.attempt) } else { String::new() };
        page.line(2, &format!("{STRONG}{words}{attempt}{STRONG:#}"));
        for request in &self.requests {
            request.write(page);
        }
    }
}

impl RequestView {
    fn new(exchange: &Exchange, bodies: bool) -> Self {
        let body = |body: &Option<Arc<Value>>| body.clone().filter(|_| bodies);
        let id = |(name, value): &(String, String)| IdView { name: name.clone(), value: value.clone() };
        RequestView {
            verb: exchange.verb.clone(),
            target: exchange.target.clone(),
            status: exchange.status,
            fault: exchange.status.is_none().then(|| fault(exchange)).flatten(),
            began: exchange.began,
            ended: exchange.ended,
            took_ms: i64::try_from(exchange.ended.duration_since(exchange.began).as_millis())
                .unwrap_or(i64::MAX),
            identity: exchange.identity.clone(),
            acted_as: exchange.acted_as.clone(),
            write: exchange.write,
            ids: exchange.references.iter().map(id).collect(),
            sent: body(&exchange.sent),
            received: body(&exchange.received),
            sent_by: exchange.sent_by.clone(),
        }
    }

    /// The ids by value: one id is often returned under several names.
    fn ids_by_value(&self) -> Vec<(Vec<&str>, &str)> {
        let mut found: Vec<(Vec<&str>, &str)> = Vec::new();
        for id in &self.ids {
            match found.iter_mut().find(|(_, value)| *value == id.value) {
                Some((names, _)) => names.push(&id.name),
                None => found.push((vec![&id.name], &id.value)),
            }
        }
        found
    }

    fn write(&self, page: &mut Page) {
        let status = match self.status {
            Some(status) => status.to_string(),
            None => {
                let why = self.fault.as_deref().map(|fault| format!(": {fault}")).unwrap_or_default();
                format!("{BAD}no response{BAD:#}{why}")
            }
        };
        let write = if self.write { format!("  {WAIT}write{WAIT:#}") } else { String::new() };
        page.line(
            24,
            &format!(
                "  {DIM}{}{DIM:#}  {} {} → {status}  {DIM}{} ms, as {}{DIM:#}{write}",
                stamp(self.began),
                self.verb,
                self.target,
                self.took_ms,
                self.identity
            ),
        );
        if let Some(step) = &self.sent_by {
            page.line(
                24,
                &format!("{:24}{DIM}sent by step {step}; the response served this step, too{DIM:#}", ""),
            );
        }
        for (names, value) in self.ids_by_value() {
            page.line(24, &format!("{:24}{DIM}{} {value}{DIM:#}", "", names.join(", ")));
        }
        for (label, body) in [("sent", &self.sent), ("received", &self.received)] {
            let Some(body) = body else { continue };
            page.line(24, &format!("{:24}{DIM}{label}{DIM:#}", ""));
            let text = serde_json::to_string_pretty(body).unwrap_or_default();
            for line in text.lines() {
                page.whole(&format!("{:24}{line}", ""));
            }
        }
    }
}

/// The fault that is recorded in place of a missing response.
fn fault(exchange: &Exchange) -> Option<String> {
    exchange.received.as_ref()?.get("fault")?.as_str().map(str::to_owned)
}

/// Writes transcripts as text. Repeated reads are written once, with the number of repetitions.
pub(crate) fn write_transcripts(transcripts: &[TranscriptView], page: &mut Page) {
    let mut at = 0;
    while let Some(first) = transcripts.get(at) {
        first.write(page);
        let again = transcripts[at + 1..].iter().take_while(|next| next.repeats(first)).count();
        if let (Some(last), Some(began)) = (transcripts.get(at + again), first.began())
            && let (1.., Some(ended)) = (again, last.began())
        {
            let times = if again == 1 { "once more".to_owned() } else { format!("{again} times more") };
            page.line(
                24,
                &format!("{:24}{DIM}the same {times}, within {}{DIM:#}", "", between(began, ended)),
            );
        }
        at += again + 1;
    }
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Probe => "probe",
        Phase::Apply => "write",
        Phase::Verify => "verify",
        Phase::UndoProbe => "probe before undo",
        Phase::Undo => "undo",
        Phase::UndoVerify => "verify undo",
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::text::Width;

    fn look(second: i64, status: u16) -> Transcript {
        let began = Timestamp::from_second(second).unwrap();
        Transcript {
            step: StepKey::from("guest"),
            phase: Phase::Probe,
            attempt: 1,
            exchanges: vec![Exchange {
                verb: "GET".to_owned(),
                target: "/users".to_owned(),
                status: Some(status),
                began,
                ended: began + SignedDuration::from_millis(12),
                identity: "central".to_owned(),
                acted_as: Vec::new(),
                write: false,
                created: None,
                references: ["request-id", "x-ms-request-id"]
                    .map(|name| (name.to_owned(), format!("r{second}")))
                    .into(),
                sent: None,
                received: Some(Arc::new(json!({ "value": [] }))),
                sent_by: None,
            }],
        }
    }

    #[test]
    fn a_look_that_is_repeated_is_said_once() {
        let looks = [look(0, 404), look(30, 404), look(60, 404), look(90, 200)];
        let views: Vec<_> = looks.iter().map(|look| TranscriptView::new(look, false)).collect();
        let mut page = Page::new(Width::WHOLE);
        write_transcripts(&views, &mut page);
        let text = page.into_text().plain();
        assert_eq!(
            text,
            "probe\n  1970-01-01T00:00:00Z  GET /users → 404  12 ms, as central\n\
             \x20                       request-id, x-ms-request-id r0\n\
             \x20                       the same 2 times more, within 1 min\n\
             probe\n  1970-01-01T00:01:30Z  GET /users → 200  12 ms, as central\n\
             \x20                       request-id, x-ms-request-id r90\n"
        );
    }

    #[test]
    fn a_write_is_never_folded_and_bodies_are_shown_only_when_asked_for() {
        let mut write = look(0, 500);
        write.phase = Phase::Apply;
        write.exchanges[0].write = true;
        let views = [TranscriptView::new(&write, true), TranscriptView::new(&write, true)];
        let mut page = Page::new(Width::WHOLE);
        write_transcripts(&views, &mut page);
        let text = page.into_text().plain();
        assert_eq!(text.matches("→ 500").count(), 2, "{text}");
        assert!(text.contains("\"value\": []"), "{text}");
        let without = serde_json::to_value(TranscriptView::new(&write, false)).unwrap();
        assert_eq!(without["requests"][0].get("received"), None);
    }
}
