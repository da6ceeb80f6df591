//! Failures of a step, classified by how the engine handles them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wait::Wait;

/// How the engine handles a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// Too many requests: wait as long as the remote says.
    Throttled,
    /// A program that this step started is still running; the outcome is known only when it ends.
    InProgress,
    /// May succeed when repeated.
    Transient,
    /// Another client is changing the same resource; retry.
    ConflictRetryable,
    /// A recent write is not visible everywhere yet.
    ReplicationLag,
    /// A new permission is not effective yet: a bounded wait, with a fresh sign-in for each check.
    Propagation,
    /// This machine has no credential for the identity, or the credential is refused.
    Credential,
    /// A person has to sign in, accept or consent.
    NeedsPerson,
    /// A permission is missing.
    Permission,
    /// Forbidden by a policy or a lock.
    Policy,
    /// The plan asks for something impossible.
    PlanWrong,
    /// A bug in this program.
    Bug,
}

/// How certain the outcome of a write is when its response is no success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Nothing was sent, or the response is a definite refusal: the write had no effect.
    NotDone,
    /// Sent, response unknown: time-out, connection reset, server error. Only a read can show the outcome.
    Unknown,
    /// Result of a read: a write of unknown outcome had no effect, and why.
    FoundNotDone,
}

/// The failure of a step. `message` is a lowercase fragment that says what was seen and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// How the engine handles it.
    pub class: FailureClass,
    /// How certain the outcome of the write is, if there was one.
    pub certainty: Certainty,
    /// What was seen and where.
    pub message: String,
    /// The remote's error code, for example `LinkedAuthorizationFailed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the operator does next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The causes, outermost first; never the debug text of a live error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Request and correlation ids, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<(String, String)>,
    /// The delay that the remote asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// The wait that follows, for the classes that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Box<Wait>>,
}

impl StepError {
    /// A failure of `class` that certainly changed nothing.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        StepError {
            class,
            certainty: Certainty::NotDone,
            message: message.into(),
            code: None,
            hint: None,
            causes: Vec::new(),
            references: Vec::new(),
            retry_after: None,
            wait: None,
        }
    }

    /// The plan asks for something impossible.
    pub fn plan_wrong(message: impl Into<String>) -> Self {
        StepError::new(FailureClass::PlanWrong, message)
    }

    /// Marks the outcome as unknown: the write may have taken effect.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.certainty = Certainty::Unknown;
        self
    }

    /// Marks that a read showed that the write of unknown outcome had no effect.
    #[must_use]
    pub fn found_not_done(mut self) -> Self {
        self.certainty = Certainty::FoundNotDone;
        self
    }

    /// Adds the remote's code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds what the operator does next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the wait that follows.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = Some(Box::new(wait));
        self
    }
}
