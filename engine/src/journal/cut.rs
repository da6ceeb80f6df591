//! Cuts the journal off as a killed process would: for crash tests and certificates.

use crate::event::Recorded;

/// Where a commit can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutPoint {
    /// Before it is durable: it has no effect.
    BeforeCommit,
    /// It is durable, and no caller has its result.
    BeforeAnswer,
    /// It is durable, and every caller has its result.
    AfterAnswer,
}

/// Decides where the journal is cut off. From there on nothing is written and every call fails.
pub trait CutPoints: Send + Sync {
    /// Whether to cut here; `commit` counts the commits since the journal was opened, from 1. The journal waits for this
    /// call: a test that kills the process from outside may block it for ever.
    fn cut(&self, commit: u64, point: CutPoint, events: &[Recorded]) -> bool;
}
