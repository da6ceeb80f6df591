//! `parallel` and `halt_after`: which elements may work, and when no further one begins.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::json;
use twinspan_plans::EffectClass::{PutSame, Read};
use twinspan_plans::NodeId;
use twinspan_plans::expr::Expr;

use super::plans::{Draft, input, seconds};
use super::rig::Rig;
use super::world::{Fault, thing};
use crate::decision::Decision;
use crate::failure::{FailureClass, StepError};
use crate::observation::{Marker, Observed, Phase};
use crate::signal::{Choice, Signal};
use crate::state::{HaltedBlock, RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

fn locked() -> Fault {
    Fault::Refused(StepError::new(FailureClass::Policy, "locked"))
}

/// `each[e0]`, `each[e1]` …, with the steps that `steps` adds to the block.
fn block(
    parallel: Option<u32>,
    halt_after: Option<u32>,
    count: usize,
    steps: impl FnOnce(&mut Draft, NodeId),
) -> Rig {
    let mut draft = Draft::default();
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("list"));
    draft.limits(each).parallel = parallel;
    draft.limits(each).halt_after = halt_after;
    steps(&mut draft, each);
    let names: Vec<String> = (0..count).map(|number| format!("e{number}")).collect();
    let inputs: IndexMap<_, _> = [("list".to_owned(), json!(names))].into_iter().collect();
    Rig::with_inputs(draft.plan(), inputs)
}

fn two_steps(draft: &mut Draft, each: NodeId) {
    let a = draft.step("a", Some(each), PutSame);
    let b = draft.step("b", Some(each), PutSame);
    draft.needs(b, a);
}

/// Elements that have created a resource.
fn written(rig: &Rig) -> BTreeSet<&str> {
    let ledger = rig.world.ledger.iter();
    ledger.filter_map(|(name, _)| name.strip_prefix("each[")?.split(']').next()).collect()
}

/// Drives turn by turn; returns the largest number of elements that had an unfinished write at once.
fn most_written_at_once(rig: &mut Rig) -> usize {
    let mut most = 0;
    while rig.turn() {
        let begun = written(rig);
        let open = begun.iter().filter(|element| {
            let last = format!("each[{element}].b");
            !matches!(rig.step(&last), StepState::Done(_))
        });
        most = most.max(open.count());
    }
    most
}

#[test]
fn an_element_that_waits_for_the_remote_keeps_its_slot() {
    for parallel in [1, 2, 3] {
        let mut rig = block(Some(parallel), None, 6, two_steps);
        // Every resource is pending for a minute after it was written.
        rig.world.converge = seconds(60);
        assert_eq!(most_written_at_once(&mut rig), parallel as usize);
        assert_eq!(rig.status(), SUCCEEDED);
    }
}

#[test]
fn a_broken_first_element_is_the_only_one_written() {
    let mut rig = block(Some(1), Some(1), 50, two_steps);
    rig.world.converge = seconds(60);
    rig.fault("each[e0].b", Phase::Apply, locked());
    assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed == ["each[e0].b".into()]));
    assert_eq!(written(&rig), BTreeSet::from(["e0"]));
    let halted = HaltedBlock { block: "each".into(), failed: 1, halt_after: 1, not_begun: 49, held_back: 0 };
    assert_eq!(rig.state.halted_blocks(), [halted]);
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.state.halted_blocks(), []);
    assert_eq!(written(&rig).len(), 50);
}

#[test]
fn a_skip_lets_the_block_go_on() {
    let mut rig = block(Some(1), Some(1), 3, two_steps);
    rig.fault("each[e0].b", Phase::Apply, locked());
    rig.drive();
    rig.send("me", Signal::Skip { step: "each[e0].b".into(), values: std::collections::BTreeMap::new() });
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 1 });
    assert_eq!(written(&rig).len(), 3);
}

#[test]
fn an_open_decision_counts_and_its_settling_lets_the_block_go_on() {
    let mut rig = block(Some(1), Some(1), 4, two_steps);
    let decision =
        Decision { what: "it is another's".to_owned(), advice: "ask".to_owned(), differences: Vec::new() };
    let output = json!({ "id": "/things/each[e0].a" });
    let differs = Observed::Differs { output, differences: Vec::new(), marker: Marker::None };
    rig.fault("each[e0].a", Phase::Probe, Fault::Sees(Box::new(Observed::Conflict(decision))));
    rig.fault("each[e0].a", Phase::Probe, Fault::Sees(Box::new(differs)));
    assert!(matches!(rig.drive(), RunStatus::Halted { undecided, .. } if undecided.len() == 1));
    assert_eq!(written(&rig), BTreeSet::new());
    assert_eq!(rig.state.halted_blocks()[0].not_begun, 3);
    rig.send("me", Signal::Decide { step: "each[e0].a".into(), choice: Choice::Overwrite });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(written(&rig).len(), 4);
}

#[test]
fn a_wait_for_a_person_never_counts() {
    let mut rig = block(Some(1), Some(1), 3, two_steps);
    for class in [FailureClass::NeedsPerson, FailureClass::Permission, FailureClass::Credential] {
        for _ in 0..10 {
            let refused = Fault::Refused(StepError::new(class, "not yet"));
            rig.fault("each[e0].a", Phase::Probe, refused);
        }
    }
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    assert_eq!(written(&rig), BTreeSet::from(["e1", "e2"]));
    assert_eq!(rig.state.halted_blocks(), []);
}

#[test]
fn what_has_begun_goes_on_to_its_end_and_nothing_new_begins() {
    let mut rig = block(Some(2), Some(1), 6, two_steps);
    rig.world.converge = seconds(60);
    rig.fault("each[e0].a", Phase::Apply, locked());
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.step("each[e1].b").name(), "done");
    assert_eq!(written(&rig), BTreeSet::from(["e1"]));
}

/// Every element's first write needs an approval: all of them wait for it, none with a slot.
fn approved_together() -> Rig {
    let mut rig = block(Some(1), Some(1), 5, |draft, each| {
        let a = draft.step("a", Some(each), PutSame);
        draft.approval(a, false);
        let b = draft.step("b", Some(each), PutSame);
        draft.needs(b, a);
    });
    rig.world.converge = seconds(60);
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    let waiting = (0..5).all(|number| rig.step(&format!("each[e{number}].a")).name() == "waiting");
    assert!(waiting, "a wait for a person delays no other element");
    rig
}

fn approve_all(rig: &mut Rig) {
    for number in 0..5 {
        let step = format!("each[e{number}].a").as_str().into();
        rig.send("boss", Signal::Approve { step, speaks_for: Some("boss".to_owned()) });
    }
}

#[test]
fn what_waits_for_an_approval_goes_on_waiting_for_it_without_a_slot() {
    let mut rig = approved_together();
    rig.take_over();
    rig.drive();
    for _ in 0..20 {
        rig.look_on();
    }
    let names: BTreeSet<_> = (0..5).map(|number| rig.step(&format!("each[e{number}].a")).name()).collect();
    assert_eq!(names, BTreeSet::from(["waiting"]), "\n{}", rig.story());
    approve_all(&mut rig);
    while rig.turn() {}
    assert_eq!(rig.status(), SUCCEEDED);
}

#[test]
fn approvals_given_together_do_not_let_all_write_together() {
    let mut rig = approved_together();
    approve_all(&mut rig);
    assert_eq!(most_written_at_once(&mut rig), 1);
    assert_eq!(rig.status(), SUCCEEDED);
}

#[test]
fn approvals_given_together_do_not_get_past_halt_after() {
    let mut rig = approved_together();
    rig.fault("each[e0].a", Phase::Apply, locked());
    approve_all(&mut rig);
    let status = rig.drive();
    assert!(matches!(status, RunStatus::Halted { .. }), "{status:?}");
    assert_eq!(written(&rig), BTreeSet::new());
    let halted = HaltedBlock { block: "each".into(), failed: 1, halt_after: 1, not_begun: 0, held_back: 4 };
    assert_eq!(rig.state.halted_blocks(), [halted]);
    let held = rig.state.find(&"each[e3].a".into()).unwrap();
    assert_eq!(held.waits_for_slot_of(), Some(&"each".into()));
    // Another driver computes the same.
    rig.take_over();
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(written(&rig).len(), 5);
}

#[test]
fn a_permission_that_arrives_for_all_at_once_lets_one_write_at_a_time() {
    let mut rig = block(Some(1), Some(1), 4, two_steps);
    rig.world.converge = seconds(60);
    for number in 0..4 {
        let missing = Fault::Refused(StepError::new(FailureClass::Permission, "no role"));
        rig.fault(&format!("each[e{number}].a"), Phase::Probe, missing);
    }
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    rig.fault("each[e0].a", Phase::Apply, locked());
    while rig.turn() {}
    assert!(matches!(rig.status(), RunStatus::Halted { .. }), "{:?}", rig.status());
    assert_eq!(written(&rig), BTreeSet::new(), "\n{}", rig.story());
}

#[test]
fn a_step_of_its_own_that_asks_holds_the_steps_behind_it_to_the_limits() {
    let mut rig = block(Some(1), None, 4, |draft, each| {
        let ask = draft.step("ask", Some(each), Read);
        draft.approval(ask, false);
        let a = draft.step("a", Some(each), PutSame);
        draft.behind(a, ask);
        let b = draft.step("b", Some(each), PutSame);
        draft.needs(b, a);
        draft.behind(b, ask);
    });
    rig.world.converge = seconds(60);
    for number in 0..4 {
        let name = format!("each[e{number}].ask");
        let missing = Fault::Refused(StepError::new(FailureClass::NeedsPerson, "sign in"));
        rig.fault(&name, Phase::Probe, missing);
        rig.world.things.insert(name, thing(Marker::NoPlace));
    }
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    assert_eq!(most_written_at_once(&mut rig), 1);
    assert_eq!(rig.status(), SUCCEEDED);
}

#[test]
fn nested_blocks_keep_both_limits() {
    let mut rig = block(Some(1), None, 3, |draft, each| {
        let inner = draft.block("inner", Some(each));
        draft.node(inner).for_each = Some(input("list"));
        draft.limits(inner).parallel = Some(1);
        let a = draft.step("a", Some(inner), PutSame);
        let last = draft.step("b", Some(each), PutSame);
        draft.needs(last, inner);
        let _ = a;
    });
    rig.world.converge = seconds(60);
    assert_eq!(
        most_written_at_once(&mut rig),
        1,
        "an inner element that ends does not give up the slot around"
    );
    assert_eq!(rig.status(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 12);
}

#[test]
fn a_failure_inside_counts_in_every_block_around() {
    let mut rig = block(Some(1), Some(1), 3, |draft, each| {
        let inner = draft.block("inner", Some(each));
        draft.node(inner).for_each = Some(input("list"));
        draft.step("b", Some(inner), PutSame);
    });
    rig.fault("each[e0].inner[e0].b", Phase::Apply, locked());
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    // The inner block has no limit: its other elements belong to one that has begun.
    assert_eq!(rig.step("each[e0].inner[e2].b").name(), "done");
    assert_eq!(written(&rig), BTreeSet::from(["e0"]));
}

#[test]
fn elements_that_need_something_outside_take_no_slot() {
    let mut draft = Draft::default();
    let gate = draft.step("gate", None, PutSame);
    draft.approval(gate, false);
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("list"));
    draft.limits(each).parallel = Some(1);
    let a = draft.step("a", Some(each), PutSame);
    draft.node(a).when = Some(Expr::Literal(json!(true)));
    let b = draft.step("b", Some(each), PutSame);
    draft.needs(b, a);
    draft.needs(b, gate);
    let inputs: IndexMap<_, _> = [("list".to_owned(), json!(["e0", "e1"]))].into_iter().collect();
    let mut rig = Rig::with_inputs(draft.plan(), inputs);
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    assert_eq!(rig.step("each[e1].a").name(), "done", "e0 has begun, and only a person can let it go on");
    rig.send("boss", Signal::Approve { step: "gate".into(), speaks_for: Some("boss".to_owned()) });
    rig.world.converge = seconds(60);
    while rig.turn() {}
    assert_eq!(rig.status(), SUCCEEDED);
}

#[test]
fn a_gate_that_is_only_written_before_a_step_holds_it_and_undo_pays_no_attention_to_it() {
    let mut draft = Draft::default();
    let first = draft.step("first", None, PutSame);
    let gate = draft.step("gate", None, PutSame);
    draft.approval(gate, false);
    draft.needs(gate, first);
    let after = draft.step("after", None, PutSame);
    draft.behind(after, gate);
    let mut rig = Rig::new(draft.plan());
    assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
    assert_eq!(rig.step("after").name(), "pending");
    let waits = rig.state.find(&"after".into()).unwrap().waits_for().into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(waits, ["gate".into()]);
    rig.send("boss", Signal::Approve { step: "gate".into(), speaks_for: Some("boss".to_owned()) });
    assert_eq!(rig.drive(), SUCCEEDED);
    rig.send("me", Signal::Undo);
    let turns: Vec<String> = rig.state.undo_plan().iter().map(|item| item.key().to_string()).collect();
    assert_eq!(turns.len(), 3);
    assert_eq!(rig.drive(), RunStatus::Undone);
}

#[test]
fn a_gate_that_is_skipped_or_condition_false_is_met() {
    for skipped in [true, false] {
        let mut draft = Draft::default();
        let gate = draft.step("gate", None, PutSame);
        draft.approval(gate, false);
        if !skipped {
            draft.node(gate).when = Some(Expr::Literal(json!(false)));
        }
        let heading = draft.block("heading", None);
        draft.behind(heading, gate);
        draft.step("after", Some(heading), PutSame);
        let mut rig = Rig::new(draft.plan());
        if skipped {
            assert!(matches!(rig.drive(), RunStatus::Waiting { .. }));
            let waits = rig.state.find(&"after".into()).unwrap().waits_for().len();
            assert_eq!(waits, 1, "a step waits for what the heading around it waits for");
            rig.send("me", Signal::Skip { step: "gate".into(), values: std::collections::BTreeMap::new() });
        }
        assert!(matches!(rig.drive(), RunStatus::Done { .. }));
        assert_eq!(rig.step("after").name(), "done");
    }
}
