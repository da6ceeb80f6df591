//! The simulated people of a rehearsal: they act on the waits of the run, a few virtual minutes later.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use twinspan_engine::Actor;
use twinspan_plans::Inputs;

use super::credentials::texts;
use crate::cli::arguments::Output;
use crate::cli::ui::Ui;
use crate::progress::elapsed;
use crate::text::{DIM, STRONG};

/// Time until a simulated person accepts an invitation.
pub(super) const ANSWERS_MAIL_AFTER: SignedDuration = SignedDuration::from_mins(7);

/// Time that a simulated approver takes.
pub(super) const READS_FOR: SignedDuration = SignedDuration::from_mins(3);

/// An act of a simulated person.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Act {
    pub(crate) at: Timestamp,
    pub(crate) what: String,
}

/// The actor who starts the run: the same on every machine, so that the same seed gives the same journal.
pub(super) fn operator() -> Actor {
    Actor("operator (rehearsed)".to_owned())
}

/// The actor who approves: never the actor who started the run.
pub(super) fn approver() -> Actor {
    Actor("approver (rehearsed)".to_owned())
}

/// Every mail address in the inputs.
pub(super) fn addresses(inputs: &Inputs) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in inputs.0.values() {
        texts(value, &mut |text| {
            if text.contains('@')
                && !text.contains(' ')
                && !found.iter().any(|known| known.eq_ignore_ascii_case(text))
            {
                found.push(text.to_owned());
            }
        });
    }
    found
}

pub(super) fn say(ui: &Ui, act: &Act, began: Timestamp) {
    if ui.output() == Output::Jsonl {
        return;
    }
    let time = elapsed(act.at.duration_since(began).as_secs());
    ui.talk(&format!("{DIM}{time:>9}{DIM:#}  {STRONG}{:10}{STRONG:#}  {}", "person", act.what));
}
