//! What a person does where this program may not act: said by the step's kind, rendered elsewhere as a page or a script.
//!
//! A value that is known only when an earlier task of the same person is done (the id of an account that is still to be
//! made) is a [`Variable`]: a GUID stands in for it in parameters and texts, so that kinds work with their own types, and
//! whoever renders puts a script's variable, or words, in its place.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::step::StepCx;

/// Namespace of the GUIDs that stand in for values which are not known yet.
const STAND_INS: Uuid = Uuid::from_u128(0x7477_696e_7370_616e_0000_0000_0000_0003);

/// What a kind says about one step done by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HandOver {
    /// What the person does; `None`: nothing, the step only looks.
    pub task: Option<Task>,
    /// What this program looks at to see that it was done.
    pub proof: String,
    /// Outputs that are known before the step is done, or have a variable.
    pub outputs: BTreeMap<&'static str, Value>,
    /// Who does it, where that is not the identity that the step acts as: an identity's name, or a person's.
    pub actor: Option<String>,
}

/// Something that a person does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Task {
    /// What exactly, as a sentence without its stop.
    pub what: String,
    /// The least that whoever does it must be allowed to do: alternatives, the least first.
    pub privilege: Vec<String>,
    /// Where a person finds it without a script.
    pub by_hand: Option<String>,
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// How it is taken back.
    pub back: Back,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Finds a value that what follows needs. It must be there.
    Learn {
        /// What it becomes.
        variable: Variable,
        /// What is asked.
        ask: Request,
        /// Where the value is in the answer.
        find: Find,
    },
    /// Goes on only if this is found: what others have to do first.
    Require {
        /// What is asked.
        ask: Request,
        /// What has to be in the answer.
        find: Find,
        /// What is missing otherwise, in words.
        missing: String,
    },
    /// Makes a GUID from a text (UUID version 5): a name that a repetition makes again.
    Name {
        /// What it becomes.
        variable: Variable,
        /// Namespace.
        namespace: Uuid,
        /// Text.
        text: String,
    },
    /// Writes, unless it is there.
    Make(Make),
    /// Removes, if it is there.
    Remove(Removal),
    /// A command of this program.
    Command(String),
    /// Only a person can.
    Person {
        /// A link to open. Sensitive: shown, never exported.
        #[serde(skip)]
        link: Option<String>,
    },
}

/// A write, and how it is seen that it is not needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Make {
    /// Reads, and where each says that the thing is there; the first that finds it counts.
    pub look: Vec<(Request, Find)>,
    /// The write.
    pub write: Request,
    /// What of the look's find, or of the field `.1` of the write's answer, is needed later.
    pub yields: Option<(Variable, &'static str)>,
    /// Field of the write's answer that the person passes on, and to whom.
    pub pass_on: Option<(&'static str, String)>,
    /// Codes of refusals that mean "not yet": the write is tried again for some minutes.
    pub not_yet: &'static [&'static str],
    /// Codes of refusals that mean "it is there".
    pub there: &'static [&'static str],
}

/// A removal, and how it is seen that it is not needed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Removal {
    /// Reads, and where each says that the thing is there; the first that finds it counts.
    pub look: Vec<(Request, Find)>,
    /// What the look's find is called in `request`, where its path is not known before.
    pub found: Option<Variable>,
    /// The removal.
    pub request: Request,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Request {
    /// Which of the other side's services; the renderer knows their addresses.
    pub service: &'static str,
    /// `GET`, `PUT` …
    pub verb: &'static str,
    /// Path, without parameters.
    pub path: String,
    /// Parameters, not escaped.
    pub query: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Option<Value>,
    /// Whose second token goes along.
    pub auxiliary: Option<String>,
}

/// Where an answer holds a value. Fields are written with dots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Find {
    /// The answer has a list in this field: one of its entries.
    pub list: Option<&'static str>,
    /// Only where these fields are so.
    pub having: Vec<(&'static str, Fits)>,
    /// The field.
    pub take: &'static str,
}

/// What a field has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fits {
    /// This text.
    Is(String),
    /// A text that ends so.
    EndsWith(String),
}

/// How a task is taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Back {
    /// In words, with what to look at before.
    pub words: String,
    /// The request, where there is one.
    pub request: Option<Request>,
}

/// A value that is known only when something before is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Variable {
    /// The GUID that stands for it.
    pub stand_in: String,
    /// Its name in a script: a letter, then letters, digits and `_`.
    pub name: String,
    /// In words: "object id of the guest".
    pub words: String,
    /// What sort of thing it is, for kinds that have to know.
    pub sort: Option<&'static str>,
}

impl Variable {
    /// The value `name` of the step that is handed over.
    pub fn of(cx: &StepCx<'_>, name: &str, words: impl Into<String>, sort: Option<&'static str>) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let step: String = cx.step.0.chars().map(plain).collect();
        // Two steps may differ in what no name of a variable can hold.
        let unlike = step != *cx.step.0 && step != cx.step.0.replace('-', "_");
        let stand_in = stand_in(&format!("{}/{}/{name}", cx.run, cx.step));
        let more = if unlike { format!("_{}", &stand_in[..4]) } else { String::new() };
        let first = if step.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "s" };
        Variable { name: format!("{first}{step}{more}_{name}"), words: words.into(), sort, stand_in }
    }
}

/// The GUID that stands for what `text` names.
pub(crate) fn stand_in(text: &str) -> String {
    Uuid::new_v5(&STAND_INS, text.as_bytes()).to_string()
}

/// Every text in a value, keys included.
pub(crate) fn any_text(value: &Value, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => test(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, test)),
        Value::Object(fields) => fields.iter().any(|(key, item)| test(key) || any_text(item, test)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
