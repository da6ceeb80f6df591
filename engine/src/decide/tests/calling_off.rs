//! Calling an undo off: deleted resources stay deleted until the run recreates them; no further delete is sent.

use twinspan_plans::EffectClass::{CreateNamed, PutSame, Read};

use super::plans::{Draft, chain, seconds};
use super::rig::Rig;
use super::world::{Change, Fault, thing};
use crate::decide::check_signal;
use crate::event::Origin;
use crate::observation::{Marker, Phase};
use crate::signal::{Actor, Signal};
use crate::state::{RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

/// A chain of three steps that is done, and whose undo has deleted the last `removed` of them.
fn half_undone(removed: usize) -> Rig {
    let mut rig = Rig::new(chain(&[PutSame, CreateNamed, PutSame]));
    assert_eq!(rig.drive(), SUCCEEDED);
    rig.send("me", Signal::Undo);
    while removals(&rig) < removed || rig.names().iter().any(|(_, name)| *name == "undo-verifying") {
        assert!(rig.turn());
    }
    rig
}

fn removals(rig: &Rig) -> usize {
    rig.world.ledger.iter().filter(|(_, change)| *change == Change::Removed).count()
}

#[test]
fn what_was_deleted_is_created_anew_in_the_plans_order_and_the_rest_stays() {
    for removed in 0..3 {
        let mut rig = half_undone(removed);
        rig.send("me", Signal::Forward);
        // As another process would load it.
        rig.take_over();
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        assert_eq!(removals(&rig), removed, "nothing more is deleted\n{}", rig.story());
        let created: Vec<&str> = rig
            .world
            .ledger
            .iter()
            .skip(3 + removed)
            .filter(|(_, change)| *change == Change::Created)
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(created, ["s0", "s1", "s2"][3 - removed..], "{removed} were deleted");
        for step in ["s0", "s1", "s2"] {
            assert!(
                matches!(rig.step(step), StepState::Done(proof) if proof.origin == Origin::Created),
                "{step}"
            );
        }
        // All of it is owned by this run: another undo deletes it.
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert!(rig.world.things.is_empty());
    }
}

#[test]
fn a_delete_request_that_was_sent_is_settled_before_anything_else() {
    for (fault, gone) in [
        (Fault::LostBefore, false),
        (Fault::AppliedThenLost, true),
        (Fault::GoesOn(seconds(120)), true),
        (Fault::Keeps, false),
    ] {
        let mut rig = Rig::new(chain(&[PutSame, PutSame]));
        rig.drive();
        rig.fault("s1", Phase::Undo, fault.clone());
        rig.send("me", Signal::Undo);
        while !rig.world.performed.contains(&("s1".to_owned(), Phase::Undo)) {
            assert!(rig.turn());
        }
        rig.send("me", Signal::Forward);
        assert_eq!(rig.drive(), SUCCEEDED, "{fault:?}\n{}", rig.story());
        assert_eq!(removals(&rig), usize::from(gone), "{fault:?}: no second delete request\n{}", rig.story());
        assert_eq!(rig.world.count("s1", Change::Created), 1 + usize::from(gone), "{fault:?}");
        assert!(rig.world.things.contains_key("s1"), "{fault:?}");
    }
}

#[test]
fn what_was_kept_or_had_not_ended_goes_forward_too() {
    let mut draft = Draft::default();
    draft.step("there", None, PutSame);
    let slow = draft.step("slow", None, PutSame);
    let later = draft.step("later", None, Read);
    draft.needs(later, slow);
    let mut rig = Rig::new(draft.plan());
    rig.world.converge = seconds(600);
    for name in ["there", "later"] {
        rig.world.things.insert(name.to_owned(), thing(Marker::NoPlace));
    }
    while rig.events_of("slow").last() != Some(&"waiting") {
        assert!(rig.turn());
    }
    rig.send("me", Signal::Undo);
    rig.send("me", Signal::Forward);
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!((removals(&rig), rig.world.count("slow", Change::Created)), (0, 1));
    assert_eq!(rig.step("there").name(), "unchanged");
}

#[test]
fn only_an_undo_that_is_going_on_can_be_called_off() {
    let actor = Actor("me".to_owned());
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    assert!(check_signal(&rig.state, &Signal::Forward, &actor).is_err(), "it goes forward");
    rig.drive();
    rig.send("me", Signal::Undo);
    assert!(check_signal(&rig.state, &Signal::Forward, &actor).is_ok());
    rig.drive();
    assert!(check_signal(&rig.state, &Signal::Forward, &actor).is_err(), "it was undone");
    // A run that was cancelled cannot go forward.
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    while rig.events_of("s0").last() != Some(&"done") {
        rig.turn();
    }
    rig.send("me", Signal::Cancel);
    rig.drive();
    rig.send("me", Signal::Undo);
    assert!(check_signal(&rig.state, &Signal::Forward, &actor).unwrap_err().what.contains("cancelled"));
}
