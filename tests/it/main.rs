//! Whole-program tests: one binary, so that they link once. Run a part with `cargo test --test it house`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod azure;
mod azure_cli;
mod config;
mod conformance;
mod days;
mod decisions;
mod deliberate_faults;
mod doctor;
mod exits;
mod failures;
mod fidelity;
mod hand_over;
mod house;
mod journal_file;
mod kill_windows;
mod lies;
mod official_clients;
mod program;
mod reference;
mod rollout;
mod sign_in;
mod specification;
mod stopping;
mod takeover;
mod terminal;
mod throttling;
mod transcripts;
mod wait;
mod why;
