//! The requests of one attempt, and the permit for its one write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{FailureClass, StepError};
use crate::identity::ActedAs;
use crate::ids::StepKey;
use crate::observation::Phase;

/// One request and its response, without secrets: a line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// `GET`, `PUT` …
    pub verb: String,
    /// The target, with the parameters that matter.
    pub target: String,
    /// The status of the response; `None`: there was none.
    pub status: Option<u16>,
    /// When it was sent.
    pub began: Timestamp,
    /// When the response or the failure arrived.
    pub ended: Timestamp,
    /// Name of the identity that sent it.
    pub identity: String,
    /// The principals that the remote recognized: the sender, and those of the auxiliary tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acted_as: Vec<ActedAs>,
    /// Whether the request may change something at the remote.
    pub write: bool,
    /// When the resource in the response was created, if the response contains that.
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
    /// The step that sent it, if it was another one: this step needed the same read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<StepKey>,
}

/// The requests of one attempt, and the permit for its one write.
#[derive(Debug, Default)]
pub struct AttemptLog {
    exchanges: Mutex<Vec<Exchange>>,
    warnings: Mutex<Vec<String>>,
    write_allowed: AtomicBool,
    /// Places with a request limit where this attempt was admitted.
    begun: Mutex<BTreeSet<String>>,
    /// `None`: only the phase restricts the write.
    gate: Option<Arc<dyn SendGate>>,
}

/// A check immediately before a write is sent.
pub(crate) trait SendGate: std::fmt::Debug + Send + Sync {
    /// Why the write must not be sent; `None`: it may.
    fn refusal(&self) -> Option<String>;
}

impl AttemptLog {
    /// A log for an attempt of `phase`.
    pub fn new(phase: Phase) -> Self {
        AttemptLog { write_allowed: AtomicBool::new(phase.writes()), ..AttemptLog::default() }
    }

    /// The same; `gate` is consulted before the write.
    pub(crate) fn behind(self, gate: Option<Arc<dyn SendGate>>) -> Self {
        AttemptLog { gate, ..self }
    }

    /// Takes the permit for the one write. A second call, or a call in a reading phase, is a bug of the kind. It checks the
    /// run's lease, so it must be the last call before the write is sent.
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

    /// Whether the write was begun.
    pub(crate) fn write_begun(&self, phase: Phase) -> bool {
        phase.writes() && !self.write_allowed.load(Ordering::Acquire)
    }

    /// Records that this attempt was admitted at a place with a request limit.
    pub fn begin(&self, place: &str) {
        let mut begun = self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !begun.contains(place) {
            begun.insert(place.to_owned());
        }
    }

    /// Whether this attempt was admitted there: an aborted request would have to be repeated.
    pub fn has_begun(&self, place: &str) -> bool {
        self.begun.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(place)
    }

    /// Records one exchange.
    pub fn record(&self, exchange: Exchange) {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(exchange);
    }

    /// Inserts reads that were made before the attempt's own requests.
    pub(crate) fn record_before(&self, earlier: Vec<Exchange>) {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        exchanges.splice(0..0, earlier);
    }

    /// How many exchanges are recorded.
    pub fn recorded(&self) -> usize {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    /// Maps the exchanges after the first `skipped`.
    pub fn later<T>(&self, skipped: usize, each: impl Fn(&Exchange) -> T) -> Vec<T> {
        let exchanges = self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        exchanges.iter().skip(skipped).map(each).collect()
    }

    /// Records a warning that the resource may not have the effect that people expect. It becomes part of the evidence and
    /// changes nothing else.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(warning);
    }

    /// Removes and returns the warnings.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Everything recorded so far.
    pub fn into_exchanges(self) -> Vec<Exchange> {
        self.exchanges.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
