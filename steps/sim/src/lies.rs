//! Deliberate errors of the world.

use serde::{Deserialize, Serialize};

/// A deliberate error of the world. The engine must detect the first six; a correct client cannot see the last
/// two, and each of those makes a named test of this crate fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// Each side of a connection is `Connected` although the manager does not manage the scope.
    EagerConnected,
    /// One side of a connection is enough.
    OneHalfEnough,
    /// Lists of members are empty.
    EmptyList,
    /// A static member stays `Updating`.
    MemberNeverSettles,
    /// New role assignments are listed but never become effective.
    RoleNeverEffective,
    /// DELETE returns 200 and deletes nothing.
    DeleteDeletesNothing,
    /// A linked resource of another tenant needs no auxiliary token.
    NoAuxiliaryCheck,
    /// A token of any tenant is valid everywhere.
    AnyTenantToken,
}

impl Lie {
    /// All lies.
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

    /// The lie with this name.
    pub fn from_name(name: &str) -> Option<Lie> {
        Lie::ALL.into_iter().find(|lie| lie.name() == name)
    }
}
