//! Rehearsals: the engine, steps and client of a live run, against a simulated Azure in virtual time.
//!
//! ```text
//! plan, inputs ─▶ stage (world, clock, journal, credentials) ─▶ drive ─┬─ only people are waited for ─▶ people act ─▶ drive …
//!                                                                      └─ nothing moves any more ─▶ view
//! ```
//! Simulated people act only while the driver is stopped, so the same seed gives the same journal.

mod credentials;
mod people;
mod stage;
mod view;

pub(crate) use credentials::roles;
pub(crate) use stage::{Props, Stage};
pub(crate) use view::Next;
