//! The machine and the account that the program runs on: configuration, secrets, clouds, step kinds, and the journal.
//!
//! ```text
//! configuration, secrets ─▶ clouds, step_kinds, held_commit ─▶ app ─▶ cloud_kinds, cloud_notice
//! ```

pub(crate) mod app;
pub(crate) mod cloud_kinds;
pub(crate) mod cloud_notice;
pub(crate) mod clouds;
pub(crate) mod configuration;
pub(crate) mod held_commit;
pub(crate) mod remarks;
pub(crate) mod request_windows;
pub(crate) mod secrets;
pub(crate) mod step_kinds;
pub(crate) mod tenant_lookup;
