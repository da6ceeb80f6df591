//! Random faults, deaths and signals. The rig checks I1, I2, I6, I7, I8, I11 and I14 at every step; this test checks that no
//! run gets stuck, no resource is created twice, and undo leaves nothing owned by this run.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use twinspan_plans::EffectClass::{CreateNamed, PostWithProbe, PutSame, Read};
use twinspan_plans::Plan;

use super::plans::{Draft, input, seconds};
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::failure::{FailureClass, StepError};
use crate::job::KindRules;
use crate::observation::{Marker, Phase};
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

const STEPS: [&str; 7] = ["a", "each[x].b", "each[y].b", "each[x].c", "gate", "end", "drop"];

/// Steps that create resources.
const MAKE: usize = 6;

fn plan() -> Arc<Plan> {
    let mut draft = Draft::default();
    let look = draft.step("look", None, Read);
    let a = draft.step("a", None, PutSame);
    draft.needs(a, look);
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("list"));
    draft.limits(each).parallel = Some(1);
    draft.needs(each, a);
    let b = draft.step("b", Some(each), CreateNamed);
    let c = draft.step("c", Some(each), PostWithProbe);
    draft.needs(c, b);
    let gate = draft.step("gate", None, PutSame);
    draft.needs(gate, a);
    draft.approval(gate, false);
    let never = draft.step("never", None, PutSame);
    draft.node(never).when = Some(twinspan_plans::expr::Expr::Literal(json!(false)));
    let drop = draft.removal("drop", None, PutSame);
    draft.needs(drop, a);
    let end = draft.step("end", None, PutSame);
    for needed in [each, gate, never, drop] {
        draft.needs(end, needed);
    }
    draft.plan()
}

#[derive(Clone, Debug)]
enum Act {
    Die,
    Send(Signal),
    Pass(i64),
}

fn fault() -> impl Strategy<Value = (usize, Phase, Fault)> {
    let class = prop::sample::select(vec![
        FailureClass::Throttled,
        FailureClass::InProgress,
        FailureClass::Transient,
        FailureClass::ConflictRetryable,
        FailureClass::ReplicationLag,
        FailureClass::Propagation,
        FailureClass::Credential,
        FailureClass::NeedsPerson,
        FailureClass::Permission,
        FailureClass::Policy,
        FailureClass::PlanWrong,
        FailureClass::Bug,
    ]);
    let refused = class.prop_map(|class| Fault::Refused(StepError::new(class, "refused")));
    let read = prop::sample::select(vec![Phase::Probe, Phase::Verify, Phase::UndoProbe, Phase::UndoVerify]);
    let write = prop::sample::select(vec![Phase::Apply, Phase::Undo]);
    let lost = prop_oneof![
        Just(Fault::AppliedThenLost),
        Just(Fault::LostBefore),
        (1..29u64).prop_map(|late| Fault::ArrivesLate(seconds(late))),
        Just(Fault::Refused(transient())),
    ];
    let one = prop_oneof![
        (read, refused.clone()).boxed(),
        (write.clone(), lost).boxed(),
        (write, refused).boxed(),
    ];
    (0..STEPS.len(), one).prop_map(|(step, (phase, fault))| (step, phase, fault))
}

fn act() -> impl Strategy<Value = Act> {
    let step = prop::sample::select(STEPS.to_vec());
    let of = |make: fn(crate::ids::StepKey) -> Signal| {
        step.clone().prop_map(move |step| Act::Send(make(step.into())))
    };
    prop_oneof![
        3 => Just(Act::Die),
        2 => (1..3_000i64).prop_map(Act::Pass),
        2 => Just(Act::Send(Signal::Pause)),
        3 => Just(Act::Send(Signal::Resume)),
        1 => Just(Act::Send(Signal::Cancel)),
        1 => Just(Act::Send(Signal::Undo)),
        2 => of(|step| Signal::Approve { step, speaks_for: Some("boss".to_owned()) }),
        1 => of(|step| Signal::Reject { step }),
        2 => of(|step| Signal::Retry { step: Some(step) }),
        1 => Just(Act::Send(Signal::Retry { step: None })),
        1 => of(|step| Signal::Skip { step, values: std::collections::BTreeMap::new() }),
        1 => of(|step| Signal::Decide { step, choice: Choice::Overwrite }),
    ]
}

fn rig(faults: &[(usize, Phase, Fault)]) -> Rig {
    let inputs: IndexMap<_, _> = [("list".to_owned(), json!(["x", "y"]))].into_iter().collect();
    let mut rig = Rig::with_inputs(plan(), inputs);
    rig.world.rules = KindRules { settle: seconds(3), window: seconds(30), ..KindRules::default() };
    rig.world.converge = seconds(3);
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    rig.world.things.insert("drop".to_owned(), thing(Marker::Of("deadbeef".to_owned())));
    for (step, phase, fault) in faults {
        rig.fault(STEPS[*step], *phase, fault.clone());
    }
    rig
}

/// Acts like a patient operator, until the run ends.
fn finish(rig: &mut Rig) -> RunStatus {
    rig.world.faults.clear();
    for _ in 0..60 {
        let status = rig.drive();
        match &status {
            RunStatus::Done { .. } | RunStatus::Cancelled { .. } | RunStatus::Undone => return status,
            RunStatus::Paused => rig.send("me", Signal::Resume),
            _ => {
                let steps: Vec<_> = rig
                    .state
                    .steps()
                    .map(|step| (step.key().clone(), step.state().unwrap().clone()))
                    .collect();
                rig.send("me", Signal::Retry { step: None });
                for (step, state) in steps {
                    match state {
                        StepState::NeedsDecision { .. } => {
                            rig.send("me", Signal::Decide { step, choice: Choice::Overwrite });
                        }
                        StepState::Waiting(_) => {
                            rig.send("me", Signal::Approve { step, speaks_for: Some("boss".to_owned()) })
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    panic!("stuck in {:?}\n{}", rig.status(), rig.story());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn runs_end_and_nothing_is_made_twice_or_left_behind(
        faults in prop::collection::vec(fault(), 0..8),
        acts in prop::collection::vec((1..25usize, act()), 0..10),
        before in any::<bool>(),
    ) {
        let mut rig = rig(&faults);
        for (turns, act) in acts {
            for _ in 0..turns {
                rig.turn();
            }
            match act {
                Act::Die if before => rig.death = Some(Death::Before(rig.events.len())),
                Act::Die => rig.take_over(),
                Act::Send(signal) => rig.send("operator", signal),
                Act::Pass(seconds) => {
                    rig.drive_for(SignedDuration::from_secs(seconds));
                }
            }
        }
        let status = finish(&mut rig);
        for name in &STEPS[..MAKE] {
            let (made, changed, removed) = (
                rig.world.count(name, Change::Created),
                rig.world.count(name, Change::Updated),
                rig.world.count(name, Change::Removed),
            );
            // A PUT that is always the same is sent again at once, and its late duplicate changes nothing.
            let twice = name.starts_with("each") && changed > 0;
            prop_assert!(made <= 1 && !twice, "{name}: {made} {changed}\n{}", rig.story());
            if let Some(StepState::Done(_)) = rig.state.find(&(*name).into()).and_then(|item| item.state()) {
                prop_assert_eq!(made - removed, 1, "{}: phantom success", name);
            }
        }
        // A resource that the plan wants absent is deleted at most once, and nothing recreates it.
        let dropped = rig.world.count("drop", Change::Removed);
        prop_assert!(dropped <= 1 && rig.world.ledger.iter().filter(|(name, _)| name == "drop").count() == dropped);
        if let StepState::Done(_) = rig.step("drop") {
            prop_assert_eq!(dropped, 1, "phantom removal\n{}", rig.story());
        }
        if matches!(status, RunStatus::Done { .. } | RunStatus::Cancelled { .. }) {
            rig.send("me", Signal::Undo);
            prop_assert_eq!(finish(&mut rig), RunStatus::Undone);
        }
        // All late requests have arrived.
        rig.now = rig.now.checked_add(seconds(120)).unwrap();
        rig.world.arrive(rig.now);
        let dropped = rig.world.count("drop", Change::Removed);
        let mut left: Vec<&str> = rig.world.things.keys().map(String::as_str).collect();
        prop_assert_eq!(left.contains(&"drop"), dropped == 0, "{}", rig.story());
        left.retain(|name| *name != "drop");
        prop_assert_eq!(left, vec!["look"], "{}", rig.story());
    }

    #[test]
    fn the_same_faults_and_seed_give_the_same_events(faults in prop::collection::vec(fault(), 0..8)) {
        let story = || {
            let mut rig = rig(&faults);
            rig.drive_for(SignedDuration::from_hours(2));
            rig.story()
        };
        prop_assert_eq!(story(), story());
    }
}
