//! `ensure: absent`: a resource that the plan describes is deleted, whichever run or person created it; anything else needs a
//! decision.

use std::collections::HashMap;
use std::sync::Arc;

use twinspan_plans::EffectClass::PutSame;
use twinspan_plans::Plan;
use uuid::Uuid;

use super::plans::{Draft, seconds};
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::decide::check_signal;
use crate::decision::Decision;
use crate::event::{Event, Origin, StepEvent};
use crate::ids::ClaimKey;
use crate::ids::RunId;
use crate::job::KindRules;
use crate::kind_meta::DeleteDelay;
use crate::observation::{Marker, Observed, Phase};
use crate::signal::{Actor, Choice, Signal};
use crate::state::{RunStatus, StepState};
use crate::wait::WaitKind;

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

/// `gone` is to be deleted, then `next` is created.
fn plan() -> Arc<Plan> {
    let mut draft = Draft::default();
    let gone = draft.removal("gone", None, PutSame);
    let next = draft.step("next", None, PutSame);
    draft.needs(next, gone);
    draft.plan()
}

/// The resource exists, with this marker.
fn rig(marker: Marker) -> Rig {
    let mut rig = Rig::new(plan());
    rig.world.things.insert("gone".to_owned(), thing(marker));
    rig
}

fn removals(rig: &Rig) -> usize {
    rig.world.count("gone", Change::Removed)
}

#[test]
fn what_is_there_is_removed_and_proven_gone_by_three_reads_whoever_made_it() {
    for marker in [Marker::NoPlace, Marker::None, Marker::Of("deadbeef".to_owned())] {
        let mut rig = rig(marker);
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        assert_eq!(rig.events_of("gone"), ["intended", "accepted", "still-absent", "still-absent", "done"]);
        let StepState::Done(proof) = rig.step("gone") else { panic!("{}", rig.story()) };
        assert_eq!(proof.origin, Origin::Deleted);
        assert!(proof.evidence.is_of_absence());
        assert_eq!(proof.output, serde_json::json!({}));
        assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["next"]);
        let looks: Vec<_> = rig
            .events
            .iter()
            .filter(|recorded| {
                matches!(&recorded.event, Event::Step { event: StepEvent::StillAbsent { .. }, .. })
            })
            .map(|recorded| recorded.at)
            .collect();
        assert_eq!(looks[1].duration_since(looks[0]).as_secs(), 3);
    }
}

#[test]
fn what_is_gone_already_is_believed_after_three_reads_and_nothing_is_sent() {
    let mut rig = Rig::new(plan());
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.events_of("gone"), ["still-absent", "still-absent", "unchanged"]);
    assert_eq!(removals(&rig), 0);
    // One of the reads was wrong: the resource exists.
    let mut rig = self::rig(Marker::None);
    rig.fault("gone", Phase::Probe, Fault::Sees(Box::new(Observed::Absent)));
    rig.fault("gone", Phase::Probe, Fault::Sees(Box::new(Observed::Absent)));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(removals(&rig), 1);
    assert_eq!(rig.events_of("gone")[..3], ["still-absent", "still-absent", "intended"]);
}

#[test]
fn a_second_run_has_nothing_to_do() {
    let mut first = rig(Marker::None);
    first.drive();
    let mut second = Rig::new(plan());
    second.world.things = first.world.things.clone();
    second.drive();
    assert_eq!(removals(&second), 0);
    assert_eq!(second.step("gone").name(), "unchanged");
}

#[test]
fn a_lost_removal_is_settled_by_looking() {
    for fault in [Fault::AppliedThenLost, Fault::LostBefore, Fault::Refused(transient())] {
        let mut rig = rig(Marker::None);
        rig.fault("gone", Phase::Apply, fault.clone());
        assert_eq!(rig.drive(), SUCCEEDED, "{fault:?}\n{}", rig.story());
        assert_eq!(removals(&rig), 1, "{fault:?}");
        assert!(matches!(rig.step("gone"), StepState::Done(proof) if proof.origin == Origin::Deleted));
    }
}

#[test]
fn what_is_not_what_the_plan_describes_is_left_to_a_person() {
    let differs = || {
        let mut rig = rig(Marker::None);
        rig.world.things.get_mut("gone").unwrap().differs = true;
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
        assert_eq!(rig.step("gone").name(), "needs-decision");
        rig
    };
    let decide = |choice| Signal::Decide { step: "gone".into(), choice };
    for choice in [Choice::Adopt, Choice::Recreate] {
        let rig = differs();
        let refusal = check_signal(&rig.state, &decide(choice), &Actor("me".to_owned())).unwrap_err();
        assert!(refusal.hint.unwrap().contains("`skip` keeps it"));
    }
    let mut rig = differs();
    rig.send("me", decide(Choice::Overwrite));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(removals(&rig), 1);
    let mut rig = differs();
    rig.send("me", Signal::Skip { step: "gone".into(), values: Default::default() });
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 1 });
    assert_eq!(removals(&rig), 0);
    let mut rig = differs();
    rig.send("me", decide(Choice::Abort));
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!((rig.step("gone").name(), removals(&rig)), ("failed", 0));
}

#[test]
fn a_conflict_cannot_be_removed_and_a_broken_thing_can() {
    let mut rig = rig(Marker::None);
    rig.world.things.get_mut("gone").unwrap().conflict = true;
    rig.drive();
    rig.send("me", Signal::Decide { step: "gone".into(), choice: Choice::Overwrite });
    rig.drive();
    let StepState::NeedsDecision { decision, .. } = rig.step("gone") else { panic!("{}", rig.story()) };
    assert!(
        decision.advice.starts_with("the existing resource cannot be deleted from here"),
        "{}",
        decision.advice
    );
    assert_eq!(removals(&rig), 0);
    let mut rig = self::rig(Marker::None);
    let decision = Decision { what: "Revoked".to_owned(), advice: String::new(), differences: Vec::new() };
    let output = serde_json::json!({ "id": "/things/gone" });
    let broken = Observed::Broken { output, decision, marker: Marker::None };
    rig.fault("gone", Phase::Probe, Fault::Sees(Box::new(broken)));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(removals(&rig), 1);
}

#[test]
fn what_cannot_be_removed_fails_the_step_with_the_reason() {
    for (fault, words) in [(Fault::Keeps, "others use it"), (Fault::DeletesNothing, "still exists")] {
        let mut rig = rig(Marker::None);
        rig.fault("gone", Phase::Apply, fault.clone());
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }), "{fault:?}");
        let StepState::Failed { error, .. } = rig.step("gone") else { panic!("{}", rig.story()) };
        assert!(error.to_string().contains(words), "{error}");
        rig.send("me", Signal::Retry { step: Some("gone".into()) });
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        assert_eq!(removals(&rig), 1);
    }
}

#[test]
fn a_live_run_that_claims_the_thing_is_waited_for() {
    let mut rig = rig(Marker::Of("deadbeef".to_owned()));
    let other = RunId(Uuid::from_u128(9));
    rig.state.set_foreign_claims(HashMap::from([(ClaimKey("/things/gone".to_owned()), other)]));
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Claim] });
    assert_eq!(removals(&rig), 0);
    rig.state.set_foreign_claims(HashMap::new());
    for _ in 0..50 {
        rig.turn();
    }
    assert_eq!(removals(&rig), 1);
}

#[test]
fn undo_says_that_it_cannot_bring_it_back_and_looks_at_nothing() {
    let mut rig = rig(Marker::None);
    rig.drive();
    let looks = rig.world.performed.len();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(matches!(rig.step("gone"), StepState::Kept { reason } if reason.contains("the plan deleted it")));
    assert!(rig.world.performed[looks..].iter().all(|(step, _)| step == "next"));
    assert!(rig.world.things.is_empty());
}

#[test]
fn an_approval_stands_before_the_removal() {
    let mut draft = Draft::default();
    let gone = draft.removal("gone", None, PutSame);
    draft.approval(gone, false);
    let mut rig = Rig::new(draft.plan());
    rig.world.things.insert("gone".to_owned(), thing(Marker::None));
    rig.drive();
    assert!(rig.step("gone").wait().unwrap().what.contains("its deletion has to be approved"));
    rig.send("boss", Signal::Approve { step: "gone".into(), speaks_for: Some("boss".to_owned()) });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(removals(&rig), 1);
}

#[test]
fn what_takes_harm_from_haste_is_removed_a_while_after_other_removals_of_the_run() {
    let mut draft = Draft::default();
    let first = draft.removal("first", None, PutSame);
    let gone = draft.removal("gone", None, PutSame);
    draft.needs(gone, first);
    let mut rig = Rig::new(draft.plan());
    for name in ["first", "gone"] {
        rig.world.things.insert(name.to_owned(), thing(Marker::None));
    }
    let delete_delay = DeleteDelay { after: seconds(60), why: "the remote needs a moment" };
    rig.world.rules = KindRules { delete_delay: Some(delete_delay), ..KindRules::default() };
    assert_eq!(rig.drive(), SUCCEEDED);
    let at = |step: &str, name: &str| {
        let found = rig.events.iter().find(|recorded| {
            matches!(&recorded.event, Event::Step { step: of, event } if &*of.0 == step && event.name() == name)
        });
        found.unwrap_or_else(|| panic!("{step} has no {name}\n{}", rig.story())).at
    };
    assert_eq!(at("gone", "intended").duration_since(at("first", "done")).as_secs(), 60);
    // This run does not know what others deleted just before.
    let began = rig.events[0].at;
    assert_eq!(at("first", "intended").duration_since(began).as_secs(), 60);
}

#[test]
fn every_prefix_can_be_taken_over_paused_cancelled_and_undone() {
    let mut clean = rig(Marker::None);
    clean.drive();
    for length in 2..=clean.events.len() {
        for death in [Death::After(length), Death::Before(length)] {
            let mut rig = rig(Marker::None);
            rig.death = Some(death);
            assert_eq!(rig.drive(), SUCCEEDED, "{death:?}\n{}", rig.story());
            assert_eq!(removals(&rig), 1, "{death:?}");
        }
        for signal in [Signal::Cancel, Signal::Pause, Signal::Undo] {
            let mut rig = rig(Marker::None);
            while rig.events.len() < length && rig.turn() {}
            rig.send("me", signal.clone());
            let status = rig.drive();
            match signal {
                Signal::Pause if status == RunStatus::Paused => {
                    rig.send("me", Signal::Resume);
                    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
                }
                Signal::Undo => assert_eq!(status, RunStatus::Undone, "{}", rig.story()),
                _ => assert!(
                    matches!(status, RunStatus::Cancelled { .. } | RunStatus::Done { .. }),
                    "{status:?}\n{}",
                    rig.story()
                ),
            }
        }
    }
}

#[test]
fn contents_that_are_added_after_the_decision_are_asked_about() {
    let mut rig = rig(Marker::None);
    let hold = |rig: &mut Rig, keys: &[&str]| {
        rig.world.holds.insert("gone".to_owned(), keys.iter().map(|key| (*key).to_owned()).collect());
    };
    for keys in [&["/a"][..], &["/a", "/b"]] {
        hold(&mut rig, keys);
        rig.drive();
        let StepState::NeedsDecision { decision, .. } = rig.step("gone") else { panic!("{}", rig.story()) };
        let named = decision.differences.iter().flat_map(|held| &held.contents);
        assert_eq!(named.map(|key| key.0.as_str()).collect::<Vec<_>>(), keys);
        assert_eq!(removals(&rig), 0);
        rig.send("me", Signal::Decide { step: "gone".into(), choice: Choice::Overwrite });
    }
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!(removals(&rig), 1);
}
