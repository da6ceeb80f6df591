//! The same engine, steps and client as a live run, against a simulated Azure in virtual time.
//!
//! ```text
//! plan, inputs ─▶ stage (world, clock, journal, credentials) ─▶ drive ─┬─ only people are waited for ─▶ people act ─▶ drive …
//!                                                                      └─ nothing moves any more ─▶ view
//! ```
//! Nobody acts while the driver works, so the same seed gives the same journal.

mod credentials;
mod people;
mod stage;
mod view;

pub(crate) use credentials::roles;
pub(crate) use stage::{Props, Stage};
pub(crate) use view::Next;
