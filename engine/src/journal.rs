//! The journal: the truth about every run, in one SQLite file. No SQLite type leaves this module.

mod cut;

pub use cut::{CutPoint, CutPoints};
