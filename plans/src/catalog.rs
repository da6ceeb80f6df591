//! The compiler's data about step kinds, filled by the registry of the program that embeds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::params::ParamCheck;

/// The behaviour of a kind's write if it is repeated or its response is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// Never writes.
    Read,
    /// A PUT under a name of the plan, with the same body each time.
    PutSame,
    /// A creation under a deterministic name; "already exists" means compare and adopt.
    CreateNamed,
    /// A POST whose effect can be probed before it is repeated.
    PostWithProbe,
    /// A POST whose effect cannot be probed: the engine never repeats it.
    PostUnsafe,
}

/// Types of inputs, parameters and outputs. A closed lattice: everything is an `Any`, and the named strings
/// (`resource-id`, `guid` …) are strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// Any value; only for `arm.resource` and `command`.
    Any,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// true or false.
    Boolean,
    /// `30s`, `10m`, `24h`, `2d`.
    Duration,
    /// A resource id, optionally of a given type.
    ResourceId(Option<String>),
    /// A subscription, a management group, or any resource below them to which a role can be assigned.
    Scope,
    /// A tenant's id.
    TenantId,
    /// A GUID.
    Guid,
    /// A mail address.
    Email,
    /// A URL.
    Url,
    /// A resource's name.
    Name,
    /// One of the given words.
    Choice(Vec<String>),
    /// A key of the named map input.
    KeyOf(String),
    /// A list.
    List(Box<Type>),
    /// A map with text keys.
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
    /// Whether it must be given (parameters), or is always present (outputs).
    pub required: bool,
    /// Description for people.
    pub about: String,
}

/// How many identities a kind takes in `as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identities {
    /// None: no identity signs in.
    None,
    /// Exactly one.
    One,
    /// One or more: the kind reads in several tenants.
    Several,
}

/// The compiler's data about one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSpec {
    /// Name, for example `avnm.scope-connection`.
    pub name: String,
    /// Description on one line.
    pub summary: String,
    /// The behaviour of its write.
    pub effect: EffectClass,
    /// A parameter without which the write behaves otherwise, with that behaviour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_without: Option<(String, EffectClass)>,
    /// Kinds whose steps are undone after steps of this kind, although they need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_before: Vec<String>,
    /// Request window in seconds: how long a request without a response may still take effect.
    #[serde(default)]
    pub request_window: u64,
    /// Whether the kind supports `ensure: absent`.
    #[serde(default)]
    pub removable: bool,
    /// Whether its steps are barriers: steps written after one in the same list wait for it.
    #[serde(default)]
    pub gate: bool,
    /// The identities that it takes.
    pub identities: Identities,
    /// Whether it supports `auxiliary`.
    pub auxiliary: bool,
    /// Parameters.
    pub params: Vec<Field>,
    /// Alternative sets of parameters: exactly one of the sets must be given, complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Vec<String>>,
    /// Parameters whose values may contain a secret, which is read when it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Whether it checks something before the run's first write.
    #[serde(default)]
    pub guards: bool,
    /// The kind's own check of known parameters.
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
    /// Parses the type in `x-twinspan-type` of a schema: `guid`, `resource-id(Microsoft.Network/networkManagers)`,
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
