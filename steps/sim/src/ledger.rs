//! Records requests and their effects, for assertions in tests.

use jiff::Timestamp;
use serde::Serialize;

/// The effect of a write on the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// A resource was created.
    Created,
    /// A resource was written again.
    Updated,
    /// A resource was deleted, or its deletion began.
    Deleted,
    /// No effect: refused, or unchanged.
    None,
}

/// A write that arrived, applied or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Position in the ledger, from 1.
    pub seq: u64,
    /// When it was handled, on the world's clock.
    pub at: Timestamp,
    /// Tenant of the directory or subscription.
    pub tenant: String,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Its effect.
    pub change: Change,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
}

/// A request that arrived, reads included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedRequest {
    /// Position, from 1.
    pub seq: u64,
    /// When it was handled, on the world's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Status of the response, even if that was lost; 0 without a response.
    pub status: u16,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
}

/// A slow request that has arrived and has no response yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// Number of the slow request, from 1.
    pub number: u64,
    /// When it arrived, on the world's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
    /// Whether it was processed, so that only its response is missing.
    pub done: bool,
}

/// All records.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) effects: Vec<Effect>,
    pub(crate) requests: Vec<ReceivedRequest>,
    pub(crate) in_flight: Vec<InFlight>,
    /// Number of slow requests so far.
    pub(crate) slow: u64,
}
