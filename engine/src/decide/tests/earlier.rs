//! Resources that ended runs of the same key created: unchanged or updated in place, never owned, and pruned in the run that
//! owns them.

use serde_json::json;
use twinspan_plans::EffectClass::{CreateNamed, PutSame};
use uuid::Uuid;

use super::plans::chain;
use super::rig::{Death, RUN, Rig};
use super::world::{Change, Fault, thing};
use crate::decision::Difference;
use crate::earlier_runs::left_over;
use crate::event::Origin;
use crate::ids::ClaimKey;
use crate::ids::{RunId, StepKey};
use crate::job::KindRules;
use crate::observation::{Marker, Observed, Phase};
use crate::rollout::{Created, EarlierRun, Rollout};
use crate::signal::{Choice, Repair, Signal};
use crate::state::{RunStatus, StepState};

const EARLIER: RunId = RunId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0bad_cafe));
const DONE: RunStatus = RunStatus::Done { skipped: 0 };

fn created(steps: &[&str]) -> Rollout {
    let created = |step: &&str| Created {
        step: StepKey::from(*step),
        kind: "PutSame".to_owned(),
        claims: vec![ClaimKey(format!("/things/{step}"))],
    };
    let earlier = EarlierRun { run: EARLIER, created: steps.iter().map(created).collect() };
    Rollout { earlier: vec![earlier], ..Rollout::default() }
}

/// A run of two steps whose resources the earlier run created.
fn second_run() -> Rig {
    let mut rig = Rig::of_rollout(RUN, chain(&[PutSame, PutSame]), created(&["s0", "s1"]));
    for name in ["s0", "s1"] {
        rig.world.things.insert(name.to_owned(), thing(Marker::Of(EARLIER.short())));
    }
    rig
}

#[test]
fn what_an_earlier_run_created_is_unchanged_and_undo_leaves_it() {
    let mut rig = second_run();
    assert_eq!(rig.drive(), DONE);
    assert_eq!(rig.world.ledger, []);
    let step = rig.state.find(&"s1".into()).unwrap();
    assert_eq!((step.created_by(), step.origin()), (Some(EARLIER), Some(&Origin::EarlierRun)));
    assert_eq!(rig.events_of("s1"), ["created-earlier", "unchanged"]);
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(rig.world.things.len(), 2);
}

#[test]
fn what_differs_is_updated_in_place_under_the_marker_of_its_owner() {
    // Cut off anywhere, and also when the response to the update is lost.
    for lost in [false, true] {
        for events in 2..30 {
            let mut rig = second_run();
            rig.world.things.get_mut("s0").unwrap().differs = true;
            if lost {
                rig.fault("s0", Phase::Apply, Fault::AppliedThenLost);
            }
            rig.death =
                Some(if events % 2 == 0 { Death::After(events / 2) } else { Death::Before(events / 2) });
            assert_eq!(rig.drive(), DONE, "{}", rig.story());
            assert_eq!(rig.world.things["s0"].marker, Marker::Of(EARLIER.short()), "{}", rig.story());
            assert!(rig.world.ledger.iter().all(|(_, change)| *change == Change::Updated), "{}", rig.story());
            let step = rig.state.find(&"s0".into()).unwrap();
            assert_eq!((step.created_by(), step.origin()), (Some(EARLIER), Some(&Origin::EarlierRun)));
            assert_eq!(rig.state.updated_of(EARLIER), [StepKey::from("s0")]);
            rig.send("me", Signal::Undo);
            assert_eq!(rig.drive(), RunStatus::Undone, "{}", rig.story());
            let StepState::Kept { reason } = rig.step("s0") else { panic!("{}", rig.story()) };
            assert!(reason.contains("0badcafe") && reason.contains("keeps it"), "{reason}");
            assert_eq!(rig.world.things.len(), 2, "undo of the later run deletes nothing");
        }
    }
}

#[test]
fn what_is_not_proven_to_be_the_earlier_runs_is_left_to_a_person() {
    // Only overwritten by the earlier run, not created; without a marker; another run's; of another kind.
    let changed =
        Rollout { earlier: vec![EarlierRun { run: EARLIER, created: Vec::new() }], ..Rollout::default() };
    for (rollout, marker, effect) in [
        (changed, Marker::Of(EARLIER.short()), PutSame),
        (created(&["s0"]), Marker::None, PutSame),
        (created(&["s0"]), Marker::Of("12345678".to_owned()), PutSame),
        (created(&["s0"]), Marker::Of(EARLIER.short()), CreateNamed),
    ] {
        let mut rig = Rig::of_rollout(RUN, chain(&[effect]), rollout);
        rig.world.things.insert("s0".to_owned(), thing(marker.clone()));
        rig.world.things.get_mut("s0").unwrap().differs = true;
        rig.drive();
        assert_eq!(rig.step("s0").name(), "needs-decision", "{marker:?}");
        assert_eq!(rig.world.ledger, []);
    }
    // A resource as wanted, with the marker of a run that is no earlier one of the key.
    let mut rig = Rig::of_rollout(RUN, chain(&[PutSame]), created(&["s0"]));
    rig.world.things.insert("s0".to_owned(), thing(Marker::Of("12345678".to_owned())));
    rig.drive();
    assert_eq!(rig.step("s0").name(), "needs-decision");
}

#[test]
fn what_vanished_is_created_by_the_later_run_and_belongs_to_it() {
    let mut rig = second_run();
    rig.world.things.remove("s0");
    assert_eq!(rig.drive(), DONE);
    let step = rig.state.find(&"s0".into()).unwrap();
    assert_eq!((step.created_by(), step.origin()), (None, Some(&Origin::Created)));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["s1"]);
}

#[test]
fn where_a_kind_has_no_place_for_a_marker_the_journal_says_whose_it_is() {
    let mut rig = Rig::of_rollout(RUN, chain(&[PutSame, PutSame]), created(&["s0"]));
    rig.world.no_place = true;
    for name in ["s0", "s1"] {
        rig.world.things.insert(name.to_owned(), thing(Marker::NoPlace));
    }
    rig.world.things.get_mut("s0").unwrap().differs = true;
    assert_eq!(rig.drive(), DONE);
    let by = |step: &str| rig.state.find(&step.into()).unwrap().created_by();
    assert_eq!((by("s0"), by("s1")), (Some(EARLIER), None));
    rig.send("me", Signal::Undo);
    assert_eq!(rig.drive(), RunStatus::Undone);
    assert_eq!(rig.world.things.len(), 2);
}

#[test]
fn repair_in_the_later_run_keeps_the_owner() {
    let mut rig = second_run();
    assert_eq!(rig.drive(), DONE);
    rig.world.things.get_mut("s1").unwrap().differs = true;
    rig.verify();
    let repairs = vec![Repair { step: "s1".into(), choice: Some(Choice::Overwrite) }];
    rig.send("me", Signal::Repair { step: "s1".into(), repairs });
    assert_eq!(rig.drive(), DONE);
    assert_eq!(rig.world.things["s1"].marker, Marker::Of(EARLIER.short()));
    assert_eq!(rig.state.find(&"s1".into()).unwrap().created_by(), Some(EARLIER));
}

#[test]
fn single_steps_of_an_ended_run_are_undone_and_it_ends_as_it_had() {
    for death in 0..24 {
        let mut rig = Rig::new(chain(&[PutSame, PutSame, PutSame]));
        assert_eq!(rig.drive(), DONE);
        rig.death = Some(Death::After(rig.events.len() + death));
        rig.send("me", Signal::Prune { steps: vec!["s1".into(), "s2".into()], by: EARLIER });
        assert_eq!(rig.status(), RunStatus::Undoing);
        assert!(rig.state.pruning().is_some());
        assert_eq!(rig.drive(), DONE, "{}", rig.story());
        assert_eq!(rig.world.things.keys().collect::<Vec<_>>(), ["s0"], "{}", rig.story());
        let removed = rig.world.ledger.iter().filter(|(_, change)| *change == Change::Removed);
        assert_eq!(removed.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["s2", "s1"]);
        assert_eq!((rig.step("s0").name(), rig.step("s1").name()), ("done", "undone"));
        // What is left can be verified and undone.
        assert_eq!(rig.verify().len(), 1);
        rig.send("me", Signal::Undo);
        assert_eq!(rig.drive(), RunStatus::Undone);
        assert!(rig.world.things.is_empty());
    }
}

#[test]
fn pruning_proves_ownership_and_is_refused_for_an_open_run() {
    let mut rig = Rig::new(chain(&[PutSame, PutSame]));
    let prune = || Signal::Prune { steps: vec!["s1".into()], by: EARLIER };
    rig.send("me", prune());
    assert!(rig.state.pruning().is_none(), "an open run is not pruned");
    assert_eq!(rig.drive(), DONE);
    rig.world.things.get_mut("s1").unwrap().marker = Marker::Of("12345678".to_owned());
    rig.send("me", prune());
    assert_eq!(rig.drive(), DONE);
    assert_eq!(rig.step("s1").name(), "kept");
    assert_eq!(rig.world.things.len(), 2);
}

#[test]
fn a_difference_that_a_later_run_of_the_key_made_needs_no_decision_in_undo() {
    for updated in [false, true] {
        let mut rig = Rig::new(chain(&[PutSame]));
        rig.world.rules = KindRules::default();
        assert_eq!(rig.drive(), DONE);
        rig.world.things.get_mut("s0").unwrap().differs = true;
        if updated {
            rig.send("me", Signal::UpdatedSince { steps: vec!["s0".into()], by: EARLIER });
        }
        rig.send("me", Signal::Undo);
        let status = rig.drive();
        assert_eq!(status == RunStatus::Undone, updated, "{}", rig.story());
    }
}

#[test]
fn a_difference_that_a_later_run_of_the_key_made_is_no_drift_of_this_run() {
    for updated in [false, true] {
        let mut rig = Rig::new(chain(&[PutSame]));
        assert_eq!(rig.drive(), DONE);
        if updated {
            rig.send("me", Signal::UpdatedSince { steps: vec!["s0".into()], by: EARLIER });
        }
        let field = Difference::new("mesh".to_owned(), "no".to_owned(), "yes".to_owned());
        let seen = |marker| Observed::Differs {
            output: json!({ "id": "/things/s0" }),
            differences: vec![field.clone()],
            marker,
        };
        rig.fault("s0", Phase::Verify, Fault::Sees(Box::new(seen(Marker::Of(RUN.short())))));
        rig.verify();
        assert_eq!(rig.drifted().is_empty(), updated, "{:?}", rig.drifted());
        rig.fault("s0", Phase::Verify, Fault::Sees(Box::new(seen(Marker::None))));
        rig.verify();
        assert_eq!(rig.drifted().len(), 1, "a lost marker is drift all the same");
    }
}

#[test]
fn what_the_latest_run_does_not_contain_is_left_over() {
    let mut owner = Rig::of_rollout(EARLIER, chain(&[PutSame, PutSame, PutSame]), Rollout::default());
    assert_eq!(owner.drive(), DONE);
    let earlier = vec![owner.state.as_earlier().unwrap()];
    assert_eq!(earlier[0].created.len(), 3);
    let mut latest =
        Rig::of_rollout(RUN, chain(&[PutSame, PutSame]), Rollout { earlier, ..Rollout::default() });
    latest.world = owner.world.clone();
    assert_eq!(latest.drive(), DONE);
    let left = |latest: &Rig, owner: &Rig| -> Vec<String> {
        let found = left_over(&latest.state, std::slice::from_ref(&owner.state));
        found.into_iter().map(|left| left.step.to_string()).collect()
    };
    assert_eq!(left(&latest, &owner), ["s2"]);
    owner.send("me", Signal::Prune { steps: vec!["s2".into()], by: RUN });
    assert_eq!(owner.drive(), DONE);
    assert_eq!(left(&latest, &owner), Vec::<String>::new());
}
