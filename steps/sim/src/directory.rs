//! Tenants and the people and applications they know.

/// All tenants.
#[derive(Default)]
pub(crate) struct Directory {}
