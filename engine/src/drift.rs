//! Drift: compares the current state with what the run proved. It only reads and changes no run.

mod judging;
mod repairing;

pub(crate) use judging::{Proven, adopted};
pub use repairing::{NotRepairable, RepairAct, repairs};
pub(crate) use repairing::{after, may_be_repaired};
