//! A `for_each` block in which no further instance begins, and what lets it continue.

use serde::Serialize;
use twinspan_engine::HaltedBlock;

use super::text::counted;

/// A block whose remaining instances `halt_after` holds back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HaltedView {
    pub(crate) block: String,
    /// Instances in which a step failed or needs a decision.
    pub(crate) failed: u32,
    pub(crate) halt_after: u32,
    /// Instances that have not begun.
    pub(crate) not_begun: usize,
    /// Instances that waited for a person, could continue, and are held back.
    pub(crate) held_back: usize,
}

impl From<HaltedBlock> for HaltedView {
    fn from(block: HaltedBlock) -> Self {
        HaltedView {
            block: block.block.to_string(),
            failed: block.failed,
            halt_after: block.halt_after,
            not_begun: block.not_begun,
            held_back: block.held_back,
        }
    }
}

impl HaltedView {
    /// `connect: 1 instance failed or needs a decision (halt_after: 1); 49 have not begun. They continue when …`
    pub(crate) fn words(&self) -> String {
        let failed = usize::try_from(self.failed).unwrap_or(usize::MAX);
        let verb = if failed == 1 { "failed or needs a decision" } else { "failed or need a decision" };
        let mut held = Vec::new();
        if self.not_begun > 0 {
            let verb = if self.not_begun == 1 { "has" } else { "have" };
            held.push(format!("{} {verb} not begun", self.not_begun));
        }
        if self.held_back > 0 {
            let verb = if self.held_back == 1 { "is" } else { "are" };
            held.push(format!("{} {verb} held back after a person acted", self.held_back));
        }
        format!(
            "{}: {} {verb} (halt_after: {}); {}. They continue when fewer instances are in that state: retry, decide or skip \
             the steps above, and resume the run",
            self.block,
            counted(failed, "instance"),
            self.halt_after,
            held.join(", "),
        )
    }
}
