//! Failures of a step, classed by what the engine does about them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wait::Wait;

/// What the engine does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// Too many requests: waits as told.
    Throttled,
    /// What this step began itself goes on outside this process; nothing is settled before it ends.
    InProgress,
    /// May succeed if repeated.
    Transient,
    /// Somebody else is changing the same thing just now.
    ConflictRetryable,
    /// Something written a moment ago is not visible everywhere yet.
    ReplicationLag,
    /// A right given a moment ago is not effective yet: bounded, a fresh sign-in each look.
    Propagation,
    /// This machine has no credential for the identity, or it is refused.
    Credential,
    /// A person has to sign in, accept or consent.
    NeedsPerson,
    /// A right is missing.
    Permission,
    /// Forbidden by a policy or a lock.
    Policy,
    /// The plan asks for something that cannot be.
    PlanWrong,
    /// A mistake in this program.
    Bug,
}

/// What is known of a write when its answer is not a plain yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Nothing was sent, or it was answered with a definite no: the write did not happen.
    NotDone,
    /// Sent, answer unknown: time-out, reset, 5xx. Only a read can tell.
    Unknown,
    /// Of a read: it shows that a write whose outcome was unknown did not take effect, and why.
    FoundNotDone,
}

/// A step's failure. `message` is a lowercase fragment that says what was seen and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What the engine does about it.
    pub class: FailureClass,
    /// What is known of the write, where there was one.
    pub certainty: Certainty,
    /// What was seen and where.
    pub message: String,
    /// The other side's own code, for example `LinkedAuthorizationFailed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the operator does next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Causes, outermost first; never a debug print of a live error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Request and correlation ids, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<(String, String)>,
    /// How long the other side asked us to stay away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// For the classes that wait: in what words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Box<Wait>>,
}

impl StepError {
    /// A failure of `class` after which it is certain that nothing was changed.
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

    /// The plan asks for something that cannot be.
    pub fn plan_wrong(message: impl Into<String>) -> Self {
        StepError::new(FailureClass::PlanWrong, message)
    }

    /// The write may have happened.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.certainty = Certainty::Unknown;
        self
    }

    /// A read shows that the write, whose outcome was unknown, did not take effect.
    #[must_use]
    pub fn found_not_done(mut self) -> Self {
        self.certainty = Certainty::FoundNotDone;
        self
    }

    /// Adds the other side's code.
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

    /// Adds the words of the wait that follows.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = Some(Box::new(wait));
        self
    }
}
