//! A driver dies at every event of a run, before and after: another one finishes the run, and no write is repeated.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::json;
use twinspan_plans::EffectClass::{CreateNamed, PostWithProbe, PutSame, Read};
use twinspan_plans::Plan;

use super::plans::{Draft, input, seconds};
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::job::KindRules;
use crate::observation::{Marker, Phase};
use crate::signal::Signal;
use crate::state::RunStatus;

fn plan() -> Arc<Plan> {
    let mut draft = Draft::default();
    let look = draft.step("look", None, Read);
    let a = draft.step("a", None, PutSame);
    draft.needs(a, look);
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("list"));
    draft.needs(each, a);
    let b = draft.step("b", Some(each), CreateNamed);
    let c = draft.step("c", Some(each), PostWithProbe);
    draft.needs(c, b);
    let end = draft.step("end", None, PutSame);
    draft.needs(end, each);
    draft.plan()
}

fn rig(faulty: bool) -> Rig {
    let inputs: IndexMap<_, _> = [("list".to_owned(), json!(["x", "y"]))].into_iter().collect();
    let mut rig = Rig::with_inputs(plan(), inputs);
    rig.world.rules = KindRules { settle: seconds(30), ..KindRules::default() };
    rig.world.converge = seconds(3);
    rig.world.things.insert("look".to_owned(), thing(Marker::NoPlace));
    if faulty {
        rig.fault("a", Phase::Apply, Fault::AppliedThenLost);
        rig.fault("each[x].b", Phase::Apply, Fault::LostBefore);
        rig.fault("each[y].c", Phase::Apply, Fault::Refused(transient()));
        rig.fault("end", Phase::Verify, Fault::Refused(transient()));
    }
    rig
}

fn created_once(rig: &Rig) -> bool {
    ["a", "each[x].b", "each[x].c", "each[y].b", "each[y].c", "end"].iter().all(|name| {
        rig.world.count(name, Change::Created) == 1 && rig.world.count(name, Change::Updated) == 0
    })
}

#[test]
fn every_prefix_of_a_run_can_be_taken_over() {
    let mut cases = 0;
    for faulty in [false, true] {
        let mut clean = rig(faulty);
        clean.drive();
        assert!(created_once(&clean));
        for length in 2..=clean.events.len() {
            for death in [Death::After(length), Death::Before(length)] {
                let mut rig = rig(faulty);
                rig.death = Some(death);
                assert_eq!(rig.drive(), RunStatus::Done { skipped: 0 }, "{death:?}\n{}", rig.story());
                assert!(created_once(&rig), "{death:?}: {:?}", rig.world.ledger);
                let names = |rig: &Rig| rig.world.things.keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(&rig), names(&clean));
                assert_eq!(rig.names(), clean.names());
                cases += 1;
            }
        }
    }
    assert!(cases > 100, "{cases} cases");
}

#[test]
fn every_prefix_of_an_undo_can_be_taken_over() {
    let mut cases = 0;
    let mut clean = rig(false);
    clean.drive();
    let begin = clean.events.len();
    clean.send("me", Signal::Undo);
    clean.drive();
    for length in begin + 1..=clean.events.len() {
        for death in [Death::After(length), Death::Before(length)] {
            let mut rig = rig(false);
            rig.drive();
            rig.send("me", Signal::Undo);
            rig.death = Some(death);
            assert_eq!(rig.drive(), RunStatus::Undone, "{death:?}\n{}", rig.story());
            assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["look"]);
            for name in ["a", "each[x].b", "end"] {
                assert_eq!(rig.world.count(name, Change::Removed), 1, "{death:?}");
            }
            cases += 1;
        }
    }
    assert!(cases > 40, "{cases} cases");
}
