//! Signals of people.

use twinspan_plans::EffectClass::{CreateNamed, PutSame};

use super::plans::{Draft, chain};
use super::rig::Rig;
use super::world::{Fault, thing, transient};
use crate::decide::{Effect, check_signal, decide};
use crate::failure::{FailureClass, StepError};
use crate::observation::{Marker, Phase};
use crate::signal::{Actor, Signal};
use crate::state::{RunStatus, StepState};
use crate::wait::WaitKind;

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

fn gated(not_starter: bool) -> Rig {
    let mut draft = Draft::default();
    let a = draft.step("a", None, PutSame);
    draft.approval(a, not_starter);
    Rig::new(draft.plan())
}

#[test]
fn a_gate_holds_the_write_until_it_is_approved() {
    let mut rig = gated(false);
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Approval] });
    assert!(rig.world.ledger.is_empty());
    rig.send("boss", Signal::Approve { step: "a".into(), speaks_for: None });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.state.find(&"a".into()).unwrap().approval().unwrap().by, "boss");
}

#[test]
fn who_started_may_not_approve_where_the_plan_says_so() {
    let mut rig = gated(true);
    rig.drive();
    let approve = Signal::Approve { step: "a".into(), speaks_for: None };
    let refused = check_signal(&rig.state, &approve, &Actor("starter".to_owned())).unwrap_err();
    assert!(refused.what.contains("starter"));
    rig.send("starter", approve.clone());
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Approval] });
    rig.send("boss", approve);
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn only_those_whom_the_gate_names_open_it() {
    let mut rig = gated(false);
    rig.drive();
    let approve = |speaks_for: Option<&str>| Signal::Approve {
        step: "a".into(),
        speaks_for: speaks_for.map(str::to_owned),
    };
    let refused = check_signal(&rig.state, &approve(None), &Actor("me".to_owned())).unwrap_err();
    assert_eq!(refused.what, "a is to be approved by boss; me cannot");
    assert!(refused.hint.unwrap().contains("--as boss"));
    for wrong in [None, Some("intern")] {
        rig.send("me", approve(wrong));
        assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Approval] }, "{wrong:?}");
    }
    rig.send("me", approve(Some("boss")));
    assert_eq!(rig.drive(), SUCCEEDED);
    let given = rig.state.find(&"a".into()).unwrap().approval().unwrap().clone();
    assert_eq!((given.by.as_str(), given.speaks_for.as_deref()), ("me", Some("boss")));
}

#[test]
fn a_refusal_fails_the_step_and_says_who() {
    let mut rig = gated(false);
    rig.drive();
    rig.send("boss", Signal::Reject { step: "a".into() });
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert!(matches!(rig.step("a"), StepState::Failed { error, .. } if error.message.contains("boss")));
    rig.send("me", Signal::Retry { step: Some("a".into()) });
    assert_eq!(rig.drive(), RunStatus::Waiting { on: vec![WaitKind::Approval] });
}

#[test]
fn nothing_is_sent_while_paused_and_an_unsent_intent_is_withdrawn() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    while rig.step("s0").name() != "intended" {
        rig.turn();
    }
    rig.send("me", Signal::Pause);
    assert_eq!(rig.status(), RunStatus::Paused);
    assert!(decide(&rig.state, rig.time()).is_empty());
    assert_eq!(rig.step("s0").name(), "probing");
    assert!(!rig.state.find(&"s0".into()).unwrap().is_owed());
    rig.take_over();
    assert_eq!(rig.drive(), RunStatus::Paused);
    assert!(rig.world.ledger.is_empty());
    rig.send("me", Signal::Resume);
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn pause_drains_what_is_in_flight() {
    let mut rig = Rig::new(chain(&[PutSame]));
    while rig.step("s0").name() != "intended" {
        rig.turn();
    }
    let Some(Effect::Perform(job)) = decide(&rig.state, rig.time()).into_iter().next() else {
        panic!("no job")
    };
    let row = crate::signal::SignalRow {
        id: crate::ids::SignalId(uuid::Uuid::from_u128(500)),
        run: super::rig::RUN,
        actor: Actor("me".to_owned()),
        reason: None,
        signal: Signal::Pause,
    };
    for event in crate::decide::take_signal(&rig.state, &row, &["s0".into()], rig.now) {
        rig.append(event);
    }
    assert_eq!(rig.status(), RunStatus::Draining);
    let fact = rig.world.perform(&job, rig.now, rig.time());
    for event in crate::decide::interpret(&rig.state, &fact, rig.time()) {
        rig.append(event);
    }
    assert_eq!(rig.status(), RunStatus::Paused);
    assert!(decide(&rig.state, rig.time()).is_empty());
    rig.send("me", Signal::Resume);
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 1);
}

#[test]
fn cancel_ends_the_run_and_counts_what_is_uncertain() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame, PutSame]));
    rig.fault("s1", Phase::Apply, Fault::AppliedThenLost);
    while rig.step("s1").name() != "uncertain" {
        rig.turn();
    }
    rig.send("me", Signal::Cancel);
    assert_eq!(rig.drive(), RunStatus::Cancelled { uncertain: 1 });
    assert_eq!(rig.world.ledger.len(), 2);
    let refused = check_signal(&rig.state, &Signal::Resume, &Actor("me".to_owned())).unwrap_err();
    assert!(refused.hint.unwrap().contains("undo"));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.world.things.is_empty());
}

#[test]
fn cancel_ends_waits() {
    let mut rig = gated(false);
    rig.drive();
    rig.send("me", Signal::Cancel);
    assert_eq!(rig.drive(), RunStatus::Cancelled { uncertain: 0 });
    assert_eq!(rig.step("a").name(), "cancelled");
}

#[test]
fn a_step_can_be_left_out_and_its_check_is_recorded() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    rig.fault("s0", Phase::Apply, Fault::Refused(StepError::new(FailureClass::Policy, "locked")));
    rig.drive();
    rig.send("me", Signal::Skip { step: "s0".into(), values: Default::default() });
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 1 });
    assert!(matches!(rig.step("s0"), StepState::Skipped { output: None, seen } if seen == "absent"));
}

#[test]
fn a_skipped_step_holds_those_who_read_it_until_the_output_is_stated() {
    let mut draft = Draft::default();
    let (a, b) = (draft.step("a", None, PutSame), draft.step("b", None, PutSame));
    draft.need(b, a, Vec::new(), true);
    draft.def(b).with = twinspan_plans::expr::Template::Expr(super::plans::output(a, Vec::new()));
    let mut rig = Rig::new(draft.plan());
    rig.send("me", Signal::Skip { step: "a".into(), values: Default::default() });
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    let provide = |output: &str| Signal::Provide {
        step: "a".into(),
        output: output.to_owned(),
        value: serde_json::json!("given"),
    };
    let refused = check_signal(&rig.state, &provide("nonsense"), &Actor("me".to_owned())).unwrap_err();
    assert!(refused.what.contains("it has: id"), "{refused}");
    rig.send("me", provide("id"));
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 1 });
    assert_eq!(rig.state.find(&"b".into()).unwrap().params().unwrap(), "given");
}

#[test]
fn an_open_write_cannot_be_left_out() {
    let mut rig = Rig::new(chain(&[CreateNamed]));
    rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
    while rig.step("s0").name() != "uncertain" {
        rig.turn();
    }
    let skip = Signal::Skip { step: "s0".into(), values: Default::default() };
    assert!(check_signal(&rig.state, &skip, &Actor("me".to_owned())).is_err());
    rig.send("me", skip);
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn retry_without_a_step_means_all() {
    let mut draft = Draft::default();
    for id in ["a", "b", "c"] {
        draft.step(id, None, PutSame);
    }
    let mut rig = Rig::new(draft.plan());
    for id in ["a", "b"] {
        rig.fault(id, Phase::Apply, Fault::Refused(StepError::new(FailureClass::Policy, "locked")));
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed.len() == 2));
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn retry_looks_at_once() {
    let mut rig = Rig::new(chain(&[PutSame]));
    for _ in 0..10 {
        rig.fault("s0", Phase::Probe, Fault::Refused(transient()));
    }
    for _ in 0..16 {
        rig.turn();
    }
    rig.world.faults.clear();
    let before = rig.now;
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.now, before);
}

#[test]
fn a_new_driver_looks_once_at_what_waits() {
    let mut rig = gated(false);
    rig.drive();
    let (before, looks) = (rig.now, rig.world.performed.len());
    rig.world.things.insert("a".to_owned(), thing(Marker::NoPlace));
    rig.take_over();
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!((rig.now, rig.world.performed.len()), (before, looks + 1));
}

#[test]
fn signals_that_do_not_fit_say_why() {
    let rig = Rig::new(chain(&[PutSame]));
    let me = Actor("me".to_owned());
    for (signal, words) in [
        (Signal::Approve { step: "s0".into(), speaks_for: None }, "does not wait for approval"),
        (Signal::Approve { step: "nonsense".into(), speaks_for: None }, "no step nonsense"),
        (Signal::Retry { step: Some("s0".into()) }, "nothing to retry"),
        (Signal::Decide { step: "s0".into(), choice: crate::signal::Choice::Adopt }, "needs no decision"),
    ] {
        let refused = check_signal(&rig.state, &signal, &me).unwrap_err();
        assert!(refused.what.contains(words), "{refused}");
    }
}
