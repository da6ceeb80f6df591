//! Hand-over: what a person does where this program may not act. A step's kind describes it; it is rendered elsewhere as a
//! page or a script.
//!
//! A value that is known only when an earlier task of the same person is done (the id of a principal that is still to be
//! created) is a [`Variable`]: a GUID represents it in parameters and texts, so that kinds work with their own types. The
//! renderer replaces it with a script variable or with words.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::ids::{RunId, StepKey};

/// Namespace of the GUIDs that represent unknown values.
const STAND_INS: Uuid = Uuid::from_u128(0x7477_696e_7370_616e_0000_0000_0000_0003);

/// A kind's description of one step that is done by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HandOver {
    /// The person's task; `None`: none, the step only reads.
    pub task: Option<Task>,
    /// How this program detects that it was done.
    pub proof: String,
    /// Outputs that are known before the step is done, or are variables.
    pub outputs: BTreeMap<&'static str, Value>,
    /// Who does it, if that is not the identity of the step: an identity's name, or a person's.
    pub actor: Option<String>,
}

/// A person's task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Task {
    /// The task, as a sentence without its full stop.
    pub what: String,
    /// The permissions that the person needs: alternatives, the least privilege first.
    pub privilege: Vec<String>,
    /// Where to do it without a script.
    pub by_hand: Option<String>,
    /// The actions, in order.
    pub acts: Vec<Act>,
    /// How to undo it.
    pub back: Back,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Reads a value that later actions need. It must exist.
    Learn {
        /// The variable for the value.
        variable: Variable,
        /// The request.
        ask: Request,
        /// Where the value is in the response.
        find: Find,
    },
    /// Stops unless this is found: a task of others that must be done first.
    Require {
        /// The request.
        ask: Request,
        /// What the response must contain.
        find: Find,
        /// What is missing otherwise, as text.
        missing: String,
    },
    /// Computes a GUID from a text (UUID version 5): a name that is the same on repetition.
    Name {
        /// The variable for the name.
        variable: Variable,
        /// Namespace.
        namespace: Uuid,
        /// Text.
        text: String,
    },
    /// A write, unless the resource exists.
    Create(Create),
    /// A delete, if the resource exists.
    Remove(Removal),
    /// A command of this program.
    Command(String),
    /// An action that only a person can do.
    Person {
        /// A link to open. Sensitive: shown, never exported.
        #[serde(skip)]
        link: Option<String>,
    },
}

/// A write, and reads that show that it is not needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Create {
    /// Reads, and where their responses show the resource; the first that finds it counts.
    pub look: Vec<(Request, Find)>,
    /// The write.
    pub write: Request,
    /// The variable for the value found by `look`, or for the field `.1` of the write's response.
    pub yields: Option<(Variable, &'static str)>,
    /// Field of the write's response that the person passes on, and to whom.
    pub pass_on: Option<(&'static str, String)>,
    /// Error codes that mean "not yet": the write is retried for some minutes.
    pub not_yet: &'static [&'static str],
    /// Error codes that mean "it exists".
    pub there: &'static [&'static str],
}

/// A delete, and reads that show that it is not needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Removal {
    /// Reads, and where their responses show the resource; the first that finds it counts.
    pub look: Vec<(Request, Find)>,
    /// The variable in `request` for the value found by `look`, if its path is not known before.
    pub found: Option<Variable>,
    /// The delete.
    pub request: Request,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Request {
    /// The service of the remote; the renderer knows its address.
    pub service: &'static str,
    /// `GET`, `PUT` …
    pub verb: &'static str,
    /// Path, without parameters.
    pub path: String,
    /// Query parameters, not escaped.
    pub query: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Value>,
    /// The identity whose second token goes along.
    pub auxiliary: Option<String>,
}

/// Selects a value in a response. Nested fields are separated by dots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Find {
    /// The field with a list; one of its entries is selected.
    pub list: Option<&'static str>,
    /// Conditions on fields.
    pub having: Vec<(&'static str, Fits)>,
    /// The field of the value.
    pub take: &'static str,
}

/// A condition on a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fits {
    /// Equal to this text.
    Is(String),
    /// Ends with this text.
    EndsWith(String),
}

/// How to undo a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Back {
    /// As text, with what to check before.
    pub words: String,
    /// The request, if there is one.
    pub request: Option<Request>,
}

/// A value that is known only when an earlier task is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Variable {
    /// The GUID that represents it.
    pub stand_in: String,
    /// Its name in a script: a letter, then letters, digits and `_`.
    pub name: String,
    /// As text: "object id of the guest".
    pub words: String,
    /// Its type, for kinds that need it.
    pub sort: Option<&'static str>,
}

impl Variable {
    /// The variable `name` of a step of a run.
    pub(crate) fn of(
        run: RunId,
        step: &StepKey,
        name: &str,
        words: String,
        sort: Option<&'static str>,
    ) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let key: String = step.0.chars().map(plain).collect();
        // Two step keys may differ only in characters that a variable name cannot contain.
        let unlike = key != *step.0 && key != step.0.replace('-', "_");
        let stand_in = stand_in(&format!("{run}/{step}/{name}"));
        let more = if unlike { format!("_{}", &stand_in[..4]) } else { String::new() };
        let first = if key.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "s" };
        Variable { name: format!("{first}{key}{more}_{name}"), words, sort, stand_in }
    }
}

/// The GUID that represents what `text` names.
pub(crate) fn stand_in(text: &str) -> String {
    Uuid::new_v5(&STAND_INS, text.as_bytes()).to_string()
}

/// Whether `test` holds for any text in a value, keys included.
pub(crate) fn any_text(value: &Value, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => test(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, test)),
        Value::Object(fields) => fields.iter().any(|(key, item)| test(key) || any_text(item, test)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
