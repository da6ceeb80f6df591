//! Compares a read with what was proven.

use serde_json::Value;
use twinspan_plans::Ensure;

use crate::decision::Difference;
use crate::failure::{FailureClass, StepError};
use crate::finding::{DriftState, FieldChange, MARKER};
use crate::ids::RunId;
use crate::job::Seen;
use crate::observation::{Marker, Observed};
use crate::state::Proof;

/// A step as the journal has it.
#[derive(Clone, Copy)]
pub(crate) struct Proven<'a> {
    pub(crate) run: RunId,
    pub(crate) proof: &'a Proof,
    pub(crate) ensure: Ensure,
    /// Outputs that keep changing after the step is done.
    pub(crate) moving: &'a [&'a str],
    /// A later run of the same key updated it, so that run's proof decides whether it is as wanted.
    pub(crate) updated_since: bool,
}

impl Proven<'_> {
    /// Compares a read with the proof.
    pub(crate) fn judge(self, seen: &Result<Seen, StepError>) -> DriftState {
        match seen {
            Ok(Seen::Checked { observed, .. }) => match self.ensure {
                Ensure::Present => self.compare(observed),
                Ensure::Absent => Proven::compare_absent(observed),
            },
            Ok(Seen::Applied { .. } | Seen::Undone(_)) => DriftState::Unreadable {
                error: Box::new(StepError::new(FailureClass::Bug, "a read returned the result of a write")),
            },
            Err(error) => self.failed(error),
        }
    }

    fn compare(self, observed: &Observed<Value>) -> DriftState {
        match observed {
            Observed::Absent => DriftState::Missing { what: "it is gone".to_owned() },
            Observed::Present { output, marker } => self.changed(output, marker, &[]),
            Observed::Differs { output, differences, marker } => self.changed(output, marker, differences),
            Observed::Converging { wait, marker } => self.taken(marker).unwrap_or_else(|| {
                let who = wait.who.as_ref().map(|who| format!("{who}: ")).unwrap_or_default();
                DriftState::Drifted {
                    what: wait.what.clone(),
                    advice: wait.action.as_ref().map(|action| format!("{who}{action}")),
                    changes: Vec::new(),
                }
            }),
            Observed::Broken { decision, marker, .. } => {
                if self.was_adopted("state", &decision.what) {
                    return DriftState::InSync;
                }
                self.taken(marker).unwrap_or_else(|| DriftState::Broken { decision: decision.clone() })
            }
            Observed::Conflict(decision) => DriftState::Broken { decision: decision.clone() },
        }
    }

    /// Expected state: absent.
    fn compare_absent(observed: &Observed<Value>) -> DriftState {
        let there = |what: String| DriftState::Drifted {
            what,
            advice: Some("ask who created it again".to_owned()),
            changes: Vec::new(),
        };
        match observed {
            Observed::Absent => DriftState::InSync,
            Observed::Present { .. } | Observed::Differs { .. } | Observed::Broken { .. } => {
                there("it exists again".to_owned())
            }
            Observed::Converging { wait, .. } => there(format!("it exists again: {}", wait.what)),
            Observed::Conflict(decision) => DriftState::Broken { decision: decision.clone() },
        }
    }

    /// The other run whose marker it carries, unless it carried that when it was proven.
    fn taken(self, marker: &Marker) -> Option<DriftState> {
        match marker {
            Marker::Of(by) if *by != self.run.short() && *marker != self.proof.evidence.marker => {
                Some(DriftState::OwnedByAnotherRun { by: by.clone() })
            }
            _ => None,
        }
    }

    fn changed(self, output: &Value, marker: &Marker, differences: &[Difference]) -> DriftState {
        if let Some(taken) = self.taken(marker) {
            return taken;
        }
        let mut changes = Vec::new();
        let adopted = |difference: &&Difference| self.was_adopted(&difference.field, &difference.found);
        changes.extend(differences.iter().filter(|difference| !adopted(difference)).map(|difference| {
            FieldChange {
                field: difference.field.clone(),
                proven: difference.wanted.clone(),
                found: difference.found.clone(),
            }
        }));
        let more = fields(&self.proof.output, output, self.moving);
        let said: Vec<String> = changes.iter().map(|change| change.found.clone()).collect();
        changes.extend(more.into_iter().filter(|change| !said.contains(&change.found)));
        let lost = matches!((&self.proof.evidence.marker, marker), (Marker::Of(_), Marker::None));
        if let (Marker::Of(run), true) = (&self.proof.evidence.marker, lost) {
            changes.push(FieldChange {
                field: MARKER.to_owned(),
                proven: format!("[twinspan:{run}]"),
                found: "none".to_owned(),
            });
        }
        if changes.is_empty() || (self.updated_since && !lost) {
            return DriftState::InSync;
        }
        let names: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
        let made_anew = if lost {
            "; without the marker it may have been recreated, or only its description changed"
        } else {
            ""
        };
        DriftState::Drifted {
            what: format!("it is not as it was proven ({}){made_anew}", names.join(", ")),
            advice: None,
            changes,
        }
    }

    /// Whether a person adopted it with this difference.
    fn was_adopted(self, field: &str, found: &str) -> bool {
        self.proof.evidence.also.get(&adopted(field)).is_some_and(|known| known == found)
    }

    /// The result of a failed read. If only the container was found missing, the resource is missing too; if something was
    /// found that the plan cannot mean, that is a change.
    fn failed(self, error: &StepError) -> DriftState {
        match (error.class, self.ensure) {
            (FailureClass::ReplicationLag, Ensure::Present) => {
                DriftState::Missing { what: error.message.clone() }
            }
            (FailureClass::PlanWrong, _) => DriftState::Drifted {
                what: error.message.clone(),
                advice: error.hint.clone(),
                changes: Vec::new(),
            },
            _ => DriftState::Unreadable { error: Box::new(error.clone()) },
        }
    }
}

/// Name of the evidence that a person adopted a resource in spite of a difference.
pub(crate) fn adopted(field: &str) -> String {
    format!("adopted with another {field}")
}

/// The fields in which two outputs differ: values unknown at the time of proof are not compared, and ids are
/// case-insensitive.
fn fields(proven: &Value, found: &Value, moving: &[&str]) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    walk("", proven, found, moving, &mut changes);
    changes
}

fn walk(path: &str, proven: &Value, found: &Value, moving: &[&str], changes: &mut Vec<FieldChange>) {
    match (proven, found) {
        (Value::Object(then), Value::Object(now)) => {
            for (name, value) in then {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if moving.contains(&path.as_str()) {
                    continue;
                }
                walk(&path, value, now.get(name).unwrap_or(&Value::Null), moving, changes);
            }
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            for (position, (then, now)) in then.iter().zip(now).enumerate() {
                walk(&format!("{path}[{position}]"), then, now, moving, changes);
            }
        }
        (Value::Null, _) => {}
        (Value::String(then), _) if then.is_empty() => {}
        (Value::String(then), Value::String(now))
            if then.starts_with('/') && then.eq_ignore_ascii_case(now) => {}
        (then, now) if then == now => {}
        (then, now) => {
            changes.push(FieldChange { field: path.to_owned(), proven: shown(then), found: shown(now) })
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
