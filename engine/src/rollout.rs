//! Rollouts: the key of related runs, and what earlier runs of the key created.
//!
//! ```text
//! ended runs of the key ─created─▶ RunStarted.rollout.earlier ─▶ probes of the new run: unchanged, or updated in place
//! latest run ─left_over─▶ what the earlier runs created and the latest run does not contain
//! ```
//!
//! A resource belongs to the run that created it. A later run of the key may update it, and never owns it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_plans::{Inputs, Plan};

use crate::ids::ClaimKey;
use crate::ids::{RunId, StepKey};
use crate::observation::Marker;

/// The longest key or label.
const LONGEST: usize = 200;

/// The key of a rollout. Runs with the empty key are unrelated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunKey(pub(crate) String);

impl RunKey {
    /// The key that an operator gives.
    ///
    /// # Errors
    /// A sentence that says what a key consists of.
    pub fn given(text: &str) -> Result<Self, String> {
        check(text, "a run key")?;
        Ok(RunKey(text.to_owned()))
    }

    /// The default key of a plan with these inputs: the plan's name, and a digest of its targets ([`Plan::targets`]). A table
    /// of targets may grow under one key.
    pub fn of(plan: &Plan, inputs: &Inputs) -> Self {
        let counted = plan.targets(inputs);
        if counted.is_empty() {
            return RunKey(plan.name.clone());
        }
        let digest = crate::digest::digest_of(
            &counted
                .into_iter()
                .map(|(name, text)| (name, Value::from(text)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        );
        let digest = digest.to_string();
        RunKey(format!("{}@{}", plan.name, digest.get(..12).unwrap_or(&digest)))
    }

    pub(crate) fn stored(text: &str) -> Self {
        RunKey(text.to_owned())
    }

    /// Whether it is the empty key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels of a run, chosen by the operator: stored and shown, without any effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// Adds `NAME=VALUE`; a later value wins.
    ///
    /// # Errors
    /// A sentence that says what a label consists of.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(format!("label {text:?} is not NAME=VALUE"));
        };
        check(name, "the name of a label")?;
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            return Err(format!(
                "the value of label {name} has at most {LONGEST} bytes and no control characters"
            ));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Whether it has every label of `wanted` with the same value.
    pub fn contain(&self, wanted: &Labels) -> bool {
        wanted.0.iter().all(|(name, value)| self.0.get(name) == Some(value))
    }
}

/// Checks for text that needs no quotes in a shell.
fn check(text: &str, what: &str) -> Result<(), String> {
    let plain = |letter: char| letter.is_alphanumeric() || "._:/@+-".contains(letter);
    if text.is_empty() || text.len() > LONGEST || text.starts_with('-') || !text.chars().all(plain) {
        return Err(format!(
            "{what} consists of letters, digits and . _ : / @ + -, begins with no -, and has at most {LONGEST} bytes; \
             {text:?} is not one"
        ));
    }
    Ok(())
}

/// A run's part in its rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The key of the rollout.
    #[serde(default, skip_serializing_if = "RunKey::is_empty")]
    pub key: RunKey,
    /// Labels that the operator chose.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub labels: Labels,
    /// Ended runs of the key in this journal when the run began, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierRun>,
}

fn no_labels(labels: &Labels) -> bool {
    labels.0.is_empty()
}

/// An ended run of the same key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierRun {
    /// The run.
    pub run: RunId,
    /// What it created and did not undo.
    pub created: Vec<Created>,
}

/// A resource that a run created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The step that created it.
    pub step: StepKey,
    /// The step's kind.
    pub kind: String,
    /// The step's claims: the normalized ids of the resource, in order.
    pub claims: Vec<ClaimKey>,
}

/// The creator of a resource that a later run of the key identifies by kind and claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CreatedBy {
    pub(crate) run: RunId,
    pub(crate) step: StepKey,
}

impl CreatedBy {
    /// Whether the resource still carries that run's marker, or its kind has none.
    pub(crate) fn keeps(&self, marker: &Marker) -> bool {
        owns(self.run, marker)
    }
}

/// Whether a marker is `owner`'s, or the kind has none.
pub(crate) fn owns(owner: RunId, marker: &Marker) -> bool {
    match marker {
        Marker::Of(run) => *run == owner.short(),
        Marker::NoPlace => true,
        Marker::None | Marker::Before(_) => false,
    }
}

/// A kind and the claims of one of its steps.
pub(crate) type Resource = (String, Vec<ClaimKey>);

pub(crate) fn resource(kind: &str, claims: &[ClaimKey]) -> Option<Resource> {
    if claims.is_empty() {
        return None;
    }
    let mut claims = claims.to_vec();
    claims.sort_unstable();
    Some((kind.to_owned(), claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_word_that_needs_no_quotes() {
        for good in ["prod", "prod/west-europe", "a@1a2b", "plan:2026.1", "größe"] {
            assert_eq!(RunKey::given(good).unwrap().as_str(), good);
        }
        for bad in ["", "-x", "a b", "a'b", "a;b", "a\u{1b}[0m", "$(x)", &"x".repeat(201)] {
            assert!(RunKey::given(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_label_has_a_name_and_a_value() {
        let mut labels = Labels::default();
        labels.add("ticket=CHG 42").unwrap();
        labels.add("ticket=CHG=43").unwrap();
        assert_eq!(labels.0["ticket"], "CHG=43");
        for bad in ["ticket", "=x", "a b=x", "a=x\u{9b}y", "a=\n"] {
            assert!(labels.add(bad).is_err(), "{bad:?}");
        }
        let wanted = |text: &str| {
            let mut wanted = Labels::default();
            wanted.add(text).unwrap();
            labels.contain(&wanted)
        };
        assert!(wanted("ticket=CHG=43") && !wanted("ticket=x") && !wanted("other=x"));
    }
}
