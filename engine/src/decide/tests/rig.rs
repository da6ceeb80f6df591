//! A driver of a dozen lines that checks the invariants at every step.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use twinspan_plans::{Digest, Inputs, Plan};
use uuid::Uuid;

use super::world::{Fault, World};
use crate::clock::Now;
use crate::decide::{Effect, decide, interpret, legal_commands, take_signal};
use crate::drift::repairs;
use crate::drift_check::{finding, looks};
use crate::event::{Event, Recorded, RunStarted, StepEvent};
use crate::finding::Finding;
use crate::finding::{Sought, SoughtState};
use crate::ids::{Epoch, RunId, Seq, SignalId, StepKey};
use crate::job::Job;
use crate::observation::Phase;
use crate::rollout::Rollout;
use crate::signal::{Actor, Repair, Signal, SignalRow};
use crate::state::{RunState, RunStatus, StepState, fold};
use crate::wait::WaitKind;

pub(super) const RUN: RunId = RunId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_1a2b_3c4d));

/// Where the driver dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// At this number of events.
    After(usize),
    /// When the next event is performed, but not written.
    Before(usize),
}

pub(super) struct Rig {
    pub(super) plan: Arc<Plan>,
    pub(super) state: RunState,
    pub(super) events: Vec<Recorded>,
    pub(super) world: World,
    /// The time of the world; the rig's own wall clock may be wrong.
    pub(super) now: Timestamp,
    /// How far the wall clock is ahead.
    pub(super) ahead: SignedDuration,
    /// When the driver took the run.
    taken: Timestamp,
    pub(super) death: Option<Death>,
    signals: u128,
    pub(super) most_at_once: usize,
}

impl Rig {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Rig::with_inputs(plan, IndexMap::new())
    }

    pub(super) fn with_inputs(plan: Arc<Plan>, inputs: IndexMap<String, Value>) -> Self {
        Rig::started(RUN, plan, inputs, Rollout::default())
    }

    /// A run with this id that knows earlier runs of its key.
    pub(super) fn of_rollout(run: RunId, plan: Arc<Plan>, rollout: Rollout) -> Self {
        Rig::started(run, plan, IndexMap::new(), rollout)
    }

    fn started(run: RunId, plan: Arc<Plan>, inputs: IndexMap<String, Value>, rollout: Rollout) -> Self {
        let mut rig = Rig {
            state: RunState::new(Arc::clone(&plan)),
            plan,
            events: Vec::new(),
            world: World::default(),
            now: "2026-11-23T08:00:00Z".parse().unwrap(),
            ahead: SignedDuration::ZERO,
            taken: "2026-11-23T08:00:00Z".parse().unwrap(),
            death: None,
            signals: 0,
            most_at_once: 0,
        };
        rig.append(Event::RunStarted(Box::new(RunStarted {
            run,
            name: "test".to_owned(),
            plan: Digest::of(b"text"),
            inputs: Inputs(inputs),
            starter: Actor("starter".to_owned()),
            paused: false,
            seed: 7,
            rollout,
        })));
        rig.take_over();
        rig
    }

    /// Another driver takes the run: it has only the journal.
    pub(super) fn take_over(&mut self) {
        let epoch = Epoch(self.state.epoch().0 + 1);
        self.state = self.refold();
        self.taken = self.now;
        self.append(Event::DriverTook {
            epoch,
            driver: format!("host/{}", epoch.0),
            program: "0.1.0".to_owned(),
            over: None,
        });
    }

    /// Both clocks of the driver.
    pub(super) fn time(&self) -> Now {
        let boot = self.now.duration_since(self.taken).try_into().unwrap();
        Now { utc: self.now.checked_add(self.ahead).unwrap(), boot }
    }

    fn refold(&self) -> RunState {
        let mut state = RunState::new(Arc::clone(&self.plan));
        for recorded in &self.events {
            // A stored event must be read back unchanged.
            let text = serde_json::to_string(recorded).unwrap();
            let read: Recorded = serde_json::from_str(&text).unwrap();
            assert_eq!(read, *recorded);
            fold(&mut state, &read).unwrap();
        }
        state
    }

    pub(super) fn append(&mut self, event: Event) {
        self.check_event(&event);
        let recorded = Recorded { seq: Seq(self.events.len() as u64 + 1), at: self.time().utc, event };
        self.state.advance(self.time().boot);
        if let Err(error) = fold(&mut self.state, &recorded) {
            panic!("{error}\n{}", self.story());
        }
        self.events.push(recorded);
        assert!(!legal_commands(&self.state).is_empty(), "I14: no legal command\n{}", self.story());
        for step in self.state.steps() {
            let name = step.state().map_or("pending", StepState::name);
            assert!(StepState::NAMES.contains(&name), "a state has a name that `wait` does not know: {name}");
        }
    }

    /// Checks what an event claims.
    fn check_event(&self, event: &Event) {
        let Event::Step { step, event } = event else { return };
        if let StepEvent::Done { evidence, .. } | StepEvent::Unchanged { evidence, .. } = event {
            assert!(
                evidence.is_after_last_write(),
                "I2: {step} is proven by a read that began before its write ended"
            );
        }
        if let StepEvent::Intended { .. } = event {
            let open = self.step(&step.0).is_open_attempt();
            assert!(!open, "I6: {step} has an open attempt\n{}", self.story());
        }
    }

    fn check_job(&self, job: &Job) {
        let item = self.state.find(&job.step).unwrap();
        let control = self.state.control();
        assert!(control.pause.is_none(), "I8: {} is performed while paused", job.step);
        if job.phase.writes() {
            let Some(StepState::Intended { attempt, epoch, .. }) = item.state() else {
                panic!("I1: {} is sent without an intent\n{}", job.step, self.story());
            };
            assert_eq!(
                (*attempt, *epoch),
                (job.attempt, self.state.epoch()),
                "I1: of another attempt or epoch"
            );
        }
        if job.phase == Phase::Probe && control.goal == crate::state::Goal::Finish {
            assert_eq!(item.waits_for(), Vec::<&StepKey>::new(), "I7: {} begins before its needs", job.step);
        }
        // On the way forward a person has ordered the delete.
        if job.phase == Phase::Undo && control.goal == crate::state::Goal::Undo {
            let mine = self.world.things.get(&*job.step.0);
            let owned = mine.is_none_or(|thing| {
                thing.marker == crate::observation::Marker::NoPlace
                    || self
                        .state
                        .run()
                        .is_some_and(|run| thing.marker == crate::observation::Marker::Of(run.short()))
            });
            assert!(owned, "I11: {} removes what is not ours", job.step);
        }
    }

    fn dies(&mut self, death: Death) -> bool {
        if self.death == Some(death) {
            self.death = None;
            self.take_over();
            return true;
        }
        false
    }

    /// The result of the search before an undo: every resource with this run's marker at steps that never sent anything.
    fn search(&mut self) -> Event {
        let own = crate::observation::Marker::Of(RUN.short());
        let steps: Vec<StepKey> = self.state.unsearched().collect();
        let there = steps
            .into_iter()
            .filter(|step| self.world.things.get(&*step.0).is_some_and(|thing| thing.marker == own));
        let found = || SoughtState::Own { params: Value::Null, identities: Vec::new(), auxiliary: None };
        Event::Searched { sought: there.map(|step| Sought { step, found: found() }).collect() }
    }

    /// One turn of the driver; false: nothing can continue.
    pub(super) fn turn(&mut self) -> bool {
        if self.dies(Death::After(self.events.len())) {
            return true;
        }
        let effects = decide(&self.state, self.time());
        let mut wake = None;
        let mut jobs = Vec::new();
        let mut records = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(event) => records.push(event),
                Effect::Perform(job) => jobs.push(job),
                Effect::Search => records.push(self.search()),
                Effect::WakeAt(at) => wake = Some(at),
                Effect::Finished(_) => return false,
            }
        }
        self.most_at_once = self.most_at_once.max(jobs.len());
        if let Some(event) = records.into_iter().next() {
            self.append(event);
            return true;
        }
        if let Some(job) = jobs.into_iter().next() {
            self.check_job(&job);
            let fact = self.world.perform(&job, self.now, self.time());
            if self.dies(Death::Before(self.events.len())) {
                return true;
            }
            for event in interpret(&self.state, &fact, self.time()) {
                self.append(event);
            }
            let again = interpret(&self.state, &fact, self.time());
            if fact.phase.writes() {
                assert_eq!(again, Vec::<Event>::new(), "a second delivery means something");
            }
            return true;
        }
        match wake {
            Some(at) => {
                assert!(at > self.time().boot, "wakes in the past");
                self.now = self.taken.checked_add(at).unwrap();
                true
            }
            None => false,
        }
    }

    /// Drives until nothing can continue, or only people and the like are waited for.
    pub(super) fn drive(&mut self) -> RunStatus {
        self.drive_for(SignedDuration::from_hours(24 * 40))
    }

    pub(super) fn drive_for(&mut self, time: SignedDuration) -> RunStatus {
        let end = self.now.checked_add(time).unwrap();
        for _ in 0..50_000 {
            let status = self.status();
            if matches!(&status, RunStatus::Waiting { on } if on.iter().all(|kind| is_outside(*kind)))
                && self.next_is_later()
            {
                return status;
            }
            if self.now > end || !self.turn() {
                return self.status();
            }
        }
        panic!("does not come to rest\n{}", self.story());
    }

    fn next_is_later(&self) -> bool {
        decide(&self.state, self.time()).iter().all(|effect| matches!(effect, Effect::WakeAt(_)))
    }

    /// One more check of everything that is due next.
    pub(super) fn look_on(&mut self) {
        let before = self.world.performed.len();
        while self.world.performed.len() == before && self.turn() {}
    }

    pub(super) fn status(&self) -> RunStatus {
        self.state.status(self.time().utc)
    }

    pub(super) fn send(&mut self, actor: &str, signal: Signal) {
        self.signals += 1;
        let row = SignalRow {
            id: SignalId(Uuid::from_u128(self.signals)),
            run: RUN,
            actor: Actor(actor.to_owned()),
            reason: None,
            signal,
        };
        for event in take_signal(&self.state, &row, &[], self.time().utc) {
            self.append(event);
        }
        assert_eq!(take_signal(&self.state, &row, &[], self.time().utc), Vec::<Event>::new(), "taken twice");
    }

    /// Verifies all proven steps, and records the result.
    pub(super) fn verify(&mut self) -> Vec<Finding> {
        let kinds = crate::registry::Registry::new();
        let mut findings = Vec::new();
        for (id, job) in looks(&self.state).into_iter().flatten() {
            assert!(!job.phase.writes());
            let fact = self.world.perform(&job, self.now, self.time());
            findings.extend(finding(&self.state, id, &fact, &kinds));
        }
        self.send(
            "me",
            Signal::Verified { began: self.now, after: self.state.seq(), findings: findings.clone() },
        );
        findings
    }

    /// The last verification result of each step that is not in sync.
    pub(super) fn drifted(&self) -> Vec<(String, &'static str)> {
        let drift = |step: crate::state::ItemView<'_>| {
            let (_, drift) = step.drift()?;
            drift.is_drift().then(|| (step.key().to_string(), drift.name()))
        };
        self.state.steps().filter_map(drift).collect()
    }

    /// Verifies, and repairs a step with everything that belongs to it.
    pub(super) fn repair(&mut self, step: &str) -> Vec<Repair> {
        self.verify();
        let repairs = repairs(&self.state, &step.into()).unwrap();
        self.send("me", Signal::Repair { step: step.into(), repairs: repairs.clone() });
        repairs
    }

    pub(super) fn step(&self, key: &str) -> &StepState {
        let key = StepKey::from(key);
        self.state.find(&key).unwrap_or_else(|| panic!("no step {key}")).state().unwrap()
    }

    pub(super) fn names(&self) -> Vec<(String, &'static str)> {
        self.state.steps().map(|step| (step.key().to_string(), step.state().unwrap().name())).collect()
    }

    pub(super) fn fault(&mut self, step: &str, phase: Phase, fault: Fault) {
        self.world.fault(step, phase, fault);
    }

    /// Names of a step's events, in order.
    pub(super) fn events_of(&self, step: &str) -> Vec<&'static str> {
        self.events
            .iter()
            .filter_map(|recorded| match &recorded.event {
                Event::Step { step: of, event } if &*of.0 == step => Some(event.name()),
                _ => None,
            })
            .collect()
    }

    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.state.outline().into_iter().map(|item| item.key().to_string()).collect()
    }

    pub(super) fn story(&self) -> String {
        let lines = self.events.iter().map(|recorded| match &recorded.event {
            Event::Step { step, event } => format!("{} {} {step}: {event:?}", recorded.seq.0, recorded.at),
            other => format!("{} {} {other:?}", recorded.seq.0, recorded.at),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn is_outside(kind: WaitKind) -> bool {
    matches!(
        kind,
        WaitKind::Person | WaitKind::Approval | WaitKind::Credential | WaitKind::Permission | WaitKind::Claim
    )
}
