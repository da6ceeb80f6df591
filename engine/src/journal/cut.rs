//! Cutting the journal off as a killed process would: what crash tests and certificates are made of.

use crate::event::Recorded;

/// Where a commit can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CutPoint {
    /// Before it is durable: it never happened.
    BeforeCommit,
    /// It is durable, and nobody was told.
    BeforeAnswer,
    /// It is durable and everybody was told.
    AfterAnswer,
}

/// Decides where the journal is cut off. From there on nothing is written and every call fails.
pub trait CutPoints: Send + Sync {
    /// Whether to cut here; `commit` counts the commits since the journal was opened, from 1. The journal waits for the
    /// answer: a test that kills the process from outside may hold it here for ever.
    fn cut(&self, commit: u64, point: CutPoint, events: &[Recorded]) -> bool;
}
