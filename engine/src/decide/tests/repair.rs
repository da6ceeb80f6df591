//! Repair: drifted steps begin again with a probe, in the order of needs, and all others stay done.

use std::sync::Arc;

use proptest::prelude::*;
use twinspan_plans::EffectClass::{CreateNamed, PutSame, Read};
use twinspan_plans::Plan;

use super::plans::{Draft, output};
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::drift::{RepairAct, repairs};
use crate::event::{Event, Origin, Outcome};
use crate::finding::DriftState;
use crate::observation::{Marker, Phase};
use crate::signal::{Choice, Repair, Signal};
use crate::state::{RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

/// Two steps, a check of both, and two dependents: one step that reads an output, one that does not.
fn plan() -> Arc<Plan> {
    let mut draft = Draft::default();
    let one = draft.step("one", None, PutSame);
    let two = draft.step("two", None, CreateNamed);
    draft.needs(two, one);
    let look = draft.step("look", None, Read);
    draft.need(look, one, Vec::new(), true);
    draft.need(look, two, Vec::new(), true);
    let block = draft.block("block", None);
    draft.needs(block, look);
    let reader = draft.step("reader", Some(block), PutSame);
    draft.need(reader, two, Vec::new(), true);
    let with = twinspan_plans::expr::Template::Map(vec![(
        "name".to_owned(),
        twinspan_plans::expr::Template::Expr(output(two, Vec::new())),
    )]);
    draft.def(reader).with = with;
    let end = draft.step("end", None, PutSame);
    draft.needs(end, block);
    draft.plan()
}

fn done() -> Rig {
    let mut rig = Rig::new(plan());
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    rig
}

fn repair(step: &str, choice: Option<Choice>) -> Repair {
    Repair { step: step.into(), choice }
}

fn ends(rig: &Rig) -> usize {
    let end = |recorded: &&crate::event::Recorded| {
        matches!(recorded.event, Event::RunEnded { outcome: Outcome::Done })
    };
    rig.events.iter().filter(end).count()
}

#[test]
fn what_was_not_touched_is_the_same_and_needs_no_repair() {
    let mut rig = done();
    let findings = rig.verify();
    assert_eq!(findings.len(), 5);
    assert!(findings.iter().all(|finding| finding.drift == DriftState::InSync), "{findings:?}");
    assert_eq!((rig.status(), rig.state.drift()), (SUCCEEDED, Some(0)));
    assert_eq!(repairs(&rig.state, &"one".into()), Ok(Vec::new()));
    // A verification does not change the run: it has ended, and stays so.
    assert!(!rig.turn());
    assert_eq!(rig.world.ledger.len(), 4);
}

#[test]
fn each_way_to_drift_is_told_from_the_others() {
    let mut rig = done();
    let things = &mut rig.world.things;
    things.remove("one");
    things.get_mut("two").unwrap().broken = true;
    things.get_mut("look").unwrap().conflict = true;
    things.get_mut("reader").unwrap().marker = Marker::Of("ffffffff".to_owned());
    things.get_mut("end").unwrap().marker = Marker::None;
    rig.verify();
    let found: Vec<_> = rig.drifted();
    let wanted = [
        ("one", "missing"),
        ("two", "broken"),
        ("look", "broken"),
        ("reader", "owned-by-another-run"),
        ("end", "drifted"),
    ];
    assert_eq!(found, wanted.map(|(step, name)| (step.to_owned(), name)));
    assert_eq!(
        (rig.status(), rig.state.drift()),
        (SUCCEEDED, Some(5)),
        "drift is another fact than the status"
    );
    let act = |step: &str| rig.state.find(&step.into()).unwrap().repair_act();
    let acts = ["one", "two", "look", "reader", "end"].map(act);
    let wanted =
        [RepairAct::Create, RepairAct::Recreate, RepairAct::Check, RepairAct::Decide, RepairAct::Overwrite];
    assert_eq!(acts, wanted, "a step that only reads is checked");
    let unasked = |step: &str| rig.state.find(&step.into()).unwrap().may_repair_unasked();
    assert!(unasked("two") && !unasked("reader"), "it recreates only what the run created");
    // A later verification that finds everything in sync says so.
    let fresh = done();
    rig.world.things = fresh.world.things;
    rig.verify();
    assert_eq!((rig.drifted(), rig.state.drift()), (Vec::new(), Some(0)));
}

#[test]
fn what_cannot_be_read_has_not_drifted() {
    let mut rig = done();
    for class in [crate::failure::FailureClass::Permission, crate::failure::FailureClass::Transient] {
        rig.fault("one", Phase::Verify, Fault::Refused(crate::failure::StepError::new(class, "no")));
        let findings = rig.verify();
        assert!(matches!(findings[0].drift, DriftState::Unreadable { .. }), "{findings:?}");
        assert_eq!(rig.state.drift(), Some(0));
    }
}

#[test]
fn a_thing_that_is_gone_is_made_anew_with_what_depends_on_it() {
    let mut rig = done();
    rig.world.things.remove("two");
    rig.world.things.get_mut("look").unwrap().conflict = true;
    let repaired = rig.repair("two");
    assert_eq!(repaired, [repair("two", None), repair("look", None), repair("reader", None)]);
    // A person repairs a read-only step by repairing what it reads.
    rig.world.things.get_mut("look").unwrap().conflict = false;
    assert_eq!(rig.step("look").name(), "pending");
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!(rig.world.count("two", Change::Created), 2);
    assert_eq!((rig.world.count("one", Change::Created), rig.world.count("reader", Change::Created)), (1, 1));
    assert_eq!((rig.state.drift(), ends(&rig)), (Some(0), 2));
    let place = |step: &str, name: &str| {
        rig.events.iter().rposition(|recorded| {
            matches!(&recorded.event, Event::Step { step: of, event } if &*of.0 == step && event.name() == name)
        })
    };
    assert!(place("two", "done") < place("look", "done"), "{}", rig.story());
    assert!(place("look", "done") < place("reader", "done"), "{}", rig.story());
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(
        rig.world.things.keys().collect::<Vec<_>>(),
        ["look"],
        "undo deletes the recreated resource too"
    );
}

#[test]
fn a_look_that_is_wrong_leads_to_what_it_needs() {
    let mut rig = done();
    rig.world.things.get_mut("one").unwrap().broken = true;
    rig.world.things.remove("two");
    rig.world.things.get_mut("look").unwrap().conflict = true;
    rig.verify();
    for asked in ["look", "two", "one"] {
        let all = repairs(&rig.state, &asked.into()).unwrap();
        let wanted = [
            repair("one", Some(Choice::Recreate)),
            repair("two", None),
            repair("look", None),
            repair("reader", None),
        ];
        assert_eq!(all, wanted, "{asked}");
    }
    rig.repair("look");
    rig.world.things.get_mut("look").unwrap().conflict = false;
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    let changes: Vec<_> =
        rig.world.ledger[4..].iter().map(|(name, change)| (name.as_str(), *change)).collect();
    assert_eq!(
        changes,
        [("one", Change::Removed), ("one", Change::Created), ("two", Change::Created)],
        "one after the other"
    );
}

#[test]
fn a_run_that_is_halted_is_repaired_the_same_way() {
    let mut rig = Rig::new(plan());
    let mut wrong = thing(Marker::NoPlace);
    wrong.conflict = true;
    rig.world.things.insert("look".to_owned(), wrong);
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    rig.world.things.get_mut("two").unwrap().broken = true;
    let repaired = rig.repair("look");
    assert_eq!(repaired, [repair("two", Some(Choice::Recreate)), repair("look", None)]);
    rig.world.things.get_mut("look").unwrap().conflict = false;
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!(rig.world.count("two", Change::Created), 2);
}

#[test]
fn what_healed_before_its_turn_is_left_as_it_is() {
    let mut rig = done();
    rig.world.things.get_mut("two").unwrap().broken = true;
    rig.repair("two");
    rig.world.things.get_mut("two").unwrap().broken = false;
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.count("two", Change::Removed), 0, "{}", rig.story());
    assert!(matches!(rig.step("two"), StepState::Done(proof) if proof.origin == Origin::Created));
}

#[test]
fn what_another_run_took_is_not_touched_without_a_decision() {
    let mut rig = done();
    rig.world.things.get_mut("end").unwrap().marker = Marker::Of("ffffffff".to_owned());
    assert_eq!(rig.repair("end"), [repair("end", None)]);
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.step("end").name(), "needs-decision");
    assert_eq!(rig.world.ledger.len(), 4);
    rig.send("me", Signal::Decide { step: "end".into(), choice: Choice::Adopt });
    assert_eq!(rig.drive(), SUCCEEDED);
    rig.verify();
    assert_eq!(rig.drifted(), [], "what a person adopted is what was proven");
    rig.send("me", Signal::Undo);
    rig.drive();
    assert!(rig.world.things.contains_key("end"), "another's is kept");
}

#[test]
fn what_lost_its_marker_is_written_over_and_not_removed_by_undo() {
    let mut rig = done();
    rig.world.things.get_mut("end").unwrap().marker = Marker::None;
    assert_eq!(rig.repair("end"), [repair("end", Some(Choice::Overwrite))]);
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.count("end", Change::Updated), 1);
    assert!(matches!(rig.step("end"), StepState::Done(proof) if proof.origin == Origin::Updated));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["end", "look"], "it may be another's by now");
}

#[test]
fn runs_that_do_not_go_forward_are_not_repaired() {
    let mut rig = done();
    rig.world.things.remove("one");
    rig.verify();
    rig.send("me", Signal::Undo);
    assert!(repairs(&rig.state, &"one".into()).unwrap_err().what.contains("being undone"));
    rig.drive();
    assert!(repairs(&rig.state, &"one".into()).unwrap_err().what.contains("was undone"));
    let asked = Signal::Repair { step: "one".into(), repairs: vec![repair("one", None)] };
    rig.send("me", asked);
    assert_eq!(rig.drive(), RunStatus::Undone, "a request that does not fit has no effect");
    let mut rig = Rig::new(plan());
    rig.send("me", Signal::Cancel);
    assert!(repairs(&rig.state, &"one".into()).unwrap_err().what.contains("cancelled"));
}

#[test]
fn what_is_on_its_way_is_left_to_its_own_looks() {
    let mut rig = Rig::new(plan());
    rig.fault("two", Phase::Apply, Fault::LostBefore);
    while rig.step("two").name() != "uncertain" {
        assert!(rig.turn());
    }
    rig.world.things.remove("one");
    rig.verify();
    for asked in ["one", "two"] {
        assert_eq!(repairs(&rig.state, &asked.into()).unwrap(), [repair("one", None)]);
    }
    rig.repair("one");
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!((rig.world.count("one", Change::Created), rig.world.count("two", Change::Created)), (2, 1));
}

#[test]
fn what_an_adopted_difference_was_is_part_of_the_proof() {
    let mut rig = Rig::new(plan());
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    let mut other = thing(Marker::None);
    other.broken = true;
    rig.world.things.insert("one".to_owned(), other);
    rig.drive();
    rig.send("me", Signal::Decide { step: "one".into(), choice: Choice::Adopt });
    assert_eq!(rig.drive(), SUCCEEDED);
    rig.verify();
    assert_eq!(rig.drifted(), []);
}

#[test]
fn every_prefix_of_a_repair_can_be_taken_over() {
    let broken = || {
        let mut rig = done();
        rig.world.things.get_mut("one").unwrap().broken = true;
        rig.world.things.remove("two");
        rig.repair("one");
        rig
    };
    let mut clean = broken();
    let begin = clean.events.len();
    assert_eq!(clean.drive(), SUCCEEDED);
    let mut cases = 0;
    for length in begin..=clean.events.len() {
        for death in [Death::After(length), Death::Before(length)] {
            let mut rig = broken();
            rig.death = Some(death);
            assert_eq!(rig.drive(), SUCCEEDED, "{death:?}\n{}", rig.story());
            assert_eq!(rig.world.ledger, clean.world.ledger, "{death:?}");
            assert_eq!(rig.names(), clean.names());
            cases += 1;
        }
    }
    assert!(cases >= 25, "{cases} cases");
}

#[derive(Clone, Debug)]
enum Drift {
    Remove,
    Break,
    Unmark,
}

fn drift() -> impl Strategy<Value = (usize, Drift)> {
    let kind = prop_oneof![Just(Drift::Remove), Just(Drift::Break), Just(Drift::Unmark)];
    (0..4_usize, kind)
}

const MADE: [&str; 4] = ["one", "two", "reader", "end"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// Whatever drifts, and wherever its driver dies or loses a response: a repair of all drift ends the run with everything
    /// in sync, and undo leaves nothing that is proven to be owned by this run.
    #[test]
    fn whatever_drifts_is_mended(
        drifts in prop::collection::vec(drift(), 1..5),
        deaths in prop::collection::vec(1..12_usize, 0..4),
        lost in prop::collection::vec((0..4_usize, any::<bool>(), any::<bool>()), 0..3),
        pause in any::<bool>(),
    ) {
        let mut rig = done();
        let mut unmarked = std::collections::BTreeSet::new();
        for (at, drift) in &drifts {
            let name = MADE[*at];
            match (drift, rig.world.things.get_mut(name)) {
                (Drift::Remove, _) => drop(rig.world.things.remove(name)),
                (Drift::Break, Some(thing)) => thing.broken = true,
                (Drift::Unmark, Some(thing)) => {
                    thing.marker = Marker::None;
                    unmarked.insert(name);
                }
                (_, None) => {}
            }
        }
        for (at, undo, arrives) in lost {
            let phase = if undo { Phase::Undo } else { Phase::Apply };
            let fault = if arrives { Fault::AppliedThenLost } else { Fault::LostBefore };
            rig.fault(MADE[at], phase, fault);
        }
        rig.verify();
        while let Some((step, _)) = rig.drifted().first().cloned() {
            rig.repair(&step);
            for turns in &deaths {
                for _ in 0..*turns {
                    rig.turn();
                }
                rig.take_over();
            }
            if pause {
                rig.send("me", Signal::Pause);
                rig.drive();
                rig.send("me", Signal::Resume);
            }
            prop_assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        }
        rig.world.faults.clear();
        let findings = rig.verify();
        prop_assert!(findings.iter().all(|finding| finding.drift == DriftState::InSync), "{findings:?}\n{}", rig.story());
        for name in MADE {
            prop_assert!(rig.world.things.contains_key(name), "{name}\n{}", rig.story());
        }
        rig.send("me", Signal::Undo);
        prop_assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
        let kept = rig.world.things.keys().filter(|name| MADE.contains(&name.as_str()));
        let kept: Vec<_> = kept.filter(|name| !unmarked.contains(name.as_str())).collect();
        prop_assert!(kept.is_empty(), "{kept:?}\n{}", rig.story());
    }
}

#[test]
fn a_refused_removal_halts_the_repair_and_can_be_asked_again() {
    let mut rig = done();
    rig.world.things.get_mut("two").unwrap().broken = true;
    rig.fault("two", Phase::Undo, Fault::Keeps);
    rig.repair("two");
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }), "{}", rig.story());
    rig.fault("two", Phase::Undo, Fault::Refused(transient()));
    // The rest of the repair is repaired the same way.
    rig.send("me", Signal::Retry { step: Some("two".into()) });
    rig.drive();
    rig.send("me", Signal::Decide { step: "two".into(), choice: Choice::Recreate });
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert_eq!(rig.world.count("two", Change::Created), 2);
}
