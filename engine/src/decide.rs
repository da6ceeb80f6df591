//! The rules: what happens next. Pure; no clock, no input or output.

use jiff::Timestamp;

use crate::event::{Event, Outcome};
use crate::ids::StepKey;
use crate::perform::{Fact, Job};
use crate::signal::SignalRow;
use crate::state::RunState;

/// What the driver has to do next.
#[derive(Debug)]
pub enum Effect {
    /// Append this event (then fold it and ask again).
    Record(Event),
    /// Perform this, unless it is in flight already. Apply and Undo only after their `Intended` is durable.
    Perform(Box<Job>),
    /// Nothing before this time.
    WakeAt(Timestamp),
    /// The run has ended.
    Finished(Outcome),
}

/// What happens next: everything that is ready or due. Cost: O(ready + due), never O(run).
pub fn decide(_state: &RunState, _now: Timestamp) -> Vec<Effect> {
    Vec::new()
}

/// What a performer's fact means: the events to append.
pub fn interpret(_state: &RunState, _fact: &Fact, _now: Timestamp) -> Vec<Event> {
    Vec::new()
}

/// What a signal means: the events to append (`SignalTaken` first). `in_flight`: steps whose write is on its way.
pub fn take_signal(
    _state: &RunState,
    _signal: &SignalRow,
    _in_flight: &[StepKey],
    _now: Timestamp,
) -> Vec<Event> {
    Vec::new()
}
