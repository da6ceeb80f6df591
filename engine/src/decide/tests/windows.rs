//! Requests that arrive after their driver ended or timed out: nothing is undone, deleted or created again while one may
//! still take effect. The tests compare with the world's ledger, read long after.

use twinspan_plans::EffectClass::{CreateNamed, PostWithProbe, PutSame};

use super::plans::{Draft, chain, seconds};
use super::rig::{Death, Rig};
use super::world::{Change, Fault, thing, transient};
use crate::decide::NOT_DELETED;
use crate::event::{Event, StepEvent};
use crate::job::KindRules;
use crate::observation::{Marker, Observed, Phase};
use crate::signal::{Choice, Signal};
use crate::state::{RunStatus, StepState};

const SUCCEEDED: RunStatus = RunStatus::Done { skipped: 0 };
const WINDOW: u64 = 90;
const CONSISTENCY_DELAY: u64 = 10;

fn rig(effects: &[twinspan_plans::EffectClass]) -> Rig {
    let mut rig = Rig::new(chain(effects));
    rig.world.rules =
        KindRules { settle: seconds(CONSISTENCY_DELAY), window: seconds(WINDOW), ..KindRules::default() };
    rig
}

/// Drives until the write of `phase` is sent, and kills the driver there: another one takes over.
fn kill_while_sending(rig: &mut Rig, step: &str, phase: Phase, fault: Fault) {
    rig.fault(step, phase, fault);
    while !rig.world.performed.contains(&(step.to_owned(), phase)) {
        if rig.step(step).phase() == Some(phase) {
            rig.death = Some(Death::Before(rig.events.len()));
        }
        assert!(rig.turn(), "{step} is never sent\n{}", rig.story());
    }
    assert_eq!(rig.death, None, "{}", rig.story());
}

/// The world's state when every late request has arrived.
fn left_at_last(rig: &mut Rig) -> Vec<String> {
    rig.now = rig.now.checked_add(seconds(10 * WINDOW)).unwrap();
    rig.world.arrive(rig.now);
    rig.world.things.keys().cloned().collect()
}

/// When the last write of this phase was announced, in seconds after `since`.
fn sent_after(rig: &Rig, wanted: Phase, since: jiff::Timestamp) -> i64 {
    let sent = rig.events.iter().rev().find(|recorded| {
        matches!(&recorded.event, Event::Step { event: StepEvent::Intended { phase, .. }, .. } if *phase == wanted)
    });
    sent.unwrap_or_else(|| panic!("{wanted:?} was not sent\n{}", rig.story()))
        .at
        .duration_since(since)
        .as_secs()
}

#[test]
fn a_create_that_the_dead_driver_sent_is_undone_whenever_it_lands() {
    for effect in [PutSame, CreateNamed, PostWithProbe] {
        for late in [None, Some(0), Some(1), Some(5), Some(30), Some(WINDOW - 1)] {
            let mut rig = rig(&[PutSame, effect]);
            let fault = late.map_or(Fault::LostBefore, |late| Fault::ArrivesLate(seconds(late)));
            kill_while_sending(&mut rig, "s1", Phase::Apply, fault);
            let taken = rig.now;
            rig.send("me", Signal::Undo);
            assert_eq!(rig.drive(), RunStatus::Undone, "{effect:?} {late:?}\n{}", rig.story());
            assert!(rig.now.duration_since(taken).as_secs() >= WINDOW as i64, "{effect:?} {late:?}");
            assert_eq!(left_at_last(&mut rig), Vec::<String>::new(), "{effect:?} {late:?}\n{}", rig.story());
            assert_eq!(rig.step("s1").name(), "undone");
        }
    }
}

#[test]
fn no_delete_is_sent_before_the_windows_of_all_attempts_have_passed() {
    // The first attempt is late, the second is accepted: the first one still counts.
    let mut rig = rig(&[PutSame]);
    rig.fault("s0", Phase::Apply, Fault::ArrivesLate(seconds(60)));
    let sent = rig.now;
    assert_eq!(rig.drive(), SUCCEEDED);
    assert!(rig.now.duration_since(sent).as_secs() < 30, "PutSame is sent again at once");
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
    assert!(sent_after(&rig, Phase::Undo, sent) >= WINDOW as i64, "{}", rig.story());
    assert_eq!(left_at_last(&mut rig), Vec::<String>::new());
    let wait = rig.events.iter().find_map(|recorded| match &recorded.event {
        Event::Step { event: StepEvent::Waiting { wait, .. }, .. } => Some(wait.what.clone()),
        _ => None,
    });
    let words = wait.unwrap_or_else(|| panic!("no wait\n{}", rig.story()));
    assert!(words.starts_with("attempt 1 was sent at 2026-11-23T08:00:00Z"), "{words}");
    assert!(
        words.ends_with("it may still take effect until 2026-11-23T08:01:30Z; then it is deleted"),
        "{words}"
    );
}

#[test]
fn a_new_process_counts_each_window_anew_from_its_take_over() {
    let mut rig = rig(&[PutSame]);
    kill_while_sending(&mut rig, "s0", Phase::Apply, Fault::AppliedThenLost);
    rig.send("me", Signal::Undo);
    for _ in 0..3 {
        rig.look_on();
        rig.now = rig.now.checked_add(seconds(WINDOW / 2)).unwrap();
        rig.take_over();
    }
    let taken = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(
        (WINDOW as i64..WINDOW as i64 + 5).contains(&sent_after(&rig, Phase::Undo, taken)),
        "{}",
        rig.story()
    );
}

#[test]
fn a_delete_that_may_still_land_keeps_undo_open() {
    for (kill, fault) in [
        (true, Fault::ArrivesLate(seconds(70))),
        (true, Fault::LostBefore),
        (false, Fault::ArrivesLate(seconds(70))),
        (false, Fault::AppliedThenLost),
    ] {
        let mut rig = rig(&[PutSame]);
        rig.drive();
        rig.send("me", Signal::Undo);
        if kill {
            kill_while_sending(&mut rig, "s0", Phase::Undo, fault.clone());
        } else {
            rig.fault("s0", Phase::Undo, fault.clone());
        }
        let sent = rig.now;
        assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
        assert!(rig.now.duration_since(sent).as_secs() >= WINDOW as i64, "{kill} {fault:?}\n{}", rig.story());
        assert_eq!(left_at_last(&mut rig), Vec::<String>::new());
    }
}

#[test]
fn what_the_plan_wants_gone_is_not_proven_gone_while_a_request_is_open() {
    for fault in [Fault::AppliedThenLost, Fault::ArrivesLate(seconds(70)), Fault::LostBefore] {
        let mut draft = Draft::default();
        let gone = draft.removal("gone", None, PutSame);
        let next = draft.step("next", None, PutSame);
        draft.needs(next, gone);
        let mut rig = Rig::new(draft.plan());
        rig.world.rules =
            KindRules { settle: seconds(CONSISTENCY_DELAY), window: seconds(WINDOW), ..KindRules::default() };
        rig.world.things.insert("gone".to_owned(), thing(Marker::None));
        rig.fault("gone", Phase::Apply, fault.clone());
        let begun = rig.now;
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        let after = sent_after(&rig, Phase::Apply, begun);
        assert!(
            after >= WINDOW as i64,
            "{fault:?}: what comes after it began after {after} s\n{}",
            rig.story()
        );
        assert_eq!(left_at_last(&mut rig), ["next"]);
    }
}

#[test]
fn what_is_created_again_is_not_hit_by_the_delete_before_it() {
    for late in [1, 20, WINDOW - 1] {
        let mut rig = rig(&[PutSame, PutSame]);
        let mut other = thing(Marker::None);
        other.differs = true;
        rig.world.things.insert("s0".to_owned(), other);
        rig.drive();
        rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
        kill_while_sending(&mut rig, "s0", Phase::Undo, Fault::ArrivesLate(seconds(late)));
        assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
        assert_eq!(left_at_last(&mut rig), ["s0", "s1"], "{late} s late\n{}", rig.story());
    }
}

/// A DELETE is late while reads still find the resource: that proves nothing.
#[test]
fn a_resource_that_may_still_be_deleted_is_proven_after_the_window() {
    let mut rig = rig(&[PutSame]);
    let mut other = thing(Marker::None);
    other.differs = true;
    rig.world.things.insert("s0".to_owned(), other);
    rig.drive();
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Recreate });
    kill_while_sending(&mut rig, "s0", Phase::Undo, Fault::ArrivesLate(seconds(40)));
    let taken = rig.now;
    // Another client creates what the plan wants, and a person adopts it.
    rig.world.things.get_mut("s0").unwrap().differs = false;
    rig.send("me", Signal::Retry { step: Some("s0".into()) });
    assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
    assert!(rig.now.duration_since(taken).as_secs() >= WINDOW as i64, "{}", rig.story());
    assert_eq!(left_at_last(&mut rig), ["s0"], "{}", rig.story());
}

#[test]
fn forward_an_equal_resource_settles_an_uncertain_create_at_once() {
    for effect in [PutSame, CreateNamed, PostWithProbe] {
        let mut rig = rig(&[effect]);
        kill_while_sending(&mut rig, "s0", Phase::Apply, Fault::AppliedThenLost);
        let taken = rig.now;
        assert_eq!(rig.drive(), SUCCEEDED);
        assert_eq!(rig.now, taken, "{effect:?}\n{}", rig.story());
    }
}

/// A create that must not be repeated is not sent again before the request window has passed, whatever a person orders.
#[test]
fn what_is_not_the_same_when_sent_twice_waits_for_the_window() {
    for effect in [CreateNamed, PostWithProbe] {
        for late in [1, 30, WINDOW - 1] {
            let mut rig = rig(&[effect]);
            rig.fault("s0", Phase::Apply, Fault::ArrivesLate(seconds(late)));
            while rig.step("s0").name() != "uncertain" {
                rig.turn();
            }
            for _ in 0..4 {
                rig.send("me", Signal::Retry { step: Some("s0".into()) });
                rig.turn();
                rig.turn();
            }
            assert_eq!(rig.drive(), SUCCEEDED, "{}", rig.story());
            assert_eq!(rig.world.ledger, [("s0".to_owned(), Change::Created)], "{effect:?} {late}");
        }
    }
}

#[test]
fn what_was_proven_and_is_not_found_is_not_deleted_and_says_so() {
    let mut rig = rig(&[PutSame, PutSame]);
    rig.drive();
    let gone = rig.world.things.remove("s1").unwrap();
    rig.send("me", Signal::Undo);
    let asked = rig.now;
    while rig.now.duration_since(asked).as_secs() < 40 {
        rig.turn();
        if rig.step("s1").name() == "undo-verifying" && rig.now.duration_since(asked).as_secs() > 5 {
            break;
        }
    }
    assert_eq!(rig.status(), RunStatus::Undoing);
    let doubt = rig.state.find(&"s1".into()).unwrap().absence().unwrap();
    assert!(doubt.starts_with("not found, although it was proven at 2026-11-23T08:00:00Z"), "{doubt}");
    // A replica did not know the resource: reads find it again, and it is then deleted.
    let mut back = Rig::new(chain(&[PutSame, PutSame]));
    std::mem::swap(&mut back, &mut rig);
    back.world.things.insert("s1".to_owned(), gone);
    assert_eq!(back.drive(), RunStatus::Undone);
    assert_eq!(back.world.count("s1", Change::Removed), 1, "{}", back.story());
    // It stays absent: this run deleted nothing, and says so.
    let mut away = self::rig(&[PutSame, PutSame]);
    away.drive();
    away.world.things.remove("s1");
    away.send("me", Signal::Undo);
    let asked = away.now;
    assert_eq!(away.drive(), RunStatus::Undone);
    assert!(away.now.duration_since(asked).as_secs() >= WINDOW as i64, "{}", away.story());
    let StepState::Undone(evidence) = away.step("s1") else { panic!("{}", away.story()) };
    assert!(evidence.also[NOT_DELETED].starts_with("not found, although it was proven"), "{evidence:?}");
    let StepState::Undone(evidence) = away.step("s0") else { panic!("{}", away.story()) };
    assert!(!evidence.also.contains_key(NOT_DELETED), "what was deleted was deleted");
}

#[test]
fn what_was_accepted_and_never_seen_keeps_undo_open_too() {
    let mut rig = rig(&[PutSame]);
    for _ in 0..200 {
        rig.fault("s0", Phase::Verify, Fault::Sees(Box::new(Observed::Absent)));
    }
    assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
    rig.world.faults.clear();
    rig.world.things.clear();
    rig.send("me", Signal::Undo);
    let asked = rig.now;
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert!(rig.now.duration_since(asked).as_secs() >= WINDOW as i64, "{}", rig.story());
}

/// Two steps of a run change the same resource: a request of one counts for the other.
#[test]
fn a_request_of_another_step_on_the_same_resource_is_waited_for() {
    let mut rig = rig(&[PutSame, PutSame]);
    rig.world.shared = true;
    rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
    let sent = rig.now;
    rig.drive();
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
    let first = rig.events.iter().find(|recorded| {
        matches!(&recorded.event, Event::Step { event: StepEvent::Intended { phase: Phase::Undo, .. }, .. })
    });
    assert!(first.unwrap().at.duration_since(sent).as_secs() >= WINDOW as i64, "{}", rig.story());
}

#[test]
fn a_request_that_was_answered_is_not_waited_for() {
    for fault in [None, Some(Fault::Refused(transient()))] {
        let mut rig = rig(&[PutSame]);
        if let Some(fault) = fault {
            rig.fault("s0", Phase::Apply, fault);
        }
        rig.drive();
        rig.send("me", Signal::Undo);
        let asked = rig.now;
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert!(rig.now.duration_since(asked).as_secs() < 10, "{}", rig.story());
    }
}
