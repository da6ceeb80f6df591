use jiff::SignedDuration;
use twinspan_engine::{
    Actor, DriveOptions, NewRollout, NewRun, Opening, Performer, Runs, SqliteBackend, StopToken, VirtualClock,
};
use twinspan_plans::Inputs;

use super::*;
use crate::cli::ui::Overheard;
use crate::host::step_kinds;
use crate::plan;

#[test]
fn virtual_time_is_counted_from_the_beginning() {
    assert_eq!(elapsed(754), "+0:12:34");
    assert_eq!(elapsed(90_061), "+1d 1:01:01");
}

const GATED: &str = "\
twinspan: 1
name: gated
summary: An approval
steps:
  - id: go
    uses: approval
    remind: 24h
    with: { show: the list }
";

/// A run that waits for approval, and its clock.
struct Waiting {
    ui: Ui,
    heard: Overheard,
    clock: Arc<VirtualClock>,
    backend: SqliteBackend,
    run: RunId,
    _folder: tempfile::TempDir,
}

async fn waiting(output: Output) -> Waiting {
    let (ui, heard) = Ui::overheard(output);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.yaml");
    std::fs::write(&path, GATED).unwrap();
    let registry = step_kinds::described().unwrap();
    let file = plan::file::read(&ui, &path, registry.catalog()).unwrap();
    let clock = Arc::new(VirtualClock::new(Timestamp::from_second(1_767_600_000).unwrap()));
    let opening = Opening::rehearsal(Arc::clone(&registry), clock.clone());
    let backend = SqliteBackend::open(&folder.path().join("journal.db"), opening).unwrap();
    let run = RunId::of_seed(1);
    let new = NewRun {
        run,
        plan: file.plan,
        text: file.text,
        inputs: Inputs::default(),
        starter: Actor("nina".to_owned()),
        paused: false,
        seed: 1,
        rollout: NewRollout::default(),
    };
    backend.start(new).await.unwrap();
    let performer = Arc::new(Performer::new(registry, clock.clone()));
    let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
    let (_stopper, token) = StopToken::new();
    backend.drive(Runs::These(vec![run]), performer, options, token).await.unwrap();
    Waiting { ui, heard, clock, backend, run, _folder: folder }
}

impl Waiting {
    async fn progress<'a>(&'a self, stamps: Stamps, said: &'a Said) -> Progress<'a> {
        let mut progress =
            Progress::new(&self.ui, &self.backend, stamps, said, &[self.run], &[]).await.unwrap();
        progress.catch_up().await.unwrap();
        progress
    }

    /// What is written after `time` has passed.
    fn after(&self, time: SignedDuration, progress: &mut Progress<'_>) -> String {
        self.clock.advance(time);
        progress.tick(self.clock.now()).unwrap();
        self.heard.take()
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test]
async fn after_each_half_minute_of_silence_it_says_what_is_waited_for() {
    let waiting = waiting(Output::Text).await;
    let said = Said::default();
    let mut progress = waiting.progress(Stamps::Real, &said).await;
    assert!(waiting.heard.take().contains("waiting  go"), "the wait itself comes first");
    assert_eq!(waiting.after(SECOND * 29, &mut progress), "");
    let beat = waiting.after(SECOND, &mut progress);
    assert!(beat.contains("still running  ") && beat.contains(" steps done; go waits for"), "{beat}");
    assert!(beat.contains("approval: the list, since 30 s"), "{beat}");
    assert_eq!(waiting.after(SECOND * 29, &mut progress), "");
    assert!(waiting.after(SECOND, &mut progress).contains("since 1 min"));
}

#[tokio::test]
async fn somebody_who_is_waited_for_is_reminded_as_the_plan_says() {
    let waiting = waiting(Output::Text).await;
    let said = Said::default();
    let mut progress = waiting.progress(Stamps::Real, &said).await;
    let first = waiting.heard.take();
    assert!(first.contains("waiting  go") && !first.contains("reminder"), "{first}");
    let hours = SignedDuration::from_hours;
    assert!(!waiting.after(hours(24) - SECOND, &mut progress).contains("reminder"));
    let reminder = waiting.after(SECOND, &mut progress);
    for words in ["reminder go", "do        twinspan approve", "since 2026-01-05 08:00"] {
        assert!(reminder.contains(words), "{words:?} is missing:\n{reminder}");
    }
    assert!(!waiting.after(hours(23), &mut progress).contains("reminder"));
    assert!(waiting.after(hours(1), &mut progress).contains("reminder go"));
}

#[tokio::test]
async fn in_a_rehearsal_looking_again_makes_time_pass() {
    let waiting = waiting(Output::Text).await;
    let said = Said::default();
    let began = waiting.clock.now();
    let mut progress = waiting.progress(Stamps::Since(began), &said).await;
    waiting.heard.take();
    // In a rehearsal a tick of the real clock writes nothing.
    assert_eq!(waiting.after(SignedDuration::from_hours(30), &mut progress), "");
    let events = waiting.backend.read(waiting.run, Seq(1), None).await.unwrap();
    let look = events
        .iter()
        .rfind(|recorded| matches!(&recorded.event, Event::Step { event: StepEvent::Waiting { .. }, .. }));
    let mut again = look.unwrap().clone();
    for (hours, reminded) in [(23, false), (24, true), (25, false), (49, true)] {
        again.at = began + SignedDuration::from_hours(hours);
        progress.say_all(0, std::slice::from_ref(&again)).unwrap();
        let heard = waiting.heard.take();
        assert_eq!(heard.contains("reminder go"), reminded, "{hours} h: {heard}");
        assert_eq!(heard.is_empty(), !reminded, "{hours} h: {heard}");
    }
    // Driven again in the same rehearsal: the wait is not repeated, but its reminder is written.
    let mut next = waiting.progress(Stamps::Since(began), &said).await;
    assert!(!waiting.heard.take().contains("waiting"), "it was said");
    again.at = began + SignedDuration::from_hours(72);
    next.say_all(0, std::slice::from_ref(&again)).unwrap();
    assert!(waiting.heard.take().contains("+3d 0:00:00  reminder go"));
}

#[tokio::test]
async fn a_program_is_reminded_by_a_line_of_its_own() {
    let waiting = waiting(Output::Jsonl).await;
    let said = Said::default();
    let mut progress = waiting.progress(Stamps::Real, &said).await;
    waiting.heard.take();
    let line = waiting.after(SignedDuration::from_hours(24), &mut progress);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["type"], &line["step"], &line["kind"]),
        (&"reminder".into(), &"go".into(), &"approval".into())
    );
    assert_eq!(line["run"], waiting.run.to_string());
}
