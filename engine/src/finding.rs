//! The results of verification and of the search before an undo, as the journal records them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decision::Decision;
use crate::failure::StepError;
use crate::identity::Identity;
use crate::ids::StepKey;
use crate::observation::ReadProof;

/// The verification result of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The step.
    pub step: StepKey,
    /// The comparison with its proof.
    #[serde(flatten)]
    pub drift: DriftState,
    /// The deciding read, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadProof>,
}

/// The state of a step's resource, compared with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum DriftState {
    /// In sync: as proven.
    InSync,
    /// It exists, and not as proven.
    Drifted {
        /// What is wrong, as text.
        what: String,
        /// Whom to contact, or what to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
        /// Field by field, where known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changes: Vec<FieldChange>,
    },
    /// It no longer exists.
    Missing {
        /// What was not found, as text.
        what: String,
    },
    /// It carries another run's marker.
    OwnedByAnotherRun {
        /// The run of the marker: the last 8 digits of its id.
        by: String,
    },
    /// It exists, in a state that does not recover by itself.
    Broken {
        /// What is wrong, and who can help.
        decision: Decision,
    },
    /// It could not be read; its state is unknown.
    Unreadable {
        /// Why, and who can help.
        error: Box<StepError>,
    },
    /// It carries this run's marker, and the journal has no intent of the step: the journal lost its last entries. Never
    /// recorded, as nothing is to be added to such a journal.
    LostTail,
}

/// A field that differs from the proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// What the run proved.
    pub proven: String,
    /// The current value.
    pub found: String,
}

impl DriftState {
    /// Whether it differs from the proof.
    pub fn is_drift(&self) -> bool {
        !matches!(self, DriftState::InSync | DriftState::Unreadable { .. } | DriftState::LostTail)
    }

    /// The state's name, stable for machines.
    pub fn name(&self) -> &'static str {
        match self {
            DriftState::InSync => "in-sync",
            DriftState::Drifted { .. } => "drifted",
            DriftState::Missing { .. } => "missing",
            DriftState::OwnedByAnotherRun { .. } => "owned-by-another-run",
            DriftState::Broken { .. } => "broken",
            DriftState::Unreadable { .. } => "unreadable",
            DriftState::LostTail => "lost-tail",
        }
    }

    /// What is wrong, as text; empty if nothing is.
    pub fn what(&self) -> String {
        match self {
            DriftState::InSync => String::new(),
            DriftState::Drifted { what, .. } | DriftState::Missing { what } => what.clone(),
            DriftState::OwnedByAnotherRun { by } => {
                format!("it carries the marker of run {by}, not of this run")
            }
            DriftState::Broken { decision } => decision.what.clone(),
            DriftState::LostTail => {
                "the resource carries this run's marker, but the journal has no intent of this step: the \
                                   journal lost its tail"
                    .to_owned()
            }
            DriftState::Unreadable { error } => {
                error.wait.as_ref().map_or_else(|| error.message.clone(), |wait| wait.what.clone())
            }
        }
    }

    /// Whom to contact, or what to do.
    pub fn advice(&self) -> Option<String> {
        match self {
            DriftState::InSync => None,
            DriftState::Drifted { advice, .. } => advice.clone(),
            DriftState::Missing { .. } => {
                Some("it may have been deleted on purpose: ask its owner before it is recreated".to_owned())
            }
            DriftState::OwnedByAnotherRun { by } => {
                Some(format!("ask the operator of run {by}; repair does not change it without a decision"))
            }
            DriftState::Broken { decision } => Some(decision.advice.clone()),
            DriftState::LostTail => Some(
                "restore the newer copy of the journal before you resume, undo or repair this run; see \
                 docs/guides/journal.md, \"When something is lost\""
                    .to_owned(),
            ),
            DriftState::Unreadable { error } => match &error.wait {
                Some(wait) => {
                    let who = wait.who.as_ref().map(|who| format!("{who}: ")).unwrap_or_default();
                    wait.action.as_ref().map(|action| format!("{who}{action}"))
                }
                None => error.hint.clone(),
            },
        }
    }

    /// Field by field, where known.
    pub fn changes(&self) -> &[FieldChange] {
        match self {
            DriftState::Drifted { changes, .. } => changes,
            _ => &[],
        }
    }

    /// Whether the marker of the run is missing now.
    pub(crate) fn lost_marker(&self) -> bool {
        self.changes().iter().any(|change| change.field == MARKER)
    }
}

/// The search result of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sought {
    /// The step; a `for_each` whose elements are not known is one entry.
    pub step: StepKey,
    /// The result.
    pub found: SoughtState,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoughtState {
    /// A resource with this run's marker, and no intent in the journal: the journal lost its last entries.
    Own {
        /// The parameters with which it was read.
        params: Value,
        /// Its identities.
        identities: Vec<Identity>,
        /// The identity whose token goes along.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auxiliary: Option<Identity>,
    },
    /// It could not be checked.
    Unchecked {
        /// Why.
        why: String,
    },
}

/// Name of the field for the run's marker.
pub(crate) const MARKER: &str = "marker";
