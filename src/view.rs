//! What people and machines are shown: one set of structs for `--output json`, for text, and for the exit code.

/// Version of the JSON contract.
pub(crate) const SCHEMA: u32 = 1;
