//! Blocks, conditions, collections, keyed needs, limits.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::{Value, json};
use twinspan_plans::EffectClass::{PutSame, Read};
use twinspan_plans::expr::{Expr, Template};

use super::plans::{Draft, input, output};
use super::rig::Rig;
use super::world::Fault;
use crate::decide::{Effect, decide};
use crate::failure::{FailureClass, StepError};
use crate::observation::Phase;
use crate::signal::Signal;
use crate::state::{BlockState, ItemKind, RunStatus};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };

fn inputs(values: Value) -> IndexMap<String, Value> {
    values.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn headings_add_nothing_to_names_and_scopes_do() {
    let mut draft = Draft::default();
    let heading = draft.block("heading", None);
    draft.step("a", Some(heading), PutSame);
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("map"));
    let inner = draft.block("inner", Some(each));
    let b = draft.step("b", Some(inner), PutSame);
    draft.def(b).with = Template::Expr(Expr::EachKey(0));
    let nested = draft.step("nested", Some(each), PutSame);
    draft.node(nested).for_each = Some(Expr::EachValue {
        depth: 0,
        path: vec![twinspan_plans::expr::Segment::Field("list".to_owned())],
    });
    let map = json!({ "map": { "x": { "list": ["one", "/a/b/Two"] }, "y": { "list": [] } } });
    let mut rig = Rig::with_inputs(draft.plan(), inputs(map));
    assert_eq!(rig.drive(), SUCCEEDED);
    let made: BTreeSet<&str> = rig.world.things.keys().map(String::as_str).collect();
    let two = "each[x].nested[Two-";
    assert!(made.iter().any(|name| name.starts_with(two) && name.len() == two.len() + 9), "{made:?}");
    for name in ["a", "each[x].b", "each[y].b", "each[x].nested[one]"] {
        assert!(made.contains(name), "{name} in {made:?}");
    }
    assert_eq!(made.len(), 5);
    assert_eq!(rig.state.find(&"each[y].b".into()).unwrap().params().unwrap(), "y");
    let outline = rig.state.outline();
    let kinds: Vec<_> =
        outline.iter().map(|item| (item.key().to_string(), item.kind(), item.depth())).collect();
    assert_eq!(kinds[0], ("heading".to_owned(), ItemKind::Heading, 0));
    assert_eq!(kinds[1], ("a".to_owned(), ItemKind::Step, 1));
    assert_eq!(kinds[2], ("each".to_owned(), ItemKind::Collection, 0));
    assert_eq!(kinds[3], ("each[x]".to_owned(), ItemKind::Element, 1));
}

#[test]
fn a_false_condition_takes_a_whole_block_out_and_counts_as_met() {
    let mut draft = Draft::default();
    let block = draft.block("block", None);
    draft.node(block).when = Some(input("wanted"));
    let a = draft.step("a", Some(block), PutSame);
    let all = draft.step("all", Some(block), PutSame);
    draft.node(all).for_each = Some(input("list"));
    let after = draft.step("after", None, PutSame);
    draft.needs(after, a);
    draft.needs(after, all);
    draft.def(after).with = Template::Map(vec![(
        "first".to_owned(),
        Template::Expr(Expr::Or(vec![output(a, Vec::new()), Expr::Literal(json!("none"))])),
    )]);
    for (wanted, made, first) in [(true, 4, "/things/a"), (false, 1, "none")] {
        let mut again = Draft::default();
        std::mem::swap(&mut again, &mut draft);
        let plan = again.plan();
        let values = json!({ "wanted": wanted, "list": ["p", "q"] });
        let mut rig = Rig::with_inputs(plan.clone(), inputs(values));
        assert_eq!(rig.drive(), SUCCEEDED);
        assert_eq!(rig.world.things.len(), made);
        assert_eq!(rig.state.find(&"after".into()).unwrap().params().unwrap()["first"], first);
        if !wanted {
            let block = rig.state.find(&"block".into()).unwrap();
            assert_eq!(block.block_state(), Some(&BlockState::ConditionFalse));
            assert_eq!(rig.step("a").name(), "condition-false");
        }
        draft = rebuild();
    }
}

fn rebuild() -> Draft {
    let mut draft = Draft::default();
    let block = draft.block("block", None);
    draft.node(block).when = Some(input("wanted"));
    let a = draft.step("a", Some(block), PutSame);
    let all = draft.step("all", Some(block), PutSame);
    draft.node(all).for_each = Some(input("list"));
    let after = draft.step("after", None, PutSame);
    draft.needs(after, a);
    draft.needs(after, all);
    draft.def(after).with = Template::Map(vec![(
        "first".to_owned(),
        Template::Expr(Expr::Or(vec![output(a, Vec::new()), Expr::Literal(json!("none"))])),
    )]);
    draft
}

#[test]
fn an_empty_collection_is_done_with_an_empty_map() {
    let mut draft = Draft::default();
    let all = draft.step("all", None, PutSame);
    draft.node(all).for_each = Some(input("list"));
    let after = draft.step("after", None, PutSame);
    draft.need(after, all, Vec::new(), true);
    draft.def(after).with = Template::Expr(Expr::Output { node: all, keys: Vec::new(), path: Vec::new() });
    let mut rig = Rig::with_inputs(draft.plan(), inputs(json!({ "list": [] })));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(*rig.state.find(&"after".into()).unwrap().params().unwrap(), json!({}));
}

#[test]
fn collections_are_read_as_a_map_by_key() {
    let mut draft = Draft::default();
    let all = draft.step("all", None, PutSame);
    draft.node(all).for_each = Some(input("map"));
    let after = draft.step("after", None, PutSame);
    draft.need(after, all, Vec::new(), true);
    draft.def(after).with = Template::Expr(Expr::Output { node: all, keys: Vec::new(), path: Vec::new() });
    let mut rig = Rig::with_inputs(draft.plan(), inputs(json!({ "map": { "k": 1, "l": 2 } })));
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(
        *rig.state.find(&"after".into()).unwrap().params().unwrap(),
        json!({ "k": { "id": "/things/all[k]" }, "l": { "id": "/things/all[l]" } })
    );
}

#[test]
fn duplicate_elements_fail_the_collection() {
    let mut draft = Draft::default();
    let all = draft.step("all", None, PutSame);
    draft.node(all).for_each = Some(input("list"));
    let mut rig = Rig::with_inputs(draft.plan(), inputs(json!({ "list": ["x", "x"] })));
    assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed == ["all".into()]));
    let item = rig.state.find(&"all".into()).unwrap();
    assert!(item.last_error().unwrap().message.contains("twice"));
    rig.send("me", Signal::Retry { step: Some("all".into()) });
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
}

/// prepare for each owner; connect for each target, after its own owner only.
fn fleet() -> Draft {
    let mut draft = Draft::default();
    let prepare = draft.block("prepare", None);
    draft.node(prepare).for_each = Some(input("owners"));
    let app = draft.step("app", Some(prepare), PutSame);
    let connect = draft.block("connect", None);
    draft.node(connect).for_each = Some(input("targets"));
    let owner = || Expr::EachValue { depth: 0, path: Vec::new() };
    draft.need(connect, prepare, vec![owner()], false);
    let link = draft.step("link", Some(connect), PutSame);
    draft.need(link, app, vec![owner()], true);
    draft.def(link).with = Template::Expr(output(app, vec![owner()]));
    let all = draft.step("all", None, Read);
    draft.need(all, link, Vec::new(), true);
    draft.def(all).with = Template::Expr(Expr::Output { node: link, keys: Vec::new(), path: Vec::new() });
    draft
}

#[test]
fn a_keyed_need_waits_for_its_own_element_only() {
    let values = json!({ "owners": { "t1": {}, "t2": {} }, "targets": { "a": "t1", "b": "t2", "c": "t1" } });
    let mut rig = Rig::with_inputs(fleet().plan(), inputs(values));
    rig.world.things.insert("all".to_owned(), super::world::thing(crate::observation::Marker::NoPlace));
    let locked = StepError::new(FailureClass::Policy, "locked");
    rig.fault("prepare[t2].app", Phase::Apply, Fault::Refused(locked));
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.step("connect[a].link").name(), "done");
    assert_eq!(rig.step("connect[c].link").name(), "done");
    assert_eq!(rig.step("connect[b].link").name(), "pending");
    assert_eq!(rig.step("all").name(), "pending");
    assert_eq!(
        *rig.state.find(&"connect[a].link".into()).unwrap().params().unwrap(),
        "/things/prepare[t1].app"
    );
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
    let all = rig.state.find(&"all".into()).unwrap().params().unwrap();
    assert_eq!(all.as_object().unwrap().len(), 3);
}

#[test]
fn an_unknown_key_fails_the_reader_with_the_known_ones() {
    let values = json!({ "owners": { "t1": {} }, "targets": { "a": "t1", "b": "t9" } });
    let mut rig = Rig::with_inputs(fleet().plan(), inputs(values));
    rig.drive();
    assert_eq!(rig.step("connect[a].link").name(), "done");
    let element = rig.state.find(&"connect[b]".into()).unwrap();
    let message = &element.last_error().unwrap().message;
    assert!(message.contains("t9") && message.contains("t1"), "{message}");
}

fn fan_out(parallel: Option<u32>, halt_after: Option<u32>, count: usize) -> Rig {
    let mut draft = Draft::default();
    let each = draft.block("each", None);
    draft.node(each).for_each = Some(input("list"));
    draft.limits(each).parallel = parallel;
    draft.limits(each).halt_after = halt_after;
    let a = draft.step("a", Some(each), PutSame);
    let b = draft.step("b", Some(each), PutSame);
    draft.needs(b, a);
    let names: Vec<String> = (0..count).map(|number| format!("e{number}")).collect();
    Rig::with_inputs(draft.plan(), inputs(json!({ "list": names })))
}

#[test]
fn a_fan_out_keeps_to_the_run_wide_limit() {
    let mut rig = fan_out(None, None, 100);
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.world.ledger.len(), 200);
    assert_eq!(rig.most_at_once, 16);
}

#[test]
fn what_is_in_flight_stays_among_the_first() {
    let mut rig = fan_out(None, None, 40);
    let mut in_flight: BTreeSet<String> = BTreeSet::new();
    for turn in 0..600 {
        let jobs: BTreeSet<String> = decide(&rig.state, rig.time())
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Perform(job) => Some(job.step.to_string()),
                _ => None,
            })
            .collect();
        assert!(in_flight.is_subset(&jobs), "turn {turn}: {in_flight:?} in {jobs:?}");
        in_flight = jobs;
        // The phase that is performed now ends, or is followed by its next one.
        if let Some(Effect::Perform(job)) = decide(&rig.state, rig.time()).into_iter().next() {
            in_flight.remove(&*job.step.0);
        }
        if !rig.turn() {
            break;
        }
    }
    assert_eq!(rig.status(), SUCCEEDED);
}

#[test]
fn a_block_lets_so_many_elements_move_at_once() {
    let mut rig = fan_out(Some(2), None, 7);
    assert_eq!(rig.drive(), SUCCEEDED);
    assert_eq!(rig.most_at_once, 2);
    assert_eq!(rig.world.ledger.len(), 14);
}

#[test]
fn a_waiting_person_does_not_hold_a_place() {
    let mut rig = fan_out(Some(1), None, 3);
    let error = StepError::new(FailureClass::NeedsPerson, "sign in");
    for _ in 0..10 {
        rig.fault("each[e0].a", Phase::Probe, Fault::Refused(error.clone()));
    }
    rig.drive();
    assert_eq!(rig.step("each[e1].b").name(), "done");
    assert_eq!(rig.step("each[e2].b").name(), "done");
    assert_eq!(rig.step("each[e0].a").name(), "waiting");
}

#[test]
fn after_so_many_failures_no_further_element_begins() {
    let mut rig = fan_out(Some(1), Some(2), 6);
    for element in ["e0", "e2"] {
        let error = StepError::new(FailureClass::Policy, "locked");
        rig.fault(&format!("each[{element}].a"), Phase::Apply, Fault::Refused(error));
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { failed, .. } if failed.len() == 2));
    assert_eq!(rig.step("each[e1].b").name(), "done");
    assert_eq!(rig.step("each[e3].a").name(), "pending");
    rig.send("me", Signal::Retry { step: None });
    assert_eq!(rig.drive(), SUCCEEDED);
}

#[test]
fn wrong_parameters_fail_the_step_with_words() {
    let mut draft = Draft::default();
    let a = draft.step("a", None, PutSame);
    draft.def(a).with = Template::Expr(Expr::Input {
        name: "map".to_owned(),
        path: vec![twinspan_plans::expr::Segment::Key(Box::new(Expr::Literal(json!("nokey"))))],
    });
    let mut rig = Rig::with_inputs(draft.plan(), inputs(json!({ "map": { "k": 1 } })));
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    let message = rig.state.find(&"a".into()).unwrap().last_error().unwrap().message.clone();
    assert!(message.contains("nokey") && message.contains('k'), "{message}");
    rig.send("me", Signal::Retry { step: Some("a".into()) });
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    assert_eq!(rig.keys().len(), 1);
}

#[test]
fn long_chains_and_wide_fans_cost_the_same_for_each_event() {
    let mut draft = Draft::default();
    let mut before = None;
    for number in 0..10_000 {
        let step = draft.step(&format!("s{number}"), None, PutSame);
        if let Some(before) = before {
            draft.needs(step, before);
        }
        before = Some(step);
    }
    let mut rig = Rig::new(draft.plan());
    let mut turns = 0;
    while rig.turn() {
        turns += 1;
        let effects = decide(&rig.state, rig.time()).len();
        assert!(effects <= 2, "a chain has one thing to do, not {effects}");
    }
    assert_eq!(rig.status(), SUCCEEDED);
    assert!(turns < 40_000, "{turns}");
}
