//! `decide … recreate`: the resource is deleted first, and this run then creates it.

use twinspan_plans::EffectClass::PutSame;

use super::plans::chain;
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::decision::Decision;
use crate::event::{Event, Origin, StepEvent};
use crate::job::KindRules;
use crate::kind_meta::DeleteDelay;
use crate::observation::{Marker, Observed, Phase};
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

/// A foreign resource is in the way, and a person has chosen `recreate`.
fn decided() -> Rig {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    let mut other = thing(Marker::None);
    other.differs = true;
    rig.world.things.insert("s0".to_owned(), other);
    rig.drive();
    assert_eq!(rig.step("s0").name(), "needs-decision");
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
    rig
}

fn ledger_of(rig: &Rig, step: &str) -> Vec<Change> {
    rig.world.ledger.iter().filter(|(name, _)| name == step).map(|(_, change)| *change).collect()
}

#[test]
fn it_is_removed_proven_gone_and_made_anew() {
    let mut rig = decided();
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created]);
    assert_eq!(
        rig.events_of("s0")[1..],
        [
            "decided",
            "intended",
            "accepted",
            "still-absent",
            "still-absent",
            "deleted",
            "intended",
            "accepted",
            "done"
        ]
    );
    assert!(matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Created));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.world.things.is_empty(), "this run owns the recreated resource");
}

#[test]
fn a_lost_removal_is_settled_by_looking() {
    for fault in [Fault::AppliedThenLost, Fault::LostBefore, Fault::Refused(transient())] {
        let mut rig = decided();
        rig.fault("s0", Phase::Undo, fault.clone());
        assert_eq!(rig.drive(), SUCCEEDED, "{fault:?}\n{}", rig.story());
        assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created], "{fault:?}");
    }
}

#[test]
fn what_cannot_be_removed_fails_the_step_and_can_be_decided_again() {
    for (fault, words) in [(Fault::Keeps, "others use it"), (Fault::DeletesNothing, "still exists")] {
        let mut rig = decided();
        rig.fault("s0", Phase::Undo, fault.clone());
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }), "{fault:?}\n{}", rig.story());
        let StepState::Failed { error, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(rig.step("s1").name(), "pending");
        rig.send("me", Signal::Retry { step: Some("s0".into()) });
        rig.drive();
        assert_eq!(rig.step("s0").name(), "needs-decision", "what was decided counted once");
        rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
        assert_eq!(rig.drive(), SUCCEEDED);
    }
}

#[test]
fn every_prefix_can_be_taken_over() {
    let mut clean = decided();
    let begin = clean.events.len();
    clean.drive();
    let mut cases = 0;
    for length in begin..=clean.events.len() {
        for death in [Death::After(length), Death::Before(length)] {
            let mut rig = decided();
            rig.death = Some(death);
            assert_eq!(rig.drive(), SUCCEEDED, "{death:?}\n{}", rig.story());
            assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created], "{death:?}");
            cases += 1;
        }
    }
    assert!(cases >= 20, "{cases} cases");
}

#[test]
fn it_can_be_cancelled_paused_and_undone_at_every_event() {
    let mut clean = decided();
    let begin = clean.events.len();
    clean.drive();
    let end = clean.events.iter().position(|recorded| {
        matches!(&recorded.event, Event::Step { step, event } if &*step.0 == "s0" && event.name() == "done")
    });
    for length in begin..end.unwrap() {
        for signal in [Signal::Cancel, Signal::Pause, Signal::Undo] {
            let mut rig = decided();
            while rig.events.len() < length {
                rig.turn();
            }
            rig.send("me", signal.clone());
            let status = rig.drive();
            match signal {
                Signal::Pause => {
                    assert_eq!(status, RunStatus::Paused, "{}", rig.story());
                    rig.send("me", Signal::Resume);
                    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
                    assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created]);
                }
                Signal::Cancel => {
                    assert!(matches!(status, RunStatus::Cancelled { .. }), "{status:?}\n{}", rig.story());
                }
                _ => assert_eq!(status, RunStatus::Undone, "{}", rig.story()),
            }
        }
    }
}

#[test]
fn a_state_that_does_not_heal_can_be_made_anew_and_is_never_made_anew_unasked() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::None));
    let broken = Observed::Broken {
        output: serde_json::json!({ "id": "/things/s0" }),
        decision: Decision {
            what: "it is Revoked".to_owned(),
            advice: "ask the owner".to_owned(),
            differences: Vec::new(),
        },
        marker: Marker::None,
    };
    for _ in 0..2 {
        rig.fault("s0", Phase::Probe, Fault::Sees(Box::new(broken.clone())));
    }
    rig.drive();
    assert!(
        matches!(rig.step("s0"), StepState::NeedsDecision { decision, .. } if decision.what == "it is Revoked")
    );
    assert!(rig.world.ledger.is_empty());
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created]);
}

/// The person who chooses `recreate` may just have deleted a dependent.
#[test]
fn what_takes_harm_from_haste_is_removed_a_while_after_it_was_decided() {
    let delete_delay =
        DeleteDelay { after: std::time::Duration::from_secs(60), why: "the remote needs a moment" };
    for taken_over in [false, true] {
        let mut rig = decided();
        rig.world.rules = KindRules { delete_delay: Some(delete_delay), ..KindRules::default() };
        let began = rig.now;
        if taken_over {
            rig.turn();
            assert_eq!(rig.step("s0").name(), "waiting", "{}", rig.story());
            rig.take_over();
        }
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created]);
        let removal = rig.events.iter().find(|recorded| {
            matches!(
                &recorded.event,
                Event::Step { event: StepEvent::Intended { phase: Phase::Undo, .. }, .. }
            )
        });
        assert_eq!(removal.unwrap().at.duration_since(began).as_secs(), 60, "{}", rig.story());
    }
}

fn decide(rig: &mut Rig, choice: Choice) {
    rig.send("me", Signal::Decide { step: "s0".into(), choice });
}

/// The contents that the open decision names.
fn named(rig: &Rig) -> Vec<String> {
    let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
    decision.differences.iter().flat_map(|held| &held.contents).map(|key| key.0.clone()).collect()
}

fn holds(rig: &mut Rig, keys: &[&str]) {
    rig.world.holds.insert("s0".to_owned(), keys.iter().map(|key| (*key).to_owned()).collect());
}

#[test]
fn what_another_run_created_is_recreated_by_a_decision_that_names_its_contents() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::Of("0badcafe".to_owned())));
    holds(&mut rig, &["/v"]);
    rig.drive();
    assert_eq!(named(&rig), ["/v"]);
    // Something is put in between the question and the delete: it is asked again, and a new driver asks the same.
    holds(&mut rig, &["/v", "/w"]);
    decide(&mut rig, Choice::Recreate);
    rig.drive();
    rig.take_over();
    rig.drive();
    assert_eq!(named(&rig), ["/v", "/w"], "{}", rig.story());
    assert!(rig.world.ledger.is_empty());
    // Less than was named needs no other decision.
    holds(&mut rig, &["/w"]);
    decide(&mut rig, Choice::Recreate);
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!(ledger_of(&rig, "s0"), [Change::Removed, Change::Created]);
}

#[test]
fn a_question_that_could_not_name_the_contents_is_asked_again_before_the_delete() {
    // The journal lost its tail: its question is asked without a list.
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::Of(super::rig::RUN.short())));
    holds(&mut rig, &["/v"]);
    rig.drive();
    assert_eq!(named(&rig), [""; 0]);
    decide(&mut rig, Choice::Recreate);
    rig.drive();
    assert_eq!(named(&rig), ["/v"], "{}", rig.story());
    assert!(rig.world.ledger.is_empty());
    decide(&mut rig, Choice::Recreate);
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
}

#[test]
fn what_is_put_in_before_the_delete_is_sent_again_stops_the_step() {
    let mut rig = decided();
    rig.fault("s0", Phase::Undo, Fault::Refused(transient()));
    while rig.step("s0").name() != "undo-retry-wait" {
        assert!(rig.turn(), "{}", rig.story());
    }
    holds(&mut rig, &["/v"]);
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }), "{}", rig.story());
    let StepState::Failed { error, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
    assert!(error.to_string().contains("holds what no decision has named"), "{error}");
    assert!(rig.world.ledger.is_empty());
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    rig.drive();
    assert_eq!(named(&rig), ["/v"]);
    decide(&mut rig, Choice::Recreate);
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
}

#[test]
fn what_is_put_in_after_an_undo_was_decided_is_asked_about() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.drive();
    holds(&mut rig, &["/v"]);
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    assert_eq!(named(&rig), ["/v"]);
    holds(&mut rig, &["/v", "/w"]);
    decide(&mut rig, Choice::Overwrite);
    assert_eq!(rig.drive(), RunStatus::UndoStopped);
    assert_eq!(named(&rig), ["/v", "/w"]);
    assert_eq!(rig.world.count("s0", Change::Removed), 0);
    decide(&mut rig, Choice::Overwrite);
    assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
}
