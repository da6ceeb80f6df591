//! Runs driven end to end in the world of [`super::trial`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::trial::{Trial, chain, new_run, plan_of};
use crate::backend::{Backend, Begins, DriveOptions, Filter, NewRun, Runs, Started, StopToken};
use crate::clock::{Clock as _, SystemClock};
use crate::error::BackendError;
use crate::event::{Event, Recorded, StepEvent};
use crate::finding::DriftState;
use crate::ids::{RunId, Seq, SignalId};
use crate::journal::Opening;
use crate::journal::{CutPoint, CutPoints};
use crate::perform::Performer;
use crate::rollout::{Labels, RunKey};
use crate::search::lost_tail;
use crate::signal::{Actor, Signal, SignalRow};
use crate::sqlite_backend::{SignalOutcome, SqliteBackend};
use crate::state::RunStatus;

const MINUTE: Duration = Duration::from_secs(60);

fn signal(run: RunId, signal: Signal) -> SignalRow {
    SignalRow { id: SignalId::new(), run, actor: Actor("olaf".to_owned()), reason: None, signal }
}

fn succeeded() -> RunStatus {
    RunStatus::Done { skipped: 0 }
}

#[tokio::test]
async fn a_chain_is_made_once_and_costs_one_commit_a_step() {
    let trial = Trial::new();
    let backend = trial.open();
    let new = trial.run(1, &chain(20));
    let run = new.run;
    assert_eq!(backend.start(new.clone()).await.unwrap(), Started::New);
    assert_eq!(backend.start(new).await.unwrap(), Started::Already);
    let parked = trial.drive(&backend, run).await.unwrap();
    assert_eq!(parked.runs, [(run, succeeded())]);
    let wanted: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    assert_eq!(trial.world.ledger(), wanted);
    let report = backend.verify_journal(run).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    // The start, the driver, an intent for each step, the end.
    assert!(report.commits <= 20 + 4, "{} commits", report.commits);
    assert_eq!(backend.transcripts(run).unwrap().len(), 20);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_journal() {
    let mut heads = BTreeSet::new();
    for _ in 0..2 {
        let trial = Trial::new();
        let backend = trial.open();
        let new = trial.run(7, &chain(5));
        backend.start(new.clone()).await.unwrap();
        trial.drive(&backend, new.run).await.unwrap();
        heads.insert(backend.verify_journal(new.run).unwrap().head);
    }
    assert_eq!(heads.len(), 1);
}

/// Cuts once, at one commit.
struct CutAt {
    commit: u64,
    point: CutPoint,
    commits: AtomicU64,
}

impl CutPoints for CutAt {
    fn cut(&self, commit: u64, point: CutPoint, _events: &[Recorded]) -> bool {
        self.commits.fetch_max(commit, Ordering::Relaxed);
        commit == self.commit && point == self.point
    }
}

#[tokio::test]
async fn cut_at_every_commit_a_run_still_ends_with_every_effect_once() {
    let mut cases = [0, 0];
    let points = [CutPoint::BeforeCommit, CutPoint::BeforeAnswer, CutPoint::AfterAnswer];
    for (point, lingers) in points.into_iter().flat_map(|point| [(point, false), (point, true)]) {
        for commit in 1.. {
            let trial = Trial::new();
            let cut = Arc::new(CutAt { commit, point, commits: AtomicU64::new(0) });
            let new = trial.run(1, &chain(3));
            let opening = trial.opening().cut_points(cut.clone());
            let opening = if lingers { opening } else { opening.without_lingering() };
            let backend = SqliteBackend::open(&trial.path(), opening).unwrap();
            let first = match backend.start(new.clone()).await {
                Ok(_) => trial.drive(&backend, new.run).await.map(drop),
                Err(error) => Err(error),
            };
            drop(backend);
            let was_cut = cut.commits.load(Ordering::Relaxed) >= commit;
            if !was_cut {
                first.unwrap();
                break;
            }
            cases[usize::from(lingers)] += 1;
            let backend = trial.open();
            backend.start(new.clone()).await.unwrap();
            let before = backend.summary(new.run).unwrap();
            let parked = trial.drive(&backend, new.run).await.unwrap();
            let place = format!("{point:?} of commit {commit}, {before:?}");
            assert_eq!(parked.runs, [(new.run, succeeded())], "{place}");
            assert_eq!(trial.world.ledger(), ["s0", "s1", "s2"], "{place}");
            assert_eq!(backend.verify_journal(new.run).unwrap().problems, Vec::<String>::new(), "{place}");
        }
    }
    // Without held-back events there is one more commit per step: between the response and the proof.
    assert!(cases[1] >= 15 && cases[0] >= cases[1] + 3 * points.len(), "{cases:?} cases");
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_a_look() {
    let trial = Trial::new();
    trial.world.lose.lock().unwrap().insert("s1".to_owned());
    let backend = trial.open();
    let new = trial.run(1, &chain(3));
    backend.start(new.clone()).await.unwrap();
    let parked = trial.drive(&backend, new.run).await.unwrap();
    assert_eq!(parked.runs, [(new.run, succeeded())]);
    assert_eq!(trial.world.ledger(), ["s0", "s1", "s2"]);
    let events = backend.read(new.run, Seq(1), None).await.unwrap();
    assert!(
        events.iter().any(|recorded| matches!(
            &recorded.event,
            Event::Step { event: StepEvent::Uncertain { .. }, .. }
        ))
    );
}

#[tokio::test]
async fn a_wait_for_a_person_parks_and_goes_on_later() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of(
        "  - id: ask\n    uses: person\n    with: { act: accept }\n  - id: make\n    uses: thing\n    needs: [ask]\n    \
         with: { name: made, value: v }\n",
    );
    let new = trial.run(1, &text);
    backend.start(new.clone()).await.unwrap();
    let parked = trial.drive(&backend, new.run).await.unwrap();
    assert!(matches!(&parked.runs[..], [(_, RunStatus::Waiting { .. })]), "{parked:?}");
    assert_eq!(trial.world.ledger(), Vec::<String>::new());
    assert_eq!(backend.summary(new.run).unwrap().driver, None);
    trial.world.act("accept");
    let parked = trial.drive(&backend, new.run).await.unwrap();
    assert_eq!(parked.runs, [(new.run, succeeded())]);
    assert_eq!(trial.world.ledger(), ["made"]);
}

/// A live backend on the machine's own clock.
fn live(trial: &Trial) -> Arc<SqliteBackend> {
    Arc::new(SqliteBackend::open(&trial.path(), Opening::live(Arc::clone(&trial.registry))).unwrap())
}

fn live_performer(trial: &Trial) -> Arc<Performer> {
    Arc::new(Performer::new(Arc::clone(&trial.registry), Arc::new(SystemClock)))
}

const SLOW: &str = "  - id: a\n    uses: thing\n    with: { name: a, value: v, slow: true }\n  - id: b\n    uses: thing\n    \
                    needs: [a]\n    with: { name: b, value: v }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_names_what_is_in_flight_and_sends_nothing_after() {
    let trial = Trial::new();
    let backend = live(&trial);
    let new = new_run(&trial.registry, 1, &plan_of(SLOW));
    let run = new.run;
    backend.start(new).await.unwrap();
    let (_stopper, stop) = StopToken::new();
    let driving = tokio::spawn({
        let (backend, performer) = (Arc::clone(&backend), live_performer(&trial));
        async move { backend.drive(Runs::These(vec![run]), performer, DriveOptions::default(), stop).await }
    });
    let mut on_the_way = trial.world.on_the_way.subscribe();
    on_the_way.wait_for(|count| *count == 1).await.unwrap();
    // A second driver gets the name of the lease holder.
    let (_other, stop) = StopToken::new();
    let second = live(&trial);
    let refused =
        second.drive(Runs::These(vec![run]), live_performer(&trial), DriveOptions::default(), stop).await;
    assert!(matches!(refused, Err(BackendError::Held { .. })), "{refused:?}");
    let settled = second.signal_and_wait(signal(run, Signal::Pause), MINUTE).await.unwrap();
    assert_eq!(settled, SignalOutcome::ByDriver);
    let events = backend.read(run, Seq(1), None).await.unwrap();
    let acknowledged = events.iter().find_map(|recorded| match &recorded.event {
        Event::Acknowledged { in_flight } => Some(in_flight.clone()),
        _ => None,
    });
    assert_eq!(acknowledged.unwrap(), ["a".into()]);
    trial.world.gate.add_permits(1);
    let parked = driving.await.unwrap().unwrap();
    assert_eq!(parked.runs, [(run, RunStatus::Paused)]);
    assert_eq!(trial.world.ledger(), ["a"]);
    // No process drives it now: the command takes the signal in by itself.
    let settled = second.signal_and_wait(signal(run, Signal::Resume), MINUTE).await.unwrap();
    assert_eq!(settled, SignalOutcome::Here);
    let (_stopper, stop) = StopToken::new();
    let parked = second
        .drive(Runs::These(vec![run]), live_performer(&trial), DriveOptions::default(), stop)
        .await
        .unwrap();
    assert_eq!(parked.runs, [(run, succeeded())]);
    assert_eq!(trial.world.ledger(), ["a", "b"]);
    assert_eq!(second.verify_journal(run).unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stop_lets_the_write_in_flight_end_and_two_do_not() {
    for asks in [1, 2] {
        let trial = Trial::new();
        let backend = live(&trial);
        let new = new_run(&trial.registry, 1, &plan_of(SLOW));
        let run = new.run;
        backend.start(new).await.unwrap();
        let (stopper, stop) = StopToken::new();
        let driving = tokio::spawn({
            let (backend, performer) = (Arc::clone(&backend), live_performer(&trial));
            async move { backend.drive(Runs::These(vec![run]), performer, DriveOptions::default(), stop).await }
        });
        let mut on_the_way = trial.world.on_the_way.subscribe();
        on_the_way.wait_for(|count| *count == 1).await.unwrap();
        for _ in 0..asks {
            stopper.stop();
        }
        if asks == 1 {
            trial.world.gate.add_permits(1);
        }
        let parked = driving.await.unwrap().unwrap();
        assert!(parked.stopped);
        assert_eq!(trial.world.ledger().len(), 2 - asks, "asked {asks} times");
        trial.world.gate.add_permits(1);
        let (_stopper, stop) = StopToken::new();
        let parked = backend
            .drive(Runs::These(vec![run]), live_performer(&trial), DriveOptions::default(), stop)
            .await
            .unwrap();
        assert_eq!(parked.runs, [(run, succeeded())]);
        assert_eq!(trial.world.ledger(), ["a", "b"]);
    }
}

#[tokio::test]
async fn of_two_runs_that_claim_the_same_at_the_same_time_one_writes() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of(
        "  - id: make\n    uses: thing\n    with: { name: shared, value: v, claim: true }\n  - id: ask\n    uses: person\n    \
         needs: [make]\n    with: { act: accept }\n",
    );
    let runs = [RunId::of_seed(1), RunId::of_seed(2)];
    for number in [1, 2] {
        backend.start(trial.run(number, &text)).await.unwrap();
    }
    trial.world.act("accept");
    let (_stopper, stop) = StopToken::new();
    let parked = backend
        .drive(Runs::These(runs.to_vec()), trial.performer(), DriveOptions::default(), stop)
        .await
        .unwrap();
    assert_eq!(parked.runs.len(), 2);
    assert!(parked.runs.iter().all(|(_, status)| *status == succeeded()), "{parked:?}");
    // Both probes found nothing; the journal let only one of them write.
    assert_eq!(trial.world.ledger(), ["shared"]);
    for run in runs {
        assert_eq!(backend.verify_journal(run).unwrap().problems, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_thousand_runs_are_driven_together() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = chain(2);
    let runs: Vec<RunId> = (0..1000).map(RunId::of_seed).collect();
    for number in 0..1000 {
        backend.start(trial.run(number, &text)).await.unwrap();
    }
    let (_stopper, stop) = StopToken::new();
    let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
    let parked = backend.drive(Runs::All, trial.performer(), options, stop).await.unwrap();
    let odd: Vec<_> = parked.runs.iter().filter(|(_, status)| *status != succeeded()).take(3).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(parked.runs.len(), 1000);
    let listed = backend.list(Filter { open: true, ..Filter::default() }).await.unwrap();
    assert!(listed.is_empty(), "{} are still open", listed.len());
    for run in runs.iter().step_by(100) {
        assert_eq!(backend.verify_journal(*run).unwrap().problems, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_full_disk_stops_sending() {
    let trial = Trial::new();
    let new = trial.run(1, &chain(500));
    let backend = SqliteBackend::open(&trial.path(), trial.opening().page_limit(40)).unwrap();
    backend.start(new.clone()).await.unwrap();
    let failed = trial.drive(&backend, new.run).await;
    assert!(matches!(failed, Err(BackendError::NotWritable(_))), "{failed:?}");
    let sent = trial.world.ledger().len();
    assert!(sent > 0 && sent < 500, "{sent}");
    // Every request had its intent in the journal.
    let events = backend.read(new.run, Seq(1), None).await.unwrap();
    let intents = events
        .iter()
        .filter(|recorded| matches!(&recorded.event, Event::Step { event: StepEvent::Intended { .. }, .. }))
        .count();
    assert!(sent <= intents, "{sent} sent, {intents} intended");
    let again = trial.drive(&backend, new.run).await;
    assert!(matches!(again, Err(BackendError::NotWritable(_))), "{again:?}");
    assert_eq!(trial.world.ledger().len(), sent);
    drop(backend);
    let backend = trial.open();
    let parked = trial.drive(&backend, new.run).await.unwrap();
    assert_eq!(parked.runs, [(new.run, succeeded())]);
    assert_eq!(trial.world.ledger().len(), 500);
}

#[tokio::test]
async fn a_long_wait_takes_no_time() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of("  - id: ask\n    uses: person\n    give_up_after: 2d\n    with: { act: never }\n");
    let new = trial.run(1, &text);
    backend.start(new.clone()).await.unwrap();
    let (_stopper, stop) = StopToken::new();
    let parked = backend
        .drive(Runs::These(vec![new.run]), trial.performer(), DriveOptions::default(), stop)
        .await
        .unwrap();
    assert!(matches!(&parked.runs[..], [(_, RunStatus::Halted { .. })]), "{parked:?}");
    let passed = trial.clock.now().duration_since(super::trial::noon());
    assert!(passed.as_hours() >= 48, "{passed}");
}

/// A resource carries this run's marker without an intent in the journal: undo searches for it, including elements of a
/// `for_each` that the journal never expanded, and asks for a decision.
#[tokio::test]
async fn undo_searches_for_what_the_journal_lost() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of(
        "  - id: ask\n    uses: person\n    with: { act: accept }\n  - id: each\n    for_each: [x, y]\n    uses: thing\n    \
         with: { name: \"${{ each.key }}\", value: v }\n  - id: last\n    uses: thing\n    needs: [ask]\n    \
         with: { name: last, value: v }\n",
    );
    let new = trial.run(1, &text);
    let run = new.run;
    backend.start(new).await.unwrap();
    for name in ["y", "last"] {
        trial.world.place(&format!("{run}/{name}"));
    }
    backend.signal(signal(run, Signal::Undo)).await.unwrap();
    let parked = trial.drive(&backend, run).await.unwrap();
    assert_eq!(parked.runs, [(run, RunStatus::UndoStopped)]);
    let state = backend.load(run).await.unwrap();
    let lost: Vec<String> = state.lost().map(ToString::to_string).collect();
    assert_eq!(lost, ["last", "each[y]"]);
    assert_eq!(trial.world.ledger(), Vec::<String>::new());
    for step in ["last", "each[y]"] {
        let choice = crate::signal::Choice::Overwrite;
        backend.signal(signal(run, Signal::Decide { step: step.into(), choice })).await.unwrap();
        trial.drive(&backend, run).await.unwrap();
    }
    assert_eq!(trial.world.ledger(), ["-last", "-y"]);
    let state = backend.load(run).await.unwrap();
    assert_eq!(state.status(trial.clock.now()), RunStatus::Undone);
    assert_eq!(backend.verify_journal(run).unwrap().problems, Vec::<String>::new());
}

/// A read that fails because the parent does not exist proves that the resource does not exist; another failure proves nothing.
#[tokio::test]
async fn a_missing_parent_proves_that_nothing_was_lost_in_it() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of(
        "  - { id: child, uses: thing, with: { name: child, value: in a missing parent } }\n  \
         - { id: hidden, uses: thing, with: { name: hidden, value: forbidden } }\n",
    );
    let new = trial.run(1, &text);
    let run = new.run;
    backend.start(new).await.unwrap();
    backend.signal(signal(run, Signal::Undo)).await.unwrap();
    trial.drive(&backend, run).await.unwrap();
    let state = backend.load(run).await.unwrap();
    let unchecked: Vec<String> =
        state.unchecked().iter().map(|(step, why)| format!("{step}: {why}")).collect();
    assert_eq!(unchecked, ["hidden: it cannot be read: 404: forbidden"]);
}

/// `verify` of a run that is not undone finds the same, in an element that the journal never expanded, too, and reads nothing
/// where every step is accounted for.
#[tokio::test]
async fn what_the_journal_lost_is_found_without_an_undo() {
    let trial = Trial::new();
    let backend = trial.open();
    let text = plan_of(
        "  - id: each\n    for_each: [x, y]\n    uses: thing\n    with: { name: \"${{ each.key }}\", value: v }\n",
    );
    let new = trial.run(1, &text);
    let run = new.run;
    backend.start(new).await.unwrap();
    let performer = trial.performer();
    let mut state = backend.load(run).await.unwrap();
    assert_eq!(lost_tail(&state, &performer).await, []);
    trial.world.place(&format!("{run}/y"));
    let found = lost_tail(&state, &performer).await;
    let steps: Vec<String> = found.iter().map(|finding| finding.step.to_string()).collect();
    assert_eq!(steps, ["each[y]"]);
    assert!(found.iter().all(|finding| finding.drift == DriftState::LostTail), "{found:?}");
    assert_eq!(trial.world.ledger(), Vec::<String>::new());
    // A run whose steps are all proven.
    let whole = trial.run(2, &text);
    let run = whole.run;
    backend.start(whole).await.unwrap();
    trial.drive(&backend, run).await.unwrap();
    state = backend.load(run).await.unwrap();
    assert_eq!(lost_tail(&state, &performer).await, []);
}

fn keyed(trial: &Trial, number: u64, key: &str, begins: Begins) -> NewRun {
    let thing = |name| {
        format!("  - id: {name}\n    uses: thing\n    with: {{ name: {name}, value: v, claim: true }}\n")
    };
    let mut new = trial.run(number, &plan_of(&["s0", "s1"].map(thing).concat()));
    new.rollout.key = RunKey::given(key).unwrap();
    new.rollout.begins = begins;
    new
}

#[tokio::test]
async fn a_run_begins_only_after_the_newest_of_its_key_and_beside_no_open_one() {
    let trial = Trial::new();
    let backend = trial.open();
    let (first, nothing) = (keyed(&trial, 1, "prod", Begins::AfterNewest(None)), Begins::AfterNewest(None));
    let run = first.run;
    assert_eq!(backend.start(first).await.unwrap(), Started::New);
    let after_first = Begins::AfterNewest(Some(run));
    for begins in [nothing, after_first] {
        assert_eq!(
            backend.start(keyed(&trial, 2, "prod", begins)).await.unwrap(),
            Started::Overtaken,
            "it is open"
        );
    }
    assert_eq!(backend.start(keyed(&trial, 3, "test", nothing)).await.unwrap(), Started::New, "another key");
    trial.drive(&backend, run).await.unwrap();
    assert_eq!(
        backend.start(keyed(&trial, 2, "prod", nothing)).await.unwrap(),
        Started::Overtaken,
        "not the newest"
    );
    assert_eq!(backend.start(keyed(&trial, 2, "prod", after_first)).await.unwrap(), Started::New);
    // The second knows what the first created, and stores it.
    let second = backend.load(RunId::of_seed(2)).await.unwrap();
    assert_eq!(second.key().as_str(), "prod");
    let earlier = backend.earlier(second.key()).unwrap();
    assert_eq!((earlier.len(), earlier[0].run, earlier[0].created.len()), (1, run, 2));
    let parked = trial.drive(&backend, RunId::of_seed(2)).await.unwrap();
    assert_eq!(parked.runs, [(RunId::of_seed(2), succeeded())]);
    assert_eq!(trial.world.ledger(), ["s0", "s1"], "created once");
    assert_eq!(backend.verify_journal(RunId::of_seed(2)).unwrap().problems, Vec::<String>::new());
    let key = RunKey::given("prod").unwrap();
    let listed = backend.list(Filter { key: Some(key), ..Filter::default() }).await.unwrap();
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn of_many_that_begin_at_once_under_one_key_one_is_accepted() {
    let trial = Trial::new();
    let backend = Arc::new(trial.open());
    let starts = (1..=16).map(|number| {
        let (backend, new) = (Arc::clone(&backend), keyed(&trial, number, "k", Begins::AfterNewest(None)));
        tokio::spawn(async move { backend.start(new).await.unwrap() })
    });
    let mut accepted = 0;
    for start in starts.collect::<Vec<_>>() {
        accepted += usize::from(start.await.unwrap() == Started::New);
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn labels_are_kept_and_select_runs() {
    let trial = Trial::new();
    let backend = trial.open();
    for (number, label) in [(1, "ticket=1"), (2, "ticket=2")] {
        let mut new = trial.run(number, &chain(1));
        new.rollout.labels.add(label).unwrap();
        backend.start(new).await.unwrap();
    }
    let mut labels = Labels::default();
    labels.add("ticket=2").unwrap();
    let listed = backend.list(Filter { labels, limit: Some(1), ..Filter::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|summary| summary.run).collect::<Vec<_>>(), [RunId::of_seed(2)]);
    let state = backend.load(RunId::of_seed(2)).await.unwrap();
    assert_eq!(state.labels()["ticket"], "2");
}
