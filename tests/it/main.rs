//! Whole-program tests: one binary, so that they link once. Run a part with `cargo test --test it house`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod azure;
mod conformance;
mod house;
mod program;
mod reference;
mod rollout;
mod transcripts;
