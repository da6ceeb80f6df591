//! Undo: deletes what ownership proves, in reverse order, and reports what it keeps.

use twinspan_plans::EffectClass::{CreateNamed, PutSame, Read};

use super::plans::{Draft, chain, seconds};
use super::rig::Rig;
use super::world::{Change, Fault, thing, transient};
use crate::event::{Event, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::ids::StepKey;
use crate::job::KindRules;
use crate::kind_meta::DeleteDelay;
use crate::observation::{Marker, Phase};
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

fn removed(rig: &Rig) -> Vec<&str> {
    let ledger = rig.world.ledger.iter();
    ledger.filter(|(_, change)| *change == Change::Removed).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn everything_made_is_removed_in_reverse_order_and_proven_gone() {
    let mut rig = Rig::new(chain(&[PutSame, Read, CreateNamed, PutSame]));
    rig.world.things.insert("s1".to_owned(), thing(Marker::NoPlace));
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.status(), RunStatus::Undoing);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["s3", "s2", "s0"]);
    assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["s1"]);
    let StepState::Undone(evidence) = rig.step("s2") else { panic!("not undone") };
    assert_eq!(evidence.read.as_ref().unwrap().target, "/things/s2");
    assert_eq!(rig.step("s1").name(), "done");
    assert_eq!(
        rig.events_of("s3")[3..],
        ["intended", "accepted", "still-absent", "still-absent", "undone"],
        "reads what is there, removes it, and three reads agree that it is gone"
    );
}

#[test]
fn order_holds_through_blocks_and_steps_that_made_nothing() {
    let mut draft = Draft::default();
    let a = draft.step("a", None, PutSame);
    let heading = draft.block("heading", None);
    let look = draft.step("look", Some(heading), Read);
    let c = draft.step("c", None, PutSame);
    draft.needs(look, a);
    draft.needs(c, heading);
    let mut rig = Rig::new(draft.plan());
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["c", "a"]);
}

#[test]
fn a_removal_that_goes_on_is_waited_for_and_not_sent_again() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.drive();
    rig.fault("s1", Phase::Undo, Fault::GoesOn(std::time::Duration::from_secs(20 * 60)));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["s1", "s0"]);
    let written = rig.events_of("s1").into_iter().filter(|name| *name == "intended").count();
    assert_eq!(written, 2, "once there, once back");
    assert!(rig.events_of("s1").contains(&"waiting"), "{:?}", rig.events_of("s1"));
}

#[test]
fn two_steps_that_take_back_a_change_of_the_same_thing_do_it_one_after_the_other() {
    let mut draft = Draft::default();
    for name in ["a", "b"] {
        draft.step(name, None, PutSame);
    }
    let mut rig = Rig::new(draft.plan());
    rig.world.shared = true;
    rig.world.converge = std::time::Duration::from_secs(60);
    rig.drive();
    for name in ["a", "b"] {
        rig.fault(name, Phase::Undo, Fault::GoesOn(std::time::Duration::from_secs(60)));
    }
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    let story = |direction: Phase| {
        let of_interest = rig.events.iter().filter_map(|recorded| match &recorded.event {
            Event::Step { step, event: StepEvent::Intended { phase, .. } } if *phase == direction => {
                Some(format!("{step} begins"))
            }
            Event::Step { step, event: StepEvent::Done { .. } } if direction == Phase::Apply => {
                Some(format!("{step} ends"))
            }
            Event::Step { step, event: StepEvent::Undone { .. } } if direction == Phase::Undo => {
                Some(format!("{step} ends"))
            }
            _ => None,
        });
        of_interest.collect::<Vec<_>>()
    };
    for direction in [Phase::Apply, Phase::Undo] {
        let story = story(direction);
        let [first, ends, second, _] = &story[..] else { panic!("{story:?}") };
        assert_eq!(first.replace("begins", "ends"), *ends, "{story:?}");
        assert!(second.ends_with("begins") && second != first, "{story:?}");
    }
}

#[test]
fn what_was_found_in_place_is_not_touched() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::None));
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["s1"]);
    assert_eq!(rig.step("s0").name(), "unchanged");
}

#[test]
fn what_is_not_provably_ours_is_kept_with_the_reason() {
    // The marker is missing, or another run's.
    for (marker, words) in [(Marker::None, "marker"), (Marker::Of("deadbeef".to_owned()), "deadbeef")] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.drive();
        rig.world.things.get_mut("s0").unwrap().marker = marker;
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert!(matches!(rig.step("s0"), StepState::Kept { reason } if reason.contains(words)));
        assert!(removed(&rig).is_empty());
    }
    // The kind has no marker, but our write after an absent probe was accepted.
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.no_place = true;
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["s0"]);
}

#[test]
fn what_a_request_without_a_response_may_have_created_is_asked_about() {
    for (choice, left) in [(Choice::Adopt, 1), (Choice::Overwrite, 0)] {
        // The kind has no marker.
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.world.no_place = true;
        rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
        rig.drive();
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::UndoStopped);
        let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
        assert!(decision.what.contains("another writer may have created it"), "{}", decision.what);
        rig.send("me", Signal::Decide { step: StepKey::from("s0"), choice });
        assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
        assert_eq!(rig.world.things.len(), left);
    }
}

#[test]
fn kinds_that_keep_say_why() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.drive();
    rig.world.rules =
        KindRules { settle: seconds(0), keeps: Some("a registration is shared"), ..KindRules::default() };
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(matches!(rig.step("s0"), StepState::Kept { reason } if reason == "a registration is shared"));
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.drive();
    rig.fault("s0", Phase::Undo, Fault::Keeps);
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(rig.step("s0").name(), "kept");
}

#[test]
fn a_removal_that_removes_nothing_stops_and_says_so() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.drive();
    rig.fault("s1", Phase::Undo, Fault::DeletesNothing);
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    let StepState::UndoStopped { error } = rig.step("s1") else { panic!("not stopped") };
    assert!(error.message.contains("still exists"), "{error}");
    assert_eq!(rig.world.things.len(), 2, "what it needed stays");
    rig.send("me", Signal::Retry { step: Some("s1".into()) });
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.world.things.is_empty());
}

#[test]
fn a_lost_removal_is_settled_by_looking() {
    for fault in [Fault::AppliedThenLost, Fault::LostBefore, Fault::Refused(transient())] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.drive();
        rig.fault("s0", Phase::Undo, fault.clone());
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone, "{fault:?}");
        assert_eq!(rig.world.count("s0", Change::Removed), 1);
    }
}

#[test]
fn an_uncertain_write_is_settled_before_it_is_taken_back() {
    for fault in [Fault::AppliedThenLost, Fault::LostBefore, Fault::ArrivesLate(seconds(20))] {
        let mut rig = Rig::new(chain(&[PutSame, CreateNamed]));
        rig.world.rules = KindRules { settle: seconds(60), ..KindRules::default() };
        rig.fault("s1", Phase::Apply, fault.clone());
        while rig.step("s1").name() != "uncertain" {
            rig.turn();
        }
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone, "{fault:?}");
        assert!(rig.world.things.is_empty(), "{fault:?}");
    }
}

#[test]
fn a_step_that_was_always_refused_is_not_looked_at() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.fault("s1", Phase::Apply, Fault::Refused(StepError::new(FailureClass::Policy, "locked")));
    rig.drive();
    let looks = rig.world.performed.len();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.world.performed[looks..].iter().all(|(step, _)| step == "s0"));
    assert_eq!(rig.step("s1").name(), "failed");
}

#[test]
fn what_was_changed_since_needs_a_decision() {
    for (choice, end, left) in [(Choice::Overwrite, "undone", 0), (Choice::Adopt, "kept", 1)] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.drive();
        rig.world.things.get_mut("s0").unwrap().differs = true;
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::UndoStopped);
        rig.send("me", Signal::Decide { step: "s0".into(), choice });
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert_eq!((rig.step("s0").name(), rig.world.things.len()), (end, left));
    }
}

/// A pre-existing resource that a person let this run change: undo keeps it, whatever changed since.
#[test]
fn what_was_changed_by_this_run_is_kept_and_nobody_is_asked() {
    for changed_since in [false, true] {
        let mut rig = Rig::new(chain(&[PutSame]));
        let mut there = thing(Marker::None);
        there.differs = true;
        rig.world.things.insert("s0".to_owned(), there);
        rig.drive();
        rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Overwrite });
        assert_eq!(rig.drive(), RunStatus::Done { skipped: 0 });
        rig.world.things.get_mut("s0").unwrap().differs = changed_since;
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
        assert!(
            matches!(rig.step("s0"), StepState::Kept { reason } if reason == "it is pre-existing: this run only changed it"),
            "{}",
            rig.story()
        );
        assert!(removed(&rig).is_empty());
    }
}

#[test]
fn undo_can_be_paused() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.drive();
    rig.send("me", Signal::Undo);
    rig.turn();
    rig.send("me", Signal::Pause);
    assert_eq!(rig.drive(), RunStatus::Paused);
    rig.send("me", Signal::Resume);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.world.things.is_empty());
}

/// `other` needs `half`, and `reader` needs only `other`, through its block.
fn two_halves(rule: bool, contradicts: bool) -> Rig {
    let mut draft = Draft::default();
    let base = draft.step("base", None, PutSame);
    let first = draft.block("first", None);
    let half = draft.step("half", Some(first), CreateNamed);
    let second = draft.block("second", None);
    let other = draft.step("other", Some(second), PutSame);
    let reader = draft.step("reader", None, PutSame);
    draft.needs(half, base);
    draft.needs(other, half);
    draft.needs(reader, second);
    if rule {
        draft.def(half).undo_before = vec!["PutSame".to_owned()];
    }
    if contradicts {
        draft.needs(second, first);
    }
    Rig::new(draft.plan())
}

#[test]
fn a_kind_may_go_before_what_needs_it_and_after_everything_else() {
    for (rule, contradicts, order) in [
        (false, false, ["reader", "other", "half", "base"]),
        (true, false, ["reader", "half", "other", "base"]),
        // The plan's needs contradict the kind's rule: the needs win.
        (true, true, ["reader", "other", "half", "base"]),
    ] {
        let mut rig = two_halves(rule, contradicts);
        rig.drive();
        let planned: Vec<_> = rig.state.undo_plan().iter().map(|item| item.key().to_string()).collect();
        assert_eq!(planned, order, "announced");
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert_eq!(removed(&rig), order, "done");
        assert!(rig.state.undo_plan().is_empty());
    }
}

#[test]
fn what_does_not_depend_on_each_other_is_not_held_up_by_each_other() {
    let mut draft = Draft::default();
    draft.step("a", None, PutSame);
    let b = draft.step("b", None, PutSame);
    let c = draft.step("c", None, PutSame);
    draft.needs(c, b);
    let mut rig = Rig::new(draft.plan());
    rig.drive();
    rig.fault("c", Phase::Undo, Fault::DeletesNothing);
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    assert_eq!(removed(&rig), ["a"]);
    rig.send("me", Signal::Retry { step: Some("c".into()) });
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["a", "c", "b"]);
}

#[test]
fn what_takes_harm_from_haste_is_removed_a_while_after_the_rest() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.drive();
    let delete_delay = DeleteDelay { after: seconds(60), why: "the remote needs a moment" };
    rig.world.rules = KindRules { delete_delay: Some(delete_delay), ..KindRules::default() };
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    let at = |step: &str, name: &str| {
        let found = rig.events.iter().rev().find(|recorded| {
            matches!(&recorded.event, Event::Step { step: of, event } if &*of.0 == step && event.name() == name)
        });
        found.unwrap_or_else(|| panic!("{step} has no {name}\n{}", rig.story())).at
    };
    assert_eq!(at("s0", "intended").duration_since(at("s1", "undone")).as_secs(), 60);
    // This run does not know what others deleted just before.
    let asked =
        rig.events.iter().find(|recorded| matches!(&recorded.event, Event::SignalTaken { .. })).unwrap();
    assert_eq!(at("s1", "intended").duration_since(asked.at).as_secs(), 60);
}

/// A resource with a delete delay, created long ago.
fn hasty() -> Rig {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.drive();
    let delete_delay = DeleteDelay { after: seconds(60), why: "the remote needs a moment" };
    rig.world.rules = KindRules { delete_delay: Some(delete_delay), ..KindRules::default() };
    rig.now = rig.now.checked_add(seconds(3600)).unwrap();
    rig
}

/// How long after `since` the resource was deleted.
fn removed_after(rig: &Rig, since: jiff::Timestamp) -> i64 {
    let removal = rig.events.iter().rev().find(|recorded| {
        matches!(&recorded.event, Event::Step { event: StepEvent::Intended { phase: Phase::Undo, .. }, .. })
    });
    removal
        .unwrap_or_else(|| panic!("nothing was deleted\n{}", rig.story()))
        .at
        .duration_since(since)
        .as_secs()
}

/// A retry, a decision, the end of a pause or a take-over restarts the delay, because a person may just have deleted a
/// dependent. A driver that has only the journal computes the same.
#[test]
fn what_takes_harm_from_haste_waits_anew_after_everything_that_nobody_saw() {
    // Taken over twice while it waits.
    let mut rig = hasty();
    rig.send("me", Signal::Undo);
    for _ in 0..3 {
        rig.look_on();
        assert_eq!(rig.step("s0").name(), "undo-waiting", "{}", rig.story());
        rig.now = rig.now.checked_add(seconds(20)).unwrap();
        rig.take_over();
    }
    let taken = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed_after(&rig, taken), 60);
    // Paused for an hour.
    let mut rig = hasty();
    rig.send("me", Signal::Undo);
    rig.turn();
    rig.send("me", Signal::Pause);
    rig.drive();
    rig.now = rig.now.checked_add(seconds(3600)).unwrap();
    rig.send("me", Signal::Resume);
    let resumed = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed_after(&rig, resumed), 60);
    // Decided after an hour.
    let mut rig = hasty();
    rig.world.things.get_mut("s0").unwrap().differs = true;
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    rig.now = rig.now.checked_add(seconds(3600)).unwrap();
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Overwrite });
    let decided = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed_after(&rig, decided), 60);
    // Retried after an hour.
    let mut rig = hasty();
    rig.fault("s0", Phase::Undo, Fault::Refused(StepError::new(FailureClass::Policy, "something is in it")));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped, "{}", rig.story());
    rig.now = rig.now.checked_add(seconds(3600)).unwrap();
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    let asked = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed_after(&rig, asked), 60);
    // A retry during the wait does not prolong it.
    let mut rig = hasty();
    rig.send("me", Signal::Undo);
    let asked = rig.now;
    rig.look_on();
    rig.now = rig.now.checked_add(seconds(20)).unwrap();
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed_after(&rig, asked), 60, "{}", rig.story());
}

/// The delete delay counts from the turn of the step or from the last delete, whichever is later, not from the undo signal.
#[test]
fn the_wait_counts_from_the_turn_and_not_from_the_order_to_undo() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.drive();
    let delete_delay = DeleteDelay { after: seconds(60), why: "the remote needs a moment" };
    rig.world.rules = KindRules { delete_delay: Some(delete_delay), ..KindRules::default() };
    // The dependent is kept, after a decision that takes an hour.
    rig.world.things.get_mut("s1").unwrap().differs = true;
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    rig.now = rig.now.checked_add(seconds(3600)).unwrap();
    rig.send("me", Signal::Decide { step: "s1".into(), choice: Choice::Adopt });
    let turn = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(removed(&rig), ["s0"]);
    assert_eq!(removed_after(&rig, turn), 60);
}
