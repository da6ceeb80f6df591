//! Ways in which the world can be told to be wrong.

use serde::{Deserialize, Serialize};

/// One way of being wrong. The first six must be noticed by the engine; the last two cannot be seen by a right
/// client and each turns a named test of this crate red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// Each half of a connection says `Connected` while the manager does not hold the scope.
    EagerConnected,
    /// One half of a connection is enough.
    OneHalfEnough,
    /// Lists of members are empty.
    EmptyList,
    /// A static member stays `Updating`.
    MemberNeverSettles,
    /// New role assignments are listed and never take effect.
    RoleNeverEffective,
    /// DELETE answers 200 and removes nothing.
    DeleteDeletesNothing,
    /// A linked resource of another tenant needs no auxiliary token.
    NoAuxiliaryCheck,
    /// A token of any tenant is good everywhere.
    AnyTenantToken,
}

impl Lie {
    /// All of them.
    pub const ALL: [Lie; 8] = [
        Lie::EagerConnected,
        Lie::OneHalfEnough,
        Lie::EmptyList,
        Lie::MemberNeverSettles,
        Lie::RoleNeverEffective,
        Lie::DeleteDeletesNothing,
        Lie::NoAuxiliaryCheck,
        Lie::AnyTenantToken,
    ];

    /// The name used by `/_sim/lies` and the command line.
    pub fn name(self) -> &'static str {
        match self {
            Lie::EagerConnected => "eager-connected",
            Lie::OneHalfEnough => "one-half-enough",
            Lie::EmptyList => "empty-list",
            Lie::MemberNeverSettles => "member-never-settles",
            Lie::RoleNeverEffective => "role-never-effective",
            Lie::DeleteDeletesNothing => "delete-deletes-nothing",
            Lie::NoAuxiliaryCheck => "no-auxiliary-check",
            Lie::AnyTenantToken => "any-tenant-token",
        }
    }

    /// The lie of that name.
    pub fn from_name(name: &str) -> Option<Lie> {
        Lie::ALL.into_iter().find(|lie| lie.name() == name)
    }
}
