//! Every request fails in every way that the simulator knows: forward, with pre-existing resources, and in undo.

use twinspan_engine::{EffectClass, FailureClass, Signal, StepState, WaitKind};
use twinspan_sim::FaultName;

use super::stage::{Stage, Stop};
use super::{Clean, cases, nothing, undo, undo_with_questions};

/// Whether a run may stop there because of this fault; it must overcome everything else without help.
fn fits(fault: FaultName, stop: &Stop) -> bool {
    match (fault, stop) {
        (FaultName::Status403, Stop::Waited(kind, _)) => *kind == WaitKind::Permission,
        // The remote reported an existing resource as absent, or as invisible to this identity.
        (FaultName::Status404Lag, Stop::Failed(class, _)) => *class == FailureClass::PlanWrong,
        (FaultName::Status404Lag, Stop::Adopted(what)) => what.ends_with("is gone"),
        (FaultName::Status404Lag, Stop::Waited(kind, what)) => {
            *kind == WaitKind::Permission && what.contains("does not exist, or")
        }
        // An accepted write had no effect for a quarter of an hour.
        (FaultName::AcceptedThenFailed, Stop::Failed(class, what)) => match class {
            FailureClass::ReplicationLag => true,
            // The long-running operation itself reports the failure, if it is known.
            FailureClass::Transient => what.starts_with("accepted, and failed afterwards: GET "),
            _ => false,
        },
        _ => false,
    }
}

fn does_not_fit(fault: FaultName, stops: &[Stop]) -> Option<String> {
    stops.iter().find(|stop| !fits(fault, stop)).map(|stop| format!("stops at {stop:?}"))
}

/// Whether the method of a request is that of a write; sign-in does not count.
fn is_write(call: &str) -> bool {
    let (method, path) = call.split_once(' ').unwrap_or_default();
    !super::stage::reads(method, path) && !call.ends_with("/token")
}

#[tokio::test]
async fn failed_at_every_call_it_waits_or_tries_again_and_nothing_is_done_twice() {
    let (mut wrong, mut calls, mut faults) = (Vec::new(), 0, 0);
    for case in &cases() {
        let clean = Clean::of(case).await;
        calls += clean.calls.len();
        for (at, call) in clean.calls.iter().enumerate() {
            for fault in FaultName::ALL {
                faults += 1;
                let mut claim = |holds: bool, what: &str| {
                    if !holds {
                        wrong.push(format!("{}, {fault:?} at call {at}, {call}: {what}", case.name));
                    }
                };
                let stage = Stage::set(case).await;
                let writes = stage.writes();
                stage.way.begin(Some((at, fault)));
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                let stops = process.finish(run).await.unwrap();
                let stray = does_not_fit(fault, &stops);
                claim(stray.is_none(), stray.as_deref().unwrap_or_default());
                let changes = stage.changes_since(writes);
                claim(changes == clean.changes, &format!("changed {changes:?}, not {:?}", clean.changes));
                claim(stage.what_exists() == clean.after, "done, and what exists is something else");
                let unread = stage.unread_write().filter(|_| !clean.changes.is_empty());
                claim(unread.is_none(), &format!("not proven by a read: {unread:?}"));
                // A failed read leaves no effect that undo could find.
                if !is_write(call) {
                    continue;
                }
                // A resource whose ownership is not proven is kept only by a decision, or with what Azure says of it.
                let (removals, asked) = undo_with_questions(&stage, &process, run).await;
                let unproven = |stop: &Stop| matches!(stop, Stop::Adopted(what) if what.contains("another writer may have created it"));
                claim(asked.iter().all(unproven), &format!("undo stops at {asked:?}"));
                let end = process.step(run).await;
                let left = stage.what_exists();
                match end {
                    Some(StepState::Kept { reason }) if case.keeps.is_none() => {
                        let said = reason.contains("it is not proven that this run created it");
                        claim(said || !asked.is_empty(), &format!("undo keeps it: {reason}"));
                        claim(removals.is_empty() && left == clean.after, "undo keeps it, and it is gone");
                    }
                    // The second delivery of a write was told that the resource exists: as if another client had
                    // created it.
                    Some(StepState::Unchanged(_)) if fault == FaultName::DeliveredTwice => {
                        claim(
                            removals.is_empty() && left == clean.after,
                            "it is not its own, and it is gone",
                        );
                    }
                    end => claim(
                        removals == clean.removals && left == clean.left,
                        &format!("undo did {removals:?}, and it is {end:?}"),
                    ),
                }
            }
        }
    }
    nothing(&wrong);
    println!("{calls} calls, {faults} faults");
}

#[tokio::test]
async fn failed_at_every_call_what_is_in_place_is_still_found_there() {
    let (mut wrong, mut calls, mut faults) = (Vec::new(), 0, 0);
    for case in cases().iter().filter(|case| case.effect != EffectClass::Read) {
        let stage = Stage::set(case).await;
        let process = stage.process(None);
        let run = stage.start(&process, case, 1).await.unwrap();
        process.finish(run).await.unwrap();
        let process = stage.process(None);
        stage.way.begin(None);
        let run = stage.start(&process, case, 2).await.unwrap();
        let usual = process.finish(run).await.unwrap();
        let looks = stage.way.calls();
        calls += looks.len();
        for (at, call) in looks.iter().enumerate() {
            // No client can distinguish a pretended absence from a true one.
            for fault in FaultName::ALL.into_iter().filter(|fault| *fault != FaultName::Status404Lag) {
                faults += 1;
                let stage = Stage::set(case).await;
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                process.finish(run).await.unwrap();
                let (writes, before) = (stage.writes(), stage.what_exists());
                stage.way.begin(Some((at, fault)));
                let process = stage.process(None);
                let run = stage.start(&process, case, 2).await.unwrap();
                let mut stops = process.finish(run).await.unwrap();
                stops.retain(|stop| !usual.contains(stop));
                undo(&stage, &process, run).await;
                let stray = does_not_fit(fault, &stops);
                let sent = stage.writes() != writes || stage.what_exists() != before;
                for what in stray.into_iter().chain(sent.then(|| "it sent a write".to_owned())) {
                    wrong.push(format!("{}, {fault:?} at call {at}, {call}: {what}", case.name));
                }
            }
        }
    }
    nothing(&wrong);
    println!("{calls} calls, {faults} faults");
}

#[tokio::test]
async fn failed_at_every_call_undo_waits_or_tries_again_and_removes_once() {
    let (mut wrong, mut calls, mut faults) = (Vec::new(), 0, 0);
    for case in &cases() {
        let clean = Clean::of(case).await;
        calls += clean.undo_calls.len();
        for (at, call) in clean.undo_calls.iter().enumerate() {
            for fault in FaultName::ALL {
                faults += 1;
                let stage = Stage::set(case).await;
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                process.finish(run).await.unwrap();
                let writes = stage.writes();
                stage.way.begin(Some((at, fault)));
                process.signal(run, Signal::Undo).await.unwrap();
                let stops = process.finish(run).await.unwrap();
                let mut claim = |holds: bool, what: &str| {
                    if !holds {
                        wrong.push(format!("{}, {fault:?} at call {at}, {call}: {what}", case.name));
                    }
                };
                let stray = does_not_fit(fault, &stops);
                claim(stray.is_none(), stray.as_deref().unwrap_or_default());
                let removals = stage.changes_since(writes);
                claim(removals == clean.removals, &format!("did {removals:?}, not {:?}", clean.removals));
                claim(stage.what_exists() == clean.left, "what exists is not what a whole undo leaves");
            }
        }
    }
    nothing(&wrong);
    println!("{calls} calls, {faults} faults");
}
