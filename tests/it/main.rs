//! Whole-program tests: one binary, so that they link once. Run a part with `cargo test --test it house`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod adopting;
mod azure;
mod azure_cli;
mod azure_cli_extension;
mod azure_cli_tokens;
mod config;
mod conformance;
mod days;
mod decisions;
mod deliberate_faults;
mod deployment;
mod disconnect;
mod doctor;
mod effect;
mod exits;
mod failures;
mod fidelity;
mod fleet;
mod hand_over;
mod house;
mod journal_file;
mod kill_windows;
mod lies;
mod notice;
mod official_clients;
mod preview;
mod program;
mod reference;
mod repair;
mod rollout;
mod sign_in;
mod sim;
mod specification;
mod stopping;
mod takeover;
mod teardown;
mod terminal;
mod terraform;
mod throttling;
mod transcripts;
mod unattended;
mod verify;
mod wait;
mod why;
