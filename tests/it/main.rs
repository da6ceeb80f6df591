//! Whole-program tests: one binary, so that they link once. Run a part with `cargo test --test it house`.

mod house;
