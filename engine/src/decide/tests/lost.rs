//! The journal is older than the remote: resources carry this run's marker, and the journal has no intent of them.

use twinspan_plans::EffectClass::{CreateNamed, PutSame, Read};

use super::plans::{Draft, chain};
use super::rig::{RUN, Rig};
use super::world::{Change, thing};
use crate::decide::NOT_DELETED;
use crate::decision::Cause;
use crate::event::{Event, Origin, StepEvent};
use crate::observation::Marker;
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

fn own() -> Marker {
    Marker::Of(RUN.short())
}

/// A run of which the journal has only the start, while all its resources exist.
fn restored() -> Rig {
    let mut rig = Rig::new(chain(&[PutSame, CreateNamed]));
    for name in ["s0", "s1"] {
        rig.world.things.insert(name.to_owned(), thing(own()));
    }
    rig
}

fn decide(step: &str, choice: Choice) -> Signal {
    Signal::Decide { step: step.into(), choice }
}

#[test]
fn an_own_marker_without_an_intent_is_never_unchanged() {
    for (conflict, differs, broken) in [(false, false, false), (false, true, false), (false, false, true)] {
        let mut rig = restored();
        let there = rig.world.things.get_mut("s0").unwrap();
        (there.conflict, there.differs, there.broken) = (conflict, differs, broken);
        assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided.len() == 1));
        let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
        assert!(decision.what.contains("the journal lost its last entries"), "{}", decision.what);
        assert!(decision.what.contains("when it was created is not known"), "{}", decision.what);
        assert!(rig.events.iter().any(|recorded| matches!(
            &recorded.event,
            Event::Step { event: StepEvent::NeedsDecision { cause: Some(Cause::LostTail), .. }, .. }
        )));
        assert_eq!(rig.state.lost().map(ToString::to_string).collect::<Vec<_>>(), ["s0"]);
        // Checked again, it says the same; so does a driver that has only the journal.
        rig.send("me", Signal::Retry { step: Some("s0".into()) });
        rig.drive();
        rig.take_over();
        assert_eq!(rig.state.lost().count(), 1);
        assert!(!rig.events_of("s0").contains(&"unchanged"), "{}", rig.story());
    }
}

#[test]
fn undo_deletes_what_the_journal_lost_only_by_a_decision_for_each() {
    // Whether the run was driven before, or is undone at once.
    for driven in [true, false] {
        let mut rig = restored();
        if driven {
            rig.drive();
        }
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::UndoStopped, "{}", rig.story());
        assert_eq!(rig.step("s1").name(), "undo-needs-decision", "{}", rig.story());
        assert!(rig.world.ledger.is_empty());
        rig.take_over();
        assert_eq!(rig.drive(), RunStatus::UndoStopped);
        rig.send("me", decide("s1", Choice::Overwrite));
        assert_eq!(rig.drive(), RunStatus::UndoStopped);
        assert_eq!(rig.world.count("s1", Change::Removed), 1);
        assert_eq!(
            rig.world.things.keys().collect::<Vec<_>>(),
            ["s0"],
            "the other one has a decision of its own"
        );
        rig.send("me", decide("s0", Choice::Adopt));
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert!(matches!(rig.step("s0"), StepState::Kept { reason } if reason.contains("kept by me")));
    }
}

#[test]
fn what_was_adopted_after_the_loss_is_not_owned() {
    let mut rig = restored();
    rig.drive();
    rig.send("me", decide("s0", Choice::Adopt));
    rig.drive();
    assert!(
        matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Unproven),
        "{}",
        rig.story()
    );
    rig.send("me", decide("s1", Choice::Overwrite));
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 0 });
    assert!(matches!(rig.step("s1"), StepState::Done(proof) if proof.origin == Origin::Unproven));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    assert_eq!(rig.step("s1").name(), "undo-needs-decision");
    assert_eq!(rig.world.count("s1", Change::Removed), 0);
}

#[test]
fn what_is_created_again_after_the_loss_is_owned() {
    let mut rig = restored();
    rig.drive();
    for step in ["s0", "s1"] {
        rig.send("me", decide(step, Choice::Recreate));
        rig.drive();
    }
    assert_eq!(rig.status(), RunStatus::Done { skipped: 0 }, "{}", rig.story());
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
    assert!(rig.world.things.is_empty());
}

#[test]
fn a_run_that_is_whole_is_not_searched_and_one_that_halted_is_searched_once() {
    let mut rig = Rig::new(chain(&[PutSame, Read]));
    rig.world.things.insert("s1".to_owned(), thing(Marker::NoPlace));
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    let searched =
        |rig: &Rig| rig.events.iter().filter(|recorded| recorded.event.name() == "searched").count();
    assert_eq!(searched(&rig), 0);
    let mut halted = Rig::new(chain(&[PutSame, Read, PutSame]));
    halted.drive();
    assert_eq!(halted.step("s2").name(), "pending");
    halted.send("me", Signal::Undo);
    assert_eq!(halted.status(), RunStatus::Undoing);
    halted.take_over();
    assert_eq!(halted.drive(), RunStatus::Undone);
    assert_eq!(searched(&halted), 1);
    assert_eq!(halted.step("s2").name(), "pending", "what never began stays so");
    let StepState::Undone(evidence) = halted.step("s0") else { panic!("{}", halted.story()) };
    assert!(!evidence.also.contains_key(NOT_DELETED));
}

/// Two steps of a run describe the same resource, and one of them created it: nothing was lost.
#[test]
fn a_marker_that_another_step_of_the_run_wrote_is_explained() {
    let mut draft = Draft::default();
    let a = draft.step("a", None, PutSame);
    let b = draft.step("b", None, PutSame);
    draft.needs(b, a);
    let mut rig = Rig::new(draft.plan());
    rig.world.shared = true;
    rig.world.things.insert("b".to_owned(), thing(own()));
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 0 }, "{}", rig.story());
    assert_eq!(rig.step("b").name(), "unchanged");
}
