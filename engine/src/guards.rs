//! Guards: what must hold before a run writes anything, whatever the order of its steps.
//!
//! ```text
//! probe finds that a step would write ─▶ guards of the plan, as far as the inputs give them ─▶ met: the write may follow
//!                                                                                        └─▶ wrong: the probe fails, nothing is written
//! ```
//! A guard that no identity can read yet (a guest user who is not invited) delays no write: its own step reads it later. It is read
//! again before the first write of each identity that it concerns, because that identity may be able to read it.

use std::sync::Arc;

use serde_json::Value;

use crate::identity::Identity;
use crate::ids::StepKey;

/// A guard: a step instance whose kind checks a statement before the run's first write.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The step.
    pub step: StepKey,
    /// Its kind.
    pub kind: String,
    /// The parameters that follow from the inputs alone.
    pub known: Value,
    /// The identities of the step.
    pub identities: Vec<Identity>,
    /// The plan's other identities.
    pub others: Vec<Identity>,
}

impl Guard {
    pub(crate) fn actor(&self) -> Option<&Identity> {
        self.identities.first()
    }

    /// Whether `writer` and the step's own identity agree in the attribute that the kind names.
    pub(crate) fn concerns(&self, writer: &Identity, by: Option<&str>) -> bool {
        let Some(by) = by else { return true };
        self.actor().is_some_and(|actor| actor.attributes.get(by) == writer.attributes.get(by))
    }
}

/// The guards of a run, for a probe of a step that may write.
#[derive(Clone, Debug, PartialEq)]
pub struct Guards {
    /// All guards.
    pub all: Arc<[Guard]>,
    /// The run has written: a guard that fails now stops only writes that it concerns.
    pub wrote: bool,
}
