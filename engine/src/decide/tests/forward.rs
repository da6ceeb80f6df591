//! The way forward: chains, pre-existing resources, failures, retries, waits.

use twinspan_plans::EffectClass::{CreateNamed, PutSame, Read};

use super::plans::{Draft, chain, seconds};
use super::rig::Rig;
use super::world::{Change, Fault, thing, transient};
use crate::decide::check_signal;
use crate::decision::Decision;
use crate::event::{Event, Origin, StepEvent};
use crate::failure::{FailureClass, StepError};
use crate::observation::{Marker, Observed, Phase, Readiness};
use crate::signal::{Actor, Choice, Signal};
use crate::state::{RunStatus, StepState};
use crate::wait::{Wait, WaitKind};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

#[test]
fn a_chain_is_made_in_order_each_with_its_intent_before_and_its_proof_after() {
    let mut rig = Rig::new(chain(&[PutSame, CreateNamed, PutSame]));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 3);
    assert_eq!(rig.events_of("s1"), ["intended", "accepted", "done"]);
    let StepState::Done(proof) = rig.step("s1") else { panic!("not done") };
    assert_eq!(proof.origin, Origin::Created);
    assert_eq!(proof.evidence.read.as_ref().unwrap().target, "/things/s1");
    assert!(proof.evidence.write_ended.unwrap() <= proof.evidence.read_began);
    assert_eq!(rig.events.last().unwrap().event.name(), "run-ended");
    let ends = rig.events.iter().filter(|recorded| recorded.event.name() == "run-ended").count();
    assert_eq!(ends, 1);
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let mut rig = Rig::new(chain(&[PutSame, Read]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::None));
    rig.world.things.insert("s1".to_owned(), thing(Marker::NoPlace));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(rig.world.ledger.is_empty());
    assert!(matches!(rig.step("s0"), StepState::Unchanged(_)));
    assert!(matches!(rig.step("s1"), StepState::Done(proof) if proof.origin == Origin::Observed));
}

#[test]
fn a_read_that_finds_nothing_fails_and_goes_on_after_retry() {
    let mut rig = Rig::new(chain(&[Read, PutSame]));
    assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed == ["s0".into()]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::NoPlace));
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn a_failure_stops_its_dependents_only() {
    let mut draft = Draft::default();
    let (a, b, c) =
        (draft.step("a", None, PutSame), draft.step("b", None, PutSame), draft.step("c", None, PutSame));
    draft.needs(b, a);
    let _free = c;
    let mut rig = Rig::new(draft.plan());
    rig.fault("a", Phase::Apply, Fault::Refused(StepError::new(FailureClass::Policy, "locked")));
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.names().iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["failed", "pending", "done"]);
}

#[test]
fn transient_failures_are_retried_by_a_growing_schedule_and_then_given_up() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..4 {
        rig.fault("s0", Phase::Probe, Fault::Refused(transient()));
    }
    let begun = rig.now;
    assert_eq!(rig.drive(), SUCCEEDED);
    let took = rig.now.duration_since(begun).as_secs();
    assert!((11..=19).contains(&took), "1 + 2 + 4 + 8 s, a quarter more or less: {took}");

    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..100 {
        rig.fault("s0", Phase::Probe, Fault::Refused(transient()));
    }
    let begun = rig.now;
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    let took = rig.now.duration_since(begun).as_mins();
    assert!((15..=16).contains(&took), "{took}");
}

#[test]
fn written_attempts_are_attempts_in_all() {
    let mut draft = Draft::default();
    let a = draft.step("a", None, PutSame);
    draft.def(a).retry.attempts = Some(3);
    let mut rig = Rig::new(draft.plan());
    for _ in 0..5 {
        rig.fault("a", Phase::Apply, Fault::Refused(transient()));
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.events_of("a").iter().filter(|name| **name == "intended").count(), 3);
    let StepState::Failed { error, .. } = rig.step("a") else { panic!("not failed") };
    assert!(error.message.contains("3 times"), "{error}");
    assert!(!rig.state.find(&"a".into()).unwrap().is_owed(), "every attempt was refused");
}

#[test]
fn throttling_waits_as_told_and_is_no_failure() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..40 {
        let mut error = StepError::new(FailureClass::Throttled, "too many requests");
        error.retry_after = Some(seconds(77));
        rig.fault("s0", Phase::Apply, Fault::Refused(error));
    }
    let begun = rig.now;
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.now.duration_since(begun).as_secs(), 40 * 77);
    assert_eq!(rig.world.count("s0", Change::Created), 1);
}

#[test]
fn a_wait_for_the_other_side_is_looked_at_until_it_converges_and_kept_as_evidence() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.converge = seconds(100);
    assert_eq!(rig.drive(), SUCCEEDED);
    let StepState::Done(proof) = rig.step("s0") else { panic!("not done") };
    assert_eq!(proof.evidence.also.values().collect::<Vec<_>>(), ["it is Pending"]);
    assert!(proof.evidence.also.keys().next().unwrap().starts_with("seen at 2026-11-23T08:00:00"));
    assert_eq!(proof.origin, Origin::Created);
}

#[test]
fn deadlines_do_not_move() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.world.converge = seconds(100_000);
    let begun = rig.now;
    for count in 0..20 {
        // Interrupted by errors and by new drivers.
        rig.fault("s0", Phase::Verify, Fault::Refused(transient()));
        rig.drive_for(jiff::SignedDuration::from_secs(50 + count));
        rig.take_over();
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    let StepState::Failed { error, .. } = rig.step("s0") else { panic!("not failed") };
    assert_eq!(error.code.as_deref(), Some("GaveUpWaiting"));
    assert_eq!(rig.now.duration_since(begun).as_mins(), 30);
}

#[test]
fn people_are_waited_for_without_end_and_looked_at_less_and_less_often() {
    let mut rig = Rig::new(chain(&[PutSame]));
    let person = Wait::new(WaitKind::Person, "sign-in required").who("nina");
    let error = StepError::new(FailureClass::NeedsPerson, "sign-in required").wait(person);
    for _ in 0..600 {
        rig.fault("s0", Phase::Probe, Fault::Refused(error.clone()));
    }
    let mut looks = Vec::new();
    for _ in 0..600 {
        rig.look_on();
        looks.push(rig.now);
    }
    assert_eq!(rig.status(), RunStatus::Waiting { on: vec![WaitKind::Person] });
    let gaps: Vec<i64> = looks.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    // Polls at 30 s, 1 min, 2 min … after the wait began, until they are ten minutes apart.
    assert_eq!(gaps[..7], [30, 30, 60, 120, 240, 480, 600]);
    assert_eq!(gaps.last(), Some(&600));
    let waits = rig.state.waits();
    assert_eq!((waits[0].wait.who.as_deref(), waits[0].since), (Some("nina"), looks[0]));
    assert_eq!(
        rig.drive_for(jiff::SignedDuration::from_hours(1)),
        RunStatus::Waiting { on: vec![WaitKind::Person] }
    );
    rig.look_on();
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn a_right_that_is_not_effective_yet_is_looked_at_for_a_quarter_of_an_hour() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..100 {
        let error = StepError::new(FailureClass::Propagation, "not effective yet");
        rig.fault("s0", Phase::Apply, Fault::Refused(error));
    }
    let begun = rig.now;
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.now.duration_since(begun).as_mins(), 15);
    let StepState::Failed { error, .. } = rig.step("s0") else { panic!("not failed") };
    assert_eq!(error.class, FailureClass::Propagation);
}

#[test]
fn not_ready_waits_before_the_write() {
    let mut rig = Rig::new(chain(&[PutSame]));
    let missing = Readiness::Waiting(Wait::new(WaitKind::Permission, "missing right"));
    rig.fault("s0", Phase::Probe, Fault::NotReady(missing));
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Permission] });
    assert!(rig.world.ledger.is_empty());
    rig.look_on();
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn what_a_person_lets_be_written_onto_nothing_is_this_runs_own() {
    let decision =
        Decision { what: "it looks odd".to_owned(), advice: "ask".to_owned(), differences: Vec::new() };
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..2 {
        rig.fault("s0", Phase::Probe, Fault::NotReady(Readiness::Undecided(decision.clone())));
    }
    rig.drive();
    assert!(matches!(rig.step("s0"), StepState::NeedsDecision { .. }));
    assert!(rig.world.ledger.is_empty());
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Overwrite });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Created));
}

#[test]
fn a_foreign_marker_needs_a_decision_that_names_the_run() {
    for (choice, changes) in [(Choice::Adopt, 0), (Choice::Overwrite, 1)] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.world.things.insert("s0".to_owned(), thing(Marker::Of("deadbeef".to_owned())));
        assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided == ["s0".into()]));
        let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("decided") };
        assert!(decision.what.contains("deadbeef"));
        rig.send("me", Signal::Decide { step: "s0".into(), choice });
        assert_eq!(rig.drive(), SUCCEEDED);
        assert_eq!(rig.world.ledger.len(), changes);
    }
}

#[test]
fn what_differs_is_overwritten_adopted_or_given_up_by_a_person() {
    for (choice, end) in
        [(Choice::Adopt, "unchanged"), (Choice::Overwrite, "done"), (Choice::Abort, "failed")]
    {
        let mut rig = Rig::new(chain(&[PutSame]));
        let mut there = thing(Marker::None);
        there.differs = true;
        rig.world.things.insert("s0".to_owned(), there);
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
        rig.send("me", Signal::Decide { step: "s0".into(), choice });
        rig.drive();
        assert_eq!(rig.step("s0").name(), end);
        if choice == Choice::Overwrite {
            assert!(matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Updated));
        }
    }
}

fn conflict() -> Fault {
    Fault::Sees(Box::new(Observed::Conflict(Decision {
        what: "another has it".to_owned(),
        advice: "ask its owner".to_owned(),
        differences: Vec::new(),
    })))
}

#[test]
fn a_retry_looks_again_where_a_decision_was_needed_and_carries_none_out() {
    let mut rig = Rig::new(chain(&[PutSame]));
    let mut there = thing(Marker::None);
    there.differs = true;
    rig.world.things.insert("s0".to_owned(), there);
    rig.fault("s0", Phase::Probe, conflict());
    rig.drive();
    rig.fault("s0", Phase::Probe, conflict());
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
    rig.drive();
    let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
    assert_eq!(
        decision.advice,
        "the existing resource cannot be deleted from here, so it was not recreated; ask its owner"
    );
    // The conflict is over, and a differing resource exists: the choice for the conflict does not apply to it.
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    rig.drive();
    assert_eq!(rig.step("s0").name(), "needs-decision");
    assert!(rig.world.ledger.is_empty(), "{}", rig.story());
    // Now it is as wanted.
    rig.world.things.insert("s0".to_owned(), thing(Marker::None));
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.step("s0").name(), "unchanged");
    assert!(rig.world.ledger.is_empty(), "{}", rig.story());
}

#[test]
fn what_only_reads_offers_nothing_to_overwrite_and_nothing_to_adopt_in_a_conflict() {
    let mut rig = Rig::new(chain(&[Read]));
    rig.fault("s0", Phase::Probe, conflict());
    rig.drive();
    let me = Actor("me".to_owned());
    for choice in [Choice::Overwrite, Choice::Recreate] {
        let refused =
            check_signal(&rig.state, &Signal::Decide { step: "s0".into(), choice }, &me).unwrap_err();
        assert!(refused.what.contains("only reads") && refused.hint.is_some(), "{refused:?}");
    }
    rig.fault("s0", Phase::Probe, conflict());
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Adopt });
    rig.drive();
    let StepState::NeedsDecision { decision, .. } = rig.step("s0") else { panic!("{}", rig.story()) };
    assert_eq!(decision.advice, "there is no resource to adopt; ask its owner");
    rig.world.things.insert("s0".to_owned(), thing(Marker::NoPlace));
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn a_claim_of_another_run_is_waited_for() {
    let mut rig = Rig::new(chain(&[PutSame]));
    let other = crate::ids::RunId(uuid::Uuid::from_u128(99));
    let claim = crate::ids::ClaimKey("/things/s0".to_owned());
    rig.state.set_foreign_claims([(claim, other)].into());
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Claim] });
    assert!(rig.state.waits()[0].wait.what.contains(&other.short()));
    rig.state.set_foreign_claims([].into());
    rig.look_on();
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.state.claims().count(), 1);
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let story = || {
        let mut rig = Rig::new(chain(&[PutSame, CreateNamed]));
        rig.world.converge = seconds(10);
        rig.fault("s0", Phase::Probe, Fault::Refused(transient()));
        rig.fault("s1", Phase::Apply, Fault::AppliedThenLost);
        rig.drive();
        rig.story()
    };
    assert_eq!(story(), story());
}

#[test]
fn an_intent_tells_what_is_sent_and_on_what() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.fault("s0", Phase::Apply, Fault::Refused(transient()));
    rig.drive();
    let intents: Vec<_> = rig
        .events
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::Step {
                event: StepEvent::Intended { attempt, digest, was_absent, claims, .. }, ..
            } => Some((*attempt, *digest, *was_absent, claims.len())),
            _ => None,
        })
        .collect();
    assert_eq!(intents.len(), 2);
    assert_eq!((intents[0].0, intents[1].0), (1, 2));
    assert_eq!(intents[0].1, intents[1].1, "the same is sent");
    assert!(intents[0].2 && intents[1].2);
    assert_eq!((intents[0].3, intents[1].3), (1, 0), "claims are taken once");
}
