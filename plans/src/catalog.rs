//! What the compiler knows about step kinds: plain data, filled by the registry of the program that embeds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::params::ParamCheck;

/// How a kind's write behaves when it is sent twice or its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// Never writes.
    Read,
    /// A PUT to a name we choose, with the same body each time.
    PutSame,
    /// A PUT guarded by a version.
    PutIfMatch,
    /// A creation under a deterministic name; "already exists" means compare and adopt.
    CreateNamed,
    /// A POST whose effect can be looked up before it is repeated.
    PostWithProbe,
    /// A POST whose effect cannot be looked up: never repeated by the engine.
    PostUnsafe,
}

/// Types of inputs, parameters and outputs. A closed lattice: everything is an `Any`, and the named strings
/// (`resource-id`, `guid` …) are strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// Anything; only for `arm.resource` and `command`.
    Any,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// true or false.
    Boolean,
    /// `30s`, `10m`, `24h`, `2d`.
    Duration,
    /// A resource id, of a type where one is named.
    ResourceId(Option<String>),
    /// A subscription, a management group, or anything below that a role can be given on.
    Scope,
    /// A tenant's id.
    TenantId,
    /// A GUID.
    Guid,
    /// A mail address.
    Email,
    /// An address.
    Url,
    /// A resource's name.
    Name,
    /// One of some words.
    Choice(Vec<String>),
    /// A key of the named map input.
    KeyOf(String),
    /// A list.
    List(Box<Type>),
    /// A map by text.
    Map(Box<Type>),
    /// Named fields.
    Record(Vec<Field>),
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Must be given (parameters); always present (outputs).
    pub required: bool,
    /// Words for people.
    pub about: String,
}

/// How many identities a kind takes in `as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identities {
    /// None: nobody signs in.
    None,
    /// Exactly one.
    One,
    /// One or more: it reads in several places.
    Several,
}

/// What the compiler knows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSpec {
    /// Name, for example `avnm.scope-connection`.
    pub name: String,
    /// One line.
    pub summary: String,
    /// How its write behaves.
    pub effect: EffectClass,
    /// A parameter without which the write behaves otherwise, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_without: Option<(String, EffectClass)>,
    /// Kinds whose steps, where they need one of this kind, are nevertheless taken back after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_before: Vec<String>,
    /// For how many seconds a request without a response may still take effect.
    #[serde(default)]
    pub request_window: u64,
    /// Whether `ensure: absent` means something to it: what it makes can be removed.
    #[serde(default)]
    pub removable: bool,
    /// Whether its steps are gates: what is written after one in the same list of steps waits for it.
    #[serde(default)]
    pub gate: bool,
    /// Who it takes.
    pub identities: Identities,
    /// Whether `auxiliary` means something to it.
    pub auxiliary: bool,
    /// Parameters.
    pub params: Vec<Field>,
    /// Sets of parameters that stand for each other: exactly one of the sets is given, whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Vec<String>>,
    /// Parameters in whose values a secret may stand: it is read when it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Whether it has something to say before the run's first write.
    #[serde(default)]
    pub guards: bool,
    /// What the kind itself says of parameters that are known.
    #[serde(skip)]
    pub check: ParamCheck,
    /// Outputs.
    pub outputs: Vec<Field>,
}

/// All kinds, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The kinds.
    pub kinds: BTreeMap<String, KindSpec>,
}

impl Type {
    /// Reads the word that a schema carries in `x-twinspan-type`: `guid`, `resource-id(Microsoft.Network/networkManagers)`,
    /// `choice(guest,service-principal)` …
    pub fn parse(word: &str) -> Option<Type> {
        let (name, argument) = match word.strip_suffix(')').and_then(|word| word.split_once('(')) {
            Some((name, argument)) => (name, Some(argument)),
            None => (word, None),
        };
        Some(match (name, argument) {
            ("any", None) => Type::Any,
            ("string", None) => Type::String,
            ("integer", None) => Type::Integer,
            ("boolean", None) => Type::Boolean,
            ("duration", None) => Type::Duration,
            ("resource-id", of) => Type::ResourceId(of.map(str::to_owned)),
            ("scope", None) => Type::Scope,
            ("tenant-id", None) => Type::TenantId,
            ("guid", None) => Type::Guid,
            ("email", None) => Type::Email,
            ("url", None) => Type::Url,
            ("name", None) => Type::Name,
            ("choice", Some(words)) => {
                Type::Choice(words.split(',').map(|word| word.trim().to_owned()).collect())
            }
            ("list", Some(of)) => Type::List(Box::new(Type::parse(of)?)),
            ("map", Some(of)) => Type::Map(Box::new(Type::parse(of)?)),
            _ => return None,
        })
    }
}
