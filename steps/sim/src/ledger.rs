//! What arrived and what it changed: the oracle of tests.

use jiff::Timestamp;
use serde::Serialize;

/// What a write did to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Something new exists.
    Created,
    /// Something that existed was written again.
    Updated,
    /// Something is gone, or on its way out.
    Deleted,
    /// Nothing: refused, or unchanged.
    None,
}

/// One write that arrived, applied or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Position in the ledger, from 1.
    pub seq: u64,
    /// When it was taken in, on the world's clock.
    pub at: Timestamp,
    /// Tenant whose directory or subscription it was for.
    pub tenant: String,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// What it did.
    pub change: Change,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
}

/// One request that arrived, reads too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Position, from 1.
    pub seq: u64,
    /// When it was taken in, on the world's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Status of the answer, also of one that got lost on its way; 0: nothing was answered.
    pub status: u16,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
}

/// A slow request that has arrived and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// Counts the slow requests, from 1.
    pub number: u64,
    /// When it arrived, on the world's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// `x-ms-client-request-id`, as sent.
    pub client_request_id: Option<String>,
    /// Whether it was done; then only its answer is missing.
    pub done: bool,
}

/// The lists.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) effects: Vec<Effect>,
    pub(crate) requests: Vec<Seen>,
    pub(crate) in_flight: Vec<InFlight>,
    /// How many requests were slow so far.
    pub(crate) slow: u64,
}
