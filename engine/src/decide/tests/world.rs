//! The simulated remote: resources by name, and faults of requests.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use twinspan_plans::Ensure;

use crate::attempt_log::Exchange;
use crate::clock::Now;
use crate::decision::{Decision, Difference};
use crate::failure::{FailureClass, StepError};
use crate::ids::ClaimKey;
use crate::job::{Fact, Job, KindRules, Seen};
use crate::observation::{Marker, Observed, Phase, Readiness, Undone};
use crate::signal::Choice;
use crate::wait::Wait;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thing {
    pub(super) marker: Marker,
    /// Changing until then.
    pub(super) ready: Timestamp,
    pub(super) conflict: bool,
    pub(super) differs: bool,
    pub(super) broken: bool,
}

/// A fault that occurs once.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// The write arrives, its response does not.
    AppliedThenLost,
    /// The write does not arrive, and there is no response.
    LostBefore,
    /// The write arrives this much later, and has no response.
    ArrivesLate(Duration),
    /// A definite refusal, or a read that fails.
    Refused(StepError),
    /// A read finds this instead.
    Sees(Box<Observed<Value>>),
    /// `precondition` returns this.
    NotReady(Readiness),
    /// The delete is accepted, and nothing is deleted.
    DeletesNothing,
    /// The delete is accepted, and takes this long.
    GoesOn(Duration),
    /// The delete is refused, with a reason.
    Keeps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Updated,
    Removed,
}

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) things: BTreeMap<String, Thing>,
    pub(super) ledger: Vec<(String, Change)>,
    pub(super) faults: BTreeMap<(String, Phase), VecDeque<Fault>>,
    /// Late requests: a resource that is created, or a delete.
    late: Vec<(Timestamp, String, Option<Thing>)>,
    /// Being deleted until then.
    leaving: Vec<(Timestamp, String)>,
    /// Kinds without markers.
    pub(super) no_place: bool,
    /// All steps change this same resource.
    pub(super) shared: bool,
    pub(super) rules: KindRules,
    /// How long a resource is changing after a write.
    pub(super) converge: Duration,
    pub(super) performed: Vec<(String, Phase)>,
    /// What things hold, by the thing's name.
    pub(super) holds: BTreeMap<String, Vec<String>>,
}

pub(super) fn thing(marker: Marker) -> Thing {
    Thing { marker, ready: Timestamp::UNIX_EPOCH, conflict: false, differs: false, broken: false }
}

pub(super) fn transient() -> StepError {
    StepError::new(FailureClass::Transient, "connection reset")
}

impl World {
    pub(super) fn fault(&mut self, step: &str, phase: Phase, fault: Fault) {
        self.faults.entry((step.to_owned(), phase)).or_default().push_back(fault);
    }

    pub(super) fn count(&self, step: &str, change: Change) -> usize {
        self.ledger.iter().filter(|(name, what)| name == step && *what == change).count()
    }

    /// Applies what is due until `now`.
    pub(super) fn arrive(&mut self, now: Timestamp) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
        self.late = later;
        let (gone, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.leaving).into_iter().partition(|(at, _)| *at <= now);
        self.leaving = going;
        for (_, name) in gone {
            self.things.remove(&name);
            self.ledger.push((name, Change::Removed));
        }
        for (_, name, thing) in due {
            match thing {
                Some(thing) => self.put(&name, thing),
                None => self.take(&name),
            }
        }
    }

    fn take(&mut self, name: &str) {
        if self.things.remove(name).is_some() {
            self.ledger.push((name.to_owned(), Change::Removed));
        }
    }

    fn put(&mut self, name: &str, thing: Thing) {
        let change = if self.things.insert(name.to_owned(), thing).is_some() {
            Change::Updated
        } else {
            Change::Created
        };
        self.ledger.push((name.to_owned(), change));
    }

    fn observe(&self, name: &str, now: Timestamp) -> Observed<Value> {
        let Some(thing) = self.things.get(name) else { return Observed::Absent };
        let marker = thing.marker.clone();
        let output = json!({ "id": format!("/things/{name}") });
        if thing.conflict {
            return Observed::Conflict(Decision {
                what: "another owner's".to_owned(),
                advice: "ask".to_owned(),
                differences: Vec::new(),
            });
        }
        if thing.broken {
            let decision = Decision {
                what: "it is Revoked".to_owned(),
                advice: "ask the owner".to_owned(),
                differences: Vec::new(),
            };
            return Observed::Broken { output, decision, marker };
        }
        if thing.differs {
            return Observed::Differs { output, differences: Vec::new(), marker };
        }
        if self.leaving.iter().any(|(_, leaving)| leaving == name) {
            return Observed::Converging { wait: Wait::remote("it is being deleted"), marker };
        }
        if thing.ready > now {
            return Observed::Converging { wait: Wait::remote("it is Pending"), marker };
        }
        Observed::Present { output, marker }
    }

    /// What is held, as the registry tells it: beside what a probe on the way forward found, else among the differences.
    fn contents(&self, job: &Job, name: &str, observed: &mut Observed<Value>) -> Option<Difference> {
        let keys: Vec<ClaimKey> = self.holds.get(name)?.iter().cloned().map(ClaimKey).collect();
        let held =
            Difference { contents: keys.clone(), ..Difference::new("content", "none", format!("{keys:?}")) };
        let foreign =
            matches!(observed, Observed::Present { marker: Marker::Of(run), .. } if *run != job.run.short());
        let differs = matches!(observed, Observed::Differs { .. } | Observed::Broken { .. });
        if job.phase == Phase::Probe && job.ensure == Ensure::Present {
            let here = matches!(observed, Observed::Present { .. });
            return (differs || here && (foreign || job.decided == Some(Choice::Recreate))).then_some(held);
        }
        if matches!(job.phase, Phase::Probe | Phase::UndoProbe)
            && let Observed::Present { output, marker } | Observed::Broken { output, marker, .. } = observed
        {
            let (output, marker) = (output.clone(), marker.clone());
            *observed = Observed::Differs { output, differences: vec![held], marker };
        } else if matches!(job.phase, Phase::Probe | Phase::UndoProbe)
            && let Observed::Differs { differences, .. } = observed
        {
            differences.push(held);
        }
        None
    }

    /// `now`: the world's time; `clocks`: the driver's.
    pub(super) fn perform(&mut self, job: &Job, now: Timestamp, clocks: Now) -> Fact {
        self.arrive(now);
        let name = job.step.to_string();
        self.performed.push((name.clone(), job.phase));
        let fault = self.faults.get_mut(&(name.clone(), job.phase)).and_then(VecDeque::pop_front);
        let result = match job.phase {
            Phase::Apply if job.ensure == Ensure::Absent => self.undo(&name, fault, now),
            Phase::Apply => self.apply(job, &name, fault, now),
            Phase::Undo => self.undo(&name, fault, now),
            _ => self.look(job, &name, fault, now),
        };
        let exchange = Exchange {
            verb: if job.phase.writes() { "PUT" } else { "GET" }.to_owned(),
            target: format!("/things/{name}"),
            status: result.is_ok().then_some(200),
            began: now,
            ended: now,
            identity: "me".to_owned(),
            acted_as: Vec::new(),
            write: job.phase.writes(),
            created: None,
            references: Vec::new(),
            sent: None,
            received: None,
            sent_by: None,
        };
        Fact {
            step: job.step.clone(),
            phase: job.phase,
            attempt: job.attempt,
            asked: job.asked,
            began: clocks,
            ended: clocks,
            result,
            exchanges: vec![exchange],
            warnings: Vec::new(),
            rules: self.rules.clone(),
        }
    }

    fn look(
        &mut self,
        job: &Job,
        name: &str,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Result<Seen, StepError> {
        let forward = job.phase == Phase::Probe && job.ensure == Ensure::Present;
        let mut readiness = forward.then_some(Readiness::Ready);
        let mut observed = self.observe(name, now);
        match fault {
            Some(Fault::Refused(error)) => return Err(error),
            Some(Fault::Sees(seen)) => observed = *seen,
            Some(Fault::NotReady(not_ready)) => readiness = Some(not_ready),
            _ => {}
        }
        let contents = self.contents(job, name, &mut observed);
        let changes = if self.shared { "shared" } else { name };
        Ok(Seen::Checked {
            observed,
            contents,
            readiness,
            claims: vec![ClaimKey(format!("/things/{changes}"))],
        })
    }

    fn apply(
        &mut self,
        job: &Job,
        name: &str,
        fault: Option<Fault>,
        now: Timestamp,
    ) -> Result<Seen, StepError> {
        let marker =
            if self.no_place { Marker::NoPlace } else { Marker::Of(job.owner.unwrap_or(job.run).short()) };
        let ready = now.checked_add(self.converge).unwrap();
        let thing = Thing { ready, ..thing(marker) };
        match fault {
            Some(Fault::Refused(error)) => return Err(error),
            Some(Fault::LostBefore) => return Err(transient().unknown()),
            Some(Fault::AppliedThenLost) => {
                self.put(name, thing);
                return Err(transient().unknown());
            }
            Some(Fault::ArrivesLate(after)) => {
                self.late.push((now.checked_add(after).unwrap(), name.to_owned(), Some(thing)));
                return Err(transient().unknown());
            }
            _ => self.put(name, thing),
        }
        Ok(Seen::Applied { receipt: Some(json!(format!("receipt of {name}"))) })
    }

    fn undo(&mut self, name: &str, fault: Option<Fault>, now: Timestamp) -> Result<Seen, StepError> {
        if let Some(Fault::GoesOn(time)) = fault {
            self.leaving.push((now.checked_add(time).unwrap(), name.to_owned()));
            return Ok(Seen::Undone(Undone::Removed));
        }
        match fault {
            Some(Fault::Refused(error)) => return Err(error),
            Some(Fault::LostBefore) => return Err(transient().unknown()),
            Some(Fault::AppliedThenLost) => {
                self.take(name);
                return Err(transient().unknown());
            }
            Some(Fault::ArrivesLate(after)) => {
                self.late.push((now.checked_add(after).unwrap(), name.to_owned(), None));
                return Err(transient().unknown());
            }
            Some(Fault::DeletesNothing) => {}
            Some(Fault::Keeps) => return Ok(Seen::Undone(Undone::Kept("others use it".to_owned()))),
            _ => self.take(name),
        }
        Ok(Seen::Undone(Undone::Removed))
    }
}
