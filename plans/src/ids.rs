//! Names of the parts of a plan: its nodes and identities, and whether a step wants its resource.

/// Position of a node in [`Plan::nodes`](crate::Plan::nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Position of an identity in [`Plan::identities`](crate::Plan::identities).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub u32);

/// The values of `ensure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ensure {
    /// The resource is to exist.
    #[default]
    Present,
    /// The resource is to be deleted.
    Absent,
}
