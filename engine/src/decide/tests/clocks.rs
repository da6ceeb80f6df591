//! The wall clock is set by a day, at every event: no run stops or hurries because of it, live and across a restart.
//! Deadlines of people are dates, and follow it.

use jiff::SignedDuration;
use twinspan_plans::EffectClass::{CreateNamed, PutSame};

use super::plans::{Draft, chain, seconds};
use super::rig::Rig;
use super::world::{Fault, thing, transient};
use crate::failure::{FailureClass, StepError};
use crate::job::KindRules;
use crate::kind_meta::DeleteDelay;
use crate::observation::{Marker, Observed, Phase};
use crate::signal::{Choice, Signal};
use crate::state::RunStatus;
use crate::wait::{Wait, WaitKind};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A run with every wait of the engine: retries, a rate limit, the remote's own time, a permission that becomes effective, an
/// uncertain create, an absence, the delete delay and the request window before a delete.
fn rig() -> Rig {
    let mut draft = Draft::default();
    let gone = draft.removal("gone", None, PutSame);
    let a = draft.step("a", None, PutSame);
    let b = draft.step("b", None, CreateNamed);
    let c = draft.step("c", None, PutSame);
    draft.needs(a, gone);
    draft.needs(b, a);
    draft.needs(c, b);
    let mut rig = Rig::new(draft.plan());
    let delete_delay = DeleteDelay { after: seconds(60), why: "the remote needs a moment" };
    rig.world.rules = KindRules {
        settle: seconds(10),
        window: seconds(90),
        delete_delay: Some(delete_delay),
        ..KindRules::default()
    };
    rig.world.converge = seconds(20);
    rig.world.things.insert("gone".to_owned(), thing(Marker::None));
    rig.fault("a", Phase::Apply, Fault::Refused(transient()));
    let mut throttled = StepError::new(FailureClass::Throttled, "429");
    throttled.retry_after = Some(seconds(17));
    rig.fault("a", Phase::Probe, Fault::Refused(throttled));
    rig.fault("b", Phase::Apply, Fault::LostBefore);
    rig.fault("c", Phase::Apply, Fault::Refused(StepError::new(FailureClass::Propagation, "403")));
    rig.fault("c", Phase::Verify, Fault::Sees(Box::new(Observed::Absent)));
    rig
}

/// Drives the run to its end and undoes it, and sets the clock at a given number of events.
fn there_and_back(at: Option<(usize, SignedDuration, bool)>) -> Rig {
    let mut rig = rig();
    let mut undone = false;
    for _ in 0..5_000 {
        if let Some((events, ahead, restart)) = at
            && rig.events.len() >= events
            && rig.ahead != ahead
        {
            rig.ahead = ahead;
            if restart {
                rig.take_over();
            }
        }
        if rig.turn() {
            continue;
        }
        if undone {
            return rig;
        }
        undone = true;
        rig.send("me", Signal::Undo);
    }
    panic!("does not end\n{}", rig.story());
}

#[test]
fn a_clock_that_is_set_by_a_day_changes_nothing_in_a_live_driver() {
    let clean = there_and_back(None);
    assert_eq!(clean.status(), RunStatus::Undone, "{}", clean.story());
    assert!(clean.events.len() > 40, "{} events", clean.events.len());
    for ahead in [DAY, -DAY] {
        for events in 2..clean.events.len() {
            let set = there_and_back(Some((events, ahead, false)));
            let names =
                |rig: &Rig| rig.events.iter().map(|recorded| recorded.event.name()).collect::<Vec<_>>();
            assert_eq!(names(&set), names(&clean), "{ahead} at {events}");
            assert_eq!(set.now, clean.now, "{ahead} at {events}\n{}", set.story());
        }
    }
}

#[test]
fn a_clock_that_is_set_by_a_day_before_a_restart_holds_nothing_up() {
    let clean = there_and_back(None);
    // A restart begins every safety wait anew: at most one request window, one consistency delay and one delete delay more.
    let slack = SignedDuration::from_secs(90 + 10 + 60 + 60);
    for ahead in [DAY, -DAY] {
        for events in 2..clean.events.len() {
            let set = there_and_back(Some((events, ahead, true)));
            assert_eq!(set.status(), RunStatus::Undone, "{ahead} at {events}\n{}", set.story());
            let more = set.now.duration_since(clean.now);
            assert!(more <= slack, "{ahead} at {events}: {more} more\n{}", set.story());
            assert_eq!(set.world.things.len(), 0);
        }
    }
}

/// The clock was ahead when the run began, and is correct when the next driver takes it.
#[test]
fn a_driver_whose_clock_was_ahead_leaves_no_wait_of_a_day() {
    let clean = there_and_back(None);
    for events in 3..clean.events.len() {
        let mut rig = rig();
        rig.ahead = DAY;
        let mut undone = false;
        while rig.events.len() < events {
            if !rig.turn() {
                assert!(!undone, "{}", rig.story());
                undone = true;
                rig.send("me", Signal::Undo);
            }
        }
        let killed = rig.now;
        rig.ahead = SignedDuration::ZERO;
        rig.take_over();
        if !undone && rig.drive() != RunStatus::Undone {
            rig.send("me", Signal::Undo);
        }
        assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
        let took = rig.now.duration_since(killed).as_secs();
        assert!(took < 900, "killed at event {events}: {took} s\n{}", rig.story());
    }
}

#[test]
fn what_people_are_given_until_a_date_ends_on_that_date() {
    let person =
        Observed::Converging { wait: Wait::new(WaitKind::Person, "nina accepts"), marker: Marker::NoPlace };
    for (ahead, status) in [(DAY * 3, true), (-DAY * 3, false)] {
        let mut draft = Draft::default();
        let ask = draft.step("ask", None, PutSame);
        draft.def(ask).give_up_after = Some(seconds(48 * 3600));
        let mut rig = Rig::new(draft.plan());
        for _ in 0..2_000 {
            rig.fault("ask", Phase::Probe, Fault::Sees(Box::new(person.clone())));
        }
        rig.look_on();
        rig.ahead = ahead;
        rig.drive_for(SignedDuration::from_hours(1));
        for _ in 0..20 {
            rig.look_on();
        }
        assert_eq!(rig.step("ask").name() == "failed", status, "{}", rig.story());
    }
}

/// The limit of a wait for the remote is an interval: after the clock was set, it ends neither at once nor a day late.
#[test]
fn what_the_remote_is_given_is_a_span() {
    for ahead in [SignedDuration::ZERO, DAY, -DAY] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.world.converge = seconds(3 * 24 * 3600);
        while rig.step("s0").name() != "waiting" {
            rig.turn();
        }
        let since = rig.now;
        rig.ahead = ahead;
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
        let minutes = rig.now.duration_since(since).as_mins();
        assert!((30..32).contains(&minutes), "{ahead}: {minutes} min\n{}", rig.story());
    }
}

#[test]
fn retries_are_bounded_by_a_span() {
    for ahead in [SignedDuration::ZERO, DAY, -DAY] {
        let mut rig = Rig::new(chain(&[PutSame]));
        for _ in 0..500 {
            rig.fault("s0", Phase::Apply, Fault::Refused(transient()));
        }
        while rig.step("s0").name() != "retry-wait" {
            rig.turn();
        }
        let since = rig.now;
        rig.ahead = ahead;
        assert!(matches!(rig.drive(), RunStatus::Halted { .. }));
        let minutes = rig.now.duration_since(since).as_mins();
        assert!((14..17).contains(&minutes), "{ahead}: {minutes} min");
    }
}

/// A read is ordered by its position in the journal, whatever the clock says.
#[test]
fn a_proof_by_a_clock_that_went_back_is_a_proof() {
    let mut rig = Rig::new(chain(&[PutSame]));
    while rig.step("s0").name() != "verifying" {
        rig.turn();
    }
    rig.ahead = -DAY;
    assert_eq!(rig.drive(), RunStatus::Done { skipped: 0 });
    let evidence = rig.state.find(&"s0".into()).unwrap().evidence().unwrap();
    assert!(evidence.read_began < evidence.write_ended.unwrap() && evidence.is_after_last_write());
    rig.send("me", Signal::Decide { step: "s0".into(), choice: Choice::Adopt });
}
