//! Every step kind of the registry keeps the same guarantees. A registered kind is tried with its own example: it is
//! run twice, cut off at every commit, failed at every request in every way that the simulator knows, and undone.
//! The oracle is the simulator's ledger and what exists in the simulator, never our journal.

pub(crate) mod cases;
mod faults;
mod replies;
pub(crate) mod stage;

pub(crate) use cases::Case;
pub(crate) use stage::Stage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use twinspan_engine::{BackendError, CutPoint, CutPoints, EffectClass, Recorded, RunId, Signal, StepState};

use crate::specification::book::CONFORMANCE;
use stage::{Process, Stop};

/// What to do about a new kind that needs more than the default setting.
const SET_UP: &str = "state in tests/it/conformance/cases.rs who acts and which steps come first";

/// What a run without faults does.
struct Clean {
    after: Value,
    changes: Vec<String>,
    calls: Vec<String>,
    /// After undo.
    left: Value,
    removals: Vec<String>,
    undo_calls: Vec<String>,
}

impl Clean {
    async fn of(case: &Case) -> Self {
        let stage = Stage::set(case).await;
        let writes = stage.writes();
        let process = stage.process(None);
        let run = stage.start(&process, case, 1).await.unwrap();
        let stops = process.finish(run).await.unwrap();
        assert_eq!(stops, [], "{} does not reach its end: {SET_UP}", case.name);
        let (after, changes, calls) = (stage.what_exists(), stage.changes_since(writes), stage.way.calls());
        let removals = undo(&stage, &process, run).await;
        let (left, undo_calls) = (stage.what_exists(), stage.way.calls());
        Clean { after, changes, calls, left, removals, undo_calls }
    }
}

/// Undoes a run without faults; returns what that changed.
async fn undo(stage: &Stage, process: &Process, run: RunId) -> Vec<String> {
    let (removals, stops) = undo_with_questions(stage, process, run).await;
    assert_eq!(stops, []);
    removals
}

/// Undoes a run without faults; returns what that changed, and where it stopped. What it asks about is kept.
async fn undo_with_questions(stage: &Stage, process: &Process, run: RunId) -> (Vec<String>, Vec<Stop>) {
    stage.way.begin(None);
    let writes = stage.writes();
    process.signal(run, Signal::Undo).await.unwrap();
    let stops = process.finish(run).await.unwrap();
    (stage.changes_since(writes), stops)
}

/// Differences of a run that was cut off and resumed from an undisturbed one: `expected` are the changes and what
/// exists afterwards.
fn unlike(
    place: &str,
    stage: &Stage,
    process: &Process,
    run: RunId,
    stops: &[Stop],
    writes: usize,
    expected: (&Vec<String>, &Value),
) -> Vec<String> {
    let changes = stage.changes_since(writes);
    let problems = process.problems(run);
    let claims = [
        (stops.is_empty(), format!("stops at {stops:?}")),
        (changes == *expected.0, format!("did {changes:?}, not {:?}", expected.0)),
        (stage.what_exists() == *expected.1, "what exists is not what an undisturbed one leaves".to_owned()),
        (problems.is_empty(), format!("its journal: {problems:?}")),
    ];
    claims.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| format!("{place}: {what}")).collect()
}

/// Every kind, in every setting that is named for it.
pub(crate) fn cases() -> Vec<Case> {
    let cases = cases::all(&stage::described());
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.act.kind.as_str()).collect();
    assert_eq!(kinds.len(), stage::described().kinds().count());
    cases
}

/// Reports all errors, not only the first; requires that all requests and responses agree with Microsoft's
/// specifications.
#[track_caller]
fn nothing(wrong: &[String]) {
    let undescribed = CONFORMANCE.unexplained();
    assert!(undescribed.is_empty(), "not as Microsoft's files describe it:\n{}", undescribed.join("\n"));
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_undo_deletes_only_what_its_own_run_created() {
    let mut wrong = Vec::new();
    let mut writing = BTreeSet::new();
    let (cases, mut calls) = (cases(), 0);
    for case in &cases {
        let mut claim = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{}: {what}", case.name));
            }
        };
        let stage = Stage::set(case).await;
        let (before, writes) = (stage.what_exists(), stage.writes());
        let process = stage.process(None);
        let first = stage.start(&process, case, 1).await.unwrap();
        let stops = process.finish(first).await.unwrap();
        claim(stops.is_empty(), &format!("stops at {stops:?}; {SET_UP}"));
        let (after, changes) = (stage.what_exists(), stage.changes_since(writes));
        if case.effect == EffectClass::Read || case.only_found {
            claim(changes.is_empty() && after == before, &format!("it only reads, and did {changes:?}"));
        } else {
            claim(after != before, "it changes nothing");
            claim(stage.unread_write().is_none(), "its write was not followed by a read");
            writing.insert(case.act.kind.as_str());
        }
        let writes = stage.writes();
        let process = stage.process(None);
        let second = stage.start(&process, case, 2).await.unwrap();
        let stops = process.finish(second).await.unwrap();
        // A resource with the marker of another run is adopted by a person, not by the run.
        let marked =
            Stop::Adopted(format!("it carries the marker of run {}, not of this run", first.short()));
        claim(stops.is_empty() || stops == [marked], &format!("the second run stops at {stops:?}"));
        let met = process.step(second).await;
        let found = match case.effect {
            EffectClass::Read => matches!(met, Some(StepState::Done(_))),
            _ => matches!(met, Some(StepState::Unchanged(_))),
        };
        claim(found, &format!("the second run does not find it pre-existing: {met:?}"));
        undo(&stage, &process, second).await;
        claim(stage.writes() == writes, "the second run, or its undo, sent a write");
        claim(stage.what_exists() == after, "what the second run found pre-existing did not stay");
        let removals = undo(&stage, &process, first).await;
        let end = process.step(first).await;
        match case.keeps {
            Some(_) if after != before => {
                claim(
                    matches!(end, Some(StepState::Kept { .. })),
                    &format!("not kept with a reason: {end:?}"),
                );
                claim(removals.is_empty() && stage.what_exists() == after, "it was to be kept");
            }
            _ => {
                claim(stage.what_exists() == before, "undo does not leave the pre-existing state");
                claim(removals.len() == usize::from(!changes.is_empty()), &format!("undo did {removals:?}"));
            }
        }
        for run in [first, second] {
            let problems = process.problems(run);
            claim(problems.is_empty(), &format!("its journal: {problems:?}"));
        }
        calls += stage.way.calls().len();
    }
    for case in &cases {
        if case.effect != EffectClass::Read && !writing.contains(case.act.kind.as_str()) {
            wrong.push(format!("{} may write, and no case makes it write", case.act.kind));
        }
    }
    nothing(&wrong);
    println!("{} cases of {} kinds, {calls} calls", cases.len(), stage::described().kinds().count());
}

/// Cuts the journal off once.
struct CutAt {
    commit: u64,
    point: CutPoint,
    commits: AtomicU64,
}

impl CutAt {
    fn new(commit: u64, point: CutPoint) -> Arc<Self> {
        Arc::new(CutAt { commit, point, commits: AtomicU64::new(0) })
    }

    fn was_reached(&self) -> bool {
        self.commits.load(Ordering::Relaxed) >= self.commit
    }
}

impl CutPoints for CutAt {
    fn cut(&self, commit: u64, point: CutPoint, _events: &[Recorded]) -> bool {
        self.commits.fetch_max(commit, Ordering::Relaxed);
        commit == self.commit && point == self.point
    }
}

/// After the response is, for journal and simulator, before the next commit; the engine's own tests cut there, too.
const POINTS: [CutPoint; 2] = [CutPoint::BeforeCommit, CutPoint::BeforeAnswer];

#[tokio::test]
async fn cut_off_at_every_commit_another_process_finishes_it_and_nothing_is_done_twice() {
    let (mut wrong, mut cuts) = (Vec::new(), 0);
    for case in &cases() {
        let clean = Clean::of(case).await;
        for point in POINTS {
            for commit in 1.. {
                let stage = Stage::set(case).await;
                let writes = stage.writes();
                let cut = CutAt::new(commit, point);
                let process = stage.process(Some(cut.clone()));
                let played: Result<Vec<Stop>, BackendError> = async {
                    let run = stage.start(&process, case, 1).await?;
                    process.finish(run).await
                }
                .await;
                drop(process);
                if !cut.was_reached() {
                    played.unwrap();
                    break;
                }
                cuts += 1;
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                let stops = process.finish(run).await.unwrap();
                let place = format!("{}, {point:?} of commit {commit}", case.name);
                let expected = (&clean.changes, &clean.after);
                wrong.extend(unlike(&place, &stage, &process, run, &stops, writes, expected));
            }
        }
    }
    nothing(&wrong);
    assert!(cuts > 100, "{cuts} cuts");
    println!("{cuts} cuts");
}

#[tokio::test]
async fn an_undo_cut_off_at_every_commit_is_finished_by_another_process() {
    let (mut wrong, mut cuts) = (Vec::new(), 0);
    for case in &cases() {
        let clean = Clean::of(case).await;
        if clean.changes.is_empty() {
            continue;
        }
        for point in POINTS {
            for commit in 1.. {
                let stage = Stage::set(case).await;
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                process.finish(run).await.unwrap();
                process.signal(run, Signal::Undo).await.unwrap();
                drop(process);
                let writes = stage.writes();
                let cut = CutAt::new(commit, point);
                let process = stage.process(Some(cut.clone()));
                let played = process.finish(run).await;
                drop(process);
                if !cut.was_reached() {
                    played.unwrap();
                    break;
                }
                cuts += 1;
                let process = stage.process(None);
                let stops = process.finish(run).await.unwrap();
                let place = format!("{}, undo, {point:?} of commit {commit}", case.name);
                let expected = (&clean.removals, &clean.left);
                wrong.extend(unlike(&place, &stage, &process, run, &stops, writes, expected));
            }
        }
    }
    nothing(&wrong);
    assert!(cuts > 100, "{cuts} cuts");
    println!("{cuts} cuts");
}
