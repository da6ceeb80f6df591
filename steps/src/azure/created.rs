//! Evidence of creation in the response to a create request. Azure accepts the same request for an existing resource, so
//! acceptance alone proves nothing.

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};

use super::caller::Answer;

/// The clocks behind one service may differ by this much; creation times are whole seconds.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// The response to a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply<T> {
    /// The decoded body.
    pub(crate) body: T,
    /// Its HTTP status.
    pub(crate) status: u16,
    /// Earliest creation time, by the service's clock, of a resource that this request created.
    pub(crate) not_before: Timestamp,
}

impl<T> Reply<T> {
    /// `sent`, `ended`: when the request was sent and its response arrived, by this machine's clock.
    pub(super) fn of(answer: &Answer, body: T, sent: Timestamp, ended: Timestamp) -> Self {
        let took = ended.duration_since(sent).max(SignedDuration::ZERO);
        let at = dated(&answer.headers).unwrap_or(ended);
        let not_before = at.saturating_sub(took.saturating_add(SKEW)).unwrap_or(Timestamp::MIN);
        Reply { body, status: answer.status, not_before }
    }

    /// Whether the service reports a creation (201). Some services return 200 for every write.
    pub(crate) fn is_created(&self) -> bool {
        self.status == 201
    }
}

/// When the service responded, by its own clock.
pub(super) fn dated(headers: &HeaderMap) -> Option<Timestamp> {
    let said = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(said).ok().map(|date| date.timestamp())
}

/// Why undo keeps a resource that may be pre-existing: the create request was answered with `status`, as for an existing
/// resource.
pub(crate) fn unproven(status: u16) -> String {
    format!(
        "it is not proven that this run created it: Azure returned {status} for the create request, as it does for an existing resource"
    )
}
