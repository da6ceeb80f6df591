//! What one attempt sent and received, and the permission for its one write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{FailureClass, StepError};
use crate::ids::StepKey;
use crate::step::{ActedAs, Phase};

/// One request and its answer, without secrets: the transcript of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// `GET`, `PUT` …
    pub verb: String,
    /// Where to, with the parameters that matter.
    pub target: String,
    /// The answer's status; `None`: none came.
    pub status: Option<u16>,
    /// When it was sent.
    pub began: Timestamp,
    /// When the answer, or the failure, was there.
    pub ended: Timestamp,
    /// Name of the identity that it was sent as.
    pub identity: String,
    /// The principal that the remote recognised as the sender, and those of the auxiliary tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acted_as: Vec<ActedAs>,
    /// Whether the request may change something in the remote.
    pub write: bool,
    /// When the resource in the response was created, where the response says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Ids that find the request in the remote's logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<(String, String)>,
    /// Body sent, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Arc<Value>>,
    /// Body received, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Arc<Value>>,
    /// The step that sent it, where that was another: this one wanted to read the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<StepKey>,
}

/// Requests of one attempt, and the permission for its one write.
#[derive(Debug, Default)]
pub struct AttemptLog {
    exchanges: Mutex<Vec<Exchange>>,
    warnings: Mutex<Vec<String>>,
    write_allowed: AtomicBool,
    /// Where requests are counted: places where this attempt was let in.
    begun: Mutex<BTreeSet<String>>,
    /// `None`: nothing but the phase keeps the write back.
    gate: Option<Arc<dyn SendGate>>,
}

/// What is asked immediately before a write is sent.
pub(crate) trait SendGate: std::fmt::Debug + Send + Sync {
    /// Why the write must not be sent; `None`: it may.
    fn refusal(&self) -> Option<String>;
}

impl AttemptLog {
    /// A log for an attempt of `phase`.
    pub fn new(phase: Phase) -> Self {
        AttemptLog { write_allowed: AtomicBool::new(phase.writes()), ..AttemptLog::default() }
    }

    /// The same; `gate` is asked before the write.
    pub(crate) fn behind(self, gate: Option<Arc<dyn SendGate>>) -> Self {
        AttemptLog { gate, ..self }
    }

    /// Takes the permission for the one write; a second call, or a call in a reading phase, is a bug of the kind. The lease
    /// of the run is asked here, so this is the last that is done before the write is sent.
    pub fn take_write(&self, what: &str) -> Result<(), StepError> {
        if let Some(refusal) = self.gate.as_ref().and_then(|gate| gate.refusal()) {
            return Err(StepError::new(FailureClass::Transient, format!("{what} was not sent: {refusal}")));
        }
        if self.write_allowed.swap(false, Ordering::AcqRel) {
            Ok(())
        } else {
            Err(StepError::new(
                FailureClass::Bug,
                format!("a second write in one attempt was stopped: {what}"),
            ))
        }
    }

    /// Whether the one write was begun.
    pub(crate) fn write_begun(&self, phase: Phase) -> bool {
        phase.writes() && !self.write_allowed.load(Ordering::Acquire)
    }

    /// Says that this attempt was let in at a place where requests are counted.
    pub fn begin(&self, place: &str) {
        let mut begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !begun.contains(place) {
            begun.insert(place.to_owned());
        }
    }

    /// Whether it was: what is broken off there would have to be asked again.
    pub fn has_begun(&self, place: &str) -> bool {
        self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(place)
    }

    /// Records one exchange.
    pub fn record(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(exchange);
    }

    /// Records what was read before the attempt's own requests.
    pub(crate) fn record_before(&self, earlier: Vec<Exchange>) {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        exchanges.splice(0..0, earlier);
    }

    /// How many exchanges are recorded.
    pub fn recorded(&self) -> usize {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    /// What `each` makes of the exchanges after the first `skipped`.
    pub fn later<T>(&self, skipped: usize, each: impl Fn(&Exchange) -> T) -> Vec<T> {
        let exchanges = self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        exchanges.iter().skip(skipped).map(each).collect()
    }

    /// Records that what is in place may not have the effect that people expect. It stands in the evidence and changes nothing
    /// else.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(warning);
    }

    /// The warnings, which are not recorded any more.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Everything recorded so far.
    pub fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
