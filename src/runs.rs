//! Actions on the runs of a journal: finds them, drives them, sends them signals, and verifies or repairs them.

pub(crate) mod drive;
pub(crate) mod left_over;
pub(crate) mod reference;
pub(crate) mod repair_all;
pub(crate) mod rollouts;
pub(crate) mod signals;
pub(crate) mod stated_output;
pub(crate) mod step_pattern;
pub(crate) mod verification;
