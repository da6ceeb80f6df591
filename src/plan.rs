//! A plan before its run: reads the file and its inputs, checks its identities, and compares it with an earlier run.

pub(crate) mod advice;
pub(crate) mod changes;
pub(crate) mod file;
pub(crate) mod identities;
pub(crate) mod known_identities;
pub(crate) mod unset_secrets;
