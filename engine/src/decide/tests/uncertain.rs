//! Writes with unknown response: resolved only by evidence.

use twinspan_plans::EffectClass::{CreateNamed, PostUnsafe, PostWithProbe, PutSame};

use super::plans::{chain, seconds};
use super::rig::Rig;
use super::world::{Change, Fault, transient};
use crate::event::Origin;
use crate::failure::{FailureClass, StepError};
use crate::job::KindRules;
use crate::observation::Phase;
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

#[test]
fn applied_and_lost_is_found_and_not_repeated() {
    for effect in [PutSame, CreateNamed, PostWithProbe, PostUnsafe] {
        let mut rig = Rig::new(chain(&[effect]));
        rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
        assert_eq!(rig.drive(), SUCCEEDED, "{effect:?}");
        assert_eq!(rig.events_of("s0"), ["intended", "uncertain", "done"]);
        assert_eq!(rig.world.count("s0", Change::Created), 1);
        assert!(matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Created));
    }
}

#[test]
fn lost_before_is_repeated_after_a_look() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.count("s0", Change::Created), 1);
    assert_eq!(rig.events_of("s0"), ["intended", "uncertain", "retry-wait", "intended", "accepted", "done"]);
}

#[test]
fn what_must_not_be_made_twice_waits_for_a_late_arrival() {
    for effect in [CreateNamed, PostWithProbe] {
        for late in [1, 5, 20, 59] {
            let mut rig = Rig::new(chain(&[effect]));
            rig.world.rules = KindRules { settle: seconds(60), ..KindRules::default() };
            rig.fault("s0", Phase::Apply, Fault::ArrivesLate(seconds(late)));
            assert_eq!(rig.drive(), SUCCEEDED);
            assert_eq!(rig.world.ledger, [("s0".to_owned(), Change::Created)], "{late} s late");
        }
    }
}

#[test]
fn an_absence_is_believed_after_the_settle_time_and_two_agreeing_reads() {
    let mut rig = Rig::new(chain(&[CreateNamed]));
    rig.world.rules = KindRules { settle: seconds(60), ..KindRules::default() };
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    let begun = rig.now;
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(rig.now.duration_since(begun).as_secs() >= 60);
    assert_eq!(
        rig.events_of("s0"),
        ["intended", "uncertain", "still-absent", "retry-wait", "intended", "accepted", "done"]
    );
}

#[test]
fn a_failed_look_leaves_it_uncertain_and_never_failed() {
    let mut rig = Rig::new(chain(&[CreateNamed]));
    rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
    for class in [FailureClass::Policy, FailureClass::Bug, FailureClass::PlanWrong, FailureClass::Transient] {
        for _ in 0..20 {
            rig.fault("s0", Phase::Verify, Fault::Refused(StepError::new(class, "cannot look")));
        }
    }
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(!rig.events_of("s0").contains(&"failed"));
    assert_eq!(rig.world.ledger.len(), 1);
}

#[test]
fn an_uncertain_write_whose_look_needs_a_person_says_so() {
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
    let error = StepError::new(FailureClass::NeedsPerson, "sign in again");
    rig.fault("s0", Phase::Verify, Fault::Refused(error));
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![crate::wait::WaitKind::Person] });
    assert!(matches!(rig.step("s0"), StepState::Uncertain { .. }));
    rig.look_on();
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn an_unsafe_post_is_never_repeated_by_itself() {
    let mut rig = Rig::new(chain(&[PostUnsafe]));
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided.len() == 1));
    assert!(rig.world.ledger.is_empty());
    rig.take_over();
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    // Given up and retried without a decision, however often and whatever fails meanwhile: a decision is needed again.
    for _ in 0..3 {
        rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Abort });
        rig.fault("s0", Phase::Probe, Fault::Refused(transient()));
        rig.send("me", Signal::Retry { step: Some("s0".into()) });
        assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided.len() == 1));
        assert!(rig.world.ledger.is_empty());
    }
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Overwrite });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 1);
}

#[test]
fn a_person_may_say_that_an_unsafe_post_took_effect() {
    let mut rig = Rig::new(chain(&[PostUnsafe]));
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    rig.drive();
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Adopt });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(matches!(rig.step("s0"), StepState::Done(proof) if proof.origin == Origin::Claimed));
}

#[test]
fn a_write_that_never_arrives_is_given_up_only_after_a_look() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..200 {
        rig.fault("s0", Phase::Apply, Fault::LostBefore);
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    let StepState::Failed { phase, .. } = rig.step("s0") else { panic!("not failed") };
    assert_eq!(*phase, Phase::Probe);
}

#[test]
fn accepted_and_not_visible_is_waited_for_within_bounds() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..3 {
        rig.fault("s0", Phase::Verify, Fault::Sees(Box::new(crate::observation::Observed::Absent)));
    }
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 1);
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..200 {
        rig.fault("s0", Phase::Verify, Fault::Sees(Box::new(crate::observation::Observed::Absent)));
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert!(rig.state.find(&"s0".into()).unwrap().is_owed());
}

#[test]
fn a_look_that_succeeds_ends_the_wait_of_the_one_before() {
    let mut rig = Rig::new(chain(&[CreateNamed]));
    rig.world.rules = KindRules { settle: seconds(60), ..KindRules::default() };
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    rig.fault("s0", Phase::Verify, Fault::Refused(StepError::new(FailureClass::Credential, "signed out")));
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![crate::wait::WaitKind::Credential] });
    while rig.events_of("s0").last() != Some(&"still-absent") {
        rig.turn();
    }
    assert_eq!(rig.status(), RunStatus::Running, "no person is waited for any more");
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn what_a_step_began_itself_and_still_goes_on_is_waited_for() {
    let going_on = || Fault::Refused(StepError::new(FailureClass::InProgress, "it is running"));
    let mut rig = Rig::new(chain(&[PostUnsafe]));
    rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
    for _ in 0..500 {
        rig.fault("s0", Phase::Verify, going_on());
    }
    while !matches!(rig.status(), RunStatus::Waiting { .. }) {
        rig.turn();
    }
    assert_eq!(rig.status(), RunStatus::Waiting { on: vec![crate::wait::WaitKind::Program] });
    assert!(matches!(rig.step("s0"), StepState::Uncertain { .. }), "nothing is settled while it goes on");
    // However long it takes, a read then shows the outcome.
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 1);
    // Found before anything is sent, it prevents the write.
    let mut rig = Rig::new(chain(&[PutSame]));
    rig.fault("s0", Phase::Probe, going_on());
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.events_of("s0"), ["waiting", "intended", "accepted", "done"]);
}

#[test]
fn a_read_that_finds_how_the_write_failed_closes_it() {
    for effect in [PostUnsafe, PostWithProbe, PutSame] {
        let mut rig = Rig::new(chain(&[effect]));
        rig.fault("s0", Phase::Apply, Fault::LostBefore);
        let error = StepError::plan_wrong("it ended with 7").found_not_done();
        rig.fault("s0", Phase::Verify, Fault::Refused(error));
        assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed.len() == 1), "{effect:?}");
        assert_eq!(rig.events_of("s0"), ["intended", "uncertain", "retry-wait", "failed"]);
        // The outcome is known: a retry may send it.
        rig.send("me", Signal::Retry { step: Some("s0".into()) });
        assert_eq!(rig.drive(), SUCCEEDED, "{effect:?}");
    }
    // A request that was never begun is retried without a decision.
    let mut rig = Rig::new(chain(&[PostUnsafe]));
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    rig.fault("s0", Phase::Verify, Fault::Refused(transient().found_not_done()));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 1);
}

#[test]
fn a_retry_of_what_only_a_person_can_know_is_refused_and_changes_nothing() {
    let mut rig = Rig::new(chain(&[PostUnsafe]));
    rig.fault("s0", Phase::Apply, Fault::LostBefore);
    rig.drive();
    let retry = Signal::Retry { step: Some("s0".into()) };
    let me = crate::signal::Actor("me".to_owned());
    let refused = crate::decide::check_signal(&rig.state, &retry, &me).unwrap_err();
    assert!(refused.what.contains("its outcome is unknown") && refused.hint.unwrap().contains("adopt"));
    let commands = crate::decide::legal_commands(&rig.state);
    assert!(commands.iter().all(|command| command.verb != "retry"), "{commands:?}");
    for signal in [retry, Signal::Retry { step: None }] {
        rig.send("me", signal);
        assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided.len() == 1));
    }
    assert!(rig.world.ledger.is_empty());
}
