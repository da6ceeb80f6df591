//! Drift: what is there now, compared with what the run proved. Reading only; nothing here changes a run.

mod judging;
mod looking;
mod mending;

use serde::{Deserialize, Serialize};

use crate::event::ReadProof;
use crate::failure::StepError;
use crate::ids::StepKey;
use crate::step::Decision;

pub(crate) use judging::adopted;
pub use looking::look;
#[cfg(test)]
pub(crate) use looking::{finding, looks};
pub use mending::{NotRepairable, mends};
pub(crate) use mending::{after, may_be_repaired};

/// What a look found at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The step.
    pub step: StepKey,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// The deciding read, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadProof>,
}

/// How a step stands, compared with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    /// As it was proven.
    Same,
    /// There, and not as it was proven.
    Changed {
        /// What is the matter, in words.
        what: String,
        /// Whom to ask, or what to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
        /// Field by field, where it can be told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<FieldChange>,
    },
    /// Gone.
    Vanished {
        /// What was looked for and not found, in words.
        what: String,
    },
    /// There, and another run's.
    Taken {
        /// The run whose marker it carries: the last 8 digits of its id.
        by: String,
    },
    /// There, in a state that does not heal by itself.
    Broken {
        /// What is the matter, and whom to ask.
        decision: Decision,
    },
    /// Could not be read now; nothing is known of it.
    Unreadable {
        /// Why, and who can help.
        error: Box<StepError>,
    },
}

/// One field that is not what was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// What the run proved.
    pub proven: String,
    /// What is there now.
    pub found: String,
}

/// Name of the field that stands for the marker of the run.
const MARKER: &str = "marker";

impl Standing {
    /// Whether something is not as it was proven.
    pub fn is_drift(&self) -> bool {
        !matches!(self, Standing::Same | Standing::Unreadable { .. })
    }

    /// Its name: stable, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Standing::Same => "same",
            Standing::Changed { .. } => "changed",
            Standing::Vanished { .. } => "vanished",
            Standing::Taken { .. } => "taken",
            Standing::Broken { .. } => "broken",
            Standing::Unreadable { .. } => "unreadable",
        }
    }

    /// What is the matter, in words; empty where nothing is.
    pub fn what(&self) -> String {
        match self {
            Standing::Same => String::new(),
            Standing::Changed { what, .. } | Standing::Vanished { what } => what.clone(),
            Standing::Taken { by } => format!("it carries the marker of run {by}, not of this run"),
            Standing::Broken { decision } => decision.what.clone(),
            Standing::Unreadable { error } => {
                error.wait.as_ref().map_or_else(|| error.message.clone(), |wait| wait.what.clone())
            }
        }
    }

    /// Whom to ask, or what to do.
    pub fn advice(&self) -> Option<String> {
        match self {
            Standing::Same => None,
            Standing::Changed { advice, .. } => advice.clone(),
            Standing::Vanished { .. } => {
                Some("whoever removed it may have meant it: ask its owner before it is made anew".to_owned())
            }
            Standing::Taken { by } => Some(format!("ask who runs {by}; it is left alone")),
            Standing::Broken { decision } => Some(decision.advice.clone()),
            Standing::Unreadable { error } => match &error.wait {
                Some(wait) => {
                    let who = wait.who.as_ref().map(|who| format!("{who}: ")).unwrap_or_default();
                    wait.action.as_ref().map(|action| format!("{who}{action}"))
                }
                None => error.hint.clone(),
            },
        }
    }

    /// Field by field, where it can be told.
    pub fn changes(&self) -> &[FieldChange] {
        match self {
            Standing::Changed { changes, .. } => changes,
            _ => &[],
        }
    }

    /// Whether it does not say any more that this run made it.
    pub(crate) fn lost_marker(&self) -> bool {
        self.changes().iter().any(|change| change.field == MARKER)
    }
}
