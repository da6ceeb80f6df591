//! Guards before small steps: who is asked, how often, and what a wrong one stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::clock::VirtualClock;
use crate::guards::Guards;
use crate::ids::ClaimKey;
use crate::ids::Seq;
use crate::job::Reads;
use crate::kind_meta::{KindMeta, WriteMeta};
use crate::observation::{Applied, Marker, Undone};
use crate::registry::Registry;
use crate::signal::Choice;
use crate::step::Step;

#[derive(Clone, Debug, Default)]
struct Gatekeeper(Arc<AtomicUsize>);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Params {
    says: String,
}

impl Step for Gatekeeper {
    const META: KindMeta = KindMeta {
        guards: Some("place"),
        ..KindMeta::writes(
            "test.gatekeeper",
            "Say whether others may write",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::ZERO,
                request_window: Duration::ZERO,
            },
        )
    };

    type Params = Params;
    type Output = Params;

    fn example() -> Params {
        Params { says: "yes".to_owned() }
    }

    async fn guard(&self, _: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match known["says"].as_str().unwrap_or_default() {
            "yes" => Ok(Guarded::Met),
            "no" => Ok(Guarded::Wrong(StepError::plan_wrong("it is called otherwise"))),
            "wrong-account" => {
                let wait = crate::wait::Wait::new(crate::wait::WaitKind::Person, "signed in as eve");
                Ok(Guarded::Wrong(StepError::new(FailureClass::NeedsPerson, "eve").wait(wait)))
            }
            "later" => Err(StepError::new(FailureClass::Transient, "the network is down")),
            "not-invited" => Err(StepError::new(FailureClass::NeedsPerson, "not invited yet")),
            _ => Ok(Guarded::Unknown),
        }
    }

    fn claims(&self, _: &StepCx<'_>, _: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn check(&self, _: &StepCx<'_>, params: &Params) -> Result<Observed<Params>, StepError> {
        Ok(match params.says.as_str() {
            "there" => Observed::Present { output: Gatekeeper::example(), marker: Marker::None },
            _ => Observed::Absent,
        })
    }

    async fn apply(&self, _: &StepCx<'_>, _: &Params) -> Result<Applied, StepError> {
        Ok(Applied::default())
    }

    async fn undo(&self, _: &StepCx<'_>, _: &Params, _: &Params) -> Result<Undone, StepError> {
        Ok(Undone::Removed)
    }
}

fn identity(name: &str, place: &str) -> Identity {
    Identity { name: name.to_owned(), attributes: [("place".to_owned(), place.to_owned())].into() }
}

fn guard(step: &str, says: &str, actor: Identity) -> Guard {
    let known = json!({ "says": says });
    Guard {
        step: step.into(),
        kind: Gatekeeper::META.name.to_owned(),
        known,
        identities: vec![actor],
        others: Vec::new(),
    }
}

struct Bench {
    performer: Performer,
    asked: Arc<AtomicUsize>,
    guards: Vec<Guard>,
}

impl Bench {
    fn new(guards: Vec<Guard>) -> Self {
        let kind = Gatekeeper::default();
        let asked = Arc::clone(&kind.0);
        let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
        Bench { performer: Performer::new(Arc::new(Registry::new().with(kind)), clock), asked, guards }
    }

    /// What the probe of a step comes to that would write as `writer`.
    async fn probe(&self, writer: Identity, wrote: bool) -> Result<Seen, StepError> {
        self.performer.perform(self.job(writer, wrote)).await.result
    }

    fn job(&self, writer: Identity, wrote: bool) -> Job {
        Job {
            run: RunId(uuid::Uuid::from_u128(1)),
            step: "writer".into(),
            owner: None,
            kind: Gatekeeper::META.name.to_owned(),
            phase: Phase::Probe,
            ensure: Ensure::Present,
            attempt: 1,
            params: Arc::new(json!({ "says": "" })),
            identities: vec![writer],
            others: Vec::new(),
            auxiliary: None,
            since: Timestamp::UNIX_EPOCH,
            waited: Duration::ZERO,
            asked: Seq(1),
            earlier: Arc::default(),
            overwrites: false,
            decided: None,
            created: Vec::new(),
            approval: None,
            receipt: None,
            needed_receipts: Vec::new(),
            stated: BTreeMap::new(),
            found: None,
            timeout: Duration::from_secs(300),
            written: None,
            reads: Reads::Own,
            guards: Some(Guards { all: self.guards.clone().into(), wrote }),
        }
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn one_that_does_not_hold_stops_every_first_write_and_says_whose_it_is() {
    let bench = Bench::new(vec![
        guard("good", "yes", identity("a", "1")),
        guard("connect[b].scope", "no", identity("b", "2")),
    ]);
    let error = bench.probe(identity("a", "1"), false).await.unwrap_err();
    assert_eq!(error.class, FailureClass::PlanWrong);
    assert_eq!(
        error.message,
        "not written, nor anything else of this run: step connect[b].scope would fail: it is called otherwise"
    );
    assert_eq!(bench.asked(), 2, "all of them");
    bench.probe(identity("a", "1"), false).await.unwrap_err();
    assert_eq!(bench.asked(), 1, "what holds is not asked again, what does not may be mended");
    bench.probe(identity("a", "1"), true).await.unwrap();
    bench.probe(identity("c", "2"), true).await.unwrap_err();
    assert_eq!(bench.asked(), 1, "once something is written, those who belong elsewhere go on");
}

#[tokio::test]
async fn one_that_no_identity_can_read_yet_delays_no_write_and_is_read_before_each_identitys_first_write() {
    let not_invited = |step: &str| guard(step, "not-invited", identity("guest", "1"));
    let bench =
        Bench::new(vec![not_invited("a"), not_invited("b"), guard("c", "unknown", identity("admin", "1"))]);
    bench.probe(identity("admin", "1"), false).await.unwrap();
    assert_eq!(bench.asked(), 2, "who cannot sign in is asked once");
    bench.probe(identity("admin", "1"), true).await.unwrap();
    assert_eq!(bench.asked(), 0);
    bench.probe(identity("guest", "1"), true).await.unwrap();
    assert_eq!(bench.asked(), 2);
    bench.probe(identity("other", "2"), true).await.unwrap();
    assert_eq!(bench.asked(), 0, "who belongs elsewhere");
}

#[tokio::test]
async fn a_passing_fault_holds_the_write_up_for_a_while_and_not_for_ever() {
    let bench = Bench::new(vec![guard("a", "later", identity("a", "1"))]);
    for _ in 1..TRIES {
        let error = bench.probe(identity("a", "1"), false).await.unwrap_err();
        assert_eq!((error.class, error.message.as_str()), (FailureClass::Transient, "the network is down"));
    }
    bench.probe(identity("a", "1"), false).await.unwrap();
    assert_eq!(bench.asked(), TRIES as usize);
}

#[tokio::test]
async fn an_ordered_overwrite_or_recreate_of_what_is_there_is_a_write() {
    let bench = Bench::new(vec![guard("a", "no", identity("a", "1"))]);
    for (decided, stopped) in [
        (None, false),
        (Some(Choice::Adopt), false),
        (Some(Choice::Overwrite), true),
        (Some(Choice::Recreate), true),
    ] {
        let params = Arc::new(json!({ "says": "there" }));
        let job = Job { params, decided, ..bench.job(identity("a", "1"), false) };
        assert_eq!(bench.performer.perform(job).await.result.is_err(), stopped, "{decided:?}");
    }
}

#[tokio::test]
async fn one_that_a_person_can_mend_makes_every_write_wait_for_that_person() {
    let bench = Bench::new(vec![guard("account", "wrong-account", identity("a", "1"))]);
    let error = bench.probe(identity("a", "1"), false).await.unwrap_err();
    assert_eq!(error.class, FailureClass::NeedsPerson);
    assert_eq!(
        error.wait.unwrap().what,
        "not written, nor anything else of this run: step account would wait: signed in as eve"
    );
    bench.probe(identity("a", "1"), false).await.unwrap_err();
    assert_eq!(bench.asked(), 2, "the right account may have signed in meanwhile");
}
