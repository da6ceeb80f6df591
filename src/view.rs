//! What people and machines are shown.

/// Version of the JSON contract.
pub(crate) const SCHEMA: u32 = 1;
