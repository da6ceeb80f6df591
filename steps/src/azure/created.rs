//! What the reply to a create says about age: the same request succeeds for what existed, so that it was accepted proves nothing.

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};

use super::caller::Answer;

/// The clocks behind one service may disagree by this much; creation times are whole seconds.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// The reply to a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply<T> {
    /// What it carries.
    pub(crate) body: T,
    /// Its HTTP status.
    pub(crate) status: u16,
    /// By the service's clock: what this request created is not older.
    pub(crate) not_before: Timestamp,
}

impl<T> Reply<T> {
    /// `sent`, `ended`: when the request was sent and its reply was there, by this machine's clock.
    pub(super) fn of(answer: &Answer, body: T, sent: Timestamp, ended: Timestamp) -> Self {
        let took = ended.duration_since(sent).max(SignedDuration::ZERO);
        let at = dated(&answer.headers).unwrap_or(ended);
        let not_before = at.saturating_sub(took.saturating_add(SKEW)).unwrap_or(Timestamp::MIN);
        Reply { body, status: answer.status, not_before }
    }

    /// Whether the service itself says that it created something: 201. Some services reply 200 to every write.
    pub(crate) fn is_created(&self) -> bool {
        self.status == 201
    }
}

/// When the service replied, by its own clock.
pub(super) fn dated(headers: &HeaderMap) -> Option<Timestamp> {
    let said = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(said).ok().map(|date| date.timestamp())
}

/// Why undo keeps what a write may only have met: it is accepted for what exists, and its reply was `status`.
pub(crate) fn unproven(status: u16) -> String {
    format!(
        "it is not proven that this run created it: Azure replied {status} to the create request, as it does for what exists"
    )
}
